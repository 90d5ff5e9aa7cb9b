"""A tiny classifier on tiny notes, for tests that need a model but not a good one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from steu.encoding import EncodedNotes, encode_notes
from steu.models import Classifier, build_classifier
from steu.training import TrainConfig, fine_tune

LABELS = ("diabetes", "kidney", "lung")
CUES = {"diabetes": "insulin", "kidney": "dialysis", "lung": "asthma"}
FILLER = ["patient", "was", "seen", "and", "family", "asked", "about", "home", "appetite", "night"]


@dataclass(frozen=True)
class Toy:
    model: Classifier
    tokenizer: object
    notes: EncodedNotes
    texts: list[str]
    targets: np.ndarray
    train: np.ndarray
    test: np.ndarray


def no_space(*_: object, **__: object) -> None:
    """Stand in for the writer of safetensors on a full disk, in its own words."""
    raise SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )


def write_notes(n: int, *, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Notes of filler words in which a cue word means the label, and the labels (n, 3)."""
    generator = np.random.default_rng(seed)
    targets = generator.random((n, len(LABELS))) < 0.4
    texts = []
    for row in targets:
        cues = [cue for cue, wanted in zip(CUES.values(), row, strict=True) if wanted]
        words = list(generator.choice(FILLER, generator.integers(5, 20))) + 2 * cues
        texts.append(" ".join(generator.permutation(words)))
    return texts, targets.astype(np.float32)


def make_toy(
    folder: Path, *, backbone: str = "random-bert", n: int = 240, trained: bool = True
) -> Toy:
    """A toy whose classifier has learned its cues (unless `trained` is False), in seconds."""
    texts, targets = write_notes(n)
    model, tokenizer = build_classifier(backbone, LABELS, seed=1)
    notes = encode_notes(texts, tokenizer, max_length=48, folder=folder)
    train, test = np.arange(n * 3 // 4), np.arange(n * 3 // 4, n)
    if trained:
        config = TrainConfig(epochs=12, learning_rate=5e-3, patience=12, precision="fp32")
        fine_tune(model, notes, targets, train=train, validation=test, config=config)
    return Toy(model, tokenizer, notes, texts, targets, train, test)
