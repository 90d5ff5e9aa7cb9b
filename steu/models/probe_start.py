"""The start of fine-tuning: a head fitted to what the encoder says before it is trained."""

from __future__ import annotations

from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from torch import nn


@torch.no_grad()
def start_from_probe(
    head: nn.Module, features: np.ndarray, targets: np.ndarray, *, seed: int = 0
) -> None:
    """Fit the head to frozen features (N, H) and labels (N, C), in place; NaN labels count as 0.

    A linear head becomes a regularised logistic regression a label, one with a hidden layer a small
    regularised network. Features are brought to unit spread as a whole, not one by one: some hardly
    vary at all.
    """
    scale, labels = features.std(), np.nan_to_num(targets)
    layers = [module for module in head.modules() if isinstance(module, nn.Linear)]
    if len(layers) == 1:
        found = [_regression(features / scale, labels[:, c]) for c in range(labels.shape[1])]
        values = [(np.vstack([w for w, _ in found]), np.array([b for _, b in found]))]
    else:
        network = MLPClassifier(
            layers[0].out_features, solver="lbfgs", alpha=1.0, max_iter=2000, random_state=seed
        )
        with catch_warnings():  # a place to start from need not be the optimum
            simplefilter("ignore", ConvergenceWarning)
            network.fit(features / scale, labels.astype(int))
        values = [(w.T, b) for w, b in zip(network.coefs_, network.intercepts_, strict=True)]
    values[0] = (values[0][0] / scale, values[0][1])
    for layer, (weight, bias) in zip(layers, values, strict=True):
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))


def _regression(features: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (H,) and bias; a label that never varies is told by its smoothed log-odds alone."""
    positives = label.sum()
    if positives in (0, len(label)):
        odds = (positives + 0.5) / (len(label) - positives + 0.5)
        return np.zeros(features.shape[1]), float(np.log(odds))
    fitted = LogisticRegression(C=0.01, max_iter=1000).fit(features, label)
    return fitted.coef_[0], float(fitted.intercept_[0])
