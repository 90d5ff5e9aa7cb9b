"""Rivals that train whole layers: gradient ascent and direct suppression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch.nn.functional import logsigmoid, softplus

from steu._errors import check_choice
from steu.models.heads import copy_of_head, head_name, trainable_head
from steu.models.inference import features_of, frozen, on_device
from steu.task import ForgetTask
from steu.unlearning.dense_edit import LayerEdit, last_layers
from steu.unlearning.loop import (
    LoopConfig,
    Losses,
    descend,
    forget_and_retain_batches,
    head_group,
)
from steu.unlearning.objective import utility_loss

Rival = Literal["gradient_ascent", "direct_suppression"]


@dataclass(frozen=True)
class LayerConfig(LoopConfig):
    """How a dense edit is trained; see `LoopConfig`."""

    learning_rate_layers: float = 1e-4  # of whole layers: many more numbers move than in rows


def edit_layers(
    task: ForgetTask,
    rival: Rival,
    config: LayerConfig | None = None,
    *,
    n_layers: int = 3,
    train: np.ndarray | None = None,
) -> LayerEdit:
    """Train the last encoder layers and the head, as the rivals in the paper do.

    The paper names gradient ascent and direct suppression and the number of parameters they change,
    which is that of three layers [I]; the objectives here are the customary ones:

    - ``"gradient_ascent"`` climbs the loss of the class on notes that carry it,
      L_forget = −BCE(z_f(B_f), 1) = log σ(z_f), which has no minimum and stops with the epochs;
    - ``"direct_suppression"`` descends the loss of its absence, L_forget = BCE(z_f(B_f), 0).

    Both keep the other classes by the same L_utility as STEU. The model itself is left as it was;
    see `unlearn` for `train` and the history.

    Raises
    ------
    ValueError
        If there is no such rival, the outputs are no sigmoids, or the encoder has fewer layers.
    """
    check_choice(rival, get_args(Rival), what="rival")
    if task.outputs != "sigmoid":
        raise ValueError(f"{rival} is defined for independent sigmoids; this model has a softmax")
    config, model = config or LayerConfig(), task.model
    batches = forget_and_retain_batches(task, task.train if train is None else train, config)
    task.teacher  # noqa: B018  read before anything is attached
    belongs_to = task.model_hash
    start = LayerEdit.identity(model, last_layers(model, n_layers))
    before = LayerEdit.identity(model, list(start.values)).values if config.drift_weight else {}
    head = trainable_head(copy_of_head(model), config.head, task.forget)
    objective = {"gradient_ascent": logsigmoid, "direct_suppression": softplus}[rival]

    def losses(forgotten: np.ndarray, retained: np.ndarray) -> Losses:
        both, n = np.concatenate([forgotten, retained]), len(forgotten)
        logits = head(features_of(model, task.notes, both, precision=task.precision))
        loss_forget = objective(logits[:n, task.forget]).mean()
        wanted = task.teacher.logits[on_device(retained, logits.device)]
        loss_utility = utility_loss(logits[n:], wanted, task.forget)
        total = loss_forget + config.utility_weight * loss_utility
        if before:
            total = total + config.drift_weight * _drift(moved, before)
        return total, loss_forget.detach(), loss_utility.detach()

    # While attached, the model's parameters are the edit's own tensors: a step changes the edit.
    with frozen(model), start.attached(model):
        moved = {n: p.requires_grad_() for n, p in model.named_parameters() if n in start.values}
        layers = {"params": list(moved.values()), "lr": config.learning_rate_layers}
        groups = [layers, *head_group(head, config)]
        history = descend(losses, groups, batches, max_grad_norm=config.max_grad_norm)
        model.zero_grad(set_to_none=True)
    prefix = head_name(model)
    own = {} if config.head == "none" else dict(head.named_parameters())
    values = {f"{prefix}.{name}": value.detach().clone() for name, value in own.items()}
    return LayerEdit(start.values | values, belongs_to, tuple(history))


def _drift(moved: dict[str, torch.Tensor], before: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean squared distance of the layers to what they were."""
    squares = [(moved[name] - value).square() for name, value in before.items()]
    return torch.stack([s.sum() for s in squares]).sum() / sum(s.numel() for s in squares)
