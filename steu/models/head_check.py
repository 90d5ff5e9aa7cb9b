"""Whether a model's answers are what its head makes of each note, whatever padding it has."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedModel

from steu.data.encoding import EncodedNotes
from steu.models.hardware import without_autocast
from steu.models.heads import head_name, head_of
from steu.models.inference import features_and_logits, frozen

# What padding may change of features: a tenth of their size, or half of what differs between notes.
# Another pooling changes more; what some encoders let through at a note's end is less.
BY_PADDING, OF_SPREAD = 0.1, 0.5
NOTES = 4  # those with most padding; one by one, as a model may round by batch


@torch.no_grad()
@without_autocast()
def check_head(model: PreTrainedModel, notes: EncodedNotes) -> None:
    """Refuse a model whose answer to a note is not what its head makes of what it takes.

    And one that answers otherwise where a note has padding behind it, as most have in a batch.

    Raises
    ------
    ValueError
        If the head takes no features of shape (B, H), something scales or shifts its output, or
        padding on the right changes what it takes.
    """
    padding = notes.padded(np.arange(len(notes))) - notes.lengths
    padded, alone = [], []
    with frozen(model):
        for i in np.argsort(-padding, kind="stable")[:NOTES]:
            ids, mask = (given.to(model.device) for given in notes.batch([i]))
            features, answer = features_and_logits(model, ids, mask)
            _check_logits(model, head_of(model)(features), answer)
            own = slice(int(notes.lengths[i]))
            padded.append(features)
            alone.append(features_and_logits(model, ids[:, own], mask[:, own])[0])
    _check_padding(model, torch.cat(padded), torch.cat(alone))


def _check_logits(model: PreTrainedModel, made: torch.Tensor, answer: torch.Tensor) -> None:
    if made.shape != answer.shape or not torch.allclose(made, answer, rtol=1e-3, atol=1e-4):
        raise ValueError(
            f"{head_name(model)} of {type(model).__name__} does not give the model's logits; merge "
            "an adapter into it (merge_and_unload), or let the last linear layer be the output"
        )


def _check_padding(model: PreTrainedModel, padded: torch.Tensor, alone: torch.Tensor) -> None:
    """Compare features (n, H) of notes with padding and without."""
    spread = (alone - alone.mean(dim=0)).norm()
    if (padded - alone).norm() > max(BY_PADDING * alone.norm(), OF_SPREAD * spread):
        raise ValueError(
            f"{type(model).__name__} answers otherwise if a note is padded behind: it reads the "
            "last token, or all without a mask, and cannot be read in batches; choose a text "
            "encoder of the BERT family"
        )
