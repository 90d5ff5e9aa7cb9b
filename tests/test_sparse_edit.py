"""The promises of an edit, bit for bit."""

import copy
from dataclasses import replace

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode
from toys import make_toy

import steu
from steu.models.heads import head_name, head_of
from steu.models.inference import predict
from steu.unlearning.null_edit import null_edit
from steu.unlearning.sparse import UnlearnConfig, unlearn
from steu.unlearning.sparse_edit import SparseEdit, replaced_rows

K = 7


@pytest.fixture(scope="module", params=["random-bert", "random-distilbert"])
def toy(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoded")
    return make_toy(folder, backbone=request.param, n=60, trained=False)


@pytest.fixture
def edit(toy):
    """An edit of tokens that occur, with random rows and head."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.from_numpy(np.unique(toy.notes.ids)[-K:].astype(np.int64))
    identity = SparseEdit.identity(toy.model, ids)
    head = {n: torch.randn(v.shape, generator=generator) for n, v in identity.head.items()}
    return SparseEdit(ids, torch.randn(identity.rows.shape, generator=generator), head)


def logits(toy):
    return predict(toy.model, toy.notes, toy.test, precision="fp32")


def state(model):
    return copy.deepcopy(model.state_dict())


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_attached_equals_merged_bit_for_bit(toy, edit):
    with edit.attached(toy.model):
        attached = logits(toy)
    original = logits(toy)
    inverse = edit.merge(toy.model)
    merged = logits(toy)
    inverse.merge(toy.model)
    assert np.array_equal(attached, merged)
    assert not np.allclose(attached, original)
    assert np.array_equal(logits(toy), original)


def test_attached_equals_peft_trainable_tokens_bit_for_bit(toy, edit):
    with edit.attached(toy.model):
        attached = logits(toy)
    model = copy.deepcopy(toy.model)
    model.set_submodule(head_name(model), edit.edited_head(model))
    config = peft.TrainableTokensConfig(
        token_indices=edit.token_ids.tolist(), target_modules=["word_embeddings"]
    )
    wrapped = peft.get_peft_model(model, config)
    (layer,) = [m for m in wrapped.modules() if hasattr(m, "trainable_tokens_delta")]
    with torch.no_grad():
        layer.trainable_tokens_delta["default"].copy_(edit.rows)
    assert np.array_equal(
        predict(wrapped.base_model.model, toy.notes, toy.test, precision="fp32"), attached
    )


def test_the_identity_changes_nothing_bit_for_bit(toy, edit):
    before = logits(toy)
    with SparseEdit.identity(toy.model, edit.token_ids).attached(toy.model):
        assert np.array_equal(logits(toy), before)


def test_detaching_restores_the_model_even_after_an_error(toy, edit):
    before, head = state(toy.model), head_of(toy.model)
    with pytest.raises(RuntimeError), edit.attached(toy.model):
        raise RuntimeError
    assert same(before, state(toy.model))
    assert head_of(toy.model) is head
    assert not toy.model.get_input_embeddings()._forward_hooks


def test_a_merge_changes_exactly_k_rows_and_the_head_and_its_inverse_undoes_it(toy, edit):
    before = state(toy.model)
    inverse = edit.merge(toy.model)
    changed = {
        name: (value != before[name])
        for name, value in toy.model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    inverse.merge(toy.model)
    embedding = next(name for name in changed if "word_embeddings" in name)
    assert set(changed) == {embedding, "classifier.weight", "classifier.bias"}
    rows = changed[embedding].any(dim=1).nonzero().flatten()
    assert sorted(rows.tolist()) == sorted(edit.token_ids.tolist())
    assert same(before, state(toy.model))


def test_what_undoes_an_edit_belongs_to_the_merged_model_alone(toy, edit, tmp_path):
    first = replace(edit, origin=steu.Origin.of(toy.model, toy.tokenizer))
    inverse = first.merge(toy.model)
    assert inverse.origin == steu.Origin.of(toy.model, toy.tokenizer)
    then = SparseEdit.identity(toy.model, torch.tensor([6]))
    last = replace(then, rows=then.rows + 1).merge(toy.model)
    before = state(toy.model)
    for asked in (lambda: inverse.merge(toy.model), lambda: toy.task().log_odds(toy.test, inverse)):
        with pytest.raises(ValueError, match=r"belongs to the model \w+…; this .* any edit merged"):
            asked()
    assert same(before, state(toy.model))
    last.merge(toy.model)
    inverse.save_pretrained(tmp_path / "inverse")
    back = SparseEdit.from_pretrained(tmp_path / "inverse", model=toy.model)
    assert back.merge(toy.model).origin == first.origin == steu.Origin.of(toy.model, toy.tokenizer)


def test_parameters_and_bytes_are_those_of_rows_and_head(toy, edit):
    head = head_of(toy.model)
    hidden, labels = head.in_features, head.out_features
    assert edit.n_parameters == K * hidden + labels * hidden + labels
    assert edit.bytes_stored == 8 * K + 4 * edit.n_parameters


def test_only_values_that_differ_count_as_changed(toy, edit):
    assert edit.parameters_changed(toy.model) == edit.n_parameters
    assert SparseEdit.identity(toy.model, edit.token_ids).parameters_changed(toy.model) == 0
    assert null_edit(toy.task(forget="kidney")).parameters_changed(toy.model) == 1


def test_rows_of_absent_tokens_get_a_gradient_of_exactly_zero(toy):
    ids, mask = toy.notes.batch([0, 1])
    present = int(ids[0, 1])
    absent = next(i for i in range(2000, 3000) if not (ids == i).any())
    token_ids = torch.tensor([absent, present])
    rows = SparseEdit.identity(toy.model, token_ids).rows.requires_grad_()
    with replaced_rows(toy.model.get_input_embeddings(), token_ids, rows):
        toy.model.eval()(ids, mask).logits.sum().backward()
    toy.model.zero_grad(set_to_none=True)
    assert rows.grad[0].abs().max() == 0
    assert rows.grad[1].abs().max() > 0


class LargestAllocation(TorchDispatchMode):
    """Remembers the largest tensor any operation returns that was not there before."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if not function.is_view:
            tensors = [t for t in torch.utils._pytree.tree_leaves(out) if torch.is_tensor(t)]
            self.largest = max([self.largest, *(t.numel() for t in tensors)])
        return out


def test_training_an_edit_allocates_nothing_of_the_size_of_the_table(toy, edit):
    table = toy.model.get_input_embeddings().weight
    task, config = toy.task(), UnlearnConfig(epochs=1, batch_size=4)
    assert task.teacher and task.origin.model  # read before: they are no part of a step
    with LargestAllocation() as watched:
        unlearn(task, edit.token_ids.numpy(), config)
    assert 0 < watched.largest < table.numel() / 4
    assert table.grad is None


def test_misfits_are_named(toy, edit):
    with pytest.raises(ValueError, match="distinct"):
        SparseEdit(torch.tensor([1, 1]), torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"same k; found \(2,\) and \(3, 4\)"):
        SparseEdit(torch.tensor([1, 2]), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="between 0 and 30521; found 30522"):
        SparseEdit.identity(toy.model, torch.tensor([30522]))
    narrow = SparseEdit(edit.token_ids, torch.zeros(K, 5))
    refused = pytest.raises(ValueError, match=rf"rows must be \({K}, 32\) for this model")
    with refused, narrow.attached(toy.model):
        pass
    wide = SparseEdit(edit.token_ids, edit.rows, {"bias": torch.zeros(9)})
    with pytest.raises(ValueError, match=r"'bias' \(9,\); this model has"):
        wide.merge(toy.model)


@pytest.mark.parametrize("kind", ["narrow rows", "another bias", "another name"])
def test_a_merge_that_fails_writes_nothing(toy, edit, kind):
    before, rows, head = state(toy.model), edit.rows, dict(edit.head)
    if kind == "narrow rows":
        rows = rows[:, :5]
    elif kind == "another bias":
        head["bias"] = torch.zeros(9)
    else:
        head["scale"] = torch.zeros(3)
    with pytest.raises(ValueError, match="this model"):
        SparseEdit(edit.token_ids, rows, head).merge(toy.model)
    assert same(before, state(toy.model))


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.bool, torch.int32])
def test_ids_of_another_type_are_refused(toy, dtype):
    odd = torch.ones(1).to(dtype)
    tensors = {"token_ids": odd, "rows": torch.zeros(1, 32)}
    for asked in (
        lambda: SparseEdit.of_tensors(tensors),
        lambda: SparseEdit.identity(toy.model, odd),
    ):
        with pytest.raises(ValueError, match=f"token_ids must be int64; found {dtype}: take"):
            asked()


def test_what_is_saved_while_an_edit_is_attached_is_edited(toy, edit, tmp_path):
    with edit.attached(toy.model):
        toy.model.save_pretrained(tmp_path / "model")
    merged = copy.deepcopy(toy.model)
    edit.merge(merged)
    stored = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(stored[name], value) for name, value in merged.state_dict().items())
    toy.model.save_pretrained(tmp_path / "after")
    stored = load_file(tmp_path / "after" / "model.safetensors")
    assert all(torch.equal(stored[name], value) for name, value in toy.model.state_dict().items())


def test_edits_that_come_off_in_the_wrong_order_are_noticed(toy, edit):
    one, two = edit.attached(toy.model), edit.attached(toy.model)
    one.__enter__()
    two.__enter__()
    with pytest.raises(RuntimeError, match="not taken off in the reverse order"):
        one.__exit__(None, None, None)
