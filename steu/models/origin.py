"""The classifier that an edit was made for, by which it is known again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steu.models.checks import check_model
from steu.models.outputs import labels_of
from steu.models.weights import check_tokenizer, tokenizer_hash, weights_hash


@dataclass(frozen=True)
class Origin:
    """What an edit says of where it belongs.

    Attributes
    ----------
    model : str
        SHA-256 of the model's weights.
    tokenizer : str, optional
        SHA-256 of how its tokenizer cuts text, as far as it is known.
    labels : tuple of str
        Names of its outputs, in their order, as far as they are known.
    """

    model: str
    tokenizer: str | None = None
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None) -> Origin:
        """What is to be said of a classifier."""
        check_model(model)
        own = None if tokenizer is None else tokenizer_hash(tokenizer)
        return cls(weights_hash(model), own, labels_of(model))

    def check(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, *, name: str
    ) -> None:
        """Refuse another classifier; `name` is the edit's.

        Raises
        ------
        ValueError
            If the weights are others, the outputs stand in another order, or the tokenizer, where
            one is given, cuts text otherwise.
        """
        check_model(model)
        if self.model != (found := weights_hash(model)):
            mend = "load the classifier it was made for, without any edit merged since"
            if model.dtype != torch.float32:
                mend = f"this one is in {model.dtype}; call model.float() first, or {mend}"
            raise ValueError(
                f"{name} belongs to the model {self.model[:12]}…; this one is {found[:12]}…: {mend}"
            )
        self.check_outputs(labels_of(model), name=name)
        if tokenizer is not None:
            check_tokenizer(self.tokenizer, tokenizer)

    def check_outputs(self, labels: Sequence[str], *, name: str) -> None:
        """Refuse outputs in another order, of which no weight tells; `name` is the edit's.

        Raises
        ------
        ValueError
            If a label stands elsewhere than among the edit's; other names may have been given.
        """
        shared = set(self.labels) & set(labels)
        if any(self.labels.index(label) != labels.index(label) for label in shared):
            raise ValueError(
                f"{name}: the edit's outputs are {', '.join(self.labels)}; this model's are "
                f"{', '.join(labels)}: take it to the model it was trained for"
            )
