"""What every edit is, sparse or dense: so many tensors, for one classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steu._io import check_replaceable
from steu.data.encoding import EncodedNotes
from steu.models.origin import Origin
from steu.models.serialisation import FILES, read_tensors, write_tensors


@dataclass(frozen=True, eq=False, kw_only=True)
class Edit(ABC):
    """What changes a classifier: rows of its embedding, or whole layers, and its head.

    Attributes
    ----------
    origin : Origin, optional
        The classifier that it was made for; needed to save it.
    history : tuple of dict
        How its training went; saved where it is given to `save_pretrained` as a fact.
    """

    origin: Origin | None = None
    history: tuple[dict[str, float], ...] = field(default=(), repr=False)

    @abstractmethod
    def attached(self, model: PreTrainedModel) -> AbstractContextManager[PreTrainedModel]:
        """The model as if edited, for the length of a `with` block."""

    @abstractmethod
    def edited_head(self, model: PreTrainedModel) -> nn.Module:
        """A copy of the model's head with the edit's values."""

    @abstractmethod
    def parameters_changed(self, model: PreTrainedModel) -> int:
        """Number of scalars of the model that it gives another value."""

    @abstractmethod
    def tensors(self) -> dict[str, torch.Tensor]:
        """All it holds, by the names that it has on disk."""

    @classmethod
    @abstractmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], **known: Any) -> Self:
        """The edit that holds them, with the fields that are `known` of it."""

    @property
    def bytes_stored(self) -> int:
        """Bytes of all it holds, as they are kept on disk."""
        return sum(value.numel() * value.element_size() for value in self.tensors().values())

    def touched(self, notes: EncodedNotes) -> np.ndarray:
        """Notes whose features it can change, (N,) bool: every one, if it is not sparse."""
        return np.ones(len(notes), dtype=bool)

    def save_pretrained(self, folder: str | Path, **facts: Any) -> None:
        """Write the edit with what it belongs to, and any JSON `facts`; no pickle.

        Raises
        ------
        ValueError
            If it does not know its model, as an edit that no method here made, or the folder holds
            anything but an edit, which would be replaced.
        """
        check_replaceable(folder, FILES)
        if self.origin is None:
            raise ValueError(
                "the edit does not say which model it is for; give it one with "
                "dataclasses.replace(edit, origin=steu.Origin.of(model, tokenizer))"
            )
        write_tensors(folder, self.tensors(), facts | vars(self.origin))

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None = None,
    ) -> Self:
        """Read an edit for `model`, onto its device.

        Raises
        ------
        ValueError
            If the files were altered, or the edit was made for another model, for outputs in
            another order, or, where one is given, for another tokenizer.
        """
        tensors, facts = read_tensors(folder)
        origin = Origin(facts["model"], facts.get("tokenizer"), tuple(facts.get("labels", ())))
        origin.check(model, tokenizer, name=str(folder))
        here = {name: value.to(model.device) for name, value in tensors.items()}
        return cls.of_tensors(here, origin=origin, history=tuple(facts.get("history", ())))
