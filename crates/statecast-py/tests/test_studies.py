"""Backtests, calibration, policies, and the program."""

import subprocess
import sys

import numpy as np
import pytest

import statecast
from conftest import ROOT


def test_backtests_compare_forecasters(pendulum, linear):
    backtest = statecast.backtest(pendulum, [linear, "persistence"], context=100, horizon=10, windows=2, samples=20)
    assert backtest.methods == ["linear", "persistence"]
    assert backtest.score("linear") < backtest.score("persistence")
    table = backtest.to_pandas()
    assert {"method", "series", "crps", "observed"} <= set(table.columns)
    with pytest.raises(statecast.StatecastError, match="nobody"):
        backtest.score("nobody")
    own = linear.backtest(pendulum, baselines=["persistence"], context=100, horizon=10, windows=2, samples=20)
    assert own.score("linear") == backtest.score("linear")


def test_methods_may_have_names_of_ones_own(pendulum, linear):
    other = statecast.Forecaster(experts="linear", recalibrated=True)
    backtest = statecast.backtest(pendulum, {"plain": linear, "better": other}, context=100, horizon=5, windows=2, samples=10)
    assert backtest.methods == ["plain", "better"] and "better" in repr(backtest)


def test_calibration_is_measured_twice(pendulum):
    found = statecast.calibrate(pendulum, "ar", context=100, horizon=5, windows=2, samples=20)
    assert found.backtest.methods == ["ar", "ar+recalibrated"]
    assert [channel["name"] for channel in found.channels] == pendulum.state_names
    # Two episodes, each with two windows of five rows.
    assert [of["rows"] for of in found.evidence] == [20, 20]
    own = statecast.Forecaster(experts="ar").calibrate(pendulum, context=100, horizon=5, windows=2, samples=20)
    assert own.channels == found.channels


def test_policies_are_judged(driven):
    random = np.random.default_rng(1)
    episodes = []
    for _ in range(12):
        states, actions = np.zeros((20, 1)), random.uniform(-1, 1, (20, 1))
        states[0] = random.normal()
        for t in range(19):
            states[t + 1] = 0.8 * states[t] + actions[t]
        episodes.append({"states": states, "actions": actions, "rewards": -(states[:, 0] ** 2)})
    recording = statecast.Recording.from_episodes(episodes)
    values = statecast.evaluate(
        recording,
        {"damp": lambda x: -0.8 * x, "push": 1.0},
        estimators=["linear", "fqe"],
        horizon=20,
        discount=1.0,
        paths=20,
    )
    damp, push = (values.value(policy, "linear")[0] for policy in ("damp", "push"))
    assert damp > push
    assert values.verdict and len(values.to_pandas()) == 4
    two = statecast.evaluate(recording, [lambda x: 0 * x, lambda x: 0 * x + 1], estimators=["linear"], horizon=5)
    assert two.summary["policies"] == ["policy 0", "policy 1"]
    policies = {"damp": lambda x: -0.8 * x, "push": 0.9}
    compared = statecast.evaluate(recording, policies, estimators=["mlp"], horizon=20, discount=1.0, incumbent="push")
    assert compared.better == ["damp"]
    assert compared.summary["selection"]["differences"][0]["value"]["mean"] > 0
    high = statecast.evaluate(
        recording, policies, estimators=["linear"], horizon=20, failure=f"{recording.state_names[0]} > 3"
    )
    damped, pushed = (e["distribution"]["failure"]["mean"] for e in high.summary["estimates"])
    assert damped < 0.1 and pushed > 0.9
    with pytest.raises(statecast.StatecastError, match="no variable 'height'"):
        statecast.evaluate(recording, policies, estimators=["linear"], horizon=20, failure="height > 3")
    with pytest.raises(statecast.StatecastError, match="no incumbent"):
        _ = two.better
    with pytest.raises(ValueError, match="incumbent=other"):
        statecast.evaluate(recording, {"damp": lambda x: -0.8 * x}, estimators=["linear"], incumbent="other")
    with pytest.raises(statecast.StatecastError, match="shape"):
        statecast.evaluate(recording, [lambda x: np.zeros((1, len(x)))], estimators=["linear"], horizon=5)
    with pytest.raises(ZeroDivisionError):
        statecast.evaluate(recording, [lambda x: 1 / 0], estimators=["linear"], horizon=5)
    with pytest.raises(statecast.StatecastError, match="no policy"):
        statecast.evaluate(recording, [object()], estimators=["linear"])


class Normal:
    """Actions from a normal distribution around `gain x`."""

    def __init__(self, gain):
        self.gain, self.random = gain, np.random.default_rng(0)

    def __call__(self, x):
        return self.gain * x + self.random.normal(size=x.shape)

    def log_prob(self, x, a):
        return -0.5 * ((a - self.gain * x) ** 2).sum(axis=1) - 0.5 * np.log(2 * np.pi)


def test_importance_sampling_weighs_by_given_behaviours():
    """Fault: estimates by importance sampling were always missing, as no probabilities could be given."""
    behaviour, episodes = Normal(-0.3), []
    for _ in range(60):
        states, actions = np.zeros((5, 1)), np.zeros((5, 1))
        states[0] = 1
        for t in range(5):
            actions[t] = behaviour(states[t : t + 1])[0]
            if t < 4:
                states[t + 1] = 0.5 * states[t] + 0.3 * actions[t]
        episodes.append({"states": states, "actions": actions, "rewards": states[:, 0]})
    recording = statecast.Recording.from_episodes(episodes)
    settings = dict(estimators=["is"], horizon=5, discount=1.0, behaviours=[behaviour])
    same = statecast.evaluate(recording, {"same": Normal(-0.3)}, **settings).value("same", "is")[0]
    assert abs(same - np.mean([e.rewards.sum() for e in recording.episodes])) < 1e-6


def test_the_program_is_in_the_wheel(tmp_path):
    program = [sys.executable, "-m", "statecast"]
    version = subprocess.run([*program, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip() == f"statecast {statecast.__version__}"
    wrong = subprocess.run([*program, "forecast", "nowhere.csv"], capture_output=True, text=True)
    assert wrong.returncode == 1 and "nowhere.csv" in wrong.stderr
    usage = subprocess.run([*program, "--nonsense"], capture_output=True, text=True)
    assert usage.returncode == 2
    out = tmp_path / "out.csv"
    command = [*program, "forecast", "examples/half_cheetah.csv", "--experts", "linear", "--horizon", "3", "-o", out]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert out.read_text().count("\n") == 1 + 3 * 17


def test_the_package_is_imported_quickly():
    code = "import numpy, time; t = time.perf_counter(); import statecast; print(time.perf_counter() - t)"
    times = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(3)]
    assert min(times) < 0.2
