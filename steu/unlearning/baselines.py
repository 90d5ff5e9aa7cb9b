"""Rivals that train whole layers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch.nn.functional import softplus

from steu._errors import check_choice
from steu.models.heads import copy_of_head, head_name, trainable_head
from steu.models.inference import extract_features, features_of, frozen, on_device
from steu.task import ForgetTask, about_task
from steu.unlearning.dense_edit import LayerEdit, last_layers
from steu.unlearning.given import check_sigmoids, notes_to_train, settings_of
from steu.unlearning.gradients import gradients_of, summed
from steu.unlearning.loop import (
    Batches,
    LoopConfig,
    Losses,
    descend,
    forget_and_retain_batches,
    head_group,
)
from steu.unlearning.rival_losses import RIVALS, Step


@dataclass(frozen=True)
class LayerConfig(LoopConfig):
    """How a dense edit is trained; see `LoopConfig`."""

    learning_rate_layers: float = 1e-4  # of whole layers: many more numbers move than in rows


@about_task
def edit_layers(
    task: ForgetTask,
    rival: str,
    config: LayerConfig | None = None,
    *,
    n_layers: int = 3,
    train: np.ndarray | None = None,
) -> LayerEdit:
    """Train the last encoder layers and the head, as the rivals in the paper do.

    The paper names gradient ascent and direct suppression and the number of parameters they change,
    which is that of three layers [I]; the objectives here are the customary ones. The others are
    those of their own papers, for pairs of a note and a label. All are in `RIVALS` and see as many
    notes an epoch, but for one that takes forgetting and keeping in turns; its last epoch repairs
    where there are two. The model itself is left as it was; see `unlearn` for `train` and the
    history.

    Raises
    ------
    ValueError
        If there is no such rival, the outputs are no sigmoids, or the encoder has fewer layers.
    """
    check_choice(rival, list(RIVALS), what="rival")
    check_sigmoids(task, rival)
    config, model, method = settings_of(config, LayerConfig), task.model, RIVALS[rival]
    train = notes_to_train(task, train)
    ascents = min(method.ascents, max(config.epochs - 1, 1))  # the last epoch repairs
    batches = in_turns(forget_and_retain_batches(task, train, config), ascents=ascents)
    origin = task.origin
    knowing = task.teacher.logits  # read before anything is attached
    blind = blind_logits(task, train, seed=config.seed) if method.blind else knowing[:, task.forget]
    start = LayerEdit.identity(model, last_layers(model, n_layers))
    before = LayerEdit.identity(model, list(start.values)).values if config.drift_weight else {}
    head = trainable_head(copy_of_head(model), config.head, task.forget)
    own = {f"{head_name(model)}.{name}": value for name, value in head.named_parameters()}
    masks = {}
    if method.salient < 1:
        masks = salient_weights(task, [*start.values, *own], train, share=method.salient)

    def losses(forgotten: np.ndarray, retained: np.ndarray) -> Losses:
        both = np.concatenate([forgotten, retained])
        logits = head(features_of(model, task.notes, both, precision=task.precision))
        index, targets = (on_device(v, logits.device) for v in (both, task.targets[both]))
        told = knowing[index], targets, len(forgotten), task.forget, blind[index]
        lost, held = method.losses(Step(logits, *told))
        total = lost + config.utility_weight * held
        if before:
            total = total + config.drift_weight * _drift(moved, before)
        return total, lost.detach(), held.detach()

    # While attached, the model's parameters are the edit's own tensors: a step changes the edit.
    with frozen(model), start.attached(model):
        moved = {n: p.requires_grad_() for n, p in model.named_parameters() if n in start.values}
        before_us = {name: parameter.grad for name, parameter in moved.items()}
        layers = {"params": list(moved.values()), "lr": config.learning_rate_layers}
        try:
            with masked(moved | own, masks):
                groups = [layers, *head_group(head, config)]
                history = descend(losses, groups, batches, max_grad_norm=config.max_grad_norm)
        finally:
            for name, parameter in moved.items():
                parameter.grad = before_us[name]
    trained = {} if config.head == "none" else own
    values = {name: value.detach().clone() for name, value in trained.items()}
    return LayerEdit(start.values | values, origin=origin, history=tuple(history))


def in_turns(batches: Batches, *, ascents: int) -> Batches:
    """In each epoch all batches to keep, then in the first `ascents` all to forget; 0: as given.

    Descent goes first, because a divergence from the original has no slope at the original.
    """
    if not ascents:
        yield from batches
        return
    none = np.empty(0, dtype=np.int64)
    for epoch, given in groupby(batches, key=lambda one: one[0]):
        pairs = [pair for _, pair in given]
        yield from ((epoch, (none, retained)) for _, retained in pairs)
        if epoch <= ascents:
            yield from ((epoch, (forgotten, none)) for forgotten, _ in pairs)


def blind_logits(task: ForgetTask, train: np.ndarray, *, seed: int) -> torch.Tensor:
    """The class's logits by the same architecture with random weights, (N,); 0 but for `train`."""
    other = copy.deepcopy(task.model)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for module in other.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
    features = extract_features(other, task.notes, train, precision=task.precision)
    found = task.teacher.logits.new_zeros(len(task.notes))
    with torch.no_grad():
        found[on_device(train, found.device)] = copy_of_head(other)(features)[:, task.forget]
    return found


def salient_weights(
    task: ForgetTask, names: list[str], train: np.ndarray, *, share: float
) -> dict[str, torch.Tensor]:
    """Where among the named parameters the class's loss is steepest, a `share` of all, bool each.

    Fan et al. 2024 (arXiv 2310.12508, equation 3): |∇ BCE(z_f, 1)| over the notes with the class.
    """
    forget = train[task.is_forget[train]]
    with gradients_of(task, names) as gradient:
        steep = summed(gradient, task, forget, lambda z, _: softplus(-z[:, task.forget]).sum())
    sizes = torch.cat([g.abs().ravel() for g in steep])
    least = sizes.sort(descending=True).values[max(1, int(share * len(sizes))) - 1]
    return {name: g.abs() >= least for name, g in zip(names, steep, strict=True)}


@contextmanager
def masked(
    parameters: Mapping[str, torch.Tensor], masks: dict[str, torch.Tensor]
) -> Iterator[None]:
    """While open, gradients are 0 outside the masks, so that nothing there is moved."""
    trained = {name: mask for name, mask in masks.items() if parameters[name].requires_grad}
    handles = [
        parameters[name].register_hook(lambda gradient, mask=mask: gradient * mask)
        for name, mask in trained.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _drift(moved: dict[str, torch.Tensor], before: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean squared distance of the layers to what they were."""
    squares = [(moved[name] - value).square() for name, value in before.items()]
    return torch.stack([s.sum() for s in squares]).sum() / sum(s.numel() for s in squares)
