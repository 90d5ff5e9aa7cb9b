"""Which audits may vote, who is caught, and what a class with few patients gets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from steu.audits import battery
from steu.audits.battery import audit_samples
from steu.audits.places import OTHERS
from steu.audits.probing import Probed
from steu.evaluation.strongest_probe import Finding
from steu.evaluation.verdicts import Decision
from steu.models.hidden_states import HEAD
from steu.reporting.display_names import METRICS

CLEAN = "indistinguishable from the references under these audits"
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
    f"reference_{i}": audit_samples(
        probed(
            head, below=0.8 + 0.002 * i, others=0.7 + 0.002 * i, hand=0.5 + 0.01 * i, seed=10 * i
        )
    )
    for i, head in enumerate((0.79, 0.80, 0.81, 0.80))
}
ORIGINAL = audit_samples(probed(0.95, hand=0.9, seed=50))
SILENT = np.zeros(1 + N_BOOTSTRAP)


def task(patients: int) -> SimpleNamespace:
    return SimpleNamespace(
        labels=("sepsis",),
        forget=0,
        groups=np.arange(60),
        test=np.arange(60),
        is_forget=np.arange(60) < patients,
    )


def decided(
    original: battery.Samples = ORIGINAL, f1: np.ndarray = SILENT, **methods: battery.Samples
) -> dict[str, Decision]:
    return battery.verdicts(
        task(20),  # type: ignore[arg-type]
        {"original": original} | methods,
        dict.fromkeys(methods, f1),
        REFERENCES,
    )


def verdicts(**given: Any) -> dict[str, str]:
    return {name: decision.verdict for name, decision in decided(**given).items()}


def test_the_untouched_original_is_caught_and_no_reference_is() -> None:
    said = battery.beside_all(ORIGINAL, REFERENCES)
    assert said[HEAD].p_more < 0.01
    caught = [set(one.values()) for one in battery.held_out(REFERENCES).values()]
    assert len(caught) == 4
    assert not any("more" in one for one in caught)
    blind = battery.blind_audits(ORIGINAL, REFERENCES)
    out = battery.held_out(REFERENCES, blind)
    assert {name for name, said in out.items() if battery.cleared(said)} < set(REFERENCES)
    seeing = dict.fromkeys(battery.NEEDED, "no more")
    assert battery.cleared(seeing | {OTHERS: "blind"})
    assert not battery.cleared(seeing | {OTHERS: "undecided"})
    assert not battery.cleared(seeing | {battery.UNSEEN: "blind"})  # who cannot see has not looked
    assert not battery.cleared(dict.fromkeys(blind, "blind"))  # who saw nothing clears nobody
    three = dict(list(REFERENCES.items())[:3])
    assert battery.held_out(three) == {}  # beside two there is no saying how far they lie apart


def test_an_audit_that_does_not_catch_the_original_has_no_vote_and_is_called_blind() -> None:
    votes = [BELOW, HEAD, battery.UNSEEN, battery.AT_HAND]
    assert battery.voting(ORIGINAL, REFERENCES) == votes
    said = decided(clean=audit_samples(probed(0.8, below=0.8, seed=70)))["clean"].said
    assert said == dict.fromkeys(votes, "no more") | {OTHERS: "blind"}
    table = battery.verdict_table(decided(clean=audit_samples(probed(0.8, below=0.8, seed=70))))
    assert list(table) == ["method", "verdict", "decided by", "value", "low", "high", *votes]


def test_a_class_that_an_edit_wrote_into_a_neighbours_answers_is_caught() -> None:
    """There the original tells no more than the references, so the audit is blind for it."""
    assert OTHERS in battery.blind_audits(ORIGINAL, REFERENCES)
    leaking = decided(leaking=audit_samples(probed(0.80, below=0.80, others=0.99, seed=70)))
    assert leaking["leaking"].said[OTHERS] == "more"
    assert leaking["leaking"].verdict == "suppressed in the representation"
    assert battery.told_apart(leaking["leaking"])["value"] == 1.0


def test_each_model_gets_the_verdict_that_its_states_bear_out() -> None:
    found = verdicts(
        null=ORIGINAL,
        halfway=audit_samples(probed(0.86, hand=0.5, seed=60)),
        a_little=audit_samples(
            probed(0.92, hand=0.5, seed=60)
        ),  # less, but by less than the margin
        as_retrained=audit_samples(probed(0.80, below=0.80, seed=70)),
    )
    assert found == {
        "null": "silenced",
        "halfway": "suppressed in the representation",
        "a_little": "silenced",
        "as_retrained": CLEAN,
    }


def test_a_class_that_was_erased_at_the_head_alone_is_caught_in_the_layer_below() -> None:
    found = decided(hidden=audit_samples(probed(0.78, below=0.9, hand=0.5, seed=70)))["hidden"]
    assert found.said[BELOW] == "more" and found.said[HEAD] == "no more"
    assert found.verdict == "suppressed in the representation"  # at the head, and no further


def test_what_cannot_see_makes_no_verdict_easier() -> None:
    clean = audit_samples(probed(0.80, below=0.80, seed=70))
    weak = ORIGINAL | {battery.UNSEEN: audit_samples(probed(0.8, seed=50))[battery.UNSEEN]}
    found = decided(original=weak, clean=clean, null=weak)
    assert found["clean"].said[battery.UNSEEN] == "blind"
    assert found["clean"].verdict == "suppressed in the representation"
    merely = ORIGINAL | {
        HEAD: clean[HEAD],
        BELOW: clean[BELOW],
        battery.UNSEEN: clean[battery.UNSEEN],
    }
    found = decided(original=merely, clean=clean)
    assert found["clean"].verdict == "silenced"
    assert found["clean"].decided_by == f"{HEAD}, which is blind here"


def test_answers_about_the_others_are_no_representation() -> None:
    moved = ORIGINAL | {OTHERS: audit_samples(probed(0.95, others=0.5, seed=50))[OTHERS]}
    assert verdicts(head_only=moved) == {"head_only": "silenced"}


def test_to_rank_the_wrong_way_round_on_test_notes_is_no_merit() -> None:
    both = (audit_samples(probed(v, seed=60)) for v in (0.3, 0.5))
    upside_down, chance = (battery.beside_all(one, REFERENCES)[HEAD] for one in both)
    assert upside_down.value == chance.value < 0


def test_a_masked_reference_says_nothing_of_a_head_at_hand() -> None:
    masked = REFERENCES["reference_3"] | {battery.AT_HAND: np.full(1 + N_BOOTSTRAP, 0.5)}
    with_masked = REFERENCES | {"reference_3": masked}
    without = dict(list(REFERENCES.items())[:3])
    found, alone = (battery.beside_all(ORIGINAL, r) for r in (with_masked, without))
    assert found[battery.AT_HAND] == alone[battery.AT_HAND]
    two = dict(list(with_masked.items())[1:])
    assert battery.AT_HAND not in battery.beside_all(ORIGINAL, two)


def test_how_soon_the_labels_are_learned_has_a_vote_where_it_was_measured() -> None:
    found = audit_samples(probed(0.8), saved=np.full(1 + N_BOOTSTRAP, -0.1))
    assert found[battery.SAVED][0] == -0.1  # a share of bits, and no AUROC
    assert battery.SAVED not in audit_samples(probed(0.8))


def test_a_verdict_as_a_number_is_undecided_unless_an_audit_decides() -> None:
    found = decided(null=ORIGINAL, clean=audit_samples(probed(0.80, below=0.80, seed=70)))
    assert battery.told_apart(found["null"]) == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert battery.told_apart(found["clean"]) == {"value": 0.0, "low": 0.0, "high": 0.0}
    open_ = Decision("silenced", HEAD, {HEAD: "undecided"})
    assert battery.told_apart(open_) == {"value": 0.5, "low": 0.0, "high": 1.0}


def test_who_still_predicts_the_class_is_not_silenced() -> None:
    loud = samples(0.3, 0)
    assert verdicts(f1=loud, loud=audit_samples(probed(0.5))) == {"loud": "not silenced"}


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


def test_what_is_recorded_is_called_as_the_results_call_it() -> None:
    assert set(battery.recorded(probed(0.8))) <= set(METRICS)
    assert "told_from_references" in METRICS
