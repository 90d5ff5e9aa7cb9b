"""How far a model's answers are from those of another, such as one that never learned a class."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.special import expit

from steu.evaluation.metrics import check_answers, weighted_mean


def bernoulli_js(logits: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of each label's two Bernoulli distributions, (N, C), in bits.

    JS(p, q) = H((p + q) / 2) − (H(p) + H(q)) / 2 for p = σ(logit): 0 where the two agree, 1 bit
    where one is sure of the label and the other of its absence.

    Raises
    ------
    ValueError
        If an answer is not a number.
    """
    check_answers(logits)
    check_answers(reference)
    pairs = [np.stack([expit(z), expit(-z)]).astype(np.float64) for z in (logits, reference)]
    with np.errstate(invalid="ignore"):  # a rounding error below 0 under the root: equal pairs
        distance = jensenshannon(*pairs, base=2, axis=0)
    return np.nan_to_num(distance) ** 2


def all_right(targets: np.ndarray, logits: np.ndarray, columns: list[int]) -> np.ndarray:
    """Which notes have all of some labels right at probability 0.5, (N,) bool."""
    return ((logits > 0) == (targets == 1))[:, columns].all(axis=1)


def tug_of_war(
    right: dict[str, np.ndarray], reference: dict[str, np.ndarray], weights: dict[str, np.ndarray]
) -> np.ndarray:
    """Tug-of-War score of a model beside a reference (Zhao et al. 2024, arXiv 2406.01257).

    ToW = Π over forget, retain and test set of (1 − |a − a_reference|), with a the accuracy on the
    set; 1 where a model is as accurate as the reference on all three.

    Parameters
    ----------
    right, reference : dict of set to array of shape (n,), bool
        Which notes of each set the model and the reference answer rightly.
    weights : dict of set to array of shape (1 + n_bootstrap, n)
        From `group_weights`, one for each set.

    Returns
    -------
    array of shape (1 + n_bootstrap,)
        The estimate, then resamples. A resample's distances are those of fewer distinct notes, and
        larger: where the two are nearly as accurate the resamples lie below the estimate.
    """
    factors = [
        1 - np.abs(weighted_mean(right[name].astype(float) - reference[name], weights[name]))
        for name in right
    ]
    return np.prod(factors, axis=0)
