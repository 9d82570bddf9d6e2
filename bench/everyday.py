"""Everyday series beside the classical methods, into docs/everyday-series.md: python bench/everyday.py [--only classic airline etth1 long m4 flows]

    pip install statsforecast==2.1.1 pmdarima==2.1.1 statsmodels==0.15.0

classic: series of the packages pmdarima and statsmodels, three windows each. etth1: the electricity transformer of ../shared/series-benchmarks,
20 windows of two days in its last fifth, all seven channels read together. Which forms of regression there are, and the pool's origins, were
chosen with a look at both. m4: its
414 hourly series (`score.py m4` there has the same numbers); a seeded draw of 40 of them chose the pool's origins,
caution and prior. airline: the last 24 months of 144. flows: its 20 chaotic flows, which showed what the smooth regression's prior has to be.

AutoARIMA reads the last 1,000 rows at most: of more it takes minutes.

MASE is the mean absolute error of the median over that of the seasonal naive forecast inside the context, CRPS the mean pinball loss
of nine deciles (twice) over the mean absolute value. Ratios are geometric means over series of the ratio to the seasonal naive
forecast, with 95 % bootstrap intervals over series.
"""

import argparse
import csv
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from document import put

ROOT = Path(__file__).resolve().parents[1]
LEVELS = np.arange(1, 10) / 10


def classic():
    """Name: values, season, horizon."""
    import pmdarima.datasets as pm
    from statsmodels import datasets

    co2 = datasets.co2.load_pandas().data["co2"].interpolate()
    macro = datasets.macrodata.load_pandas().data
    nino = datasets.elnino.load_pandas().data.iloc[:, 1:].to_numpy().ravel()
    return {
        "airline passengers": (pm.load_airpassengers(), 12, 12),
        "beer production": (pm.load_ausbeer(), 4, 8),
        "residents": (pm.load_austres(), 4, 8),
        "wine sales": (pm.load_wineind(), 12, 12),
        "woollen yarn": (pm.load_woolyrnq(), 4, 8),
        "electricity, half-hourly": (pm.load_taylor(), 48, 48),
        "lynx": (pm.load_lynx(), 10, 10),
        "heart rate": (pm.load_heartrate(), 1, 12),
        "sunspots, monthly": (pm.load_sunspots(), 12, 24),
        "sunspots, yearly": (datasets.sunspots.load_pandas().data["SUNACTIVITY"], 11, 11),
        "CO2, weekly": (co2, 52, 52),
        "CO2, monthly": (co2.resample("MS").mean(), 12, 24),
        "Nile": (datasets.nile.load_pandas().data["volume"], 1, 10),
        "unemployment": (macro["unemp"], 4, 8),
        "real GDP": (macro["realgdp"], 4, 8),
        "sea surface temperature": (nino, 12, 12),
    }


def windows(values, horizon, count=3):
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    ends = [len(values) - k * horizon for k in range(count)]
    return [(values[: end - horizon], values[end - horizon : end]) for end in ends]


def pinball(y, quantiles):
    error = y[..., None] - quantiles
    return (2 * np.maximum(LEVELS * error, (LEVELS - 1) * error)).mean(-1)


def forecast(program, contexts, horizon, flags):
    """Deciles `[window][horizon, channels, 9]` of contexts `[rows, channels]`, each an episode of one table."""
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "x.csv", Path(folder) / "f.csv"
        channels = contexts[0].shape[1]
        with open(table, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["episode", *(f"x{c}" for c in range(channels))])
            for number, context in enumerate(contexts):
                writer.writerows([number, *map(repr, map(float, row))] for row in context)
        command = [program, "forecast", table, "--state", "x*", "--horizon", horizon, "--output", output]
        command += ["--quantiles", ",".join(f"{q:.1f}" for q in LEVELS), *flags]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        found = [np.zeros((horizon, channels, 9)) for _ in contexts]
        with open(output) as file:
            for row in csv.DictReader(file):
                window = int(row["episode"])
                step = int(row["step"]) - len(contexts[window])
                found[window][step, int(row["variable"][1:])] = [float(row[f"q0.{i}"]) for i in range(1, 10)]
        return found


def of_program(*flags):
    def method(program, context, horizon, season):
        period = ["--period", season] if "period" in flags and season > 1 else []
        own = [flag for flag in flags if flag != "period"]
        return forecast(program, [context[:, None]], horizon, [*own, *period])[0][:, 0]

    return method


