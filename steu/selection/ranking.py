"""Every selector by name, and the ranking of tokens that it makes for a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature

import numpy as np
import pandas as pd
from scipy import sparse

from steu._errors import check_choice, suggestion
from steu._numbers import check_number, check_whole
from steu.selection.attribution import gradient_scores, integrated_gradient_scores
from steu.selection.counts import count_tokens
from steu.selection.scores import (
    chi2_scores,
    log_odds_scores,
    mutual_information_scores,
    pmi_scores,
    tfidf_scores,
    two_sided_scores,
)
from steu.task import ForgetTask, about_task

# A new selector takes a line here: (counts (N, V), which notes carry the class (N,)) → scores (V,).
BY_COUNTS: dict[str, Callable[[sparse.csr_matrix, np.ndarray], np.ndarray]] = {
    "pmi": pmi_scores,
    "log_odds": log_odds_scores,
    "chi2": chi2_scores,
    "tfidf": tfidf_scores,
    "mutual_information": mutual_information_scores,
    "two_sided": two_sided_scores,
}
BY_MODEL: dict[str, Callable[..., np.ndarray]] = {
    "gradient": gradient_scores,
    "integrated_gradients": integrated_gradient_scores,
}
SELECTORS = (*BY_COUNTS, *BY_MODEL, "random")


@about_task
def rank_tokens(
    task: ForgetTask, by: str = "pmi", *, min_count: int = 5, seed: int = 0, **settings: object
) -> np.ndarray:
    """Ids of the tokens that can be edited, those that speak most of the class first.

    Parameters
    ----------
    by : str
        The score, one of `SELECTORS`: "pmi" is the paper's.
    min_count : int
        Tokens seen less often in the training notes cannot be chosen: chance, and privacy.
    seed : int
        For random scores and for the notes that an attribution looks at.
    **settings
        Of a selector that asks the model: `n_notes`, and `n_steps` for integrated gradients.

    Returns
    -------
    array of int64
        Best first, ties by id; special tokens are left out.

    Raises
    ------
    ValueError
        If there is no such selector (the nearest is offered), a setting is no number that it can
        be, or no token can be chosen.

    Examples
    --------
    >>> import steu
    >>> token_ids = steu.rank_tokens(task, "chi2")[:2]
    >>> sorted(tokenizer.convert_ids_to_tokens(token_ids))
    ['fever', 'sepsis']
    """
    check_number("min_count", min_count)
    counts = count_tokens(task.notes)[task.train]
    scores = score_tokens(task, by, counts=counts, seed=seed, **settings)
    ranked = rank_by_score(scores, counts, min_count=min_count)
    if not len(ranked):
        raise ValueError(
            f"no token is seen {min_count} times in the {len(task.train):,} training notes: lower "
            "min_count"
        )
    return ranked


def score_tokens(
    task: ForgetTask,
    by: str,
    *,
    counts: sparse.csr_matrix,
    seed: int = 0,
    **settings: object,
) -> np.ndarray:
    """Scores of all tokens by one selector, on the training split of a task.

    Parameters
    ----------
    counts : sparse array of shape (N_train, V)
        Token counts of the training notes, from `count_tokens`.

    Returns
    -------
    array of shape (V,), float64, in the unit of the selector

    Raises
    ------
    ValueError
        If there is no such selector, or it has no such setting; the nearest is offered.
    """
    check_choice(by, SELECTORS, what="selector")
    check_whole("seed", seed)
    known = signature(BY_MODEL[by]).parameters if by in BY_MODEL else {}
    for setting in settings:
        check_choice(setting, known, what=f"setting of {by}")
    forget = task.is_forget[task.train]
    if by in BY_COUNTS:
        return BY_COUNTS[by](counts, forget)
    if by == "random":
        return np.random.default_rng(seed).random(counts.shape[1])
    return BY_MODEL[by](task, task.train[forget], seed=seed, **settings)


def rank_by_score(
    scores: np.ndarray,
    counts: sparse.csr_matrix,
    *,
    min_count: int = 1,
    excluded: tuple[int, ...] = (),
) -> np.ndarray:
    """Ids of all tokens that can be chosen, best score first, ties by id; int64.

    Only tokens seen at least `min_count` times in `counts` and not `excluded` can be chosen.
    """
    eligible = np.asarray(counts.sum(axis=0)).ravel() >= max(min_count, 1)
    eligible[list(excluded)] = False
    candidates = np.flatnonzero(eligible)
    return candidates[np.argsort(-scores[candidates], kind="stable")]


def select_tokens(ranked: np.ndarray, n_tokens: int) -> np.ndarray:
    """The first `n_tokens` of a ranking, shape (k,).

    Raises
    ------
    ValueError
        If `n_tokens` is not positive or exceeds the number of tokens that can be chosen.
    """
    if n_tokens < 1:
        raise ValueError(f"n_tokens must be at least 1; found {n_tokens}")
    if n_tokens > len(ranked):
        raise ValueError(
            f"n_tokens must not exceed the {len(ranked):,} tokens seen often enough in the "
            f"training notes; found {n_tokens:,}: lower n_tokens or min_count"
        )
    return ranked[:n_tokens]


def matched_tokens(
    ranked: np.ndarray,
    n_tokens: int,
    occurrences: np.ndarray,
    *,
    seed: int | Sequence[int],
    nearest: int = 10,
) -> np.ndarray:
    """Random tokens about as frequent as the first `n_tokens`, none of which is among them, (k,).

    For each of the first, in random order, one of the `nearest` others in log frequency is drawn
    that is still free: an edit of words that a class is not told by, but that occur as often.

    Parameters
    ----------
    occurrences : array of shape (len(ranked),)
        Of each token of the ranking.

    Raises
    ------
    ValueError
        If fewer than `n_tokens` others are left.
    """
    chosen = select_tokens(ranked, n_tokens)
    if len(ranked) < 2 * n_tokens:
        raise ValueError(
            f"random tokens need as many others as are selected; found {len(ranked) - n_tokens:,} "
            f"beside {n_tokens:,}: lower n_tokens"
        )
    generator, frequency = np.random.default_rng(seed), np.log1p(occurrences)
    free, drawn = list(range(len(chosen), len(ranked))), []
    for position in generator.permutation(len(chosen)):
        apart = np.abs(frequency[free] - frequency[position])
        drawn.append(free.pop(generator.choice(np.argsort(apart, kind="stable")[:nearest])))
    return ranked[drawn]


def pmi_and_rivals(names: Sequence[str]) -> list[str]:
    """The selectors to compare, each once: PMI, which all are compared with, and then the others.

    Raises
    ------
    ValueError
        If a name is no selector, or none but PMI is named.
    """
    for name in names:
        check_choice(name, SELECTORS, what="selector")
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
