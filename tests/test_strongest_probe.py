"""Leaks that one fixed probe cannot see, and one that nobody can."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from steu.evaluation.readers import AgreeingPairs, Whitened, readers
from steu.evaluation.strongest_probe import (
    FOLDS,
    Finding,
    _drawn,
    patient_folds,
    read_again,
    read_class,
    strongest,
)

N = {"train": 600, "validation": 200, "test": 400}
SPLIT = np.repeat(list(N), list(N.values()))
WIDTH = 40


def by_split(values: np.ndarray) -> dict[str, np.ndarray]:
    return {split: values[split == SPLIT] for split in N}


def read(features: np.ndarray, targets: np.ndarray) -> tuple[float, float, Finding]:
    """Test AUROC of the strongest reader and of one linear probe of fixed strength."""
    shown, truth = by_split(features), by_split(targets)
    found = read_class(shown, {split: truth[split] for split in ("train", "validation")})
    probe = LogisticRegression(C=0.01).fit(shown["train"] / shown["train"].std(), truth["train"])
    fixed = probe.decision_function(shown["test"] / shown["train"].std())
    test = truth["test"]
    return roc_auc_score(test, found.scores), roc_auc_score(test, fixed), found


def noise(seed: int = 0) -> tuple[np.ndarray, np.random.Generator]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(len(SPLIT), WIDTH)), generator


def turned(features: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The same features seen along other axes."""
    return features @ np.linalg.qr(generator.normal(size=(WIDTH, WIDTH)))[0]


@pytest.mark.parametrize("times", [20, 1000])
@pytest.mark.parametrize("axes", ["its own axis", "any direction"])
def test_a_class_whose_direction_was_only_shrunk_is_still_read(axes: str, times: int) -> None:
    features, generator = noise()
    targets = generator.random(len(SPLIT)) < 0.2
    features[:, 0] += 3 * targets
    before, fixed_before, _ = read(features, targets)
    features[:, 0] /= times
    if axes == "any direction":
        features = turned(features, generator)
    after, fixed_after, _ = read(features, targets)
    assert min(before, fixed_before) > 0.95
    assert fixed_after < 0.7  # the fixed probe takes it for erased
    assert after > 0.95


@pytest.mark.parametrize("times", [20, 1000])
def test_it_is_read_in_wide_states_of_few_notes_as_well(times: int) -> None:
    """Of 408 notes alone nobody knows how 384 features spread; all that are at hand tell it."""
    n, width = {"train": 408, "validation": 136, "test": 136}, 384
    generator = np.random.default_rng(0)
    targets = generator.random(680) < 0.2
    features = generator.normal(size=(680, width)) * np.arange(1, width + 1) ** -0.5
    features[:, 0] += 3 * targets
    features[:, 0] /= times
    features @= np.linalg.qr(generator.normal(size=(width, width)))[0]
    split = np.repeat(list(n), list(n.values()))
    shown = {name: features[split == name] for name in n}
    truth = {name: targets[split == name] for name in n}
    found = read_class(shown, {name: truth[name] for name in ("train", "validation")})
    assert roc_auc_score(truth["test"], found.scores) > 0.7


def test_whitened_features_spread_alike_and_apart_and_turn_with_nothing() -> None:
    features, generator = noise()
    features[:, :3] *= [1e-3, 5, 100]
    features = turned(features, generator)
    features[:, -1] = 0  # one that never varies has no axis
    white = Whitened(features).fit(features[:50], np.zeros(50)).transform(features)
    assert np.allclose(np.cov(white, rowvar=False), np.eye(WIDTH - 1), atol=1e-6)


