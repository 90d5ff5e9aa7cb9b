"""What a classifier's logits mean: independent sigmoids, or one softmax over all labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from scipy.special import logsumexp
from transformers import PreTrainedModel

from steu._errors import shown
from steu.data.labels import spelling

Outputs = Literal["sigmoid", "softmax"]


def n_labels_of(model: PreTrainedModel) -> int:
    """Number of outputs, C."""
    return int(model.config.num_labels or 0)


def labels_of(model: PreTrainedModel) -> tuple[str, ...]:
    """Names of the outputs, in order."""
    names: dict[Any, str] = dict(model.config.id2label or {})
    missing = [c for c in range(n_labels_of(model)) if c not in names]
    if missing:
        raise ValueError(
            f"id2label of {type(model).__name__} names no output {missing[0]}; found "
            f"{sorted(names)}: number its labels from 0"
        )
    return tuple(str(names[c]) for c in range(n_labels_of(model)))


def name_outputs(model: PreTrainedModel, labels: Sequence[str] | None) -> tuple[str, ...]:
    """The given names of the outputs, or the model's own.

    Raises
    ------
    ValueError
        If they are more or fewer, one comes twice, or one is the model's name of another output.
    """
    if labels is None:
        return _distinct(labels_of(model), where=f"id2label of {type(model).__name__}")
    labels = _names(labels)
    if len(labels) != n_labels_of(model):
        raise ValueError(
            f"{type(model).__name__} has {n_labels_of(model)} outputs; found {len(labels)} "
            f"labels ({', '.join(labels)}): name each output once, in its order"
        )
    own = labels_of(model)
    if len(set(labels)) < len(labels) or (set(labels) == set(own) and tuple(labels) != own):
        raise ValueError(
            f"labels are {', '.join(labels)}; the model's outputs are {', '.join(own)}: name each "
            "once, in that order"
        )
    _refuse_moved(labels, own)
    return tuple(labels)


def _refuse_moved(labels: Sequence[str], own: Sequence[str]) -> None:
    """Refuse a name that the model has for another output: one of the two is wrong."""
    places = {} if are_numbered(own) else {spelling(name): c for c, name in enumerate(own)}
    for c, name in enumerate(labels):
        at = places.get(spelling(name), c)
        if at != c and spelling(own[c]) != spelling(name):
            raise ValueError(
                f"labels call output {c} {name!r}, which is the model's name of output {at}; its "
                f"outputs are {', '.join(own)}: keep that order, or set id2label in its config if "
                "that is wrong"
            )


def are_numbered(names: Sequence[str]) -> bool:
    """Whether outputs bear their number alone, as `transformers` calls those that nobody named."""
    return all(name in (f"LABEL_{c}", str(c)) for c, name in enumerate(names))


def _distinct(names: tuple[str, ...], *, where: str) -> tuple[str, ...]:
    for c, name in enumerate(names):
        if name in names[:c]:
            raise ValueError(
                f"{where} calls outputs {names.index(name)} and {c} both {name!r}; give each a "
                "name of its own there, or by labels"
            )
    return names


def _names(labels: object) -> list[str]:
    """Names as a caller gives them, read once."""
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise ValueError(f"labels must be a list of names, one an output; found {shown(labels)}")
    if isinstance(labels, (set, frozenset)) or (
        isinstance(labels, Mapping) and list(labels.values()) != list(range(len(labels)))
    ):
        raise ValueError(
            f"labels must be a list of names, in the order of the outputs; found one "
            f"{type(labels).__name__}"
        )
    names = list(labels)
    odd = [c for c, name in enumerate(names) if not isinstance(name, str)]
    if odd:
        raise ValueError(f"labels must be text; found {shown(names[odd[0]])} for output {odd[0]}")
    return names


def decided(log_odds: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Which labels are predicted, (N, C) bool: those above ½, or under a softmax the likeliest."""
    if outputs == "sigmoid":
        return log_odds > 0
    return np.eye(log_odds.shape[1], dtype=bool)[log_odds.argmax(axis=1)]


def log_odds(logits: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Log-odds of every label, (N, C): for sigmoids the logits themselves.

    For a softmax log p_c − log(1 − p_c) = z_c − log Σ_{j≠c} exp(z_j), so that metrics of one label
    against the rest, thresholds and probability ½ mean the same for both.
    """
    if outputs == "sigmoid":
        return logits
    n_labels = logits.shape[1]
    others = [logsumexp(np.delete(logits, c, axis=1), axis=1) for c in range(n_labels)]
    return logits - np.stack(others, axis=1)
