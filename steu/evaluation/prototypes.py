"""A reader with a handful of examples: nearest mean of what it was shown."""

from __future__ import annotations

import numpy as np

from steu.evaluation.metrics import auroc


def few_shot_auroc(
    train: np.ndarray,
    targets: np.ndarray,
    test: np.ndarray,
    test_targets: np.ndarray,
    *,
    shots: int,
    draws: int = 50,
    seed: int = 0,
) -> np.ndarray:
    """AUROC of the class on test notes by the difference of two means of `shots` notes, (draws,).

    A note's score is its inner product with the mean of `shots` training notes with the class minus
    that of as many without, on standardised features (Snell et al. 2017, arXiv 1703.05175, with two
    prototypes and Euclidean distance, up to a constant).

    Parameters
    ----------
    train, test : arrays of shape (N, H), (n, H)
    targets, test_targets : arrays of shape (N,), (n,), bool

    Raises
    ------
    ValueError
        If there are fewer notes of a kind than shots.
    """
    check_shots(targets, shots)
    generator = np.random.default_rng(seed)
    mean, spread = train.mean(axis=0), train.std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    known, asked = (train - mean) / scale, (test - mean) / scale
    kinds = [np.flatnonzero(targets), np.flatnonzero(~targets)]
    found, once = [], np.ones((1, len(test_targets)))
    for _ in range(draws):
        shown = [known[generator.choice(kind, shots, replace=False)].mean(axis=0) for kind in kinds]
        # −|x − a|² + |x − b|² = 2 x·(a − b) + what is the same for all notes
        found.append(auroc(test_targets, asked @ (shown[0] - shown[1]), once)[0])
    return np.array(found)


def check_shots(targets: np.ndarray, shots: int) -> None:
    """Refuse to show more notes of a kind than there are.

    Parameters
    ----------
    targets : array of shape (N,), bool
        Of the notes that may be shown.

    Raises
    ------
    ValueError
        With the most that can be.
    """
    fewest = int(min(targets.sum(), (~targets).sum()))
    if shots > fewest:
        raise ValueError(f"shots must be {fewest} at most, the notes of a kind; found {shots}")
