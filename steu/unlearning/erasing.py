"""STEU-E, the edit that erases: the selected tokens become few words, and the head is fitted anew.

As long as the selected tokens have different rows, a reader can learn again which is which: a note
with the class still reads differently, however far its rows were moved. Where many have the same
row, whatever comes after the embedding sees that *one of them* stood there and cannot see which.
Nothing is trained but the head, and that is a convex problem.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy import sparse
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from steu._errors import Diverged
from steu._numbers import check_number, check_whole
from steu.models.checks import embedding_of
from steu.models.inference import extract_features, on_device
from steu.selection.counts import count_tokens
from steu.selection.scores import log_odds_scores
from steu.task import ForgetTask, about_task
from steu.unlearning.given import check_said, notes_to_train, of_both_kinds, token_ids_of
from steu.unlearning.sparse import both_losses
from steu.unlearning.sparse_edit import SparseEdit

STEPS = 200  # of L-BFGS at most; a linear head is done sooner


@about_task
def collapse_rows(
    task: ForgetTask,
    token_ids: np.ndarray,
    *,
    n_rows: int = 1,
    seed: int = 0,
    train: np.ndarray | None = None,
) -> SparseEdit:
    """Give all of `token_ids` one row, or one of a few: the mean embedding of other tokens.

    With one row it is the mean of all others, by how often each occurs in the notes `train`. With
    more, the others are grouped by what they say of the labels that stay (their log-odds with each,
    in standard deviations; k-means), and a selected token takes the mean of the group that it is
    nearest to: it is replaced by what is most like it in all but the class. Two notes that differ
    in nothing but in which of the selected tokens with one row stand where have the same states
    after every layer, so no reader of any kind tells them apart. The head stays.

    Parameters
    ----------
    token_ids : array of int, shape (k,)
    n_rows : int
        Different rows at most, m. The fewer, the less is told, of the class and of the others.

    Raises
    ------
    ValueError
        If there are fewer other tokens in the notes than rows, or a token is unknown.

    Examples
    --------
    >>> import steu
    >>> edit = steu.collapse_rows(task, steu.rank_tokens(task)[:4])
    >>> bool((edit.rows == edit.rows[0]).all())
    True
    """
    token_ids = token_ids_of(token_ids, task.notes.vocab_size)
    check_whole("n_rows", n_rows)
    check_whole("seed", seed, most=2**32 - 1)  # all that scikit-learn takes
    train = notes_to_train(task, train)
    counts = count_tokens(task.notes)[train]
    often = np.asarray(counts.sum(axis=0)).ravel().astype(np.float64)
    others = np.setdiff1d(np.flatnonzero(often), token_ids)
    if not 1 <= n_rows <= len(others):
        raise ValueError(
            f"n_rows must lie between 1 and the {len(others):,} other tokens of the notes; found "
            f"{n_rows}: select fewer tokens, or ask for fewer rows"
        )
    said = _what_is_said(task, counts, train)
    n_rows = min(n_rows, len(np.unique(said[others], axis=0)))
    means = KMeans(n_rows, n_init=4, random_state=seed)
    with threadpool_limits(1):
        group = means.fit(said[others], sample_weight=np.sqrt(often[others])).labels_
        nearest = means.predict(said[token_ids]) if len(token_ids) else token_ids
    table = embedding_of(task.model).weight.detach()
    share = np.zeros((n_rows, len(often)), dtype=np.float32)
    share[group, others] = often[others] / np.bincount(group, often[others], n_rows)[group]
    rows = torch.from_numpy(share).to(table) @ table[: share.shape[1]]  # (m, H); rows may be left
    start = SparseEdit.identity(task.model, torch.from_numpy(token_ids))
    return replace(start, rows=rows[nearest], head={}, origin=task.origin)


def _what_is_said(task: ForgetTask, counts: sparse.csr_matrix, train: np.ndarray) -> np.ndarray:
    """Log-odds of every token with each label that stays, in standard deviations, (V, ≤ C − 1).

    A label that all of the notes have, or none, says nothing of any token.
    """
    truth = task.targets[train] == 1
    tells = truth.any(axis=0) & ~truth.all(axis=0)
    said = [log_odds_scores(counts, truth[:, c]) for c in task.retained if tells[c]]
    if not said:
        return np.zeros((counts.shape[1], 1))
    return np.nan_to_num(np.stack(said, axis=1), posinf=0.0, neginf=0.0)


def _states(task: ForgetTask, index: np.ndarray, edit: SparseEdit) -> torch.Tensor:
    """What the head reads of these notes under the edit, (n, H), with no others in memory."""
    states = task.teacher.features[on_device(index, task.teacher.features.device)]
    touched = np.flatnonzero(edit.touched(task.notes)[index])
    if len(touched):
        with edit.attached(task.model):
            found = extract_features(
                task.model, task.notes, index[touched], precision=task.precision
            )
        states[on_device(touched, states.device)] = found
    return states


@about_task
def erase(
    task: ForgetTask,
    token_ids: np.ndarray,
    *,
    n_rows: int = 8,
    utility_weight: float = 1.0,
    ridge: float = 1e-3,
    seed: int = 0,
    train: np.ndarray | None = None,
) -> SparseEdit:
    """Collapse the rows of `token_ids` and fit the head to what is left, by losses like STEU's.

    L_forget over all training notes with the class and L_utility over all without, on the states
    under the collapsed rows, by L-BFGS: no batches and no rates. With a linear head the problem is
    convex. Labels that stay are held to the original's answers on notes with the class too, so that
    they are said as often as before.

    Parameters
    ----------
    token_ids : array of int, shape (k,)
        Words that speak against the class tell it too; see the selector "two_sided".
    n_rows, seed
        See `collapse_rows`.
    utility_weight : float
        Of L_utility; the two losses are means in the same unit.
    ridge : float
        Of the squared distance of the head's numbers to what they were: notes are few, and many
        heads fit them.
    train : array of int, optional
        Positions of the notes to fit on; default: the training split.

    Raises
    ------
    ValueError
        If the notes lack one of the two kinds, no token is left, or the model never says one of
        its labels.

    Examples
    --------
    >>> import steu
    >>> edit = steu.erase(task, steu.rank_tokens(task, "two_sided")[:4], n_rows=2)
    >>> edit.history[-1]["forget_loss"] < edit.history[0]["forget_loss"]
    True
    """
    check_number("utility_weight", utility_weight)
    check_number("ridge", ridge)
    check_said(task)
    train = notes_to_train(task, train)
    forgotten, retained = of_both_kinds(task, train)
    edit = collapse_rows(task, token_ids, n_rows=n_rows, seed=seed, train=train)
    both = np.concatenate([forgotten, retained])
    features = _states(task, both, edit)
    head = edit.edited_head(task.model).requires_grad_()
    before = [parameter.detach().clone() for parameter in head.parameters()]
    history: list[dict[str, float]] = []
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        lost, held = both_losses(task, head(features), forgotten, retained, others="answers")
        far = sum((p - b).square().sum() for p, b in zip(head.parameters(), before, strict=True))
        total = lost + utility_weight * held + ridge * far
        total.backward()
        step = {"step": len(history), "forget_loss": lost.item(), "utility_loss": held.item()}
        history.append(step)
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    if not np.isfinite(history[-1]["forget_loss"] + history[-1]["utility_loss"]):
        raise Diverged("fitting the head diverged: has the original finite weights and answers?")
    values = {name: p.detach().clone() for name, p in head.named_parameters()}
    return replace(edit, head=values, history=tuple(history))
