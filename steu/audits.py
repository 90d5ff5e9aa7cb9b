"""Silenced or erased? What the frozen features still say of a class after the edit."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression


def linear_probe(
    train_features: np.ndarray, train_targets: np.ndarray, test_features: np.ndarray
) -> np.ndarray:
    """Log-odds of the class on the test notes by a logistic regression on features, shape (n,).

    The probe is trained afresh on the training notes' features and true labels: it asks what a
    linear reader could still learn, not what the model's own head still says.

    Parameters
    ----------
    train_features, test_features : arrays of shape (N, H), (n, H)
    train_targets : array of shape (N,), bool
    """
    # Unit spread as a whole, not one by one: a feature that hardly varied before an edit would
    # otherwise drown all others after it.
    scale = train_features.std()
    probe = LogisticRegression(C=0.01, max_iter=2000)
    probe.fit(train_features / scale, train_targets)
    return probe.decision_function(test_features / scale)
