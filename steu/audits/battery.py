"""The audits that decide a verdict: each a number of one model that is higher the more is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from steu.audits.places import OTHERS
from steu.audits.probing import Probed
from steu.evaluation.metrics import f1, interval, ratio
from steu.evaluation.paired import beside
from steu.evaluation.results import READER, READER_UNSEEN
from steu.evaluation.verdicts import (
    ERROR,
    FEWEST,
    MARGIN,
    SILENT,
    TO_CHOOSE,
    UNSAID,
    Beside,
    Decision,
    Outcome,
    beside_references,
    chance_to_clear,
    decide,
    lower_for_all,
    outcomes,
    recall_not_excluded,
    share_said_of,
)
from steu.models.hidden_states import HEAD
from steu.task import ForgetTask

# A reader of the head's input, fitted on notes the edit was not trained on; `_again` names others.
UNSEEN = "unseen notes"
AT_HAND = "a head at hand"  # its own answer about the class, or the original head's, untrained
SAVED = "labels sent"  # the share of bits that the head's input saves whoever is sent the labels
NO_STATES = (OTHERS, UNSEEN, AT_HAND, SAVED)  # all others are the strongest reader of one place
NEEDED = (HEAD, UNSEEN)  # without these nothing counts as indistinguishable

CHANCE = 0.5  # an AUROC that tells nothing; what lies below counts as much

LIMITS = {"silent": SILENT, "margin": MARGIN, "error": f"{ERROR:.0%}", "fewest": FEWEST}
LIMITS |= {"interval": f"{1 - 2 * ERROR:.0%}"}  # of a difference to the references
LIMITS |= {"to_choose": TO_CHOOSE, "recall": f"{UNSAID:.0%}"}
Samples = Mapping[str, np.ndarray]  # of one model by audit: the estimate and resamples, (1 + B,)


def audit_samples(probed: Probed, saved: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """What each audit finds in one model: the strongest reader at every place, and the others.

    Parameters
    ----------
    saved : array of shape (1 + B,), optional
        `Held.saved`, where it was measured.
    """
    found = probed.samples | {_again(at): samples for at, samples in probed.unseen.items()}
    found[AT_HAND] = probed.at_hand
    return found if saved is None else found | {SAVED: saved}


def _again(place: str) -> str:
    """How the reader of a place is called that was fitted on unseen notes."""
    return UNSEEN if place == HEAD else f"{place}, {UNSEEN}"


def recorded(probed: Probed) -> dict[str, np.ndarray]:
    """The AUROCs of one model by their metrics in the results, (1 + B,) each."""
    return {
        "reader_auroc": probed.samples[probed.strongest],
        READER: probed.samples[HEAD],
        READER_UNSEEN: probed.unseen[HEAD],
        "reader_auroc_others": probed.samples[OTHERS],
        "at_hand_auroc": probed.at_hand,
    }


def beside_at_head(
    probed: Mapping[str, Probed], method: str, others: Sequence[str]
) -> dict[str, np.ndarray]:
    """What readers find at the head of one model minus what they find at others', (1 + B,) each.

    The strongest reader, fitted on training notes and again on unseen notes, for an edit may hide
    the class better in the notes that it was trained on. Nothing of models not looked at.
    """
    if method not in probed:
        return {}
    read = {
        READER: {name: one.samples[HEAD] for name, one in probed.items()},
        READER_UNSEEN: {name: one.unseen[HEAD] for name, one in probed.items()},
    }
    less: dict[str, np.ndarray] = {}
    for metric, found in read.items():
        there = {other: found[other] for other in others if other in found}
        less |= beside(metric, found[method], there)
    return less


def verdicts(
    task: ForgetTask,
    found: Mapping[str, Samples],
    answers: Mapping[str, np.ndarray],
    references: Mapping[str, Samples],
) -> dict[str, Decision]:
    """A verdict on every method of `found` but "original", beside the references.

    There is none on a class that fewer than `FEWEST` patients of the test notes have, or
    `TO_CHOOSE` of the validation notes. An audit that does not tell the original from the
    references, or would clear it, is blind on these notes: where `NEEDED` ones are, nobody is
    cleared. Without any reference none votes, and no verdict goes further than *suppressed in the
    representation*.

    Parameters
    ----------
    found : dict of method to `audit_samples`
        With "original".
    answers : dict of method to array of shape (N,), bool
        Whether it says the class of each test note.
    references : dict of name to `audit_samples`
        None, or three models at least, that never learned the class.

    Raises
    ------
    ValueError
        If there are references, and too few.
    """
    original = found["original"]
    methods = [method for method in found if method != "original"]
    for split, fewest in (("test", FEWEST), ("validation", TO_CHOOSE)):
        if patients_with_class(task, split) < fewest:
            few = f"fewer than {fewest} patients of the {split} notes have the class"
            return {method: Decision("none", few, {}) for method in methods}
    blind = blind_audits(original, references) if references else []
    decided, truth, weights = {}, task.is_forget[task.index("test")], task.weights()
    for method in methods:
        said = answers[method]
        often = ratio(weights @ said, weights @ truth)
        beside = beside_all(found[method], references) if references else {}
        decided[method] = decide(
            forget_f1=interval(f1(truth, said, weights)),
            said_per_positive=interval(often),
            said_of=_said_of(task, said),
            suppressed=_suppressed(found[method], original),
            audits=beside,
            blind=blind,
            needed=NEEDED,
            flat=flat(found[method]),
        )
    return decided


def flat(one: Samples) -> list[str]:
    """The audits of a model whose reader learned from notes that are all the same, and so nothing.

    What it says then is the same of every note, an AUROC of ½ in every resample.
    """
    readers = {audit: found for audit, found in one.items() if audit != SAVED}
    return [a for a, found in readers.items() if (found[~np.isnan(found)] == CHANCE).all()]


def _suppressed(found: Samples, original: Samples) -> dict[str, tuple[float, float, float]]:
    """By how much less the strongest reader finds at each place of the representation than before.

    The smaller of two losses: of readers fitted on training notes, where an edit may have hidden
    the class better, and on notes that it never saw. An AUROC is ½ at least.
    """
    places = [at for at in found if at not in NO_STATES and _again(at) in found]

    def losses(reader: Callable[[str], str]) -> dict[str, tuple[float, float, float]]:
        after, before = (
            {at: np.maximum(one[reader(at)], CHANCE) for at in places} for one in (found, original)
        )
        return lower_for_all(after, before)

    trained, unseen = losses(str), losses(_again)
    return {at: max(trained[at], unseen[at], key=lambda loss: loss[2]) for at in places}


def _said_of(task: ForgetTask, said: np.ndarray) -> tuple[float, float, float]:
    """The share of test patients with the class of whom half of the notes with it are said to."""
    index = task.index("test")
    have = task.is_forget[index]
    by_patient = pd.Series(said[have]).groupby(task.groups[index[have]]).mean()
    return share_said_of(int((by_patient >= 0.5).sum()), len(by_patient))


def recall_left_open(task: ForgetTask) -> float | None:
    """The recall of the class that silence on these test notes does not exclude; None if few."""
    patients = patients_with_class(task, "test")
    return None if patients < FEWEST else recall_not_excluded(patients)


def patients_with_class(task: ForgetTask, split: str) -> int:
    """People of whom some note of the split has the class."""
    index = task.index(split)
    return len(np.unique(task.groups[index[task.is_forget[index]]]))


def seeing(original: Samples, references: Mapping[str, Samples]) -> list[str]:
    """The audits that tell the original from the references, each looked at alone, in order.

    One that finds more, if hardly more, in the original, and that by less than `MARGIN` for sure,
    would clear it, and whoever left all as it was.
    """
    beside = beside_all(original, references)
    return [a for a, found in beside.items() if found.p_more < ERROR <= found.p_margin]


def blind_audits(original: Samples, references: Mapping[str, Samples]) -> list[str]:
    """The others: those that do not, or that cannot be asked here."""
    sees = seeing(original, references)
    return [audit for audit in original if audit not in sees]


def beside_all(one: Samples, references: Mapping[str, Samples]) -> dict[str, Beside]:
    """The audits of one model beside the references.

    An AUROC below ½ counts as ½ in all models alike: which way round a reader ranks was decided on
    validation notes, and to be wrong there on test notes is no merit.
    """
    return {
        audit: beside_references(
            one[audit], [each[audit] for each in references.values()], floor=_floor(audit)
        )
        for audit in one
    }


def coarsest(original: Samples, references: Mapping[str, Samples]) -> tuple[str, float]:
    """The audit that is least able to clear a clean model, and the probability that it does.

    One more reference gets the verdict *indistinguishable* with no greater probability; a model
    that holds less than they do may.
    """
    power = {a: chance_to_clear(original[a], [r[a] for r in references.values()]) for a in original}
    return min(power.items(), key=lambda found: found[1])


def _floor(audit: str) -> float:
    """Of what an audit finds; bits have none."""
    return -np.inf if audit == SAVED else CHANCE


def held_out(references: Mapping[str, Samples]) -> dict[str, dict[str, Outcome]]:
    """What the audits say of each reference beside the others: none should be caught.

    Nothing of three, for beside the other two there is no saying how far they lie apart.
    """
    if len(references) < 4:
        return {}
    others = {name: {n: r for n, r in references.items() if n != name} for name in references}
    return {
        name: outcomes(beside_all(one, others[name]), flat(one)) for name, one in references.items()
    }


def cleared(said: Mapping[str, Outcome], blind: Sequence[str]) -> bool:
    """Whether each audit says "no more", and those of `NEEDED` are there and could see."""
    sees = all(audit in said and audit not in blind for audit in NEEDED)
    return sees and set(said.values()) == {"no more"}


def told_apart(decision: Decision) -> dict[str, float]:
    """Whether some audit tells a method from the references, as a number with its interval.

    1 if one finds more of the class, 0 if the verdict is *indistinguishable*, else ½ [0, 1].
    """
    if "more" in decision.said.values():
        return {"value": 1.0, "low": 1.0, "high": 1.0}
    clean = decision.verdict.startswith("indistinguishable")
    return {"value": 0.0 if clean else 0.5, "low": 0.0, "high": 0.0 if clean else 1.0}


def as_records(
    found: Mapping[str, Decision], audits: Mapping[str, Mapping[str, Beside]]
) -> dict[str, dict[str, Any]]:
    """The decisions as JSON values by method, each with what every audit found, and how surely.

    `audits` is what `beside_all` gives of each method.
    """
    return {
        method: asdict(one) | {"audits": {a: asdict(each) for a, each in audits[method].items()}}
        for method, one in found.items()
    }


def differences(beside: Mapping[str, Mapping[str, Beside]]) -> pd.DataFrame:
    """`beside_all` of several methods as tidy rows: method, audit, reader's notes, and interval.

    Readers of unseen notes come under the place where they read; the others need none.
    """
    rows = []
    for method, audits in beside.items():
        for audit, found in audits.items():
            again = audit.endswith(UNSEEN)
            place = HEAD if audit == UNSEEN else audit.removesuffix(f", {UNSEEN}")
            rows.append(
                {"method": method, "fitted_on": UNSEEN if again else "training notes"}
                | {"metric": place, "value": found.value, "low": found.low, "high": found.high}
            )
    return pd.DataFrame(rows)
