import copy
import errno
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file
from tokenizers.normalizers import Strip
from torch import ones
from toys import make_toy, no_space

from steu.experiments.stored import read_edit
from steu.models.origin import Origin
from steu.models.weights import weights_hash
from steu.unlearning.blind_rows import blind_rows
from steu.unlearning.concept_scrubbing import scrub_layers
from steu.unlearning.dense_edit import LayerEdit
from steu.unlearning.leace import leace_edit
from steu.unlearning.low_rank_edit import LowRankEdit
from steu.unlearning.peft_adapter import save_peft
from steu.unlearning.sparse_edit import SparseEdit


@pytest.fixture
def toy(tmp_path):
    return make_toy(tmp_path / "encoded", n=40, trained=False)


def for_model(toy, token_ids):
    edit = SparseEdit.identity(toy.model, torch.as_tensor(token_ids))
    return replace(edit, origin=Origin(weights_hash(toy.model), labels=("a", "b", "c")))


def test_an_edit_comes_back_bit_for_bit_and_names_its_model(toy, tmp_path):
    edit = for_model(toy, [2000, 3000])
    edit.save_pretrained(tmp_path / "edit", n_tokens=2, by_layer={10: 1.5, 2: (1, 2)})
    again = SparseEdit.from_pretrained(tmp_path / "edit", model=toy.model)
    assert torch.equal(again.token_ids, edit.token_ids)
    assert torch.equal(again.rows, edit.rows)
    assert again.head.keys() == edit.head.keys()
    assert again.origin == edit.origin
    assert json.loads((tmp_path / "edit" / "edit.json").read_text())["n_tokens"] == 2


def test_an_edit_for_another_model_or_a_damaged_one_is_refused(toy, tmp_path):
    for_model(toy, [2000]).save_pretrained(tmp_path / "edit")
    with torch.no_grad():
        toy.model.classifier.bias[0] += 1
    with pytest.raises(ValueError, match=r"belongs to the model \w{12}…; this one is"):
        SparseEdit.from_pretrained(tmp_path / "edit", model=toy.model)
    with (tmp_path / "edit" / "edit.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ValueError, match="not the file that edit.json describes"):
        SparseEdit.from_pretrained(tmp_path / "edit", model=toy.model)


@pytest.mark.parametrize(
    "make",
    [
        lambda task: blind_rows(task, np.array([2000])),
        lambda task: replace(
            LayerEdit.identity(task.model, ["classifier.bias"]), origin=task.origin
        ),
        leace_edit,
        scrub_layers,
    ],
    ids=["rows", "layers", "leace", "scrubbed"],
)
def test_an_edit_knows_its_tokenizer_and_the_order_of_its_outputs(toy, tmp_path, make):
    task = toy.task()
    made = make(task)
    made.save_pretrained(tmp_path / "edit")
    read = partial(type(made).from_pretrained, tmp_path / "edit", model=toy.model)
    again = read(tokenizer=task.tokenizer)
    assert again.origin == made.origin == task.origin == Origin.of(toy.model, task.tokenizer)
    other = copy.deepcopy(task.tokenizer)
    other.backend_tokenizer.normalizer = Strip()
    with pytest.raises(ValueError, match="^this model has another tokenizer than the edit was"):
        read(tokenizer=other)
    with pytest.raises(ValueError, match="take the tokenizer of the original model"):
        task.about(toy.model, other).log_odds(task.test, made)
    names = dict(enumerate(reversed(task.labels)))
    toy.model.config.id2label = names
    with pytest.raises(ValueError, match=r"the edit's outputs are .*; this model's are "):
        read()
    toy.model.config.id2label = {0: task.labels[1], 1: task.labels[0], 2: "another"}
    with pytest.raises(ValueError, match=r"the edit's outputs are .*; this model's are "):
        read()
    toy.model.config.id2label = {0: task.labels[0], 1: "one", 2: "another"}
    read()  # names that were given since, where the others stand


def test_an_edit_that_something_else_wrote_is_named(toy, tmp_path):
    for_model(toy, [2000]).save_pretrained(tmp_path / "edit", kind="edit")
    with pytest.raises(
        ValueError, match=r"edit\.json is of the kind 'edit'; expected SparseEdit, "
    ):
        read_edit(tmp_path / "edit", model=toy.model)
    (tmp_path / "edit" / "edit.json").write_text("[1]")
    with pytest.raises(ValueError, match="is not as the edit was saved"):
        read_edit(tmp_path / "edit", model=toy.model)


@pytest.mark.parametrize("file", ["edit.safetensors", "edit.json"])
def test_a_full_disk_leaves_no_half_an_edit(toy, tmp_path, monkeypatch, full_disk, file):
    edit = for_model(toy, [2000])
    full_disk(file)
    if file == "edit.safetensors":
        monkeypatch.setattr("steu.models.serialisation.save_file", no_space)
    with pytest.raises(OSError, match=r"no space left on disk for .*edit; free some") as caught:
        edit.save_pretrained(tmp_path / "edit")
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == ["encoded"]


def test_an_edit_that_does_not_know_its_model_is_not_saved(toy, tmp_path):
    edit = SparseEdit.identity(toy.model, torch.tensor([2000]))
    with pytest.raises(ValueError, match="does not say which model it is for"):
        edit.save_pretrained(tmp_path / "edit")
    assert not (tmp_path / "edit").exists()


@pytest.mark.parametrize("backbone", ["random-bert", "random-distilbert"])
def test_peft_loads_the_rows_and_says_the_same_bits(tmp_path, backbone):
    toy = make_toy(tmp_path / "encoded", backbone=backbone, n=40, trained=False)
    ids = torch.from_numpy(np.unique(toy.notes.ids)[-3:].astype(np.int64))
    edit = for_model(toy, ids)
    edit = replace(edit, rows=torch.randn(edit.rows.shape), head=edit.head | {"bias": ones(3)})
    tokens, mask = toy.notes.batch(range(8))
    with torch.no_grad(), edit.attached(toy.model):
        attached = toy.model(tokens, mask).logits
    save_peft(edit, tmp_path / "adapter", model=toy.model)
    plain = copy.deepcopy(toy.model)
    plain.load_state_dict(load_file(tmp_path / "adapter" / "head.safetensors"), strict=False)
    wrapped = peft.PeftModel.from_pretrained(plain, tmp_path / "adapter")
    with torch.no_grad():
        assert torch.equal(wrapped(tokens, attention_mask=mask).logits, attached)
    with torch.no_grad():
        assert not torch.equal(toy.model(tokens, mask).logits, attached)
    with pytest.raises(ValueError, match="an adapter needs at least one row"):
        save_peft(
            for_model(toy, torch.empty(0, dtype=torch.int64)), tmp_path / "none", model=toy.model
        )


def test_saving_an_edit_replaces_an_edit_and_nothing_else(toy, tmp_path):
    edit = for_model(toy, [2000])
    edit.save_pretrained(tmp_path / "edit")
    edit.save_pretrained(tmp_path / "edit", again=True)
    save_peft(edit, tmp_path / "adapter", model=toy.model)
    save_peft(edit, tmp_path / "adapter", model=toy.model)
    with pytest.raises(ValueError, match=r"edit holds edit\.json, which would be lost"):
        save_peft(edit, tmp_path / "edit", model=toy.model)
    (tmp_path / "edit" / "thesis.txt").write_text("x")
    with pytest.raises(ValueError, match=r"holds thesis\.txt, which would be lost; name another"):
        edit.save_pretrained(tmp_path / "edit")
    with pytest.raises(ValueError, match=r"thesis\.txt is a file; name a folder"):
        edit.save_pretrained(tmp_path / "edit" / "thesis.txt")
    assert SparseEdit.from_pretrained(tmp_path / "edit", model=toy.model)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"seal": "x"}, "no fact can be named 'seal'"),
        ({"tensors": "x"}, "no fact can be named 'tensors'"),
        ({"labels": np.arange(3)}, "the edit itself says what its labels is"),
        ({"model": "mine"}, "the edit itself says what its model is; give that fact another name"),
        ({"history": 5}, "history must be a list, an entry a step, as edit.history; found '5'"),
        ({"f1": float("nan")}, "the fact 'f1' is no JSON .*; give finite numbers"),
        ({"f1": np.float32(1)}, "the fact 'f1' is no JSON .*float.number., array.tolist"),
        ({"where": Path("x")}, "the fact 'where' is no JSON"),
    ],
)
def test_a_fact_that_could_not_be_read_again_is_not_saved(toy, tmp_path, facts, said):
    with pytest.raises(ValueError, match=said) as caught:
        for_model(toy, [2000]).save_pretrained(tmp_path / "edit", **facts)
    assert "\n" not in str(caught.value) and not (tmp_path / "edit").exists()


