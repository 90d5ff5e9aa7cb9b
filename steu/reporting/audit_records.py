"""What the audits found, for the table of results and for the file of verdicts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from steu.audits.places import OTHERS
from steu.audits.probing import Probed
from steu.evaluation.paired import beside
from steu.evaluation.results import READER
from steu.evaluation.verdicts import Beside, Decision
from steu.models.hidden_states import HEAD
from steu.reporting.display_names import READER_UNSEEN

TRAINING, UNSEEN = "training notes", "unseen notes"  # that a reader learned from
METRIC = {TRAINING: "reader_auroc", UNSEEN: "reader_auroc_unseen"}
# Places that have names of their own in the results.
KNOWN = {(HEAD, TRAINING): READER, (HEAD, UNSEEN): READER_UNSEEN}
KNOWN |= {(OTHERS, TRAINING): "reader_auroc_others"}


def metric_at(place: str, fitted_on: str) -> str:
    """The metric of the strongest reader at a place: ``reader_auroc_at_layer_1_mean``."""
    slug = re.sub(r"\W+", "_", place)
    return KNOWN.get((place, fitted_on), f"{METRIC[fitted_on]}_at_{slug}")


def by_place(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Records of rows of `probe_table` with a method each, but of the places in `KNOWN`."""
    rows = found.to_dict("records")
    rows = [row for row in rows if (row["place"], row["fitted_on"]) not in KNOWN]
    what = ("method", "value", "low", "high", "n", "defined")
    return [
        {"metric": metric_at(row["place"], row["fitted_on"])}
        | {name: row[name] for name in what if name in row}
        for row in rows
    ]


def beside_at_head(
    probed: Mapping[str, Probed], method: str, others: Sequence[str]
) -> dict[str, np.ndarray]:
    """What readers find at the head of one model minus what they find at others', (1 + B,) each.

    The strongest reader, fitted on training notes and again on unseen notes, for an edit may hide
    the class better in the notes that it was trained on. Nothing of models not looked at.
    """
    there = [other for other in others if other in probed]
    if method not in probed:
        return {}
    samples = {
        READER: {name: probed[name].samples[HEAD] for name in (method, *there)},
        READER_UNSEEN: {name: probed[name].unseen[HEAD] for name in (method, *there)},
    }
    return {
        name: less
        for metric, found in samples.items()
        for name, less in beside(
            metric, found[method], {other: found[other] for other in there}
        ).items()
    }


def verdict_file(
    decisions: Mapping[str, Decision], audits: Mapping[str, Mapping[str, Beside]]
) -> dict[str, dict[str, Any]]:
    """The decisions as JSON values by method, each with what every audit found, and how surely.

    `audits` is, by method, what `beside_all` gives: the difference to the references' mean.
    """
    return {
        method: asdict(decision)
        | {"audits": {audit: asdict(one) for audit, one in audits.get(method, {}).items()}}
        for method, decision in decisions.items()
    }
