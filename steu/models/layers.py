"""The layers of an encoder, whatever its family calls them."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

LAYER_LISTS = ("layer", "layers")  # what BERT and its kin, and ModernBERT, call theirs


def has_layers(model: PreTrainedModel) -> bool:
    """Whether the encoder's layers are found."""
    return _found(model.base_model) is not None


def encoder_layers(model: PreTrainedModel) -> list[nn.Module]:
    """The encoder's layers, the first one first.

    Raises
    ------
    ValueError
        If the encoder keeps its layers where none is looked for.
    """
    layers = _found(model.base_model)
    if layers is None:
        raise ValueError(
            f"{type(model.base_model).__name__} keeps its layers in no module list called "
            f"{' or '.join(LAYER_LISTS)}; methods that change layers cannot run on it"
        )
    return layers


def _found(encoder: nn.Module) -> list[nn.Module] | None:
    for name, module in encoder.named_modules():
        if isinstance(module, nn.ModuleList) and name.rpartition(".")[2] in LAYER_LISTS:
            return list(module)
    return None
