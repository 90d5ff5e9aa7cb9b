"""What the others paid: each retained label's answers, where the class is present and where not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from steu.data.privacy import suppress_small_cells
from steu.evaluation.calibration import brier, calibration_error, negative_log_likelihood
from steu.evaluation.collateral import people_with_both
from steu.evaluation.metrics import auroc, f1, interval
from steu.task import Edit, ForgetTask

MEASURES = {
    "auroc": auroc,
    "f1": lambda truth, log_odds, weights: f1(truth, log_odds > 0, weights),
    "nll": negative_log_likelihood,
    "brier": brier,
    "ece": calibration_error,
}
WHERE = ("all notes", "notes with the class", "notes without the class")


def collateral(task: ForgetTask, edit: Edit, *, without: Sequence[str] = ()) -> pd.DataFrame:
    """Change of every retained label's numbers on the test notes: under the edit minus original.

    Apart for notes with and without the class: an edit may leave the mean as it was and take from
    just those patients who have both. Negative log-likelihood is in nats, F1 at probability ½.

    Parameters
    ----------
    without : sequence of str
        Labels that are not looked at: those that are withdrawn too.

    Returns
    -------
    DataFrame
        A tidy row a label, measure and kind of notes: label, metric, notes, value, low, high, n.
    """
    index = task.test
    before, after = task.log_odds(index), task.log_odds(index, edit)
    with_class = task.is_forget[index]
    rows = []
    for where, shown in zip(
        WHERE, (np.ones(len(index), bool), with_class, ~with_class), strict=True
    ):
        weights = task.weights()[:, shown]
        for c in (c for c in task.retained if task.labels[c] not in without):
            truth = task.targets[index][shown, c] == 1
            for metric, measure in MEASURES.items():
                was, now = (measure(truth, z[shown, c], weights) for z in (before, after))
                value, low, high = interval(now - was)
                facts = {"label": task.labels[c], "metric": metric, "notes": where}
                rows.append(
                    facts | {"value": value, "low": low, "high": high, "n": int(shown.sum())}
                )
    return pd.DataFrame(rows)


def patients_with_both(task: ForgetTask, *, restricted: bool) -> pd.Series:
    """Of how many test patients some note carries the class and another label too, by label.

    NA, of restricted data, where these are too few to be told, or those with one of the two alone.
    """
    people = people_with_both(task.targets[task.test], task.groups[task.test])
    counts = {"label": people.diagonal(), "class": people[task.forget, task.forget]}
    table = pd.DataFrame(counts, index=list(task.labels)).assign(both=people[task.forget])
    for either in counts if restricted else ():
        table = suppress_small_cells(table, ["both"], of=either).frame
    return table["both"].drop(task.labels[task.forget])


def correlation_drift(task: ForgetTask, edit: Edit) -> np.ndarray:
    """How far the retained labels' answers changed their company, (1 + B,) in correlation.

    Mean absolute difference, over pairs of retained labels, of the correlation of their log-odds
    over the test notes, under the edit and before. A resample of fewer distinct notes drifts
    further than all of them do: where the drift is small, the resamples lie above it.
    """
    shown = (task.log_odds(task.test, e)[:, task.retained] for e in (None, edit))
    before, after = (_correlations(z, task.weights()) for z in shown)
    return np.abs(after - before).mean(axis=1)


def _correlations(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted correlations of the pairs of columns, (N, C) and (S, N) to (S, pairs).

    Columns are centred beforehand and in float64: of answers that lie far from 0 and close together
    a difference of squares would leave nothing. One that never varies correlates with none.
    """
    shares = weights.astype(np.float64) / weights.sum(axis=1, keepdims=True, dtype=np.float64)
    values = values - values.mean(axis=0, dtype=np.float64)
    mean = shares @ values  # (S, C)
    left, right = np.triu_indices(values.shape[1], k=1)
    both = shares @ (values[:, left] * values[:, right]) - mean[:, left] * mean[:, right]
    spread = np.sqrt(np.maximum(shares @ values**2 - mean**2, 0.0))
    product = spread[:, left] * spread[:, right]
    return np.divide(both, product, out=np.zeros_like(both), where=product > 1e-12)
