"""LEACE after every layer: the class taken out of the mean state wherever a reader could look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from steu.models.edits import Edit
from steu.models.heads import copy_of_head
from steu.models.hidden_states import HEAD, hidden_states
from steu.models.layers import encoder_layers
from steu.task import ForgetTask, about_task
from steu.unlearning.given import notes_to_train
from steu.unlearning.leace import ErasedFeatures, fit_eraser

PARTS = ("mean", "left", "right")


@dataclass(frozen=True, eq=False)
class ScrubbedLayers(Edit):
    """One map of `ErasedFeatures` after the embeddings, after every layer, and before the head.

    Attributes
    ----------
    maps : tuple of ErasedFeatures
        In the order of the places; those of states are applied to every token's.
    origin, history
        See `Edit`.
    """

    maps: tuple[ErasedFeatures, ...]

    def parameters_changed(self, model: PreTrainedModel) -> int:
        """Numbers that stand beside the model's own."""
        return sum(one.parameters_changed(model) for one in self.maps)

    def edited_head(self, model: PreTrainedModel) -> nn.Module:
        """A copy of the model's head, as it is."""
        return copy_of_head(model)

    @contextmanager
    def attached(self, model: PreTrainedModel) -> Iterator[PreTrainedModel]:
        """The model with a map at every place, for the length of a `with` block."""
        layers, (below, *above) = encoder_layers(model), self.maps
        with ExitStack() as hooks:
            handle = layers[0].register_forward_pre_hook(
                lambda _, given: (below.erase(given[0]), *given[1:])
            )
            hooks.callback(handle.remove)
            for module, one in zip(layers, above, strict=False):
                handle = module.register_forward_hook(lambda _, __, out, e=one: _erased(e, out))
                hooks.callback(handle.remove)
            if len(above) > len(layers):
                hooks.enter_context(above[-1].attached(model))
            yield model

    def tensors(self) -> dict[str, torch.Tensor]:
        """The vectors of all maps, (maps, H) each."""
        return {part: torch.stack([getattr(one, part) for one in self.maps]) for part in PARTS}

    @classmethod
    def made_of(cls, tensors: dict[str, torch.Tensor]) -> bool:
        """Whether they are as many vectors as maps, by these names."""
        return tensors.keys() == {*PARTS} and tensors[PARTS[0]].ndim == 2

    @classmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], **known: Any) -> ScrubbedLayers:
        """The maps that they make."""
        vectors = zip(*(tensors[part] for part in PARTS), strict=True)
        return cls(tuple(ErasedFeatures(*one) for one in vectors), **known)


@about_task
def scrub_layers(task: ForgetTask, *, train: np.ndarray | None = None) -> ScrubbedLayers:
    """Fit LEACE place by place, each on what the maps before it leave (2306.03819, section 6).

    It is fitted on the mean state of a note and applied to every token's: an affine map of all is
    that map of their mean, so after each layer no linear reader of the mean finds the class in the
    notes it was fitted on. A head that reads another state has a map of its own.

    Raises
    ------
    ValueError
        If the notes lack one of the two kinds, or the encoder's layers are not found.
    """
    train = notes_to_train(task, train)
    n_places = len(encoder_layers(task.model)) + 1
    edit = ScrubbedLayers((), origin=task.origin)
    for place in range(n_places + 1):
        with edit.attached(task.model) if place else nullcontext():
            found = hidden_states(task.model, task.notes, train, precision=task.precision)
        means = [states for name, states in found.items() if name.endswith("mean")]
        if place == n_places and np.allclose(found[HEAD], means[-1], rtol=1e-4, atol=1e-5):
            break  # a head that reads the mean reads the same
        states = means[place] if place < n_places else found[HEAD]
        one = fit_eraser(torch.from_numpy(states), task, train)
        edit = ScrubbedLayers((*edit.maps, one), origin=task.origin)
    return edit


def _erased(one: ErasedFeatures, output: Any) -> Any:
    """A layer's output with its states erased; some layers give a tuple, states first."""
    if isinstance(output, tuple):
        return (one.erase(output[0]), *output[1:])
    return one.erase(output)
