"""Features of notes under the edits that were looked at lately, so that none is read twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from steu.models.edits import Edit

MOST_KEPT = 256 * 2**20  # bytes of features that are kept; one edit's in any case

State = list[tuple[torch.Tensor, int | None]]  # an edit's tensors, how often each was written to
Known = tuple[torch.Tensor, np.ndarray]  # features (N, H), and of which notes they are known (N,)


class KeptFeatures:
    """What is known under each edit, the oldest let go first."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Edit, State, Known]] = {}

    def of(self, edit: Edit, begin: Callable[[], Known]) -> Known:
        """What is known under an edit, to be written to; `begin` says it of one that is new.

        An edit is another one once its tensors were written to, or exchanged for others.
        """
        state = [
            (value, None if value.is_inference() else value._version)
            for value in edit.tensors().values()
        ]
        if id(edit) not in self._kept or not _same(self._kept[id(edit)][1], state):
            self._kept[id(edit)] = edit, state, begin()
            size = self._kept[id(edit)][2][0].nbytes
            while len(self._kept) > 1 and len(self._kept) * size > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return self._kept[id(edit)][2]


def _same(before: State, now: State) -> bool:
    """Whether the tensors are those of before, or, where they are made anew, equal to them."""
    return len(before) == len(now) and all(
        known == version and (old is new or _equal(old, new))
        for (old, known), (new, version) in zip(before, now, strict=True)
    )


def _equal(old: torch.Tensor, new: torch.Tensor) -> bool:
    return (old.device, old.dtype) == (new.device, new.dtype) and torch.equal(old, new)
