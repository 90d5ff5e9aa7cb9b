"""Verdicts: closed forms, the error rate that is stated, and what each rule needs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm
from scipy.stats import t as student

from steu.evaluation.metrics import auroc, f1, group_weights, interval
from steu.evaluation.verdicts import (
    ERROR,
    FEWEST,
    MARGIN,
    UNSAID,
    Beside,
    beside_references,
    chance_to_clear,
    decide,
    lower_for_all,
    outcomes,
    recall_not_excluded,
    share_said_of,
)

NOBODY = (0.0, 0.0, 0.1)  # of the patients with the class, of whom it is said
SELDOM = (0.1, 0.0, 0.2)  # notes in which the class is said, per note that has it


def samples(value: float, spread: float = 0.0, n: int = 4000, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.concatenate([[value], value + spread * generator.normal(size=n)])


def test_the_interval_is_that_of_patients_and_of_one_more_draw() -> None:
    told = [samples(v) for v in (0.78, 0.80, 0.82)]  # a spread of 0.02 and no luck of patients
    found = beside_references(samples(0.9), told)
    around = student(2).ppf(0.95) * 0.02 * np.sqrt(1 + 1 / 3)
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1 - around, 0.1 + around))
    assert found.p_more == pytest.approx(student(2).sf(0.1 / (0.02 * np.sqrt(4 / 3))), rel=1e-3)
    alone = beside_references(samples(0.85, 0.03), [samples(0.8)] * 3)  # luck of patients alone
    assert alone.p_more == pytest.approx(norm.sf(0.05 / 0.03), rel=0.1)
    assert alone.high == pytest.approx(0.05 + 1.645 * 0.03, abs=0.005)


@pytest.mark.parametrize("value", [0.80, 0.815, 0.825, 0.83, 0.84])
def test_the_interval_that_is_shown_is_the_one_that_decides(value: float) -> None:
    told = [samples(v, 0.01, seed=i) for i, v in enumerate((0.795, 0.80, 0.805, 0.80))]
    found = beside_references(samples(value, 0.01, seed=9), told)
    assert (found.p_margin < ERROR) == (found.high < MARGIN)


def test_the_chance_to_be_cleared_is_the_share_of_references_that_are() -> None:
    generator = np.random.default_rng(0)
    cleared, told = 0, [samples(v) for v in (0.79, 0.80, 0.81, 0.80)]
    deviation = np.std([0.79, 0.80, 0.81, 0.80], ddof=1) * np.sqrt(5 / 4)
    for value in 0.80 + deviation * generator.normal(size=400):
        cleared += outcomes({"a": beside_references(samples(value), told)}) == {"a": "no more"}
    power = chance_to_clear(samples(0.8), told)
    assert 0.5 < power < 1 and cleared / 400 == pytest.approx(power, abs=0.02)
    assert chance_to_clear(samples(0.8), [samples(0.8)] * 3) == 1
    same = beside_references(samples(0.8), [samples(0.8)] * 3)  # nothing varies, nothing differs
    assert same.p_more == 0.5 and outcomes({"a": same}) == {"a": "no more"}
    apart = [samples(v) for v in (0.7, 0.8, 0.9)]
    assert chance_to_clear(samples(0.8), apart) < 0.05


def test_less_than_the_references_is_no_more_than_they_hold() -> None:
    told = [samples(0.8, 0.01, seed=i) for i in range(4)]
    found = beside_references(samples(0.7, 0.01, seed=9), told)
    assert found.p_more > 0.9
    assert outcomes({"probe": found}) == {"probe": "no more"}


class Trials:
    """Made-up models of the same patients: what the best reader of several finds in each."""

    def __init__(self, positives: int, *, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.truth = {"validation": np.arange(130) < 0.6 * positives}
        self.truth["test"] = np.arange(220) < positives
        self.weights = group_weights(np.arange(220), n_bootstrap=60, seed=0)

    def patients(self) -> dict[str, np.ndarray]:
        """Hard notes are hard for every model and every reader."""
        return {split: self.generator.normal(size=len(has)) for split, has in self.truth.items()}

    def model(self, patients: dict[str, np.ndarray], tells: float, apart: float) -> np.ndarray:
        """Samples of a model in which the class lies `tells` off on average, training `apart`.

        Readers are of unlike strength; the one that does best on validation notes is asked.
        """
        tells = self.generator.normal(tells, apart)
        best, asked = -1.0, np.empty(0)
        for strength in self.generator.normal(tells, 0.15, size=6):
            said = {
                split: patients[split] + 0.5 * self.generator.normal(size=len(has)) + strength * has
                for split, has in self.truth.items()
            }
            seen = auroc(self.truth["validation"], said["validation"], np.ones((1, 130)))[0]
            best, asked = max((best, asked), (seen, said["test"]), key=lambda one: one[0])
        return auroc(self.truth["test"], asked, self.weights)


@pytest.mark.parametrize("tells", [1.2, 0.0])
def test_a_reference_held_out_is_caught_no_more_often_than_is_stated(
    tells: float,
) -> None:
    """Where models that never learned the class tell it, and where they are at chance."""
    made, caught = Trials(20, seed=0), 0
    for _ in range(120):
        audits = {}
        for name in ("one", "two", "three"):
            patients = made.patients()
            held_out, *others = (made.model(patients, tells, 0.2) for _ in range(5))
            audits[name] = beside_references(held_out, others, floor=0.5)
        caught += "more" in outcomes(audits).values()
    # 120 trials at the stated rate catch 11 or fewer in 97 of 100 cases
    assert caught <= 11


def test_below_the_floor_all_counts_alike_and_models_lie_as_far_apart_as_they_do() -> None:
    told = [samples(v, 0.05, seed=i) for i, v in enumerate((0.42, 0.46, 0.50))]
    low, floor = samples(0.38, 0.05, seed=9), samples(0.5, 0.05, seed=9)
    below, at = (beside_references(one, told, floor=0.5) for one in (low, floor))
    assert below.value == at.value == 0.0
    free = beside_references(floor, told)
    assert free.value == pytest.approx(0.04)
    assert at.high - at.low == pytest.approx(free.high - free.low)


@pytest.mark.parametrize("positives", [FEWEST, 20])
def test_what_lies_just_at_the_margin_is_called_no_more_often_than_is_stated(
    positives: int,
) -> None:
    """Cleared with `MARGIN` more than the references; suppressed with `MARGIN` less somewhere."""
    made = Trials(positives, seed=positives)
    cleared, suppressed = 0, 0

    def model(patients: dict[str, np.ndarray], auroc_: float, apart: float) -> np.ndarray:
        """Samples of a model whose AUROC is this on average, training apart."""
        spread = np.sqrt(2 * (1 + 0.5**2) + apart**2)
        return made.model(patients, norm.ppf(auroc_) * spread, apart)

    for _ in range(100):
        patients = made.patients()
        references = [model(patients, 0.77, 0.2) for _ in range(4)]
        beside = beside_references(model(patients, 0.77 + MARGIN, 0.2), references)
        cleared += outcomes({"probe": beside}) == {"probe": "no more"}
        original = {place: model(patients, 0.85, 0.0) for place in "abc"}
        edited = {place: model(patients, 0.85, 0.0) for place in "bc"}
        edited["a"] = model(patients, 0.85 - MARGIN, 0.0)
        found = lower_for_all(edited, original)
        suppressed += any(high < -MARGIN for _, _, high in found.values())
    # 100 trials at the stated rate give 10 or fewer in 99 of 100 cases
    assert cleared <= 10 and suppressed <= 10


@pytest.mark.parametrize("patients", [FEWEST, 39, 65, 200])
def test_a_model_that_still_says_the_class_of_one_in_seven_is_seldom_called_silent(
    patients: int,
) -> None:
    generator, silent = np.random.default_rng(patients), 0
    truth = np.arange(7 * patients) < patients
    weights = group_weights(np.arange(7 * patients), n_bootstrap=200, seed=0)
    for _ in range(200):
        said = truth & (generator.random(len(truth)) < UNSAID)
        found = decide(
            forget_f1=interval(f1(truth, said, weights)),
            said_per_positive=SELDOM,
            said_of=share_said_of(int(said.sum()), patients),
            suppressed={},
            audits={},
        )
        silent += found.verdict == "silenced"
    # 200 trials at the stated rate give 17 or fewer in 99 of 100 cases
    assert silent <= 17
    assert recall_not_excluded(FEWEST) < UNSAID < recall_not_excluded(FEWEST - 1)


@pytest.mark.parametrize("n_resamples", [50, 200])
def test_few_resamples_suppress_no_more_often_than_many(n_resamples: int) -> None:
    """Of a loss of just the margin at twelve places one in forty is called, not one in five."""
    generator, called, trials = np.random.default_rng(n_resamples), 0, 400
    for _ in range(trials):
        value = -MARGIN + 0.02 * generator.normal(size=(12, 1))
        drawn = value + 0.02 * generator.normal(size=(12, n_resamples))
        samples = np.concatenate([value, drawn], axis=1)
        edited = dict(zip("abcdefghijkl", samples, strict=True))
        found = lower_for_all(edited, dict.fromkeys(edited, np.zeros(1 + n_resamples)))
        called += any(high < -MARGIN for _, _, high in found.values())
    assert called <= 20  # 400 trials at 2.5 % give 20 or fewer in 99.9 of 100 cases


def test_an_audit_that_was_not_made_is_not_called_blind() -> None:
    same = Beside(0.0, -0.02, 0.02, 0.5, 0.001)
    given = {
        "forget_f1": (0.0, 0.0, 0.0),
        "said_per_positive": SELDOM,
        "said_of": NOBODY,
        "suppressed": {},
        "audits": {"a": same},
    }
    assert decide(**given, needed=["b"]).decided_by == "b, which was not made"
    assert decide(**given, needed=["a"], blind=["a"]).decided_by == "a, which is blind here"


@pytest.mark.parametrize("notes", [[1] * 19, [20] * 10 + [1] * 9, [60] * 6 + [1] * 13])
def test_nor_where_a_few_patients_have_most_of_the_notes(notes: list[int]) -> None:
    """F1 counts notes: who is hit may have few of them. Battery counts the people."""
    generator, silent, trials = np.random.default_rng(len(notes)), 0, 150
    groups = np.r_[np.repeat(np.arange(19), notes), 19 + np.arange(100)]
    truth, weights = groups < 19, group_weights(groups, n_bootstrap=200, seed=0)
    for _ in range(trials):
        hit = generator.random(19) < UNSAID
        said = truth & np.isin(groups, np.flatnonzero(hit))
        found = decide(
            forget_f1=interval(f1(truth, said, weights)),
            said_per_positive=SELDOM,
            said_of=share_said_of(int(hit.sum()), 19),
            suppressed={},
            audits={},
        )
        silent += found.verdict == "silenced"
    assert silent <= 13  # 150 trials at the stated rate give 13 or fewer in 98 of 100 cases


def test_how_many_patients_may_be_missed_is_clopper_and_pearsons_bound() -> None:
    for patients in (FEWEST, 40):
        assert share_said_of(0, patients)[2] == pytest.approx(recall_not_excluded(patients))
    hit, patients = 3, 60
    _, _, high = share_said_of(hit, patients)
    assert binom.cdf(hit, patients, high) == pytest.approx(0.05)
    assert share_said_of(5, 5) == (1.0, 0.0, 1.0)
    found = decide(
        forget_f1=(0.0, 0.0, 0.04),
        said_per_positive=SELDOM,
        said_of=share_said_of(1, FEWEST),
        suppressed={},
        audits={},
    )
    assert (found.verdict, found.decided_by) == ("not silenced", "patients it is said of")
    assert found.value is None  # restricted data's one in nineteen could be counted


def test_silence_on_few_patients_leaves_open_what_it_says() -> None:
    for patients in (10, 40, 115):
        recall = recall_not_excluded(patients)
        assert (1 - recall) ** patients == pytest.approx(0.05)
    assert recall_not_excluded(22) == pytest.approx(0.127, abs=0.001)


def test_a_blind_audit_excuses_nobody() -> None:
    """What it finds counts, and what it cannot exclude as well."""
    same, more = Beside(0.0, -0.02, 0.02, 0.5, 0.001), Beside(0.2, 0.1, 0.3, 0.001, 0.99)
    open_ = Beside(0.07, -0.01, 0.15, 0.07, 0.6)
    for found in (more, open_):
        caught = decide(
            forget_f1=(0.0, 0.0, 0.0),
            said_per_positive=SELDOM,
            said_of=NOBODY,
            suppressed={},
            audits={"a": same, "b": found},
            blind=["b"],
        )
        assert (caught.verdict, caught.decided_by) == ("silenced", "b")
        assert (caught.value, caught.low, caught.high) == (found.value, found.low, found.high)


def test_one_number_under_two_names_is_one_audit() -> None:
    near, other = Beside(0.1, 0.0, 0.2, 0.03, 0.9), Beside(0.0, -0.2, 0.2, 0.5, 0.4)
    assert outcomes({"a": near, "b": near}) == {"a": "more", "b": "more"}
    assert outcomes({"a": near, "b": near, "c": other})["a"] == "undecided"  # 2 × 0.03
    once = lower_for_all({"a": samples(0.7, 0.05)}, {"a": samples(0.8)})
    assert lower_for_all({}, {}) == {}
    twice = lower_for_all(
        dict.fromkeys("ab", samples(0.7, 0.05)), dict.fromkeys("ab", samples(0.8))
    )
    assert twice == once | {"b": once["a"]}


def test_a_model_that_holds_more_is_caught() -> None:
    told = [samples(0.8 + 0.01 * i, 0.02, seed=i) for i in range(4)]
    found = {"probe": beside_references(samples(0.95, 0.02, seed=9), told)}
    assert outcomes(found) == {"probe": "more"}


def test_more_audits_need_more_evidence() -> None:
    near = Beside(0.1, 0.0, 0.2, p_more=0.03, p_margin=0.9)
    unsuspicious = Beside(0.0, -0.2, 0.2, p_more=0.5, p_margin=0.4)
    assert outcomes({"a": near})["a"] == "more"
    assert outcomes({"a": near, "b": unsuspicious}) == {"a": "undecided", "b": "undecided"}


def test_verdicts_rise_with_what_the_intervals_bear_out() -> None:
    same = {"probe": Beside(0.0, -0.02, 0.02, 0.5, 0.001)}
    more = {"probe": Beside(0.2, 0.1, 0.3, 0.001, 0.99)}
    less, not_less = {"head": (-0.1, -0.2, -0.06)}, {"head": (-0.1, -0.2, -0.04)}
    silent, loud = (0.0, 0.0, 0.0), (0.02, 0.0, 0.08)
    assert (
        decide(
            forget_f1=loud, said_per_positive=SELDOM, said_of=NOBODY, suppressed=less, audits=same
        ).verdict
        == "not silenced"
    )
    assert (
        decide(
            forget_f1=silent,
            said_per_positive=SELDOM,
            said_of=NOBODY,
            suppressed=not_less,
            audits=more,
        ).verdict
        == "silenced"
    )
    found = decide(
        forget_f1=silent, said_per_positive=SELDOM, said_of=NOBODY, suppressed=less, audits=more
    )
    assert (found.verdict, found.decided_by) == ("suppressed in the representation", "head")
    best = decide(
        forget_f1=silent, said_per_positive=SELDOM, said_of=NOBODY, suppressed=less, audits=same
    )
    assert best.verdict == "indistinguishable from the references under these audits"
    assert best.decided_by == "probe"
    assert (
        decide(
            forget_f1=silent,
            said_per_positive=SELDOM,
            said_of=NOBODY,
            suppressed=not_less,
            audits={},
        ).verdict
        == "silenced"
    )
    often = decide(
        forget_f1=silent,
        said_per_positive=(0.9, 0.7, 1.1),
        said_of=NOBODY,
        suppressed=less,
        audits=same,
    )
    assert (often.verdict, often.value, often.high) == ("not silenced", 0.9, 1.1)
    assert often.decided_by == "notes it is said of, per note that has it"
    blind = decide(
        forget_f1=silent,
        said_per_positive=SELDOM,
        said_of=NOBODY,
        suppressed=not_less,
        audits=same,
        blind=["unseen"],
        needed=["unseen"],
    )
    assert (found.value, found.low, found.high) == less["head"]
    assert (blind.verdict, blind.decided_by) == ("silenced", "unseen, which is blind here")
    assert blind.said == {"probe": "no more"}


def test_an_interval_for_all_places_is_wider_than_for_one() -> None:
    method, original = samples(0.7, 0.05), samples(0.8, seed=1)
    one = lower_for_all({"a": method}, {"a": original})["a"]
    others = {place: samples(0.7, 0.05, seed=i) for i, place in enumerate("bcd", 2)}
    before = dict.fromkeys("abcd", original)
    many = lower_for_all({"a": method} | others, before)["a"]
    assert many[1] < one[1] < one[2] < many[2]
    assert one[2] == pytest.approx(-0.1 + 1.96 * 0.05, abs=0.01)


def test_what_cannot_be_judged_is_named() -> None:
    with pytest.raises(ValueError, match="needs three of them at least.* found 2"):
        beside_references(samples(0.8), [samples(0.8)] * 2)
    with pytest.raises(ValueError, match="no number for the method or a reference: no verdict"):
        beside_references(samples(np.nan), [samples(0.8)] * 3)
    with pytest.raises(ValueError, match="needs resamples of patients; found 0: set n_bootstrap"):
        beside_references(np.array([0.9]), [np.array([0.8])] * 3)
