"""The classification head: linear as in the paper, or with one hidden layer."""

from __future__ import annotations

from typing import Literal
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from torch import nn

HeadPart = Literal["whole", "row", "bias", "none"]


def make_head(n_features: int, n_labels: int, *, width: int = 0) -> nn.Module:
    """Features (B, H) to logits (B, C); linear, or through `width` rectified hidden units."""
    if width < 0:
        raise ValueError(
            f"head_width must be 0 (linear) or the number of hidden units; found {width}"
        )
    if width == 0:
        return nn.Linear(n_features, n_labels)
    return nn.Sequential(nn.Linear(n_features, width), nn.ReLU(), nn.Linear(width, n_labels))


def head_width(head: nn.Module) -> int:
    """Hidden units of a head made by `make_head`; 0 for a linear one."""
    return 0 if isinstance(head, nn.Linear) else int(output_layer(head).in_features)


def output_layer(head: nn.Module) -> nn.Linear:
    """The last linear map of the head, with a row and a bias a label."""
    return [module for module in head.modules() if isinstance(module, nn.Linear)][-1]


def output_bias(head: nn.Module) -> str:
    """The name that the head has for the biases of its labels."""
    last = output_layer(head).bias
    return next(name for name, parameter in head.named_parameters() if parameter is last)


def trainable_head(head: nn.Module, part: HeadPart, forget: int) -> nn.Module:
    """The head with gradients for one part of it only, in place.

    "whole" is all of it, "row" the output weights and the bias of class `forget`, "bias" that bias
    alone, "none" nothing. What gets a gradient of 0 is never moved by AdamW without decay.
    """
    head.requires_grad_(part == "whole")
    if part not in ("row", "bias"):
        return head
    last = output_layer(head)
    for parameter in [last.bias] if part == "bias" else [last.weight, last.bias]:
        own = torch.zeros_like(parameter)
        own[forget] = 1
        parameter.requires_grad_().register_hook(lambda gradient, own=own: gradient * own)
    return head


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
