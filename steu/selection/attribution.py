"""How much each token adds to a model's answer: gradient × embedding and integrated gradients.

Our own and not Captum's, with which a test finds them equal: they go in groups of similar length,
and Captum would bring a plotting library into the core.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from steu._numbers import check_whole
from steu.data.encoding import EncodedNotes
from steu.models.heads import head_of
from steu.models.inference import (
    check_gradients,
    fast_attention,
    features_from_ids,
    frozen,
    hides_any,
    length_batches,
    on_device,
)
from steu.task import ForgetTask


def gradient_scores(
    task: ForgetTask, index: np.ndarray, *, n_notes: int | None = None, seed: int = 0
) -> np.ndarray:
    """Gradient × embedding of the class's logit by token, a note's mean, in nats (logit units).

    Parameters
    ----------
    index : array of int
        Positions of training notes that carry the class.
    n_notes : int, optional
        At most so many of the notes, drawn by `seed`; each costs a forward and a backward pass.

    Returns
    -------
    array of shape (V,), float64
        Summed over a token's positions, averaged over notes; 0 for a token not in them.

    Raises
    ------
    ValueError
        If `index` is empty or `n_notes` is not positive.
    """
    index = _subset(index, n_notes, seed)
    return _by_token(task.notes, index, attributions(task, index))


def integrated_gradient_scores(
    task: ForgetTask,
    index: np.ndarray,
    *,
    n_steps: int = 8,
    n_notes: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Integrated gradients of the class's logit by token, a note's mean, in nats (logit units).

    Sundararajan, Taly and Yan 2017 (arXiv 1703.01365). The path is straight and starts at word
    embeddings of 0, so that `gradient_scores` is the same with the end of the path alone; the
    integral is a sum over the midpoints of `n_steps` pieces. Position embeddings stay: the start
    is a note of the same length without words. See `gradient_scores` for the rest.
    """
    index = _subset(index, n_notes, seed)
    points = midpoints(n_steps)
    return _by_token(task.notes, index, attributions(task, index, points=points))


def midpoints(n_steps: int) -> np.ndarray:
    """Middles of `n_steps` equal pieces of the path from 0 to 1, shape (n_steps,)."""
    check_whole("n_steps", n_steps, least=1)
    return (np.arange(n_steps) + 0.5) / n_steps


def attributions(
    task: ForgetTask,
    index: np.ndarray,
    *,
    points: Sequence[float] | np.ndarray = (1.0,),
    batch_size: int = 16,
) -> list[np.ndarray]:
    """What every position of a note adds to its logit z of the class, in nats.

    The word embedding e of a position gets e · mean over `points` t of the gradient of z where
    all word embeddings of the note are multiplied by t. With `midpoints` the sum over a note
    approaches z(note) − z(embeddings of 0), which is called completeness. Always in float32: the
    pieces are small differences, and few notes are needed. The model is left as it was.

    Returns
    -------
    list of arrays of shape (T,), float64
        One a note in the given order, aligned with the note's ids, special tokens included.
    """
    model, notes = task.model, task.notes
    found: list[np.ndarray] = [np.empty(0)] * len(index)
    check_gradients()
    with frozen(model):
        for batch in length_batches(np.arange(len(index)), notes.lengths[index], batch_size):
            ids, mask = notes.batch(index[batch])
            padded = hides_any(mask)
            ids, mask = on_device(ids, model.device), on_device(mask, model.device)
            embedded = model.get_input_embeddings()(ids)  # (B, T, H)
            slopes = torch.zeros_like(embedded)
            for point in points:
                slopes += _slope(task, ids, mask, float(point) * embedded, padded=padded)
            shares = (embedded * slopes).sum(dim=-1) / len(points)  # (B, T)
            for position, share in zip(batch, shares.double().cpu().numpy(), strict=True):
                found[position] = share[: notes.lengths[index[position]]]
    return found


def _slope(
    task: ForgetTask,
    ids: torch.Tensor,
    mask: torch.Tensor,
    embedded: torch.Tensor,
    *,
    padded: bool,
) -> torch.Tensor:
    """Gradient of the notes' logits of the class at the given word embeddings, (B, T, H)."""
    model, leaf = task.model, embedded.detach().requires_grad_()
    handle = model.get_input_embeddings().register_forward_hook(lambda *_: leaf)
    try:
        with fast_attention(model, ids):
            features = features_from_ids(model, ids, mask, padded=padded)
    finally:
        handle.remove()
    logits = head_of(model)(features)[:, task.forget]  # (B,)
    return torch.autograd.grad(logits.sum(), leaf)[0]


def _subset(index: np.ndarray, n_notes: int | None, seed: int) -> np.ndarray:
    if not len(index):
        raise ValueError("no training note carries the class to forget: choose another label")
    if n_notes is not None:
        check_whole("n_notes", n_notes, least=1)
    if n_notes is None or n_notes >= len(index):
        return index
    return np.sort(np.random.default_rng(seed).choice(index, n_notes, replace=False))


def _by_token(notes: EncodedNotes, index: np.ndarray, shares: list[np.ndarray]) -> np.ndarray:
    """Mean over notes of the sum over a token's positions, (V,)."""
    ids = np.concatenate([notes[i] for i in index])
    weights = np.concatenate(shares)
    return np.bincount(ids, weights=weights, minlength=notes.vocab_size) / len(index)
