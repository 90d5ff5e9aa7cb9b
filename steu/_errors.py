"""What a user's mistake is answered with: the nearest right name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(name: str, known: Iterable[str]) -> str:
    """Name the nearest of `known`, case aside, or all of them if none is near."""
    known = list(known)
    folded = {one.casefold(): one for one in reversed(known)}
    near = get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.5)
    return f"did you mean {folded[near[0]]}?" if near else f"known are {', '.join(known) or 'none'}"


def check_choice(value: str, known: Iterable[str], *, what: str, where: str = "") -> None:
    """Refuse a value that is none of the `known`; the nearest is offered.

    Raises
    ------
    ValueError
        Saying `where`, if it is given, `what` was to be chosen and the nearest right name.
    """
    known = list(known)
    if value not in known:
        place = f"{where}: " if where else ""
        raise ValueError(f"{place}no {what} {value!r}; {suggestion(value, known)}")
