"""A sparse edit: k replacement rows of the token embedding and a replacement head.

The edit never holds, and training it never allocates, anything of the size of the embedding table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import embedding
from transformers import PreTrainedModel

from steu.data.encoding import EncodedNotes
from steu.models.checks import embedding_of
from steu.models.edits import Edit
from steu.models.heads import copy_of_head, head_of, replaced_head
from steu.models.origin import Origin


@dataclass(frozen=True, eq=False)
class SparseEdit(Edit):
    """Rows and head values that take the place of a classifier's own.

    Attributes
    ----------
    token_ids : tensor of shape (k,), int64
        Distinct rows of the embedding that are replaced; k may be 0.
    rows : tensor of shape (k, H), float32
        Their new values.
    head : dict of str to tensor
        New values of head parameters by name ("weight" (C, H), "bias" (C,)); parameters that are
        not named keep their values.
    origin : Origin, optional
        The classifier that it was made for; needed to save it.
    history : tuple of dict
        How its training went; saved where it is given to `save_pretrained` as a fact.
    """

    token_ids: torch.Tensor
    rows: torch.Tensor
    head: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_type(self.token_ids)
        values = {"rows": self.rows} | {f"head[{name!r}]": v for name, v in self.head.items()}
        for name, value in values.items():
            _check_tensor(name, value)
        if self.token_ids.ndim != 1 or self.rows.shape[:1] != self.token_ids.shape:
            raise ValueError(
                f"token_ids must be (k,) and rows (k, H) with the same k; found "
                f"{tuple(self.token_ids.shape)} and {tuple(self.rows.shape)}"
            )
        if self.token_ids.unique().numel() != self.token_ids.numel():
            raise ValueError("token_ids must be distinct; found a token twice")

    @property
    def n_parameters(self) -> int:
        """Number of scalars the edit holds, k × H in rows and the head's."""
        return self.rows.numel() + sum(value.numel() for value in self.head.values())

    def parameters_changed(self, model: PreTrainedModel) -> int:
        """Number of scalars of `model` that the edit gives another value."""
        own = SparseEdit.identity(model, self.token_ids)
        changed = (own.rows != self.rows.to(own.rows)).sum()
        differ = (own.head[n] != v.to(own.head[n]) for n, v in self.head.items())
        return int(changed + sum(found.sum() for found in differ))

    @classmethod
    def identity(cls, model: PreTrainedModel, token_ids: torch.Tensor) -> SparseEdit:
        """The edit that replaces rows and head by what they already are."""
        table = embedding_of(model).weight
        _check_type(token_ids)
        check_within(token_ids, table.shape[0], what="token ids")
        token_ids = token_ids.to(table.device)
        head = {name: v.detach().clone() for name, v in head_of(model).named_parameters()}
        return cls(token_ids, table.detach()[token_ids].clone(), head)

    def touched(self, notes: EncodedNotes) -> np.ndarray:
        """Notes whose features it can change, (N,) bool: those that hold a selected token."""
        return notes.contains_any(self.token_ids.cpu().numpy())

    @contextmanager
    def attached(self, model: PreTrainedModel) -> Iterator[PreTrainedModel]:
        """The model as if edited, for the length of a `with` block; then bit for bit as it was.

        What is saved of it meanwhile (its `state_dict`) is edited too. A copy made in the block
        keeps the edit for good: to have one, copy the model and `merge` into the copy. Edits that
        are attached within each other come off in reverse order; threads need a model each.

        Examples
        --------
        >>> with edit.attached(model):
        ...     edited = model(ids).logits
        """
        rows = replaced_rows(embedding_of(model), self.token_ids, self.rows)
        with rows, replaced_head(model, self.edited_head(model)):
            yield model

    def edited_head(self, model: PreTrainedModel) -> nn.Module:
        """A copy of the model's head that carries the edit's values."""
        edited = copy_of_head(model)
        _load_head(edited, self.head)
        return edited

    @torch.no_grad()
    def merge(self, model: PreTrainedModel) -> SparseEdit:
        """Write the edit into the model; the returned edit, merged, undoes it bit for bit.

        What is returned belongs to the model as it is now, and to no other: later edits are undone
        first, the last one first.

        Raises
        ------
        ValueError
            If it was made for another model, or one that has another edit in it; nothing is
            written then.
        """
        self.check_belongs(model)
        own = SparseEdit.identity(model, self.token_ids)
        table = embedding_of(model)
        _check_rows(table, self.token_ids, self.rows)
        _load_head(head_of(model), self.head)
        table.weight[own.token_ids] = self.rows.to(table.weight)
        head = {name: own.head[name] for name in self.head}
        tokenizer = None if self.origin is None else self.origin.tokenizer
        origin = replace(Origin.of(model), tokenizer=tokenizer)
        return replace(self, rows=own.rows, head=head, origin=origin, history=())

    def tensors(self) -> dict[str, torch.Tensor]:
        """Ids, rows and head values."""
        own = {"token_ids": self.token_ids, "rows": self.rows}
        return own | {f"head.{name}": value for name, value in self.head.items()}

    @classmethod
    def made_of(cls, tensors: dict[str, torch.Tensor]) -> bool:
        """Whether there are ids and rows."""
        return {"token_ids", "rows"} <= tensors.keys()

    @classmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], **known: Any) -> SparseEdit:
        """The edit that holds them."""
        head = {n.removeprefix("head."): v for n, v in tensors.items() if n.startswith("head.")}
        return cls(tensors["token_ids"], tensors["rows"], head, **known)


