"""What is handed over: every kind that is understood, and what is refused."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statecast
from statecast import Recording, StatecastError

ROWS = np.arange(24.0).reshape(12, 2) ** 1.5


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        ROWS.tolist(),
        ROWS.astype(">f8"),
        np.asfortranarray(ROWS),
        np.repeat(ROWS, 2, axis=0)[::2],
        pd.DataFrame(ROWS, columns=["x0", "x1"]),
        pl.DataFrame(ROWS, schema=["x0", "x1"]),
        pl.DataFrame(ROWS, schema=["x0", "x1"]).to_arrow(),
        ROWS.astype(object),
    ],
    ids=["array", "lists", "big-endian", "fortran", "strided", "pandas", "polars", "arrow", "objects"],
)
def test_tables_of_every_kind_are_the_same_rows(given):
    recording = Recording(given)
    assert recording.state_names == ["x0", "x1"]
    assert (recording[0].states == ROWS).all() and recording[0].states.flags.c_contiguous


def test_whole_numbers_and_single_precision_are_numbers():
    assert Recording(np.arange(5, dtype=np.uint8))[0].states[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert Recording(np.float32([0.5, 1.5]))[0].states.dtype == np.float64
    assert Recording(pl.Series("level", [1, 2])).state_names == ["level"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["a", "b", "c"], "not numbers"),
        ([[1, 2], [3]], "no array of numbers"),
        ([1.0, float("nan"), 2.0], r"nan at \[1\]"),
        ([1.0, float("inf")], r"inf at \[1\]"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        ([], "no rows"),
        (np.zeros((0, 3)), "no rows"),
        (np.zeros((3, 0)), "state"),
        (np.array([1 + 2j, 3]), "not numbers"),
        (np.array(["2026-01-01"], dtype="datetime64[D]"), "not numbers"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "not numbers"),
        (pd.DataFrame({"a": pd.date_range("2026", periods=2)}), "a"),
        ([1e300, 1.0], "1e300: more than 1e150"),
        (None, "not numbers"),
        ({"a": 1}, "not numbers"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(given, said):
    with pytest.raises(StatecastError, match=said):
        Recording(given)


def test_parts_of_other_lengths_are_refused():
    for wrong, said in [
        ({"actions": np.zeros(11)}, "12 rows of states, but 11 of actions"),
        ({"rewards": np.zeros(13)}, "reward"),
        ({"terminated": [True]}, "12 rows"),
        ({"final_state": [1.0]}, "final state"),
        ({"state_names": ["x"]}, "2 state columns but 1 are named"),
    ]:
        with pytest.raises(StatecastError, match=said):
            Recording(ROWS, **wrong)
    with pytest.raises(StatecastError, match="at least one"):
        Recording.from_episodes([])


def test_episodes_hold_what_was_given():
    recording = Recording.from_episodes(
        [
            {"states": ROWS, "actions": ROWS[:, 0], "rewards": ROWS[:, 1], "terminated": [False] * 11 + [True]},
            {"states": ROWS[:5], "actions": ROWS[:5, 0], "rewards": ROWS[:5, 1], "final_state": ROWS[5], "name": "b"},
        ],
        action_names=["torque"],
    )
    first, second = recording.episodes
    assert recording.action_names == ["torque"] and recording.reward_name == "reward"
    assert recording.episode_names == ["0", "b"] and len(second) == 5
    assert first.terminated.tolist() == [False] * 11 + [True] and not first.truncated.any()
    assert (second.final_state == ROWS[5]).all() and first.final_state is None
    assert len(recording[-1]) == 5
    with pytest.raises(IndexError):
        recording[2]


def test_columns_are_told_by_their_names_not_their_places(linear):
    """Faults: columns of another order were taken for the first ones, of episodes, plans and rows that came."""
    frame = pd.DataFrame(ROWS, columns=["a", "b"])
    recording = Recording.from_episodes([{"states": frame}, {"states": frame[["b", "a"]]}])
    assert (recording[1].states == ROWS).all()
    with pytest.raises(StatecastError, match="a, c, where a, b"):
        Recording.from_episodes([{"states": frame}, {"states": frame.rename(columns={"b": "c"})}])
    random = np.random.default_rng(0)
    actions = pd.DataFrame(random.normal(size=(60, 2)), columns=["left", "right"])
    states = np.cumsum(actions["left"].to_numpy())
    plan = actions.iloc[:5]
    known = [linear.forecast(states, 5, actions=actions, future_actions=p).paths for p in (plan, plan[["right", "left"]])]
    assert (known[0] == known[1]).all()
    session = linear.session(frame)
    session.append(frame[["b", "a"]].iloc[:1])
    assert (session.states[-1] == ROWS[0]).all()


def test_what_is_one_is_taken_as_one(linear):
    recording = Recording(ROWS, state_names=pd.Index(["p", "q"]))
    assert recording.state_names == ["p", "q"]
    assert statecast.Forecaster(experts="linear", also=recording).forecast(recording, 2).names == ["p", "q"]
    with pytest.raises(StatecastError, match="names of episodes"):
        recording.only()
    assert pickle.loads(pickle.dumps(recording)).state_names == ["p", "q"]


def test_wrong_settings_are_named_as_keywords(linear):
    wave = np.sin(np.arange(50.0))
    for wrong, said in [
        ({"horizon": 0}, "horizon"),
        ({"samples": 0}, "samples"),
        ({"hold_actions": "first"}, "last, zero or mean"),
        ({"future_actions": [1.0], "hold_actions": "last"}, "give one"),
        ({"future_actions": np.zeros((3, 1))}, "action"),
        ({"derived": ["y=nothing+1"]}, "nothing"),
    ]:
        with pytest.raises(StatecastError, match=said):
            linear.forecast(wave, **({"horizon": 5} | wrong))
    for horizon, said in [(-1, "below 0"), ("five", "whole number"), (2.5, "whole number"), (2**70, "2\\^63")]:
        with pytest.raises(StatecastError, match=said):
            linear.forecast(wave, horizon)
    for wrong, said in [
        ({"method": "pca"}, "pca"),
        ({"precision": "f16"}, "auto, f32 or bf16"),
        ({"device": "tpu"}, "cpu"),
        ({"experts": "nobody"}, "nobody"),
        ({"temperature": -1.0}, "temperature"),
    ]:
        with pytest.raises((StatecastError, FileNotFoundError), match=said):
            statecast.Forecaster(**wrong)
    with pytest.raises(TypeError, match="colour"):
        statecast.Forecaster(colour="red")


def test_missing_files_are_missing_files():
    with pytest.raises(FileNotFoundError, match="nowhere.csv"):
        Recording.read("nowhere.csv")


def test_files_say_what_was_understood(pendulum):
    assert pendulum.action_names == ["act_torque"]
    assert any("act_torque" in note for note in pendulum.notes)
