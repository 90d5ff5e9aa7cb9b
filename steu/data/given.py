"""What a caller gives of documents, an entry each: read once, and known to be that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any


def listed(what: str, given: Any) -> list[Any]:
    """What is given for each document, read once; a text or a table is no list of them.

    Raises
    ------
    ValueError
        Saying `what` it was to be and what was found.
    """
    one = isinstance(given, (str, bytes, Mapping, Set)) or not isinstance(given, Iterable)
    if one or getattr(given, "ndim", 1) != 1:
        raise ValueError(
            f"{what} must be a list or a column, an entry a document; found one "
            f"{type(given).__name__}"
        )
    return list(given)


def check_length(what: str, found: int, expected: int) -> None:
    """Refuse what has more or fewer entries than the targets have rows."""
    if found != expected:
        raise ValueError(
            f"{what} and targets must be of one length; found {found:,} and {expected:,}"
        )


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
