"""The original head on the edited states, and original rows one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from steu.evaluation.metrics import auroc
from steu.models.checks import embedding_of
from steu.models.hardware import without_autocast
from steu.models.heads import copy_of_head, head_of
from steu.models.inference import check_gradients, features_of, frozen, length_batches
from steu.models.outputs import log_odds
from steu.task import Edit, ForgetTask, about_task
from steu.unlearning.given import check_sigmoids
from steu.unlearning.sparse_edit import SparseEdit, replaced_rows


@about_task
@torch.no_grad()
def with_original_head(
    task: ForgetTask,
    edit: Edit | None,
    index: np.ndarray,
    *,
    original: PreTrainedModel | None = None,
) -> np.ndarray:
    """Log-odds (n, C) of the notes at `index` by the original head on the states under the edit.

    An edit that only taught the head to be silent is undone by this and costs nobody a training.
    `original` is the model whose head it is, where the task has another, as a reference has.
    """
    head = copy_of_head(task.model if original is None else original)
    logits = head(task.features(index, edit))
    return log_odds(logits.cpu().numpy(), task.outputs)


@about_task
def head_put_back(
    task: ForgetTask, edit: Edit | None = None, *, original: PreTrainedModel | None = None
) -> np.ndarray:
    """AUROC of the class on the test notes by the original head; the estimate, then resamples.

    Below ½ on the validation notes it counts as its mirror image: whoever sees that turns the sign.
    """
    back = partial(with_original_head, original=original)
    return _auroc(task, *_said(task, back, edit))


@about_task
def head_at_hand(
    task: ForgetTask, edit: Edit | None = None, *, original: PreTrainedModel | None = None
) -> np.ndarray:
    """The same by the model's own answer or by the original head, whichever does better.

    Which one, and which way round, is decided on validation notes. It takes no training and no
    other data: this is what anybody has who has the model, a null edit's included. References are
    asked both ways too: `original` is the model that was to forget.
    """

    def own(task: ForgetTask, edit: Edit | None, index: np.ndarray) -> np.ndarray:
        return task.log_odds(index, edit)

    back = partial(with_original_head, original=original)
    answers = [_said(task, way, edit) for way in (own, back)]
    return _auroc(task, *max(answers, key=lambda found: abs(_seen(task, found[0]) - 0.5)))


Way = Callable[[ForgetTask, Edit | None, np.ndarray], np.ndarray]


def _said(task: ForgetTask, way: Way, edit: Edit | None) -> tuple[np.ndarray, np.ndarray]:
    """The class's log-odds of the validation and of the test notes."""
    first, second = (way(task, edit, index) for index in (task.validation, task.test))
    return first[:, task.forget], second[:, task.forget]


def _seen(task: ForgetTask, validation: np.ndarray) -> float:
    truth, once = task.is_forget[task.validation], task.weights("validation")[:1]
    return float(auroc(truth, validation, once)[0])


def _auroc(task: ForgetTask, validation: np.ndarray, test: np.ndarray) -> np.ndarray:
    sign = -1 if _seen(task, validation) < 0.5 else 1
    return auroc(task.is_forget[task.test], sign * test, task.weights())


@without_autocast()
def rows_put_back(task: ForgetTask, edit: SparseEdit, *, most: int = 10) -> pd.DataFrame:
    """Which edited rows hold the class down: what its logit gains if one row is the original again.

    All rows are judged to first order, by the gradient of the class's logit under the original head
    times what the row would move; the `most` that gain most are then put back one by one.

    Returns
    -------
    DataFrame
        token_id, token, notes (with the class and the token, test) and patients whose they are,
        estimated and measured gain in nats of the mean logit over the test notes with the class.

    Raises
    ------
    ValueError
        If the outputs are no sigmoids: a softmax's gain is not its logit's alone.
    """
    check_sigmoids(task, "putting rows back")
    check_gradients()
    with_class = task.test[task.is_forget[task.test]]
    table = embedding_of(task.model)
    original = SparseEdit.identity(task.model, edit.token_ids).rows
    rows = edit.rows.to(original).clone().requires_grad_()
    pull = torch.zeros_like(rows)
    with frozen(task.model), replaced_rows(table, edit.token_ids, rows):
        for batch in length_batches(with_class, task.notes.lengths, 16):
            features = features_of(task.model, task.notes, batch, precision="fp32")
            logit = head_of(task.model)(features)[:, task.forget].sum() / len(with_class)
            if logit.requires_grad:  # not where the batch holds none of the tokens
                pull += torch.autograd.grad(logit, rows)[0]
    estimated = (pull * (original - rows.detach())).sum(dim=1).cpu().numpy()
    best = np.argsort(-estimated, kind="stable")[:most]
    ids = edit.token_ids.cpu().numpy()[best]
    gains, notes, patients = [], [], []
    for place in best:
        back = edit.rows.clone()
        back[place] = original[place]
        one = SparseEdit(edit.token_ids, back, edit.head)
        holding = task.notes.contains_any(edit.token_ids[[place]].cpu().numpy())[with_class]
        after = with_original_head(task, one, with_class[holding])[:, task.forget].sum()
        was = with_original_head(task, edit, with_class[holding])[:, task.forget].sum()
        gains.append((after - was) / len(with_class))
        notes.append(int(holding.sum()))
        patients.append(len(np.unique(task.groups[with_class[holding]])))
    return pd.DataFrame(
        {
            "token_id": ids,
            "token": task.tokenizer.convert_ids_to_tokens(ids.tolist()),
            "notes": notes,
            "patients": patients,
            "estimated": estimated[best],
            "measured": gains,
        }
    )
