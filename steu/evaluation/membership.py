"""Was a note with the class among those a model was trained on? A likelihood-ratio attack."""

from __future__ import annotations

import numpy as np

GAMMA = 2.0  # by how much a note has to beat others of the population


def likelihood_ratios(own: np.ndarray, references: np.ndarray) -> np.ndarray:
    """How much likelier each note's label is to the model than to its references, (n,).

    Parameters
    ----------
    own : array of shape (n,)
        Probability that the model gives to the label that the note bears.
    references : array of shape (M, n)
        The same of models that were not trained on that label.
    """
    return own / np.maximum(references.mean(axis=0), 1e-12)


def rmia_scores(asked: np.ndarray, population: np.ndarray, *, gamma: float = GAMMA) -> np.ndarray:
    """Share of the population that each asked note beats by a factor of `gamma`, (n,) in [0, 1].

    RMIA (Zarifzadeh et al. 2024, arXiv 2312.03262, equation 4), offline: no model is trained for
    the attack, all references are without the note.

    Parameters
    ----------
    asked, population : arrays of shape (n,) and (m,)
        Of `likelihood_ratios`; the population was not trained on.
    """
    return (asked[:, None] >= gamma * population[None]).mean(axis=1)
