"""Seeded random draws on one device, with the few distributions that the generators need."""

import math

import torch


class Draws:
    """A random source: the same seed, device and order of calls give the same numbers."""

    def __init__(self, seed, device="cpu"):
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def normal(self, *shape):
        return torch.randn(*shape, generator=self.generator, device=self.device)

    def uniform(self, low, high, *shape):
        return low + (high - low) * torch.rand(*shape, generator=self.generator, device=self.device)

    def log_uniform(self, low, high, *shape):
        return torch.exp(self.uniform(math.log(low), math.log(high), *shape))

    def flags(self, probability, *shape):
        """True with the given probability."""
        return torch.rand(*shape, generator=self.generator, device=self.device) < probability

    def integers(self, low, high, *shape):
        """Uniform integers low..high-1."""
        return torch.randint(low, high, shape, generator=self.generator, device=self.device)

    def integer(self, low, high):
        """One Python integer low..high-1, shared by a batch (a dimension, a delay)."""
        return int(self.integers(low, high, 1))

    def choice(self, values, *shape):
        return torch.tensor(values, device=self.device)[self.integers(0, len(values), *shape)]

    def gamma(self, concentration):
        """Gamma draws of unit scale; one for each element of `concentration`."""
        return torch._standard_gamma(concentration, generator=self.generator)

    def student(self, freedom, *shape):
        """Student t draws; `freedom` broadcasts against `shape`."""
        half = (freedom / 2).expand(*shape).contiguous()
        return self.normal(*shape) / torch.sqrt(self.gamma(half) / half).clamp_min(1e-3)

    def or_zero(self, zero_share, values):
        """`values`, each replaced by 0 with probability `zero_share` (switches noise or gains off)."""
        return torch.where(self.flags(zero_share, *values.shape), torch.zeros_like(values), values)

    def innovations(self, rows, length):
        """Unit-scale innovations [rows, length]: half Gaussian, else Student t, uniform, exponential."""
        kind = self.integers(0, 6, rows, 1)
        gauss = self.normal(rows, length)
        heavy = self.student(self.choice([2.5, 3.0, 4.0, 6.0], rows, 1), rows, length).clamp(-30, 30)
        flat = self.uniform(-1.73, 1.73, rows, length)
        skewed = -torch.log(self.uniform(1e-7, 1, rows, length)) - 1
        heavier = torch.where(kind == 3, heavy, torch.where(kind == 4, flat, skewed))
        return torch.where(kind <= 2, gauss, heavier)

    def held(self, rows, length, shortest=1.0, longest=40.0):
        """A command [rows, length] held at even or random times; Gaussian, uniform or bang-bang."""
        index = torch.arange(length, device=self.device)[None]
        hold = self.log_uniform(shortest, longest, rows, 1)
        evenly = (index / hold).floor() != ((index - 1) / hold).floor()
        at_random = self.flags(1 / hold, rows, length)
        change = torch.where(self.flags(0.5, rows, 1), evenly, at_random)
        latest = torch.where(change, index, torch.zeros_like(index)).cummax(1).values
        kind = self.integers(0, 3, rows, 1)
        level = self.normal(rows, length)
        level = torch.where(kind == 1, level.sign(), level)
        level = torch.where(kind == 2, self.uniform(-1.7, 1.7, rows, length), level)
        return level.gather(1, latest)
