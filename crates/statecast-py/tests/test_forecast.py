"""Forecasts."""

import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import statecast
from conftest import ROOT

WAVE = np.sin(0.3 * np.arange(200))


def test_three_lines_forecast(builtin):
    forecast = builtin.forecast(WAVE, 20)
    assert forecast.paths.shape == (100, 20, 1)
    assert forecast.quantile(0.9).shape == (20, 1)
    truth = np.sin(0.3 * np.arange(200, 220))
    assert np.abs(forecast.median[:, 0] - truth).max() < 0.2
    assert np.allclose(forecast.mean, forecast.paths.mean(axis=0))
    low, high = forecast.band()
    assert (low <= high).all() and forecast.names == ["x0"]


def test_it_forecasts_what_the_program_forecasts(builtin, tmp_path):
    out = tmp_path / "out.csv"
    command = [sys.executable, "-m", "statecast", "forecast", "examples/half_cheetah.csv", "--horizon", "5"]
    subprocess.run([*command, "--samples", "20", "-o", out], cwd=ROOT, check=True, capture_output=True)
    recording = statecast.Recording.read(ROOT / "examples" / "half_cheetah.csv")
    builtin.forecast(recording, 5, samples=20).write(tmp_path / "own.csv")
    assert (tmp_path / "own.csv").read_text() == out.read_text()


def test_equal_seeds_give_equal_paths(linear):
    first, second, third = (linear.forecast(WAVE, 5, seed=seed).paths for seed in (1, 1, 2))
    assert (first == second).all() and (first != third).any()


def test_actions_to_come_are_used(linear, driven):
    states, actions = driven
    push = np.full((5, 1), 0.5)
    plans = {"push": push, "pull": -push}
    forecast = linear.forecast(states, 5, actions=actions, future_actions=plans)
    assert forecast.futures == ["push", "pull"]
    # The action of the last row acts on the first step, those to come from the second on.
    difference = np.median(forecast.future("push") - forecast.future("pull"), axis=0)[:, 0]
    expected = [sum(0.8**k for k in range(t)) for t in range(5)]
    assert np.allclose(difference, expected, atol=0.05)
    one = linear.forecast(states, 5, actions=actions, future_actions=push)
    assert (one.paths == forecast.future("push")).all()


def test_a_policy_acts_along_the_paths(linear, driven):
    states, actions = driven
    held = linear.forecast(states, 8, actions=actions, policy=lambda x: -0.8 * x)
    assert np.abs(held.paths[:, 2:]).max() < 0.2
    with pytest.raises(ZeroDivisionError):
        linear.forecast(states, 8, actions=actions, policy=lambda x: 1 / 0)
    with pytest.raises(statecast.StatecastError, match="shape"):
        linear.forecast(states, 8, actions=actions, policy=lambda x: np.zeros((len(x), 2)))


def test_rows_held_back_are_there_to_compare(linear):
    forecast = linear.forecast(WAVE, 10, holdout=True)
    assert np.allclose(forecast.truth[:, 0], WAVE[-10:]) and len(forecast.context) == 190


def test_several_episodes_are_forecast_one_by_one(linear, pendulum):
    with pytest.raises(statecast.StatecastError, match="forecast_each"):
        linear.forecast(pendulum, 5)
    forecasts = linear.forecast_each(pendulum, 5, samples=10)
    assert [f.episode for f in forecasts] == pendulum.episode_names
    assert linear.forecast(pendulum.only("1"), 5, samples=10).names == forecasts[1].names


def test_derived_quantities_and_densities(linear):
    pair = np.column_stack([WAVE, np.cos(0.3 * np.arange(200))])
    forecast = linear.forecast(pair, 4, derived=["radius=sqrt(x0^2+x1^2)"])
    assert forecast.names[-1] == "radius" and np.abs(forecast.median[:, 2] - 1).max() < 0.2
    density = linear.density(WAVE)
    edges, probabilities = density.bins()
    assert edges.shape == (1001,) and abs(probabilities.sum() - 1) < 1e-6
    assert (np.diff(edges) > 0).all()
    median = density.quantile(0.5)
    assert np.allclose(density.cdf(median), 0.5, atol=1e-6)
    mean = (probabilities * (edges[1:] + edges[:-1]) / 2).sum()
    assert np.allclose(mean, density.mean)


