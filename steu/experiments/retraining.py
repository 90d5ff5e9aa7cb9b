"""The study's classifier once more: trained anew by its own recipe, with one thing changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from steu.experiments.study import Study
from steu.models.fine_tuning import TrainConfig, fine_tune
from steu.models.loading import build_classifier


def retrain(
    study: Study,
    *,
    targets: np.ndarray | None = None,
    kept: np.ndarray | None = None,
    **changes: Any,
) -> Study:
    """The same study with a classifier that was trained anew from the same pretrained encoder.

    Parameters
    ----------
    targets : array of shape (N, C), optional
        Labels to train on instead of the true ones; NaN is not known.
    kept : array of shape (N,), bool, optional
        Notes that take part, of the training and the validation split.
    **changes
        To what the classifier started from: ``seed``, ``head_width``, … of `build_classifier`; a
        seed is the training's too.
    """
    start = study.recipe["start"] | changes
    train = study.recipe["train"] | {"seed": start["seed"]}
    kept = np.ones(len(study.notes), dtype=bool) if kept is None else kept
    model, tokenizer = build_classifier(labels=study.labels, **start)
    if study.device == "cuda":
        torch.nn.Module.cuda(model)
    fine_tune(
        model,
        study.notes,
        study.targets if targets is None else targets,
        train=study.train[kept[study.train]],
        validation=study.validation[kept[study.validation]],
        config=TrainConfig(**train),
    )
    other = Study(
        model,
        tokenizer,
        study.notes,
        study.targets,
        forget=study.labels[study.forget],
        groups=study.groups,
        splits=study.splits,
        precision=study.precision,
        n_bootstrap=study.n_bootstrap,
        seed=study.seed,
    )
    other.cohort, other.tags = study.cohort, study.tags
    other.recipe = {"start": start, "train": train}
    return other
