"""A task of the book: a cohort on disk, the classifier trained on it, and tags for every number."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steu._io import atomic_path, read_json
from steu.audits.probing import Probed, probe, read_head
from steu.data.cohort import Cohort, iter_texts
from steu.data.encoding import encode_notes
from steu.evaluation.metrics import metric_record
from steu.evaluation.results import READER, tagged
from steu.experiments.kept import place_of
from steu.experiments.measures import (
    cost_records,
    kept_beside,
    measure,
)
from steu.experiments.stored import read_edit, write_edit
from steu.models.hardware import Precision, machine
from steu.models.hidden_states import HEAD
from steu.models.loading import load_classifier, to_device
from steu.models.teacher import Teacher
from steu.task import Edit, ForgetTask

ANSWERS = "answers.safetensors"  # of a model to every note


@dataclass(frozen=True)
class Trained:
    """An edit, and how long it took to make it."""

    edit: Edit
    seconds: float = 0.0


class Study(ForgetTask):
    """A `ForgetTask` that knows its cohort and what its numbers are tagged with.

    Attributes
    ----------
    cohort : Cohort
        Without its texts.
    tags : dict
        dataset, backbone, seed and forget_label of every record.
    recipe : dict
        What the classifier was made with: ``start`` for `build_classifier` and ``train`` for
        `TrainConfig`, and its ``max_length``.
    kept : Path, optional
        Where what is trained is kept, and looked for first; None keeps nothing.
    """

    cohort: Cohort
    tags: dict[str, Any]
    recipe: dict[str, Any]
    kept: Path | None = None

    @classmethod
    def open(
        cls,
        *,
        cohort: str | Path,
        classifier: str | Path,
        forget_label: str,
        encoded: str | Path,
        n_bootstrap: int = 1000,
        precision: Precision = "auto",
        trained: str | Path | None = None,
    ) -> Study:
        """Load a cohort and the classifier trained on it; on the GPU where there is one.

        `trained` is the folder `kept`.

        Raises
        ------
        ValueError
            If a folder is missing, the label unknown, or the two do not belong together.
        """
        data = Cohort.read(cohort, text=False)
        data.index_of(forget_label)
        model, tokenizer = load_classifier(Path(classifier) / "model")
        facts = read_json(Path(classifier) / "model" / "classifier.json")
        if facts["data"] != data.fingerprint:
            raise ValueError(
                f"{classifier} was trained on another cohort than {cohort}: train it again"
            )
        notes = encode_notes(
            iter_texts(cohort),
            tokenizer,
            max_length=facts["max_length"],
            folder=encoded,
            digest=data.texts_digest,
        )
        to_device(model)
        study = cls(
            model,
            tokenizer,
            notes,
            data.targets,
            labels=data.labels,
            forget=forget_label,
            groups=data.patients,
            splits=data.frame["split"].to_numpy(dtype=str),
            n_bootstrap=n_bootstrap,
            precision=precision,
        )
        study.cohort = data
        study.recipe = {name: facts[name] for name in ("start", "train", "max_length")}
        study.kept = None if trained is None else Path(trained)
        study.tags = {
            "dataset": data.name,
            "backbone": facts["backbone"],
            "seed": facts["seed"],
            "forget_label": forget_label,
        }
        return study

    @property
    def machine(self) -> str:
        """Device, instruction set, precision and threads, in words."""
        return machine(self.model.device, self.precision)

    def aimed_at(self, label: str) -> Study:
        """The same study with another class to forget; see `ForgetTask.aimed_at`."""
        other = super().aimed_at(label)
        other.tags = {**self.tags, "forget_label": label}  # pyrefly: ignore[missing-attribute]
        return other  # pyrefly: ignore[bad-return]

    def about(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None
    ) -> Study:
        """The same study about another model; see `ForgetTask.about`."""
        other = super().about(model, tokenizer)
        for name in ("cohort", "tags", "recipe", "kept"):
            setattr(other, name, getattr(self, name))
        return other  # pyrefly: ignore[bad-return]

    @cached_property
    def teacher(self) -> Teacher:
        """Features and logits of the original model for every note, computed once for all pages."""
        self.check_unchanged()
        place = self.place_of(of="teacher")
        if place is not None and place.is_dir():
            known = load_file(place / ANSWERS)
            return Teacher(*(known[name].to(self.device) for name in ("features", "logits")))
        found = Teacher.of(self.model, self.notes, precision=self.precision)
        if place is not None:
            with atomic_path(place, keep=True) as beside:
                beside.mkdir()
                answers = {"features": found.features.cpu(), "logits": found.logits.cpu()}
                save_file(answers, beside / ANSWERS)
        return found

    def train_edit(self, method: Callable[..., Edit], *given: Any, **settings: Any) -> Trained:
        """The edit that ``method(self, *given, **settings)`` makes, by the clock.

        One that was made from the same before is read, with the seconds that it took then.
        """
        place = self.place_of(
            method=method.__qualname__, given=given, settings=settings, forget=self.forget
        )
        if place is not None and place.is_dir():
            edit, facts = read_edit(place, model=self.model, tokenizer=self.tokenizer)
            return Trained(edit, facts["seconds"])
        self.teacher, self.origin  # noqa: B018  known before the clock starts
        started = time.perf_counter()
        made = method(self, *given, **settings)
        trained = Trained(made, time.perf_counter() - started)
        if place is not None:
            _keep(place, trained)
        return trained

    def place_of(self, **made_from: Any) -> Path | None:
        """Where what is made from these values, with this study, is kept; see `kept.place_of`."""
        if self.kept is None:
            return None
        of_study = {
            "model": self.origin.model,
            "tokenizer": self.origin.tokenizer,
            "data": self.cohort.fingerprint,
            "window": self.recipe["max_length"],
            "pooling": getattr(self.model.config, "classifier_pooling", "cls"),
            "machine": self.machine,
        }
        return place_of(self.kept, **of_study, **made_from)

    def measure(
        self,
        method: str,
        log_odds: np.ndarray,
        *,
        split: str = "test",
        validation: np.ndarray | None = None,
        **tags: Any,
    ) -> list[dict[str, Any]]:
        """Tagged records of every metric of one method; see `measure`."""
        records = measure(self, log_odds, split=split, validation=validation)
        return self._tagged(records, method, split=split, **tags)

    def beside(
        self, method: str, log_odds: np.ndarray, others: Mapping[str, np.ndarray], **tags: Any
    ) -> list[dict[str, Any]]:
        """Tagged records of `kept_beside`: what a method keeps, less what others do, in pairs."""
        return self.record(method, kept_beside(self, log_odds, others), **tags)

    def record(
        self, method: str, samples: Mapping[str, np.ndarray], **tags: Any
    ) -> list[dict[str, Any]]:
        """Tagged records of metrics of the test notes: of each the estimate, then resamples."""
        records = [metric_record(name, found, len(self.test)) for name, found in samples.items()]
        return self._tagged(records, method, split="test", **tags)

    def probe(self, method: str, samples: np.ndarray, **tags: Any) -> list[dict[str, Any]]:
        """Tagged record of `probe_samples`."""
        label = self.labels[self.forget]
        record = metric_record(READER, samples, len(self.test), label=label)
        return self._tagged([record], method, split="test", **tags)

    def costs(self, method: str, trained: Trained, **tags: Any) -> list[dict[str, Any]]:
        """Tagged records of what a method changes, stores and takes."""
        records = cost_records(self, trained.edit, seconds=trained.seconds)
        return self._tagged(records, method, **tags)

    def memory(self, method: str, peak_bytes: int, **tags: Any) -> list[dict[str, Any]]:
        """Tagged record of the memory of one step, from `step_bytes`."""
        return self._tagged([{"metric": "peak_memory_bytes", "value": peak_bytes}], method, **tags)

    def probe_samples(self, edit: Edit | None = None) -> np.ndarray:
        """What the strongest reader finds of the class in the features under the edit.

        An AUROC on the test notes: the estimate, then under the bootstrap weights, (1 + B,).
        """
        everyone = np.arange(len(self.notes))
        return read_head(self, self.features(everyone, edit).cpu().numpy())

    def probe_head(self, edit: Edit | None = None) -> Probed:
        """The same by readers of unseen notes as well, at `HEAD`; `FOLDS` more fits."""
        everyone = np.arange(len(self.notes))
        states = {HEAD: self.features(everyone, edit).cpu().numpy()}
        return probe(self, edit, only=[HEAD], found=states)

    def _tagged(
        self, records: list[dict[str, Any]], method: str, **tags: Any
    ) -> list[dict[str, Any]]:
        return tagged(records, **self.tags, method=method, **tags)


def _keep(place: Path, trained: Trained) -> None:
    with atomic_path(place, keep=True) as beside:  # another page may be reading the first one's
        write_edit(beside, trained.edit, seconds=trained.seconds)