def test_results_become_tables_and_figures(linear, tmp_path):
    import matplotlib.pyplot as plt
    import pandas as pd

    index = pd.date_range("2026-01-31", periods=200, freq="D")
    forecast = linear.forecast(pd.Series(WAVE, index=index, name="level"), 6, holdout=True)
    table = forecast.to_pandas()
    assert len(table) == 6 and {"mean", "std", "q0.05"} <= set(table.columns)
    assert forecast.to_polars().shape == table.shape
    assert forecast.names == ["level"]
    # Fault: times of rows held back were those after them.
    assert list(forecast.times) == list(index[-6:])
    ahead = linear.forecast(pd.Series(WAVE, index=index), 2)
    assert list(ahead.times) == [index[-1] + pd.Timedelta(days=1), index[-1] + pd.Timedelta(days=2)]
    uneven = index.delete([5, 6, 50])
    assert linear.forecast(pd.Series(WAVE[:-3], index=uneven), 2).times == [197, 198]
    array = forecast.to_xarray()
    assert array.dims == ("sample", "step", "variable")
    assert len(array.time) == 6
    axes = forecast.plot()
    axes[0].figure.savefig(tmp_path / "forecast.png")
    assert (tmp_path / "forecast.png").stat().st_size > 10_000
    plt.close("all")


def test_paths_are_draws_for_arviz(linear):
    arviz = pytest.importorskip("arviz")
    draws = linear.forecast(WAVE, 6).to_arviz().posterior_predictive
    assert draws["x0"].shape == (1, 100, 6) and hasattr(arviz, "summary")


def test_forecasters_are_pickled_by_what_they_are_made_of(driven):
    states, actions = driven
    also = [statecast.Recording(states, actions)]
    made = statecast.Forecaster(experts="linear,persistence", recalibrated=True, also=also)
    again = pickle.loads(pickle.dumps(made))
    assert again.name == made.name == "mixture+recalibrated"
    given = dict(actions=actions[:60], future_actions=actions[60:65])
    assert (again.forecast(states[:60], 5, **given).paths == made.forecast(states[:60], 5, **given).paths).all()


def test_forecasters_are_used_from_several_threads(linear):
    alone = linear.forecast(WAVE, 5).paths
    found = [None] * 4

    def work(i):
        found[i] = linear.forecast(WAVE, 5).paths

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((paths == alone).all() for paths in found)


def test_other_threads_run_meanwhile(builtin):
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.01):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.perf_counter()
    builtin.forecast(np.column_stack([WAVE] * 3), 40)
    seconds = time.perf_counter() - begin
    stop.set()
    thread.join()
    assert len(ticks) > 20 * seconds, f"{len(ticks)} ticks in {seconds:.1f} s"


FORKED = """
import multiprocessing, numpy as np, statecast
wave = np.sin(0.3 * np.arange(100))
forecaster = statecast.Forecaster.builtin()
def median(seed):
    return forecaster.forecast(wave, 3, samples=10, seed=seed).median[0, 0]
own = [median(seed) for seed in range(4)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(median, range(4)) == own
print("equal")
"""


def test_forked_processes_forecast():
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=120)
    assert run.stdout == "equal\n", run.stderr


INTERRUPTED = """
import numpy as np, statecast
waves = np.sin(np.outer(np.arange(600), np.linspace(0.1, 0.4, 12)))
forecaster = statecast.Forecaster.builtin()
print("ready", flush=True)
try:
    forecaster.forecast(waves, 300, samples=1000)
except KeyboardInterrupt:
    print("interrupted")
    print(forecaster.forecast(waves[:100, :1], 2, samples=2).mean.shape)
"""


def test_ctrl_c_ends_a_forecast_but_not_the_forecaster():
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1.5)
        begin = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.perf_counter() - begin < 20
        assert process.stdout.readline() == "(2, 1)\n"
