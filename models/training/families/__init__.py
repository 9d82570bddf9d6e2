"""Synthetic systems that the bundled model learns from; importing the package registers all of them."""

from . import chains, chaos, delays, drives, machines, maps, noise, oscillators, patterns, walks
from . import everyday_calendar, everyday_events, everyday_models, everyday_seasons
from .registry import FAMILIES, HELD_OUT, Family

EVERYDAY = tuple(name for name, f in FAMILIES.items() if ".everyday_" in f.generate.__module__)

__all__ = ["EVERYDAY", "FAMILIES", "HELD_OUT", "Family"]
