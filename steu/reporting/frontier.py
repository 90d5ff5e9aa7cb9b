"""What an edit erases against what it leaves of the other classes: one figure, any run."""

from __future__ import annotations

from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes

from steu.reporting.display_names import READER, name
from steu.reporting.figures import COLOURS, empty_panel, lengths_around

KEPT = "retain_macro_auroc"
ESTIMATE = ["value", "low", "high", "defined"]
BY_ROWS, BY_TOKENS = "steu_e_by_rows", "steu_by_k"


def frontier_points(results: pd.DataFrame) -> pd.DataFrame:
    """A row an edit that the strongest reader looked at: what it found, and what was kept.

    Returns
    -------
    DataFrame
        Columns method, n_tokens, n_rows (0 where it does not apply); value, low, high and defined
        of the reader's AUROC at the head; kept, kept_low and kept_high, the retained macro-AUROC
        with its interval. All on the test notes.
    """
    rows = results[results["split"] == "test"].copy()
    varied = rows["method"].isin([BY_ROWS, BY_TOKENS])
    for column in ("n_tokens", "n_rows"):
        rows[column] = rows[column].where(varied).fillna(0).astype(int)
    keys = ["method", "n_tokens", "n_rows"]
    kept = rows[rows["metric"] == KEPT].drop_duplicates(keys)[[*keys, "value", "low", "high"]]
    kept = kept.rename(columns={"value": "kept", "low": "kept_low", "high": "kept_high"})
    read = rows[rows["metric"] == READER].drop_duplicates(keys)[[*keys, *ESTIMATE]]
    return read.merge(kept, on=keys).sort_values(keys, ignore_index=True)


def frontier(results: pd.DataFrame, ax: Axes) -> Axes:
    """What the strongest reader finds at the head, against the retained macro-AUROC.

    STEU-E is a line for each number of tokens, from few different rows to many, which are written
    beside the points; STEU is one by its numbers of tokens. The original is a point, retrained
    models are a grey band from the least to the most that a reader finds in them. Better is lower
    and further right. Bars are intervals, thin ones those of what was kept.
    """
    points = frontier_points(results)
    if points.empty:
        return empty_panel(ax)
    read = results[(results["split"] == "test") & (results["metric"] == READER)]
    told = read.loc[read["method"].str.startswith("reference_", na=False), "value"]
    if len(told):
        ax.axhspan(told.min(), told.max(), color="#888888", alpha=0.25, label="retrained")
    colours = cycle(COLOURS)
    for k, line in points[points["method"] == BY_ROWS].groupby("n_tokens"):
        _line(line, ax, colour=next(colours), label=f"STEU-E, k = {k:,}", written=line["n_rows"])
    line = points[points["method"] == BY_TOKENS]
    if len(line):
        _line(line, ax, colour=next(colours), label="STEU, by k", written=line["n_tokens"])
    start = points[points["method"] == "original"]
    _line(start, ax, colour="black", label=name("original"), written=start["n_rows"].iloc[:0])
    ax.axhline(0.5, color="#888888", linewidth=1, linestyle=":")
    ax.set(xlabel=name(KEPT), ylabel="strongest reader, the head")
    ax.legend(frameon=False, fontsize=8)
    return ax


def _line(points: pd.DataFrame, ax: Axes, *, colour: str, label: str, written: pd.Series) -> None:
    value, kept = points["value"], points["kept"]
    bars = lengths_around(value, points["low"], points["high"])
    around = lengths_around(kept, points["kept_low"], points["kept_high"])
    ax.errorbar(kept, value, xerr=around, fmt="none", linewidth=0.4, color=colour)
    ax.errorbar(kept, value, bars, fmt="o-", ms=4, linewidth=1, color=colour, label=label)
    for at, told in zip(zip(kept, value, strict=True), written, strict=False):
        ax.annotate(
            f"{told:,}", at, xytext=(5, 4), textcoords="offset points", fontsize=8, color=colour
        )
