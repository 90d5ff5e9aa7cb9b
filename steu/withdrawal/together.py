"""Several classes as one: a task whose class is "any of them", and edits one after the other."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import cast

import numpy as np
import torch

from steu.audits.merged import merged_model, with_model
from steu.experiments.study import Study
from steu.models.teacher import Teacher
from steu.unlearning.null_edit import null_edit
from steu.unlearning.sparse_edit import SparseEdit

SILENT = -20.0  # logit of an answer that is never given


def together(study: Study, labels: Sequence[str]) -> Study:
    """The study with these classes as one to forget: whoever has any of them has it.

    It bears the output of the first. The other outputs are labelled 0 everywhere, and the model
    that the utility loss holds on to never gives them: so an edit that is trained on this study, by
    any method, silences all of them at once and keeps the rest. Judge it by the plain study, aimed
    at each.
    """
    other = study.aimed_at(labels[0])
    if len(labels) == 1:
        return other
    other = copy.copy(other)
    other.each = tuple(study.aimed_at(label) for label in labels)
    columns = [study.labels.index(label) for label in labels]
    first, rest = columns[0], columns[1:]
    other.targets = study.targets.copy()
    other.targets[:, first] = study.targets[:, columns].max(axis=1)
    other.targets[:, rest] = 0.0
    logits = study.teacher.logits.clone()
    logits[:, first] = torch.logsumexp(logits[:, columns], dim=1)
    logits[:, rest] = SILENT
    other.teacher = Teacher(study.teacher.features, logits)
    vars(other).pop("is_forget", None)
    if study.kept is not None:  # what is trained on these labels is no other's
        name = sha256("\n".join(labels).encode()).hexdigest()[:16]
        other.kept = study.kept / f"together-{name}"
    return other


def null_edit_of(study: Study, labels: Sequence[str]) -> SparseEdit:
    """The null edit of several classes: a bias each."""
    edits = [null_edit(study.aimed_at(label)) for label in labels]
    (name,) = edits[0].head
    lowest = torch.stack([edit.head[name] for edit in edits]).amin(dim=0)
    return replace(edits[0], head={name: lowest})


def after(study: Study, edit: SparseEdit) -> Study:
    """The study about the model as the edit leaves it: what the next request finds."""
    return cast(Study, with_model(study, merged_model(study, edit)))


def composed(first: SparseEdit, then: SparseEdit) -> SparseEdit:
    """Both edits of one model as one: where they meet, the later one holds.

    `then` was trained for the model that `first` leaves; the result is for the model before both.
    """
    kept = ~torch.isin(first.token_ids, then.token_ids)
    return replace(
        first,
        token_ids=torch.cat([first.token_ids[kept], then.token_ids]),
        rows=torch.cat([first.rows[kept], then.rows]),
        head=first.head | then.head,
        history=(),
    )


def shared_tokens(first: SparseEdit, then: SparseEdit) -> int:
    """How many rows both edits set: what the first wrote there is gone."""
    return int(np.isin(first.token_ids.cpu().numpy(), then.token_ids.cpu().numpy()).sum())
