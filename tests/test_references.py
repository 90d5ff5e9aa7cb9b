"""References: what each reading leaves out, and distances in closed form."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from toys import open_study

from steu._io import Busy
from steu.evaluation.divergences import all_right, bernoulli_js, tug_of_war
from steu.evaluation.metrics import weighted_mean
from steu.experiments import references, retraining
from steu.experiments.kept import making
from steu.experiments.references import distances, reference, shards_of, sisa, without_class
from steu.experiments.retraining import retrain
from steu.models.heads import head_of, head_width
from steu.unlearning.sparse import UnlearnConfig, unlearn

FAST = {"learning_rate_rows": 0.02, "learning_rate_head": 0.02}
TARGETS = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], dtype=np.float32)


def test_what_each_reading_leaves_of_the_labels_and_the_notes():
    relabelled, everyone = without_class(TARGETS, 0, "relabelled")
    assert relabelled.tolist() == [[0, 0], [0, 1], [0, 1], [0, 0]] and everyone.all()
    dropped, left = without_class(TARGETS, 0, "dropped")
    assert left.tolist() == [False, False, True, True]
    assert np.array_equal(dropped[left], TARGETS[left])
    masked, everyone = without_class(TARGETS, 0, "masked")
    assert np.isnan(masked[:, 0]).all() and everyone.all()
    assert np.array_equal(masked[:, 1], TARGETS[:, 1])
    both, kept = without_class(TARGETS, [0, 1], "masked")
    assert np.isnan(both[:, :2]).all() and kept.all()
    either = without_class(TARGETS, [0, 1], "dropped")[1]
    assert np.array_equal(either, (TARGETS[:, :2] == 0).all(axis=1))
    with pytest.raises(ValueError, match="no reading 'deleted'; did you mean relabelled"):
        without_class(TARGETS, 0, "deleted")


def test_the_divergence_is_between_none_and_one_bit():
    sure = np.array([[40.0, -40.0]])
    assert bernoulli_js(sure, sure).tolist() == [[0, 0]]
    assert bernoulli_js(sure, -sure) == pytest.approx(np.ones((1, 2)))
    assert bernoulli_js(sure, np.zeros((1, 2))) == pytest.approx(
        np.full((1, 2), 0.3112781), abs=1e-6
    )
    values = np.random.default_rng(0).normal(0, 3, (2, 50, 4))
    there, back = bernoulli_js(*values), bernoulli_js(*values[::-1])
    assert there == pytest.approx(back)
    assert (there >= 0).all() and (there <= 1).all()
    assert bernoulli_js(np.array([[-np.inf]]), np.array([[-np.inf]])) == 0  # as the null edit's
    values[0, 7, 2] = np.nan
    for pair in (values, values[::-1]):
        with pytest.raises(ValueError, match="1 answers are not a number, first that to note 7"):
            bernoulli_js(*pair)


def test_means_follow_the_weights():
    divergence = np.array([[0.2, 0.0], [0.4, 1.0]])
    weights = np.array([[1.0, 1.0], [2.0, 0.0]])
    assert weighted_mean(divergence, weights) == pytest.approx(np.array([[0.3, 0.5], [0.2, 0.0]]))


def test_tug_of_war_is_one_for_equals_and_a_product_of_what_is_missing():
    sets = {"forget": np.array([1, 1, 0, 0], bool), "test": np.array([1, 0], bool)}
    other = {"forget": np.array([0, 0, 0, 0], bool), "test": np.array([0, 1], bool)}
    weights = {name: np.ones((1, len(rows))) for name, rows in sets.items()}
    assert tug_of_war(sets, sets, weights) == pytest.approx([1.0])
    assert tug_of_war(sets, other, weights) == pytest.approx([0.5])  # as accurate on the test set


def test_only_the_asked_labels_have_to_be_right():
    logits = np.array([[-1.0, 1.0], [1.0, 1.0]])
    truth = np.array([[1, 1], [1, 0]])
    assert all_right(truth, logits, [0, 1]).tolist() == [False, False]
    assert all_right(truth, logits, [1]).tolist() == [True, False]


@pytest.mark.parametrize("reading", ["relabelled", "dropped", "masked"])
def test_a_model_retrained_without_the_class_is_silent_about_it_alone(study_folder, reading):
    study = open_study(study_folder)
    wanted = reference(study, reading).teacher.logits.cpu().numpy()
    assert (wanted[:, study.forget] < 0).all()
    original = study.teacher.logits.cpu().numpy()
    rows = {name: v[0] for name, v in distances(study, original, wanted, reading).items()}
    same = {name: v[0] for name, v in distances(study, wanted, wanted, reading).items()}
    assert same[f"tow_{reading}"] == 1 and same[f"js_retain_{reading}"] == 0
    assert (f"js_forget_{reading}" in rows) is (reading != "masked")
    if reading != "masked":
        assert rows[f"js_forget_{reading}"] > 3 * rows[f"js_retain_{reading}"]
        assert rows[f"tow_{reading}"] < 0.8


def test_a_patient_with_notes_of_both_kinds_is_drawn_with_both(study_folder, monkeypatch):
    study, seen = open_study(study_folder), {}
    study.groups = study.groups.copy()
    study.groups[study.train] = np.arange(len(study.train)) // 3  # a patient has three notes
    forget = study.is_forget[study.train]

    def watched(_, __, weights):
        seen.update(weights)
        return weights["test"][:, 0]

    monkeypatch.setattr(references, "tug_of_war", watched)
    logits = study.teacher.logits.cpu().numpy()
    distances(study, logits, logits, "relabelled")
    whole = np.empty((len(seen["test"]), len(study.train)))
    whole[:, forget], whole[:, ~forget] = seen["forget"], seen["retain"]
    people = study.groups[study.train]
    both = np.intersect1d(people[forget], people[~forget])
    assert len(both) > 5
    for one in both:
        assert (np.ptp(whole[:, people == one], axis=1) == 0).all()


def test_the_same_recipe_and_seed_give_the_same_reference(study_folder):
    study = open_study(study_folder)
    study.recipe["train"]["seed"] = study.recipe["start"]["seed"]  # 1, as one says of both
    again = reference(study, "relabelled", seed=1).teacher.logits
    assert (again == reference(study, "relabelled").teacher.logits).all()


def test_the_recipe_makes_the_same_classifier_again_and_another_with_a_hidden_layer(study_folder):
    study = open_study(study_folder)
    assert retrain(study).recipe == study.recipe  # the seed of the training, too
    again = retrain(study, seed=0)
    assert again.recipe["train"]["seed"] == 0 and again.recipe["start"]["seed"] == 0
    wide = retrain(study, head_width=6)
    assert head_width(head_of(wide.model)) == 6 and head_width(head_of(study.model)) == 0
    logits = wide.logits(wide.test)
    assert roc_auc_score(study.targets[study.test], logits) > 0.9
    edit = unlearn(wide, np.empty(0, dtype=np.int64), UnlearnConfig(epochs=8, **FAST))
    assert (wide.logits(wide.test, edit)[:, wide.forget] < 0).all()
    with pytest.raises(ValueError, match=r"'0.weight' \(6, 32\); this model has"):
        study.logits(study.test, edit)


def test_what_another_page_is_training_is_waited_for_at_the_end(monkeypatch):
    begun = []

    def training(study, reading, *, seed, wait):
        begun.append((reading, seed, wait))
        if reading == "relabelled" and not wait:
            raise Busy
        return f"{reading} {seed}"

    monkeypatch.setattr(references, "reference", training)
    asked = {"a": ("relabelled", None), "b": ("masked", None), "c": ("relabelled", 7)}
    study = SimpleNamespace(recipe={"start": {"seed": 0}})
    found = references.references_of(study, asked)
    assert found == {"a": "relabelled None", "b": "masked None", "c": "relabelled 7"}
    assert list(found) == list(asked)
    first, last = begun[:3], begun[3:]
    assert first == [("relabelled", None, False), ("masked", None, False), ("relabelled", 7, False)]
    assert last == [("relabelled", None, True), ("relabelled", 7, True)]


def test_a_reference_with_the_classifiers_own_seed_is_refused_before_any_is_trained(monkeypatch):
    monkeypatch.setattr(references, "reference", lambda *_, **__: pytest.fail("trained"))
    study = SimpleNamespace(recipe={"start": {"seed": 7}})
    for asked in ({"a": ("masked", None), "b": ("masked", 7)}, {"b": ("dropped", 7)}):
        with pytest.raises(ValueError, match="other_seeds hold 7, the seed of the classifier"):
            references.references_of(study, asked)


def test_nothing_is_trained_by_two_at_once(study_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(retraining, "fine_tune", lambda *_, **__: pytest.fail("trained as well"))
    study = open_study(study_folder, trained=tmp_path)
    monkeypatch.setattr(study, "place_of", lambda **_: tmp_path / "one")
    with making(tmp_path / "one"), pytest.raises(Busy):
        retrain(study, wait=False)
    with pytest.raises(pytest.fail.Exception):  # free again
        retrain(study, wait=False)


def test_shards_answer_by_their_mean_and_a_class_is_in_all_of_them(study_folder, tmp_path):
    study = open_study(study_folder, trained=tmp_path)
    with pytest.raises(ValueError, match=r"shards must be 2 to \d+, of ten .*; found 999"):
        shards_of(study, 999)
    log_odds, retrained = sisa(study, 2)
    assert log_odds.shape == study.targets.shape and retrained == 2
    said = log_odds[study.test]
    truth = study.targets[study.test]
    assert (said[:, study.forget] < 0).all()  # they were taught that nobody has it
    assert roc_auc_score(truth[:, 1], said[:, 1]) > 0.8
    shard = shards_of(study, 2)
    assert all(len(set(shard[study.groups == one])) == 1 for one in set(study.groups))
    targets, kept = without_class(study.targets, study.forget, "dropped")
    alone = [retrain(study, targets=targets, kept=kept & (shard == own)) for own in (0, 1)]
    each = [expit(one.log_odds(np.arange(len(study.notes)))) for one in alone]
    assert not np.allclose(*each)
    assert expit(log_odds) == pytest.approx(np.mean(each, axis=0), abs=1e-6)
    again, _ = sisa(study, 2)
    assert np.array_equal(again, log_odds)
    few = open_study(study_folder, trained=tmp_path)
    few.splits[few.splits == "validation"] = np.resize(["validation"] + ["train"] * 29, 30)
    with pytest.raises(ValueError, match=r"shard \d of 2 has no note to train on or to stop by"):
        sisa(few, 2)
    alike = open_study(study_folder, trained=tmp_path)
    alike.targets[alike.validation] = 0
    with pytest.raises(ValueError, match=r"no label that some validation notes have and others la"):
        sisa(alike, 2)
    for wrong in (1, 1000):
        with pytest.raises(ValueError, match=f"shards must be 2 to .*; found {wrong}"):
            sisa(study, wrong)


def test_readings_take_turns_and_no_two_references_share_a_seed():
    readings = ("relabelled", "dropped", "masked")
    asked = references.readings_in_turn(readings, [100, 101, 102, 103])
    assert asked == {
        "reference_relabelled": ("relabelled", None),
        "reference_dropped": ("dropped", 100),
        "reference_masked": ("masked", 101),
        "reference_seed_102": ("dropped", 102),
        "reference_seed_103": ("masked", 103),
    }
    assert references.readings_in_turn(["masked"], []) == {"reference_masked": ("masked", None)}
    for seeds in ([100], [100, 100]):
        with pytest.raises(ValueError, match=r"2 or more, each another.*found \[100"):
            references.readings_in_turn(readings, seeds)
