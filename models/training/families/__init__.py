"""Synthetic systems that the bundled model learns from; importing the package registers all of them."""

from . import chains, chaos, delays, drives, machines, maps, noise, oscillators, patterns, walks
from .registry import FAMILIES, HELD_OUT, Family

__all__ = ["FAMILIES", "HELD_OUT", "Family"]
