"""Driven multi-channel systems that the bundled model learns from; importing registers all of them."""

from . import chaos, drives, fields, hybrid, linear, mechanics, oscillators, processes, walkers
from .windows import Windows, generate
from .registry import NEVER, SYSTEMS, System

__all__ = ["NEVER", "SYSTEMS", "System", "Windows", "generate"]
