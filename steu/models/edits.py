"""What every edit can do, sparse or dense."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from steu.data.encoding import EncodedNotes


class Edit(Protocol):
    """What changes a classifier: rows of its embedding, or whole layers, and its head."""

    @property
    def bytes_stored(self) -> int:
        """Bytes that it takes on disk."""

    def touched(self, notes: EncodedNotes) -> np.ndarray:
        """Notes whose features it can change, (N,) bool."""

    def attached(self, model: PreTrainedModel) -> AbstractContextManager[PreTrainedModel]:
        """The model as if edited, for the length of a `with` block."""

    def edited_head(self, model: PreTrainedModel) -> nn.Module:
        """The model's head with the edit's values."""

    def parameters_changed(self, model: PreTrainedModel) -> int:
        """Number of scalars of the model that it gives another value."""
