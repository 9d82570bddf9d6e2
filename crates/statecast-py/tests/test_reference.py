"""Whoever asks Python for help finds an answer."""

import importlib
import inspect

import pytest

MODULES = [
    "statecast",
    "statecast.data",
    "statecast.environment",
    "statecast.envs",
    "statecast.frames",
    "statecast.policies",
    "statecast.policy",
    "statecast.ray",
]
ADAPTERS = {"darts": "darts", "fev": "fev", "gluonts": "gluonts", "sktime": "sktime", "streaming": "sklearn"}


def public(module):
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    found = [(name, getattr(module, name)) for name in names]
    return [(n, v) for n, v in found if getattr(v, "__module__", "").startswith("statecast")]


def undocumented(module):
    missing = [] if inspect.getdoc(module) else [module.__name__]
    for name, value in public(module):
        if not inspect.getdoc(value):
            missing.append(f"{module.__name__}.{name}")
        if inspect.isclass(value) and value.__module__.startswith("statecast"):
            own = [(n, v) for n, v in vars(value).items() if not n.startswith("_")]
            described = (n for n, v in own if callable(v) or inspect.isdatadescriptor(v))
            missing += [f"{module.__name__}.{name}.{n}" for n in described if not inspect.getdoc(getattr(value, n))]
    return missing


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_described(name):
    if name == "statecast.envs":
        pytest.importorskip("gymnasium")
    assert undocumented(importlib.import_module(name)) == []


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_is_described(name):
    pytest.importorskip(ADAPTERS[name])
    assert inspect.getdoc(importlib.import_module(f"statecast.adapters.{name}"))

