"""How much a token speaks of a class: the paper's PMI and its rivals that count tokens.

Every score has shape (V,) and is higher for tokens that should be edited first. Chi-squared and
mutual information do not tell tokens of the class from tokens of its absence, so they are signed.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import rel_entr
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.feature_selection import chi2

from steu.selection.counts import checked_class


def pmi_scores(
    counts: sparse.csr_matrix, forget: np.ndarray, *, smoothing: float = 0.0
) -> np.ndarray:
    """Frequency-weighted pointwise mutual information of each token with the class, in bits.

    Following the secondary account of arXiv 2603.19302 (grade [D]),
    ``log2(P(t | forget) / P(t | all)) * ln(1 + n_forget(t))``; a token that never occurs in a
    forget note scores 0, the limit of the product.

    Parameters
    ----------
    counts : sparse array of shape (N, V)
        Token counts of the training notes only.
    forget : array of shape (N,), bool
        Which of them carry the class.
    smoothing : float
        Added to every count of both distributions. 0 by default: the factor ``ln(1 + n)`` already
        silences tokens seen once or twice, which is what smoothing is for.

    Returns
    -------
    array of shape (V,), float64, in bits times a natural-log count weight
    """
    forget = checked_class(counts, forget)
    if smoothing < 0:
        raise ValueError(f"smoothing must be 0 or more; found {smoothing}")
    n_all = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    n_forget = np.asarray(counts[forget].sum(axis=0), dtype=np.float64).ravel()
    p_all = (n_all + smoothing) / (n_all + smoothing).sum()
    p_forget = (n_forget + smoothing) / (n_forget + smoothing).sum()
    scores = np.zeros(counts.shape[1])
    seen = n_forget > 0
    scores[seen] = np.log2(p_forget[seen] / p_all[seen]) * np.log1p(n_forget[seen])
    return scores


def log_odds_scores(
    counts: sparse.csr_matrix, forget: np.ndarray, *, prior_scale: float = 1.0
) -> np.ndarray:
    """z-score of the log-odds ratio with an informative Dirichlet prior, forget against others.

    Monroe, Colaresi and Quinn 2008 (doi 10.1093/pan/mpn018): both groups of notes are drawn
    towards what all notes say, and what is left of their difference, in nats, is divided by its
    standard error. A rare token needs a larger difference than a frequent one.

    Parameters
    ----------
    counts : sparse array of shape (N, V)
        Token counts of the training notes only.
    forget : array of shape (N,), bool
        Which of them carry the class.
    prior_scale : float
        The prior's imagined counts as a multiple of the corpus's own. 1 by default, as is
        customary: the prior weighs as much as all notes together.

    Returns
    -------
    array of shape (V,), float64, in standard errors; 0 for a token that no note holds

    Raises
    ------
    ValueError
        If the notes are all of one kind or `prior_scale` is not positive.
    """
    if prior_scale <= 0:
        raise ValueError(f"prior_scale must be positive; found {prior_scale}")
    with_class, others = _by_class(counts, forget)
    seen = with_class + others > 0
    prior = prior_scale * (with_class + others)[seen]
    imagined = np.stack([with_class[seen], others[seen]]) + prior  # (2, seen)
    log_odds = np.log(imagined) - np.log(imagined.sum(axis=1, keepdims=True) - imagined)
    scores = np.zeros(counts.shape[1])
    scores[seen] = (log_odds[0] - log_odds[1]) / np.sqrt((1 / imagined).sum(axis=0))
    return scores


def two_sided_scores(counts: sparse.csr_matrix, forget: np.ndarray) -> np.ndarray:
    """Magnitude of `log_odds_scores`, (V,): words that speak against the class tell it as well."""
    return np.abs(log_odds_scores(counts, forget))


def chi2_scores(counts: sparse.csr_matrix, forget: np.ndarray) -> np.ndarray:
    """Chi-squared statistic of each token's counts by class, negative if it avoids the class.

    See `sklearn.feature_selection.chi2` for the statistic and `log_odds_scores` for the
    parameters.

    Returns
    -------
    array of shape (V,), float64, without unit; 0 for a token that no note holds
    """
    with_class, others = _by_class(counts, forget)
    statistic = np.nan_to_num(chi2(counts, forget)[0])
    return statistic * np.sign(with_class - np.mean(forget) * (with_class + others))


def tfidf_scores(counts: sparse.csr_matrix, forget: np.ndarray) -> np.ndarray:
    """Mean TF-IDF weight in the forget notes minus that in the others, Rocchio's direction.

    Weights are 1 + ln(count) times the smoothed inverse document frequency, a note has length 1.
    Without the subtraction words that are frequent everywhere would come first: the weight itself
    knows nothing of the class. See `log_odds_scores` for the parameters.

    Returns
    -------
    array of shape (V,), float64, without unit
    """
    _by_class(counts, forget)
    weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    means = [np.asarray(weights[kind].mean(axis=0)).ravel() for kind in (forget, ~forget)]
    return means[0] - means[1]


def mutual_information_scores(counts: sparse.csr_matrix, forget: np.ndarray) -> np.ndarray:
    """Mutual information of a token's presence in a note with the class, in bits, signed.

    Negative where the token is rarer with the class than without. See `log_odds_scores` for the
    parameters.

    Returns
    -------
    array of shape (V,), float64, in bits, at most the entropy of the class
    """
    with_token = np.stack(_by_class(counts > 0, forget))  # (2, V) notes: with the class, without
    kinds = np.array([[forget.sum()], [(~forget).sum()]])
    joint = np.stack([with_token, kinds - with_token]) / len(forget)  # (token or not, class, V)
    expected = joint.sum(axis=0) * joint.sum(axis=1, keepdims=True)
    information = rel_entr(joint, expected).sum(axis=(0, 1)) / np.log(2)
    return information * np.sign(joint[0, 0] - expected[0, 0])


def _by_class(counts: sparse.csr_matrix, forget: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the notes with the class and over the others, (V,) each."""
    if forget.shape != (counts.shape[0],) or forget.dtype != bool:
        raise ValueError(
            f"forget must be bool of shape ({counts.shape[0]},); found {forget.dtype} "
            f"{forget.shape}"
        )
    if forget.all() or not forget.any():
        raise ValueError(
            f"a comparison needs notes with and without the class; found {forget.sum()} with and "
            f"{(~forget).sum()} without: choose another label"
        )
    with_class, others = (np.asarray(counts[kind].sum(axis=0)) for kind in (forget, ~forget))
    return with_class.ravel(), others.ravel()
