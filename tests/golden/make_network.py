"""network.json: forward, gradients and Adam steps of small perceptrons by PyTorch.

python make_network.py [--out FOLDER]

Widths 3-5-2; the loss is the mean of squared errors over a fixed batch. Parameters are flat, in the order of
`parameters()`. `input_gradient` and `gradients` are those before the first step; `steps` the parameters after each.
"""

import argparse
import json
import os

import torch
from torch import nn

ACTIVATIONS = dict(relu=nn.ReLU, silu=nn.SiLU, tanh=nn.Tanh, identity=nn.Identity)


def flat(tensors):
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).tolist()


def case(activation, weight_decay, clip):
    torch.manual_seed(20261125)
    network = nn.Sequential(nn.Linear(3, 5), ACTIVATIONS[activation](), nn.Linear(5, 2))
    inputs = torch.randn(7, 3, requires_grad=True)
    targets = torch.randn(7, 2)
    adam = torch.optim.AdamW(network.parameters(), lr=0.02, weight_decay=weight_decay)
    start = flat(network.parameters())
    steps = []
    for step in range(5):
        adam.zero_grad()
        output = network(inputs)
        nn.functional.mse_loss(output, targets).backward()
        if step == 0:
            first = dict(
                output=output.flatten().tolist(),
                input_gradient=inputs.grad.flatten().tolist(),
                gradients=flat(p.grad for p in network.parameters()),
            )
        if clip is not None:
            norm = float(nn.utils.clip_grad_norm_(network.parameters(), clip))
            assert step > 0 or norm > clip  # the limit matters
        adam.step()
        steps.append(flat(network.parameters()))
    return dict(
        activation=activation,
        learning_rate=0.02,
        weight_decay=weight_decay,
        clip=clip,
        parameters=start,
        inputs=inputs.flatten().tolist(),
        targets=targets.flatten().tolist(),
        **first,
        steps=steps,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    folder = parser.parse_args().out
    torch.set_num_threads(1)
    cases = [case(activation, 0.0, None) for activation in ACTIVATIONS] + [case("relu", 0.3, 0.1)]
    with open(os.path.join(folder, "network.json"), "w") as file:
        json.dump(cases, file)
        file.write("\n")