def test_an_edit_of_another_kind_is_named(toy, tmp_path):
    task = toy.task()
    layers = replace(LayerEdit.identity(task.model, ["classifier.bias"]), origin=task.origin)
    name = "bert.encoder.layer.0.attention.self.query.weight"
    low = LowRankEdit({name: ones(1, 32)}, {name: ones(32, 1)}, origin=task.origin)
    edits = [for_model(toy, [2000]), layers, low, leace_edit(task), scrub_layers(task)]
    for made in edits:
        made.save_pretrained(tmp_path / "edit")
        for kind in {type(edit) for edit in edits} - {type(made)}:
            said = f"edit holds no {kind.__name__}: it was saved as {type(made).__name__} with "
            with pytest.raises(ValueError, match=said):
                kind.from_pretrained(tmp_path / "edit", model=toy.model)
        assert type(made).from_pretrained(tmp_path / "edit", model=toy.model)


def test_an_adapter_is_written_for_the_edits_own_model_alone(toy, tmp_path):
    edit = for_model(toy, [2000])
    with torch.no_grad():
        toy.model.classifier.bias[0] += 1
    with pytest.raises(ValueError, match=r"the edit belongs to the model \w{12}…; this one is"):
        save_peft(edit, tmp_path / "adapter", model=toy.model)
    assert not (tmp_path / "adapter").exists()


def test_a_link_to_a_folder_is_written_through_and_ones_own_place_is_not(
    toy, tmp_path, monkeypatch
):
    edit = for_model(toy, [2000])
    (tmp_path / "disk" / "old").mkdir(parents=True)
    for name, where in (("link", "old"), ("new link", "new")):
        (tmp_path / name).symlink_to(tmp_path / "disk" / where)
        for _ in range(2):
            edit.save_pretrained(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert SparseEdit.from_pretrained(tmp_path / "disk" / where, model=toy.model)
    assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == ["new", "old"]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for here in (".", "", tmp_path / "here"):
        with pytest.raises(ValueError, match="is the folder you are in; name one in it"):
            edit.save_pretrained(here)
    assert not list((tmp_path / "here").iterdir())


def test_a_model_in_half_precision_is_told_what_to_do(toy, tmp_path):
    for_model(toy, [2000]).save_pretrained(tmp_path / "edit")
    half = copy.deepcopy(toy.model).to(torch.bfloat16)
    with pytest.raises(ValueError, match=r"in torch\.bfloat16; call model\.float\(\) first"):
        SparseEdit.from_pretrained(tmp_path / "edit", model=half)