@contextmanager
def replaced_rows(
    table: nn.Embedding, token_ids: torch.Tensor, rows: torch.Tensor
) -> Iterator[None]:
    """While open, `table` answers `rows[j]` for `token_ids[j]`; gradients reach `rows` only.

    The look-up is done on (k, H) rows and selected elementwise, so values are exact copies, a
    token that is absent from a batch gets a gradient of exactly 0, and nothing waits for the
    device. The only thing as long as the vocabulary is one integer a token.

    Raises
    ------
    ValueError
        If a token lies outside the vocabulary or the rows do not fit the table.
    """
    _check_rows(table, token_ids, rows)
    device = table.weight.device
    slots = torch.full((table.num_embeddings,), -1, device=device)
    slots[token_ids.to(device)] = torch.arange(len(token_ids), device=device)

    def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        slot = slots[inputs[0]]  # (B, T)
        replacement = embedding(slot.clamp(min=0), rows.to(output))  # (B, T, H)
        return torch.where((slot >= 0).unsqueeze(-1), replacement, output)

    if len(token_ids) == 0:
        yield
        return

    def stored(_: nn.Module, state: dict[str, torch.Tensor], prefix: str, __: object) -> None:
        if isinstance(state[f"{prefix}weight"], nn.Parameter):  # the model's own were asked for
            return
        edited = state[f"{prefix}weight"].clone()
        edited[token_ids.to(edited.device)] = rows.detach().to(edited)
        state[f"{prefix}weight"] = edited

    handles = table.register_forward_hook(hook), table.register_state_dict_post_hook(stored)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def check_within(numbers: torch.Tensor | np.ndarray, size: int, *, what: str) -> None:
    """Refuse numbers of which one is no position among `size`, saying `what` they are.

    Raises
    ------
    ValueError
        With the least and the greatest.
    """
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < size:
        raise ValueError(
            f"{what} must lie between 0 and {size - 1}; found "
            f"{int(numbers.min())} to {int(numbers.max())}"
        )


def _check_tensor(name: str, value: object) -> None:
    if not isinstance(value, torch.Tensor):
        raise ValueError(
            f"{name} must be a tensor; found {type(value).__name__}: take torch.as_tensor"
        )


def _check_type(token_ids: torch.Tensor) -> None:
    _check_tensor("token_ids", token_ids)
    if token_ids.dtype != torch.int64:  # others select rows by a mask, or not at all
        raise ValueError(f"token_ids must be int64; found {token_ids.dtype}: take token_ids.long()")


def _check_rows(table: nn.Embedding, token_ids: torch.Tensor, rows: torch.Tensor) -> None:
    check_within(token_ids, table.num_embeddings, what="token ids")
    if rows.shape != (len(token_ids), table.embedding_dim):
        raise ValueError(
            f"rows must be ({len(token_ids)}, {table.embedding_dim}) for this model; "
            f"found {tuple(rows.shape)}"
        )


@torch.no_grad()
def _load_head(head: nn.Module, values: dict[str, torch.Tensor]) -> None:
    """Write the values into a head; all or, where one does not fit, none."""
    own = dict(head.named_parameters())
    for name, value in values.items():
        if name not in own or own[name].shape != value.shape:
            found = {key: tuple(parameter.shape) for key, parameter in own.items()}
            raise ValueError(
                f"the edit sets head parameter {name!r} {tuple(value.shape)}; this model has "
                f"{found}: attach it to the model it was trained for"
            )
    for name, value in values.items():
        own[name].copy_(value)
