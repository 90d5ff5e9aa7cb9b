"""What parameters of pages ask of each other: known before any of them has run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steu._errors import suggestion
from steu.workflow.constraints import DRAWS, PAPERS, TUNED

Values = Mapping[str, Any]
AUDITS = ("08_audit", "08b_recovery")


def mismatch(given: Mapping[str, Values]) -> str:
    """What the parameters of the pages of one seed lack of each other; "" if nothing is wrong.

    `given` holds all parameters of each page, by its notebook.
    """
    for notebook in AUDITS:
        if notebook in given:
            told = _references(given[notebook], given, least=2 if notebook == AUDITS[0] else 0)
            told = told or _methods(given[notebook], given["05_baselines"])
            if told:
                return f"{notebook}: {told}"
    return ""


def _references(page: Values, given: Mapping[str, Values], *, least: int) -> str:
    """As `steu.experiments.references` says it of the models that are trained anew."""
    needed, others = max(least, len(page["readings"]) - 1), page["other_seeds"]
    if len(others) < needed:
        return (
            f"other_seeds must be {needed} or more, one for each further reference; found {others}"
        )
    own = given["02_classifier"]["seed"]
    if own in others:
        return f"other_seeds hold {own}, the seed of the classifier: give another"
    return ""


def _methods(page: Values, compared: Values) -> str:
    """A page can read the edits alone that the page before it leaves."""
    there = [*TUNED, *DRAWS[: compared["random_draws"]], *PAPERS, *compared["more_rivals"]]
    for name in page["methods"]:
        if name not in there:
            more = "random_draws" if name in DRAWS else "more_rivals"
            return (
                f"methods names {name!r}, which 05_baselines does not make with its {more}: "
                f"{compared[more]}; {suggestion(name, there)}"
            )
    return ""
