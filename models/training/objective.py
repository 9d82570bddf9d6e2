"""What training minimises: cross-entropy, with an ordinal part and draws of the model's own if asked for."""

import shutil

import torch
import torch.nn.functional as F

from encoding import BINS


def bin_crps(logits, targets):
    """CRPS in axis units of the values' density; logits [n, 1003], targets [n] ids of values."""
    density = logits[:, :BINS].softmax(-1)
    reached = torch.arange(BINS, device=logits.device)[None] >= targets[:, None]
    return 0.01 * (density.cumsum(-1) - reached.float()).square().sum(-1)


def with_own_draws(model, inputs, share):
    """Inputs of which a share is drawn from the model's one-step densities (scheduled sampling)."""
    if not share:
        return inputs
    with torch.no_grad():
        chance = model(inputs)[:, :-1, :BINS].float().softmax(-1)
    drawn = torch.multinomial(chance.flatten(0, 1), 1).view(len(inputs), -1)
    replace = (torch.rand(drawn.shape, device=drawn.device) < share) & (inputs[:, 1:] < BINS)
    return torch.cat([inputs[:, :1], torch.where(replace, drawn, inputs[:, 1:])], 1)


def compiled_loss(model, settings, compile_it):
    """The mean loss over the weighted positions, as a function of (inputs, targets, weights).

    `settings`: "crps", weight of the CRPS beside the cross-entropy; "own_draws", share of replaced inputs.
    """

    def loss(inputs, targets, weights):
        logits, targets = model(inputs).float().flatten(0, 1), targets.flatten()
        each = F.cross_entropy(logits, targets, reduction="none")
        if settings["crps"]:
            each = each + settings["crps"] * bin_crps(logits, targets)
        return (each * weights.flatten()).sum() / weights.sum()

    if compile_it and (shutil.which("g++") or shutil.which("c++")):
        loss = torch.compile(loss, dynamic=False)

    def loss_of(inputs, targets, weights):
        return loss(with_own_draws(model, inputs, settings["own_draws"]), targets, weights)

    return loss_of
