"""Matched rows: the selected embeddings moved along the class's direction, in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from steu.models.checks import embedding_of
from steu.selection.counts import count_tokens
from steu.task import ForgetTask, about_task
from steu.unlearning.given import notes_to_train, of_both_kinds, token_ids_of
from steu.unlearning.sparse_edit import SparseEdit


@about_task
def matched_rows(
    task: ForgetTask,
    token_ids: np.ndarray,
    *,
    scale: float = 1.0,
    train: np.ndarray | None = None,
) -> SparseEdit:
    """Move the rows of `token_ids` so that words with and without the class look alike on average.

    As EMBER does (arXiv 2606.03695), a concept's direction is subtracted from the embeddings of its
    tokens, e − δ c; there the direction is found by matrix factorisation, here it is what the
    classes differ by. With p_t⁺ and p_t⁻ the mean share of token t in notes with and without the
    class, c = Σ_t (p_t⁺ − p_t⁻) e_t is by how much the words of the two differ on average, and

        δ_t = scale · (p_t⁺ − p_t⁻) / Σ_{s selected} (p_s⁺ − p_s⁻)²

    is the smallest change of the rows that makes it 0 at scale 1. Nothing is trained; the head
    stays.

    Parameters
    ----------
    token_ids : array of int, shape (k,)
    scale : float
        Share of that change.
    train : array of int, optional
        Positions of the notes to learn from; default: the training split.

    Raises
    ------
    ValueError
        If no selected token is more frequent on one side, so that none can make up for it.

    Examples
    --------
    >>> import steu
    >>> from steu.unlearning.matched_rows import matched_rows
    >>> edit = matched_rows(task, steu.rank_tokens(task)[:4])
    >>> edit.rows.shape
    torch.Size([4, 32])
    """
    token_ids = token_ids_of(token_ids, task.notes.vocab_size)
    share = share_difference(task, notes_to_train(task, train))
    own = SparseEdit.identity(task.model, torch.from_numpy(token_ids))
    here = torch.from_numpy(share[token_ids]).to(own.rows)
    if not here.square().sum() > 0:
        raise ValueError(
            "the selected tokens are as frequent with the class as without it: no change of their "
            "rows can make up for the difference; select others"
        )
    table = embedding_of(task.model).weight.detach()
    known = table[: len(share)]  # a table may have more rows than the tokenizer has tokens
    c = torch.from_numpy(share).to(table) @ known  # (H,)
    step = scale * here / here.square().sum()  # (k,)
    rows = own.rows - step[:, None] * c
    return replace(own, rows=rows, head={}, origin=task.origin)


def share_difference(task: ForgetTask, train: np.ndarray) -> np.ndarray:
    """Mean share of each token in notes with the class minus that in notes without, (V,) float64.

    A share is of all tokens of a note. Special ones have none: they are no words, and no edit here
    moves them. (Theirs is the larger the shorter the note, so mean embeddings may still differ.)
    """
    shares = count_tokens(task.notes).multiply(1 / task.notes.lengths[:, None]).tocsr()
    kinds = of_both_kinds(task, train)
    with_class, without = (np.asarray(shares[kind].mean(axis=0)).ravel() for kind in kinds)
    return with_class - without
