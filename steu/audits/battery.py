"""The audits that decide a verdict: each a number of one model that is higher the more is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from steu.audits.places import OTHERS
from steu.audits.probing import Probed
from steu.evaluation.metrics import interval
from steu.evaluation.verdicts import (
    ERROR,
    FEWEST,
    MARGIN,
    SILENT,
    Beside,
    Decision,
    beside_references,
    decide,
    lower_for_all,
    outcomes,
)
from steu.models.hidden_states import HEAD
from steu.task import ForgetTask

AUDITS = {
    "any place": "the strongest reader at the place where the class is read best",
    "the head": "the strongest reader of what the head reads",
    "unseen notes": "the same, fitted on notes that the edit was not trained on",
    "the other answers": "the strongest reader of the answers about the other labels",
    "a head at hand": "its own answer about the class, or the original head's, without training",
}

LIMITS = {"silent": SILENT, "margin": MARGIN, "error": f"{ERROR:.0%}", "fewest": FEWEST}
METRICS = {  # as the audits are called in the results
    "reader_auroc": "any place",
    "reader_auroc_head": "the head",
    "reader_auroc_unseen": "unseen notes",
    "reader_auroc_others": "the other answers",
    "at_hand_auroc": "a head at hand",
}


def audit_samples(probed: Probed) -> dict[str, np.ndarray]:
    """AUROC of the class by each of `AUDITS`, the estimate and resamples, (1 + B,) each."""
    return {
        "any place": probed.samples[probed.strongest],
        "the head": probed.samples[HEAD],
        "unseen notes": probed.unseen[HEAD],
        "the other answers": probed.samples[OTHERS],
        "a head at hand": probed.at_hand,
    }


def verdicts(
    task: ForgetTask,
    probed: Mapping[str, Probed],
    forget_f1: Mapping[str, np.ndarray],
    references: Mapping[str, Probed],
) -> dict[str, Decision]:
    """A verdict on every method of `probed` but "original", beside the references.

    There is none on a class that fewer than `FEWEST` patients of the test notes have. An audit by
    which the original itself is not caught is blind on these notes: it has no vote. Without any
    reference none votes, and no verdict goes further than *suppressed in the representation*.

    Parameters
    ----------
    probed : dict of method to Probed
        With "original".
    forget_f1 : dict of method to array of shape (1 + B,)
    references : dict of name to Probed
        None, or three models at least, that never learned the class.

    Raises
    ------
    ValueError
        If there are references, and too few.
    """
    patients = len(np.unique(task.groups[task.test[task.is_forget[task.test]]]))
    if patients < FEWEST:
        few = f"fewer than {FEWEST} patients of the test notes have the class"
        return {method: Decision("none", few, {}) for method in probed if method != "original"}
    told = {name: audit_samples(one) for name, one in references.items()}
    seeing = voting(probed["original"], references) if references else []
    found = {}
    for method, one in probed.items():
        if method == "original":
            continue
        samples = audit_samples(one)
        beside = {a: beside_references(samples[a], [t[a] for t in told.values()]) for a in seeing}
        shared = [place for place in one.samples if place in probed["original"].samples]
        lower = lower_for_all(
            {place: one.samples[place] for place in shared}, probed["original"].samples
        )
        found[method] = decide(
            forget_f1=interval(forget_f1[method]), suppressed=lower, audits=beside
        )
    return found


def voting(original: Probed, references: Mapping[str, Probed]) -> list[str]:
    """The audits by which the original is caught beside the references, in order."""
    table = beside_all(original, references)
    said = outcomes(table)
    return [audit for audit in AUDITS if said[audit] == "more"]


def beside_all(one: Probed, references: Mapping[str, Probed]) -> dict[str, Beside]:
    """Every audit of one model beside the references."""
    samples, told = audit_samples(one), [audit_samples(each) for each in references.values()]
    return {audit: beside_references(samples[audit], [t[audit] for t in told]) for audit in AUDITS}


def held_out(references: Mapping[str, Probed]) -> dict[str, dict[str, str]]:
    """What every audit says of each reference beside the others: none should be caught."""
    return {
        name: dict(outcomes(beside_all(one, {n: r for n, r in references.items() if n != name})))
        for name, one in references.items()
    }


def as_records(found: Mapping[str, Decision]) -> dict[str, dict[str, Any]]:
    """The decisions as JSON values, by method."""
    return {method: asdict(one) for method, one in found.items()}


def verdict_table(found: Mapping[str, Decision]) -> pd.DataFrame:
    """A row a method: verdict, what decides it, and what each audit said."""
    rows = [
        {"method": method, "verdict": one.verdict, "decided by": one.decided_by, **one.said}
        for method, one in found.items()
    ]
    return pd.DataFrame(rows)
