"""Paths on the control recordings, the recorded actions given: python path_scores.py MODEL ... [--paths 30] [--windows 4]

MODEL: an exported folder, or a checkpoint of a run (its averaged weights); NAME+independent=FILE draws channels independently. Beside it the
experts by themselves, "scales" and the digit reading of the bundled model. CRPS in standard deviations of the context,
share of values in 90 % intervals, energy and variogram score of the rows. A path ends where its episode does.
"""

import argparse
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

from encoding import BOS
from hints import Experts
from hints.reading import axis_positions, scaled_actions
from joint import energy_score, variogram_score
from mixing import ScalesMixture, normal_log
from model_reading import MOST_MOVE, Cached, ModelReading
from recordings import WINDOWS, recordings
from scores import paired_interval, sample_crps
from warm_start import loaded

HERE = os.path.dirname(os.path.abspath(__file__))
HORIZON, LEAST_ROWS = 20, 5
EXPERTS = {"linear": 0, "quadratic": 1}


def experts_behind(positions, acts, starts, mixture=None):
    """Experts that have read one window's rows, and the mixture's weights behind them."""
    rows, channels = positions.shape
    experts = Experts(1, channels, acts.shape[1], rows + HORIZON + 1)
    for t in range(rows):
        experts.predict()
        if mixture and experts.laws.known.any(1).all():
            centre, deviation, known = mixture.normals(experts.laws)
            logs = normal_log(positions[t][None, :, None] - 5, centre, deviation)
            mixture.learn(logs, known, np.ones((1, channels), bool))
        ends = np.array([t + 1 < rows and starts[t + 1]])
        experts.learn(positions[None, t] - 5, acts[None, t], ends, np.ones((1, channels), bool))
    return experts


def expert_paths(name, positions, acts, starts, future, count, rng):
    """Paths of one expert, or of "scales", that learn from their own draws."""
    channels = positions.shape[1]
    mixture = ScalesMixture(1, channels, 5) if name == "scales" else None
    experts = experts_behind(positions, acts, starts, mixture).repeated(count)
    mixture = mixture and mixture.repeated(count)
    bound, last, out = MOST_MOVE * experts.past.largest_move, positions[-1:] - 5, []
    for action in future:
        experts.predict()
        laws = experts.laws
        if mixture:
            centre, deviation, known = mixture.normals(laws)
            chance = np.exp(mixture.current(known)).cumsum(-1)
            part = (chance < rng.random((count, channels, 1)) * chance[..., -1:]).sum(-1, keepdims=True)
            part = part.clip(0, chance.shape[-1] - 1)
            of = lambda array: np.take_along_axis(array, part, -1)[..., 0]
            x = of(centre) + of(deviation) * rng.standard_normal((count, channels))
        else:
            e = EXPERTS[name]
            x = laws.location[:, e] + laws.scale[:, e] * rng.standard_t(laws.freedom[:, e])
        x = last = np.clip(x, last - bound, last + bound)
        if mixture:
            mixture.learn(normal_log(x[..., None], centre, deviation), known, np.ones(x.shape, bool))
        experts.learn(x, np.repeat(action[None], count, 0), np.zeros(count, bool), np.ones(x.shape, bool))
        out.append(5 + x)
    return np.stack(out, 1)


@torch.no_grad()
def digit_paths(model, positions, steps, count, rng):
    """Paths of the digit reading, each channel by itself."""
    bins = np.clip(np.floor(100 * positions), 0, 999).astype(np.int64).T
    ids = torch.from_numpy(np.concatenate([np.full((len(bins), 1), BOS), bins], 1))
    cached, drawn = Cached(model), []
    h = cached.read(F.embedding(ids, model.embedding()))[:, -1:].repeat_interleave(count, 0)
    cached.repeat(torch.arange(len(bins)).repeat_interleave(count))
    for _ in range(steps):
        cdf = F.linear(h[:, 0], model.head()[:1000]).double().softmax(-1).numpy().cumsum(-1)
        new = (cdf < rng.random((len(cdf), 1)) * cdf[:, -1:]).sum(-1).clip(0, 999)
        drawn.append((new + rng.random(len(new))) / 100)
        h = cached.read(F.embedding(torch.from_numpy(new[:, None]), model.embedding()))
    paths = np.stack(drawn, -1).reshape(positions.shape[1], count, steps)
    return paths.transpose(1, 2, 0)


