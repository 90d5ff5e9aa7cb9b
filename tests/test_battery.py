"""Which audits may vote, who is caught, and what a class with few patients gets."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from steu.audits import battery
from steu.audits.places import OTHERS
from steu.audits.probing import Probed
from steu.evaluation.strongest_probe import Finding
from steu.models.hidden_states import HEAD

BELOW = "layer 1, mean"
N_BOOTSTRAP = 400


def samples(value: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=N_BOOTSTRAP)
    return np.concatenate([[value], value + 0.01 * noise])


def probed(
    head: float, *, below: float = 0.9, others: float = 0.7, hand: float = 0.5, seed: int = 0
) -> Probed:
    """A model in which the readers find so much."""
    found = {BELOW: below, HEAD: head, OTHERS: others}
    findings = {p: Finding(p, "MLP", False, value, np.zeros(1)) for p, value in found.items()}
    return Probed(
        findings,
        {p: samples(value, seed) for p, value in found.items()},
        {p: samples(value, seed + 1) for p, value in found.items()},
        samples(hand, seed + 2),
        constant=(),
    )


REFERENCES = {
    f"reference_{i}": probed(head, below=0.9 + 0.002 * i, others=0.7 + 0.002 * i, seed=10 * i)
    for i, head in enumerate((0.79, 0.80, 0.81, 0.80))
}
ORIGINAL = probed(0.95, seed=50)
SILENT = np.zeros(1 + N_BOOTSTRAP)


def task(patients: int) -> SimpleNamespace:
    return SimpleNamespace(
        labels=("sepsis",),
        forget=0,
        groups=np.arange(60),
        test=np.arange(60),
        is_forget=np.arange(60) < patients,
    )


def verdicts(patients: int = 20, f1: np.ndarray = SILENT, **methods: Probed) -> dict[str, str]:
    found = battery.verdicts(
        task(patients),  # type: ignore[arg-type]
        {"original": ORIGINAL} | methods,
        dict.fromkeys(methods, f1),
        REFERENCES,
    )
    return {name: decision.verdict for name, decision in found.items()}


def test_the_untouched_original_is_caught_and_no_reference_is() -> None:
    said = battery.beside_all(ORIGINAL, REFERENCES)
    assert said["the head"].p_more < 0.01
    caught = [set(one.values()) for one in battery.held_out(REFERENCES).values()]
    assert len(caught) == 4
    assert not any("more" in one for one in caught)


def test_an_audit_that_does_not_catch_the_original_has_no_vote() -> None:
    assert battery.voting(ORIGINAL, REFERENCES) == ["any place", "the head", "unseen notes"]


def test_each_model_gets_the_verdict_that_its_states_bear_out() -> None:
    found = verdicts(
        null=ORIGINAL, halfway=probed(0.90, seed=60), as_retrained=probed(0.80, seed=70)
    )
    assert found == {
        "null": "silenced",
        "halfway": "suppressed in the representation",
        "as_retrained": "indistinguishable from the references under these audits",
    }


def test_who_still_predicts_the_class_is_not_silenced() -> None:
    loud = samples(0.3, 0)
    assert verdicts(f1=loud, loud=probed(0.5)) == {"loud": "not silenced"}


def test_too_few_patients_give_no_verdict_and_say_how_many_are_needed() -> None:
    found = battery.verdicts(
        task(9),  # type: ignore[arg-type]
        {"original": ORIGINAL, "null": ORIGINAL},
        {"null": SILENT},
        REFERENCES,
    )
    table = battery.verdict_table(found)
    assert list(table["verdict"]) == ["none"]
    assert table.loc[0, "decided by"] == "fewer than 10 patients of the test notes have the class"


def test_two_references_are_too_few() -> None:
    two = dict(list(REFERENCES.items())[:2])
    with pytest.raises(ValueError, match="needs three of them at least"):
        battery.verdicts(task(20), {"original": ORIGINAL, "x": ORIGINAL}, {"x": SILENT}, two)  # type: ignore[arg-type]


def test_every_audit_has_a_name_in_the_results() -> None:
    assert set(battery.METRICS.values()) == set(battery.AUDITS)
    assert set(battery.audit_samples(ORIGINAL)) == set(battery.AUDITS)
