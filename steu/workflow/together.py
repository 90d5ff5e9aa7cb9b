"""What parameters of pages ask of each other: known before any of them has run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steu._errors import suggestion
from steu.workflow.constraints import DRAWS, PAPERS, TUNED

Values = Mapping[str, Any]
REFERENCES, AUDIT, RECOVERY = "05b_references", "08_audit", "08b_recovery"
COMPARING = (REFERENCES, AUDIT, RECOVERY)  # with models that are trained anew; no page reads them


def mismatch(given: Mapping[str, Values]) -> str:
    """What the parameters of the pages of one seed lack of each other; "" if nothing is wrong.

    `given` holds all parameters of each page, by its notebook.
    """
    for notebook in COMPARING:
        if notebook in given:
            told = _references(notebook, given[notebook], own=given["02_classifier"]["seed"])
            if not told and notebook != REFERENCES:
                told = _methods(given[notebook], given["05_baselines"])
            if told:
                return f"{notebook}: {told}"
    return ""


def _references(notebook: str, page: Values, *, own: int) -> str:
    """As `steu.experiments.references` says it of the models that are trained anew."""
    readings, others = page["readings"], page["other_seeds"]
    further = len(readings) if notebook == REFERENCES else len(readings) - 1  # one to see luck by
    needed = max(2 if notebook == AUDIT else 0, further)
    if len(others) < needed:
        return (
            f"other_seeds must be {needed} or more, one for each further reference; found {others}"
        )
    if notebook == REFERENCES:  # which trains one a reading, and the last to see what luck does
        others = [*others[: len(readings) - 1], *others[-1:]]
    if own in others:
        return f"other_seeds hold {own}, the seed of the classifier: give another"
    if notebook == RECOVERY and "dropped" not in readings:
        return (
            "readings must hold 'dropped', whose models never saw the notes that membership is "
            f"asked about; found {readings}: add it"
        )
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
