"""The strongest probe: whoever looks everywhere, with everything, at notes old and new."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from transformers import PreTrainedModel

from steu.audits.head_put_back import head_at_hand
from steu.audits.places import Places, places
from steu.evaluation.metrics import auroc, metric_record
from steu.evaluation.strongest_probe import (
    Finding,
    patient_folds,
    read_again,
    read_class,
    strongest,
)
from steu.models.hidden_states import HEAD
from steu.task import Edit, ForgetTask

PLAIN = "logistic, C = 1"  # where no note can choose a reader


@dataclass(frozen=True)
class Probed:
    """What the strongest readers found of the class under one edit.

    Samples are an AUROC on the test notes: the estimate, then resamples of patients, (1 + B,).

    Attributes
    ----------
    findings : dict of place to Finding
        The best reader of each place, fitted on training notes.
    samples : dict of place to array
        What it found.
    unseen : dict of place to array
        What it found when it was fitted, in folds of patients, on validation and test notes, which
        the edit was not trained on.
    at_hand : array
        What a head finds that nobody has to train; see `head_at_hand`.
    """

    findings: dict[str, Finding]
    samples: dict[str, np.ndarray]
    unseen: dict[str, np.ndarray]
    at_hand: np.ndarray

    @property
    def strongest(self) -> str:
        """The place where the class was read best on validation."""
        return strongest(list(self.findings.values())).place if self.findings else HEAD


def probe(
    task: ForgetTask,
    edit: Edit | None = None,
    *,
    only: Iterable[str] = (),
    unseen_at: Iterable[str] | None = None,
    found: Places | None = None,
    original: PreTrainedModel | None = None,
    seed: int = 0,
) -> Probed:
    """Look for the class under the edit at every place, with every reader.

    Parameters
    ----------
    only : iterable of str
        Places to look at; none means all.
    unseen_at : iterable of str, optional
        Places where the reader is fitted on unseen notes as well, which takes `FOLDS` more fits;
        default: all that are looked at.
    found : dict of place to array (N, H), optional
        What `places` gave, where it is known.
    original : PreTrainedModel, optional
        Whose head is put back on the states; default: the task's own, which of a reference is not
        the one that was to forget.

    Raises
    ------
    ValueError
        If a place holds NaN or the class is missing from a split.
    """
    found = places(task, edit) if found is None else found
    findings: dict[str, Finding] = {}
    samples: dict[str, np.ndarray] = {}
    unseen: dict[str, np.ndarray] = {}
    looked = list(only) or list(found)
    twice = set(looked if unseen_at is None else unseen_at)
    for place in looked:
        if _flat(found[place]):
            samples[place] = unseen[place] = _nothing(task)
            continue
        same = next((p for p in findings if found[p] is found[place]), None)
        if same is None:
            findings[place], samples[place] = _best(task, found[place], place=place, seed=seed)
        else:
            findings[place], samples[place] = replace(findings[same], place=place), samples[same]
        if place in twice and same in unseen:
            unseen[place] = unseen[same]
        elif place in twice:
            again = _fitted_on_unseen(task, findings[place], found[place], seed=seed)
            unseen[place] = _auroc(task, again)
    at_hand = head_at_hand(task, edit, original=original)
    return Probed(findings, samples, unseen, at_hand)


def read_head(task: ForgetTask, features: np.ndarray) -> np.ndarray:
    """What the strongest reader finds in what a head reads, of any model, (1 + B,); see `Probed`.

    Parameters
    ----------
    features : array of shape (N, H)
        Of all notes of the task; those in no split are not looked at.
    """
    return _best(task, features, place=HEAD, seed=0)[1]


def _best(
    task: ForgetTask, values: np.ndarray, *, place: str, seed: int
) -> tuple[Finding, np.ndarray]:
    """The best reader of one place (N, H), and what it found.

    Where all training notes read the same there is nothing to learn from them, and it finds
    nothing; unseen notes may tell all the same, and a fold of validation notes chooses their
    reader, or, where none of them can, nobody does and it is the plainest.
    """
    learn, choose, hidden = task.train, task.validation, _flat(values[task.train])
    if hidden:
        folds = patient_folds(task.is_forget[choose], task.groups[choose])
        parts = [(choose[learned], choose[held]) for learned, held in folds]
        can = [part for part in parts if _can_choose(task, values, *part)]
        if not can:
            return Finding(place, PLAIN, False, 0.5, np.zeros(len(task.test))), _nothing(task)
        learn, choose = can[0]
    index = {"train": learn, "validation": choose}
    truth = {split: task.is_forget[positions] for split, positions in index.items()}
    features = {split: values[positions] for split, positions in index.items()}
    features["test"] = values[task.test]
    finding = read_class(features, truth, place=place, seed=seed)
    return finding, _nothing(task) if hidden else _auroc(task, finding.scores)


def _can_choose(
    task: ForgetTask, values: np.ndarray, learn: np.ndarray, choose: np.ndarray
) -> bool:
    """Whether notes tell anything and have enough of both kinds to learn from and to choose by."""
    few = [min(n, len(i) - n) for i in (learn, choose) for n in [int(task.is_forget[i].sum())]]
    return few[0] >= 2 and few[1] >= 1 and not _flat(values[learn])


def _flat(features: np.ndarray) -> bool:
    """Whether every note reads the same."""
    return not np.ptp(features, axis=0).any()


def _nothing(task: ForgetTask) -> np.ndarray:
    """What a reader finds in states that never vary."""
    return np.full(1 + task.n_bootstrap, 0.5)


def _fitted_on_unseen(
    task: ForgetTask, finding: Finding, features: np.ndarray, *, seed: int
) -> np.ndarray:
    """Scores of the test notes by the same reader, fitted on notes the edit never saw, (n,)."""
    index = np.concatenate([task.validation, task.test])
    scores = read_again(
        features[index],
        task.is_forget[index],
        task.groups[index],
        reader=finding.reader,
        seed=seed,
    )
    return scores[len(task.validation) :]


def _auroc(task: ForgetTask, scores: np.ndarray) -> np.ndarray:
    return auroc(task.is_forget[task.test], scores, task.weights())


def probe_table(task: ForgetTask, probed: Probed) -> pd.DataFrame:
    """A tidy row a place and kind of notes: reader, validation AUROC, test AUROC with interval.

    `fitted_on` are "training notes" or "unseen notes".
    """
    rows = []
    for kind, found in (("training notes", probed.samples), ("unseen notes", probed.unseen)):
        for place, samples in found.items():
            finding = probed.findings.get(place)
            if finding is None:  # there was nothing to read
                continue
            facts = {"reader": finding.reader, "validation": finding.validation_auroc}
            record = metric_record("reader_auroc", samples, len(task.test))
            rows.append({"place": place, "fitted_on": kind, **facts, **record})
    return pd.DataFrame(rows).drop(columns="label", errors="ignore")
