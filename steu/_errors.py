"""What a user's mistake is answered with: the nearest right name, the step that went wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

# Names that a message lists, and characters of each: what is longer may be of a note, and messages
# go into log files.
MOST, LONGEST = 40, 40


def shown(cell: object) -> str:
    """A cell as messages show it: a longer one may be of a note."""
    text = str(cell) if cell is not None else ""
    return repr(text) if len(text) <= LONGEST else f"a text of {len(text):,} characters"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Name the nearest of `known`, case aside, or all of them if none is near."""
    known = list(known)
    folded = {one.casefold(): one for one in reversed(known)}
    near = get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.5)
    if near:
        return f"did you mean {in_one_line(folded[near[0]])}?"
    told = [in_one_line(one) for one in known if len(str(one)) <= LONGEST][:MOST]
    more = f" and {len(known) - len(told):,} more" if len(known) > len(told) else ""
    return f"known are {', '.join(told) or ('too long to show' if known else 'none')}{more}"


def is_path(name: str) -> bool:
    """Whether a name can be that of a folder alone: an id on a hub has one slash at most."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or name.endswith("/")


def nearest_folder(name: str) -> str:
    """The folder that a path which leads nowhere is nearest to, part by part; "" if none is."""
    asked = Path(name)
    at = Path(asked.anchor)
    for part in asked.relative_to(asked.anchor).parts:
        if not (at / part).is_dir():
            beside = {p.name.casefold(): p.name for p in at.glob("*/")}
            near = get_close_matches(part.casefold(), beside, n=1, cutoff=0.7)
            part = beside[near[0]] if near else ""
        if not part:
            return ""
        at /= part
    return str(at)


def in_one_line(name: object) -> str:
    """A name as it is; in quotes, and escaped, one that would break the line or ends in blanks."""
    text = str(name)
    return text if text.isprintable() and text == text.strip() else repr(name)


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


class Diverged(ValueError):
    """A training whose loss is no number any more."""


def check_losses(losses: Sequence[float], *, settings: str) -> None:
    """Refuse losses, one a step, of which one is not finite.

    Raises
    ------
    Diverged
        With the first such step and the `settings`.
    """
    for step, loss in enumerate(losses):
        if not math.isfinite(loss):
            raise Diverged(
                f"training diverged: the loss is {loss} at step {step + 1} of {len(losses)} "
                f"with {settings}; lower the learning rate"
            )
