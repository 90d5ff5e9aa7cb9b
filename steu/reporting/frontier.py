"""What an edit erases against what it leaves of the other classes: one figure, any run."""

from __future__ import annotations

from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes

from steu.reporting.display_names import READER, name
from steu.reporting.figures import COLOURS, empty_panel, lengths_around

KEPT = "retain_macro_auroc"
SETTING = ["method", "n_tokens", "n_rows"]
ESTIMATE = ["value", "low", "high", "defined"]
BY_ROWS, BY_TOKENS = "steu_e_by_rows", "steu_by_k"
FAR = 3  # times as far below the original as its own interval reaches: drawn at the edge
# Where the numbers of a line stand beside its points, so that those of another do not hide them.
CORNERS = ((5, 3), (5, -10), (-5, 3), (-5, -10))
Look = tuple[str, tuple[int, int]]  # the colour of a line, and the corner of its numbers


def frontier_points(results: pd.DataFrame) -> pd.DataFrame:
    """A row an edit of the frontier, and the original: what is still read, and what was kept.

    Returns
    -------
    DataFrame
        Columns method, n_tokens, n_rows (0 where it does not apply); value, low, high and defined
        of the reader's AUROC at the head; kept, kept_low and kept_high, the retained macro-AUROC
        with its interval. All on the test notes.
    """
    rows, keys = by_setting(results), SETTING
    kept = rows[rows["metric"] == KEPT].drop_duplicates(keys)[[*keys, "value", "low", "high"]]
    kept = kept.rename(columns={"value": "kept", "low": "kept_low", "high": "kept_high"})
    read = rows[rows["metric"] == READER].drop_duplicates(keys)[[*keys, *ESTIMATE]]
    budgets = read.loc[read["method"] == BY_ROWS, "n_tokens"]
    at_these = read["method"].eq(BY_TOKENS) & read["n_tokens"].isin(budgets)
    read = read[read["method"].isin(["original", BY_ROWS]) | at_these]
    return read.merge(kept, on=keys).sort_values(keys, ignore_index=True)


def by_setting(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of the test notes; n_tokens and n_rows are 0 where a method does not vary them."""
    rows = results[results["split"] == "test"].copy()
    varied = rows["method"].isin([BY_ROWS, BY_TOKENS])
    for column in SETTING[1:]:  # not every page writes those of what has one setting
        rows[column] = rows[column].where(varied).fillna(0).astype(int)
    return rows


def frontier(results: pd.DataFrame, ax: Axes) -> Axes:
    """What the strongest reader finds at the head, against the retained macro-AUROC.

    STEU-E is a line for each number of tokens, from few different rows to many, which are written
    beside the points; STEU is one by its numbers of tokens. The original is a point, retrained
    models are a grey band from the least to the most that a reader finds in them. Better is lower
    and further right. Bars are intervals, thin ones those of what was kept. A point that kept far
    less than the others stands as an arrow at the left edge, with what it kept.
    """
    points = frontier_points(results)
    if points.empty:
        return empty_panel(ax)
    read = results[(results["split"] == "test") & (results["metric"] == READER)]
    told = read.loc[read["method"].str.startswith("reference_", na=False), "value"]
    if len(told):
        ax.axhspan(told.min(), told.max(), color="#888888", alpha=0.25, label="retrained")
    edge = _edge(points)
    looks = zip(cycle(COLOURS), cycle(CORNERS), strict=False)
    for k, line in points[points["method"] == BY_ROWS].groupby("n_tokens"):
        called = f"STEU-E, k = {k:,}"
        _line(line, ax, look=next(looks), label=called, written=line["n_rows"], edge=edge)
    line = points[points["method"] == BY_TOKENS]
    if len(line):
        _line(line, ax, look=next(looks), label="STEU, by k", written=line["n_tokens"], edge=edge)
    start = points[points["method"] == "original"]
    none = start["n_rows"].iloc[:0]
    _line(start, ax, look=("black", (0, 0)), label=name("original"), written=none, edge=edge)
    _limits(points, ax, edge=edge)
    ax.set(xlabel=name(KEPT), ylabel="strongest reader, the head")
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1.07), ncols=3)
    return ax


def _edge(points: pd.DataFrame) -> float:
    """The least that is drawn where it lies on the axis of what was kept."""
    start = points[points["method"] == "original"]
    below = (start["kept"] - start["kept_low"]).clip(lower=0)  # of few resamples it may lie above
    reach = (start["kept"] - FAR * below).min()
    near = points.loc[~(points["kept"] < reach), "kept"]
    far = len(near) < len(points)
    return near.min() - 0.1 * (near.max() - near.min()) if far else points["kept"].min()


def _limits(points: pd.DataFrame, ax: Axes, *, edge: float) -> None:
    """Limits that hold all points and the bars of the reader; those of what was kept may be cut."""
    most = points["kept"].max()
    room = max(0.12 * (most - edge), 0.002)
    ax.set_xlim(edge - room, most + room)
    low, high = ax.get_ylim()
    if low < 0.55:
        ax.axhline(0.5, color="#888888", linewidth=1, linestyle=":")
    ax.set_ylim(low, high)


def _line(
    points: pd.DataFrame,
    ax: Axes,
    *,
    look: Look,
    label: str,
    written: pd.Series,
    edge: float,
) -> None:
    colour, _ = look
    value, kept = points["value"], points["kept"].clip(lower=edge)
    bars = lengths_around(value, points["low"], points["high"])
    around = lengths_around(points["kept"], points["kept_low"], points["kept_high"])
    seen = points["kept"] >= edge
    ax.errorbar(
        points["kept"][seen],
        value[seen],
        xerr=[side[seen] for side in around],
        fmt="none",
        linewidth=0.4,
        color=colour,
    )
    ax.errorbar(kept, value, bars, fmt="o-", ms=4, linewidth=1, color=colour, label=label)
    ax.plot(kept[~seen], value[~seen], "<", ms=8, color=colour)
    if len(written):
        _write(points.assign(drawn=kept, written=written, inside=seen), ax, look=look)


def _write(points: pd.DataFrame, ax: Axes, *, look: Look) -> None:
    """The number of each point beside it; where it lies outside, what it kept as well."""
    colour, corner = look
    for point in points.itertuples():
        ax.annotate(
            f"{point.written:,}" if point.inside else f"{point.written:,} (kept {point.kept:.2f})",
            (point.drawn, point.value),
            xytext=corner if point.inside else CORNERS[0],
            textcoords="offset points",
            ha="right" if point.inside and corner[0] < 0 else "left",
            fontsize=8,
            color=colour,
        )
