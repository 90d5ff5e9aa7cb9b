"""One classifier, one class to forget, and everything that is computed once for all methods."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from steu._io import read_json
from steu.data.cohort import Cohort, iter_texts
from steu.data.encoding import EncodedNotes, encode_notes
from steu.evaluation.metrics import (
    auroc,
    evaluate,
    macro,
    metric_row,
    patient_weights,
    tune_thresholds,
)
from steu.evaluation.probes import linear_probe
from steu.evaluation.results import tagged
from steu.experiments.peak_memory import peak_bytes
from steu.models.inference import Precision, extract_features
from steu.models.loading import Classifier, load_classifier
from steu.unlearning.dense_edit import LayerEdit
from steu.unlearning.sparse_edit import SparseEdit
from steu.unlearning.training import Teacher, UnlearnConfig, unlearn

Edit = SparseEdit | LayerEdit


@dataclass(frozen=True)
class Trained:
    """An edit, how its training went, how long it took and how much memory a step of it needs."""

    edit: Edit
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    peak_memory_bytes: int = 0


@dataclass(frozen=True)
class Study:
    """A fine-tuned classifier with its cohort; shared by all methods and sweeps in a process.

    Predictions under an edit are made on the test split; thresholds were tuned for the original
    model on the validation split and stay fixed. `recipe` is what the classifier was made with:
    ``start`` for `build_classifier` and ``train`` for `TrainConfig`.
    """

    cohort: Cohort
    notes: EncodedNotes
    model: Classifier
    tokenizer: PreTrainedTokenizerBase
    forget: int
    tags: dict[str, Any]
    recipe: dict[str, Any]
    precision: Precision = "auto"
    n_bootstrap: int = 1000
    # What was read under the edit that was asked for last: edit, features (N, H), known (N,).
    _read: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

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
    ) -> Study:
        """Load a cohort and the classifier trained on it; on the GPU where there is one.

        Raises
        ------
        ValueError
            If a folder is missing, the label unknown, or the two do not belong together.
        """
        data = Cohort.read(cohort, text=False)
        forget = data.index_of(forget_label)
        model, tokenizer = load_classifier(Path(classifier) / "model")
        facts = read_json(Path(classifier) / "model" / "classifier.json")
        if facts["data"] != data.fingerprint:
            raise ValueError(
                f"{classifier} was trained on another cohort than {cohort}; "
                "run notebooks/02_classifier.ipynb again"
            )
        notes = encode_notes(
            iter_texts(cohort),
            tokenizer,
            max_length=facts["max_length"],
            folder=encoded,
            digest=data.texts_digest,
        )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        tags = {
            "dataset": data.name,
            "backbone": facts["backbone"],
            "seed": facts["seed"],
            "forget_label": forget_label,
        }
        model.to(device)
        recipe = {name: facts[name] for name in ("start", "train")}
        return cls(data, notes, model, tokenizer, forget, tags, recipe, precision, n_bootstrap)

    def aimed_at(self, label: str) -> Study:
        """The same study with another class to forget.

        What does not depend on the class (the original model's answers, thresholds, bootstrap
        weights) is computed here if it was not yet, and shared.

        Raises
        ------
        ValueError
            If the label is unknown.
        """
        forget = self.cohort.index_of(label)
        other = replace(self, forget=forget, tags={**self.tags, "forget_label": label})
        shared = ("train", "test", "targets", "teacher", "thresholds", "weights")
        vars(other).update({name: getattr(self, name) for name in shared})
        return other

    @property
    def device(self) -> str:
        """Where the model lives, "cpu" or "cuda"."""
        return next(self.model.parameters()).device.type

    @cached_property
    def train(self) -> np.ndarray:
        """Rows of the training split."""
        return self.cohort.rows("train")

    @cached_property
    def validation(self) -> np.ndarray:
        """Rows of the validation split."""
        return self.cohort.rows("validation")

    @cached_property
    def test(self) -> np.ndarray:
        """Rows of the test split."""
        return self.cohort.rows("test")

    @cached_property
    def targets(self) -> np.ndarray:
        """True labels, (N, C) float32."""
        return self.cohort.targets

    @cached_property
    def is_forget(self) -> np.ndarray:
        """Which notes carry the class to forget, (N,) bool."""
        return self.targets[:, self.forget] == 1

    @cached_property
    def teacher(self) -> Teacher:
        """Features and logits of the original model for every note."""
        everyone = np.arange(len(self.notes))
        return Teacher.of(self.model, self.notes, everyone, precision=self.precision)

    @cached_property
    def thresholds(self) -> np.ndarray:
        """Logit thresholds tuned on validation for the original model, (C,)."""
        rows = self.validation
        return tune_thresholds(self.targets[rows], self.teacher.logits[rows].cpu().numpy())

    @cached_property
    def weights(self) -> np.ndarray:
        """Patient-level bootstrap weights of the test notes; the same for every method."""
        return patient_weights(self.cohort.patients[self.test], n_bootstrap=self.n_bootstrap)

    def train_edit(self, token_ids: np.ndarray, config: UnlearnConfig) -> Trained:
        """Train one sparse edit on the training split with the shared teacher."""
        return self.run(unlearn, token_ids=token_ids, config=config, teacher=self.teacher)

    def run(self, method: Callable[..., tuple[Edit, list]], **settings: Any) -> Trained:
        """Run any method ``(model, notes, targets, *, rows, forget, …)`` on the training split.

        Its peak of memory is that of one step on the longest notes, beside model, notes and
        teacher, counted in a run of its own after the one that is timed; for a method without
        batches, that of the whole move made with these notes.
        """
        run = partial(method, self.model, self.notes, self.targets, forget=self.forget)
        started = time.perf_counter()
        edit, history = run(rows=self.train, **settings)
        seconds = time.perf_counter() - started
        config = settings.get("config", UnlearnConfig())
        once = {"config": replace(config, epochs=1)} if "config" in settings else {}
        rows = self._longest(config.batch_size)
        peak = peak_bytes(lambda: run(rows=rows, **(settings | once)))
        return Trained(edit, history, seconds, peak)

    def _longest(self, size: int) -> np.ndarray:
        """The `size` longest training notes with the class and as many without it."""
        ordered = self.train[np.argsort(-self.notes.lengths[self.train], kind="stable")]
        with_class = self.is_forget[ordered]
        return np.concatenate([ordered[with_class][:size], ordered[~with_class][:size]])

    def features(self, rows: np.ndarray, edit: Edit | None = None) -> torch.Tensor:
        """Features of `rows` under the edit, (n, H).

        A note that the edit cannot touch keeps the teacher's, and none is read twice in a row under
        the same edit.
        """
        wanted = torch.from_numpy(rows)
        if edit is None:
            return self.teacher.features[wanted]
        if not self._read or self._read["edit"] is not edit:
            features, known = self.teacher.features.clone(), ~edit.touched(self.notes)
            self._read.update(edit=edit, features=features, known=known)
        features, known = self._read["features"], self._read["known"]
        fresh = rows[~known[rows]]
        if len(fresh):
            with edit.attached(self.model):
                found = extract_features(self.model, self.notes, fresh, precision=self.precision)
            features[torch.from_numpy(fresh)] = found
            known[fresh] = True
        return features[wanted]

    @torch.no_grad()
    def logits(self, rows: np.ndarray, edit: Edit | None = None) -> np.ndarray:
        """Logits of `rows` under the edit, (n, C)."""
        head = self.model.head if edit is None else edit.edited_head(self.model.head)
        return head(self.features(rows, edit)).cpu().numpy()

    def measure(
        self, method: str, logits: np.ndarray, *, split: str = "test", **tags: Any
    ) -> list[dict[str, Any]]:
        """Tidy rows of every metric of one method from its test logits, intervals included."""
        rows = evaluate(
            self.targets[self.test],
            logits,
            labels=self.cohort.labels,
            forget=self.forget,
            weights=self.weights,
            thresholds=self.thresholds,
        )
        return tagged(rows, **self.tags, method=method, split=split, **tags)

    def costs(self, method: str, trained: Trained, **tags: Any) -> list[dict[str, Any]]:
        """Tidy rows of what a method changes, stores and takes; exact numbers without interval."""
        changed = trained.edit.parameters_changed(self.model)
        facts = {
            "parameters_changed": changed,
            "parameters_share": changed / self.n_parameters,
            "bytes_stored": trained.edit.bytes_stored,
            "seconds": trained.seconds,
            "peak_memory_bytes": trained.peak_memory_bytes,
        }
        rows = [{"metric": metric, "value": value} for metric, value in facts.items()]
        return tagged(rows, **self.tags, method=method, **tags)

    @property
    def n_parameters(self) -> int:
        """All parameters of the classifier, encoder and head."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def probe_samples(self, edit: Edit | None = None) -> np.ndarray:
        """AUROC of a fresh linear probe for the class in the features under the edit.

        The first entry is the estimate, the others are under the bootstrap weights.
        """
        return self.probe_between(*(self.features(rows, edit) for rows in (self.train, self.test)))

    def probe_between(self, train: torch.Tensor, test: torch.Tensor) -> np.ndarray:
        """The same for features of the training and the test notes, (n, H), of any model."""
        scores = linear_probe(train.cpu().numpy(), self.is_forget[self.train], test.cpu().numpy())
        return auroc(self.is_forget[self.test], scores, self.weights)

    def retain_samples(self, logits: np.ndarray) -> np.ndarray:
        """Macro-AUROC of the other classes from test logits (n, C); entries as in a probe's."""
        kept = [c for c in range(logits.shape[1]) if c != self.forget]
        return macro(auroc, self.targets[self.test][:, kept], logits[:, kept], self.weights)

    def probe(self, method: str, samples: np.ndarray, **tags: Any) -> list[dict[str, Any]]:
        """Tidy row of `probe_samples`."""
        label = self.cohort.labels[self.forget]
        row = metric_row("probe_auroc", samples, len(self.test), label=label)
        return tagged([row], **self.tags, method=method, split="test", **tags)
