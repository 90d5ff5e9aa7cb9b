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
from steu.evaluation.results import READER, READER_UNSEEN
from steu.evaluation.strongest_probe import Finding
from steu.evaluation.verdicts import Decision, chance_to_clear, verdict_table
from steu.models.hidden_states import HEAD
from steu.reporting.display_names import METRICS

CLEAN = "indistinguishable from the references under these audits"
BELOW = "layer 1, mean"
N_BOOTSTRAP = 400


def samples(value: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=N_BOOTSTRAP)
    return np.concatenate([[value], value + 0.01 * noise])


def probed(
    head: float,
    *,
    below: float = 0.9,
    others: float = 0.7,
    hand: float = 0.5,
    unseen: float | None = None,
    seed: int = 0,
) -> Probed:
    """A model in which the readers find so much; on unseen notes as much, unless they are told."""
    found = {BELOW: below, HEAD: head, OTHERS: others}
    again = found if unseen is None else dict.fromkeys(found, unseen)
    findings = {p: Finding(p, "MLP", False, value, np.zeros(1)) for p, value in found.items()}
    return Probed(
        findings,
        {p: samples(value, seed) for p, value in found.items()},
        {p: samples(value, seed + 1) for p, value in again.items()},
        samples(hand, seed + 2),
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
SILENT = np.zeros(60, dtype=bool)  # of the test notes, it is said of none


def task(patients: int, validation: int = 20) -> SimpleNamespace:
    """Sixty patients a split, of whom so many have the class."""
    place = np.tile(np.arange(60), 2)
    return SimpleNamespace(
        groups=np.arange(120),
        weights=lambda: np.ones((1 + N_BOOTSTRAP, 60)),
        index=lambda split: np.arange(60) + 60 * (split == "test"),
        is_forget=place < np.repeat([validation, patients], 60),
    )


def decided(
    original: battery.Samples = ORIGINAL, said: np.ndarray = SILENT, **methods: battery.Samples
) -> dict[str, Decision]:
    return battery.verdicts(
        task(20),  # type: ignore[arg-type]
        {"original": original} | methods,
        dict.fromkeys(methods, said),
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
    assert not set(battery.NEEDED) & set(blind)
    out = battery.held_out(REFERENCES)
    assert {name for name, said in out.items() if battery.cleared(said, blind)} < set(REFERENCES)
    seen = dict.fromkeys(battery.NEEDED, "no more")
    assert battery.cleared(seen | {OTHERS: "no more"}, [OTHERS])
    assert not battery.cleared(seen | {OTHERS: "undecided"}, [OTHERS])
    assert not battery.cleared(seen, [battery.UNSEEN])  # who cannot see has not looked
    assert not battery.cleared({OTHERS: "no more"}, [])
    three = dict(list(REFERENCES.items())[:3])
    assert battery.held_out(three) == {}  # beside two there is no saying how far they lie apart


def test_an_audit_that_does_not_tell_the_original_from_the_references_is_blind() -> None:
    again = [f"{BELOW}, {battery.UNSEEN}", battery.UNSEEN, f"{OTHERS}, {battery.UNSEEN}"]
    sees = [BELOW, HEAD, *again[:2], battery.AT_HAND]
    assert battery.seeing(ORIGINAL, REFERENCES) == sees
    assert battery.blind_audits(ORIGINAL, REFERENCES) == [OTHERS, again[2]]
    clean = decided(clean=audit_samples(probed(0.8, below=0.8, seed=70)))
    audits = [BELOW, HEAD, OTHERS, *again, battery.AT_HAND]
    assert list(clean["clean"].said) == audits
    (row,) = verdict_table(clean).to_dict("records")
    assert (row["verdict"], row["caught by"], row["cleared by"]) == (CLEAN, "–", "7 of 7")


def test_who_left_all_as_it_was_is_cleared_by_no_audit_that_would_clear_the_original() -> None:
    """Hardly more than the references and that for sure: told from them, and within the margin."""
    generator = np.random.default_rng(3)
    audits = [f"layer {i}, mean{again}" for i in range(8) for again in ("", f", {battery.UNSEEN}")]
    audits += [HEAD, battery.UNSEEN, battery.AT_HAND]

    def near(value: float, spread: float) -> battery.Samples:
        drawn = generator.normal(value, spread, size=(len(audits), N_BOOTSTRAP))
        return dict(zip(audits, np.hstack([np.full((len(audits), 1), value), drawn]), strict=True))

    references = {f"r{i}": near(0.8 + 0.004 * (i % 3 - 1), 0.0) for i in range(5)}
    original = near(0.827, 0.0115)
    found = battery.beside_all(original, references)[HEAD]
    assert found.p_more < 0.05 and found.p_margin < 0.05
    said = {"original": original, "null": original}
    null = battery.verdicts(task(20), said, {"null": SILENT}, references)["null"]  # type: ignore[arg-type]
    assert HEAD in battery.blind_audits(original, references)
    assert (null.verdict, null.decided_by) == ("silenced", f"{HEAD}, which is blind here")


def test_it_is_counted_of_whom_the_class_is_said_and_not_in_how_many_notes() -> None:
    """Twenty-one patients with it, one of whom has forty of the sixty notes; three are hit."""
    owner = np.r_[np.zeros(40, int), np.arange(1, 21)]
    one = SimpleNamespace(
        groups=owner, is_forget=np.ones(60, bool), index=lambda split: np.arange(60)
    )
    said = np.isin(owner, [3, 4, 5])
    assert battery._said_of(one, said)[0] == 3 / 21  # type: ignore[arg-type]
    said[:19] = True  # less than half of the notes of the one with many
    assert battery._said_of(one, said)[0] == 3 / 21  # type: ignore[arg-type]
    said[:20] = True
    assert battery._said_of(one, said)[0] == 4 / 21  # type: ignore[arg-type]


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
    assert battery.UNSEEN in battery.blind_audits(weak, REFERENCES)
    below = "suppressed in the representation", BELOW  # where unseen notes say so too
    assert (found["clean"].verdict, found["clean"].decided_by) == below
    merely = ORIGINAL | {
        HEAD: clean[HEAD],
        BELOW: clean[BELOW],
        battery.UNSEEN: clean[battery.UNSEEN],
    }
    found = decided(original=merely, clean=clean)
    assert found["clean"].verdict == "silenced"
    assert found["clean"].decided_by == f"{HEAD}, which is blind here"


def test_a_place_where_nobody_saw_anything_has_to_be_clean_all_the_same() -> None:
    """The answers about the others are blind, and an edit that says a little there is not clean."""
    little = decided(little=audit_samples(probed(0.80, below=0.80, others=0.76, seed=70)))["little"]
    assert OTHERS in battery.blind_audits(ORIGINAL, REFERENCES)
    assert little.said[OTHERS] != "no more" and little.verdict != CLEAN


def test_what_was_hidden_in_the_training_notes_alone_is_not_suppressed() -> None:
    hidden = audit_samples(probed(0.80, below=0.80, unseen=0.95, seed=70))
    everywhere = audit_samples(probed(0.80, below=0.80, seed=70))
    original = audit_samples(probed(0.95, below=0.95, hand=0.9, seed=50))
    found = verdicts(original=original, hidden=hidden, everywhere=everywhere)
    assert found == {"hidden": "silenced", "everywhere": CLEAN}


def test_answers_about_the_others_are_no_representation() -> None:
    moved = ORIGINAL | {OTHERS: audit_samples(probed(0.95, others=0.5, seed=50))[OTHERS]}
    assert verdicts(head_only=moved) == {"head_only": "silenced"}


def test_to_rank_the_wrong_way_round_on_test_notes_is_no_merit() -> None:
    both = (audit_samples(probed(v, seed=60)) for v in (0.3, 0.5))
    upside_down, chance = (battery.beside_all(one, REFERENCES)[HEAD] for one in both)
    assert upside_down.value == chance.value < 0


@pytest.mark.parametrize("at", [BELOW, HEAD, OTHERS])
def test_a_class_that_unseen_notes_alone_tell_is_caught_at_every_place(at: str) -> None:
    """An edit may hide it in the notes that it was trained on, and a head may not read it."""
    audit = battery.UNSEEN if at == HEAD else f"{at}, {battery.UNSEEN}"
    clean = audit_samples(probed(0.80, below=0.80, seed=70))
    leaking = decided(leaking=clean | {audit: samples(0.99, 80)})["leaking"]
    assert leaking.said[audit] == "more" and leaking.said[at] == "no more"
    assert leaking.verdict != CLEAN and battery.told_apart(leaking)["value"] == 1.0


def test_how_soon_the_labels_are_learned_has_a_vote_where_it_was_measured() -> None:
    found = audit_samples(probed(0.8), saved=np.full(1 + N_BOOTSTRAP, -0.1))
    assert found[battery.SAVED][0] == -0.1  # a share of bits, and no AUROC
    assert battery.SAVED not in audit_samples(probed(0.8))
    clean = audit_samples(probed(0.8, below=0.8, seed=70))
    bits = {
        n: one | {battery.SAVED: samples(0.05, 90 + i)}
        for i, (n, one) in enumerate(REFERENCES.items())
    }
    before = ORIGINAL | {battery.SAVED: samples(0.40, 95)}
    found = {"original": before, "clean": clean | {battery.SAVED: samples(0.05, 96)}}
    found["leaking"] = clean | {battery.SAVED: samples(0.30, 97)}  # all far below ½, as bits may be
    answers = dict.fromkeys(("clean", "leaking"), SILENT)
    said = battery.verdicts(task(20), found, answers, bits)  # type: ignore[arg-type]
    assert said["clean"].verdict == CLEAN
    assert said["leaking"].said[battery.SAVED] == "more"


def test_differences_are_shown_at_their_place_for_notes_of_either_kind() -> None:
    shown = battery.differences({"original": battery.beside_all(ORIGINAL, REFERENCES)})
    kinds = shown.groupby("fitted_on")["metric"].agg(list)
    assert kinds["unseen notes"] == [BELOW, HEAD, OTHERS]
    assert kinds["training notes"] == [BELOW, HEAD, OTHERS, battery.AT_HAND]


def test_the_coarsest_audit_is_the_one_that_clears_least() -> None:
    audit, power = battery.coarsest(ORIGINAL, REFERENCES)
    told = [one[audit] for one in REFERENCES.values()]
    assert power == chance_to_clear(ORIGINAL[audit], told)
    assert all(
        power <= chance_to_clear(ORIGINAL[a], [one[a] for one in REFERENCES.values()])
        for a in ORIGINAL
    )


def test_a_verdict_as_a_number_is_undecided_unless_an_audit_decides() -> None:
    found = decided(null=ORIGINAL, clean=audit_samples(probed(0.80, below=0.80, seed=70)))
    assert battery.told_apart(found["null"]) == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert battery.told_apart(found["clean"]) == {"value": 0.0, "low": 0.0, "high": 0.0}
    open_ = Decision("silenced", HEAD, {HEAD: "undecided"})
    assert battery.told_apart(open_) == {"value": 0.5, "low": 0.0, "high": 1.0}


def test_who_still_predicts_the_class_is_not_silenced() -> None:
    some = np.arange(60) < 4  # of the twenty who have it
    assert verdicts(said=some, loud=audit_samples(probed(0.5))) == {"loud": "not silenced"}


def test_who_says_a_rare_class_of_everybody_is_not_silenced() -> None:
    """Such an F1 is below the limit: 40 / 840."""
    place = np.arange(820)
    rare = SimpleNamespace(
        groups=place,
        index=lambda split: place,
        is_forget=place < 20,
        weights=lambda: np.ones((1 + N_BOOTSTRAP, len(place))),
    )
    everybody, nobody = np.ones(len(place), dtype=bool), np.zeros(len(place), dtype=bool)
    found = battery.verdicts(
        rare,  # type: ignore[arg-type]
        {"original": ORIGINAL, "always": ORIGINAL, "never": ORIGINAL},
        {"always": everybody, "never": nobody},
        REFERENCES,
    )
    assert found["never"].verdict == "silenced"
    always = found["always"]
    assert (always.verdict, always.value) == ("not silenced", 41.0)


@pytest.mark.parametrize(
    ("which", "few"),
    [("19 patients of the test", task(18)), ("10 patients of the validation", task(20, 9))],
)
def test_too_few_patients_give_no_verdict_and_say_how_many_are_needed(
    which: str, few: SimpleNamespace
) -> None:
    found = battery.verdicts(
        few,  # type: ignore[arg-type]
        {"original": ORIGINAL, "null": ORIGINAL},
        {"null": SILENT},
        REFERENCES,
    )
    table = verdict_table(found)
    assert list(table["verdict"]) == ["none"]
    assert table.loc[0, "decided by"] == f"fewer than {which} notes have the class"


def test_where_nothing_varies_nobody_is_cleared_and_nothing_suppressed() -> None:
    clean = audit_samples(probed(0.75, below=0.75, others=0.6, unseen=0.6, seed=70))
    empty = np.full_like(clean[HEAD], 0.5)
    partly = clean | {OTHERS: empty, f"{OTHERS}, {battery.UNSEEN}": empty}
    whole = clean | {audit: empty for audit in clean if audit != battery.AT_HAND}
    found = decided(clean=clean, partly=partly, whole=whole)
    assert found["clean"].verdict == CLEAN
    assert found["partly"].said[OTHERS] == "undecided"
    assert found["partly"].verdict != CLEAN
    assert found["whole"].verdict == "silenced"
    assert found["whole"].decided_by == f"{BELOW}, where nothing varies"
    assert battery.flat(whole) == [a for a in whole if a != battery.AT_HAND]


def test_two_references_are_too_few() -> None:
    two = dict(list(REFERENCES.items())[:2])
    with pytest.raises(ValueError, match="needs three of them at least"):
        battery.verdicts(task(20), {"original": ORIGINAL, "x": ORIGINAL}, {"x": SILENT}, two)  # type: ignore[arg-type]


def test_what_is_recorded_is_called_as_the_results_call_it() -> None:
    assert set(battery.recorded(probed(0.8))) <= set(METRICS)
    assert "told_from_references" in METRICS


def test_beside_others_both_readers_are_asked_patient_by_patient() -> None:
    def looked(training: float, unseen: float) -> Probed:
        drawn = np.linspace(0, 0.1, 5)
        return Probed({}, {HEAD: training + drawn}, {HEAD: unseen - drawn}, drawn)

    one = {"steu": looked(0.6, 0.8), "original": looked(0.9, 0.85)}
    less = battery.beside_at_head(one, "steu", ["original", "not looked at"])
    assert set(less) == {f"{READER}_beside_original", f"{READER_UNSEEN}_beside_original"}
    assert less[f"{READER}_beside_original"] == pytest.approx(np.full(5, -0.3))
    assert less[f"{READER_UNSEEN}_beside_original"] == pytest.approx(np.full(5, -0.05))
    assert battery.beside_at_head(one, "not looked at", ["original"]) == {}
