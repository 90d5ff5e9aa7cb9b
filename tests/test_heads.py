"""Heads: shapes, the part that moves, and the start from frozen features."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from steu.models.heads import head_of, head_width, output_bias, set_hidden_layer, trainable_head
from steu.models.loading import build_classifier
from steu.models.probe_start import start_from_probe


def make_head(n_features, n_labels, *, width=0):
    if width == 0:
        return nn.Linear(n_features, n_labels)
    return nn.Sequential(nn.Linear(n_features, width), nn.ReLU(), nn.Linear(width, n_labels))


@pytest.mark.parametrize("width", [0, 5])
def test_a_head_has_one_logit_a_label(width):
    head = make_head(7, 3, width=width)
    assert head(torch.zeros(2, 7)).shape == (2, 3)
    assert head_width(head) == width
    assert dict(head.named_parameters())[output_bias(head)].shape == (3,)
    counted = sum(parameter.numel() for parameter in head.parameters())
    assert counted == (7 * 3 + 3 if width == 0 else 7 * 5 + 5 + 5 * 3 + 3)


@pytest.mark.parametrize("width", [0, 5])
@pytest.mark.parametrize(("part", "moved"), [("none", 0), ("bias", 1), ("row", 2)])
def test_only_numbers_of_the_class_get_a_gradient(width, part, moved):
    head = trainable_head(make_head(7, 3, width=width), part, 1)
    out = head(torch.randn(4, 7))
    if part == "none":
        assert not out.requires_grad
        return
    out.square().sum().backward()
    grads = [p.grad for p in head.parameters() if p.grad is not None]
    assert len(grads) == moved
    for grad in grads:
        assert grad[1].abs().sum() > 0 and grad[[0, 2]].abs().sum() == 0


@pytest.mark.parametrize("width", [0, 16])
def test_the_start_knows_what_the_features_say(width):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(400, 6)).astype(np.float32)
    targets = (features[:, :2] + 0.3 * generator.normal(size=(400, 2)) > 0).astype(np.float32)
    head = make_head(6, 2, width=width)
    start_from_probe(head, features, targets)
    with torch.no_grad():
        logits = head(torch.from_numpy(features)).numpy()
    assert roc_auc_score(targets, logits) > 0.9


def test_a_label_that_never_varies_starts_at_its_smoothed_odds():
    features = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    targets = np.tile(np.array([0.0, 1.0], dtype=np.float32), (9, 1))
    head = make_head(4, 2)
    start_from_probe(head, features, targets)
    assert head.weight.abs().sum() == 0
    assert head.bias.tolist() == pytest.approx([-np.log(19), np.log(19)])


@pytest.mark.parametrize("backbone", ["random-bert", "random-distilbert"])
def test_a_hidden_layer_takes_the_place_of_the_linear_head(backbone):
    model, _ = build_classifier(backbone, ("a", "b", "c"))
    assert head_width(head_of(model)) == 0
    set_hidden_layer(model, 5)
    head = head_of(model)
    assert head_width(head) == 5 == model.config.head_width
    assert model(torch.ones(2, 4, dtype=torch.int64)).logits.shape == (2, 3)
    with pytest.raises(ValueError, match="head_width must be 0 .* found -1"):
        set_hidden_layer(model, -1)
