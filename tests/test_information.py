"""Bits against closed forms, and membership against cases by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from steu.evaluation.information import code_lengths, information_difference, v_information
from steu.evaluation.membership import log_ratios, rmia_scores
from steu.evaluation.metrics import tpr_at


def bits(p: float) -> float:
    return float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def test_a_feature_that_is_the_class_tells_all_its_entropy_and_noise_nothing() -> None:
    generator = np.random.default_rng(0)
    truth, patients = generator.random(2000) < 0.3, np.arange(2000) // 2
    noise = generator.normal(size=(len(truth), 5))
    told = v_information(np.column_stack([noise, 10.0 * truth]), truth, patients).mean()
    assert told == pytest.approx(bits(truth.mean()), abs=0.05)
    assert abs(v_information(noise, truth, patients).mean()) < 0.02


def test_what_was_learned_of_a_patient_does_not_count_for_the_same_patient() -> None:
    """A mark of each patient tells all notes of hers, and nothing of anybody else's."""
    generator = np.random.default_rng(1)
    patients = np.repeat(np.arange(60), 6)
    truth = np.repeat(np.arange(60) % 2 == 0, 6)
    marks = 8.0 * (patients[:, None] == np.arange(60)) + generator.normal(size=(360, 60))
    assert v_information(marks, truth, patients).mean() < 0.05
    assert v_information(marks, truth, np.arange(360)).mean() > 0.1


def test_a_noisy_channel_tells_its_capacity() -> None:
    """A bit that is flipped one time in ten: I(X; Y) = 1 − H(0.1) where both are even."""
    generator = np.random.default_rng(1)
    truth = generator.random(2500) < 0.5
    seen = truth ^ (generator.random(len(truth)) < 0.1)
    found = v_information(seen[:, None].astype(float), truth, np.arange(2500)).mean()
    assert found == pytest.approx(1 - bits(0.1), abs=0.04)


def test_a_message_is_short_where_the_class_is_easily_learned() -> None:
    generator = np.random.default_rng(2)
    truth = generator.random(2000) < 0.5
    groups = np.arange(2000) // 2
    noise = generator.normal(size=(2000, 3))
    easy = code_lengths(np.column_stack([noise, 5.0 * truth]), truth, groups)
    none = code_lengths(noise, truth, groups)
    assert easy.mean() < 0.25 < 0.95 < none.mean() < 1.1
    named = np.log2(3) / 2000  # which of three strengths it is, once for all notes
    assert np.isclose(easy, 1 + named).sum() == pytest.approx(
        100, abs=2
    )  # the first block as it is
    again = code_lengths(noise, truth, groups, seed=1)
    assert not np.array_equal(none, again)


def test_a_first_block_of_one_kind_is_counted_and_not_refused() -> None:
    truth = np.zeros(200, dtype=bool)
    truth[:3] = True
    spent = code_lengths(np.random.default_rng(0).normal(size=(200, 2)), truth, np.arange(200))
    assert np.isfinite(spent).all() and spent.mean() < 0.5


def test_the_difference_is_one_for_the_original_and_nought_for_the_references() -> None:
    original, clean = [np.array([0.5]), np.array([0.3])], [np.array([0.2]), np.array([0.1])]
    lower, upper = ([np.array([v]) for v in pair] for pair in ((0.15, 0.1), (0.25, 0.1)))
    assert information_difference(original, original, [lower, upper])[0] == pytest.approx(1)
    assert information_difference(clean, original, [lower, upper])[0] == pytest.approx(0)
    half = [np.array([0.35]), np.array([0.2])]
    assert information_difference(half, original, [lower, upper])[0] == pytest.approx(0.5)
    assert np.isnan(information_difference(half, clean, [clean, clean])[0])
    unsure = [np.concatenate([one, np.linspace(-0.5, 0.5, 40)]) for one in original]
    flat = [np.repeat(one, 41) for one in clean]
    assert np.isnan(information_difference(unsure, unsure, [flat, flat])).all()


def test_an_attack_ranks_what_only_this_model_is_sure_of() -> None:
    own, references = np.array([0.9, 0.9, 0.3]), np.array([[0.2, 0.9, 0.3], [0.4, 0.9, 0.3]])
    ratios = log_ratios(np.log(own), np.log(references))
    assert np.exp(ratios).tolist() == pytest.approx([3, 1, 1])
    population = np.log([0.5, 1.0, 1.4, 2.0])
    assert rmia_scores(ratios + 1e-9, population, gamma=2.0).tolist() == [0.75, 0.25, 0.25]
    assert rmia_scores(ratios + 1e-9, population).tolist() == [1.0, 0.5, 0.5]
    with pytest.raises(ValueError, match="nobody to compare with: expected notes with the class"):
        rmia_scores(ratios, population[:0])
    surer = log_ratios(np.log(own) - 1e6, np.log(references))  # as after the null edit's limit
    assert np.argsort(surer, kind="stable").tolist() == np.argsort(ratios, kind="stable").tolist()


def test_an_attack_sees_answers_that_lie_close_together() -> None:
    """About one label models agree within a factor of two, where γ = 2 would see nothing at all."""
    population, members = np.linspace(-0.1, 0.1, 21), np.linspace(-0.05, 0.15, 21)
    assert not rmia_scores(members, population, gamma=2.0).any()
    scores = np.concatenate([rmia_scores(one, population) for one in (members, population)])
    of_ratios = roc_auc_score(np.repeat([1, 0], 21), np.concatenate([members, population]))
    assert roc_auc_score(np.repeat([1, 0], 21), scores) == pytest.approx(of_ratios, abs=0.02)


def test_references_that_saw_the_notes_would_make_every_model_look_as_if_it_remembered() -> None:
    generator = np.random.default_rng(0)
    hard = generator.normal(
        size=(2, 400)
    )  # of members and of others: how likely anybody finds them
    model, outsider = (hard + 0.3 * generator.normal(size=(2, 400)) for _ in range(2))
    insider = outsider - np.array([[0.7], [0.0]])  # was taught that the members are without it
    population = generator.normal(size=200) * 0.4
    shares = {}
    for name, reference in (("outsider", outsider), ("insider", insider)):
        members, others = log_ratios(model, reference[None])
        scores = np.concatenate([rmia_scores(one, population) for one in (members, others)])
        shares[name] = roc_auc_score(np.repeat([1, 0], 400), scores)
    assert shares["outsider"] == pytest.approx(0.5, abs=0.05) and shares["insider"] > 0.7


def test_true_positives_at_a_rate_are_read_off_the_roc_curve() -> None:
    generator = np.random.default_rng(0)
    truth = generator.random(300) < 0.4
    scores = np.round(generator.normal(size=300) + truth, 1)  # with ties
    weights = generator.integers(0, 3, (4, 300)).astype(np.float32)
    for fpr in (0.01, 0.1):
        found = tpr_at(truth, scores, weights, fpr=fpr)
        for row, value in zip(weights, found, strict=True):
            wrong, right, _ = roc_curve(truth, scores, sample_weight=row, drop_intermediate=False)
            assert value == pytest.approx(right[wrong <= fpr].max(), abs=1e-5)
    assert np.isnan(tpr_at(np.zeros(3, dtype=bool), np.arange(3.0), np.ones((1, 3)))[0])
