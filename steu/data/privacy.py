"""What keeps small counts of people in: cells under ten patients are not shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

SMALLEST_CELL = 10  # patients: a smaller count of restricted data is shown to nobody


def share_told(holds: np.ndarray, of: np.ndarray, *, restricted: bool) -> float:
    """Share of notes for which something holds, bool (n,); `of` says whose each note is.

    NaN where it tells of restricted data how few the patients are for whom it holds, or the others.
    """
    sizes = [len(np.unique(of[part])) for part in (holds, ~holds)]
    few = any(0 < size < SMALLEST_CELL for size in sizes)
    return float("nan") if restricted and few else float(holds.mean())


class Suppressed(NamedTuple):
    """A frame fit to be shown, and how many of its cells were hidden."""

    frame: pd.DataFrame
    hidden: int


def suppress_small_cells(
    frame: pd.DataFrame,
    columns: Sequence[str],
    *,
    of: str | None = None,
    minimum: int = SMALLEST_CELL,
) -> Suppressed:
    """Replace every count under `minimum` by NA, zeros too, in a copy of `frame`.

    A zero is hidden because beside a total it tells as much as a one.

    Parameters
    ----------
    columns
        Columns of counts of patients.
    of
        Column of how many patients these are among, if that is shown too: a count is also hidden
        where those who are left are 1 to `minimum` - 1.

    Raises
    ------
    ValueError
        If a column is missing or is not a count, or `minimum` is under 1.
    """
    if minimum < 1:
        raise ValueError(f"minimum is {minimum}; expected at least 1 patient")
    shown, hidden = frame.copy(), 0
    for column in columns:
        if column not in frame:
            raise ValueError(f"no column {column!r} to suppress; found {', '.join(frame.columns)}")
        counts = pd.to_numeric(frame[column], errors="coerce").astype("Float64")
        if not pd.api.types.is_numeric_dtype(frame[column]) or (counts.dropna() % 1 != 0).any():
            raise ValueError(f"column {column!r} holds {frame[column].dtype}; expected counts")
        small = (counts < minimum).fillna(False)
        if of:
            small |= (frame[of] - counts).between(1, minimum - 1).fillna(False)
        shown[column] = counts.astype("Int64").mask(small)
        hidden += int(small.sum())
    return Suppressed(shown, hidden)
