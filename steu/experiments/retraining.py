"""The study's classifier once more: trained anew by its own recipe, with one thing changed."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import numpy as np

from steu._io import atomic_path
from steu.experiments.kept import making
from steu.experiments.study import Study
from steu.models.fine_tuning import TrainConfig, fine_tune
from steu.models.loading import build_classifier, load_classifier, save_classifier, to_device


def retrain(
    study: Study,
    *,
    targets: np.ndarray | None = None,
    kept: np.ndarray | None = None,
    wait: bool = True,
    **changes: Any,
) -> Study:
    """The same study with a classifier that was trained anew from the same pretrained encoder.

    One that was trained from the same before is read, where the study keeps what it trains, and one
    that another process is training is waited for.

    Parameters
    ----------
    targets : array of shape (N, C), optional
        Labels to train on instead of the true ones; NaN is not known.
    kept : array of shape (N,), bool, optional
        Notes that take part, of the training and the validation split.
    wait : bool
        Whether to wait for another process.
    **changes
        To what the classifier started from: ``seed``, ``head_width``, … of `build_classifier`; a
        seed is the training's too.

    Raises
    ------
    Busy
        If another process is training it and is not to be waited for.
    """
    start = study.recipe["start"] | changes
    own = {"seed": changes["seed"]} if "seed" in changes else {}
    train = TrainConfig(**study.recipe["train"] | own)
    targets = study.targets if targets is None else targets
    kept = np.ones(len(study.notes), dtype=bool) if kept is None else kept
    index = {"train": study.train, "validation": study.validation}
    index = {split: positions[kept[positions]] for split, positions in index.items()}
    place = study.place_of(start=start, config=train, targets=targets, **index)
    with nullcontext() if place is None else making(place, wait=wait):
        if place is not None and place.is_dir():
            model, tokenizer = load_classifier(place)
            to_device(model)
        else:
            model, tokenizer = build_classifier(labels=study.labels, **start)
            to_device(model)
            fine_tune(model, study.notes, targets, config=train, **index)
            if place is not None:
                with atomic_path(place, keep=True) as beside:
                    save_classifier(model, tokenizer, beside)
    other = study.about(model, tokenizer)
    other.recipe = study.recipe | {"start": start, "train": asdict(train)}
    return other


def untuned(study: Study) -> Study:
    """The same study with what its classifier started from: it never saw a label."""
    model, tokenizer = build_classifier(labels=study.labels, **study.recipe["start"])
    to_device(model)
    return study.about(model, tokenizer)
