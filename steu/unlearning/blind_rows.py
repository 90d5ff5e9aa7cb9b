"""Blind rows: the selected tokens read as others that say nothing of the class. Nothing is trained.

What the null edit is to a forget F1, this is to erasure: the yardstick that costs nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from steu._numbers import check_whole
from steu.selection.counts import count_tokens
from steu.task import ForgetTask, about_task
from steu.unlearning.given import of_both_kinds, token_ids_of
from steu.unlearning.sparse_edit import SparseEdit

RARE = 5  # occurrences in training notes below which a token is not eligible for selection either


@about_task
def blind_rows(task: ForgetTask, token_ids: np.ndarray, *, seed: int = 0) -> SparseEdit:
    """Put into the rows of `token_ids` those of tokens whose PMI with the class is nearest to 0.

    As many other tokens as are selected, of those that occur in training notes with the class, are
    dealt out at random; rare ones, whose PMI is chance, only where there are no others. In place of
    the selected words the encoder then reads words of which a note with the class holds no more
    than any other. The head stays.

    Parameters
    ----------
    token_ids : array of int, shape (k,)

    Raises
    ------
    ValueError
        If there are fewer other tokens than are selected, or a token is unknown.

    Examples
    --------
    >>> import steu
    >>> chosen = steu.rank_tokens(task)[:2]
    >>> blind = steu.blind_rows(task, chosen)
    >>> bool((blind.rows == task.model.get_input_embeddings().weight[chosen]).any())
    False
    """
    task.check_unchanged()
    token_ids = token_ids_of(token_ids, task.notes.vocab_size)
    check_whole("seed", seed)
    forget, _ = of_both_kinds(task, task.train)
    counts = count_tokens(task.notes)
    n_forget, n = (np.asarray(counts[i].sum(axis=0)).ravel() for i in (forget, task.train))
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.abs(np.log2(n_forget / n_forget.sum()) - np.log2(n / n.sum()))  # |PMI|, bits
    usable = n_forget > 0
    usable[token_ids] = False
    others = np.flatnonzero(usable)
    if len(others) < len(token_ids):
        raise ValueError(
            f"blind rows need as many other tokens as are selected; found {len(others):,} beside "
            f"{len(token_ids):,}: select fewer"
        )
    nearest = others[np.lexsort((far[others], n[others] < RARE))[: len(token_ids)]]
    dealt = np.random.default_rng(seed).permutation(nearest)
    start = SparseEdit.identity(task.model, torch.from_numpy(token_ids))
    rows = SparseEdit.identity(task.model, torch.from_numpy(dealt)).rows
    return replace(start, rows=rows, head={}, origin=task.origin)