def origin(starts, context):
    """The first row from the context's end on that at least some rows of its episode follow, and the end of it."""
    begins = np.flatnonzero(starts)
    for t in range(context, len(starts)):
        later = begins[begins >= t]
        end = min(int(later[0]) if len(later) else len(starts), t + HORIZON)
        if end - t >= LEAST_ROWS and not starts[t]:
            return t, end
    return None


def scored(paths, truth, size):
    low, high = np.quantile(paths, [0.05, 0.95], axis=0)
    members = np.moveaxis(paths, 2, 0)  # [channels, members, steps]
    crps = sample_crps(members, truth.T) / size[:, None]
    scaled, seen = paths / size, truth / size
    return dict(
        crps=crps.mean(),
        coverage=((truth >= low) & (truth <= high)).mean(),
        energy=energy_score(scaled, seen).mean(),
        variogram=variogram_score(scaled, seen).mean(),
    )


def window_scores(recording, w, positions, acts, models, bundled, count):
    found = origin(recording.starts[w], recording.context)
    if not found:
        return None
    t, end = found
    x, u, starts = positions[w, :t], acts[w, :t], recording.starts[w, :t]
    truth, future, size = positions[w, t:end], acts[w, t:end], positions[w, : recording.context].std(0) + 1e-9
    out = {}
    for name in (*EXPERTS, "scales"):
        out[name] = scored(expert_paths(name, x, u, starts, future, count, np.random.default_rng(w)), truth, size)
    out["bundled"] = scored(digit_paths(bundled, x, end - t, count, np.random.default_rng(w)), truth, size)
    for name, model in models.items():
        coupled = not name.endswith("+independent")
        out[name] = scored(model.paths(x[None], u[None], starts[None], future[None], count, w, coupled)[0], truth, size)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="folders or checkpoints: NAME=FILE")
    parser.add_argument("--only", help="part of a recording's name")
    parser.add_argument("--paths", type=int, default=30)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--last", action="store_true")
    parser.add_argument("--json", help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    models = {}
    for model in arguments.models:
        name, _, path = model.rpartition("=")
        models[name or os.path.basename(os.path.dirname(path))] = ModelReading.of(path, arguments.last)
    bundled, results = loaded(f"{HERE}/../builtin"), {}
    for recording in recordings([name for name in WINDOWS if not arguments.only or arguments.only in name]):
        first = np.full(len(recording.values), recording.context)
        none = np.zeros(recording.values.shape, bool)
        positions, _ = axis_positions(recording.values, first, none, none[:, 0])
        acts = scaled_actions(recording.actions, first)
        most = arguments.windows if positions.shape[2] < 12 else max(1, arguments.windows // 2)
        each = [window_scores(recording, w, positions, acts, models, bundled, arguments.paths) for w in range(min(most, len(positions)))]
        each = [scores for scores in each if scores]
        results[recording.name] = {m: {k: [s[m][k] for s in each] for k in s0} for m, s0 in each[0].items()}
        of = results[recording.name]
        print(f"{recording.name} ({len(each)})", {m: f"{np.mean(s['crps']):.4f} {np.mean(s['coverage']):.2f}" for m, s in of.items()}, flush=True)
    methods = list(next(iter(results.values())))
    print("\nCRPS in standard deviations of the context, share in 90 % intervals")
    print("\n| recording | " + " | ".join(methods) + " |\n|---" + "|---" * len(methods) + "|")
    for name, of in results.items():
        print(f"| {name} | " + " | ".join(f"{np.mean(of[m]['crps']):.4f} ({100 * np.mean(of[m]['coverage']):.0f})" for m in methods) + " |")
    for name in models:
        best = {r: min(np.mean(of[m]["crps"]) for m in methods if m not in models) for r, of in results.items()}
        at = sum(np.mean(of[name]["crps"]) <= 1.02 * best[r] for r, of in results.items())
        good = sum(0.86 <= np.mean(of[name]["coverage"]) <= 0.94 for of in results.values())
        print(f"{name}: at most 1.02 x the best single expert on {at} of {len(results)}, coverage 86-94 % on {good}")
        other = name + "+independent"
        if other in models:
            for key in ("energy", "variogram"):
                ratio = [np.log(np.array(of[name][key])) - np.log(np.array(of[other][key])) for of in results.values()]
                print("  {} score, log ratio to independent draws {:+.3f} [{:+.3f}, {:+.3f}]".format(key, *paired_interval(ratio)))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file)


if __name__ == "__main__":
    main()
