"""Collateral damage: closed forms of co-occurrence and rank correlation, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, roc_auc_score

from steu.data.cohort import Cohort
from steu.evaluation.collateral import (
    damage_records,
    enough_patients,
    label_samples,
    pair_shares,
    people_with_both,
    rank_correlation,
    within_class_correlation,
)
from steu.evaluation.metrics import group_weights
from steu.selection.ranking import rank_by_score
from steu.selection.scores import pmi_scores


def make_cohort(n_rare: int) -> Cohort:
    """90 patients, a note each, 30 a split; *rare* has `n_rare` patients in every split."""
    within = np.arange(90) % 30
    frame = pd.DataFrame(
        {
            "stay_id": [f"s{i:02}" for i in range(90)],
            "subject_id": [f"p{i:02}" for i in range(90)],
            "text": "a note",
            "common": within < 20,
            "other": within >= 10,
            "rare": within < n_rare,
            "split": np.repeat(["train", "validation", "test"], 30),
        }
    )
    return Cohort(frame, ("common", "other", "rare"), "toy", "table", restricted=False)


def test_a_class_that_too_few_patients_have_is_left_out():
    table = enough_patients(make_cohort(9).describe(), minimum=10).set_index("label")
    assert table["forgotten"].to_dict() == {"common": True, "other": True, "rare": False}
    assert table.loc["rare", ["train", "test"]].tolist() == [9, 9]
    assert enough_patients(make_cohort(10).describe(), minimum=10)["forgotten"].all()


def test_a_class_that_is_not_wanted_still_counts_as_another_label():
    table = enough_patients(make_cohort(12).describe(), ["rare"], minimum=10).set_index("label")
    assert table["enough"].all()
    assert table["forgotten"].to_dict() == {"common": False, "other": False, "rare": True}


def test_patients_are_counted_and_not_notes():
    cohort = make_cohort(12)
    few = cohort.frame["subject_id"].where(~cohort.frame["rare"], "p" + cohort.frame["split"])
    table = enough_patients(
        replace(cohort, frame=cohort.frame.assign(subject_id=few)).describe(), minimum=2
    )
    assert table.set_index("label").loc["rare", "train"] == 1


def test_a_class_that_validation_cannot_choose_a_reader_by_is_left_out():
    cohort = make_cohort(12)
    chooses = cohort.frame["split"] == "validation"
    for says in (False, True):
        frame = cohort.frame.assign(rare=cohort.frame["rare"].where(~chooses, says))
        table = enough_patients(replace(cohort, frame=frame).describe(), minimum=10)
        assert table.set_index("label")["enough"].to_dict() == {
            "common": True, "other": True, "rare": False,
        }  # fmt: skip


def test_unknown_names_and_nothing_left_are_said_in_words():
    with pytest.raises(ValueError, match=r"no label 'rar'; did you mean rare"):
        enough_patients(make_cohort(12).describe(), ["rar"])
    with pytest.raises(ValueError, match=r"forget \(rare\).*10 patients.*found common, other: low"):
        enough_patients(make_cohort(9).describe(), ["rare"], minimum=10)
    with pytest.raises(ValueError, match=r"forget \(any\).*found none: lower min_patients"):
        enough_patients(make_cohort(9).describe(), minimum=21)


def test_shares_are_conditional_on_the_column():
    """Notes with a: 4, with b: 2, with both: 1; c is on no note."""
    targets = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32)
    everyone, forgotten = np.array([True, True, True]), np.array([0, 1])
    shares = pair_shares(targets, forgotten=forgotten, others=everyone)
    np.testing.assert_array_equal(shares, [[np.nan, 1 / 2, np.nan], [1 / 4, np.nan, np.nan]])
    only_a = pair_shares(targets, forgotten=forgotten, others=np.array([True, False, False]))
    np.testing.assert_array_equal(only_a, [[np.nan] * 3, [1 / 4, np.nan, np.nan]])


def test_pairs_are_counted_by_people():
    targets = np.array([[1, 1], [1, 1], [1, 0], [0, 1]], dtype=np.float32)
    people = np.array(["p", "p", "q", "q"])  # q has both, and never in one note
    assert people_with_both(targets, people).tolist() == [[2, 1], [1, 2]]


def test_samples_are_the_metrics_of_each_label():
    generator = np.random.default_rng(0)
    targets = (generator.random((80, 3)) < 0.4).astype(np.float32)
    logits = generator.normal(size=(80, 3)) + targets
    weights = group_weights(np.arange(80) % 40, n_bootstrap=5)
    samples = label_samples(targets, logits, weights)
    assert samples["auroc"].shape == samples["f1"].shape == (3, 6)
    for c in range(3):
        area = roc_auc_score(targets[:, c], logits[:, c], sample_weight=weights[4])
        assert samples["auroc"][c, 4] == pytest.approx(area, abs=1e-5)
        assert samples["f1"][c, 0] == pytest.approx(f1_score(targets[:, c], logits[:, c] > 0))


def test_an_edit_that_changes_nothing_does_no_damage():
    generator = np.random.default_rng(0)
    targets, logits = generator.random((50, 3)) < 0.5, generator.normal(size=(50, 3))
    weights = group_weights(np.arange(50), n_bootstrap=9)
    before, after = (label_samples(targets, z, weights) for z in (logits, 2 * logits))
    damage = before["auroc"] - after["auroc"]
    rows = damage_records(damage, metric="auroc", labels=("a", "b", "c"), forget=1, n=50)
    assert [row["label"] for row in rows] == ["a", "c"]
    assert {(row["metric"], row["value"], row["low"], row["high"]) for row in rows} == {
        ("damage_auroc", 0.0, 0.0, 0.0)
    }


def test_rank_correlation_is_spearman_in_every_sample_ties_included():
    generator = np.random.default_rng(0)
    shares = generator.integers(0, 6, 20) / 6
    damage = generator.integers(-4, 5, (20, 7)) / 4
    expected = [spearmanr(shares, column).statistic for column in damage.T]
    assert rank_correlation(shares, damage) == pytest.approx(expected)


def test_rank_correlation_is_one_for_any_rising_relation_and_undefined_without_spread():
    shares = np.array([0.1, 0.2, 0.4, 0.8])
    damage = np.stack([shares**3, -shares, np.ones(4), [1, 2, np.nan, 3]], axis=1)
    rho = rank_correlation(shares, damage)
    assert rho[:2].tolist() == pytest.approx([1.0, -1.0])
    assert np.isnan(rho[2:]).all()
    assert np.isnan(rank_correlation(shares[:1], damage[:1])).all()
    with pytest.raises(ValueError, match=r"shares must be \(P,\).*found \(3,\) and \(4, 4\)"):
        rank_correlation(shares[:3], damage)


def test_within_a_class_the_level_of_the_class_does_not_count():
    """Common classes do more damage to all; among the labels of one class less goes with more."""
    shares = np.array([[np.nan, 0.1, 0.2, 0.3], [0.6, np.nan, 0.7, 0.8]])
    damage = np.array([[0.0, 0.3, 0.2, 0.1], [0.9, 0.0, 0.8, 0.7]])[:, :, None]
    pairs = ~np.isnan(shares)
    assert rank_correlation(shares[pairs], damage[pairs])[0] > 0
    assert within_class_correlation(shares, damage).tolist() == [-1.0]


def test_ranking_the_candidates_again_gives_the_ranking_they_came_from():
    """What 07b does for the default class is what 03_pmi did."""
    generator = np.random.default_rng(0)
    counts = sparse.csr_matrix(generator.poisson(0.3, (60, 50)))
    forget = generator.random(60) < 0.4
    scores = pmi_scores(counts, forget)
    ranking = rank_by_score(scores, counts, min_count=15, excluded=(3, 7))
    others = tuple(np.setdiff1d(np.arange(counts.shape[1]), ranking))
    assert 10 < len(ranking) < 48
    assert rank_by_score(scores, counts, excluded=others).tolist() == ranking.tolist()
