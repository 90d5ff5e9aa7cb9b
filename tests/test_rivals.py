"""Rivals from other papers: each is what its paper defines, for pairs of a note and a label."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from sklearn.metrics import f1_score, roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits
from toys import Toy

from steu.models.hidden_states import HEAD, hidden_states
from steu.models.inference import features_of, predict
from steu.selection.counts import count_tokens
from steu.task import ForgetTask
from steu.unlearning.baselines import (
    LayerConfig,
    blind_logits,
    edit_layers,
    in_turns,
    salient_weights,
)
from steu.unlearning.concept_scrubbing import ScrubbedLayers, scrub_layers
from steu.unlearning.dampening import dampen
from steu.unlearning.dense_edit import head_parameters, last_layers
from steu.unlearning.gradients import gradients_of, mean_square
from steu.unlearning.lora import lora_edit
from steu.unlearning.low_rank_edit import LowRankEdit
from steu.unlearning.matched_rows import matched_rows, share_difference
from steu.unlearning.rival_losses import RIVALS, Step

CONFIG = LayerConfig(epochs=8, learning_rate_layers=2e-3, learning_rate_head=2e-2)


def step(**changes: torch.Tensor) -> Step:
    """Two notes with class 0, one without, of three labels."""
    torch.manual_seed(0)
    given = {"logits": torch.randn(3, 3), "teacher": torch.randn(3, 3), "blind": torch.randn(3)}
    targets = torch.tensor([[1.0, 0, 1], [1, 1, 0], [0, 1, 0]])
    return Step(**given | changes, targets=targets, n_forget=2, forget=0)


def kl(teacher: torch.Tensor, student: torch.Tensor) -> np.ndarray:
    """KL of Bernoulli distributions by scipy."""
    p, q = (torch.sigmoid(z.double()).numpy() for z in (teacher, student))
    return rel_entr(p, q) + rel_entr(1 - p, 1 - q)


def test_pairs_are_told_apart() -> None:
    one = step()
    assert torch.equal(one.lost(one.logits), one.logits[:2, 0])
    assert one.kept(one.logits).tolist() == [
        *one.logits[0, 1:].tolist(),
        *one.logits[1, 1:].tolist(),
        *one.logits[2].tolist(),
    ]


def test_losses_are_those_of_their_papers() -> None:
    one = step()
    lost, kept = {}, {}
    for name, rival in RIVALS.items():
        lost[name], kept[name] = (value.item() for value in rival.losses(one))
    bce = binary_cross_entropy_with_logits(one.logits, one.targets, reduction="none")
    assert lost["neg_grad_plus"] == pytest.approx(-bce[:2, 0].mean().item(), abs=1e-6)
    assert kept["neg_grad_plus"] == pytest.approx(one.kept(bce).mean().item(), abs=1e-6)
    away = kl(one.teacher[:2, 0], one.logits[:2, 0]).mean()
    near = kl(one.kept(one.teacher), one.kept(one.logits)).mean()
    assert lost["scrub"] == pytest.approx(-away, abs=1e-6)
    assert kept["scrub"] == pytest.approx(near + kept["neg_grad_plus"], abs=1e-6)
    assert lost["bad_teacher"] == pytest.approx(
        kl(one.blind[:2], one.logits[:2, 0]).mean(), abs=1e-6
    )
    assert kept["bad_teacher"] == pytest.approx(near, abs=1e-6)
    without = binary_cross_entropy_with_logits(one.logits[:2, 0], torch.zeros(2))
    assert lost["salun"] == pytest.approx(without.item(), abs=1e-6)
    assert lost["direct_suppression"] == pytest.approx(without.item(), abs=1e-6)
    assert lost["gradient_ascent"] == pytest.approx(lost["neg_grad_plus"], abs=1e-6)


def test_a_side_without_notes_costs_nothing() -> None:
    one = step()
    only = Step(one.logits[2:], one.teacher[2:], one.targets[2:], 0, 0, one.blind[2:])
    lost, kept = RIVALS["scrub"].losses(only)
    assert lost.item() == 0 and kept.item() > 0


def test_scrub_takes_turns_and_ends_with_repair() -> None:
    pairs = [(e, (np.array([e]), np.array([10 * e]))) for e in (1, 1, 2, 2, 3)]
    turns = [(e, len(f), len(r)) for e, (f, r) in in_turns(pairs, ascents=2)]
    epoch = [(0, 1), (0, 1), (1, 0), (1, 0)]
    assert turns == [(1, *t) for t in epoch] + [(2, *t) for t in epoch] + [(3, 0, 1)]
    assert list(in_turns(pairs, ascents=0)) == pairs


@pytest.mark.parametrize(("rival", "rate"), [("neg_grad_plus", 1), ("scrub", 8), ("salun", 1)])
def test_the_class_falls_silent_and_the_others_stay(
    toy: Toy, task: ForgetTask, rival: str, rate: float
) -> None:
    before = copy.deepcopy(toy.model.state_dict())
    edit = edit_layers(task, rival, CONFIG.faster(rate), n_layers=1)
    assert all(np.isfinite(list(entry.values())).all() for entry in edit.history)
    after = task.log_odds(task.test, edit)
    assert f1_score(task.targets[task.test, 0], after[:, 0] > 0, zero_division=0) < 0.2
    for label in (1, 2):
        assert roc_auc_score(task.targets[task.test, label], after[:, label]) > 0.9
    assert all(torch.equal(before[name], value) for name, value in toy.model.state_dict().items())
    assert not any(p._backward_hooks for p in toy.model.parameters())


def test_a_bad_teacher_pulls_the_answer_to_what_it_says(task: ForgetTask) -> None:
    blind = blind_logits(task, task.train, seed=0)
    assert torch.equal(blind, blind_logits(task, task.train, seed=0))
    assert not torch.equal(blind, blind_logits(task, task.train, seed=1))
    assert not blind[task.test].any()
    assert blind[task.train].abs().max() < 2  # it knows nothing
    edit = edit_layers(task, "bad_teacher", CONFIG, n_layers=1)
    forget = task.train[task.is_forget[task.train]]
    before, after = (task.log_odds(forget, e)[:, 0] for e in (None, edit))
    told = blind[forget].numpy()
    assert np.abs(after - told).mean() < 0.5 * np.abs(before - told).mean()


def test_salient_weights_are_the_steeper_half_and_no_other_moves(task: ForgetTask) -> None:
    names = [*last_layers(task.model, 1), *head_parameters(task.model)]
    masks = salient_weights(task, names, task.train, share=0.5)
    kept = sum(int(mask.sum()) for mask in masks.values())
    total = sum(mask.numel() for mask in masks.values())
    assert kept == pytest.approx(total / 2, rel=0.01)
    assert not masks["classifier.weight"][1:].any()  # the other outputs do not bear on the class
    assert masks["classifier.weight"][0].all()
    edit = edit_layers(task, "salun", LayerConfig(epochs=1), n_layers=1)
    own = dict(task.model.named_parameters())
    moved = {name: edit.values[name] != own[name] for name in names}
    assert all(not (moved[name] & ~masks[name]).any() for name in names)
    assert sum(int(m.sum()) for m in moved.values()) > 0.9 * kept


def test_dampening_shrinks_what_matters_more_for_the_class(task: ForgetTask) -> None:
    edit = dampen(task, selection=1.0, n_layers=1, n_fisher=80)
    own = dict(task.model.named_parameters())
    changed = 0
    for name, value in edit.values.items():
        ratio = (value / own[name])[own[name] != 0]
        assert (ratio >= 0).all() and (ratio <= 1).all()
        changed += int((value != own[name]).sum())
    assert changed == edit.parameters_changed(task.model) > 0
    fewer = dampen(task, selection=20.0, n_layers=1, n_fisher=80)
    assert fewer.parameters_changed(task.model) < changed
    few = next(
        seed
        for seed in range(99)
        for generator in [np.random.default_rng(seed)]
        if generator.choice(task.train, 2) is not None and generator.integers(3, size=2).min() > 0
    )  # no pair of the class is drawn: its importance elsewhere would seem to be nought
    head = dampen(task, selection=1e9, n_layers=1, n_fisher=2, seed=few).values["classifier.weight"]
    assert head[task.forget].any()
    for wrong in ({"n_fisher": 0}, {"selection": float("nan")}, {"dampening": -1.0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            dampen(task, n_layers=1, **wrong)
    none = dampen(task, selection=float("inf"), n_layers=1, n_fisher=80)
    assert none.parameters_changed(task.model) == 0
    forget = task.is_forget[task.test]
    before, after = (task.log_odds(task.test, e)[forget, 0].mean() for e in (None, edit))
    assert after < before


@pytest.mark.parametrize("plain", [True, False])
def test_dampening_of_the_head_is_the_papers_rule_in_closed_form(
    task: ForgetTask, plain: bool
) -> None:
    """θ · min(λ I_D / I_f, 1) where I_f > α I_D; the head's gradient is (σ(z_c) − y_c) h."""
    n, own = 80, task.forget
    generator = np.random.default_rng(0)
    notes, labels = generator.choice(task.train, n), generator.integers(3, size=n)
    h = task.teacher.features.double().numpy()
    off = (task.teacher.logits.double().sigmoid().numpy() - task.targets)[:, own, None]
    drawn = notes[labels == own]
    of_all = ((off[drawn] * h[drawn]) ** 2).sum(axis=0) / n
    forget = task.train[task.is_forget[task.train]]
    of_class = ((off[forget] * h[forget]) ** 2).mean(axis=0)
    selection, high = np.quantile(of_class / of_all, [0.5, 0.75]).tolist()
    dampening = 1.0 if plain else high  # some of what is chosen would grow by it, and stays
    edit = dampen(task, selection=selection, dampening=dampening, n_layers=1, n_fisher=n)
    shrunk = of_class > selection * of_all
    assert 0 < shrunk.sum() < len(shrunk)
    weight = dict(task.model.named_parameters())["classifier.weight"].detach().numpy()
    share = np.where(shrunk, np.minimum(dampening * of_all / of_class, 1), 1)
    assert (share < 1).any()
    found = edit.values["classifier.weight"].numpy()
    assert found[own] == pytest.approx(share * weight[own], rel=1e-3, abs=1e-7)
    others = np.arange(3) != own  # of which the loss of the class says nothing
    assert np.array_equal(found[others], weight[others])


