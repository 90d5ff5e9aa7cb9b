"""Metrics against the number of edited tokens, on an axis that has room for none."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from steu.reporting.figures import COLOURS


def by_token_count(rows: pd.DataFrame, ax: Axes, *, metrics: dict[str, str]) -> Axes:
    """One line with its interval as a band per metric, against the number of edited tokens.

    `metrics` maps names in the column metric to what the legend says. 0 tokens has its own place
    on the axis, which is linear up to the smallest other number and logarithmic beyond.
    """
    positive = sorted(k for k in rows["n_tokens"].unique() if k > 0)
    for colour, (metric, label) in zip(COLOURS, metrics.items(), strict=False):
        part = rows[rows["metric"] == metric].sort_values("n_tokens")
        ax.plot(part["n_tokens"], part["value"], "o-", markersize=4, color=colour, label=label)
        ax.fill_between(part["n_tokens"], part["low"], part["high"], color=colour, alpha=0.15)
    ax.set_xscale("symlog", linthresh=positive[0] if positive else 1)
    ticks = _apart([0, *positive])
    ax.set_xticks(ticks, [f"{k:,}" for k in ticks])
    ax.minorticks_off()
    ax.set(xlabel="tokens edited, k", ylim=(0, 1.03))
    ax.legend(frameon=False, loc="best", fontsize=8)
    return ax


def _apart(counts: list[int]) -> list[int]:
    """Of rising counts those that a logarithmic axis has room for: none just below another."""
    following = [*counts[1:], np.inf]
    return [k for k, after in zip(counts, following, strict=True) if k == 0 or after > 1.5 * k]


def parameter_axis(rows: pd.DataFrame, ax: Axes) -> None:
    """A second axis above `ax` of `by_token_count`: parameters changed at each token count."""
    changed = rows[rows["metric"] == "parameters_changed"].sort_values("n_tokens")
    above = ax.twiny()
    above.set_xscale("symlog", linthresh=changed.loc[changed["n_tokens"] > 0, "n_tokens"].min())
    above.set_xlim(ax.get_xlim())
    shown = changed[changed["n_tokens"].isin(_apart(list(changed["n_tokens"])))]
    above.set_xticks(shown["n_tokens"], [_short(value) for value in shown["value"]])
    above.minorticks_off()
    above.grid(visible=False)
    above.tick_params(labelsize=7)


def _short(value: float) -> str:
    """A count in at most four characters: 2,310 is 2.3k."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.{0 if value >= 10 * limit else 1}f}{unit}"
    return f"{value:.0f}"
