"""Numbers, figures and tables that the prose of a page can name."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from myst_nb import glue

from steu.data.privacy import SMALLEST_CELL
from steu.reporting import display_names

if TYPE_CHECKING:  # whoever builds pages alone has no PyTorch
    from steu.data.cohort import Cohort
    from steu.experiments.study import Study


def number(name: str, value: Any) -> None:
    """Make `value` available to prose as ``{glue:text}`name```; floats to three decimals."""
    text = f"{value:,}" if isinstance(value, int) else value
    text = f"{value:.3f}" if isinstance(value, float) else text
    glue(name, str(text), display=False)


def numbers(**values: Any) -> None:
    """`number` for each keyword."""
    for name, value in values.items():
        number(name, value)


def figure(name: str, drawn: Figure) -> None:
    """Show a figure in the notebook and keep it for a captioned ``{glue:figure}`` in the prose."""
    glue(name, drawn)
    plt.close(drawn)


def estimate(row: pd.Series | dict[str, Any]) -> str:
    """A number with its interval as text: ``0.61 [0.52, 0.70]``; one without spread is bare.

    An interval narrower than 0.02 is written with a third digit, and with as many more as it takes
    to tell its ends apart; a large one whole, as `exact` writes it. Where some resamples held no
    patient with the class, and so no number, it says so, and not how many: see `metric_record`.
    """
    if pd.isna(row["value"]):
        return "–"
    if pd.isna(row["low"]) or row["low"] == row["high"]:
        return exact(row["value"])
    width = row["high"] - row["low"]
    digits = 2 if width >= 0.02 else min(max(3, -floor(log10(width))), 6)
    if width >= 1 and min(abs(row["low"]), abs(row["high"])) >= 999.5:
        digits = 0
    while digits < 6 and any(0 < abs(row[end]) < 0.5 * 10**-digits for end in ("low", "high")):
        digits += 1  # an end that is not 0 is not written as 0, which would decide something
    value, low, high = (f"{row[part]:z,.{digits}f}" for part in ("value", "low", "high"))
    text = f"{value} [{low}, {high}]"
    left = row.get("defined", 1.0)
    return text if pd.isna(left) or left == 1 else f"{text} (undefined in some resamples)"


def rests_on(study: Study) -> str:
    """What a page rests on: ``179 test notes (30 with the class, of 28 patients)``.

    In restricted data fewer than ten patients are not counted, nor all but fewer than ten.
    """
    return notes_with_class(study.cohort, study.forget)


def notes_with_class(data: Cohort, label: int, *, split: str = "test") -> str:
    """The same of the notes of a split, and of the class in a column of the cohort's targets."""
    index = data.index(split)
    has = data.targets[index, label] == 1
    with_class, without = (data.patients[index[which]] for which in (has, ~has))
    patients = len(np.unique(with_class))
    told, _ = shown_parts(with_class, without, data=data)
    told = f"{told} with the class"
    if told[0].isdigit() and patients < len(with_class):
        told += f", of {patients:,} patients"
    return f"{len(index):,} {'training' if split == 'train' else split} notes ({told})"


def shown_parts(*parts: np.ndarray, data: Cohort) -> list[str]:
    """How many notes each part of a whole holds, as it may be shown where the whole is.

    Of restricted data no part is counted if one of them is about fewer than ten patients: it is
    what the others leave. A part says whose each of its notes is.
    """
    few = any(len(np.unique(part)) < SMALLEST_CELL for part in parts)
    return ["few" if data.restricted and few else f"{len(part):,}" for part in parts]


def page_link(page: str) -> str:
    """HTML link from an executed page to another, such as "notebooks/04_unlearning"; "" is none.

    It reads as the other's number, "04", which leaves a table its room.
    """
    number = page.rpartition("/")[2].partition("_")[0]
    return f'<a href="../{page}.html">{number}</a>' if page else "–"


def exact(value: float) -> str:
    """A count or a large number with thousands separators, or three significant digits."""
    whole = float(value).is_integer() or abs(value) >= 999.5  # which would be 1e+03
    return f"{value:,.0f}" if whole else f"{value:.3g}"


def wide(rows: pd.DataFrame, *, index: str, metrics: Iterable[str]) -> pd.DataFrame:
    """Tidy rows as a table to read: one line per `index`, one column per metric, in given order."""
    metrics = list(metrics)
    chosen = rows[rows["metric"].isin(metrics)]
    chosen = chosen.assign(text=[estimate(row) for _, row in chosen.iterrows()])
    table = chosen.pivot(index=index, columns="metric", values="text")
    order = list(dict.fromkeys(chosen[index]))
    table = table.reindex(index=order, columns=metrics).astype(object).fillna("–")
    return table.rename_axis(index=None, columns=None)


def side_by_side(compared: pd.DataFrame) -> pd.DataFrame:
    """What `compare_each` found, to read: a line a method, difference and p value a metric."""
    differences = [estimate(row) for _, row in compared.iterrows()]
    p = compared["p_holm"].map(lambda p: f"{p:.3f}" if not p < 0.0005 else "< 0.001")
    told = {"difference": differences, "p, Holm": p}
    table = compared.assign(**told).pivot(index="method", columns="metric", values=list(told))
    ordered = table.loc[compared["method"].unique()].sort_index(axis=1, level=1)
    return ordered.rename(index=display_names.name).rename_axis(index=None)
