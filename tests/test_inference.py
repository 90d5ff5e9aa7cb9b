"""Groups, kernels and precision change the speed of a pass over notes, never what it says."""

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from toys import make_toy

from steu.models.hardware import autocast, has_fast_bf16
from steu.models.inference import (
    SCORES,
    extract_features,
    fast_attention,
    fastest_kernel,
    features_from_ids,
    features_of,
    length_batches,
    length_groups,
    predict,
)
from steu.models.pooling import set_pooling


@pytest.fixture(scope="module", params=["random-bert", "random-distilbert"])
def toy(request, tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("encoded"), backbone=request.param)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_and_company_do_not_change_a_note(toy, pooling):
    model = copy.deepcopy(toy.model)
    set_pooling(model, pooling)
    together = extract_features(model, toy.notes, toy.test, precision="fp32")
    alone = [extract_features(model, toy.notes, toy.test[[i]], precision="fp32") for i in range(9)]
    torch.testing.assert_close(together[:9], torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_groups_give_the_features_and_gradients_of_one_batch(toy):
    rows, table = toy.test[:16], toy.model.get_input_embeddings().weight
    assert len(length_groups(toy.notes.padded(rows), heads=2)) > 1
    ids, mask = toy.notes.batch(rows)
    whole = features_from_ids(toy.model, ids, mask)
    parts = features_of(toy.model, toy.notes, rows, precision="fp32")
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
    first, second = (torch.autograd.grad(f.square().sum(), table)[0] for f in (whole, parts))
    torch.testing.assert_close(second, first, rtol=1e-3, atol=1e-4)


def test_notes_that_do_not_fit_into_memory_pass_in_halves_with_the_same_result(toy, monkeypatch):
    rows = toy.test[:16]
    with torch.no_grad():
        whole = features_of(toy.model, toy.notes, rows, precision="fp32")
        short_of_memory(monkeypatch, most=3)
        with pytest.warns(UserWarning, match=r"up to \d+ tokens do not fit .*, with the same"):
            parts = features_of(toy.model, toy.notes, rows, precision="fp32")
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
        short_of_memory(monkeypatch, most=0)
        with pytest.raises(ValueError, match=r"^1 notes of up to .* lower the batch size or max_l"):
            features_of(toy.model, toy.notes, rows[:1], precision="fp32")
    short_of_memory(monkeypatch, most=3)
    with pytest.raises(ValueError, match="lower the batch size or max_length, or compute on the"):
        features_of(toy.model, toy.notes, rows, precision="fp32")  # a gradient keeps all parts


def short_of_memory(monkeypatch, *, most):
    """A device that takes so many notes at once, as a GPU says it."""

    def passed(model, ids, mask, *, padded=None):
        if len(ids) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return features_from_ids(model, ids, mask, padded=padded)

    monkeypatch.setattr("steu.models.inference.features_from_ids", passed)


def test_groups_hold_every_note_once_are_alike_in_length_and_small():
    lengths = np.random.default_rng(0).integers(1, 33, 200) * 16
    groups = length_groups(lengths, heads=12)
    assert sorted(np.concatenate(groups)) == list(range(200))
    for group in groups:
        assert lengths[group].min() >= 0.75 * lengths[group].max()
        assert len(group) == 1 or 4 * 12 * len(group) * lengths[group].max() ** 2 <= SCORES
    assert len(length_groups(np.array([4096, 4096]), heads=12)) == 2  # a note too long goes alone


def test_bf16_ranks_notes_as_fp32_does(toy):
    fp32, bf16 = (predict(toy.model, toy.notes, toy.test, precision=p) for p in ("fp32", "bf16"))
    assert np.abs(fp32 - bf16).max() < 0.3
    truth = toy.targets[toy.test]
    assert roc_auc_score(truth, bf16) == pytest.approx(roc_auc_score(truth, fp32), abs=0.01)


def test_both_attention_kernels_say_the_same_and_the_model_keeps_its_own(toy):
    ids, _ = toy.notes.batch(toy.test[:8])
    with autocast(toy.model.device, "bf16"), fast_attention(toy.model, ids):
        assert toy.model.config._attn_implementation == "eager"
    assert toy.model.config._attn_implementation == "sdpa"
    plain = features_of(toy.model, toy.notes, toy.test[:8], precision="bf16")
    with torch.no_grad():
        fused = features_of(toy.model, toy.notes, toy.test[:8], precision="bf16")
    torch.testing.assert_close(plain.detach(), fused, rtol=0.05, atol=0.02)
    toy.model.set_attn_implementation("eager")  # what the caller chose is there again afterwards
    predict(toy.model, toy.notes, toy.test[:8], precision="fp32")
    assert toy.model.config._attn_implementation == "eager"
    toy.model.set_attn_implementation("sdpa")


def test_the_plain_kernel_serves_small_batches_with_gradients_in_bf16_on_a_cpu():
    cpu = torch.device("cpu")
    assert fastest_kernel(cpu, (8, 128), heads=12) == "sdpa"
    with autocast(cpu, "bf16"):
        assert fastest_kernel(cpu, (8, 128), heads=12) == "eager"
        assert fastest_kernel(cpu, (64, 256), heads=12) == "sdpa"
        assert fastest_kernel(cpu, (1, 512), heads=12) == "sdpa"
        with torch.no_grad():
            assert fastest_kernel(cpu, (8, 128), heads=12) == "sdpa"


def test_batches_hold_every_note_once_and_neighbours_in_length():
    lengths = np.random.default_rng(0).integers(3, 100, 300)
    rows = np.arange(0, 300, 2)
    for generator in (None, np.random.default_rng(0)):
        batches = list(length_batches(rows, lengths, 8, generator=generator))
        assert sorted(np.concatenate(batches)) == rows.tolist()
        padded = sum(len(batch) * lengths[batch].max() for batch in batches)
        assert padded < 1.15 * lengths[rows].sum()


@pytest.mark.parametrize(
    ("held_to", "expected"),
    [("", True), ("DEFAULT", True), ("AVX2", False), ("avx512_core", False),
     ("AVX512_CORE_BF16", True), ("AVX512_CORE_AMX", True), ("SSE41", False)],
)  # fmt: skip
def test_a_library_held_to_older_instructions_has_no_bf16(monkeypatch, held_to, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", held_to)
    assert has_fast_bf16(torch.device("cpu")) is expected
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert not has_fast_bf16(torch.device("cpu"))
