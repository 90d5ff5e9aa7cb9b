"""Paired comparisons of methods on the same resamples of patients, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import norm

from steu.evaluation.metrics import interval
from steu.evaluation.results import BESIDE


def beside(metric: str, own: np.ndarray, others: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a method has of a metric minus what others have, resample by resample, (1 + B,) each.

    What makes a note easy or hard for all cancels, so this is surer than two intervals are.
    """
    return {f"{metric}{BESIDE}{other}": own - samples for other, samples in others.items()}


def compare(samples: Mapping[str, np.ndarray], *, against: str) -> pd.DataFrame:
    """Difference of every method to one of them, with Holm-corrected p-values.

    Parameters
    ----------
    samples : dict of method to array of shape (1 + n_bootstrap,)
        A metric under the same bootstrap weights for all methods; the first entry is the estimate.
    against : str
        The method that is subtracted.

    Returns
    -------
    DataFrame
        method, value, low, high, p and p_holm. p is two-sided, by how often the difference changes
        its sign among the resamples, (1 + times) / (1 + n_bootstrap) on either side; where it never
        does, by a normal distribution with their spread, or many comparisons could never be sure.
        Methods with the same numbers, as the original and the null edit have, are one comparison.
    """
    if len(samples) < 2:
        raise ValueError(f"a comparison needs another method beside {against!r}; found none")
    rows, differences = [], []
    for method, values in samples.items():
        if method == against:
            continue
        difference = values - samples[against]
        differences.append(difference.tobytes())
        value, low, high = interval(difference)
        rows.append(
            {"method": method, "value": value, "low": low, "high": high, "p": _p_value(difference)}
        )
    table = pd.DataFrame(rows)
    which, _ = pd.factorize(pd.Series(differences))
    once = table["p"].groupby(which).first().to_numpy()
    return table.assign(p_holm=holm(once)[which])


def compare_each(metrics: Mapping[str, Mapping[str, np.ndarray]], *, against: str) -> pd.DataFrame:
    """`compare` for each of several metrics, which a column names; each is corrected by itself."""
    each = {metric: compare(samples, against=against) for metric, samples in metrics.items()}
    return pd.concat(each, names=["metric", None]).reset_index(level="metric")


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjusted p-values by Holm's step-down procedure (1979), in the order given.

    Rejecting those below 0.05 keeps the chance of any false rejection below 0.05.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return adjusted


def _p_value(difference: np.ndarray) -> float:
    resampled = difference[1:][~np.isnan(difference[1:])]
    if not len(resampled) or not resampled.any():
        return 1.0  # the two methods are the same
    below, above = (resampled <= 0).sum(), (resampled >= 0).sum()
    p = min(1.0, 2 * (1 + min(below, above)) / (1 + len(resampled)))
    spread = resampled.std()
    if min(below, above) or not spread:
        return float(p)
    return float(min(p, 2 * norm.sf(abs(resampled.mean()) / spread)))
