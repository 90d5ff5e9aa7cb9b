"""How far probabilities are to be trusted: surprise, squared error, and the gap to what happens."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from steu.evaluation.metrics import ratio, weighted_mean

BINS = 10


def negative_log_likelihood(
    targets: np.ndarray, log_odds: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Mean surprise −log p(label) in nats, (N,) and (S, N) to (S,)."""
    surprise = np.logaddexp(0, np.where(targets, -log_odds, log_odds))
    return weighted_mean(surprise, weights)


def brier(targets: np.ndarray, log_odds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean squared difference of probability and label, (S,)."""
    return weighted_mean((expit(log_odds) - targets) ** 2, weights)


def calibration_error(
    targets: np.ndarray, log_odds: np.ndarray, weights: np.ndarray, *, bins: int = BINS
) -> np.ndarray:
    """Expected calibration error, (S,): Σ_b n_b / n · |mean label − mean probability| in bin b.

    Of the probability of the label, in `bins` of equal width (Guo et al. 2017, arXiv 1706.04599,
    eq. 3, for one label in place of the predicted class).
    """
    chance = expit(log_odds)
    place = np.minimum((chance * bins).astype(int), bins - 1)
    gaps = [np.abs(weights @ ((chance - targets) * (place == b))) for b in range(bins)]
    return ratio(np.sum(gaps, axis=0), weights.sum(axis=1))
