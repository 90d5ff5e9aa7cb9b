"""The loop that trains an edit, sparse or dense: settings, batches, steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Self, get_args

import numpy as np
import torch
from torch import nn

from steu._errors import check_choice, check_losses
from steu._numbers import check_number, check_whole
from steu.models.heads import HeadPart
from steu.task import ForgetTask
from steu.unlearning.given import check_said, notes_to_train, of_both_kinds

Losses = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # total with its graph, forget, utility
Batches = Iterable[tuple[int, tuple[np.ndarray, np.ndarray]]]  # epoch, (forget, retain) notes
History = list[dict[str, float]]


@dataclass(frozen=True)
class LoopConfig:
    """What training any edit needs. Only the 5 epochs are the paper's [D]; the rest are ours."""

    epochs: int = 5  #: passes over the forget notes, as in the paper [D]
    batch_size: int = 16  #: forget notes a step, beside as many retain notes, or all there are
    learning_rate_head: float = 1e-2  #: with less, the head alone may not even silence the class
    utility_weight: float = 1.0  #: the two losses are means in the same unit, nats a label
    drift_weight: float = 0.0  #: of the mean squared distance of rows or layers to what they were
    max_grad_norm: float = 1.0  #: one odd batch cannot undo an epoch
    head: HeadPart = "whole"  #: the paper's; "none" leaves the head as it is
    seed: int = 0  #: order of the notes

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.type in ("int", int):
                check_whole(f.name, value, least=0 if f.name == "seed" else 1)
            elif f.type in ("float", float):
                check_number(f.name, value, positive=not f.name.endswith("_weight"))
        check_choice(self.head, get_args(HeadPart), what="part of the head")

    def faster(self, factor: float, head: float | None = None) -> Self:
        """The same with all learning rates multiplied, the head's by its own factor if given."""
        rates = {f.name for f in fields(self) if f.name.startswith("learning_rate")}
        own = dict.fromkeys(rates, factor)
        own["learning_rate_head"] = factor if head is None else head
        return replace(self, **{name: by * getattr(self, name) for name, by in own.items()})


@torch.enable_grad()
def descend(
    losses: Callable[[np.ndarray, np.ndarray], Losses],
    groups: list[dict[str, Any]],
    batches: Batches,
    *,
    max_grad_norm: float,
) -> History:
    """A step of AdamW without decay for every pair of batches; an entry a step.

    Losses are read once, at the end, so that no step waits for the device.

    Raises
    ------
    Diverged
        If one of them is not finite.
    ValueError
        If no batch has a gradient: nothing was trained.
    """
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    seen: History = []
    kept, steps = [], 0
    for epoch, (forgotten, retained) in batches:
        loss, loss_forget, loss_utility = losses(forgotten, retained)
        if loss.requires_grad:  # not where rows alone are trained and a batch holds none of them
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for group in optimizer.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], max_grad_norm)
            optimizer.step()
            steps += 1
        seen.append({"epoch": epoch, "step": len(seen)})
        kept.append(torch.stack([loss_forget, loss_utility]))
    if not steps:
        raise ValueError(
            "expected training notes that hold a selected token; none does, and the head stays as "
            "it is: nothing was trained; choose tokens that occur, as rank_tokens does, or train "
            "the head too"
        )
    values = torch.stack(kept).tolist()
    rates = ", ".join(f"{group['lr']:g}" for group in optimizer.param_groups)
    losses_seen = [sum(pair) for pair in values]
    trained = (p for group in optimizer.param_groups for p in group["params"])
    if not all(bool(p.isfinite().all()) for p in trained):  # after the last step no loss is taken
        losses_seen.append(float("nan"))
    check_losses(losses_seen, settings=f"learning rates {rates}")
    return [
        {**step, "forget_loss": lost, "utility_loss": held}
        for step, (lost, held) in zip(seen, values, strict=True)
    ]


def head_group(head: nn.Module, config: LoopConfig) -> list[dict[str, Any]]:
    """The optimiser's group of the part of the head that is trained; none without one."""
    trained = [parameter for parameter in head.parameters() if parameter.requires_grad]
    return [{"params": trained, "lr": config.learning_rate_head}] if trained else []


def forget_and_retain_batches(
    task: ForgetTask, train: np.ndarray | None, config: LoopConfig
) -> Batches:
    """Pairs of a batch with the class and one without, for every epoch of `config`.

    Raises
    ------
    ValueError
        If the notes `train` lack one of the two kinds, or the model never says one of its labels.
    """
    task.check_unchanged()
    check_said(task)
    task.teacher  # noqa: B018  read before anything is attached to the model
    return _batches(*of_both_kinds(task, notes_to_train(task, train)), config)


def _batches(
    forget: np.ndarray, retain: np.ndarray, config: LoopConfig
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """(epoch, (forget batch, retain batch)); retain notes are drawn without repeats till spent."""
    generator = np.random.default_rng(config.seed)
    pool = np.empty(0, dtype=np.int64)
    size, n_retain = config.batch_size, min(config.batch_size, len(retain))
    for epoch in range(1, config.epochs + 1):
        order = generator.permutation(forget)
        for start in range(0, len(order), size):
            while len(pool) < n_retain:
                pool = np.concatenate([pool, generator.permutation(retain)])
            chosen, pool = pool[:n_retain], pool[n_retain:]
            yield epoch, (order[start : start + size], chosen)
