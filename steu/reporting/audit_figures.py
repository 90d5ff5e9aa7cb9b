"""Figures of the audits: where the class can be read, and how soon it comes back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from steu.reporting.figures import COLOURS, MARKERS, intervals, name

CLEAN = "#009E73"  # the band of models that never learned the class
GREY = "#888888"


def place_panels(seen: pd.DataFrame, axes: Iterable[Axes], places: Sequence[str]) -> None:
    """A panel for each place of a model: how well the class is read there, a line for each model.

    `seen` has columns method, place, value, low and high. A panel has the limits of its own
    intervals, for what counts is a dot beside the band, which spans the estimates of the models
    whose name says reference. Axes beyond the last place stay empty.
    """
    axes = list(axes)
    for ax in axes[len(places) :]:
        ax.set_visible(False)
    levels = list(dict.fromkeys(seen["method"]))
    for ax, place in zip(axes, places, strict=False):
        part = seen[seen["place"] == place]
        clean = part.loc[part["method"].str.startswith("reference"), "value"]
        if len(clean):
            ax.axvspan(clean.min(), clean.max(), color=CLEAN, alpha=0.4, linewidth=0)
        intervals(part, ax, levels=levels)
        ends = part[["value", "low", "high"]].to_numpy(dtype=float)
        low, high = np.nanmin(ends), np.nanmax(ends)
        room = 0.06 * max(high - low, 0.05)
        if low - room < 0.5 < high + room:
            ax.axvline(0.5, color=GREY, linewidth=1, linestyle=":")
        ax.set_xlim(low - room, high + room)
        ax.xaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
        ax.tick_params(axis="x", labelsize=8)
        ax.set_title(fill(place, 13), fontsize=9)


def relearning_panels(
    curves: pd.DataFrame, axes: Iterable[Axes], *, references: Collection[str]
) -> None:
    """A panel for each lesson: AUROC of the class against steps of training on.

    `curves` has columns lesson, method, step and value, a row a step. `references` never learned
    the class: they are a grey band from the least to the most, one that is alone a broken line.
    """
    edits = [n for n in dict.fromkeys(curves["method"]) if n not in references]
    steps = sorted(curves["step"].unique())
    for ax, (lesson, part) in zip(axes, curves.groupby("lesson", sort=False), strict=True):
        clean = part[part["method"].isin(references)].groupby("step")["value"]
        _band(clean.min().reindex(steps), clean.max().reindex(steps), ax)
        for method, line in part.groupby("method", sort=False):
            if method in edits:
                i = edits.index(method)
                ax.plot(
                    np.searchsorted(steps, line["step"]),
                    line["value"],
                    color=COLOURS[:-1][i % (len(COLOURS) - 1)],  # grey is for the references
                    marker=MARKERS[i // (len(COLOURS) - 1) % len(MARKERS)],
                    markersize=4,
                    label=name(str(method)),
                )
        ax.set_xticks(range(len(steps)), [f"{step:g}" for step in steps])
        ax.set(xlabel="steps", title=lesson)


def _band(low: pd.Series, high: pd.Series, ax: Axes) -> None:
    places = range(len(low))
    if not low.equals(high):
        ax.fill_between(places, low, high, color=GREY, alpha=0.35, linewidth=0, label="retrained")
    elif low.notna().any():
        ax.plot(places, low, color=GREY, linestyle="--", label="retrained")
