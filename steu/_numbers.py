"""Numbers as settings take them: finite, whole, within bounds."""

from __future__ import annotations

from math import isfinite
from numbers import Integral, Real

from steu._errors import shown


def check_number(name: str, value: object, *, positive: bool = False) -> None:
    """Refuse a setting that is no finite number of 0 or more; if `positive`, 0 too.

    Raises
    ------
    ValueError
        With its name and what was found.
    """
    if not isinstance(value, Real) or not isfinite(value):
        raise ValueError(f"{name} must be a finite number; found {_told(value)}")
    if value < 0 or (positive and value == 0):
        raise ValueError(f"{name} must be {'positive' if positive else '0 or more'}; found {value}")


def check_whole(name: str, value: object, *, least: int = 0, most: int | None = None) -> None:
    """Refuse a setting that is no whole number from `least` to `most`.

    Raises
    ------
    ValueError
        With its name and what was found.
    """
    if not isinstance(value, Integral):
        raise ValueError(f"{name} must be a whole number; found {_told(value)}")
    number = int(value)
    if number < least:
        bound = "positive" if least == 1 else f"{least} or more"
        raise ValueError(f"{name} must be {bound}; found {number}")
    if most is not None and number > most:
        raise ValueError(f"{name} must be {most:,} at most; found {number:,}")


def _told(value: object) -> str:
    return str(value) if value is None or isinstance(value, Real) else shown(value)
