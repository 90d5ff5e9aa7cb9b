"""Was a note with the class among those a model was trained on? A likelihood-ratio attack."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

GAMMA = 1.0  # by how much a note has to beat others: answers about one label differ by less than 2


def log_ratios(own: np.ndarray, references: np.ndarray) -> np.ndarray:
    """How much likelier each note's label is to the model than to its references, in nats, (n,).

    In logarithms, so that answers that are sure of themselves do not all become 0 or 1.

    Parameters
    ----------
    own : array of shape (n,)
        Log-probability that the model gives to the label that the note bears.
    references : array of shape (M, n)
        The same of models that were not trained on the note.
    """
    return own - (logsumexp(references, axis=0) - np.log(len(references)))


def rmia_scores(asked: np.ndarray, population: np.ndarray, *, gamma: float = GAMMA) -> np.ndarray:
    """Share of the population that each asked note beats by a factor of `gamma`, (n,) in [0, 1].

    RMIA (Zarifzadeh et al. 2024, arXiv 2312.03262, equation 4), offline: no model is trained for
    the attack, all references are without the note. At γ = 1 the share is the note's rank.

    Parameters
    ----------
    asked, population : arrays of shape (n,) and (m,)
        Of `log_ratios`; the population was not trained on.

    Raises
    ------
    ValueError
        If the population is empty.
    """
    if not len(population):
        raise ValueError("nobody to compare with: expected notes with the class for validation")
    return (asked[:, None] >= np.log(gamma) + population[None]).mean(axis=1)
