"""Forgetting and utility with intervals: every number from a patient-level bootstrap.

Metrics are computed for all bootstrap samples at once: a sample is a row of weights, how often
each note's patient was drawn, and row 0 is the data as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from steu._errors import Diverged

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def group_weights(
    groups: np.ndarray, *, n_bootstrap: int = 1000, seed: int | Sequence[int] = 0
) -> np.ndarray:
    """Weights of each note, shape (1 + n_bootstrap, N): ones, then resampled groups (patients).

    A bootstrap sample draws as many groups as there are, with replacement, and takes all notes
    of each; the same seed draws the same groups, so methods can be compared pairwise. One group
    alone, drawn again, is always the same, and says nothing of others: its samples are NaN.
    """
    codes, names = pd.factorize(groups)
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), n_bootstrap)
    weights = np.ones((1 + n_bootstrap, len(codes)), dtype=np.float32)
    weights[1:] = draws[:, codes] if len(names) > 1 else np.nan
    return weights


def check_answers(log_odds: np.ndarray) -> None:
    """Refuse answers that are not numbers, which would count as a class that is never said.

    Raises
    ------
    Diverged
        With the first note and label; an infinite one, as the null edit's, is an answer.
    """
    odd = np.argwhere(np.isnan(log_odds))
    if len(odd):
        note, label = odd[0]
        raise Diverged(
            f"{len(odd):,} answers are not a number, first that to note {note} about label "
            f"{label}: the model or the edit has weights that are not finite; train it anew"
        )


def interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float, float]:
    """(value, low, high) of a metric whose first entry is the estimate and the rest resamples."""
    tail = 100 * (1 - level) / 2
    left = values[1:][~np.isnan(values[1:])]
    low, high = np.percentile(left, [tail, 100 - tail]) if len(left) else (np.nan, np.nan)
    return float(values[0]), float(low), float(high)


def ratio(above: np.ndarray, below: np.ndarray, *, where: np.ndarray | None = None) -> np.ndarray:
    """One array divided by another, float64; NaN outside `where`, by default `below` > 0."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    defined = below > 0 if where is None else where
    return np.divide(above, below, out=np.full(shape, np.nan), where=defined)


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over notes, (N,) to (S,) or (N, C) to (S, C), under each row of weights (S, N).

    NaN where a sample holds no note.
    """
    sums = weights @ values
    total = weights.sum(axis=1).reshape(-1, *[1] * (values.ndim - 1))
    return ratio(sums, total)


def f1(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """F1 of one label under each row of weights, shape (S,); 0 where nothing is predicted.

    NaN where a sample has no positive: nobody can hit what is not there.

    Parameters
    ----------
    targets, predicted : arrays of shape (N,), bool
    weights : array of shape (S, N)
    """
    hit = weights @ (targets & predicted)
    positive = weights @ targets.astype(np.float32)
    total = positive + weights @ predicted.astype(np.float32)
    return ratio(2 * hit, total, where=positive > 0)


def auroc(targets: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve under each row of weights, ties counted half, shape (S,).

    NaN where a sample has no positive or no negative, and where a score is NaN: it has no rank.
    """
    if np.isnan(scores).any():
        return np.full(len(weights), np.nan)
    positive, negative = _by_descending_score(targets, scores, weights)
    above = np.cumsum(positive, axis=1) - positive / 2  # half of a tie counts as above
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    area = (negative * above).sum(axis=1)
    return ratio(area, pairs)


