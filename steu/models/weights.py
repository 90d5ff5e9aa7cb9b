"""One name for a model's weights and for its tokenizer, and whether the weights changed."""

from __future__ import annotations

import hashlib

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

AT_ONCE = 4096  # rows: sums for each of a whole table of words would be the peak of a small step


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over the names and bytes of all parameters and buffers, in order."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.replace("_orig_mod.", "").encode())  # as torch.compile has them
        digest.update(
            value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """SHA-256 of how a tokenizer cuts text, and into which ids; None for one written in Python."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    kept = backend.truncation, backend.padding
    backend.no_truncation()
    backend.no_padding()
    try:
        return hashlib.sha256(backend.to_str().encode()).hexdigest()
    finally:  # as they were, or the tokenizer would be another one from here on
        if kept[0] is not None:
            backend.enable_truncation(**kept[0])
        if kept[1] is not None:
            backend.enable_padding(**kept[1])


def check_tokenizer(
    made_with: str | None, tokenizer: PreTrainedTokenizerBase, *, name: str = "this model"
) -> None:
    """Refuse a tokenizer that cuts text otherwise than the one an edit was made with, if known.

    Raises
    ------
    ValueError
        If its hash is another; `name` says whose tokenizer it is.
    """
    if made_with is not None and made_with != tokenizer_hash(tokenizer):
        raise ValueError(
            f"{name} has another tokenizer than the edit was made with: its rows would be other "
            "words'; take the tokenizer of the original model"
        )


def state_of(model: PreTrainedModel) -> tuple[str, float, int]:
    """What tells that a model is another: where it lives, its weights, how many hooks are ours.

    The weights as a sum that a changed one changes, or two rows in other places. Rows that are
    attached change no weight: they are a hook. Others' are left out, for `transformers` sets some
    of its own when a model is first read.
    """
    weights = sum(_placed(parameter.detach()) for parameter in model.parameters())
    return str(model.device), weights, sum(_from(hook, "steu.") for hook in _hooks(model))


def check_no_edit(model: nn.Module) -> None:
    """Refuse a model while an edit is attached to it by a hook.

    Raises
    ------
    ValueError
        If one is: what is read of the model would be the edited one's.
    """
    if any(_from(hook, "steu.unlearning.") for hook in _hooks(model)):
        raise ValueError(
            "the model has an edit attached: make the ForgetTask outside of the edit's with block"
        )


def _hooks(model: nn.Module) -> list[object]:
    both = ((m._forward_hooks, m._forward_pre_hooks) for m in model.modules())
    return [hook for kinds in both for kind in kinds for hook in kind.values()]


def _from(hook: object, room: str) -> bool:
    return getattr(hook, "__module__", "").startswith(room)


def _placed(values: torch.Tensor) -> float:
    """The sum of the rows, each times a number of its own; what is infinite counts as little."""
    rows = values.reshape(len(values) if values.ndim else 1, -1)
    total = 0.0
    for start in range(0, len(rows), AT_ONCE):
        sums = rows[start : start + AT_ONCE].sum(dim=1, dtype=torch.float64)
        places = torch.arange(start, start + len(sums)).to(sums) / len(rows)
        total += float(torch.nan_to_num(sums, nan=1, posinf=2, neginf=3) @ (1 + places))
    return total
