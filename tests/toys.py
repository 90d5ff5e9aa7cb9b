"""A tiny classifier on tiny notes, for tests that need a model but not a good one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from steu.data.cohort import Cohort
from steu.data.encoding import EncodedNotes, encode_notes
from steu.experiments.study import Study
from steu.models.fine_tuning import TrainConfig, fine_tune
from steu.models.loading import Classifier, build_classifier, save_classifier

LABELS = ("diabetes", "kidney", "lung")
QUICK: dict[str, Any] = {
    "epochs": 12,
    "learning_rate": 5e-3,
    "patience": 12,
    "precision": "fp32",
}
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
        config = TrainConfig(**QUICK)
        fine_tune(model, notes, targets, train=train, validation=test, config=config)
    return Toy(model, tokenizer, notes, texts, targets, train, test)


def write_study(folder: Path) -> Path:
    """A cohort and a classifier on disk, as notebooks 01 and 02 leave them."""
    toy = make_toy(folder / "encoded")
    frame = pd.DataFrame({"text": toy.texts, "subject_id": [f"p{i}" for i in range(240)]})
    frame.insert(0, "stay_id", [f"s{i:03}" for i in range(240)])
    frame[list(LABELS)] = toy.targets.astype(bool)
    frame["split"] = ["train"] * 150 + ["validation"] * 30 + ["test"] * 60
    cohort = Cohort(frame, LABELS, "toy", "table", restricted=False)
    cohort.write(folder / "cohort")
    facts: dict[str, Any] = {"backbone": "tiny", "seed": 0, "max_length": 48}
    facts |= {"data": cohort.fingerprint, "start": {"backbone": "random-bert", "seed": 1}}
    facts["train"] = asdict(TrainConfig(**QUICK))
    save_classifier(toy.model, toy.tokenizer, folder / "classifier" / "model", **facts)
    return folder


def open_study(folder: Path, **changes: Any) -> Study:
    """The study of such a folder, quickly bootstrapped."""
    places = {"cohort": folder / "cohort", "classifier": folder / "classifier"}
    given = places | {"encoded": folder / "encoded", "forget_label": "diabetes"} | changes
    return Study.open(**given, n_bootstrap=20, precision="fp32")
