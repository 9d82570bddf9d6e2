"""Muon (Jordan et al. 2024): momentum whose update is orthogonalised by a Newton-Schulz iteration."""

import torch


def orthogonalised(x):
    """Nearest semi-orthogonal matrices, roughly; x [count, m, n], m <= n."""
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x


class Muon:
    def __init__(self, parameters, rate, momentum=0.95, weight_decay=0.0):
        self.parameters = list(parameters)
        self.rate, self.momentum, self.weight_decay = rate, momentum, weight_decay
        self.buffers = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, factor):
        """One update at `factor` times the rate; matrices of a shape go through the iteration together."""
        groups = {}
        for p, buffer in zip(self.parameters, self.buffers):
            buffer.lerp_(p.grad, 1 - self.momentum)
            update = p.grad.lerp(buffer, self.momentum)
            wide = update if update.shape[0] <= update.shape[1] else update.T
            groups.setdefault(tuple(wide.shape), []).append((p, wide))
        rate = self.rate * factor
        for members in groups.values():
            for (p, _), update in zip(members, orthogonalised(torch.stack([u for _, u in members]))):
                update = update if p.shape[0] <= p.shape[1] else update.T
                tall = max(1, p.shape[0] / p.shape[1]) ** 0.5
                p.mul_(1 - rate * self.weight_decay).add_(update, alpha=-rate * tall)

    def state_dict(self):
        return {"buffers": self.buffers}

    def load_state_dict(self, state):
        for buffer, saved in zip(self.buffers, state["buffers"]):
            buffer.copy_(saved)
