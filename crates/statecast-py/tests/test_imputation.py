"""Missing values."""

import numpy as np
import pandas as pd
import pytest

import statecast
from statecast import Recording, StatecastError

ROWS = np.stack([np.sin(0.3 * np.arange(120)), np.cos(0.3 * np.arange(120))], axis=1)


def test_missing_values_are_filled_and_known_ones_stay():
    gone = ROWS.copy()
    gone[[10, 50, 51, 52], 0] = np.nan
    gone[50, 1] = np.nan
    imputation = statecast.impute(pd.DataFrame(gone))
    assert imputation.holes.tolist() == [[10, 0], [50, 0], [50, 1], [51, 0], [52, 0]]
    known = np.isfinite(gone)
    assert (imputation.filled[known] == gone[known]).all()
    assert np.abs(imputation.filled - ROWS).max() < 0.01
    low, median, high = (imputation.quantile(level) for level in (0.1, 0.5, 0.9))
    assert (low <= median).all() and (median <= high).all()
    assert (imputation.filled[~known] == median).all()
    draws = imputation.sample(50, seed=1)
    assert draws.shape == (50, 5) and np.isfinite(draws).all()
    assert (draws == imputation.sample(50, seed=1)).all()


def test_what_cannot_be_filled_is_refused():
    with pytest.raises(StatecastError, match="channel 1 has no value at all"):
        statecast.impute(np.stack([ROWS[:, 0], np.full(120, np.nan)], axis=1))
    with pytest.raises(StatecastError, match="more than half"):
        statecast.impute(np.r_[1.0, np.full(5, np.nan)])
    with pytest.raises(StatecastError, match="level"):
        statecast.impute(ROWS).quantile(1.5)


def test_recordings_are_filled_as_they_are_read(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("t,x\n" + "".join(f"{t},{'' if t == 60 else ROWS[t, 0]}\n" for t in range(120)))
    with pytest.raises(StatecastError, match="row 61"):
        Recording.read(path)
    recording = Recording.read(path, missing="model")
    assert abs(recording[0].states[60, 0] - ROWS[60, 0]) < 0.01
    assert any("1 missing value filled" in note for note in recording.notes)
    # Fault: what had been filled knew the future, and nothing said so.
    assert any("know rows after them" in note for note in recording.notes)


def test_actions_of_another_recording_are_labelled():
    random = np.random.default_rng(0)

    def pushed(rows):
        pushes = random.uniform(-1, 1, rows)
        return np.cumsum(np.r_[0, 0.1 * pushes])[:-1], pushes

    (known, done), (states, truth) = pushed(200), pushed(60)
    labels = statecast.impute_actions(Recording(states), [Recording(known, actions=done)])
    assert labels.steps.tolist() == [[0, row] for row in range(59)]
    assert np.abs(labels.labels[:, 0] - truth[:59]).max() < 0.05
    assert (labels.quantile(0.1) <= labels.quantile(0.9)).all()
    assert labels.scores[0]["loss"] < 0.1 * labels.scores[0]["loss_of_mean"] and labels.warnings == []
    recording = labels.recording()
    assert recording[0].actions.shape == (59, 1) and recording[0].final_state == states[59]
    with pytest.raises(StatecastError, match="has no actions to learn from"):
        statecast.impute_actions(Recording(states), Recording(known))
