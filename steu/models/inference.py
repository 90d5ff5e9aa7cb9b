"""Notes through the encoder: in groups of similar length, at the precision that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
import torch

from steu.data.encoding import EncodedNotes
from steu.models.loading import Classifier

Precision = Literal["auto", "fp32", "bf16"]

# Bytes of one layer's attention scores in a group of notes on a CPU. The C library hands larger
# blocks back to the system after every use, and to get them anew takes longer than to fill them.
SCORES = 2**25
NEARLY = 0.75  # shortest note of a group, as a share of its longest


def features_of(
    model: Classifier,
    notes: EncodedNotes,
    rows: np.ndarray,
    *,
    precision: Precision = "auto",
    token_dropout: float = 0.0,
) -> torch.Tensor:
    """Features of the given notes in their order, (B, H) float32, with a graph if one is wanted.

    On a CPU the notes pass in groups of similar length, which changes nothing but rounding: little
    of a group is padding, and what it needs at once stays small. A GPU takes them all together.

    Parameters
    ----------
    token_dropout : float
        Share of tokens, but never the first, that are hidden from attention at random.
    """
    device = next(model.parameters()).device
    heads = model.encoder.config.num_attention_heads
    groups = [np.arange(len(rows))]
    if device.type == "cpu":
        groups = length_groups(notes.padded(rows), heads=heads)
    parts = []
    for group in groups:
        ids, mask = notes.batch(rows[group])
        if token_dropout:
            mask = hide_tokens(mask, token_dropout)
        with autocast(device, precision):
            choose_attention(model, ids)
            given = (on_device(ids, device), on_device(mask, device))
            parts.append(model.features(*given, padded=hides_any(mask)))
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(groups)))]


def length_groups(lengths: np.ndarray, *, heads: int) -> list[np.ndarray]:
    """Positions of notes of similar length, each group within `SCORES` bytes, in order if alone."""
    groups: list[list[int]] = [[]]
    for position in np.argsort(-lengths, kind="stable"):
        longest = lengths[groups[-1][:1]].sum()  # 0 where the group is empty
        full = 4 * heads * (len(groups[-1]) + 1) * longest**2 > SCORES
        if groups[-1] and (full or lengths[position] < NEARLY * longest):
            groups.append([])
        groups[-1].append(position)
    return [np.sort(group) for group in groups]


def on_device(values: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    """The values on the device; to a GPU from pinned memory, so that nothing waits for the copy."""
    tensor = torch.as_tensor(values)
    if device.type != "cuda" or tensor.device.type == "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def hide_tokens(mask: torch.Tensor, share: float) -> torch.Tensor:
    """The attention mask (B, T) with a random share of tokens left out, but never the first."""
    hidden = torch.rand(mask.shape) < share
    hidden[:, 0] = False
    return mask.masked_fill(hidden, 0)


def hides_any(mask: torch.Tensor) -> bool:
    """Whether a mask hides any token; to be asked while the host holds it."""
    return not bool(mask.numpy().all())


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """bf16 autocast where asked for, or where ``"auto"`` finds the hardware to do it fast."""
    if precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"precision must be 'auto', 'fp32' or 'bf16'; found {precision!r}")
    enabled = precision == "bf16" or (precision == "auto" and has_fast_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def choose_attention(model: Classifier, input_ids: torch.Tensor) -> None:
    """Let the model use the attention kernel that is fastest for a batch (B, T) as things stand."""
    device, heads = next(model.parameters()).device, model.encoder.config.num_attention_heads
    kind = fast_attention(device, input_ids.shape, heads=heads)
    if model.encoder.config._attn_implementation != kind:
        model.encoder.set_attn_implementation(kind)


def fast_attention(device: torch.device, batch: tuple[int, ...], *, heads: int) -> str:
    """Which of two attention kernels is faster for a batch (B, T) as things stand.

    The fused one, except where gradients are taken in bf16 on a CPU: its backward pass is slow
    there, and the plain one wins as long as its scores stay within `SCORES` bytes. Beyond 256
    tokens it gains little and keeps much: the scores of every layer wait for the backward pass.
    The two agree to rounding.
    """
    in_bf16 = torch.is_autocast_enabled(device.type) and torch.is_grad_enabled()
    small = batch[1] <= 256 and 4 * heads * batch[0] * batch[1] ** 2 <= SCORES
    return "eager" if device.type == "cpu" and in_bf16 and small else "sdpa"


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
    for batch in length_batches(np.arange(len(rows)), notes.lengths[rows], batch_size):
        features = features_of(model, notes, rows[batch], precision=precision)
        out[on_device(batch, device)] = features
    model.train(was_training)
    return out


@torch.inference_mode()
def predict(
    model: Classifier, notes: EncodedNotes, rows: np.ndarray, *, precision: Precision = "auto"
) -> np.ndarray:
    """Logits of the given notes in their order, (n, C) float32."""
    features = extract_features(model, notes, rows, precision=precision)
    return model.head(features).cpu().numpy()
