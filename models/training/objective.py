"""What training minimises: cross-entropy, with an ordinal part, draws of the model's own or a teacher if asked
for.
"""

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


def followed(logits, targets, weights, taught, share):
    """Losses [rows, steps] whose target is a teacher's law to `share`, in the windows that it reads better.

    What a model knew it keeps by its teacher's whole densities, which say more than one value each; what the
    teacher reads worse than the model is left to the values. logits, taught [rows, steps, 1003].
    """
    logs, taught = logits.log_softmax(-1), taught.log_softmax(-1)
    hard = -logs.gather(-1, targets[..., None]).squeeze(-1)
    soft = -(taught.exp() * logs).sum(-1)
    lead = hard.detach() + taught.gather(-1, targets[..., None]).squeeze(-1)
    share = share * ((lead * weights).sum(1, keepdim=True) > 0)
    return hard + share * (soft - hard)


def compiled_loss(model, settings, compile_it, teacher=None):
    """The mean loss over the weighted positions, as a function of (inputs, targets, weights).

    `settings`: "crps", weight of the CRPS beside the cross-entropy; "own_draws", share of replaced inputs;
    "follow", what a teacher's law is of the target.
    """

    def loss(inputs, targets, weights):
        logits = model(inputs).float()
        if teacher is None:
            each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(weights)
        else:
            with torch.no_grad():
                taught = teacher(inputs).float()
            each = followed(logits, targets, weights, taught, settings["follow"])
        if settings["crps"]:
            crps = bin_crps(logits.flatten(0, 1), targets.flatten())
            each = each + settings["crps"] * crps.view_as(each)
        return (each * weights).sum() / weights.sum()

    if compile_it and (shutil.which("g++") or shutil.which("c++")):
        loss = torch.compile(loss, dynamic=False)

    def loss_of(inputs, targets, weights):
        return loss(with_own_draws(model, inputs, settings["own_draws"]), targets, weights)

    return loss_of
