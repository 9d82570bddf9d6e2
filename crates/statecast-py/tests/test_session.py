"""Sessions."""

import numpy as np
import pytest

import statecast

WAVE = np.sin(0.3 * np.arange(260))


def test_rows_are_followed_as_they_come(builtin):
    session = builtin.session(WAVE[:200])
    inside = 0
    for value in WAVE[200:230]:
        density = session.density()
        inside += density.quantile(0.05)[0] <= value <= density.quantile(0.95)[0]
        assert session.append(value).shape == (1, 1)
    assert session.rows == 230 and inside >= 24
    # Following is reading: the densities are those of a session that read all rows at once.
    whole = builtin.session(WAVE[:230])
    assert np.allclose(session.density().mean, whole.density().mean, atol=1e-3)


def test_a_session_says_when_its_densities_broke():
    random = np.random.default_rng(3)
    wave = np.sin(0.3 * np.arange(700)) + 0.1 * random.standard_normal(700)
    session = statecast.Forecaster(experts="ar").session(wave[:300])
    session.append(wave[300:450])
    assert session.evidence["rows"] == 150 and session.evidence["alarm"] is None
    # Noise of five times the size, which an autoregression takes long to believe.
    session.append(wave[450:550] + 0.5 * random.standard_normal(100))
    alarm = session.evidence["alarm"]
    assert 150 <= alarm["row"] < 240 and abs(alarm["since"] - 150) < 15 and alarm["channel"] == 0
    assert session.evidence["p_value"] < 0.01


def test_a_channel_that_was_constant_is_no_evidence():
    session = statecast.Forecaster(experts="ar").session(np.full(100, 3.0))
    session.append([3.0, 4.0, 5.0])
    assert session.evidence == {"rows": 3, "evidence": 0.0, "p_value": 1.0, "alarm": None}


def test_sessions_fork_and_roll_back(linear):
    session = linear.session(WAVE[:100])
    before = session.density().mean
    fork = session.fork()
    fork.append([5.0, 5.0])
    assert fork.rows == 102 and session.rows == 100
    assert (session.density().mean == before).all()
    fork.roll_back(2)
    assert fork.rows == 100 and np.allclose(fork.density().mean, before)
    with pytest.raises(statecast.StatecastError, match="cannot be forgotten"):
        fork.roll_back(99)


def test_predictions_are_those_of_forecasts(linear, driven):
    states, actions = driven
    session = linear.session(states[:100], actions=actions[:100])
    session.append(states[100:110], actions[100:110])
    push = np.full((6, 1), 0.5)
    paths = session.predict(6, samples=50, future_actions=push)
    forecast = linear.forecast(states[:110], 6, actions=actions[:110], future_actions=push, samples=50)
    assert paths.shape == (50, 6, 1)
    assert np.allclose(np.median(paths, axis=0), forecast.median, atol=0.05)


def test_wrong_rows_are_refused(linear, driven):
    states, actions = driven
    session = linear.session(states[:100], actions=actions[:100])
    for given, said in [
        ((states[100], None), "give them with the states"),
        ((states[100], [1.0, 2.0]), "actions"),
        (([1.0, 2.0, 3.0], [0.0, 0.0]), "rows"),
        ((np.nan, 0.0), "not finite"),
        ((np.zeros((2, 2)), np.zeros((2, 1))), "2 states"),
    ]:
        with pytest.raises(statecast.StatecastError, match=said):
            session.append(*given)
    assert session.rows == 100
