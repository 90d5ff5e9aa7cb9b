"""Where a classifier keeps its head, what the head reads, and heads with a hidden layer.

The head is the last linear layer of a `transformers` sequence classifier, or the `nn.Sequential`
that ends with it; features are what it takes. For BERT that is the pooled state of [CLS].
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn
from transformers import PreTrainedModel

HeadPart = Literal["whole", "row", "bias", "none"]


def head_name(model: PreTrainedModel) -> str:
    """Dotted name of the module that turns features (B, H) into logits (B, C).

    Raises
    ------
    ValueError
        If no linear layer outside the encoder has as many outputs as the model has labels.
    """
    n_labels, encoder = model.config.num_labels, f"{model.base_model_prefix}."
    linear = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith(encoder)
    }
    fitting = [name for name, module in linear.items() if module.out_features == n_labels]
    if not fitting:
        found = ", ".join(f"{n} ({m.out_features} outputs)" for n, m in linear.items()) or "none"
        raise ValueError(
            f"{type(model).__name__} has no head to edit: expected a last linear layer with "
            f"{n_labels} outputs, one a label, found {found}; load the model with "
            "AutoModelForSequenceClassification"
        )
    parent = fitting[-1].rpartition(".")[0]
    inside = isinstance(model.get_submodule(parent), nn.Sequential) if parent else False
    return parent if inside else fitting[-1]


def head_of(model: PreTrainedModel) -> nn.Module:
    """The module of `head_name`."""
    return model.get_submodule(head_name(model))


def copy_of_head(model: PreTrainedModel) -> nn.Module:
    """The head as it answers: a copy of it, without dropout."""
    return copy.deepcopy(head_of(model)).eval()


def output_layer(head: nn.Module) -> nn.Linear:
    """The last linear map of the head, with a row and a bias a label."""
    return [module for module in head.modules() if isinstance(module, nn.Linear)][-1]


def output_bias(head: nn.Module) -> str:
    """The name that the head has for the biases of its labels.

    Raises
    ------
    ValueError
        If its last linear layer has none.
    """
    last = output_layer(head).bias
    if last is None:
        raise ValueError("the head has no bias to set: give its last linear layer one")
    return next(name for name, parameter in head.named_parameters() if parameter is last)


@contextmanager
def replaced_head(model: PreTrainedModel, head: nn.Module) -> Iterator[None]:
    """While open, `head` stands in the place of the model's own.

    Raises
    ------
    RuntimeError
        If another one stands there at the end: what is put on later comes off earlier.
    """
    name = head_name(model)
    original = model.get_submodule(name)
    model.set_submodule(name, head)
    try:
        yield
    finally:
        if model.get_submodule(name) is not head:
            raise RuntimeError(
                "edits of one model were not taken off in the reverse order of being attached, and "
                "one of them is still on it: load the model again, and give each thread its own"
            )
        model.set_submodule(name, original)


def set_hidden_layer(model: PreTrainedModel, width: int) -> None:
    """Give the model a head with `width` rectified hidden units, drawn at random, in place.

    `transformers` has no such head, so the width is kept in the config for `load_classifier`.

    Raises
    ------
    ValueError
        If `width` is not positive.
    """
    if width < 1:
        raise ValueError(
            f"head_width must be 0 (linear) or the number of hidden units; found {width}"
        )
    last = output_layer(head_of(model))
    layers = nn.Linear(last.in_features, width), nn.ReLU(), nn.Linear(width, last.out_features)
    model.set_submodule(head_name(model), nn.Sequential(*layers).to(last.weight))
    model.config.head_width = width


def head_width(head: nn.Module) -> int:
    """Hidden units of a head; 0 for a linear one."""
    return 0 if isinstance(head, nn.Linear) else int(output_layer(head).in_features)


def trainable_head(head: nn.Module, part: HeadPart, forget: int) -> nn.Module:
    """The head with gradients for one part of it only, in place.

    "whole" is all of it, "row" the output weights and the bias of class `forget`, "bias" that bias
    alone, "none" nothing. What gets a gradient of 0 is never moved by AdamW without decay.
    """
    head.requires_grad_(part == "whole")
    if part not in ("row", "bias"):
        return head
    last, bias = output_layer(head), head.get_parameter(output_bias(head))
    for parameter in [bias] if part == "bias" else [last.weight, bias]:
        own = torch.zeros_like(parameter)
        own[forget] = 1
        parameter.requires_grad_().register_hook(lambda gradient, own=own: gradient * own)
    return head
