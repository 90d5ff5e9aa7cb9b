"""Fine-tuning: what it starts from, when it stops, what it repeats, what it does not read."""

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from toys import make_toy

from steu._errors import Diverged
from steu.evaluation.metrics import macro_auroc
from steu.models.fine_tuning import TrainConfig, fine_tune, known_cross_entropy
from steu.models.inference import features_from_ids, hide_tokens, predict
from steu.models.pooling import set_pooling


def test_training_repeats_itself_and_leaves_the_global_generator_alone(tmp_path):
    toy = make_toy(tmp_path, n=40, trained=False)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    models = [toy.model, copy.deepcopy(toy.model)]
    for model in models:
        fine_tune(
            model,
            toy.notes,
            toy.targets,
            train=toy.train,
            validation=toy.test,
            config=TrainConfig(epochs=1, seed=3),
        )
    assert torch.equal(torch.get_rng_state(), before)
    for first, second in zip(*(m.parameters() for m in models), strict=True):
        assert torch.equal(first, second)


def test_training_starts_from_a_probe_that_knows_the_prevalence(tmp_path):
    toy = make_toy(tmp_path, n=120, trained=False)
    config = TrainConfig(epochs=1, learning_rate=1e-9, head_learning_rate=1e-9, precision="fp32")
    fine_tune(
        toy.model, toy.notes, toy.targets, train=toy.train, validation=toy.test, config=config
    )
    logits = predict(toy.model, toy.notes, toy.train, precision="fp32")
    predicted = 1 / (1 + np.exp(-logits.mean(axis=0)))
    assert predicted == pytest.approx(toy.targets[toy.train].mean(axis=0), abs=0.03)
    assert roc_auc_score(toy.targets[toy.train], logits) > 0.6


def test_early_stopping_keeps_the_best_epoch(tmp_path):
    toy = make_toy(tmp_path, n=80, trained=False)
    config = TrainConfig(epochs=30, learning_rate=5e-3, patience=2, precision="fp32")
    history = fine_tune(
        toy.model, toy.notes, toy.targets, train=toy.train, validation=toy.test, config=config
    )
    logits = predict(toy.model, toy.notes, toy.test, precision="fp32")
    best = max(entry["validation_auroc"] for entry in history)
    assert roc_auc_score(toy.targets[toy.test], logits) == pytest.approx(best)
    assert len(history) < 30


def test_training_that_only_harms_keeps_the_start(tmp_path):
    toy = make_toy(tmp_path, n=120, trained=False)
    models = [toy.model, copy.deepcopy(toy.model)]
    kept = []
    for model, rate in zip(models, (1e-9, 10.0), strict=True):
        config = TrainConfig(epochs=2, learning_rate=rate, head_learning_rate=rate)
        sets = {"train": toy.train, "validation": toy.test}
        kept.append(fine_tune(model, toy.notes, toy.targets, **sets, config=config)[0])
    assert kept[0]["epoch"] == kept[1]["epoch"] == 0
    first, second = (predict(model, toy.notes, toy.test) for model in models)
    assert np.allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_hidden_tokens_are_neither_read_nor_pooled(tmp_path, pooling):
    toy = make_toy(tmp_path, n=20, trained=False)
    set_pooling(toy.model, pooling)
    ids, mask = toy.notes.batch(range(20))
    torch.manual_seed(0)
    hidden = hide_tokens(mask, 0.5)
    assert (hidden <= mask).all() and hidden[:, 0].all()
    assert hidden.sum().item() == pytest.approx(mask.sum().item() / 2, rel=0.2)
    other = torch.where((mask == 1) & (hidden == 0), 5000, ids)  # another word in every gap
    first, second = (features_from_ids(toy.model, given, hidden) for given in (ids, other))
    torch.testing.assert_close(first, second)
    assert torch.equal(hide_tokens(mask, 0.0), mask)


def test_an_unknown_label_has_no_say():
    logits, targets = torch.randn(5, 3), (torch.rand(5, 3) < 0.5).float()
    masked = targets.clone()
    masked[:, 1] = float("nan")
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    known = [0, 2]
    torch.testing.assert_close(
        known_cross_entropy(logits, masked), bce(logits[:, known], targets[:, known])
    )
    torch.testing.assert_close(known_cross_entropy(logits, targets), bce(logits, targets))
    truth, scores = np.eye(3)[[0, 1, 2, 0]], np.random.default_rng(0).random((4, 3))
    blank = truth.copy()
    blank[:, 2] = np.nan
    assert macro_auroc(blank, scores) == macro_auroc(truth[:, :2], scores[:, :2])
    with pytest.raises(ValueError, match="the same in all 1 notes, so that none can be ranked"):
        macro_auroc(truth[:1], scores[:1])


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="epochs must be positive; found 0"):
        TrainConfig(epochs=0)
    with pytest.raises(ValueError, match=r"token_dropout must lie in \[0, 1\); found 1"):
        TrainConfig(token_dropout=1)
    with pytest.raises(ValueError, match=r"epochs must be a whole number; found 2\.5"):
        TrainConfig(epochs=2.5)
    with pytest.raises(ValueError, match="learning_rate must be a finite number; found nan"):
        TrainConfig(learning_rate=float("nan"))


def test_a_loss_that_is_no_number_stops_with_step_and_settings(tmp_path):
    toy = make_toy(tmp_path, n=40, trained=False)
    config = TrainConfig(epochs=2, learning_rate=1e38, batch_size=8)
    said = r"diverged: the loss is (nan|inf) at step \d of 4 with learning_rate 1e\+38 and batch_si"
    with pytest.raises(Diverged, match=said):
        fine_tune(
            toy.model,
            toy.notes,
            toy.targets,
            train=toy.train,
            validation=toy.test,
            config=config,
        )
