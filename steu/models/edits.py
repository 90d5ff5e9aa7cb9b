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

from steu._errors import shown
from steu._io import check_replaceable
from steu.data.encoding import EncodedNotes
from steu.models.origin import Origin
from steu.models.serialisation import FILES, read_tensors, write_tensors


def check_edit(given: object) -> None:
    """Refuse what is no edit, such as the folder that one was saved in.

    Raises
    ------
    ValueError
        With how an edit is read.
    """
    if not isinstance(given, Edit):
        found = shown(given) if isinstance(given, (str, Path)) else type(given).__name__
        raise ValueError(
            f"expected an edit, as steu.unlearn makes it; found {found}: read a saved one with "
            "steu.SparseEdit.from_pretrained(folder, model=task.model)"
        )


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
        """The model as if edited, for the length of a `with` block.

        Whether it is the right one was asked when the edit was read; to ask again, which reads all
        weights, is `check_belongs`.
        """

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

    @classmethod
    def made_of(cls, tensors: dict[str, torch.Tensor]) -> bool:
        """Whether tensors of these names and shapes make one."""
        return True

    @property
    def bytes_stored(self) -> int:
        """Bytes of all it holds, as they are kept on disk."""
        return sum(value.numel() * value.element_size() for value in self.tensors().values())

    def touched(self, notes: EncodedNotes) -> np.ndarray:
        """Notes whose features it can change, (N,) bool: every one, if it is not sparse."""
        return np.ones(len(notes), dtype=bool)

    def check_belongs(self, model: PreTrainedModel) -> None:
        """Refuse another model than the one that it was made for, if it knows that.

        Raises
        ------
        ValueError
            If the weights are others, or the outputs stand in another order.
        """
        if self.origin is not None:
            self.origin.check(model, None, name="the edit")

    def save_pretrained(self, folder: str | Path, **facts: Any) -> None:
        """Write the edit with what it belongs to, and any JSON `facts`; no pickle.

        Raises
        ------
        ValueError
            If it does not know its model, as an edit that no method here made, a fact is no JSON or
            bears a name that has a meaning, or the folder holds anything but an edit, which would
            be replaced.
        """
        check_replaceable(folder, FILES)
        if self.origin is None:
            raise ValueError(
                "the edit does not say which model it is for; give it one with "
                "dataclasses.replace(edit, origin=steu.Origin.of(model, tokenizer))"
            )
        own = vars(self.origin)
        taken = [name for name in own if str(facts.get(name, own[name])) != str(own[name])]
        if taken:
            raise ValueError(
                f"the edit itself says what its {taken[0]} is; give that fact another name"
            )
        if not isinstance(facts.get("history", []), (list, tuple)):
            raise ValueError(
                f"history must be a list, an entry a step, as edit.history; found "
                f"{shown(facts['history'])}"
            )
        write_tensors(folder, self.tensors(), {"kind": type(self).__name__} | facts | own)

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
            If the files were altered, or the edit is of another kind, or was made for another
            model, for outputs in another order, or, where one is given, for another tokenizer.
        """
        tensors, facts = read_tensors(folder)
        if not cls.made_of(tensors):
            raise ValueError(
                f"{folder} holds no {cls.__name__}: it was saved as {facts.get('kind', 'another')} "
                f"with {', '.join(list(tensors)[:3])}; read it with the class it was made by"
            )
        origin = Origin(facts["model"], facts.get("tokenizer"), tuple(facts.get("labels", ())))
        origin.check(model, tokenizer, name=str(folder))
        here = {name: value.to(model.device) for name, value in tensors.items()}
        return cls.of_tensors(here, origin=origin, history=tuple(facts.get("history", ())))
