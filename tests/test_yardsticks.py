"""Blind rows and LEACE: what erasure costs where nothing is trained."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from concept_erasure import LeaceEraser
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import steu
from steu.audits.merged import merged_model
from steu.audits.probing import probe
from steu.models.hidden_states import HEAD
from steu.selection.counts import count_tokens
from steu.task import ForgetTask
from steu.unlearning.leace import ErasedFeatures, fit_eraser, leace_edit


def auroc_of(task: ForgetTask, edit: steu.SparseEdit | ErasedFeatures | None = None) -> float:
    scores = task.log_odds(task.test, edit)[:, task.forget]
    return float(roc_auc_score(task.is_forget[task.test], scores))


def test_the_model_reads_another_word_in_place_of_the_selected_one(task: ForgetTask) -> None:
    chosen = steu.rank_tokens(task)[:1]
    blind = steu.blind_rows(task, chosen)
    table = task.model.get_input_embeddings().weight
    source = (blind.rows == table).all(dim=1).nonzero().ravel()
    assert len(source) == 1 and source.item() != chosen[0]
    assert auroc_of(task) > 0.9
    assert abs(auroc_of(task, blind) - 0.5) < 0.35  # the row that told the class is gone
    assert not blind.head
    held = np.asarray(count_tokens(task.notes)[task.train][:, source.numpy()].sum())
    assert held > 0


def test_no_selected_row_is_dealt_out_and_none_twice(task: ForgetTask) -> None:
    chosen = steu.rank_tokens(task)[:4]
    blind = steu.blind_rows(task, chosen, seed=3)
    table = task.model.get_input_embeddings().weight
    sources = [int((table == row).all(dim=1).nonzero()[0, 0]) for row in blind.rows]
    assert len(set(sources)) == 4
    assert not set(sources) & set(chosen.tolist())
    assert torch.equal(steu.blind_rows(task, chosen, seed=3).rows, blind.rows)
    with pytest.raises(ValueError, match="as many other tokens as are selected; found"):
        steu.blind_rows(task, np.flatnonzero(np.bincount(task.notes.ids)))


def test_erasing_is_the_librarys_projection(task: ForgetTask) -> None:
    edit = leace_edit(task)
    features = task.teacher.features
    train = features[task.train].double()
    truth = torch.from_numpy(task.is_forget[task.train]).double()[:, None]
    eraser = LeaceEraser.fit(train, truth)
    assert torch.allclose(edit.erase(features), eraser(features.double()).float(), atol=1e-5)
    again = edit.erase(edit.erase(features))
    assert torch.allclose(again, edit.erase(features), atol=1e-4)  # idempotent
    mean = edit.erase(features[task.train]).mean(dim=0)
    assert torch.allclose(mean, features[task.train].mean(dim=0), atol=1e-4)


def test_a_linear_reader_learns_the_class_before_and_not_after(task: ForgetTask) -> None:
    edit, truth = leace_edit(task), task.is_forget[task.train]
    before, after = (task.features(task.train, e).numpy() for e in (None, edit))
    fitted = [LogisticRegression(max_iter=500).fit(x, truth) for x in (before, after)]
    assert roc_auc_score(truth, fitted[0].decision_function(before)) > 0.95
    constant = np.log(truth.mean() / (1 - truth.mean()))
    assert np.allclose(fitted[1].decision_function(after), constant, atol=0.05)
    assert abs(auroc_of(task, edit) - 0.5) < 0.25 < auroc_of(task) - 0.5


def test_below_the_head_nothing_is_erased_and_at_the_head_for_linear_readers_alone(
    task: ForgetTask,
) -> None:
    places = ["embeddings, mean", HEAD]
    original, erased = (probe(task, e, only=places).samples for e in (None, leace_edit(task)))
    assert np.array_equal(original[places[0]], erased[places[0]])
    assert erased[HEAD][0] > 0.9  # pairs of features, or a curved boundary, tell it as before


def test_an_eraser_is_kept_and_found_again_for_its_model(task: ForgetTask, tmp_path: Path) -> None:
    edit = leace_edit(task)
    edit.save_pretrained(tmp_path / "edit")
    again = ErasedFeatures.from_pretrained(tmp_path / "edit", model=task.model)
    assert np.array_equal(task.log_odds(task.test, edit), task.log_odds(task.test, again))
    assert edit.parameters_changed(task.model) == 3 * task.model.config.hidden_size
    with pytest.raises(ValueError, match="ErasedFeatures stands beside the model's parameters"):
        merged_model(task, edit)


def test_a_rare_class_is_erased_too(task: ForgetTask) -> None:
    generator = np.random.default_rng(0)
    rare = np.arange(20_000) < 100  # one in two hundred
    features = generator.normal(size=(20_000, 4))
    features[rare, 0] += 1.2
    told = SimpleNamespace(is_forget=rare, origin=task.origin, labels=task.labels, forget=0)
    edit = fit_eraser(torch.from_numpy(features), told, np.arange(20_000))
    left = edit.erase(torch.from_numpy(features).float())
    assert torch.allclose(left[rare].mean(dim=0), left[~rare].mean(dim=0), atol=1e-4)


def test_blind_rows_are_those_of_words_that_say_nothing_and_are_not_rare(task: ForgetTask) -> None:
    chosen = steu.rank_tokens(task)[:2]
    counts = count_tokens(task.notes)[task.train]
    n_forget, n = (
        np.asarray(c.sum(axis=0)).ravel() for c in (counts[task.is_forget[task.train]], counts)
    )
    lift = (n_forget / n_forget.sum()) / np.maximum(n / n.sum(), 1e-12)
    table = task.model.get_input_embeddings().weight
    dealt = [
        int((table == row).all(dim=1).nonzero()[0, 0]) for row in steu.blind_rows(task, chosen).rows
    ]
    others = np.setdiff1d(np.flatnonzero((n >= 5) & (n_forget > 0)), [*chosen, *dealt])
    far = np.abs(np.log2(lift, where=lift > 0, out=np.full(len(lift), np.inf)))
    assert far[dealt].max() <= far[others].min() and n[dealt].min() >= 5


def test_a_class_without_notes_cannot_be_erased(task: ForgetTask) -> None:
    none = task.train[~task.is_forget[task.train]]
    with pytest.raises(ValueError, match="notes with and without 'diabetes'; found 0 with"):
        leace_edit(task, train=none)
