"""Where a class can be looked for: after every layer, at the head, in the other answers."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch

from steu.models.hidden_states import HEAD, hidden_states
from steu.task import Edit, ForgetTask, about_task

OTHERS = "answers about the others"

Places = dict[str, np.ndarray]  # by name, of all notes (N, H)


@about_task
@torch.no_grad()
def places(task: ForgetTask, edit: Edit | None = None) -> Places:
    """What a reader could look at under the edit, by place, for every note, (N, H) each.

    The states after every layer, what the head reads, and the logits of the labels that stay: a
    class may be silent and still stand in how its neighbours answer. All models have all places, so
    that what an edit took at the head alone is seen at the layer below it.
    """
    task.check_unchanged()
    head = task.head(edit)
    with nullcontext() if edit is None else edit.attached(task.model):
        everyone = np.arange(len(task.notes))
        found = hidden_states(task.model, task.notes, everyone, precision=task.precision)
    for place in [name for name in found if name != HEAD]:
        if np.allclose(found[place], found[HEAD], rtol=1e-4, atol=1e-5):
            found[place] = found[HEAD]  # as where the head reads the mean: one array, read once
    features = torch.from_numpy(found[HEAD]).to(task.model.device)
    if edit is not None:
        task.remember(edit, features)  # whoever asks for them next need not read the notes again
    found[OTHERS] = head(features).cpu().numpy()[:, task.retained]
    return found
