"""The strongest probe: whoever looks everywhere, with everything, at notes old and new."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from steu.audits.head_put_back import head_at_hand
from steu.audits.places import Places, places
from steu.evaluation.metrics import auroc, metric_record
from steu.evaluation.strongest_probe import Finding, read_again, read_class, strongest
from steu.models.hidden_states import HEAD
from steu.task import Edit, ForgetTask


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
    constant : tuple of str
        Places that are the same for every note, so that there was nothing to read.
    """

    findings: dict[str, Finding]
    samples: dict[str, np.ndarray]
    unseen: dict[str, np.ndarray]
    at_hand: np.ndarray
    constant: tuple[str, ...]

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

    Raises
    ------
    ValueError
        If a place holds NaN or the class is missing from a split.
    """
    found = places(task, edit) if found is None else found
    constant = tuple(
        p for p, values in found.items() if not np.ptp(values[task.train], axis=0).any()
    )
    index = {"train": task.train, "validation": task.validation, "test": task.test}
    truth = {split: task.is_forget[index[split]] for split in ("train", "validation")}
    never = np.full(1 + task.n_bootstrap, 0.5)  # what never varies tells nothing
    findings: dict[str, Finding] = {}
    samples: dict[str, np.ndarray] = {}
    unseen: dict[str, np.ndarray] = {}
    looked = list(only) or list(found)
    twice = set(looked if unseen_at is None else unseen_at)
    for place in looked:
        if place in constant:
            samples[place] = unseen[place] = never
            continue
        same = next((p for p in findings if found[p] is found[place]), None)
        if same is None:
            features = {split: found[place][i] for split, i in index.items()}
            findings[place] = read_class(features, truth, place=place, seed=seed)
        else:
            findings[place] = replace(findings[same], place=place)
        samples[place] = _auroc(task, findings[place].scores)
        if place in twice and same in unseen:
            unseen[place] = unseen[same]
        elif place in twice:
            again = _fitted_on_unseen(task, findings[place], found[place], seed=seed)
            unseen[place] = _auroc(task, again)
    return Probed(findings, samples, unseen, head_at_hand(task, edit), constant)


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
