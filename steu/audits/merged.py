"""The edited classifier as a model of its own: to be rounded, trained further, or exported."""

from __future__ import annotations

import copy

from transformers import PreTrainedModel

from steu.models.heads import replaced_head
from steu.task import Edit, ForgetTask
from steu.unlearning.dense_edit import LayerEdit
from steu.unlearning.low_rank_edit import LowRankEdit
from steu.unlearning.sparse_edit import SparseEdit


def merged_model(task: ForgetTask, edit: Edit | None = None) -> PreTrainedModel:
    """A copy of the classifier into which the edit is written; it answers as that does.

    Raises
    ------
    ValueError
        If the edit is no set of values that the model's own parameters can take.
    """
    if edit is None:
        return copy.deepcopy(task.model)
    if isinstance(edit, LowRankEdit):
        edit = edit.merged(task.model)
    if not isinstance(edit, (SparseEdit, LayerEdit)):
        raise ValueError(
            f"{type(edit).__name__} stands beside the model's parameters and cannot be merged"
        )
    if isinstance(edit, SparseEdit):  # a copy of its hook would stay
        model = copy.deepcopy(task.model)
        edit.merge(model)
        return model
    with edit.attached(task.model), replaced_head(task.model, edit.edited_head(task.model)):
        return copy.deepcopy(task.model)


def with_model(task: ForgetTask, model: PreTrainedModel) -> ForgetTask:
    """The same task about another model, at the thresholds of the first."""
    other = task.about(model)
    other.thresholds = task.thresholds
    vars(other).pop("kept", None)  # answers are kept by weights; a hook that rounds is none
    return other
