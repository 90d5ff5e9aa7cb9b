import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from toys import LABELS, make_toy, no_space
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from steu.models.checks import check_embedding
from steu.models.hardware import autocast
from steu.models.inference import predict
from steu.models.loading import (
    build_classifier,
    load_classifier,
    load_tokenizer,
    save_classifier,
)
from steu.models.outputs import labels_of
from steu.models.pooling import reads_plainly
from steu.models.sources import weights_files


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
    assert labels_of(model) == LABELS
    assert tokenizer.get_vocab() == toy.tokenizer.get_vocab()
    assert {f.suffix for f in (tmp_path / "model").iterdir()} <= {".json", ".safetensors", ".txt"}


def test_plain_transformers_opens_what_is_saved_and_the_other_way_round(toy, tmp_path):
    backbone = "random-bert" if hasattr(toy.model, "bert") else "random-distilbert"
    model, _ = build_classifier(backbone, LABELS)
    save_classifier(model, toy.tokenizer, tmp_path / "ours")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours").eval()
    ids, mask = toy.notes.batch(toy.test[:4])
    with torch.no_grad():
        assert torch.equal(plain(ids, mask).logits, model(ids, mask).logits)
    assert plain.config.id2label == dict(enumerate(LABELS))
    plain.save_pretrained(tmp_path / "theirs")
    toy.tokenizer.save_pretrained(tmp_path / "theirs")
    again, _ = load_classifier(tmp_path / "theirs")
    with torch.no_grad():
        assert torch.equal(plain(ids, mask).logits, again(ids, mask).logits)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("head_width", [0, 8])
def test_pooling_and_a_hidden_layer_are_saved_and_loaded(toy, tmp_path, pooling, head_width):
    backbone = "random-bert" if hasattr(toy.model, "bert") else "random-distilbert"
    given = {"pooling": pooling, "head_width": head_width}
    model, tokenizer = build_classifier(backbone, LABELS, **given)
    save_classifier(model, tokenizer, tmp_path / "model")
    again, _ = load_classifier(tmp_path / "model")
    first, second = (predict(m, toy.notes, toy.test, precision="fp32") for m in (model, again))
    assert np.array_equal(first, second)
    other, _ = build_classifier(backbone, LABELS, **{**given, "pooling": "cls"})
    same = np.array_equal(first, predict(other, toy.notes, toy.test, precision="fp32"))
    assert same == (pooling == "cls")


@pytest.mark.parametrize("file", ["model.safetensors", "classifier.json"])
def test_a_full_disk_leaves_no_half_a_classifier(toy, tmp_path, monkeypatch, full_disk, file):
    full_disk(file)
    if file == "model.safetensors":
        monkeypatch.setattr(type(toy.model), "save_pretrained", no_space)
    with pytest.raises(OSError, match=r"no space left on disk for .*model; free some") as caught:
        save_classifier(toy.model, toy.tokenizer, tmp_path / "model")
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_minilm_can_be_shortened_and_keeps_its_first_layers_and_its_pooler():
    full, _ = build_classifier("minilm", LABELS)
    short, _ = build_classifier("minilm", LABELS, n_layers=2)
    assert len(short.bert.encoder.layer) == 2
    pairs = [(full.bert.encoder.layer[1], short.bert.encoder.layer[1])]
    pairs += [(full.bert.pooler, short.bert.pooler), (full.classifier, short.classifier)]
    for one, other in pairs:
        for first, second in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(first, second)
    with pytest.raises(ValueError, match="between 1 and the 6 layers of minilm; found 7"):
        build_classifier("minilm", LABELS, n_layers=7)


def test_the_seed_draws_the_head_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    heads = [
        build_classifier("minilm", LABELS, n_layers=1, seed=s)[0].classifier for s in (0, 0, 1)
    ]
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert not torch.equal(heads[0].weight, heads[2].weight)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_folder_without_tokenizer_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"has no tokenizer.*found config.json; save it there"):
        load_tokenizer(str(tmp_path))


def test_loading_says_nothing_and_leaves_the_users_bars_on(toy, tmp_path, capfd):
    save_classifier(toy.model, toy.tokenizer, tmp_path / "model")
    capfd.readouterr()
    load_classifier(tmp_path / "model")
    assert capfd.readouterr() == ("", "") and logging.is_progress_bar_enabled()


def test_pickled_weights_are_not_opened(tmp_path):
    model, tokenizer = build_classifier("random-bert", LABELS)
    model.config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"has no model\.safetensors; convert its weights"):
        build_classifier(str(tmp_path), LABELS)


def test_weights_that_are_not_there_are_never_drawn_at_random(tmp_path):
    model, tokenizer = build_classifier("random-bert", LABELS)
    tokenizer.save_pretrained(tmp_path)
    state = {f"other.{name}": value for name, value in model.bert.state_dict().items()}
    model.bert.save_pretrained(tmp_path, state_dict=state)  # keys with another prefix
    with pytest.raises(ValueError, match=r"weights of BertForSequenceClassification are missing"):
        build_classifier(str(tmp_path), LABELS)
    model.bert.save_pretrained(tmp_path)
    assert build_classifier(str(tmp_path), LABELS)  # a bare encoder is where one starts
    with pytest.raises(ValueError, match=r"2 weights .* missing, first classifier\.bias"):
        load_classifier(tmp_path)  # but no classifier