def test_the_fisher_of_the_bias_is_its_closed_form(task: ForgetTask) -> None:
    def loss(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return binary_cross_entropy_with_logits(z[:, 0], y[:, 0])

    notes = task.train[:20]
    with gradients_of(task, ["classifier.bias"]) as gradient:
        (found,) = mean_square(gradient, notes, [loss] * 20)
    answers = task.teacher.logits[notes, 0].sigmoid().numpy()
    expected = ((answers - task.targets[notes, 0]) ** 2).mean()
    assert found.tolist() == pytest.approx([expected, 0, 0], rel=1e-4)


def test_lora_adds_a_product_of_low_rank_and_answers_as_when_merged(
    task: ForgetTask, tmp_path: Path
) -> None:
    edit = lora_edit(task, CONFIG, rank=2, n_layers=1)
    own = dict(task.model.named_parameters())
    merged = edit.merged(task.model)
    for name in edit.down:
        assert ".layer.1." in name
        rank = torch.linalg.matrix_rank(merged.values[name] - own[name], atol=1e-5)
        assert rank <= 2
    after = task.log_odds(task.test, edit)
    assert f1_score(task.targets[task.test, 0], after[:, 0] > 0, zero_division=0) < 0.1
    for label in (1, 2):
        assert roc_auc_score(task.targets[task.test, label], after[:, label]) > 0.9
    with merged.attached(task.model):
        whole = predict(task.model, task.notes, task.test, precision="fp32")
    assert np.array_equal(after, whole)
    assert edit.history[-1]["forget_loss"] < edit.history[0]["forget_loss"]
    assert edit.bytes_stored < merged.bytes_stored
    edit.save_pretrained(tmp_path / "edit")
    again = LowRankEdit.from_pretrained(tmp_path / "edit", model=task.model)
    assert np.array_equal(task.log_odds(task.test, again), after)
    with pytest.raises(ValueError, match="rank must be 1 or more; found 0"):
        lora_edit(task, rank=0)
    with pytest.raises(
        ValueError, match="adapters know no drift; drift_weight must be 0, found 0.5"
    ):
        lora_edit(task, LayerConfig(drift_weight=0.5))


def test_lora_takes_no_memory_for_the_weights_that_stay(
    task: ForgetTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {name: value.clone() for name, value in task.model.state_dict().items()}
    used = set()

    def features(model: torch.nn.Module, *given: object, **settings: object) -> torch.Tensor:
        used.update(id(p) for n, p in model.named_parameters() if ".lora_" not in n)
        return features_of(model, *given, **settings)

    monkeypatch.setattr("steu.unlearning.lora.features_of", features)
    lora_edit(task, CONFIG, n_layers=1)
    assert used == {id(p) for p in task.model.parameters()}
    assert all(torch.equal(weights[n], v) for n, v in task.model.state_dict().items())
    assert all(p.requires_grad for p in task.model.parameters())


def test_scrub_repairs_in_the_last_of_two_epochs(task: ForgetTask) -> None:
    edit = edit_layers(task, "scrub", replace(CONFIG, epochs=2), n_layers=1)
    repaired = [entry for entry in edit.history if entry["epoch"] == 2]
    assert repaired and all(entry["forget_loss"] == 0 for entry in repaired)


def test_scrubbing_leaves_no_difference_of_means_after_any_layer(
    task: ForgetTask, tmp_path: Path
) -> None:
    edit = scrub_layers(task)
    assert len(edit.maps) == 3  # embeddings and two layers; the head reads the mean of the last
    truth = task.is_forget[task.train]
    apart = {}
    for name, e in (("before", None), ("after", edit)):
        with (e or LowRankEdit({}, {})).attached(task.model):
            found = hidden_states(task.model, task.notes, task.train, precision="fp32")
        means = [p for p in found if p.endswith("mean") or p == HEAD]
        apart[name] = [
            np.abs(found[p][truth].mean(axis=0) - found[p][~truth].mean(axis=0)).max()
            for p in means
        ]
    assert max(apart["after"]) < 1e-3 < 0.05 < min(apart["before"])
    edit.save_pretrained(tmp_path / "edit")
    again = ScrubbedLayers.from_pretrained(tmp_path / "edit", model=task.model)
    assert np.array_equal(task.log_odds(task.test, again), task.log_odds(task.test, edit))
    assert edit.parameters_changed(task.model) == 3 * 3 * 32


def test_matched_rows_make_the_mean_embeddings_equal_and_by_the_least_change(
    task: ForgetTask,
) -> None:
    ids = task.tokenizer.convert_tokens_to_ids(["insulin", "family", "home"])
    edit = matched_rows(task, np.array(ids))
    share = torch.from_numpy(share_difference(task, task.train)).float()
    table = task.model.get_input_embeddings().weight.detach().clone()
    before = share @ table
    table[ids] = edit.rows
    assert not edit.head  # which stays
    assert (share @ table).abs().max() < 1e-6 < 1e-2 < before.abs().max()
    moved = edit.rows - task.model.get_input_embeddings().weight[ids]
    least = torch.linalg.lstsq(share[ids][None], -before[None]).solution
    assert torch.allclose(moved, least, atol=1e-5)
    half = matched_rows(task, np.array(ids), scale=0.5)
    assert torch.allclose(half.rows - edit.rows, -0.5 * moved, atol=1e-6)
    counts = np.asarray(count_tokens(task.notes)[task.train].sum(axis=0)).ravel()
    with pytest.raises(ValueError, match="no change of their rows can make up"):
        matched_rows(task, np.flatnonzero(counts == 0)[:2])
    with pytest.raises(ValueError, match="notes with and without 'diabetes'; found 0 with"):
        matched_rows(task, np.array(ids), train=task.train[~task.is_forget[task.train]])


def test_no_rival_runs_on_a_softmax_or_by_an_unknown_name(task: ForgetTask) -> None:
    with pytest.raises(ValueError, match="no rival 'scrubb'; did you mean scrub"):
        edit_layers(task, "scrubb")
    softmax = copy.copy(task)
    softmax.outputs = "softmax"
    for run in (lambda: edit_layers(softmax, "scrub"), lambda: dampen(softmax)):
        with pytest.raises(ValueError, match="this model has a softmax"):
            run()
