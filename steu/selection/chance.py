"""How many tokens would be selected if the class meant nothing: scores under permuted labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from steu.selection.ranking import rank_by_score
from steu.selection.scores import pmi_scores

PAPER_K, PAPER_VOCABULARY = 256, 28_996  # rows edited [D] of Bio_ClinicalBERT's, 0.9 %


def scaled_k(n_candidates: int) -> int:
    """As many tokens as are the paper's share of a vocabulary, at least 1.

    In large corpora nearly every token of the vocabulary can be chosen. Where fewer can, 256 of
    them are a larger part.
    """
    return max(1, round(n_candidates * PAPER_K / PAPER_VOCABULARY))


def scores_by_chance(
    counts: sparse.csr_matrix,
    forget: np.ndarray,
    groups: np.ndarray,
    *,
    n_permutations: int = 20,
    seed: int = 0,
    min_count: int = 5,
    excluded: tuple[int, ...] = (),
    smoothing: float = 0.0,
) -> np.ndarray:
    """PMI scores, best first, of the tokens that can be chosen, under permuted labels.

    Labels are permuted among patients: each patient's run of labels is kept together, and the runs
    are laid over the notes in another order of patients. Tokens that go with a *patient* so score
    by chance as they would.

    Parameters
    ----------
    counts : sparse array of shape (N, V)
    forget, groups : arrays of shape (N,)
    min_count, excluded
        Which tokens can be chosen; see `rank_by_score`.
    smoothing
        Of the scores; see `pmi_scores`.

    Returns
    -------
    array of shape (n_permutations, number that can be chosen)
    """
    codes, names = pd.factorize(groups)
    in_order = np.argsort(codes, kind="stable")
    runs = np.split(forget[in_order], np.cumsum(np.bincount(codes))[:-1])
    usable: dict[str, Any] = {"min_count": min_count, "excluded": excluded}
    generator, found = np.random.default_rng(seed), []
    for _ in range(n_permutations):
        permuted = np.empty(len(forget), dtype=bool)
        laid = [runs[patient] for patient in generator.permutation(len(names))]
        permuted[in_order] = np.concatenate(laid)
        scores = pmi_scores(counts, permuted, smoothing=smoothing)
        found.append(scores[rank_by_score(scores, counts, **usable)])
    return np.stack(found)


def share_by_chance(scores: np.ndarray, by_chance: np.ndarray, k: int) -> float:
    """Which share of the k best would score as high if the class meant nothing.

    The mean number of tokens above the k-th score under permuted labels, over k; at most 1.

    Parameters
    ----------
    scores : array of shape (n,)
        Best first.
    by_chance : array of shape (P, n)
        From `scores_by_chance`.
    """
    above = (by_chance >= scores[k - 1]).sum(axis=1).mean()
    return min(1.0, float(above) / k)
