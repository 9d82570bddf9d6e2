"""Actuators: between the actions that are recorded and the inputs that act on a plant."""

import numpy as np


class Actuators:
    """Saturation, dead zone, square law, delay, lag, backlash and a mix of the actions."""

    def __init__(self, sampler, n, actions, inputs):
        s = sampler
        if actions >= inputs and s.chance(0.75):
            mix = np.tile(np.eye(inputs, actions)[:, s.order(actions)], (n, 1, 1)) * s.uniform(
                0.3, 1.3, n, inputs, 1
            )
        else:
            mix = s.normal(n, inputs, actions) / np.sqrt(actions)
        self.mix = mix
        kinds = ("gain", "dead zone", "square", "delay", "lag", "backlash", "rate")
        count = s.pick((0, 1, 2), (0.5, 0.35, 0.15))
        self.kinds = {kinds[i] for i in s.order(len(kinds))[:count]}
        shape = (n, actions)
        self.gain = np.where(s.flags(0.5, *shape), s.log_uniform(1.2, 5, *shape), 1.0)
        self.dead = s.or_zero(0.3, s.uniform(0.02, 0.4, *shape))
        self.curve = s.uniform(0, 1, *shape)
        self.delay = np.broadcast_to(s.integers(0, 5, n, 1), shape)
        self.keep = s.or_zero(0.3, s.uniform(0.2, 0.95, *shape))
        self.play = s.or_zero(0.3, s.uniform(0.05, 0.5, *shape))
        self.rate = s.log_uniform(0.03, 1, *shape)
        self.past = np.zeros((5, n, actions))
        self.lagged, self.played, self.moved = np.zeros((3, n, actions))

    def reset(self, which):
        """Reset the memory of the windows `which` [n]."""
        self.past[:, which] = 0
        for memory in (self.lagged, self.played, self.moved):
            memory[which] = 0

    def apply(self, u):
        """Inputs [n, inputs] of actions u [n, actions] in [-1, 1]."""
        kinds = self.kinds
        if "gain" in kinds:
            u = np.clip(self.gain * u, -1, 1)
        if "dead zone" in kinds:
            u = np.sign(u) * np.maximum(np.abs(u) - self.dead, 0)
        if "square" in kinds:
            u = (1 - self.curve) * u + self.curve * u * np.abs(u)
        if "delay" in kinds:
            self.past = np.roll(self.past, 1, 0)
            self.past[0] = u
            u = np.take_along_axis(self.past, self.delay[None], 0)[0]
        if "rate" in kinds:
            self.moved = self.moved + np.clip(u - self.moved, -self.rate, self.rate)
            u = self.moved
        if "backlash" in kinds:
            self.played = np.clip(self.played, u - self.play, u + self.play)
            u = self.played
        if "lag" in kinds:
            self.lagged = self.keep * self.lagged + (1 - self.keep) * u
            u = self.lagged
        return (self.mix @ u[..., None])[..., 0]
