"""What users hand over, as arrays of float64."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from statecast._core import StatecastError


class Columns(NamedTuple):
    """Rows of named columns."""

    values: np.ndarray
    """`[rows, columns]`, float64, C-contiguous."""
    names: list[str] | None
    """Names of the columns, if what was given has names."""
    index: Any
    """The index of a pandas object, to be continued; else `None`."""

    def under(self, names: list[str] | None, what: str) -> Columns:
        """The columns in the order of some names, where these have names, too."""
        if names is None or self.names is None or self.names == names:
            return self
        if sorted(self.names) != sorted(names):
            raise StatecastError(f"{what} has the columns {', '.join(self.names)}, where {', '.join(names)} are known")
        order = [self.names.index(name) for name in names]
        return Columns(np.ascontiguousarray(self.values[:, order]), names, self.index)


def columns(given: Any, what: str, *, finite: bool = True) -> Columns:
    """Columns of an array, a list, or a pandas, polars or Arrow table or series.

    Raises:
        StatecastError: if it is empty, not numeric, has more than two dimensions, or holds NaN or infinite values where
            all have to be `finite`.
    """
    names, index = None, None
    if is_frame(given, "pandas"):
        index = given.index
        names = [str(name) for name in given.columns] if given.ndim == 2 else _name(given.name)
        given = given.to_numpy(dtype=None if given.ndim == 1 else _dtype(given.dtypes, what))
    elif is_frame(given, "polars"):
        names = list(given.columns) if hasattr(given, "columns") else _name(given.name)
        given = given.to_numpy()
    elif hasattr(given, "column_names") and hasattr(given, "columns"):
        # An Arrow table.
        names = list(given.column_names)
        given = np.column_stack([np.asarray(column) for column in given.columns])
    values = array(given, what, finite=finite)
    if values.ndim == 1:
        values = values[:, np.newaxis]
    if values.ndim != 2:
        raise StatecastError(f"{what} has shape {values.shape}: give [rows] or [rows, columns]")
    if len(values) == 0:
        raise StatecastError(f"{what} has no rows")
    return Columns(np.ascontiguousarray(values), names, index)


def array(given: Any, what: str, *, finite: bool = True) -> np.ndarray:
    """An array of float64, in the machine's byte order, all finite unless said otherwise."""
    try:
        values = np.asarray(given)
    except ValueError as error:
        raise StatecastError(f"{what} is no array of numbers: {error}") from None
    if values.dtype.kind not in "biuf" and not (values.dtype == object and _are_numbers(values)):
        raise StatecastError(f"{what} holds values of type {values.dtype}, not numbers")
    values = values.astype(np.float64)
    wrong = np.argwhere(~np.isfinite(values))
    if finite and len(wrong):
        place = ", ".join(str(i) for i in wrong[0])
        raise StatecastError(
            f"{what} holds {values[tuple(wrong[0])]} at [{place}], and {len(wrong)} value(s) that are not finite in all: "
            "fill or drop them"
        )
    return values


def whole(given: Any, what: str) -> int:
    """A whole number that is not negative."""
    try:
        number = operator.index(given)
    except TypeError:
        raise StatecastError(f"`{what}={given!r}`: a whole number") from None
    if not 0 <= number < 2**63:
        raise StatecastError(f"`{what}={number}`: not below 0, and less than 2^63")
    return number


def flags(given: Any, rows: int, what: str) -> np.ndarray:
    """One flag a row; none is set if nothing is given."""
    if given is None:
        return np.zeros(rows, dtype=bool)
    values = np.asarray(given)
    if values.shape != (rows,) or values.dtype.kind not in "biuf":
        raise StatecastError(f"{what} has shape {values.shape}: give one flag for each of the {rows} rows")
    return values.astype(bool)


def is_frame(given: Any, library: str) -> bool:
    """Whether it is a table or series of a library, without importing that."""
    return type(given).__module__.split(".")[0] == library and hasattr(given, "to_numpy")


def _name(name: Any) -> list[str] | None:
    return None if name in (None, "") else [str(name)]


def _dtype(dtypes: Any, what: str) -> Any:
    wrong = [str(name) for name, dtype in dtypes.items() if getattr(dtype, "kind", "O") not in "biufO"]
    if wrong:
        raise StatecastError(f"{what}: column(s) {', '.join(wrong)} are not numbers")
    return np.float64 if all(getattr(dtype, "kind", "O") in "biuf" for dtype in dtypes) else None


def _are_numbers(values: np.ndarray) -> bool:
    return all(isinstance(value, (int, float, np.number)) for value in values.flat)
