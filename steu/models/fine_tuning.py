"""Fine-tuning a classifier: the settings and the loop."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import PreTrainedModel

from steu._errors import check_choice, check_losses
from steu._numbers import check_number, check_whole
from steu.data.encoding import EncodedNotes
from steu.evaluation.metrics import macro_auroc
from steu.models.hardware import Precision
from steu.models.heads import head_of
from steu.models.inference import extract_features, features_of, length_batches, on_device, predict
from steu.models.probe_start import start_from_probe


@dataclass(frozen=True)
class TrainConfig:
    """How a classifier is fine-tuned. The paper's values are not known; these are ours."""

    epochs: int = 8  # an upper bound: early stopping usually ends sooner
    batch_size: int = 16  # small sets need many steps more than they need large batches
    learning_rate: float = 1e-4  # small encoders take more than the 2e-5 usual for BERT-base
    head_learning_rate: float = 1e-3  # a head of a few thousand numbers bears larger steps
    weight_decay: float = 0.01  # the customary value for BERT
    warmup: float = 0.1  # share of steps with a rising rate; keeps the first updates gentle
    patience: int = 2  # epochs without a better validation AUROC before stopping
    max_grad_norm: float = 1.0  # one odd batch cannot undo an epoch
    token_dropout: float = 0.1  # share of tokens hidden a step: few notes are soon known by heart
    precision: Precision = "auto"  # bf16 where the hardware has it, else fp32
    seed: int = 0  # order of the notes, dropout

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            check_whole(name, getattr(self, name), least=1)
        check_whole("seed", self.seed)
        for name in ("learning_rate", "head_learning_rate", "max_grad_norm"):
            check_number(name, getattr(self, name), positive=True)
        for name in ("weight_decay", "warmup", "token_dropout"):
            check_number(name, getattr(self, name))
        check_choice(self.precision, get_args(Precision), what="precision")
        for name in ("warmup", "token_dropout"):
            if getattr(self, name) >= 1:
                raise ValueError(f"{name} must lie in [0, 1); found {getattr(self, name)}")


def fine_tune(
    model: PreTrainedModel,
    notes: EncodedNotes,
    targets: np.ndarray,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    config: TrainConfig,
) -> list[dict[str, float]]:
    """Train `model` in place on the notes `train`; keep the epoch with the best validation AUROC.

    The head starts fitted to the pretrained encoder's features: it costs one pass over the notes,
    and the encoder is not led astray by a head that knows nothing yet (Kumar et al. 2022, arXiv
    2202.10054). That start is epoch 0: kept if no later one is better.

    Parameters
    ----------
    targets : array of shape (N, C), float32
        NaN marks a label that is not known: it takes no part in the loss or in the choice.
    train, validation : arrays of int
        Positions of notes.

    Returns
    -------
    list of dict
        An entry an epoch: epoch, loss (nats a label; NaN for epoch 0), validation_auroc (macro).

    Raises
    ------
    Diverged
        If a loss is not finite.
    """
    start_head(model, notes, targets, train=train, config=config)
    generator = np.random.default_rng(config.seed)
    optimizer, schedule = _optimizer(model, config, steps=-(-len(train) // config.batch_size))
    history: list[dict[str, float]] = []
    best, best_epoch, best_state = -1.0, 0, copy.deepcopy(model.state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # dropout
        for epoch in range(config.epochs + 1):
            loss = float("nan")
            if epoch:
                order = length_batches(train, notes.lengths, config.batch_size, generator=generator)
                loss = _train_epoch(model, notes, targets, order, optimizer, schedule, config)
            logits = predict(model, notes, validation, precision=config.precision)
            auroc = macro_auroc(targets[validation], logits)
            history.append({"epoch": epoch, "loss": loss, "validation_auroc": auroc})
            if auroc > best:
                best, best_epoch, best_state = auroc, epoch, copy.deepcopy(model.state_dict())
            elif epoch - best_epoch >= config.patience:
                break
    model.load_state_dict(best_state)
    model.zero_grad(set_to_none=True)  # as large as the model, and of no use to whoever gets it
    model.eval()
    return history


def start_head(
    model: PreTrainedModel,
    notes: EncodedNotes,
    targets: np.ndarray,
    *,
    train: np.ndarray,
    config: TrainConfig,
) -> None:
    """Fit the head to what the encoder says of the notes `train` as it is, in place: epoch 0."""
    features = extract_features(model, notes, train, precision=config.precision)
    start_from_probe(head_of(model), features.cpu().numpy(), targets[train], seed=config.seed)


def _train_epoch(
    model: PreTrainedModel,
    notes: EncodedNotes,
    targets: np.ndarray,
    batches: Iterator[np.ndarray],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    config: TrainConfig,
) -> float:
    """One pass over the batches; the mean loss in nats a label."""
    model.train()
    head, losses = head_of(model), []
    for batch in batches:
        wanted = on_device(targets[batch], model.device)  # (B, C)
        features = features_of(
            model, notes, batch, precision=config.precision, token_dropout=config.token_dropout
        )  # (B, H), behind the model's own dropout
        loss = known_cross_entropy(head(features), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    values = torch.stack(losses)
    settings = f"learning_rate {config.learning_rate:g} and batch_size {config.batch_size}"
    check_losses(values.tolist(), settings=settings)
    return float(values.mean())


def known_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy over the labels (B, C) that are not NaN, in nats a label."""
    known = ~targets.isnan()
    total = binary_cross_entropy_with_logits(
        logits, targets.nan_to_num(), weight=known.to(logits), reduction="sum"
    )
    return total / known.sum()


def _optimizer(
    model: PreTrainedModel, config: TrainConfig, *, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW with two rates, a linear warm-up and a linear decay; no decay on vectors."""
    head = list(head_of(model).parameters())
    of_head = {id(parameter) for parameter in head}
    encoder = [p for p in model.parameters() if id(p) not in of_head]
    groups = [
        {"params": [p for p in encoder if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in encoder if p.ndim <= 1], "weight_decay": 0.0},
        {"params": head, "lr": config.head_learning_rate, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    total = steps * config.epochs
    rising = max(1, int(config.warmup * total))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / rising, max(0.0, (total - step) / max(1, total - rising))),
    )
    return optimizer, schedule
