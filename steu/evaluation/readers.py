"""Readers of a class: the families of probes among which the strongest is looked for."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C of the logistic readers
SHRINKAGES = (1e-4, 1e-2)  # of linear readers that undo what shrank a direction somewhat
PAIRS = 32  # products of two features that the reader of pairs is shown
COMPONENTS = 64  # directions of most variance, in which pairs are looked for as well


class AgreeingPairs(TransformerMixin, BaseEstimator):
    """Features, and the products of those two of them that go with the class most closely.

    A class can be coded in whether two features have one sign: then neither tells anything alone,
    and a reader that weighs or splits one at a time is blind to it. Of all H (H + 1) / 2 products
    of two standardised features the `n_pairs` with the largest correlation with the class are kept.
    """

    def __init__(self, n_pairs: int = PAIRS) -> None:
        self.n_pairs = n_pairs

    def fit(self, features: np.ndarray, targets: np.ndarray) -> AgreeingPairs:
        """Choose the pairs on features (N, H), which are standardised, and targets (N,)."""
        weights = (targets - targets.mean()) / len(targets)  # covariance with the class
        covariance = features.T @ (features * weights[:, None])  # (H, H)
        squares = features**2
        mean, both = features.T @ features / len(features), squares.T @ squares / len(features)
        spread = np.sqrt(np.maximum(both - mean**2, 1e-12))
        strength = np.triu(np.abs(covariance) / spread)
        best = np.argsort(-strength, axis=None)[: self.n_pairs]
        self.left_, self.right_ = np.unravel_index(best, strength.shape)
        products = features[:, self.left_] * features[:, self.right_]
        self.mean_, self.scale_ = products.mean(axis=0), products.std(axis=0) + 1e-12
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Features with the standardised products beside them, (n, H + n_pairs)."""
        products = features[:, self.left_] * features[:, self.right_]
        return np.hstack([features, (products - self.mean_) / self.scale_])


class Whitened(TransformerMixin, BaseEstimator):
    """Features along axes on which those of all notes vary alike and independently.

    A direction that was shrunk is as long as any other again, however it lies. How the states
    spread takes no labels, so that the notes to be read tell it too: of few training notes alone it
    is not known along as many axes as states have.
    """

    def __init__(self, everyone: np.ndarray) -> None:
        self.everyone = everyone

    def fit(self, features: np.ndarray, targets: np.ndarray) -> Whitened:
        """Take the axes from the standardised features (N, H) of everyone, learned from or not."""
        spread = np.atleast_2d(np.cov(self.everyone, rowvar=False))
        variances, axes = np.linalg.eigh(spread)
        there = variances > 1e-12 * variances[-1]  # below is what rounding makes of nothing
        self.axes_ = axes[:, there] / np.sqrt(variances[there])
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Whitened features, (n, at most H)."""
        return features @ self.axes_


def readers(n: int, everyone: np.ndarray, *, seed: int = 0) -> dict[str, Pipeline]:
    """The probes that are tried on n of the notes with standardised features (N, H), by name."""
    width = everyone.shape[1]
    tried: dict[str, list[BaseEstimator]] = {
        f"logistic, C = {c:g}": [LogisticRegression(C=c, max_iter=1000)] for c in STRENGTHS
    }
    tried |= {
        f"discriminant, shrinkage = {s:g}": [LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s)]
        for s in SHRINKAGES
    }
    tried["whitened"] = [Whitened(everyone), LogisticRegression(C=1e-3, max_iter=1000)]
    tried |= {f"RBF, C = {c:g}": [SVC(C=c)] for c in (1.0, 10.0)}
    tried["MLP"] = [
        MLPClassifier((64,), alpha=0.1, early_stopping=True, max_iter=100, random_state=seed)
    ]
    tried["boosted trees"] = [
        HistGradientBoostingClassifier(  # small trees: on few notes as strong as larger ones
            max_iter=60, max_leaf_nodes=8, max_bins=16, early_stopping=False, random_state=seed
        )
    ]
    for c in (1e-3, 1e-1):
        tried[f"pairs of features, C = {c:g}"] = [
            AgreeingPairs(),
            LogisticRegression(C=c, max_iter=1000),
        ]
        tried[f"pairs of components, C = {c:g}"] = [
            PCA(min(COMPONENTS, n, width), random_state=seed),
            StandardScaler(),
            AgreeingPairs(),
            LogisticRegression(C=c, max_iter=1000),
        ]
    return {name: make_pipeline(*steps) for name, steps in tried.items()}
