"""Notes through the encoder: in groups of similar length, at the precision that was asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from transformers import PreTrainedModel

from steu.data.encoding import EncodedNotes
from steu.models.hardware import Precision, autocast
from steu.models.heads import copy_of_head, head_of

# Bytes of one layer's attention scores in a group of notes on a CPU. The C library hands larger
# blocks back to the system after every use, and to get them anew takes longer than to fill them.
SCORES = 2**25
NEARLY = 0.75  # shortest note of a group, as a share of its longest
HAND_ON = ("bert", "distilbert", "roberta", "electra", "camembert", "xlm-roberta")
KERNELS = ("sdpa", "eager")  # attention kernels that are chosen between; others are left alone


def features_of(
    model: PreTrainedModel,
    notes: EncodedNotes,
    index: np.ndarray,
    *,
    precision: Precision = "auto",
    token_dropout: float = 0.0,
) -> torch.Tensor:
    """What the head takes of the notes at `index`, (B, H) float32, with a graph if one is wanted.

    On a CPU the notes pass in groups of similar length, which changes nothing but rounding: little
    of a group is padding, and what it needs at once stays small. A GPU takes them all together.

    Parameters
    ----------
    index : array of int, shape (B,)
        Positions of the notes, in the order of the result.
    token_dropout : float
        Share of tokens, but never the first, that are hidden from attention at random.

    Raises
    ------
    ValueError
        If the notes do not fit into the device's memory, one by one or with their gradients.
    """
    device = model.device
    groups = [np.arange(len(index))]
    if device.type == "cpu":
        groups = length_groups(notes.padded(index), heads=model.config.num_attention_heads)
    done, parts = [], []
    while groups:
        group = groups.pop(0)
        ids, mask = notes.batch(index[group])
        if token_dropout:
            mask = hide_tokens(mask, token_dropout)
        padded = hides_any(mask)
        try:
            ids, mask = on_device(ids, device), on_device(mask, device)
            with autocast(device, precision), fast_attention(model, ids):
                parts.append(features_from_ids(model, ids, mask, padded=padded))
        except torch.OutOfMemoryError:
            groups = [*_halves(group, ids.shape, device), *groups]
        else:
            done.append(group)
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(done)))]


def _halves(group: np.ndarray, shape: torch.Size, device: torch.device) -> list[np.ndarray]:
    """Two groups for one that did not fit; where that does not help, an error that says what does.

    Under a gradient all groups are kept until the backward pass, so that none is won by halving.
    """
    size = f"{shape[0]} notes of up to {shape[1]} tokens do not fit into the memory of {device}"
    if len(group) == 1 or torch.is_grad_enabled():
        raise ValueError(f"{size}: lower the batch size or max_length, or compute on the CPU")
    warnings.warn(f"{size}; they pass in two halves, with the same result", stacklevel=3)
    return np.array_split(group, 2)


def features_from_ids(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, *, padded: bool | None = None
) -> torch.Tensor:
    """What the head takes of token ids (B, T) under an attention mask (B, T): (B, H) float32.

    `padded` says whether the mask hides any token. Where that is not known `transformers` looks,
    and for that the host has to wait for a GPU.

    Raises
    ------
    ValueError
        If the head takes no features of shape (B, H).
    """
    return features_and_logits(model, ids, _mask_shown(model, mask, padded))[0]


def features_and_logits(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the head takes, (B, H) float32, and the model's logits."""
    taken: list[torch.Tensor] = []
    handle = head_of(model).register_forward_pre_hook(lambda _, given: taken.append(given[0]))
    try:
        output = model(input_ids=ids, attention_mask=mask, **by_name(model))
    finally:
        handle.remove()
    if len(taken) != 1 or taken[0].ndim != 2:
        found = [tuple(features.shape) for features in taken]
        raise ValueError(
            f"the head of {type(model).__name__} should take features of shape (notes, hidden) "
            f"once a pass; found {found or 'that it is never called'}"
        )
    return taken[0].float(), output.logits


def by_name(model: PreTrainedModel) -> dict[str, bool]:
    """What lets a model answer by name whose config asks for a tuple."""
    return {} if getattr(model.config, "return_dict", True) else {"return_dict": True}