@pytest.mark.parametrize("view", [lambda x, _: x, turned], ids=["its own axes", "any directions"])
def test_a_class_coded_as_an_exclusive_or_is_read(view: Callable[..., np.ndarray]) -> None:
    features, generator = noise(1)
    first, second = generator.integers(0, 2, (2, len(SPLIT)))
    features[:, 0] = 4 * (first - 0.5) + 0.3 * features[:, 0]
    features[:, 1] = 4 * (second - 0.5) + 0.3 * features[:, 1]
    found, fixed, _ = read(view(features, generator), (first ^ second).astype(bool))
    assert fixed < 0.6
    assert found > 0.9


def test_a_class_in_the_spread_of_a_feature_is_read() -> None:
    features, generator = noise(2)
    targets = generator.random(len(SPLIT)) < 0.3
    features[targets, 3] *= 4
    found, fixed, _ = read(features, targets)
    assert fixed < 0.6 < 0.7 < found


def test_nothing_is_found_where_there_is_nothing() -> None:
    found = []
    for seed in range(6):
        features, generator = noise(10 + seed)
        found.append(read(features, generator.random(len(SPLIT)) < 0.2)[0])
    assert abs(np.mean(found) - 0.5) < 0.03  # choosing on validation does not flatter the test


def test_a_ranking_the_wrong_way_round_is_turned_on_validation() -> None:
    features, generator = noise(3)
    targets = generator.random(len(SPLIT)) < 0.3
    shift = np.where(SPLIT == "train", -3.0, 3.0)  # an edit that turned the sign on what it saw
    features[:, 0] += shift * targets
    found, _, finding = read(features, targets)
    assert finding.turned
    assert finding.validation_auroc > 0.9
    assert found > 0.9


def test_the_logistic_reader_is_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    features, generator = noise(4)
    targets = generator.random(len(SPLIT)) < 0.3
    features[:, 0] += 20 + 2 * targets
    name = "logistic, C = 0.01"
    one = {name: readers(len(features), features)[name]}
    monkeypatch.setattr("steu.evaluation.strongest_probe.readers", lambda *_, **__: one)
    shown, truth = by_split(features), by_split(targets)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    wanted = theirs.fit(shown["train"], truth["train"]).decision_function(shown["test"])
    found = read_class(shown, {split: truth[split] for split in ("train", "validation")})
    assert not found.turned and np.allclose(found.scores, wanted, atol=1e-6)
    read_by = roc_auc_score(truth["validation"], theirs.decision_function(shown["validation"]))
    assert found.validation_auroc == pytest.approx(read_by)


def test_pairs_are_those_that_correlate_most_with_the_class() -> None:
    features, generator = noise(5)
    targets = (generator.random(len(SPLIT)) < 0.4).astype(int)
    pairs = AgreeingPairs(n_pairs=3).fit(features, targets)
    everyone = {
        (i, j): abs(np.corrcoef(features[:, i] * features[:, j], targets)[0, 1])
        for i in range(WIDTH)
        for j in range(i, WIDTH)
    }
    best = sorted(everyone, key=lambda pair: -everyone[pair])[:3]
    assert list(zip(pairs.left_, pairs.right_, strict=True)) == best
    assert pairs.transform(features).shape == (len(SPLIT), WIDTH + 3)


