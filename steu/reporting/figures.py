"""Figures of the book: each takes a tidy frame and axes and returns the axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter, MaxNLocator
from matplotlib_inline.backend_inline import set_matplotlib_formats

from steu.reporting.display_names import name

# Okabe and Ito's colours: told apart by most colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
NAMED = 12  # tokens that a map of scores names
MARKERS = "osD^v"  # one each time the colours have been gone through


def style() -> None:
    """The look of all figures of a notebook, SVG as their format, and tables without gaps."""
    set_matplotlib_formats("svg")
    pd.set_option("display.max_rows", 500)
    pd.set_option("display.max_colwidth", None)
    look()


def look() -> None:
    """The look of all figures: quiet axes, the same ids in every run."""
    sns.set_theme(context="notebook", style="whitegrid", palette=list(COLOURS))
    mpl.rcParams.update(
        {
            "svg.hashsalt": "steu",
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "font.size": 10,
            "text.parse_math": False,  # two dollars in a label or token are no formula
        }
    )


class WrittenOut(LogFormatter):
    """Numbers of a logarithmic axis as they are, 0.1, 1,000, 10M, and not as formulas."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The number at a tick, "" where ticks are too many to be labelled."""
        if not super().__call__(x, pos):
            return ""
        return f"{x / 1e6:,.0f}M" if x >= 1e6 else f"{x:,.0f}" if x >= 1 else f"{x:g}"


def log_scale(ax: Axes, *sides: str) -> None:
    """Make the sides "x", "y" of `ax` logarithmic."""
    for side in sides:
        ax.set(**{f"{side}scale": "log"})
        axis = {"x": ax.xaxis, "y": ax.yaxis}[side]
        axis.set_major_formatter(WrittenOut())
        axis.set_minor_formatter(WrittenOut(labelOnlyBase=False))


