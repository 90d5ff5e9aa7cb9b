"""Rivals of PMI: other scores of how much a token speaks of a class, by counts or by the model.

Every score has shape (V,) and is higher for tokens that should be edited first. Chi-squared and
mutual information do not tell tokens of the class from tokens of its absence, so they are signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import rel_entr
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.feature_selection import chi2

from steu._errors import suggestion
from steu.experiments.study import Study
from steu.selection.attribution import gradient_scores, integrated_gradient_scores
from steu.selection.counts import pmi_scores

Selector = Literal[
    "pmi",
    "log_odds",
    "chi2",
    "tfidf",
    "mutual_information",
    "gradient",
    "integrated_gradients",
    "random",
]
SELECTORS: tuple[Selector, ...] = get_args(Selector)


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


def score_tokens(
    selector: Selector,
    study: Study,
    *,
    counts: sparse.csr_matrix,
    n_notes: int | None = None,
    n_steps: int = 8,
    seed: int = 0,
) -> np.ndarray:
    """Scores of all tokens by one selector, on the training split of a study.

    Parameters
    ----------
    counts : sparse array of shape (N_train, V)
        Token counts of the training notes, from `steu.selection.counts.count_tokens`.
    n_notes, n_steps
        For the selectors that ask the model; see `integrated_gradient_scores`.
    seed : int
        For the random scores and the choice of `n_notes`.

    Returns
    -------
    array of shape (V,), float64, in the unit of the selector

    Raises
    ------
    ValueError
        If there is no such selector; the nearest is offered.
    """
    check_selector(selector)
    forget = study.is_forget[study.train]
    if selector in _BY_COUNTS:
        return _BY_COUNTS[selector](counts, forget)
    if selector == "random":
        return np.random.default_rng(seed).random(counts.shape[1])
    model, notes, rows = study.model, study.notes, study.train[forget]
    if selector == "gradient":
        return gradient_scores(model, notes, rows, label=study.forget, n_notes=n_notes, seed=seed)
    return integrated_gradient_scores(
        model, notes, rows, label=study.forget, n_steps=n_steps, n_notes=n_notes, seed=seed
    )


_BY_COUNTS: dict[Selector, Callable[[sparse.csr_matrix, np.ndarray], np.ndarray]] = {
    "pmi": pmi_scores,
    "log_odds": log_odds_scores,
    "chi2": chi2_scores,
    "tfidf": tfidf_scores,
    "mutual_information": mutual_information_scores,
}


def check_selector(name: str) -> None:
    """Refuse a name that is no selector; the nearest is offered."""
    if name not in SELECTORS:
        raise ValueError(f"selectors: no selector {name!r}; {suggestion(name, SELECTORS)}")


def pmi_and_rivals(names: Sequence[str]) -> list[Selector]:
    """The selectors to compare, each once: PMI, which all are compared with, and then the others.

    Raises
    ------
    ValueError
        If a name is no selector, or none but PMI is named.
    """
    for name in names:
        check_selector(name)
    rivals = [name for name in SELECTORS if name in names and name != "pmi"]
    if not rivals:
        raise ValueError(
            f"selectors must name at least one rival of PMI; found {list(names)}: "
            f"{suggestion('', SELECTORS[1:])}"
        )
    return ["pmi", *rivals]


def overlap(chosen: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Share of the row's tokens that the column's selector chose too, (S, S), 1 on the diagonal."""
    shares = [[np.isin(a, b).mean() for b in chosen.values()] for a in chosen.values()]
    return pd.DataFrame(shares, index=list(chosen), columns=list(chosen))


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
