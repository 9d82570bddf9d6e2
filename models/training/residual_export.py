"""Writes and reads the folder of a model that reads hints: that of its digit model (export.py), and beside it
reading.safetensors and reading.json with what hints need.

python residual_export.py runs/residual/checkpoint.pt FOLDER           # the averaged weights of a run
python residual_export.py runs/residual/checkpoint.pt FOLDER --last    # its last weights
"""

import os

import torch
from safetensors.torch import load_file, save_file

from export import export, export_checkpoint, read_shape, write_json
from hints import axis, slots
from residual import FEATURES, SHARE, SPREADS, ResidualModel
from warm_start import load_table, start_from

TABLES = ("other_input", "other_head")
PLAIN = ("hint.weight", "gate.weight", "gate.bias", "trust", "marks")


def reading_settings():
    """What a program must agree on with the training to read hints as the model knows them."""
    return dict(
        version=1,
        features=FEATURES,
        residual_axis=dict(bins=axis.BINS, reach=axis.REACH, curve=axis.CURVE),
        spreads=[round(s, 4) for s in SPREADS.tolist()],
        share=SHARE,
        score_memory=slots.MEMORY,
        experts=["linear", "quadratic", "smoothing", "seasonal", "analogue"],
    )


def export_residual(model, folder):
    export(model.digits, folder)
    weights = {name: getattr(model, name)().to(torch.bfloat16) for name in TABLES}
    state = model.state_dict()
    weights |= {name: state[name].float() for name in PLAIN}
    weights = {name: w.detach().cpu().contiguous().clone() for name, w in weights.items()}
    save_file(weights, f"{folder}/reading.safetensors", metadata={"format": "pt"})
    os.chmod(f"{folder}/reading.safetensors", 0o644)
    write_json(f"{folder}/reading.json", reading_settings())


@torch.no_grad()
def read_residual(folder):
    """The model of an exported folder."""
    model = ResidualModel(**read_shape(folder))
    start_from_residual(model, folder)
    return model


def untrained(folder):
    """The model as it is before training, with the digit model of an exported folder."""
    model = ResidualModel(**read_shape(folder))
    start_from(model.digits, folder)
    return model


@torch.no_grad()
def start_from_residual(model, folder):
    """Weights of an exported folder of the same shape."""
    start_from(model.digits, folder)
    weights = load_file(f"{folder}/reading.safetensors")
    for name in TABLES:
        load_table(getattr(model, name), weights[name].float())
    model.load_state_dict({name: weights[name] for name in PLAIN}, strict=False)


if __name__ == "__main__":
    export_checkpoint(__doc__, ResidualModel, export_residual)
