"""How many bits features hold of a class, to a reader that has to learn them: three measures.

An AUROC says how well a class is ranked, not how easily it is learned or how surely it is told. All
numbers are in bits a note; probabilities are those of logistic readers of several strengths, of
which that one counts which tells most, or makes the shortest message.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from steu.evaluation.metrics import ratio
from steu.evaluation.strongest_probe import check_finite, many_fits, patient_folds

STRENGTHS = (1e-4, 1e-2, 1.0)  # C of the logistic readers that are tried
BLOCKS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)  # shares of the patients that are known step by step


def v_information(features: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Bits that each note's features tell of its label, (n,); their mean is I_V(X → Y).

    Predictive V-information (Xu et al. 2020, arXiv 2002.10689, definition 3): −log₂ p(y) under the
    best constant minus −log₂ p(y | x) under the best reader of a family V, here logistic ones, both
    fitted on the notes of other groups, fold by fold. It is at most the mutual information, and
    below 0 where the reader learned what does not hold. Of the `STRENGTHS` that one counts that
    tells most, less the bits that say which one it is.

    Parameters
    ----------
    features : array of shape (n, H)
        Of notes that no model was trained on: those that one has by heart make a reader surer than
        it is right to be about others, and bits punish that.
    targets, groups : arrays of shape (n,)
    """
    check_finite(features, place="features", split="unseen")
    told = np.zeros((len(STRENGTHS), len(targets)))
    with many_fits():
        for known, sent in patient_folds(targets, groups):
            base = targets[known].mean()
            constant = -np.log2(np.where(targets[sent], base, 1 - base))
            for row, c in zip(told, STRENGTHS, strict=True):
                reader = _fitted(c, features[known], targets[known])
                row[sent] = constant - _bits(reader, features[sent], targets[sent])
    return max(told, key=np.sum) - np.log2(len(STRENGTHS)) / len(targets)


def code_lengths(
    features: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int = 0,
) -> np.ndarray:
    """Bits it takes to send each note's label to somebody who has the features, (n,).

    Online description length (Voita and Titov 2020, arXiv 2003.12298, section 3.2.2): the labels of
    a first block of patients cost one bit each, those of every later block what a reader needs that
    was fitted on all earlier ones. The sooner a class is learned, the shorter the message. Of the
    `STRENGTHS` that one is sent with which makes it shortest, and which one that is.

    Parameters
    ----------
    features : array of shape (n, H)
    targets, groups : arrays of shape (n,)
    """
    codes, names = pd.factorize(groups)
    rank = np.random.default_rng(seed).permutation(len(names))[codes] / len(names)
    check_finite(features, place="features", split="unseen")
    with many_fits():
        tried = [_message(c, features, targets, rank) for c in STRENGTHS]
    return min(tried, key=np.sum) + np.log2(len(STRENGTHS)) / len(targets)


def _message(c: float, features: np.ndarray, targets: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Bits of every label by readers of one strength, patients in the order of `rank`, (n,)."""
    spent = np.ones(len(targets))
    for known, until in pairwise(BLOCKS):
        seen, sent = rank < known, (rank >= known) & (rank < until)
        if not sent.any():
            continue
        if targets[seen].all() or not targets[seen].any():  # one kind so far: count, add one
            share = (targets[seen].sum() + 1) / (seen.sum() + 2)
            spent[sent] = -np.log2(np.where(targets[sent], share, 1 - share))
        else:
            reader = _fitted(c, features[seen], targets[seen])
            spent[sent] = _bits(reader, features[sent], targets[sent])
    return spent


def information_difference(
    method: Sequence[np.ndarray],
    original: Sequence[np.ndarray],
    references: Sequence[Sequence[np.ndarray]],
) -> np.ndarray:
    """How much more than the references a method holds, over layers, as a share of the original's.

    The information difference index (Jeon et al. 2024, arXiv 2405.17878, equation 3): Σ over places
    of I_method − I_reference, over the same of the original. 0 is as good as retrained, 1 as if
    nothing had been done, below 0 less than the references. There the information is estimated by
    contrastive learning, here it is V-information, a lower bound as well.

    Parameters
    ----------
    method, original : sequences of arrays of shape (S,)
        A place each: the mean V-information and its resamples.
    references : sequence of such sequences
        Of several references; their mean counts.

    Returns
    -------
    array of shape (S,)
        NaN where the original holds no more than the references, and everywhere if that is so in
        more than one resample of forty: a share of what is not surely there says nothing.
    """
    clean = np.mean([np.sum(one, axis=0) for one in references], axis=0)
    above, of_original = np.sum(method, axis=0) - clean, np.sum(original, axis=0) - clean
    sure = np.percentile(of_original, 2.5) > 0
    return ratio(above, of_original, where=sure & (of_original > 0))


def _fitted(c: float, features: np.ndarray, targets: np.ndarray) -> Pipeline:
    reader = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=300))
    return reader.fit(features.astype(np.float64), targets.astype(int))


def _bits(reader: Pipeline, features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """−log₂ p of each note's own label, (n,)."""
    score = reader.decision_function(features)
    return np.logaddexp(0, np.where(targets, -score, score)) / np.log(2)
