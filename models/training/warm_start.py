"""Starts a model from an exported one of the same or a smaller shape, without changing its function.

What is new writes nothing at first and reads at random, so that the gradient reaches it: new columns of the
writing matrices (o, down), new rows of them (new residual dimensions) and the tables' new columns are zero.
New layers are spread evenly and begin as identities. Norms are rescaled because the zero dimensions lower the
root mean square.
"""

import torch

from encoding import BINS
from export import BLOCK_NAMES, read_folder
from model import DigitModel


def new_layer_places(old, new):
    """For each of `new` layers the old one it continues, or None; the added ones are spread evenly."""
    added = new - old
    fresh = {(2 * k + 1) * new // (2 * added) for k in range(added)}
    places, source = [], iter(range(old))
    for i in range(new):
        places.append(None if i in fresh else next(source))
    return places


def loaded(folder):
    """The model of an exported folder, in its own shape."""
    model = DigitModel(**read_folder(folder)[0])
    start_from(model, folder)
    return model


@torch.no_grad()
def start_from(model, folder):
    shape, weights = read_folder(folder)
    for name, size in shape.items():
        if size > model.shape[name]:
            raise ValueError(f"{folder}: {name} {size} is larger than the new model's {model.shape[name]}")
    if shape["hidden"] // shape["heads"] != model.shape["hidden"] // model.shape["heads"]:
        raise ValueError(f"{folder}: heads of another size")
    shrink = (shape["hidden"] / model.shape["hidden"]) ** 0.5
    load_table(model.embedding, weights["model.embed_tokens.weight"])
    load_table(model.head, weights["lm_head.weight"])
    load_norm(model.norm.weight, weights["model.norm.weight"], shrink)
    for block, source in zip(model.blocks, new_layer_places(shape["layers"], model.shape["layers"])):
        block.o.weight.zero_()
        block.down.weight.zero_()
        if source is None:
            continue
        for name, attribute in BLOCK_NAMES.items():
            new, old = getattr(block, attribute).weight, weights[f"model.layers.{source}.{name}.weight"]
            if new.ndim == 1:
                load_norm(new, old, shrink)
            else:
                new[: old.shape[0], : old.shape[1]] = old


def load_norm(weight, old, shrink):
    weight.fill_(old.mean() * shrink)
    weight[: len(old)] = old * shrink


def load_table(table, old):
    """The ridge-regression part of the table in the value features, and the rest as the free residual."""
    features, old = table.features.double(), old.to(table.features.device)
    gram = features.T @ features + torch.eye(features.shape[1], dtype=torch.double, device=old.device)
    smooth = torch.linalg.solve(gram, features.T @ old[:BINS].double()).float()
    table.smooth.zero_()
    table.free.zero_()
    table.smooth[:, : old.shape[1]] = smooth
    table.free[:, : old.shape[1]] = old
    table.free[:BINS, : old.shape[1]] -= table.features @ smooth
