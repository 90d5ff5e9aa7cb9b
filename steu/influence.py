"""Influence-weighted unlearning: one closed-form step of the last layers and the head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from steu.encoding import EncodedNotes
from steu.layers import LayerEdit, last_layers
from steu.models import Classifier, Precision, autocast, length_batches
from steu.unlearn import frozen

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of logits and labels


def influence_edit(
    model: Classifier,
    notes: EncodedNotes,
    targets: np.ndarray,
    *,
    rows: np.ndarray,
    forget: int,
    scale: float = 1.0,
    damping: float = 0.1,
    n_layers: int = 3,
    n_fisher: int = 256,
    precision: Precision = "auto",
    seed: int = 0,
) -> tuple[LayerEdit, list[dict[str, float]]]:
    """Move the last layers and the head as if the class had been labelled 0 everywhere.

    What the paper means by influence-weighted is not known. This is the influence function of a
    changed training input (Koh and Liang 2017, arXiv 1703.04730, section 2.2): with the forget
    notes labelled y^(0), the minimiser of the training loss moves, to first order, by
    ``−(n_f / n) H⁻¹ ∇ mean_f(z_f) / C``, since ``BCE(z, 0) − BCE(z, 1) = z``. H is the diagonal
    empirical Fisher information, estimated on `n_fisher` training notes.

    Parameters
    ----------
    scale : float
        Multiple of that step; 1 is the influence function, which is made for small changes.
    damping : float
        Added to H as a multiple of its mean, so that flat directions stay bounded.

    Returns
    -------
    LayerEdit
    history
        Empty: there are no steps to tell of.
    """
    sample = np.random.default_rng(seed).choice(rows, min(n_fisher, len(rows)), replace=False)
    forget_rows = rows[targets[rows, forget] == 1]
    start = LayerEdit.identity(model, last_layers(model, n_layers))
    with frozen(model):
        own = [p.requires_grad_() for n, p in model.named_parameters() if n in start.values]

        def gradients(batch: np.ndarray, loss: Loss) -> list[torch.Tensor]:
            ids, mask = notes.batch(batch)
            device = own[0].device
            with autocast(device, precision):
                features = model.features(ids.to(device), mask.to(device))
            labels = torch.from_numpy(targets[batch]).to(device)
            return list(torch.autograd.grad(loss(model.head(features), labels), own))

        fisher = [torch.zeros_like(p) for p in own]
        for note in sample:
            found = gradients(note[None], binary_cross_entropy_with_logits)
            for f, g in zip(fisher, found, strict=True):
                f.addcmul_(g, g, value=1 / len(sample))
        pull = [torch.zeros_like(p) for p in own]
        for batch in length_batches(forget_rows, notes.lengths, 16):
            found = gradients(batch, lambda logits, _: logits[:, forget].sum())
            for p, g in zip(pull, found, strict=True):
                p.add_(g, alpha=1 / (len(rows) * targets.shape[1]))
    mean = sum(f.sum() for f in fisher) / sum(f.numel() for f in fisher)
    moved = [
        value - scale * p / (f + damping * mean)
        for value, p, f in zip(start.values.values(), pull, fisher, strict=True)
    ]
    return LayerEdit(dict(zip(start.values, moved, strict=True))), []
