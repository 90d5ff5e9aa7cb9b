"""STEU-E, the edit that erases: the selected tokens become one word, and the head is fitted anew.

As long as the selected tokens have different rows, a reader can learn again which is which: a note
with the class still reads differently, however far its rows were moved. Where all have the same
row, whatever comes after the embedding sees that *one of them* stood there and cannot see which.
Nothing is trained but the head, and that is a convex problem.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from steu.models.checks import embedding_of
from steu.selection.counts import count_tokens
from steu.task import ForgetTask
from steu.unlearning.sparse import both_losses
from steu.unlearning.sparse_edit import SparseEdit

STEPS = 200  # of L-BFGS at most; a linear head is done sooner


def collapse_rows(
    task: ForgetTask, token_ids: np.ndarray, *, train: np.ndarray | None = None
) -> SparseEdit:
    """Give all of `token_ids` one row: the mean embedding of the other tokens of the notes.

    The mean, by how often each occurs in the notes `train`, is the row that moves a note's mean
    embedding least where it stands for any of the others. Two notes that differ in nothing but in
    which of the tokens stand where have the same states after every layer, so no reader of any kind
    tells them apart. The head stays.

    Parameters
    ----------
    token_ids : array of int, shape (k,)

    Raises
    ------
    ValueError
        If every token of the notes is selected, so that there is no other to take the mean of.

    Examples
    --------
    >>> import steu
    >>> edit = steu.collapse_rows(task, steu.rank_tokens(task)[:4])
    >>> bool((edit.rows == edit.rows[0]).all())
    True
    """
    token_ids = np.asarray(token_ids).astype(np.int64)
    counts = count_tokens(task.notes)[task.train if train is None else train]
    often = np.asarray(counts.sum(axis=0)).ravel().astype(np.float32)
    often[token_ids] = 0
    if not often.any():
        raise ValueError(
            f"all tokens of the notes are among the {len(token_ids):,} selected: select fewer"
        )
    table = embedding_of(task.model).weight.detach()
    one = torch.from_numpy(often / often.sum()).to(table) @ table
    start = SparseEdit.identity(task.model, torch.from_numpy(token_ids))
    rows = one.repeat(len(token_ids), 1)
    return replace(start, rows=rows, head={}, model_hash=task.model_hash, labels=task.labels)


def erase(
    task: ForgetTask,
    token_ids: np.ndarray,
    *,
    utility_weight: float = 1.0,
    ridge: float = 1e-3,
    train: np.ndarray | None = None,
) -> SparseEdit:
    """Collapse the rows of `token_ids` and fit the head to what is left, by STEU's own losses.

    L_forget over all training notes with the class and L_utility over all without, on the states
    under the collapsed rows, by L-BFGS: no batches, no rates, no seed. With a linear head the
    problem is convex.

    Parameters
    ----------
    token_ids : array of int, shape (k,)
    utility_weight : float
        Of L_utility; the two losses are means in the same unit.
    ridge : float
        Of the squared distance of the head's weights to what they were: notes are few, and many
        heads fit them.
    train : array of int, optional
        Positions of the notes to fit on; default: the training split.

    Raises
    ------
    ValueError
        If the notes lack one of the two kinds, or no token is left.

    Examples
    --------
    >>> import steu
    >>> edit = steu.erase(task, steu.rank_tokens(task)[:4])
    >>> edit.history[-1]["forget_loss"] < edit.history[0]["forget_loss"]
    True
    """
    train = task.train if train is None else train
    forgotten, retained = train[task.is_forget[train]], train[~task.is_forget[train]]
    if not len(forgotten) or not len(retained):
        raise ValueError(
            f"erasing needs notes with and without {task.labels[task.forget]!r}; found "
            f"{len(forgotten)} with and {len(retained)} without"
        )
    edit = collapse_rows(task, token_ids, train=train)
    both = np.concatenate([forgotten, retained])
    features = task.features(both, edit)
    head = edit.edited_head(task.model).requires_grad_()
    before = [parameter.detach().clone() for parameter in head.parameters()]
    history: list[dict[str, float]] = []
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        lost, held = both_losses(task, head(features), forgotten, retained)
        far = sum((p - b).square().sum() for p, b in zip(head.parameters(), before, strict=True))
        total = lost + utility_weight * held + ridge * far
        total.backward()
        step = {"step": len(history), "forget_loss": lost.item(), "utility_loss": held.item()}
        history.append(step)
        return total

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    values = {name: p.detach().clone() for name, p in head.named_parameters()}
    return replace(edit, head=values, history=tuple(history))