def test_a_head_of_another_size_is_drawn_anew_and_nothing_else(tmp_path):
    model, tokenizer = build_classifier("random-bert", LABELS)
    save_classifier(model, tokenizer, tmp_path)
    start, _ = build_classifier(str(tmp_path), ("a", "b"))
    assert start.classifier.out_features == 2
    assert torch.equal(start.bert.pooler.dense.weight, model.bert.pooler.dense.weight)
    config = json.loads((tmp_path / "config.json").read_text())
    names = {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}
    (tmp_path / "config.json").write_text(json.dumps(config | names))
    with pytest.raises(ValueError, match=r"2 weights have other shapes than its config.json says"):
        load_classifier(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 99}))
    with pytest.raises(ValueError, match="weights have other shapes than its config.json says"):
        build_classifier(str(tmp_path), LABELS)


def test_an_unknown_model_offline_is_named(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="no model 'nobody/nothing'.*give the folder"):
        load_tokenizer("nobody/nothing")


@pytest.mark.parametrize("opened", [load_classifier, weights_files])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./modles/bert", "no folder ./modles/bert; did you mean models/Bert?"),
        ("a/b/c", "no folder a/b/c; give the folder of a downloaded model instead"),
        ("modles/bert", "no model 'modles/bert': it is neither .* here; did you mean models/Bert?"),
        ("nobody/nothing", "no model 'nobody/nothing': it is neither .*; give the folder of a"),
        ("", "expected the folder of a model or its id on the hub; found ''"),
    ],
)
def test_a_mistyped_folder_is_said_to_be_none(tmp_path, monkeypatch, opened, name, message):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "Bert").mkdir(parents=True)
    with pytest.raises(ValueError, match=f"^{message.replace('?', '[?]')}"):
        opened(name)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="no precision 'fp8'; did you mean fp32"):
        autocast(torch.device("cpu"), "fp8")
    with pytest.raises(ValueError, match="no pooling 'max'; did you mean mean"):
        build_classifier("random-bert", LABELS, pooling="max")


def test_a_model_without_token_embedding_is_named():
    class Vision(torch.nn.Module):
        def get_input_embeddings(self):
            return torch.nn.Conv2d(3, 8, 1)

    with pytest.raises(ValueError, match=r"Vision has no token embedding to edit: .* found Conv2d"):
        check_embedding(Vision())


def test_a_tied_embedding_is_named():
    model, _ = build_classifier("random-bert", LABELS)
    model.decoder = torch.nn.Linear(32, model.config.vocab_size, bias=False)
    model.decoder.weight = model.get_input_embeddings().weight
    with pytest.raises(ValueError, match=r"ties its token embedding .*decoder\.weight.*a copy"):
        check_embedding(model)


def test_a_resized_embedding_that_no_longer_fits_its_tokenizer_is_named(tmp_path):
    model, tokenizer = build_classifier("random-bert", LABELS)
    tokenizer.save_pretrained(tmp_path)
    model.resize_token_embeddings(len(tokenizer) + 64, mean_resizing=False)
    model.save_pretrained(tmp_path)  # rows that no token uses do no harm
    assert load_classifier(tmp_path)[0].get_input_embeddings().num_embeddings > len(tokenizer)
    model.resize_token_embeddings(100, mean_resizing=False)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"knows 30,522 tokens and the embedding has 100 rows"):
        load_classifier(tmp_path)
    model.resize_token_embeddings(40_000, mean_resizing=False)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"has 40,000 rows: that is another model's tokenizer"):
        load_classifier(tmp_path)


def test_layers_that_the_config_does_not_count_are_not_left_out_unsaid(tmp_path):
    save_classifier(*build_classifier("random-bert", LABELS), tmp_path / "two")
    config = tmp_path / "two" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 1}))
    with pytest.raises(
        ValueError, match=r"weights hold 2 layers and its config\.json says 1: take"
    ):
        load_classifier(tmp_path / "two")
    with pytest.raises(ValueError, match="or ask for the first ones"):
        build_classifier(str(tmp_path / "two"), LABELS)
    model, _ = build_classifier(str(tmp_path / "two"), LABELS, n_layers=1)  # as was asked
    assert model.config.num_hidden_layers == 1


def test_weights_that_are_no_numbers_and_a_part_that_is_lacking_are_named(tmp_path):
    model, tokenizer = build_classifier("random-bert", LABELS)
    model.get_input_embeddings().weight.data[7, 0] = float("nan")
    save_classifier(model, tokenizer, tmp_path / "nan")
    with pytest.raises(ValueError, match=r"weights bert\.embeddings\.word_.* that are no numbers"):
        load_classifier(tmp_path / "nan")
    parts = tmp_path / "parts"
    model.save_pretrained(parts, max_shard_size="500KB")
    tokenizer.save_pretrained(parts)
    first = sorted(parts.glob("*.safetensors"))[0]
    first.unlink()
    with pytest.raises(ValueError, match=f"lacks {first.name}, a part of its weights"):
        load_classifier(parts)


