import errno

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from toys import LABELS, make_toy, no_space

from steu.models.inference import autocast, predict
from steu.models.loading import (
    Classifier,
    build_classifier,
    load_backbone,
    load_classifier,
    load_tokenizer,
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
        monkeypatch.setattr("steu.models.loading.save_file", no_space)
    with pytest.raises(OSError, match=r"no space left on disk for .*model; free some") as caught:
        save_classifier(toy.model, toy.tokenizer, tmp_path / "model")
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


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
    with pytest.raises(ValueError, match="precision must be .* found 'fp8'"):
        autocast(torch.device("cpu"), "fp8")
    with pytest.raises(ValueError, match="pooling must be"):
        build_classifier("random-bert", LABELS, pooling="max")


def test_an_encoder_without_token_embedding_is_named(toy):
    class Vision(torch.nn.Module):
        config = toy.model.encoder.config

        def get_input_embeddings(self):
            return torch.nn.Conv2d(3, 8, 1)

    with pytest.raises(ValueError, match=r"Vision has no token embedding to edit: .* found Conv2d"):
        Classifier(Vision(), LABELS)


def test_a_tied_embedding_is_named():
    encoder, _ = load_backbone("random-bert")
    encoder.decoder = torch.nn.Linear(32, encoder.config.vocab_size, bias=False)
    encoder.decoder.weight = encoder.get_input_embeddings().weight
    with pytest.raises(ValueError, match=r"ties its token embedding .*decoder\.weight.*a copy"):
        Classifier(encoder, LABELS)


def test_a_resized_embedding_that_no_longer_fits_its_tokenizer_is_named(tmp_path):
    encoder, tokenizer = load_backbone("random-bert")
    tokenizer.save_pretrained(tmp_path)
    encoder.resize_token_embeddings(len(tokenizer) + 64, mean_resizing=False)
    encoder.save_pretrained(tmp_path)  # rows that no token uses do no harm
    assert load_backbone(str(tmp_path))[0].get_input_embeddings().num_embeddings > len(tokenizer)
    encoder.resize_token_embeddings(100, mean_resizing=False)
    encoder.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"knows 30,522 tokens and the embedding has 100 rows"):
        load_backbone(str(tmp_path))


def test_a_head_with_a_hidden_layer_is_saved_and_loaded(toy, tmp_path):
    model = Classifier(toy.model.encoder, LABELS, width=8).eval()
    save_classifier(model, toy.tokenizer, tmp_path / "model")
    again, _ = load_classifier(tmp_path / "model")
    first, second = (predict(m, toy.notes, toy.test) for m in (model, again))
    assert np.array_equal(first, second)
