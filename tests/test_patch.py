import errno
import json

import pytest
import torch
from toys import make_toy, no_space

from steu.unlearning.serialisation import load_edit, save_edit
from steu.unlearning.sparse_edit import SparseEdit


@pytest.fixture
def toy(tmp_path):
    return make_toy(tmp_path / "encoded", n=40, trained=False)


def test_an_edit_comes_back_bit_for_bit_and_names_its_model(toy, tmp_path):
    edit = SparseEdit.identity(toy.model, torch.tensor([2000, 3000]))
    save_edit(edit, tmp_path / "edit", model=toy.model, n_tokens=2)
    again = load_edit(tmp_path / "edit", model=toy.model)
    assert torch.equal(again.token_ids, edit.token_ids)
    assert torch.equal(again.rows, edit.rows)
    assert again.head.keys() == edit.head.keys()
    assert json.loads((tmp_path / "edit" / "edit.json").read_text())["n_tokens"] == 2


def test_an_edit_for_another_model_or_a_damaged_one_is_refused(toy, tmp_path):
    edit = SparseEdit.identity(toy.model, torch.tensor([2000]))
    save_edit(edit, tmp_path / "edit", model=toy.model)
    with torch.no_grad():
        toy.model.head.bias[0] += 1
    with pytest.raises(ValueError, match=r"belongs to the model \w{12}…; this one is"):
        load_edit(tmp_path / "edit", model=toy.model)
    with (tmp_path / "edit" / "edit.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ValueError, match="not the file that edit.json describes"):
        load_edit(tmp_path / "edit", model=toy.model)


@pytest.mark.parametrize("file", ["edit.safetensors", "edit.json"])
def test_a_full_disk_leaves_no_half_an_edit(toy, tmp_path, monkeypatch, full_disk, file):
    edit = SparseEdit.identity(toy.model, torch.tensor([2000]))
    full_disk(file)
    if file == "edit.safetensors":
        monkeypatch.setattr("steu.unlearning.serialisation.save_file", no_space)
    with pytest.raises(OSError, match=r"no space left on disk for .*edit; free some") as caught:
        save_edit(edit, tmp_path / "edit", model=toy.model)
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == ["encoded"]
