import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from steu.evaluation.metrics import (
    auprc,
    auroc,
    f1,
    group_weights,
    interval,
    metric_records,
    tune_thresholds,
)


@pytest.fixture
def sample():
    generator = np.random.default_rng(0)
    targets = generator.random(80) < 0.3
    scores = np.round(generator.normal(size=80) + targets, 1)  # rounded: ties occur
    patients = generator.integers(0, 40, 80).astype(str)
    return targets, scores, group_weights(patients, n_bootstrap=50)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(auroc, roc_auc_score), (auprc, average_precision_score)]
)
def test_ranking_metrics_equal_scikit_learn_with_sample_weights(sample, ours, theirs):
    targets, scores, weights = sample
    expected = [theirs(targets, scores, sample_weight=w) for w in weights]
    assert ours(targets, scores, weights) == pytest.approx(expected)


def test_f1_equals_scikit_learn_with_sample_weights(sample):
    targets, scores, weights = sample
    expected = [f1_score(targets, scores > 0.5, sample_weight=w) for w in weights]
    assert f1(targets, scores > 0.5, weights) == pytest.approx(expected)
    assert (f1(targets, np.zeros(80, bool), weights) == 0).all()


def test_f1_is_not_defined_where_a_resample_has_no_positive():
    """Two patients have the class: a perfect classifier has F1 = 1 where one is drawn."""
    targets = np.array([True, True, *[False] * 6])
    weights = group_weights(np.arange(8), n_bootstrap=400)
    values = f1(targets, targets, weights)
    drawn = weights[:, :2].sum(axis=1) > 0
    assert (values[drawn] == 1).all() and np.isnan(values[~drawn]).all() and (~drawn).any()
    assert interval(values) == (1.0, 1.0, 1.0)


def test_a_sample_without_positives_has_no_auroc():
    targets, weights = np.array([True, False]), np.array([[1.0, 1.0], [0.0, 2.0]])
    values = auroc(targets, np.array([1.0, 0.0]), weights)
    assert values[0] == 1 and np.isnan(values[1])


def test_a_score_that_is_no_number_has_no_rank():
    truth, weights = np.array([True, True, False, False]), np.ones((3, 4))
    assert np.isnan(auroc(truth, np.array([np.nan, 1.0, 0.0, 0.0]), weights)).all()


def test_a_threshold_parts_neighbours_in_float32():
    low, high = np.float32([1, 2]) * np.finfo(np.float32).eps + np.float32(1)
    targets, logits = np.array([[True], [False]]), np.array([[high], [low]])
    assert (logits > tune_thresholds(targets, logits)).tolist() == [[True], [False]]


def test_the_bootstrap_draws_patients_not_notes():
    patients = np.array(["a", "a", "b", "c"])
    weights = group_weights(patients, n_bootstrap=200)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert np.array_equal(weights, group_weights(patients, n_bootstrap=200))


def test_the_interval_covers_a_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        sample = generator.normal(size=60)
        weights = group_weights(np.arange(60), n_bootstrap=300, seed=seed)
        _, low, high = interval(weights @ sample / weights.sum(axis=1))
        covered += low <= 0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_tuned_threshold_is_the_best_of_all():
    generator = np.random.default_rng(1)
    targets = (generator.random((60, 2)) < 0.3).astype(float)
    logits = np.round(generator.normal(size=(60, 2)) + targets, 1)
    best = tune_thresholds(targets, logits)
    for label in range(2):
        tried = [f1_score(targets[:, label], logits[:, label] > t) for t in np.arange(-4, 4, 0.05)]
        found = f1_score(targets[:, label], logits[:, label] > best[label])
        assert found == pytest.approx(max(tried))
    assert tune_thresholds(np.zeros((3, 1)), np.ones((3, 1))).tolist() == [0.0]


def test_evaluate_keeps_the_class_and_the_others_apart():
    targets = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 0]])
    logits = np.where(targets == 1, 2.0, -2.0)
    logits[:, 0] = -1.0  # the class is never predicted
    rows = metric_records(
        targets,
        logits,
        labels=("f", "a", "b"),
        forget=0,
        weights=np.ones((1, 4)),
        thresholds=np.zeros(3),
    )
    found = {(row["metric"], row["label"]): row["value"] for row in rows}
    assert found["forget_f1", "f"] == 0
    assert found["forget_auroc", "f"] == 0.5
    assert found["retain_macro_f1", None] == 1
    assert found["f1", "a"] == 1
    assert {row["n"] for row in rows} == {4}


def test_one_patient_alone_has_no_interval() -> None:
    """Drawn again it is always the same: that would look as sure as nothing else."""
    weights = group_weights(np.zeros(40, dtype=int), n_bootstrap=20)
    rng = np.random.default_rng(0)
    truth, scores = rng.random(40) < 0.4, rng.normal(size=40)
    for found in (auroc(truth, scores, weights), f1(truth, scores > 0, weights)):
        value, low, high = interval(found)
        assert 0 < value < 1 and np.isnan(low) and np.isnan(high)
    assert not np.isnan(interval(auroc(truth, scores, group_weights(np.arange(40) // 20)))).any()
