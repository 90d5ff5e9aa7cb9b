"""Forgetting by a low-rank adapter: LoRA, trained for what STEU is trained for."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from steu.models.heads import copy_of_head, head_name, trainable_head
from steu.models.inference import features_of, frozen
from steu.task import ForgetTask, about_task
from steu.unlearning.baselines import LayerConfig
from steu.unlearning.dense_edit import last_layers
from steu.unlearning.given import settings_of
from steu.unlearning.loop import Losses, descend, forget_and_retain_batches, head_group
from steu.unlearning.low_rank_edit import LowRankEdit
from steu.unlearning.sparse import both_losses

NAME = "forgetting"  # of the adapter
RANK = 8  # as is customary


@about_task
def lora_edit(
    task: ForgetTask,
    config: LayerConfig | None = None,
    *,
    rank: int = RANK,
    n_layers: int = 3,
    train: np.ndarray | None = None,
) -> LowRankEdit:
    """Train low-rank adapters of the last layers' linear maps, and the head, as STEU trains rows.

    LoRA (Hu et al. 2021, arXiv 2106.09685) by PEFT, with α = r and no dropout, under STEU's own two
    losses, so that the two differ in what they may change and in nothing else. At the start
    up = 0, and the model is unchanged. It is trained in a copy of the modules around its weights.

    Raises
    ------
    ValueError
        If PEFT is missing, the rank is not positive, a drift penalty is asked for, or the encoder
        has fewer layers.
    """
    if rank < 1:
        raise ValueError(f"rank must be 1 or more; found {rank}")
    config = settings_of(config, LayerConfig)
    if config.drift_weight:
        raise ValueError(
            f"adapters know no drift; drift_weight must be 0, found {config.drift_weight}"
        )
    batches = forget_and_retain_batches(task, train, config)
    origin, prefix = task.origin, f"{head_name(task.model)}."
    task.teacher  # noqa: B018  read before anything is trained
    linear = {name for name, module in task.model.named_modules() if isinstance(module, nn.Linear)}
    weights = last_layers(task.model, n_layers)
    wanted = [n.removesuffix(".weight") for n in weights if n.removesuffix(".weight") in linear]
    other = _adapted(task.model, wanted, rank=rank, seed=config.seed)
    head = trainable_head(copy_of_head(task.model), config.head, task.forget)

    def losses(forgotten: np.ndarray, retained: np.ndarray) -> Losses:
        both = np.concatenate([forgotten, retained])
        features = features_of(other, task.notes, both, precision=task.precision)
        lost, held = both_losses(task, head(features), forgotten, retained)
        return lost + config.utility_weight * held, lost.detach(), held.detach()

    with frozen(other):
        adapters = [p.requires_grad_() for n, p in other.named_parameters() if ".lora_" in n]
        groups = [{"params": adapters, "lr": config.learning_rate_layers}]
        history = descend(
            losses,
            [*groups, *head_group(head, config)],
            batches,
            max_grad_norm=config.max_grad_norm,
        )
    factors: dict[str, dict[str, torch.Tensor]] = {"lora_A": {}, "lora_B": {}}
    for name in wanted:
        module = other.get_submodule(name)
        for part, kept in factors.items():
            kept[f"{name}.weight"] = getattr(module, part)[NAME].weight.detach().clone()
    own = {} if config.head == "none" else dict(head.named_parameters())
    values = {prefix + name: value.detach().clone() for name, value in own.items()}
    down, up = factors.values()
    return LowRankEdit(down, up, values, origin=origin, history=tuple(history))


def _adapted(model: PreTrainedModel, wanted: list[str], *, rank: int, seed: int) -> PreTrainedModel:
    """Modules of its own around the same weights, with adapters beside the linear maps `wanted`."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ValueError("LoRA needs PEFT: pip install peft") from error
    with frozen(model), torch.random.fork_rng():  # PEFT would leave the weights frozen
        torch.manual_seed(seed)
        settings = LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules=wanted)
        shared = {id(tensor): tensor for tensor in model.state_dict(keep_vars=True).values()}
        other = copy.deepcopy(model, shared)
        inject_adapter_in_model(settings, other, NAME)  # in place
    return other