def intervals(
    frame: pd.DataFrame,
    ax: Axes,
    *,
    y: str = "method",
    hue: str | None = None,
    levels: Iterable[str] = (),
) -> Axes:
    """Estimates as dots with their intervals as lines, one line of the axis per `y`.

    `frame` has columns value, low, high, `y` and `hue`; the order of first appearance is kept,
    unless `levels` names the lines of the axis.
    """
    levels = list(levels) or list(dict.fromkeys(frame[y]))
    groups = [(None, frame)] if hue is None else list(frame.groupby(hue, sort=False))
    for i, (label, group) in enumerate(groups):
        shift = (i - (len(groups) - 1) / 2) * 0.7 / max(len(groups), 2)
        position = np.array([levels.index(level) for level in group[y]]) + shift
        ax.errorbar(
            group["value"],
            position,
            xerr=lengths_around(group["value"], group["low"], group["high"]),
            fmt=MARKERS[i // len(COLOURS) % len(MARKERS)],
            color=COLOURS[i % len(COLOURS)],
            label=None if label is None else name(str(label)),
            capsize=2,
            markersize=5,
        )
    ax.set_yticks(range(len(levels)), [name(str(level)) for level in levels])
    ax.set_ylim(len(levels) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    return ax


def lengths_around(value: pd.Series, low: pd.Series, high: pd.Series) -> np.ndarray:
    """Lengths of the bars on both sides of estimates, (2, n).

    0 where an estimate has no interval, or lies beyond its end, as few resamples may leave it.
    """
    return np.nan_to_num(np.clip([value - low, high - value], 0, None))


def metric_panels(
    rows: pd.DataFrame,
    axes: Iterable[Axes],
    metrics: Iterable[str],
    *,
    y: str = "method",
    hue: str | None = None,
) -> None:
    """One panel of `intervals` per metric, methods on the shared vertical axis; says if empty."""
    for ax, metric in zip(axes, metrics, strict=True):
        found = rows[rows["metric"] == metric]
        if found.empty:
            empty_panel(ax)
        else:
            intervals(found, ax, y=y, hue=hue, levels=dict.fromkeys(rows[y]))
        _unit_panel(ax, metric)


def empty_panel(ax: Axes, why: str = "not run") -> Axes:
    """Say in the middle of an empty panel why it is empty."""
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes)
    return ax


def _unit_panel(ax: Axes, metric: str) -> None:
    """Limits, few ticks and a title on two lines: five such panels share the width of a page."""
    ax.set(xlim=(-0.05, 1.05), xticks=[0, 0.5, 1], xticklabels=["0", "½", "1"])
    if "auroc" in metric:
        ax.axvline(0.5, color="#888888", linewidth=1, linestyle=":")  # chance
    ax.set_title(name(metric).replace(" ", "\n", 1), fontsize=10)


def prevalence(counts: pd.DataFrame, ax: Axes) -> Axes:
    """Share of notes that carry each label, by split; columns label, split, prevalence."""
    order = list(counts.groupby("label")["prevalence"].mean().sort_values(ascending=False).index)
    sns.barplot(counts, y="label", x="prevalence", hue="split", order=order, ax=ax)
    ax.set_yticks(ax.get_yticks(), [name(label) for label in order])
    ax.set(xlabel="share of notes", ylabel="")
    ax.legend(title=None, frameon=False)
    return ax


def cooccurrence(targets: pd.DataFrame, ax: Axes, *, shown: np.ndarray | None = None) -> Axes:
    """P(column label | row label) as a heat map, from an indicator column per label.

    Cells that are not to be `shown`, bool (C, C), stay blank.
    """
    values = targets.to_numpy(dtype=float)
    together = values.T @ values
    share = together / np.maximum(values.sum(axis=0)[:, None], 1)
    share = share if shown is None else np.where(shown, share, np.nan)
    share_map(pd.DataFrame(share, targets.columns, targets.columns), ax)
    ax.set(title="share of notes with the row's label that also carry the column's")
    return ax


def share_map(shares: pd.DataFrame, ax: Axes) -> Axes:
    """Shares between 0 and 1 as a heat map, rows down and columns across in the order given."""
    table = shares.rename(index=name, columns=name).rename_axis(index=None, columns=None)
    sns.heatmap(table, annot=True, fmt=".2f", cmap="Blues", vmin=0, vmax=1, cbar=False, ax=ax)
    ax.set_xticks(
        ax.get_xticks(), list(table.columns), rotation=35, ha="right", rotation_mode="anchor"
    )
    return ax


def damage_scatter(frame: pd.DataFrame, ax: Axes) -> Axes:
    """What every other label lost against how often its notes carry the forgotten class.

    A dot with its interval is a pair, a colour and shape the class that was forgotten; columns
    forget_label, share (P(forgotten class | label)), value, low and high.
    """
    for i, (label, part) in enumerate(frame.groupby("forget_label", sort=False)):
        ax.errorbar(
            part["share"],
            part["value"],
            yerr=lengths_around(part["value"], part["low"], part["high"]),
            fmt=MARKERS[i % len(MARKERS)],
            color=COLOURS[i % len(COLOURS)],
            label=name(str(label)),
            markersize=4,
            elinewidth=0.7,
        )
    ax.axhline(0, color="#888888", linewidth=0.8)
    low, high = ax.get_ylim()
    # What is next to nothing looks like it; `auto` lets panels that share the axis widen it.
    ax.set_ylim(min(low, -0.05), max(high, 0.05), auto=None)
    return ax


def damage_map(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Damage to the column's label when the row's class is forgotten, as a heat map around 0.

    Columns forget_label, label and value, in the order wanted; red is a loss, blue a gain.
    """
    table = frame.pivot(index="forget_label", columns="label", values="value")
    order = list(dict.fromkeys([*frame["forget_label"], *frame["label"]]))
    table = table.reindex(
        index=[label for label in order if label in table.index],
        columns=[label for label in order if label in table.columns],
    )
    table = table.rename(index=name, columns=name).round(2) + 0.0  # -0.00 is 0.00
    most = max(np.nanmax(np.abs(table.to_numpy(dtype=float))), 0.05)
    sns.heatmap(
        table,
        annot=True,
        fmt=".2f",
        cmap="vlag",
        vmin=-most,
        vmax=most,
        cbar=False,
        ax=ax,
    )
    ax.set(xlabel="label that is left", ylabel="class that is withdrawn")
    ax.set_xticks(
        ax.get_xticks(), list(table.columns), rotation=40, ha="right", rotation_mode="anchor"
    )
    ax.grid(visible=False)
    return ax


def lengths(frame: pd.DataFrame, ax: Axes, *, smallest: int = 1) -> Axes:
    """Distribution of note lengths; columns length and patient.

    A bar of fewer than `smallest` patients is not drawn.
    """
    edges = np.histogram_bin_edges(frame["length"], 40)
    bars = np.digitize(frame["length"], edges[1:-1])
    enough = frame.groupby(bars)["patient"].transform("nunique") >= smallest
    sns.histplot(frame[enough], x="length", ax=ax, bins=list(edges), color=COLOURS[0])
    ax.set(ylabel="notes")
    return ax


def training(history: pd.DataFrame, ax: Axes, *, x: str, columns: dict[str, str]) -> Axes:
    """One line per column of a training history against `x`."""
    for colour, (column, label) in zip(COLOURS, columns.items(), strict=False):
        ax.plot(history[x], history[column], marker="o", markersize=3, color=colour, label=label)
    ax.set(xlabel=x)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))  # epochs, or steps
    if len(columns) > 1:
        ax.legend(frameon=False)
    return ax


def score_map(tokens: pd.DataFrame, ax: Axes) -> Axes:
    """Every token seen in a forget note: how often against how typical, the selected in colour.

    Columns token, n_forget, pmi (bits), selected (bool), score; says if no token may be shown.
    """
    if tokens.empty:
        return empty_panel(ax, "no token that may be shown")
    for selected, colour, label in (
        (False, "#BBBBBB", "not selected"),
        (True, COLOURS[1], "selected"),
    ):
        part = tokens[tokens["selected"] == selected]
        ax.scatter(part["n_forget"], part["pmi"], s=8, color=colour, label=label, rasterized=True)
    best = tokens.nlargest(NAMED, "score").sort_values("n_forget")
    for place, row in zip(np.linspace(0.04, 0.92, len(best)), best.itertuples(), strict=True):
        ax.annotate(  # names in a row above the points, so that none hides another
            str(row.token),
            (row.n_forget, row.pmi),
            xytext=(place, 1.03),
            textcoords="axes fraction",
            fontsize=8,
            rotation=35,
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.5},
        )
    ax.axhline(0, color="#888888", linewidth=0.8)
    log_scale(ax, "x")
    ax.set(
        xlabel="occurrences in forget notes",
        ylabel="log2 P(t | forget) / P(t | all), bits",
    )
    ax.legend(frameon=False, loc="lower right")
    return ax


def coverage(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Share of notes that hold at least one of the k best tokens; columns k, share, notes."""
    sns.lineplot(frame, x="k", y="share", hue="notes", marker="o", ax=ax)
    log_scale(ax, "x")
    ax.set(xlabel="tokens selected, k", ylabel="share of notes", ylim=(0, 1.03))
    ax.legend(title=None, frameon=False)
    return ax


def score_by_rank(lines: Mapping[str, np.ndarray], ax: Axes) -> Axes:
    """Scores, best first, of several rankings a line: (P, n) each, their mean and their range."""
    for color, (label, scores) in zip(sns.color_palette(), lines.items(), strict=False):
        ranks = np.arange(1, scores.shape[1] + 1)
        ax.plot(ranks, scores.mean(axis=0), color=color, label=label)
        ax.fill_between(
            ranks, scores.min(axis=0), scores.max(axis=0), color=color, alpha=0.2, linewidth=0
        )
    log_scale(ax, "x")
    ax.set(xlabel="rank of the token", ylabel="score, bits × log count")
    ax.legend(frameon=False)
    return ax


def seed_panels(rows: pd.DataFrame, axes: Iterable[Axes], metrics: Iterable[str]) -> None:
    """One panel per metric: every seed as a dot with its interval, their mean as a short bar."""
    methods = list(dict.fromkeys(rows["method"]))
    for ax, metric in zip(axes, metrics, strict=True):
        part = rows[rows["metric"] == metric]
        run = "seed " + part["seed"].astype(str)
        intervals(part.assign(run=run), ax, hue="run", levels=methods)
        means = part.groupby("method")["value"].mean()
        for position, method in enumerate(methods):
            if method in means:
                ax.vlines(means[method], position - 0.4, position + 0.4, color="#222222")
        _unit_panel(ax, metric)