def test_folds_keep_patients_together_and_find_what_training_notes_hide() -> None:
    features, generator = noise(6)
    targets = generator.random(len(SPLIT)) < 0.3
    groups = np.arange(len(SPLIT)) // 2
    features += 50 * generator.normal(size=(len(SPLIT) // 2, WIDTH)).repeat(2, axis=0)
    same = targets[groups * 2]  # both notes of a patient: a fold that parted them would be told
    leaked = roc_auc_score(same, read_again(features, same, groups, reader="RBF, C = 10"))
    assert abs(leaked - 0.5) < 0.1
    features[:, 0] += 200 * same
    found = read_again(features, same, groups, reader="logistic, C = 0.01")
    assert roc_auc_score(same, found) > 0.9


def test_folds_share_out_the_few_who_have_the_class() -> None:
    groups = np.arange(60)
    targets = groups < 3  # folds by patient alone could put all three into one
    features = np.random.default_rng(0).normal(size=(60, 4)) + 5 * targets[:, None]
    found = read_again(features, targets, groups, reader="logistic, C = 1")
    assert roc_auc_score(targets, found) > 0.9
    with pytest.raises(ValueError, match="1 patients with the class are among the notes"):
        read_again(features, groups < 1, groups, reader="logistic, C = 1")


def test_folds_are_scikit_learns_whatever_patients_are_called() -> None:
    groups = np.array([f"p{i * 7 % 40}" for i in range(60)], dtype=object)
    targets = np.arange(60) % 4 == 0
    expected = list(StratifiedGroupKFold(FOLDS).split(targets, targets, groups))
    for _ in range(2):  # found once, then known
        for one, other in zip(patient_folds(targets, groups), expected, strict=True):
            assert all(map(np.array_equal, one, other))


def test_two_patients_of_each_kind_are_enough_to_read() -> None:
    groups, targets = np.repeat(np.arange(4), 20), np.repeat([True, False], 40)
    for learned, read in patient_folds(targets, groups):
        assert len(np.unique(groups[read])) == 1 and len(np.unique(targets[learned])) == 2


def test_no_fold_gets_everybody_of_a_kind_and_where_each_would_it_is_said() -> None:
    groups = np.repeat(np.arange(6), [1, 12, 3, 1, 1, 3])
    targets = groups == 1
    targets[-1] = True  # two patients with the class, whom folds by size put together
    assert any(
        len(np.unique(targets[learned])) < 2
        for learned, _ in StratifiedGroupKFold(FOLDS).split(targets, targets, groups)
    )
    for learned, _ in patient_folds(targets, groups):
        assert len(np.unique(targets[learned])) == 2


def test_a_reader_of_very_many_notes_is_shown_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steu.evaluation.strongest_probe.MOST", 200)
    shown: list[int] = []
    every = readers

    def counted(n: int, everyone: np.ndarray, *, seed: int = 0) -> dict[str, Pipeline]:
        shown.append(n)
        return every(n, everyone, seed=seed)

    monkeypatch.setattr("steu.evaluation.strongest_probe.readers", counted)
    features, generator = noise(7)
    targets = generator.random(len(SPLIT)) < 0.3
    features[:, 0] += 3 * targets
    found, _, _ = read(features, targets)
    assert shown == [200] and found > 0.9


def test_of_a_rare_class_every_note_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steu.evaluation.strongest_probe.MOST", 200)
    targets = np.zeros(1000, dtype=int)
    targets[::200] = 1
    drawn = _drawn(targets, seed=0)
    assert len(drawn) == len(set(drawn)) == 200 and targets[drawn].sum() == 5
    assert _drawn(1 - targets, seed=0).tolist() == drawn.tolist()
    assert (_drawn(np.arange(1000) % 2, seed=0) % 2).sum() == 100


def test_the_strongest_is_chosen_on_validation() -> None:
    weak = Finding("a", "MLP", False, 0.7, np.zeros(1))
    strong = Finding("b", "MLP", False, 0.8, np.zeros(1))
    assert strongest([weak, strong]) is strong


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_not_finite_is_named(odd: float) -> None:
    features, generator = noise()
    targets = generator.random(len(SPLIT)) < 0.3
    features[3, 7] = odd
    with pytest.raises(
        ValueError, match=f"features of the train notes holds {odd} in row 3, feature 7"
    ):
        read(features, targets)


def test_what_never_varies_is_no_verdict() -> None:
    _, generator = noise()
    targets = generator.random(len(SPLIT)) < 0.3
    with pytest.raises(ValueError, match="the same for every training note"):
        read(np.ones((len(SPLIT), 3)), targets)


def test_a_split_with_one_kind_of_notes_is_refused() -> None:
    features, _ = noise()
    with pytest.raises(ValueError, match="train split has 0 notes with the class of 600"):
        read(features, np.zeros(len(SPLIT), dtype=bool))
