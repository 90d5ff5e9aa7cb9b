"""What a bag of the tokens that were not edited still says of a class."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def lexical_remainder(
    train_counts: sparse.csr_matrix,
    train_targets: np.ndarray,
    test_counts: sparse.csr_matrix,
    token_ids: np.ndarray,
) -> np.ndarray:
    """Log-odds of the class by TF-IDF on the notes with `token_ids` struck out, shape (n,).

    An edit of k rows can at most make the encoder blind to those k tokens. What a bag of the other
    tokens still tells is evidence that stays in the input whatever values the rows take.

    Parameters
    ----------
    train_counts, test_counts : sparse arrays of shape (N, V), (n, V)
        Token counts of the notes.
    train_targets : array of shape (N,), bool
    """
    left = np.ones(train_counts.shape[1])
    left[token_ids] = 0
    keep = sparse.diags_array(left)
    reader = make_pipeline(
        TfidfTransformer(sublinear_tf=True), LogisticRegression(C=10.0, max_iter=2000)
    )
    reader.fit(train_counts @ keep, train_targets)
    return reader.decision_function(test_counts @ keep)
