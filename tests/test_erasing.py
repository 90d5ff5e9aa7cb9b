"""STEU-E: one row for all selected tokens leaves nothing to tell them apart by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

import steu
from steu.audits.probing import probe
from steu.data.encoding import encode_in_memory
from steu.models.hidden_states import HEAD, hidden_states
from steu.selection.counts import count_tokens
from steu.task import ForgetTask
from steu.unlearning.sparse import both_losses


def tokens(task: ForgetTask, *words: str) -> np.ndarray:
    return np.array(task.tokenizer.convert_tokens_to_ids(list(words)))


def test_notes_that_differ_in_which_selected_word_stands_where_are_one_at_every_layer(
    task: ForgetTask,
) -> None:
    ids = tokens(task, "insulin", "appetite", "night")
    texts = ["patient insulin was night", "patient night was appetite", "patient home was night"]
    notes = encode_in_memory(texts, task.tokenizer, max_length=16)
    edit = steu.collapse_rows(task, ids)
    found = []
    for e in (None, edit):
        with e.attached(task.model) if e else torch.no_grad():
            found.append(hidden_states(task.model, notes, np.arange(3), precision="fp32"))
    for place in found[0]:
        first, second, third = found[1][place]
        assert np.array_equal(first, second)
        assert not np.array_equal(first, third)  # "home" is not among them
        assert not np.array_equal(*found[0][place][:2])


def test_the_one_row_is_the_mean_of_the_others(task: ForgetTask) -> None:
    ids = tokens(task, "insulin", "night")
    edit = steu.collapse_rows(task, ids)
    counts = np.asarray(count_tokens(task.notes)[task.train].sum(axis=0)).ravel().astype(float)
    counts[ids] = 0
    table = task.model.get_input_embeddings().weight.detach().double().numpy()
    assert np.allclose(edit.rows[0], counts @ table / counts.sum(), atol=1e-6)
    assert torch.equal(edit.rows[0], edit.rows[1]) and not edit.head
    seen = np.flatnonzero(np.bincount(task.notes.ids))
    with pytest.raises(ValueError, match="between 1 and the 0 other tokens of the notes; found 1"):
        steu.collapse_rows(task, seen)


def test_a_token_becomes_what_says_the_same_of_the_labels_that_stay(task: ForgetTask) -> None:
    """Of the words left, "dialysis" alone speaks of the kidney: its like goes there."""
    ids = tokens(task, "insulin", "night", "and")
    edit = steu.collapse_rows(task, ids, n_rows=3)
    table = task.model.get_input_embeddings().weight.detach()
    cues = table[tokens(task, "dialysis", "asthma")]
    assert edit.rows.unique(dim=0).shape[0] == 1  # none of the three speaks of kidney or lung
    apart = (edit.rows[:1] - cues).norm(dim=1)
    assert (apart > 0.1).all()
    assert torch.equal(edit.rows, steu.collapse_rows(task, ids, n_rows=3).rows)


def test_the_strongest_reader_learns_the_class_before_and_not_after(task: ForgetTask) -> None:
    edit = steu.erase(task, tokens(task, "insulin", "appetite", "night", "and"), n_rows=1)
    before, after = (probe(task, e, only=[HEAD]) for e in (None, edit))
    assert before.samples[HEAD][0] > 0.95
    assert after.samples[HEAD][0] < 0.75 and after.unseen[HEAD][0] < 0.75
    trained = steu.unlearn(task, edit.token_ids.numpy(), steu.UnlearnConfig(epochs=6))
    assert probe(task, trained, only=[HEAD]).samples[HEAD][0] > 0.9  # rows differ: learned again


def test_the_class_falls_silent_and_the_others_are_told_as_before(task: ForgetTask) -> None:
    edit = steu.erase(task, tokens(task, "insulin", "appetite"), n_rows=2)
    said, truth = task.log_odds(task.test, edit), task.targets[task.test]
    assert f1_score(truth[:, 0], said[:, 0] > 0, zero_division=0) < 0.05
    for label in (1, 2):
        assert roc_auc_score(truth[:, label], said[:, label]) > 0.95
    assert edit.history[-1]["forget_loss"] < edit.history[0]["forget_loss"]


def test_the_others_answer_as_before_on_notes_with_the_class(task: ForgetTask) -> None:
    """By the words that speak of them; taught what the notes bear, they move by 1.4 nats here."""
    with_class = task.test[task.is_forget[task.test]]
    edit = steu.erase(task, tokens(task, "insulin", "appetite"), n_rows=2)
    before, after = (task.log_odds(with_class, e)[:, task.retained] for e in (None, edit))
    assert np.abs(after - before).mean() < 0.7


def test_the_head_is_the_best_there_is_and_the_same_each_time(task: ForgetTask) -> None:
    ids = tokens(task, "insulin", "appetite")
    edit = steu.erase(task, ids, n_rows=2, ridge=0.01)
    train = task.train
    forgotten, retained = train[task.is_forget[train]], train[~task.is_forget[train]]
    features = task.features(np.concatenate([forgotten, retained]), edit)
    own = task.model.classifier

    def loss(weight: torch.Tensor, bias: torch.Tensor) -> float:
        said = features @ weight.T + bias
        lost, held = both_losses(task, said, forgotten, retained, others="answers")
        far = (weight - own.weight).square().sum() + (bias - own.bias).square().sum()
        return (lost + held + 0.01 * far).item()

    best = loss(edit.head["weight"], edit.head["bias"])
    generator = torch.Generator().manual_seed(0)
    for size in (1e-2, 1e-1):
        moved = edit.head["weight"] + size * torch.randn(
            edit.head["weight"].shape, generator=generator
        )
        assert loss(moved, edit.head["bias"]) > best
    again = steu.erase(task, ids, n_rows=2, ridge=0.01)
    assert all(torch.equal(again.head[name], edit.head[name]) for name in edit.head)


def test_without_notes_of_both_kinds_there_is_nothing_to_fit(task: ForgetTask) -> None:
    none = task.train[~task.is_forget[task.train]]
    with pytest.raises(ValueError, match="training notes with and without 'diabetes'; found 0"):
        steu.erase(task, tokens(task, "insulin"), train=none)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"utility_weight": -1}, "utility_weight must be 0 or more; found -1"),
        ({"utility_weight": float("nan")}, "utility_weight must be a finite number; found nan"),
        ({"ridge": float("inf")}, "ridge must be a finite number; found inf"),
        ({"n_rows": 2.5}, "n_rows must be a whole number; found 2.5"),
        ({"n_rows": 0}, "n_rows must lie between 1 and"),
        ({"seed": -1}, "seed must be 0 or more; found -1"),
        ({"seed": 2**32}, "seed must be 4,294,967,295 at most; found 4,294,967,296"),
        ({"seed": 1.5}, "seed must be a whole number; found 1.5"),
    ],
)
def test_settings_that_are_none_are_named(
    task: ForgetTask, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        steu.erase(task, tokens(task, "insulin"), **settings)


def test_a_label_that_all_notes_have_says_nothing_of_a_token(task: ForgetTask) -> None:
    chosen = steu.rank_tokens(task, "two_sided")[:4]
    both = task.train[(task.targets[task.train, 1] == 1)]
    assert steu.erase(task, chosen, n_rows=2, train=both).rows.isfinite().all()
    none = task.train[(task.targets[task.train, 1:] == [1, 0]).all(axis=1)]
    assert steu.erase(task, chosen, n_rows=2, train=none).rows.isfinite().all()


def test_it_is_kept_as_any_sparse_edit(task: ForgetTask, tmp_path: Path) -> None:
    edit = steu.erase(task, tokens(task, "insulin", "appetite"), n_rows=2)
    edit.save_pretrained(tmp_path / "edit")
    again = steu.SparseEdit.from_pretrained(tmp_path / "edit", model=task.model)
    assert np.array_equal(task.log_odds(task.test, again), task.log_odds(task.test, edit))
    assert edit.parameters_changed(task.model) == 2 * 32 + 3 * 32 + 3
