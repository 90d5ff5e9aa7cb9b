"""How much of a selection is chance: tokens of noise pass, a token of the class does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from steu.selection.chance import scaled_k, scores_by_chance, share_by_chance
from steu.selection.ranking import rank_by_score
from steu.selection.scores import pmi_scores


def corpus(n_cues: int, *, notes_each: int = 1) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """200 notes of 300 words of noise, and so many words that the class alone has."""
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(200 // notes_each), notes_each)
    forget = np.isin(groups, generator.choice(groups[-1] + 1, 50 // notes_each, replace=False))
    noise = generator.poisson(0.3, (200, 300))
    cues = generator.poisson(0.05 + 1.5 * forget[:, None], (200, n_cues))
    return sparse.csr_matrix(np.hstack([cues, noise])), forget, groups


def shares(n_cues: int, k: int) -> float:
    counts, forget, groups = corpus(n_cues)
    scores = pmi_scores(counts, forget)
    ranked = rank_by_score(scores, counts, min_count=5)
    return share_by_chance(scores[ranked], scores_by_chance(counts, forget, groups), k)


def test_words_of_the_class_are_no_chance_and_words_of_nothing_are() -> None:
    assert shares(20, 20) < 0.01
    assert shares(0, 20) > 0.5
    assert shares(20, 20) < shares(20, 21) <= 1  # the last of these is noise


def test_runs_of_a_patients_labels_stay_together() -> None:
    counts, forget, groups = corpus(5, notes_each=4)
    words = np.eye(50, dtype=int)[groups]  # a word for each patient
    personal = sparse.csr_matrix(np.hstack([words, np.ones((200, 1), dtype=int)]))
    best = scores_by_chance(personal, forget, groups, min_count=1)[:, 0]
    alone = scores_by_chance(personal, forget, np.arange(200), min_count=1)[:, 0]
    assert best.mean() > alone.mean()  # four labels of one patient at a time
    one, same, other = (scores_by_chance(counts, forget, groups, seed=s) for s in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_k_is_the_papers_share_of_what_can_be_chosen() -> None:
    assert scaled_k(28_996) == 256
    assert scaled_k(1_400) == 12 == round(1_400 * 256 / 28_996)
    assert scaled_k(3) == 1
    assert share_by_chance(np.array([3.0, 2, 1]), np.array([[2.5, 0, 0]]), 2) == pytest.approx(0.5)
