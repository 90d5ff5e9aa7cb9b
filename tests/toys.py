"""A tiny classifier on tiny notes, for tests that need a model but not a good one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from steu.data.cohort import Cohort
from steu.data.encoding import EncodedNotes, encode_notes
from steu.experiments.study import Study
from steu.models.fine_tuning import TrainConfig, fine_tune
from steu.models.loading import build_classifier, save_classifier
from steu.task import ForgetTask

LABELS = ("diabetes", "kidney", "lung")
START = {"backbone": "random-bert", "pooling": "mean", "seed": 1}
QUICK: dict[str, Any] = {
    "epochs": 18,
    "learning_rate": 5e-3,
    "patience": 18,
    "precision": "fp32",
}
CUES = {"diabetes": "insulin", "kidney": "dialysis", "lung": "asthma"}
_TRAINED: dict[tuple[str, int], dict[str, Any]] = {}  # weights, once for all tests of a process
FILLER = ["patient", "was", "seen", "and", "family", "asked", "about", "home", "appetite", "night"]


@dataclass(frozen=True)
class Toy:
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    notes: EncodedNotes
    texts: list[str]
    targets: np.ndarray
    train: np.ndarray
    test: np.ndarray

    def task(self, **changes: Any) -> ForgetTask:
        """The first class to be forgotten; the last sixth of the training notes validates."""
        splits = np.full(len(self.targets), "train", dtype="U10")
        splits[self.train[len(self.train) * 5 // 6 :]] = "validation"
        splits[self.test] = "test"
        given = {"splits": splits, "precision": "fp32", "n_bootstrap": 20, **changes}
        notes = given.pop("notes", self.notes)
        targets = given.pop("targets", self.targets)
        return ForgetTask(
            self.model,
            self.tokenizer,
            notes,
            targets,
            forget=given.pop("forget", LABELS[0]),
            **given,
        )


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


def word_tokenizer(words: Sequence[str] = (*FILLER, *CUES.values())) -> PreTrainedTokenizerBase:
    """A tokenizer of whole words, as few as they are; pad is 0, as in all models here."""
    vocabulary = {
        w: i for i, w in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", *words])
    }
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=64,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        mask_token="[MASK]",
    )


def make_toy(
    folder: Path, *, backbone: str = "random-bert", n: int = 240, trained: bool = True
) -> Toy:
    """A toy whose classifier has learned its cues (unless `trained` is False), in seconds."""
    texts, targets = write_notes(n)
    # Few notes are no school for attention: the mean of the states tells which words are there.
    model, tokenizer = build_classifier(backbone, LABELS, pooling="mean", seed=1)
    notes = encode_notes(texts, tokenizer, max_length=48, folder=folder)
    train, test = np.arange(n * 3 // 4), np.arange(n * 3 // 4, n)
    if trained and (backbone, n) not in _TRAINED:
        config = TrainConfig(**QUICK)
        fine_tune(model, notes, targets, train=train, validation=test, config=config)
        _TRAINED[backbone, n] = copy.deepcopy(model.state_dict())
    elif trained:
        model.load_state_dict(_TRAINED[backbone, n])
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
    facts |= {"data": cohort.fingerprint, "start": START}
    facts["train"] = asdict(TrainConfig(**QUICK))
    save_classifier(toy.model, toy.tokenizer, folder / "classifier" / "model", **facts)
    return folder


def open_study(folder: Path, **changes: Any) -> Study:
    """The study of such a folder, quickly bootstrapped."""
    places = {"cohort": folder / "cohort", "classifier": folder / "classifier"}
    given = places | {"encoded": folder / "encoded", "forget_label": "diabetes"} | changes
    return Study.open(**{"n_bootstrap": 20, "precision": "fp32"} | given)
