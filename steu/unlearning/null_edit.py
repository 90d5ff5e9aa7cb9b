"""The null edit: the class never again predicted, and nothing unlearned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from steu.models.heads import head_of, output_bias
from steu.task import ForgetTask, about_task
from steu.unlearning.sparse_edit import SparseEdit


@about_task
def null_edit(task: ForgetTask) -> SparseEdit:
    """One parameter: the class's output bias becomes −∞, everything else stays bit for bit.

    With independent sigmoids every other output stays as it was; under a softmax the others share
    what the class had.

    Raises
    ------
    ValueError
        If the head has no bias.

    Examples
    --------
    >>> import steu
    >>> steu.null_edit(task).parameters_changed(task.model)
    1
    """
    none = torch.empty(0, dtype=torch.int64)
    task.check_unchanged()
    identity = SparseEdit.identity(task.model, none)
    name = output_bias(head_of(task.model))
    bias = identity.head[name].clone()
    bias[task.forget] = -torch.inf
    return replace(identity, head={name: bias}, origin=task.origin)


def null_logits(logits: np.ndarray, forget: int) -> np.ndarray:
    """Logits (N, C) under the null edit, as the limit of an ever lower bias.

    A bias never changes the ranking of notes, so AUROC is that of the original model for every
    finite value and therefore in the limit; at −∞ itself all notes tie. In float64, so that the
    shift rounds no two float32 logits together.
    """
    shifted = logits.astype(np.float64)
    shifted[:, forget] -= 1e6
    return shifted
