"""A study on a small cohort: what is shared is right, and what does not fit is refused."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from toys import open_study

from steu.data.cohort import Cohort
from steu.evaluation.remainder import lexical_remainder
from steu.experiments.measures import n_parameters
from steu.experiments.peak_memory import step_bytes
from steu.experiments.stored import (
    RANKING,
    read_edits,
    read_log_odds,
    read_ranking,
    write_edits,
    write_log_odds,
    write_ranking,
)
from steu.experiments.study import Study
from steu.models.bag_of_words import tfidf_logits
from steu.models.hidden_states import HEAD
from steu.models.inference import extract_features, predict
from steu.selection.counts import count_tokens
from steu.unlearning.dense_edit import LayerEdit, last_layers
from steu.unlearning.null_edit import null_edit
from steu.unlearning.sparse import UnlearnConfig, unlearn


def test_features_and_logits_under_an_edit_equal_the_attached_model(study_folder):
    study = open_study(study_folder)
    token_ids = np.array(study.tokenizer.convert_tokens_to_ids(["insulin", "family"]))
    edit = unlearn(study, token_ids, UnlearnConfig(epochs=1))
    fast = study.logits(study.test, edit)
    with edit.attached(study.model):
        slow = predict(study.model, study.notes, study.test, precision="fp32")
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-5)


def test_what_was_read_under_an_edit_is_kept_for_that_edit_alone(study_folder, monkeypatch):
    study = open_study(study_folder)
    ids = np.array(study.tokenizer.convert_tokens_to_ids(["insulin", "family"]))
    rates = ({"learning_rate_rows": 0.02}, {"learning_rate_rows": 0.5})
    edits = [unlearn(study, ids, UnlearnConfig(epochs=1, **rate)) for rate in rates]
    wanted = [open_study(study_folder).features(study.train, edit) for edit in edits]
    read = []

    def counted(*arguments, **options):
        read.append(len(arguments[2]))
        return extract_features(*arguments, **options)

    monkeypatch.setattr("steu.task.extract_features", counted)
    for edit, features in zip(edits, wanted, strict=True):
        study.features(study.test, edit)
        for _ in range(2):
            assert torch.allclose(study.features(study.train, edit), features, atol=1e-6)
    assert sum(read) == 2 * edits[0].touched(study.notes)[[*study.test, *study.train]].sum()
    assert not torch.allclose(*wanted, atol=1e-3)


def test_features_under_other_layers_are_read_whole_and_do_not_linger(study_folder):
    study = open_study(study_folder)
    before = study.features(study.test)
    names = last_layers(study.model, 1)
    moved = {n: value + 0.1 for n, value in LayerEdit.identity(study.model, names).values.items()}
    edit = LayerEdit(moved)
    with edit.attached(study.model):
        attached = extract_features(study.model, study.notes, study.test, precision="fp32")
    for _ in range(2):
        assert torch.allclose(study.features(study.test, edit), attached, atol=1e-5)
    assert not torch.allclose(before, attached, atol=1e-3)
    assert torch.equal(study.features(study.test), before)


def test_the_probe_finds_the_class_before_and_not_after_its_token_is_made_another(study_folder):
    study = open_study(study_folder)
    cue, filler = study.tokenizer.convert_tokens_to_ids(["insulin", "family"])
    edit = unlearn(study, np.array([cue]), UnlearnConfig(epochs=1))
    blank = study.model.get_input_embeddings().weight[[filler]].detach()
    erased = replace(edit, rows=blank, head={})
    before, after = (study.probe_samples(e)[0] for e in (None, erased))
    assert before > 0.95
    assert after < before - 0.1
    both = study.probe_head(erased)
    assert np.array_equal(both.samples[HEAD], study.probe_samples(erased))
    assert both.unseen[HEAD].shape == both.samples[HEAD].shape
    assert both.unseen[HEAD][0] < study.probe_head().unseen[HEAD][0] - 0.05


def test_measures_and_costs_carry_the_tags_of_the_study(study_folder):
    study = open_study(study_folder)
    rows = study.measure("original", study.log_odds(study.test), n_tokens=0)
    assert {row["metric"] for row in rows} >= {"forget_f1", "retain_macro_auroc", "forget_auprc"}
    assert {row["dataset"] for row in rows} == {"toy"}
    trained = study.train_edit(unlearn, np.array([5000]), UnlearnConfig(epochs=1))
    costs = {row["metric"]: row["value"] for row in study.costs("steu", trained)}
    assert 0 < costs["parameters_changed"] <= 32 + 3 * 32 + 3
    assert costs["seconds"] == trained.seconds > 0
    assert costs["parameters_share"] == costs["parameters_changed"] / n_parameters(study)


def test_each_split_is_measured_by_its_own_notes(study_folder):
    study = open_study(study_folder)
    for split in ("train", "validation", "test"):
        index = study.index(split)
        rows = study.measure("original", study.log_odds(index), split=split)
        assert {row["split"] for row in rows} == {split} and {row["n"] for row in rows} == {
            len(index)
        }
        found = next(row["value"] for row in rows if row["metric"] == "forget_auroc")
        scores = study.log_odds(index)[:, study.forget]
        assert found == pytest.approx(roc_auc_score(study.is_forget[index], scores))
    with pytest.raises(ValueError, match="the validation split has 30 notes; found log-odds of 60"):
        study.measure("original", study.log_odds(study.test), split="validation")


def test_peak_memory_follows_the_size_of_a_batch(study_folder):
    study = open_study(study_folder)
    cue = np.array([study.tokenizer.convert_tokens_to_ids("insulin")])
    sizes = [UnlearnConfig(epochs=3, batch_size=size) for size in (8, 48)]
    peaks = [step_bytes(study, unlearn, cue, config=config) for config in sizes]
    assert 3 * peaks[0] < peaks[1]


def test_memory_of_rows_is_that_of_notes_that_hold_them(study_folder):
    """The longest notes may hold none of few tokens: then nothing would be trained."""
    study = open_study(study_folder)
    counts = np.array(
        [
            study.notes.contains_any(np.array([t]))[study.train].sum()
            for t in range(study.notes.vocab_size)
        ]
    )
    rare = np.flatnonzero(counts == counts[counts > 0].min())[:1]
    config = UnlearnConfig(batch_size=1, head="none")
    assert step_bytes(study, unlearn, rare, config=config) > study.teacher.features[0].nbytes


def test_aimed_at_another_class_everything_else_is_shared(study_folder):
    study = open_study(study_folder)
    other = study.aimed_at("lung")
    for name in ("model", "notes", "cohort", "teacher", "thresholds", "targets"):
        assert getattr(other, name) is getattr(study, name), name
    assert other.weights() is study.weights()
    assert (other.forget, other.tags["forget_label"]) == (2, "lung")
    assert (study.forget, study.tags["forget_label"]) == (0, "diabetes")
    np.testing.assert_array_equal(other.logits(other.test), study.logits(study.test))
    assert study.is_forget.tolist() == (study.targets[:, 0] == 1).tolist()
    assert other.is_forget.tolist() == (study.targets[:, 2] == 1).tolist()
    with pytest.raises(ValueError, match=r"no label 'lungs'; did you mean lung"):
        study.aimed_at("lungs")


def test_aimed_back_an_edit_is_the_same(study_folder):
    study = open_study(study_folder)
    config, none = UnlearnConfig(epochs=1), np.array([], dtype=np.int64)
    edits = [unlearn(s, none, config) for s in (study, study.aimed_at("lung"))]
    edits.append(unlearn(study.aimed_at("lung").aimed_at("diabetes"), none, config))
    weights = [edit.head["weight"] for edit in edits]
    assert weights[0].equal(weights[2])
    assert not weights[0].equal(weights[1])


def test_a_classifier_of_another_cohort_is_refused(study_folder, tmp_path):
    cohort = Cohort.read(study_folder / "cohort")
    frame = cohort.frame.assign(text=cohort.frame["text"] + " x")
    replace(cohort, frame=frame).write(tmp_path / "cohort")
    with pytest.raises(ValueError, match=r"trained on another cohort than .*: train it again"):
        Study.open(
            cohort=tmp_path / "cohort", classifier=study_folder / "classifier",
            forget_label="diabetes", encoded=tmp_path,
        )  # fmt: skip


def test_a_ranking_of_another_cohort_tokenizer_window_or_class_is_refused(study_folder, tmp_path):
    study = open_study(study_folder)
    table = pd.DataFrame({"token_id": [7, 5], "forget_label": "diabetes"})
    facts = {"data": study.cohort.fingerprint, "tokenizer": study.tokenizer, "max_length": 48}
    write_ranking(tmp_path, table, **facts)
    assert read_ranking(tmp_path, study).tolist() == [7, 5]
    with pytest.raises(
        ValueError, match="forget_label lung, found diabetes: rank the tokens again"
    ):
        read_ranking(tmp_path, study.aimed_at("lung"))
    pieces = deepcopy(study.tokenizer)
    pieces.add_tokens(["dyspnoea"])
    others = {"data": "0" * 64, "tokenizer": pieces, "max_length": 32}
    for told, other in zip(("cohort", "tokenizer", "window"), others.items(), strict=True):
        write_ranking(tmp_path, table, **(facts | dict([other])))
        with pytest.raises(ValueError, match=rf"expected the {told} .*, found .*: rank the"):
            read_ranking(tmp_path, study)
    table.to_parquet(tmp_path / RANKING)
    with pytest.raises(ValueError, match=r"found none, as an older version wrote it: rank the"):
        read_ranking(tmp_path, study)


def test_answers_and_edits_of_another_classifier_or_class_are_refused(study_folder, tmp_path):
    study = open_study(study_folder)
    answers, edits = {"b": study.log_odds(study.test)}, {"null": null_edit(study)}
    answers["a"] = answers["b"] + 1
    write_log_odds(tmp_path, answers, study)
    write_edits(tmp_path, edits, study)
    written = (tmp_path / "log_odds.safetensors").read_bytes()
    for _ in range(10):  # the header of safetensors keeps no order of its own
        write_log_odds(tmp_path, answers, study)
        assert (tmp_path / "log_odds.safetensors").read_bytes() == written
    back = read_log_odds(tmp_path, study)
    assert list(back) == ["a", "b"] and np.array_equal(back["b"], answers["b"])
    assert list(read_edits(tmp_path, ["null"], study)) == ["null"]
    write_edits(tmp_path, {"other": edits["null"]}, study)  # by other settings
    with pytest.raises(ValueError, match="no edit in .* 'null'"):
        read_edits(tmp_path, ["null"], study)
    write_edits(tmp_path, edits, study)
    aimed = study.aimed_at("lung")
    with pytest.raises(ValueError, match="forget_label lung, found diabetes: compare the methods"):
        read_log_odds(tmp_path, aimed)
    with pytest.raises(ValueError, match="forget_label lung, found diabetes: compare the methods"):
        read_edits(tmp_path, ["null"], aimed)
    with torch.no_grad():
        study.model.classifier.bias += 1
    other = study.about(study.model)
    with pytest.raises(ValueError, match=r"expected the classifier .*…, found .*…: compare"):
        read_log_odds(tmp_path, other)


def test_an_unknown_class_names_the_nearest(study_folder):
    with pytest.raises(ValueError, match="diabetes"):
        Study.open(
            cohort=study_folder / "cohort", classifier=study_folder / "classifier",
            forget_label="diabetis", encoded=study_folder,
        )  # fmt: skip


def test_bag_of_words_learns_its_words():
    texts, targets = ["insulin a", "b c", "insulin d", "e f"] * 5, np.array([[1], [0]] * 10)
    both = np.hstack([targets, 1 - targets])
    (logits,) = tfidf_logits(texts, both, [["insulin a", "b c"]])
    assert logits[0, 0] > 0 > logits[1, 0]


def test_what_is_struck_out_is_no_longer_told(study_folder):
    study = open_study(study_folder)
    counts = count_tokens(study.notes)
    cue = np.array([study.tokenizer.convert_tokens_to_ids("insulin")])
    known = {}
    for name, ids in {"nothing": cue[:0], "cue": cue}.items():
        scores = lexical_remainder(
            counts[study.train], study.is_forget[study.train], counts[study.test], ids
        )
        known[name] = roc_auc_score(study.is_forget[study.test], scores)
    assert known["nothing"] > 0.95
    assert abs(known["cue"] - 0.5) < 0.2