def test_a_head_that_the_config_does_not_describe_is_named(tmp_path):
    save_classifier(*build_classifier("random-bert", LABELS), tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"head_width": 8}))
    with pytest.raises(
        ValueError, match="a hidden layer of 8, and model.safetensors holds another"
    ):
        load_classifier(tmp_path / "model")


def test_weights_that_git_lfs_did_not_fetch_are_named(tmp_path):
    model, tokenizer = build_classifier("random-bert", LABELS)
    save_classifier(model, tokenizer, tmp_path / "model")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (tmp_path / "model" / "model.safetensors").write_text(pointer)
    with pytest.raises(ValueError, match="holds no weights .*: get the file itself, with git lfs"):
        load_classifier(tmp_path / "model")


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n"
OWN = {"model_type": "mine", "auto_map": {"AutoConfig": "own.Config"}}
MECAB = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_classifier(*build_classifier("random-bert", LABELS), folder)
    return folder


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"config.json": json.dumps(OWN)},
            "a model of type 'mine' needs code of its own .* is never",
        ),
        ({"config.json": json.dumps({"model_type": "mine"})}, "its config does not open .*`mine`"),
        ({"config.json": LFS}, "config.json is not valid JSON"),
        (
            {"config.json": json.dumps({"model_type": "vit"})},
            "a model of type 'vit' classifies no text; name an encoder of text",
        ),
        ({"config.json": "[]"}, "config.json holds no config: get the model's own file again"),
        (
            {"config.json": json.dumps({"model_type": "bert", "quantization_config": {"a": 1}})},
            "its weights are quantised .* name the model with its weights as they were trained",
        ),
        ({"config.json": None}, "its config does not open .* `model_type` key in its config.json"),
        (
            {"adapter_config.json": "{}"},
            "holds an adapter: merge it into its model",
        ),
        ({"tokenizer.json": LFS}, "its tokenizer does not open .* Git LFS that was not fetched"),
        ({"tokenizer.json": "{}"}, "its tokenizer does not open .* Git LFS that was not fetched"),
        (
            {
                "tokenizer.json": None,
                "vocab.txt": "[UNK]",
                "tokenizer_config.json": json.dumps(MECAB),
            },
            "its tokenizer needs a package that is lacking: .*fugashi",
        ),
    ],
)
def test_a_folder_that_does_not_open_is_named_and_runs_nothing(tmp_path, saved, files, message):
    folder = Path(shutil.copytree(saved, tmp_path / "broken"))
    (folder / "own.py").write_text("raise SystemExit('own code was run')")
    for name, text in files.items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_classifier(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "foo"}, r"of its config.json no model can be made \('foo'\)"),
        ({"num_attention_heads": 5}, "of its config.json no model .* multiple of the number of"),
        ({"pad_token_id": 99_999_999}, "of its config.json no model can be made"),
        ({"id2label": {"a": "x", "b": "y"}}, "its config does not open .*invalid literal"),
    ],
)
def test_a_config_of_which_no_model_can_be_made_is_named(tmp_path, saved, changes, message):
    folder = Path(shutil.copytree(saved, tmp_path / "broken"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ValueError, match=message) as caught:
        load_classifier(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"config.json is a file; name the folder that holds"):
        load_classifier(saved / "config.json")


def test_weights_on_a_hub_are_found_in_one_file_in_several_and_not_at_all(tmp_path, monkeypatch):
    def hub(**files):
        def cached(name, file, **_):
            if file in files:
                (tmp_path / file).write_text(files[file])
                return str(tmp_path / file)
            return None

        monkeypatch.setattr("steu.models.sources.cached_file", cached)

    hub(**{"config.json": "{}", "model.safetensors": ""})
    assert [path.name for path in weights_files("a/b")] == ["model.safetensors"]
    parts = {"x": "model-1.safetensors", "y": "model-2.safetensors", "z": "model-1.safetensors"}
    index = {"model.safetensors.index.json": json.dumps({"weight_map": parts})}
    hub(**{"config.json": "{}", **index, **dict.fromkeys(parts.values(), "")})
    assert [path.name for path in weights_files("a/b")] == sorted(set(parts.values()))
    hub(**{"config.json": "{}", "pytorch_model.bin": ""})
    with pytest.raises(ValueError, match=r"a/b has no model\.safetensors; convert its weights"):
        weights_files("a/b")


@pytest.mark.parametrize(("pooling", "width"), [("cls", 0), ("mean", 0), ("cls", 8)])
def test_it_is_known_whether_transformers_alone_reads_the_same(toy, tmp_path, pooling, width):
    model, tokenizer = build_classifier(
        "random-bert", ["a", "b"], pooling=pooling, head_width=width, seed=3
    )
    save_classifier(model, tokenizer, tmp_path / "model")
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    ids, mask = toy.notes.batch(range(4))
    with torch.no_grad():
        same = torch.equal(theirs(ids, mask).logits, model(ids, mask).logits)
    assert same == reads_plainly(model) == (pooling == "cls" and not width)
