"""What readers found at every place of a model, for the table of results."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from steu.audits.places import OTHERS
from steu.evaluation.results import COLUMNS, READER, READER_UNSEEN
from steu.models.hidden_states import HEAD

TRAINING, UNSEEN = "training notes", "unseen notes"  # that a reader learned from
METRIC = {TRAINING: "reader_auroc", UNSEEN: READER_UNSEEN}
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
    return [
        {name: value for name, value in row.items() if name in COLUMNS}
        | {"metric": metric_at(row["place"], row["fitted_on"])}
        for row in rows
        if (row["place"], row["fitted_on"]) not in KNOWN
    ]
