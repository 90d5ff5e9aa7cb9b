"""The rivals every edit has to be judged beside."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from steu.edit import SparseEdit
from steu.models import Classifier


def null_edit(model: Classifier, forget: int) -> SparseEdit:
    """One parameter: the target's output bias becomes −∞, everything else stays bit for bit.

    The class is never predicted again and nothing at all has been unlearned.
    """
    none = torch.empty(0, dtype=torch.int64)
    identity = SparseEdit.identity(model, none)
    bias = identity.head["bias"].clone()
    bias[forget] = -torch.inf
    return SparseEdit(identity.token_ids, identity.rows, {"bias": bias})


def null_logits(logits: np.ndarray, forget: int) -> np.ndarray:
    """Logits (N, C) under the null edit, as the limit of an ever lower bias.

    A bias never changes the ranking of notes, so AUROC is that of the original model for every
    finite value and therefore in the limit; at −∞ itself all notes tie. In float64, so that the
    shift rounds no two float32 logits together.
    """
    shifted = logits.astype(np.float64)
    shifted[:, forget] -= 1e6
    return shifted


def tfidf_logits(
    train_texts: list[str], train_targets: np.ndarray, test_texts: list[list[str]]
) -> list[np.ndarray]:
    """Log-odds by TF-IDF (words and word pairs) and one logistic regression a label.

    Returns an array (n, C) for each list of texts; the bag-of-words yardstick of the classifier.
    """
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        OneVsRestClassifier(LogisticRegression(C=10.0, max_iter=2000)),
    )
    model.fit(train_texts, train_targets)
    return [model.decision_function(texts) for texts in test_texts]
