"""Policies of other libraries as programs."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest

import statecast
from statecast.environment import serve_lines
from statecast.policy import answer, load

OBSERVATIONS = [[0.1, 0.2, 0.3, 0.4], [-1.0, 2.0, 0.0, 0.5]]


def asked(model, **request):
    out = io.StringIO()
    serve_lines(lambda given: answer(model, given), [json.dumps(request)], out)
    return json.loads(out.getvalue())


@pytest.fixture
def traced(tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    path = tmp_path / "net.pt"
    torch.jit.trace(module, torch.zeros(1, 4)).save(str(path))
    with torch.no_grad():
        return str(path), module(torch.tensor(OBSERVATIONS)).numpy()


def test_torchscript_acts(traced):
    path, outputs = traced
    reply = asked(load(path), observations=OBSERVATIONS, seeds=[1, 2])
    assert np.allclose(reply["actions"], outputs, atol=1e-6) and "log_probabilities" not in reply
    reply = asked(load(path, logits="argmax"), observations=OBSERVATIONS, seeds=[1, 2])
    assert reply["actions"] == outputs.argmax(axis=1)[:, None].tolist()


def test_logits_are_drawn_with_their_probabilities(traced):
    path, outputs = traced
    model = load(path, logits="softmax")
    expected = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    reply = asked(model, observations=OBSERVATIONS, seeds=[1, 2])
    assert reply == asked(model, observations=OBSERVATIONS, seeds=[1, 2])
    taken = np.array(reply["actions"], dtype=int)[:, 0]
    assert np.allclose(reply["log_probabilities"], expected[[0, 1], taken], atol=1e-5)
    told = asked(model, observations=OBSERVATIONS, actions=[[2], [0.5]])["log_probabilities"]
    assert told[0] == pytest.approx(expected[0, 2], abs=1e-5) and told[1] is None
    many = np.array(asked(model, observations=OBSERVATIONS[:1] * 3000, seeds=list(range(3000)))["actions"])
    assert np.allclose(np.bincount(many[:, 0].astype(int), minlength=3) / 3000, np.exp(expected[0]), atol=0.04)


def _field(number, value):
    """A field of a protocol buffer: a number, or bytes."""

    def varint(n):
        return bytes([n]) if n < 128 else bytes([n % 128 + 128]) + varint(n // 128)

    if isinstance(value, int):
        return varint(number * 8) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number * 8 + 2) + varint(len(value)) + value


def test_onnx_acts(tmp_path):
    """A product with a matrix, written without the library of ONNX."""
    pytest.importorskip("onnxruntime")
    weights = np.arange(8, dtype=np.float32).reshape(4, 2)
    matrix = _field(1, 4) + _field(1, 2) + _field(2, 1) + _field(8, "w") + _field(9, weights.tobytes())

    def written(rows):
        def value(name, width):
            shape = _field(1, _field(2, rows) if isinstance(rows, str) else _field(1, rows)) + _field(1, _field(1, width))
            return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))

        node = _field(1, "seen") + _field(1, "w") + _field(2, "done") + _field(4, "MatMul")
        ends = _field(11, value("seen", 4)) + _field(12, value("done", 2))
        path = tmp_path / f"{rows}.onnx"
        path.write_bytes(_field(1, 8) + _field(7, _field(1, node) + _field(2, "g") + _field(5, matrix) + ends) + _field(8, _field(2, 13)))
        return str(path)

    expected = np.array(OBSERVATIONS) @ weights
    # Fault: a model that was exported with one row failed on two.
    for rows in ["rows", 1]:
        reply = asked(load(written(rows)), observations=OBSERVATIONS, seeds=[1, 2])
        assert np.allclose(reply["actions"], expected, atol=1e-5)
    with pytest.raises(statecast.StatecastError, match="takes 3 observations at a time"):
        load(written(3))
    reply = asked(load(written("rows"), logits="argmax"), observations=OBSERVATIONS, seeds=[1, 2])
    assert reply["actions"] == expected.argmax(axis=1)[:, None].tolist()


@pytest.mark.parametrize("name", ["PPO", "SAC", "DQN"])
def test_models_of_stable_baselines_act_and_tell(tmp_path, name):
    sb3 = pytest.importorskip("stable_baselines3")
    env = "CartPole-v1" if name != "SAC" else "Pendulum-v1"
    made = getattr(sb3, name)("MlpPolicy", env, seed=0, device="cpu")
    path = str(tmp_path / "model.zip")
    made.save(path)
    observations = np.array(OBSERVATIONS, dtype=np.float32)[:, : made.observation_space.shape[0]]
    given = {"observations": observations.tolist(), "seeds": [3, 4]}
    expected, _ = made.predict(observations, deterministic=True)
    reply = asked(load(path), **given)
    assert np.allclose(np.array(reply["actions"]), expected.reshape(2, -1)) and "log_probabilities" not in reply
    if name == "DQN":
        # Fault: actions of exploration were taken for the policy's, and drawn without the seed.
        with pytest.raises(statecast.StatecastError, match="not drawn from a distribution"):
            load(path, stochastic=True)
        return
    drawing = load(path, stochastic=True)
    reply = asked(drawing, **given)
    assert reply == asked(drawing, **given)
    actions = np.array(reply["actions"])
    told = asked(drawing, observations=observations.tolist(), actions=actions.tolist())["log_probabilities"]
    assert np.allclose(told, reply["log_probabilities"], atol=1e-5)
    if name == "SAC":
        # The density over the range of actions sums to one.
        grid = np.linspace(-1.99999, 1.99999, 4001)
        logs = drawing.log_probabilities(np.repeat(observations[:1], len(grid), axis=0), grid[:, None])
        assert np.trapezoid(np.exp(logs), grid) == pytest.approx(1, abs=0.01)
    else:
        both = [drawing.log_probabilities(observations, np.full((2, 1), float(choice))) for choice in (0, 1)]
        assert np.allclose(np.exp(both).sum(axis=0), 1, atol=1e-5)


def test_what_is_no_policy_is_refused(tmp_path, traced):
    path, _ = traced
    other = tmp_path / "pi.txt"
    other.write_text("no")
    broken = tmp_path / "pi.zip"
    broken.write_text("no")
    for given, settings, said in [
        (str(tmp_path / "none.onnx"), {}, "no such file"),
        (str(other), {}, "a policy is a .zip"),
        (str(broken), {}, "no model of Stable-Baselines3"),
        (path, {"stochastic": True}, "--logits softmax"),
    ]:
        with pytest.raises(statecast.StatecastError, match=said):
            load(given, **settings)
    reply = asked(load(path), observations=OBSERVATIONS, actions=[[0], [1]])
    assert "does not know how probable" in reply["error"]


def test_the_program_is_run_by_statecast(tmp_path, traced):
    path, _ = traced
    out = tmp_path / "cart.csv"
    policy = f"command:{sys.executable} -m statecast.policy {path} --logits softmax"
    # Three logits where there are two actions: the environment refuses the third.
    command = [sys.executable, "-m", "statecast", "simulate", "cart-pole", "--policy", policy, "--out", str(out)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode != 0 and "from 0 to 1" in run.stderr
