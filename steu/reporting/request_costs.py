"""What each answer to a request costs and leaves: the guide's tables, from one run's numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from steu.reporting import display_names
from steu.reporting.display_names import READER
from steu.reporting.glue import estimate

MARK = "<!-- what each answer costs -->\n"  # in book/withdrawing.md, where the table goes
WAYS = {  # method in the results → what the guide calls it
    "original": "Leave it",
    "null": "Null edit, or a filter",
    "head_only_tuned": "Head only",
    "steu_tuned": "STEU",
    "steu_e": "STEU-E",
    "reference_relabelled": "Retrain, the class relabelled as absent",
}
UNREAD = ("null", "head_only_tuned")  # they leave what the head reads as it was
CELL = ["dataset", "backbone", "seed", "forget_label"]  # what one table is about
COLUMNS = {  # metric in the results → head of its column
    "parameters_changed": "parameters changed",
    "seconds": "seconds to make",
    "forget_f1": "F1 of the class",
    READER: "strongest reader of what the head reads (AUROC)",
    "retain_macro_auroc": "macro-AUROC of the others",
}


def request_costs(
    results: pd.DataFrame, *, training_seconds: Mapping[str, float] | None = None
) -> str:
    """MyST text of a table for each dataset, of the first backbone and seed that the run had of it.

    Parameters
    ----------
    results : DataFrame
        As `steu.evaluation.results.collect` makes it; what it lacks is a dash.
    training_seconds : dict of dataset to float, optional
        What the page that trained the classifier took: retraining takes that again.
    """
    own = results[results["method"].isin(list(WAYS)) & results["metric"].isin(list(COLUMNS))]
    if own.empty:
        return "This run measured none of them.\n"
    first = [next(iter(of.groupby(CELL)))[1] for _, of in own.groupby("dataset", sort=False)]
    return "\n".join(_table(one, training_seconds or {}) for one in first)


def _table(own: pd.DataFrame, training_seconds: Mapping[str, float]) -> str:
    """The table of one dataset, backbone, seed and class, and its caption."""
    cells = {(row["method"], row["metric"]): row for _, row in own.iterrows()}
    if ("original", READER) in cells:
        cells = {(unread, READER): cells["original", READER] for unread in UNREAD} | cells
    dataset, _, seed, label = own.iloc[0][CELL]
    seconds = training_seconds.get(dataset)
    lines = [f"| | {' | '.join(COLUMNS.values())} |", f"|---{'|---' * len(COLUMNS)}|"]
    for method, name in WAYS.items():
        told = [_told(metric, cells.get((method, metric))) for metric in COLUMNS]
        if method.startswith("reference"):
            told[:2] = ["all", "–" if seconds is None else f"{seconds:.0f}"]
        lines.append(f"| {name} | {' | '.join(told)} |")
    caption = (
        f"\n{dataset}, *{display_names.name(label)}*, seed {seed}: the edits at the settings that "
        "chapter *The rivals* picked, without its search; brackets are 95 % intervals over "
        "patients; seconds of one run, on a machine that may have been busy. Retraining takes what "
        "the page of the classifier took.\n"
    )
    return "\n".join(lines) + "\n" + caption


def _told(metric: str, row: pd.Series | None) -> str:
    if row is None:
        return "–"
    if metric in ("parameters_changed", "seconds"):
        return f"{row['value']:,.{int(metric == 'seconds')}f}"
    return estimate(row)
