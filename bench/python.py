"""The Python package beside the program: start, first forecast, memory, and series per second, as Markdown.

    python -m venv .venv; .venv/bin/pip install . pandas; .venv/bin/python bench/python.py [--series 24] [--rounds 3]

Series of 200 rows, 24 steps, 100 paths, one thread. The program reads them as episodes of one file, `forecast_each` as those of a
recording, `predict_df` one by one. All run in turn, in processes of their own; medians with the least and the greatest.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FIRST = """
import time; begin = time.perf_counter()
import numpy as np, statecast
imported = time.perf_counter()
statecast.Forecaster.builtin().forecast(np.sin(0.3 * np.arange(500)), 10)
print(imported - begin, time.perf_counter() - begin)
"""

RUN = """
import json, resource, sys, time
import statecast
way, path = sys.argv[1:]
forecaster = statecast.Forecaster.builtin()
begin = time.perf_counter()
if way == "forecast_each":
    forecaster.forecast_each(statecast.Recording.read(path), 24)
else:
    import pandas as pd
    begin = time.perf_counter()
    df = pd.read_csv(path).rename(columns={"episode": "item_id", "t": "timestamp", "x": "target"})
    forecaster.predict_df(df, 24)
seconds = time.perf_counter() - begin
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def of_program(path):
    with tempfile.TemporaryDirectory() as folder:
        command = [Path(sys.executable).with_name("statecast"), "forecast", path, "--horizon", "24", "-o", f"{folder}/out.csv"]
        begin = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        return time.perf_counter() - begin, usage.ru_maxrss / 1024


def of_package(way, path):
    run = subprocess.run([sys.executable, "-c", RUN, way, path], capture_output=True, text=True, check=True)
    return tuple(json.loads(run.stdout.splitlines()[-1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"
    starts = [
        tuple(map(float, subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True).stdout.split()))
        for _ in range(given.rounds)
    ]
    for name, times in zip(("import of NumPy and statecast", "first forecast of 500 rows, from the start of Python"), zip(*starts), strict=True):
        print(f"{name}: {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/series.csv"
        with open(path, "w") as file:
            file.write("episode,t,x\n")
            for series in range(given.series):
                values = np.sin(0.3 * np.arange(200) + series) + 0.1 * random.normal(size=200)
                file.writelines(f"{series},{t},{value:.6g}\n" for t, value in enumerate(values))
        found = {"program": [], "forecast_each": [], "predict_df": []}
        for _ in range(given.rounds):
            for way, runs in found.items():
                runs.append(of_program(path) if way == "program" else of_package(way, path))
    print("\n| | series per second | to the program | memory, MiB |\n|---|---|---|---|")
    of_the_program = statistics.median(seconds for seconds, _ in found["program"])
    for way, runs in found.items():
        seconds = sorted(given.series / s for s, _ in runs)
        ratio = of_the_program / statistics.median(s for s, _ in runs)
        memory = statistics.median(memory for _, memory in runs)
        print(f"| {way} | {statistics.median(seconds):.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f}) | {ratio:.2f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