def _mask_shown(
    model: PreTrainedModel, mask: torch.Tensor, padded: bool | None
) -> torch.Tensor | None:
    """What spares `transformers` a look at the mask: none, or what it makes of one, (B, 1, T, T).

    Only for models that are known to hand it on to attention and to use it for nothing else.
    """
    known = model.config.model_type in HAND_ON and type(model).__module__.startswith(
        "transformers."
    )
    if padded is None or not known or model.config._attn_implementation != "sdpa":
        return mask
    length = mask.shape[1]
    return mask.bool()[:, None, None, :].expand(-1, -1, length, -1) if padded else None


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


@contextmanager
def fast_attention(model: PreTrainedModel, ids: torch.Tensor) -> Iterator[None]:
    """While open, the attention kernel that is fastest for a batch (B, T) as things stand."""
    before = model.config._attn_implementation
    heads = model.config.num_attention_heads
    wanted = fastest_kernel(model.device, ids.shape, heads=heads)
    changed = before in KERNELS and before != wanted and getattr(model, "_supports_sdpa", False)
    if changed:
        model.set_attn_implementation(wanted)
    try:
        yield
    finally:
        if changed:
            model.set_attn_implementation(before)


def fastest_kernel(device: torch.device, batch: tuple[int, ...], *, heads: int) -> str:
    """Which of two attention kernels is faster for a batch (B, T) as things stand.

    The fused one, except where gradients are taken in bf16 on a CPU: its backward pass is slow
    there, and the plain one wins as long as its scores stay within `SCORES` bytes. Beyond 256
    tokens it gains little and keeps much: the scores of every layer wait for the backward pass.
    The two agree to rounding.
    """
    in_bf16 = torch.is_autocast_enabled(device.type) and torch.is_grad_enabled()
    small = batch[1] <= 256 and 4 * heads * batch[0] * batch[1] ** 2 <= SCORES
    return "eager" if device.type == "cpu" and in_bf16 and small else "sdpa"


def length_batches(
    index: np.ndarray,
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
        pools = [index]
    else:
        shuffled, size = generator.permutation(index), 16 * batch_size
        pools = [shuffled[i : i + size] for i in range(0, len(index), size)]
    batches = []
    for pool in pools:
        ordered = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]
    order = range(len(batches)) if generator is None else generator.permutation(len(batches))
    yield from (batches[i] for i in order)


@torch.inference_mode()
def extract_features(
    model: PreTrainedModel,
    notes: EncodedNotes,
    index: np.ndarray,
    *,
    batch_size: int = 32,
    precision: Precision = "auto",
) -> torch.Tensor:
    """Features of the notes at `index` in their order, (n, H) float32, on the model's device."""
    width = _features_width(model)
    out = torch.empty(len(index), width, device=model.device)
    with evaluating(model):
        for batch in length_batches(np.arange(len(index)), notes.lengths[index], batch_size):
            features = features_of(model, notes, index[batch], precision=precision)
            out[on_device(batch, model.device)] = features
    return out


def _features_width(model: PreTrainedModel) -> int:
    """Numbers that the first linear layer of the head takes, H."""
    head = head_of(model)
    first = next(module for module in head.modules() if isinstance(module, torch.nn.Linear))
    return int(first.in_features)


@torch.inference_mode()
def predict(
    model: PreTrainedModel,
    notes: EncodedNotes,
    index: np.ndarray,
    *,
    precision: Precision = "auto",
) -> np.ndarray:
    """Logits of the notes at `index` in their order, (n, C) float32."""
    features = extract_features(model, notes, index, precision=precision)
    return copy_of_head(model)(features).cpu().numpy()


def check_gradients() -> None:
    """Refuse to train where no gradient is ever recorded.

    Raises
    ------
    ValueError
        Inside `torch.inference_mode`, which unlike `torch.no_grad` nothing can lift.
    """
    if torch.is_inference_mode_enabled():
        raise ValueError(
            "expected to be called where gradients can be taken; found torch.inference_mode(): "
            "leave it first (evaluate works inside)"
        )


@contextmanager
def evaluating(model: PreTrainedModel) -> Iterator[None]:
    """While open, dropout is off; then every part of the model is in the mode in which it was."""
    before = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, was_training in before:
            part.training = was_training


@contextmanager
def frozen(model: PreTrainedModel) -> Iterator[None]:
    """While open, no parameter of the model takes a gradient and dropout is off."""
    before = [parameter.requires_grad for parameter in model.parameters()]
    with evaluating(model.requires_grad_(False)):
        try:
            yield
        finally:
            for parameter, wanted in zip(model.parameters(), before, strict=True):
                parameter.requires_grad_(wanted)
