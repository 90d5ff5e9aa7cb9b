"""The dense rivals: what they may change, that they silence the class, and that they let go."""

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score
from toys import LABELS, make_toy

from steu.models.heads import head_of
from steu.models.inference import predict
from steu.models.loading import build_classifier
from steu.unlearning.baselines import LayerConfig, edit_layers
from steu.unlearning.dense_edit import LayerEdit, head_parameters, last_layers
from steu.unlearning.influence import influence_edit

CONFIG = LayerConfig(epochs=8, learning_rate_layers=2e-3, learning_rate_head=2e-2)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("encoded"))


def run(toy, rival, **changes):
    config = LayerConfig(**{**CONFIG.__dict__, **changes})
    return edit_layers(toy.task(), rival, config, n_layers=1)


@pytest.mark.parametrize("rival", ["gradient_ascent", "direct_suppression"])
def test_the_class_falls_silent_the_others_stay_and_the_model_is_let_go(toy, rival):
    before = copy.deepcopy(toy.model.state_dict())
    edit = run(toy, rival)
    with edit.attached(toy.model):
        after = predict(toy.model, toy.notes, toy.test, precision="fp32")
    assert f1_score(toy.targets[toy.test, 0], after[:, 0] > 0, zero_division=0) < 0.1
    for label in (1, 2):
        assert roc_auc_score(toy.targets[toy.test, label], after[:, label]) > 0.9
    assert edit.history[-1]["forget_loss"] < edit.history[0]["forget_loss"]
    assert all(torch.equal(before[name], value) for name, value in toy.model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in toy.model.parameters())


def test_only_the_last_layers_and_the_head_change(toy):
    edit = run(toy, "direct_suppression", epochs=1)
    assert {name.rpartition(".layer.")[2][:2] for name in edit.values} == {"1.", "cl"}
    assert (
        set(head_parameters(toy.model))
        == {"classifier.weight", "classifier.bias"}
        < set(edit.values)
    )
    own = sum(p.numel() for p in toy.model.bert.encoder.layer[1].parameters())
    assert 0 < edit.parameters_changed(toy.model) <= own + 3 * 32 + 3
    assert edit.bytes_stored == 4 * (own + 3 * 32 + 3)
    assert edit.touched(toy.notes).all()


def test_the_edit_that_changes_nothing_changes_nothing(toy):
    edit = LayerEdit.identity(toy.model, [*last_layers(toy.model, 2), *head_parameters(toy.model)])
    before = predict(toy.model, toy.notes, toy.test, precision="fp32")
    with edit.attached(toy.model):
        after = predict(toy.model, toy.notes, toy.test, precision="fp32")
    assert np.array_equal(before, after)
    assert edit.parameters_changed(toy.model) == 0
    assert torch.equal(edit.edited_head(toy.model).weight, head_of(toy.model).weight)


def test_values_that_do_not_fit_are_named_and_the_model_is_as_it_was(toy):
    before = copy.deepcopy(toy.model.state_dict())
    for name, shape in (("classifier.weight", (3, 7)), ("classifier.wieght", (3, 32))):
        edit = LayerEdit({"classifier.bias": torch.ones(3), name: torch.ones(shape)})
        with (
            pytest.raises(ValueError, match=rf"the edit holds {name} of shape \({shape[0]}, "),
            edit.attached(toy.model),
        ):
            pass
    assert all(torch.equal(before[key], value) for key, value in toy.model.state_dict().items())


@pytest.mark.parametrize("backbone", ["random-bert", "random-distilbert"])
def test_layers_are_found_in_both_architectures(backbone):
    model, _ = build_classifier(backbone, LABELS)
    one, two = (set(last_layers(model, n)) for n in (1, 2))
    assert one < two
    everything = {name for name, _ in model.named_parameters()}
    assert not any("embeddings" in name for name in two)
    outside = ("embeddings", "pooler", "pre_classifier", "classifier")
    assert all(any(part in name for part in outside) for name in everything - two)
    with pytest.raises(ValueError, match="expected 1 to 2, which the encoder has; found 3"):
        last_layers(model, 3)


def influence(toy, **settings):
    return influence_edit(toy.task(), n_layers=1, n_fisher=40, **settings)


def test_an_influence_step_lowers_the_class_and_grows_with_its_scale(toy):
    before = predict(toy.model, toy.notes, toy.test, precision="fp32")
    means = []
    for scale in (0.0, 3e-5, 6e-5):
        with influence(toy, scale=scale).attached(toy.model):
            after = predict(toy.model, toy.notes, toy.test, precision="fp32")
        means.append(after[:, 0].mean())
    assert means[0] == before[:, 0].mean()
    assert means[2] < means[1] < means[0]


def test_the_influence_of_the_bias_is_its_closed_form(toy):
    """−(n_f/n) over the mean of (σ(z_f) − y_f)²: the number of labels cancels."""
    task = toy.task()
    edit = influence_edit(task, n_layers=1, n_fisher=len(task.train), damping=0.0)
    own = head_of(toy.model).bias.detach()
    truth = torch.from_numpy(task.targets[task.train, 0])
    answers = task.teacher.logits[task.train, 0].sigmoid()
    expected = -truth.mean() / (answers - truth).square().mean()
    moved = edit.values["classifier.bias"] - own
    assert moved[0].item() == pytest.approx(expected.item(), rel=1e-3)
    assert torch.equal(edit.values["classifier.bias"][1:], own[1:])  # z_f does not depend on them
    damped, twice = (influence(toy, damping=d).values["classifier.bias"] - own for d in (1e6, 2e6))
    assert (twice / damped)[0].item() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("part", ["none", "bias"])
def test_the_part_of_the_head_and_the_drift_that_are_asked_for_are_kept_to(toy, part):
    edit = run(toy, "direct_suppression", epochs=1, head=part)
    head = {name for name in edit.values if name.startswith("classifier.")}
    assert head == (set() if part == "none" else {"classifier.weight", "classifier.bias"})
    own = head_of(toy.model)
    if part == "bias":
        assert torch.equal(edit.values["classifier.weight"], own.weight)
        assert (edit.values["classifier.bias"] != own.bias).tolist() == [True, False, False]
    free, tied = (run(toy, "direct_suppression", epochs=1, drift_weight=w) for w in (0.0, 1e6))
    before = dict(toy.model.named_parameters())
    moved = [
        sum((e.values[n] - before[n]).square().sum() for n in last_layers(toy.model, 1))
        for e in (free, tied)
    ]
    assert moved[1] < 0.5 * moved[0]
