import copy
import errno

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from toys import LABELS, make_toy, no_space

from steu.models import (
    Classifier,
    TrainConfig,
    _hide_tokens,
    autocast,
    build_classifier,
    extract_features,
    fine_tune,
    length_batches,
    load_backbone,
    load_classifier,
    load_tokenizer,
    predict,
    save_classifier,
)


@pytest.fixture(scope="module", params=["random-bert", "random-distilbert"])
def toy(request, tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("encoded"), backbone=request.param)


def test_the_classifier_learns_its_cues(toy):
    logits = predict(toy.model, toy.notes, toy.test)
    assert roc_auc_score(toy.targets[toy.test], logits) > 0.95


def test_saved_and_loaded_predict_the_same_bits(toy, tmp_path):
    save_classifier(toy.model, toy.tokenizer, tmp_path / "model")
    model, tokenizer = load_classifier(tmp_path / "model")
    first, second = (predict(m, toy.notes, toy.test) for m in (toy.model, model))
    assert np.array_equal(first, second)
    assert model.labels == LABELS
    assert tokenizer.get_vocab() == toy.tokenizer.get_vocab()
    assert {f.suffix for f in (tmp_path / "model").iterdir()} <= {".json", ".safetensors", ".txt"}


@pytest.mark.parametrize("file", ["head.safetensors", "classifier.json"])
def test_a_full_disk_leaves_no_half_a_classifier(toy, tmp_path, monkeypatch, full_disk, file):
    full_disk(file)
    if file == "head.safetensors":
        monkeypatch.setattr("steu.models.save_file", no_space)
    with pytest.raises(OSError, match=r"no space left on disk for .*model; free some") as caught:
        save_classifier(toy.model, toy.tokenizer, tmp_path / "model")
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_and_company_do_not_change_a_note(toy, pooling):
    model = Classifier(toy.model.encoder, LABELS, pooling=pooling).eval()
    together = extract_features(model, toy.notes, toy.test, precision="fp32")
    alone = [extract_features(model, toy.notes, toy.test[[i]], precision="fp32") for i in range(9)]
    torch.testing.assert_close(together[:9], torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_bf16_ranks_notes_as_fp32_does(toy):
    fp32, bf16 = (predict(toy.model, toy.notes, toy.test, precision=p) for p in ("fp32", "bf16"))
    assert np.abs(fp32 - bf16).max() < 0.3
    truth = toy.targets[toy.test]
    assert roc_auc_score(truth, bf16) == pytest.approx(roc_auc_score(truth, fp32), abs=0.01)


def test_batches_hold_every_note_once_and_neighbours_in_length():
    lengths = np.random.default_rng(0).integers(3, 100, 300)
    rows = np.arange(0, 300, 2)
    for generator in (None, np.random.default_rng(0)):
        batches = list(length_batches(rows, lengths, 8, generator=generator))
        assert sorted(np.concatenate(batches)) == rows.tolist()
        padded = sum(len(batch) * lengths[batch].max() for batch in batches)
        assert padded < 1.15 * lengths[rows].sum()


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


def test_hidden_tokens_are_neither_read_nor_pooled(tmp_path):
    toy = make_toy(tmp_path, n=20, trained=False)
    ids, mask = toy.notes.batch(range(20))
    torch.manual_seed(0)
    hidden = _hide_tokens(mask, 0.5)
    assert (hidden <= mask).all() and hidden[:, 0].all()
    assert hidden.sum().item() == pytest.approx(mask.sum().item() / 2, rel=0.2)
    other = torch.where((mask == 1) & (hidden == 0), 5000, ids)  # another word in every gap
    torch.testing.assert_close(toy.model.features(ids, hidden), toy.model.features(other, hidden))
    assert torch.equal(_hide_tokens(mask, 0.0), mask)


def test_minilm_can_be_shortened_and_keeps_its_first_layers():
    full, _ = load_backbone("minilm")
    short, _ = load_backbone("minilm", n_layers=2)
    assert len(short.encoder.layer) == 2
    for first, second in zip(
        full.encoder.layer[1].parameters(), short.encoder.layer[1].parameters(), strict=True
    ):
        assert torch.equal(first, second)
    with pytest.raises(ValueError, match="between 1 and the 6 layers of minilm; found 7"):
        load_backbone("minilm", n_layers=7)


def test_a_folder_without_tokenizer_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"has no tokenizer.*found config.json; save it there"):
        load_tokenizer(str(tmp_path))


def test_pickled_weights_are_not_opened(tmp_path):
    encoder, tokenizer = load_backbone("random-bert")
    encoder.config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    torch.save(encoder.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"has no model\.safetensors; convert its weights"):
        load_backbone(str(tmp_path))


def test_an_unknown_model_offline_is_named(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="no model 'nobody/nothing'.*give the folder"):
        load_tokenizer("nobody/nothing")


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="epochs must be positive; found 0"):
        TrainConfig(epochs=0)
    with pytest.raises(ValueError, match=r"token_dropout must lie in \[0, 1\); found 1"):
        TrainConfig(token_dropout=1)
    with pytest.raises(ValueError, match="precision must be .* found 'fp8'"):
        autocast(torch.device("cpu"), "fp8")
    with pytest.raises(ValueError, match="pooling must be"):
        build_classifier("random-bert", LABELS, pooling="max")
