"""Policies of other libraries."""

import numpy as np
import pytest

from statecast import StatecastError
from statecast.policies import callable_of

OBSERVATIONS = np.arange(6.0).reshape(3, 2)


def test_constants_and_callables_act():
    act, log_prob = callable_of([1.0, 2.0])
    assert act(OBSERVATIONS).tolist() == [[1, 2]] * 3 and log_prob is None
    assert callable_of(lambda x: x[:, 0])[0](OBSERVATIONS).shape == (3, 1)
    assert callable_of(lambda x: x[:, :1].tolist())[0](OBSERVATIONS).dtype == np.float64
    for wrong in (lambda x: x[:2], lambda x: x.T, lambda x: 1.0, lambda x: [["a"]] * 3, lambda x: np.full((3, 1), np.nan)):
        with pytest.raises(StatecastError):
            callable_of(wrong)[0](OBSERVATIONS)


def test_models_that_predict_come_before_modules():
    """Fault: a policy of Stable-Baselines3 is a torch module, too, whose output is no action of the environment."""

    class Model:
        def predict(self, observations, deterministic):
            assert deterministic and observations.dtype == np.float32
            return 2 * observations[:, :1], None

        def forward(self, observations):
            raise AssertionError

    Model.__module__ = "torch.nn"
    assert (callable_of(Model())[0](OBSERVATIONS) == 2 * OBSERVATIONS[:, :1]).all()


def test_torch_modules_act():
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(2, 1)
    expected = OBSERVATIONS @ module.weight.detach().numpy().T + module.bias.detach().numpy()
    assert np.allclose(callable_of(module)[0](OBSERVATIONS), expected, atol=1e-6)


def test_sessions_of_onnx_act():
    class Session:
        def get_inputs(self):
            return [type("Input", (), {"name": "observations"})]

        def run(self, outputs, given):
            return [given["observations"][:, :1]]

    Session.__module__ = "onnxruntime.capi.onnxruntime_inference_collection"
    assert (callable_of(Session())[0](OBSERVATIONS) == OBSERVATIONS[:, :1]).all()
