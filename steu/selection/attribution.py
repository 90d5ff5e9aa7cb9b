"""How much each token adds to a model's answer: gradient × embedding and integrated gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from steu.data.encoding import EncodedNotes
from steu.models.inference import choose_attention, hides_any, length_batches, on_device
from steu.models.loading import Classifier
from steu.unlearning.training import frozen


def gradient_scores(
    model: Classifier,
    notes: EncodedNotes,
    rows: np.ndarray,
    *,
    label: int,
    n_notes: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Gradient × embedding of the class's logit by token, a note's mean, in nats (logit units).

    Parameters
    ----------
    rows : array of int
        Training notes that carry the class.
    label : int
        Position of the class among the outputs.
    n_notes : int, optional
        At most so many of the notes, drawn by `seed`; each costs a forward and a backward pass.

    Returns
    -------
    array of shape (V,), float64
        Summed over a token's positions, averaged over notes; 0 for a token not in them.

    Raises
    ------
    ValueError
        If there are no `rows` or `n_notes` is not positive.
    """
    rows = _subset(rows, n_notes, seed)
    return _by_token(notes, rows, attributions(model, notes, rows, label=label))


def integrated_gradient_scores(
    model: Classifier,
    notes: EncodedNotes,
    rows: np.ndarray,
    *,
    label: int,
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
    rows = _subset(rows, n_notes, seed)
    points = midpoints(n_steps)
    return _by_token(notes, rows, attributions(model, notes, rows, label=label, points=points))


def midpoints(n_steps: int) -> np.ndarray:
    """Middles of `n_steps` equal pieces of the path from 0 to 1, shape (n_steps,)."""
    if n_steps < 1:
        raise ValueError(f"n_steps must be at least 1; found {n_steps}")
    return (np.arange(n_steps) + 0.5) / n_steps


def attributions(
    model: Classifier,
    notes: EncodedNotes,
    rows: np.ndarray,
    *,
    label: int,
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
        One a row in the given order, aligned with the note's ids, special tokens included.
    """
    device = next(model.parameters()).device
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    with frozen(model):
        for batch in length_batches(np.arange(len(rows)), notes.lengths[rows], batch_size):
            ids, mask = notes.batch(rows[batch])
            padded = hides_any(mask)
            ids, mask = on_device(ids, device), on_device(mask, device)
            embedded = model.get_input_embeddings()(ids)  # (B, T, H)
            slopes = torch.zeros_like(embedded)
            for point in points:
                slopes += _slope(model, ids, mask, float(point) * embedded, label, padded=padded)
            shares = (embedded * slopes).sum(dim=-1) / len(points)  # (B, T)
            for position, share in zip(batch, shares.double().cpu().numpy(), strict=True):
                found[position] = share[: notes.lengths[rows[position]]]
    return found


def _slope(
    model: Classifier,
    ids: torch.Tensor,
    mask: torch.Tensor,
    embedded: torch.Tensor,
    label: int,
    *,
    padded: bool,
) -> torch.Tensor:
    """Gradient of the notes' logits of the class at the given word embeddings, (B, T, H)."""
    leaf = embedded.detach().requires_grad_()
    handle = model.get_input_embeddings().register_forward_hook(lambda *_: leaf)
    choose_attention(model, ids)
    try:
        logits = model.head(model.features(ids, mask, padded=padded))[:, label]  # (B,)
    finally:
        handle.remove()
    return torch.autograd.grad(logits.sum(), leaf)[0]


def _subset(rows: np.ndarray, n_notes: int | None, seed: int) -> np.ndarray:
    if not len(rows):
        raise ValueError("no training note carries the class to forget: choose another label")
    if n_notes is not None and n_notes < 1:
        raise ValueError(f"n_notes must be at least 1; found {n_notes}")
    if n_notes is None or n_notes >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, n_notes, replace=False))


def _by_token(notes: EncodedNotes, rows: np.ndarray, shares: list[np.ndarray]) -> np.ndarray:
    """Mean over notes of the sum over a token's positions, (V,)."""
    ids = np.concatenate([notes.ids[notes.offsets[row] : notes.offsets[row + 1]] for row in rows])
    weights = np.concatenate(shares)
    return np.bincount(ids, weights=weights, minlength=notes.vocab_size) / len(rows)
