"""The yardstick that counts words: TF-IDF and one logistic regression a label."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline


def tfidf_logits(
    train_texts: Iterable[str], train_targets: np.ndarray, test_texts: Iterable[Iterable[str]]
) -> list[np.ndarray]:
    """Log-odds by TF-IDF (words and word pairs) and one logistic regression a label.

    Returns an array (n, C) for each of `test_texts`; the bag-of-words yardstick of the classifier.
    """
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        OneVsRestClassifier(LogisticRegression(C=10.0, max_iter=2000)),
    )
    model.fit(train_texts, train_targets)
    return [model.decision_function(texts) for texts in test_texts]