def naive(_program, context, horizon, season):
    """The last season again; normal errors of that of the past, which grow with every season ahead."""
    from statistics import NormalDist

    point = np.resize(context[-season:], horizon)
    errors = context[season:] - context[:-season]
    growth = np.sqrt(np.arange(horizon) // season + 1)
    z = np.array([NormalDist().inv_cdf(q) for q in LEVELS])
    return point[:, None] + np.sqrt((errors**2).mean()) * growth[:, None] * z


def of_statsforecast(name):
    def method(_program, context, horizon, season):
        from statsforecast import models

        of = getattr(models, name)
        # They take seasons of 24 rows at most, or minutes; longer ones are taken off before.
        long = season > 24 and name != "AutoTheta"
        trend = of(model="ZZN") if name == "AutoETS" else of()
        model = models.MSTL(season_length=season, trend_forecaster=trend) if long else of(season_length=season)
        said = model.forecast(y=context, h=horizon, level=[20, 40, 60, 80])
        low = [said[f"lo-{level}"] for level in (80, 60, 40, 20)]
        high = [said[f"hi-{level}"] for level in (20, 40, 60, 80)]
        return np.stack([*low, said["mean"], *high], axis=1)

    return method


METHODS = {
    "seasonal naive": naive,
    "builtin": of_program(),
    "builtin, known season": of_program("--method", "residual", "period"),
    "sari": of_program("--experts", "sari"),
    "log-sari": of_program("--experts", "log-sari"),
    "harmonic": of_program("--experts", "harmonic"),
    "log-harmonic": of_program("--experts", "log-harmonic"),
    "harmonic-ari": of_program("--experts", "harmonic-ari"),
    "ets": of_program("--experts", "ets"),
    "log-ets": of_program("--experts", "log-ets"),
    "AutoETS": of_statsforecast("AutoETS"),
    "AutoTheta": of_statsforecast("AutoTheta"),
    "AutoARIMA": of_statsforecast("AutoARIMA"),
}


def scores(y, quantiles, context, season):
    """MASE, CRPS over the mean size, share in the 80 % band."""
    scale = np.abs(context[season:] - context[:-season]).mean()
    return [
        np.abs(y - quantiles[:, 4]).mean() / scale,
        pinball(y, quantiles).mean() / np.abs(y).mean(),
        ((quantiles[:, 0] <= y) & (y <= quantiles[:, 8])).mean(),
    ]


def interval(ratios):
    """Geometric mean with its 95 % bootstrap interval over series."""
    logs = np.log(ratios)
    means = np.random.default_rng(0).choice(logs, (10_000, len(logs))).mean(1)
    return "{:.2f} [{:.2f}, {:.2f}]".format(*np.exp([logs.mean(), *np.quantile(means, [0.025, 0.975])]))


def comparison(found, seconds):
    """`found[method][series]`: means over windows of the scores."""
    lines = ["| method | MASE / naive | CRPS / naive | in 80 % | s a forecast |", "|---|---|---|---|---|"]
    base = found["seasonal naive"]
    for method, own in found.items():
        ratios = [[own[name][i] / base[name][i] for name in own] for i in (0, 1)]
        inside = 100 * np.mean([values[2] for values in own.values()])
        lines.append(f"| {method} | {interval(ratios[0])} | {interval(ratios[1])} | {inside:.0f} % | {np.mean(seconds[method]):.2f} |")
    return lines


def of_classic(arguments):
    found, seconds = {}, {}
    for method, run in METHODS.items():
        for name, (values, season, horizon) in classic().items():
            of = []
            for seen, y in windows(values, horizon):
                context = seen[-1000:] if method == "AutoARIMA" else seen
                begin = time.perf_counter()
                quantiles = run(arguments.program, context, horizon, season)
                seconds.setdefault(method, []).append(time.perf_counter() - begin)
                of.append(scores(y, quantiles, seen, season))
            found.setdefault(method, {})[name] = np.mean(of, axis=0)
            print(method, name, found[method][name].round(3), flush=True)
    lines = [*comparison(found, seconds), "", "| MASE | " + " | ".join(METHODS) + " |", "|---" * (len(METHODS) + 1) + "|"]
    for name in classic():
        lines.append(f"| {name} | " + " | ".join(f"{found[method][name][0]:.2f}" for method in METHODS) + " |")
    return "\n".join(lines)


def transformer(arguments, rows, horizon=48, count=20):
    """Names of the channels of ETTh1, and pairs of `rows` hours and the `horizon` after them, which end in the last fifth."""
    with open(arguments.series / "ETTh1.csv") as file:
        rows_of = list(csv.reader(file))
    names, values = rows_of[0][1:], np.array([[float(x) for x in row[1:]] for row in rows_of[1:]])
    ends = np.linspace(len(values) * 0.8 + horizon, len(values), count).astype(int)
    return names, [(values[end - horizon - rows : end - horizon], values[end - horizon : end]) for end in ends]


def of_etth1(arguments, horizon=48, season=24):
    names, pairs = transformer(arguments, 1000)
    found, seconds = {}, {}
    for method, run in METHODS.items():
        if method in ("AutoARIMA", "builtin, known season"):
            continue
        if method == "builtin":
            begin = time.perf_counter()
            quantiles = forecast(arguments.program, [context for context, _ in pairs], horizon, [])
            seconds[method] = [(time.perf_counter() - begin) / len(pairs) / len(names)]
        for c, name in enumerate(names):
            of = []
            for number, (context, y) in enumerate(pairs):
                if method == "builtin":
                    own = quantiles[number][:, c]
                else:
                    begin = time.perf_counter()
                    own = run(arguments.program, context[:, c], horizon, season)
                    seconds.setdefault(method, []).append(time.perf_counter() - begin)
                of.append(scores(y[:, c], own, context[:, c], season))
            found.setdefault(method, {})[name] = np.mean(of, axis=0)
            print(method, name, found[method][name].round(3), flush=True)
    return "\n".join(comparison(found, seconds))


def of_long(arguments, horizon=48, season=24, lengths=(250, 1000, 4000, 12000)):
    found, seconds = {}, {}
    for rows in lengths:
        names, pairs = transformer(arguments, rows)
        known = transformer(arguments, 1000)[1]
        begin = time.perf_counter()
        quantiles = forecast(arguments.program, [context for context, _ in pairs], horizon, [])
        method = f"{rows:,} hours"
        seconds[method] = [(time.perf_counter() - begin) / len(pairs) / len(names)]
        for c, name in enumerate(names):
            of = [scores(y[:, c], own[:, c], context[:, c], season) for (context, y), own in zip(known, quantiles)]
            found.setdefault(method, {})[name] = np.mean(of, axis=0)
            of = [scores(y[:, c], naive(None, context[:, c], horizon, season), context[:, c], season) for context, y in known]
            found.setdefault("seasonal naive", {})[name] = np.mean(of, axis=0)
        seconds["seasonal naive"] = [0]
        print(method, np.mean(list(found[method].values()), axis=0).round(3), flush=True)
    return "\n".join(comparison(found, seconds))


def of_score(arguments, *command):
    said = subprocess.run([sys.executable, arguments.series / "score.py", *map(str, command)], check=True, capture_output=True, text=True)
    return said.stdout.strip()


def saturated(said):
    """Values of sampled paths that a forecast says it held at an end."""
    return sum(int(count) for count in re.findall(r"(\d+) value\(s\) of sampled paths were moved", said))


def of_m4(arguments, samples=100):
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "hourly.csv", Path(folder) / "forecast.csv"
        of_score(arguments, "prepare", table)
        command = [arguments.program, "forecast", table, "--horizon", "48", "--samples", samples, "--output", output]
        command += ["--quantiles", ",".join(f"{q:.1f}" for q in LEVELS)]
        begin = time.perf_counter()
        said = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
        seconds = (time.perf_counter() - begin) / 414
        share = saturated(said.stderr) / (414 * 48 * samples)
        return f"`builtin`, {of_score(arguments, 'm4', output)}, {100 * share:.2f} % of the paths' values held at an end, {seconds:.1f} s a series"


def of_airline(arguments, horizon=24, samples=400):
    import pmdarima.datasets as pm

    values = np.asarray(pm.load_airpassengers(), float)
    levels = np.arange(1, 20) / 20
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "airline.csv", Path(folder) / "forecast.csv"
        table.write_text("passengers\n" + "\n".join(map(repr, map(float, values[:-horizon]))) + "\n")
        command = [arguments.program, "forecast", table, "--horizon", horizon, "--samples", samples, "--output", output]
        command += ["--quantiles", ",".join(f"{q:.2f}" for q in levels)]
        said = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
        with open(output) as file:
            rows = list(csv.DictReader(file))
    names = [f"q{q:g}" for q in levels.round(2)]
    quantiles = np.array([[float(row[name]) for name in names] for row in rows])
    error = values[-horizon:, None] - quantiles
    crps = (2 * np.maximum(levels * error, (levels - 1) * error)).mean()
    inside = ((error[:, 0] >= 0) & (error[:, -1] <= 0)).sum()
    share = saturated(said.stderr) / (horizon * samples)
    return f"`builtin`: CRPS {crps:.1f} passengers (thousands), {inside} of {horizon} months in 90 %, {100 * share:.2f} % of the paths' values held at an end"


def of_flows(arguments):
    return "    " + of_score(arguments, "flows", arguments.program).replace("\n", "\n    ")


PARTS = {"classic": of_classic, "airline": of_airline, "etth1": of_etth1, "long": of_long, "m4": of_m4, "flows": of_flows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/statecast")
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--series", type=Path, default=ROOT.parent / "shared/series-benchmarks")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/everyday-series.md")
    arguments = parser.parse_args()
    for name in arguments.only:
        put(arguments.document, name, PARTS[name](arguments))


if __name__ == "__main__":
    main()