def auprc(targets: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision under each row of weights, shape (S,); NaN without positives."""
    positive, negative = _by_descending_score(targets, scores, weights)
    hits = np.cumsum(positive, axis=1)
    seen = hits + np.cumsum(negative, axis=1)
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    total = positive.sum(axis=1)
    area = (precision * positive).sum(axis=1)
    return ratio(area, total)


def tpr_at(
    targets: np.ndarray, scores: np.ndarray, weights: np.ndarray, *, fpr: float = 0.01
) -> np.ndarray:
    """Share of positives found while at most a share `fpr` of negatives is, under each row, (S,).

    With n negatives a rate below 1/n cannot be told from 0.
    """
    positive, negative = _by_descending_score(targets, scores, weights)
    found, wrong = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    best = np.where(wrong <= fpr * wrong[:, -1:], found, 0).max(axis=1)
    total = found[:, -1]
    return ratio(best, total)


def macro(
    metric: Metric, targets: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Mean of a metric over labels in each bootstrap sample, shape (S,).

    Two methods' values under the same weights may be subtracted: the result is a paired bootstrap
    of their difference.
    """
    columns = range(targets.shape[1])
    return mean_of_labels([metric(targets[:, c], scores[:, c], weights) for c in columns])


def mean_of_labels(values: list[np.ndarray]) -> np.ndarray:
    """Mean over labels in each sample, (S,); a label that a sample leaves undefined has no say.

    Which those are depends on the targets and the weights alone, so methods stay paired.
    """
    stacked = np.stack(values)  # (C, S)
    known = ~np.isnan(stacked)
    total, n = np.nansum(stacked, axis=0), known.sum(axis=0)
    return ratio(total, n)


def _by_descending_score(
    targets: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of positives and of negatives at each distinct score, highest first, (S, G)."""
    order = np.argsort(-scores, kind="stable")
    ranked, targets = scores[order], targets[order].astype(bool)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    ordered = weights[:, order].astype(np.float64)
    positive = np.add.reduceat(ordered * targets, starts, axis=1)
    negative = np.add.reduceat(ordered * ~targets, starts, axis=1)
    return positive, negative


def tune_thresholds(targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The logit above which each label's F1 is highest on these notes, shape (C,).

    Halfway between two scores that occur; 0 (probability 0.5) for a label without positives.
    """
    return np.array([_best_threshold(targets[:, c], logits[:, c]) for c in range(logits.shape[1])])


def _best_threshold(targets: np.ndarray, logits: np.ndarray) -> float:
    if not targets.any():
        return 0.0
    order = np.argsort(-logits, kind="stable")
    hits = np.cumsum(targets[order])
    scores = 2 * hits / (np.arange(1, len(order) + 1) + targets.sum())
    ranked = logits[order].astype(np.float64)  # in between lies no number of fewer digits
    scores[:-1][ranked[1:] == ranked[:-1]] = -1  # a threshold cannot split a tie
    best = int(np.argmax(scores))
    below = ranked[best + 1] if best + 1 < len(ranked) else ranked[best] - 1.0
    return float((ranked[best] + below) / 2)


def retained(n_labels: int, forget: int) -> list[int]:
    """Columns of the labels that stay."""
    return [c for c in range(n_labels) if c != forget]


def macro_auroc(targets: np.ndarray, scores: np.ndarray) -> float:
    """Mean AUROC over the labels that are known and have both positives and negatives.

    Raises
    ------
    ValueError
        If there is none.
    """
    both = (targets.min(axis=0) < 1) & (targets.max(axis=0) > 0)  # NaN is neither
    if not both.any():
        raise ValueError(
            f"each of the labels is the same in all {len(targets):,} notes, so that none can be "
            "ranked: give splits that hold notes with and without a label"
        )
    return float(roc_auc_score(targets[:, both], scores[:, both], average="macro"))


def metric_records(
    targets: np.ndarray,
    logits: np.ndarray,
    *,
    labels: tuple[str, ...],
    weights: np.ndarray,
    thresholds: np.ndarray,
    own_thresholds: np.ndarray | None = None,
    forget: int | None = None,
    decided: np.ndarray | None = None,
) -> list[dict[str, float | str | int | None]]:
    """All metrics of one method on one split as tidy records: metric, label, value, low, high, n.

    ``f1``, ``auroc`` and ``auprc`` are given a label, ``macro_*`` are means over all labels; with
    `forget`, ``forget_*`` concern that class and ``retain_macro_*`` are means over the others.
    Means are taken in each bootstrap sample. ``*_tuned`` use `thresholds` (logits, fixed
    beforehand, the same for all methods), ``*_retuned`` those that were tuned for this method, if
    they are given, the plain ones `decided`: probability 0.5 unless they are given, (N, C) bool.

    Parameters
    ----------
    targets, logits : arrays of shape (N, C)
    weights : array of shape (1 + n_bootstrap, N), from `group_weights`
    """
    truth, predicted = targets.astype(bool), logits > 0 if decided is None else decided
    everyone = range(len(labels))
    per_label = {
        "f1": [f1(truth[:, c], predicted[:, c], weights) for c in everyone],
        "f1_tuned": [f1(truth[:, c], logits[:, c] > thresholds[c], weights) for c in everyone],
        "auroc": [auroc(truth[:, c], logits[:, c], weights) for c in everyone],
        "auprc": [auprc(truth[:, c], logits[:, c], weights) for c in everyone],
    }
    if own_thresholds is not None:
        own = logits > own_thresholds
        per_label["f1_retuned"] = [f1(truth[:, c], own[:, c], weights) for c in everyone]
    records = []
    for metric, columns in per_label.items():
        records += [
            metric_record(metric, columns[c], len(truth), label=labels[c]) for c in everyone
        ]
        records.append(metric_record(f"macro_{metric}", mean_of_labels(columns), len(truth)))
        if forget is not None:
            kept = mean_of_labels([columns[c] for c in retained(len(labels), forget)])
            records.append(
                metric_record(f"forget_{metric}", columns[forget], len(truth), label=labels[forget])
            )
            records.append(metric_record(f"retain_macro_{metric}", kept, len(truth)))
    return records


def metric_record(metric: str, values: np.ndarray, n: int, *, label: str | None = None) -> dict:
    """One tidy record of a metric under bootstrap weights: the estimate, then resamples.

    `defined` is 1 if there is such a number in every resample, else 0: none without a positive.
    The share of those that have one would tell how many patients have the class, if these are few.
    """
    value, low, high = interval(values)
    defined = float(np.isfinite(values[1:]).all())
    found = {"value": value, "low": low, "high": high, "n": n, "defined": defined}
    return {"metric": metric, "label": label, **found}
