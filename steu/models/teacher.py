"""What the original model says, read once: edits are held against it."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedModel

from steu.data.encoding import EncodedNotes
from steu.models.hardware import Precision, without_autocast
from steu.models.heads import copy_of_head
from steu.models.inference import extract_features


class Teacher:
    """What a model says of every note.

    Attributes
    ----------
    features : tensor of shape (N, H)
    logits : tensor of shape (N, C)
    """

    def __init__(self, features: torch.Tensor, logits: torch.Tensor) -> None:
        self.features, self.logits = features, logits

    @classmethod
    @torch.inference_mode(False)  # or an edit could not be trained beside what it holds
    @torch.no_grad()
    @without_autocast()
    def of(
        cls, model: PreTrainedModel, notes: EncodedNotes, *, precision: Precision = "auto"
    ) -> Teacher:
        """Read all notes once."""
        everyone = np.arange(len(notes))
        features = extract_features(model, notes, everyone, precision=precision).clone()
        return cls(features, copy_of_head(model)(features))
