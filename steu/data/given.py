"""What a caller gives of documents, an entry each: read once, and known to be that."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
import pandas as pd


def listed(what: str, given: Any) -> list[Any]:
    """What is given for each document, read once; a text or a table is no list of them.

    Raises
    ------
    ValueError
        Saying `what` it was to be and what was found, or that some of it is masked.
    """
    one = isinstance(given, (str, bytes, Mapping, Set)) or not isinstance(given, Iterable)
    if one or getattr(given, "ndim", 1) != 1:
        raise ValueError(
            f"{what} must be a list or a column, an entry a document; found one "
            f"{type(given).__name__}"
        )
    if np.ma.is_masked(given):
        raise ValueError(f"{what} are masked in places: leave those documents out")
    return list(given)


def check_aligned(**given: Any) -> None:
    """Refuse pandas objects of one length whose indexes differ: they would be joined by position.

    Raises
    ------
    ValueError
        Naming the first two that differ.
    """
    indexed = [(n, v) for n, v in given.items() if isinstance(v, (pd.Series, pd.DataFrame))]
    for what, other in indexed[1:]:
        first, one = indexed[0]
        if len(one) == len(other) and not one.index.equals(other.index):
            raise ValueError(
                f"{first} and {what} have different indexes: align them first, by .loc or merge, "
                "or give both without, as .to_numpy(), if they stand in one order"
            )


def check_length(what: str, found: int, expected: int) -> None:
    """Refuse what has more or fewer entries than the targets have rows."""
    if found != expected:
        raise ValueError(
            f"{what} and targets must be of one length; found {found:,} and {expected:,}"
        )


def positions(given: Any, n: int) -> np.ndarray:
    """Positions among `n` notes, int64 (m,), of whoever asks for some.

    Raises
    ------
    ValueError
        If they are anything else, or lie outside.
    """
    found = np.asarray(given)
    if found.dtype.kind not in "iu" or found.ndim != 1 or (found >= n).any() or (found < 0).any():
        raise ValueError(
            f"a task is asked about notes by positions of its {n:,}, as task.index('test') gives "
            f"them; found {reprlib.repr(given)}"
        )
    return found.astype(np.int64)  # a copy: a column may not be writable


def check_text(text: object, row: int) -> None:
    """Refuse what is no text, or one that cannot be written in UTF-8, with its row."""
    if not isinstance(text, str):
        raise ValueError(f"texts must be str; found {text!r} in row {row}: leave it out")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text in row {row} holds half a character (a lone surrogate) at position "
            f"{error.start}: read it again in its own encoding, or leave it out"
        ) from error
