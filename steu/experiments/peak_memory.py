"""How much memory a method needs at its peak, counted tensor by tensor."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from steu.task import Edit, ForgetTask
from steu.unlearning.loop import LoopConfig


def step_bytes(task: ForgetTask, method: Callable[..., Edit], *given: Any, **settings: Any) -> int:
    """Peak of memory of one step of a method on the longest notes, beside model, notes and teacher.

    The longest of those that the method can touch: of rows, notes that hold one of the tokens. The
    method is run once more for this, for one step: counting slows it down, so it is no part of
    what is timed. For a method without steps it is the whole move, made with these notes.

    Parameters
    ----------
    method, given, settings
        ``method(task, *given, **settings, train=…)``; a ``config`` among the settings says how
        many notes a step has.
    """
    config = settings.get("config") or LoopConfig()
    once = {"config": replace(config, epochs=1)} if "config" in settings else {}
    tokens = next((one for one in given if isinstance(one, np.ndarray)), None)
    longest = _longest(task, config.batch_size, tokens)
    task.teacher, task.origin  # noqa: B018  known before the count begins
    return peak_bytes(lambda: method(task, *given, **(settings | once), train=longest))


def _longest(task: ForgetTask, size: int, tokens: np.ndarray | None) -> np.ndarray:
    """The `size` longest training notes with the class and as many without it.

    Those with one of the tokens, if there are any, come first.
    """
    known = tokens is not None and len(tokens)
    holds = task.notes.contains_any(tokens)[task.train] if known else np.zeros(len(task.train))
    ordered = task.train[np.lexsort((-task.notes.lengths[task.train], -holds.astype(int)))]
    with_class = task.is_forget[ordered]
    return np.concatenate([ordered[with_class][:size], ordered[~with_class][:size]])


def peak_bytes(run: Callable[[], Any]) -> int:
    """Most bytes of new tensors that are alive at once while `run` runs, on any device.

    What a kernel uses inside itself is not seen, nor is what was there before. The resident size of
    the process would be: it depends on what the allocator kept from earlier work, and so on the
    order in which methods are compared; this number does not.
    """
    with _Live() as live:
        run()
    return live.peak


class _Live(TorchDispatchMode):
    """Counts storages when an operation first returns them and when the last tensor lets go."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(storage) for storage in _storages((args, kwargs))}
        out = func(*args, **(kwargs or {}))
        for storage in _storages(out):
            if id(storage) not in given and storage not in self._known:
                self._add(storage)
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self._known.add(storage)
        weakref.finalize(storage, self._subtract, size)
        self.now += size
        self.peak = max(self.peak, self.now)

    def _subtract(self, size: int) -> None:
        self.now -= size


def _storages(values: Any) -> list[torch.UntypedStorage]:
    tensors = (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))
    return [tensor.untyped_storage() for tensor in tensors]
