"""Hints: what online experts say of the next row of every channel before it comes.

An expert reads a batch of windows row by row and gives for each channel's next value a Student law from the rows
before it and the actions up to the row before. The best two so far are the slots that the model reads, and the
axis on which it answers is centred at the first and measured in its scale. The program has the same experts in
Rust (crates/statecast-lm/src/experts); tests/golden/make_experts.py holds both to plain loops.

Units: positions on a channel's axis less 5, not binned; actions over the largest of the context.
"""

from .axis import BINS, EDGES, LOG_WIDTHS, log_spacings, residual_ids
from .reading import Hints, read_hints
from .slots import Experts, Slots

__all__ = ["BINS", "EDGES", "LOG_WIDTHS", "Experts", "Hints", "Slots", "log_spacings", "read_hints", "residual_ids"]
