"""What a caller gives beside a task, tokens and notes by their numbers, and what no edit mends."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch

from steu._errors import shown
from steu.models.heads import head_of, output_layer
from steu.models.inference import check_gradients
from steu.task import ForgetTask
from steu.unlearning.sparse_edit import check_within

_Config = TypeVar("_Config")


def settings_of(given: Any, kind: type[_Config]) -> _Config:
    """The settings given, or those that a method has by itself.

    Raises
    ------
    ValueError
        If they are of another kind.
    """
    if given is None:
        return kind()
    if not isinstance(given, kind):
        called, found = kind.__name__, type(given).__name__
        mend = f"{called}(**config)" if isinstance(given, dict) else f"{called}(…)"
        raise ValueError(f"config must be made by {called}; found {found}: give {mend}")
    return given


def token_ids_of(given: Any, n_tokens: int) -> np.ndarray:
    """Ids of selected tokens, int64 (k,).

    Raises
    ------
    ValueError
        If they are anything but whole numbers below `n_tokens`.
    """
    words = "take tokenizer.convert_tokens_to_ids(words)"
    ids = _whole_numbers(given, "token_ids", of_words=words)
    check_within(ids, n_tokens, what="token ids")
    return ids


def notes_to_train(task: ForgetTask, given: Any = None) -> np.ndarray:
    """Positions of the notes to learn from, int64 (n,): those given, or the task's own.

    Raises
    ------
    ValueError
        If they are anything but positions in the task, or its model was changed meanwhile: what is
        made of it would be another model's.
    """
    task.check_unchanged()
    if given is None:
        return task.train
    positions = _whole_numbers(given, "train", of_words="give task.index(split)")
    check_within(positions, len(task.notes), what="positions in train")
    return positions


def of_both_kinds(task: ForgetTask, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the notes `train` those with the class and those without, positions.

    Raises
    ------
    ValueError
        If there are none of one kind, or nothing can be learned from them here.
    """
    check_gradients()
    with_class = task.is_forget[train]
    forget, retain = train[with_class], train[~with_class]
    if not len(forget) or not len(retain):
        raise ValueError(
            f"expected training notes with and without {task.labels[task.forget]!r}; found "
            f"{len(forget)} with and {len(retain)} without"
        )
    return forget, retain


def check_sigmoids(task: ForgetTask, what: str) -> None:
    """Refuse a softmax: `what` is defined for independent sigmoids alone.

    Raises
    ------
    ValueError
        If the model has one.
    """
    if task.outputs != "sigmoid":
        raise ValueError(f"{what} is defined for independent sigmoids; this model has a softmax")


def check_said(task: ForgetTask) -> None:
    """Refuse a model that never says one of its labels: no loss of its answers is a number.

    Raises
    ------
    ValueError
        Naming the first such label.
    """
    bias = output_layer(head_of(task.model)).bias
    silent = [] if bias is None else bias.isneginf().nonzero().ravel().tolist()
    if silent:
        raise ValueError(
            f"the model never says {task.labels[silent[0]]!r}: its bias is −∞, as a null edit "
            "leaves it, so that class was withdrawn already, and nothing can be trained beside "
            "that; set the bias back first, by the inverse that merge returned"
        )


def _whole_numbers(given: Any, name: str, *, of_words: str) -> np.ndarray:
    """Whole numbers as int64 (n,); what is something else is told how to become that."""
    given = given.cpu() if isinstance(given, torch.Tensor) else given
    if not hasattr(given, "__len__") or isinstance(given, (str, bytes, set, frozenset, dict)):
        kind = "nothing" if given is None else f"one {type(given).__name__}"
        raise ValueError(f"{name} must be a list or an array of whole numbers; found {kind}")
    try:
        numbers = np.asarray(given)
    except ValueError as error:
        raise ValueError(
            f"{name} must be one list; found lists of several lengths in it"
        ) from error
    if numbers.ndim != 1:
        raise ValueError(f"{name} must be of shape (n,); found {numbers.shape}: take .ravel()")
    if len(numbers) and not np.issubdtype(numbers.dtype, np.integer):
        mend = "give each number whole"
        if numbers.dtype == bool:
            mend = "take np.flatnonzero(mask)"
        elif any(isinstance(one, str) for one in numbers.tolist()):
            mend = of_words
        raise ValueError(f"{name} must be numbers; found {shown(numbers[0])}: {mend}")
    return numbers.astype(np.int64)
