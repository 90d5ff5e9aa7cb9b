"""The class is looked for where it could hide: layers below, neighbours' answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from toys import Toy

from steu.audits import probing
from steu.audits.battery import UNSEEN, audit_samples, flat, held_out, seeing, verdicts
from steu.audits.places import OTHERS, places
from steu.audits.probing import probe, probe_table
from steu.evaluation.readers import readers
from steu.evaluation.strongest_probe import read_class
from steu.models.hidden_states import HEAD
from steu.models.weights import weights_hash
from steu.task import ForgetTask
from steu.unlearning.null_edit import null_edit
from steu.unlearning.sparse_edit import SparseEdit


def silent_word(task: ForgetTask, other: str = "appetite", *, head: bool = True) -> SparseEdit:
    """The row of the class's only word becomes another's: nothing is left of it anywhere."""
    token = task.tokenizer.convert_tokens_to_ids("insulin")
    other = task.tokenizer.convert_tokens_to_ids(other)
    start = SparseEdit.identity(task.model, torch.tensor([token]))
    rows = task.model.get_input_embeddings().weight.detach()[[other]].clone()
    return SparseEdit(start.token_ids, rows, start.head if head else {})


def test_states_are_the_models_own(task: ForgetTask) -> None:
    found = places(task)
    assert next(iter(found)) == "embeddings, mean"
    assert np.allclose(found[HEAD], task.teacher.features.numpy(), atol=1e-5)
    assert np.allclose(found[OTHERS], task.teacher.logits.numpy()[:, task.retained], atol=1e-5)
    ids = torch.from_numpy(task.notes[5].astype(np.int64))[None]
    with torch.no_grad():
        layers = task.model.eval().base_model(ids, output_hidden_states=True).hidden_states
    assert np.allclose(found["embeddings, mean"][5], layers[0][0].mean(dim=0), atol=1e-5)
    assert np.allclose(found["layer 1, first"][5], layers[1][0, 0], atol=1e-5)
    assert np.allclose(found["layer 1, largest"][5], layers[1][0].amax(dim=0), atol=1e-5)


def test_the_untouched_original_is_caught_everywhere(task: ForgetTask) -> None:
    looked = ("embeddings, mean", "layer 1, mean", HEAD)
    probed = probe(task, unseen_at=looked)
    for place in looked:
        assert probed.samples[place][0] > 0.9, place
        assert probed.unseen[place][0] > 0.8, place


def test_the_null_edit_hides_nothing_from_a_reader(task: ForgetTask) -> None:
    before, after = probe(task, only=[HEAD]), probe(task, null_edit(task), only=[HEAD])
    assert np.array_equal(before.samples[HEAD], after.samples[HEAD])


def test_models_get_the_verdicts_that_they_deserve(toy: Toy) -> None:
    """From states to verdicts, with nothing made up, beside models that hold little of the class.

    Silent by a bias alone, all is left; where the class's word became a neighbour's, it stands in
    what is said of that neighbour; one more model like the references is cleared.
    """
    task = toy.task(splits=["train"] * 140 + ["validation"] * 40 + ["test"] * 60, n_bootstrap=200)

    def drawn(seed: int) -> SparseEdit:
        edit = silent_word(task)
        noise = torch.randn(edit.rows.shape, generator=torch.Generator().manual_seed(seed))
        return replace(edit, rows=edit.rows * (1 + 0.02 * noise))

    edits = {"null": null_edit(task), "neighbour": silent_word(task, "dialysis"), "one": drawn(0)}
    clean = {f"reference_{seed}": drawn(seed) for seed in (1, 2, 3, 4)}
    looked = (HEAD, "layer 1, mean", OTHERS)
    found = {
        name: audit_samples(probe(task, edit, only=looked))
        for name, edit in ({"original": None} | edits | clean).items()
    }
    references = {name: found.pop(name) for name in clean}
    answers = {n: task.log_odds(task.test, e)[:, task.forget] > 0 for n, e in edits.items()}
    decided = verdicts(task, found, answers, references)
    for name in ("null", "neighbour"):
        assert {decided[name].said[at] for at in (HEAD, UNSEEN, OTHERS)} == {"more"}
    assert decided["null"].verdict == "silenced"
    assert set(decided["one"].said.values()) == {"no more"}
    assert decided["one"].verdict.startswith("indistinguishable")
    assert {HEAD, UNSEEN, OTHERS} <= set(seeing(found["original"], references))
    assert not any("more" in said.values() for said in held_out(references).values())


def test_nobody_finds_a_class_that_no_note_tells(toy: Toy, task: ForgetTask) -> None:
    targets = toy.targets.copy()
    targets[:, 0] = np.random.default_rng(0).permutation(targets[:, 0])
    drawn = toy.task(splits=task.splits, targets=targets)
    probed = probe(drawn, only=["embeddings, mean", HEAD])
    assert max(found[0] for found in probed.samples.values()) < 0.7
    assert max(found[0] for found in probed.unseen.values()) < 0.7


def test_looking_leaves_the_model_as_it_was(task: ForgetTask) -> None:
    before = task.origin.model
    places(task, silent_word(task))
    assert weights_hash(task.model) == before
    task.check_unchanged()


def test_a_class_in_the_answer_of_a_neighbour_is_caught(task: ForgetTask) -> None:
    neighbour = task.retained[0]
    edit = silent_word(task)
    weight = edit.head["weight"].clone()
    weight[neighbour] += 0.3 * weight[task.forget]
    leak = SparseEdit(
        torch.empty(0, dtype=torch.int64), edit.rows[:0], edit.head | {"weight": weight}
    )
    clean, leaking = (probe(task, e, only=[OTHERS]).samples[OTHERS][0] for e in (edit, leak))
    assert clean < 0.65
    assert leaking > clean + 0.1


def test_a_place_that_is_another_is_read_once_and_shown_at_both(
    task: ForgetTask, monkeypatch
) -> None:
    found = places(task)
    found["layer 1, mean"] = found[HEAD] = found["layer 1, mean"].copy()
    read = []
    monkeypatch.setattr(
        probing,
        "read_class",
        lambda *a, place, **k: read.append(place) or read_class(*a, place=place, **k),
    )
    probed = probe(task, found=found, only=["layer 1, mean", HEAD])
    assert read == ["layer 1, mean"]
    assert np.array_equal(probed.samples[HEAD], probed.samples["layer 1, mean"])
    assert probed.findings[HEAD].place == HEAD and HEAD in probed.unseen


def test_a_class_that_only_the_last_layer_lost_is_found_below_it(task: ForgetTask) -> None:
    found = places(task)
    found[HEAD] = np.random.default_rng(0).normal(size=found[HEAD].shape).astype(np.float32)
    probed = probe(task, found=found)
    assert probed.samples[HEAD][0] < 0.7
    assert probed.strongest != HEAD
    assert probed.samples[probed.strongest][0] > 0.9


def test_a_place_that_never_varies_is_named_and_tells_nothing(task: ForgetTask) -> None:
    found = places(task)
    found = {place: np.zeros_like(found[place]) for place in (HEAD, OTHERS)}
    probed = probe(task, found=found)
    assert not probed.findings
    said = audit_samples(probed)
    assert flat(said) == [audit for audit in said if audit != "a head at hand"]
    assert probe_table(task, probed).empty


def test_the_table_has_a_row_a_place_and_kind_of_notes(task: ForgetTask) -> None:
    table = probe_table(task, probe(task, only=[HEAD, OTHERS]))
    assert list(table["place"]) == [HEAD, OTHERS, HEAD, OTHERS]
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()


def test_what_training_notes_alone_hide_is_found_on_unseen_notes(task: ForgetTask) -> None:
    """An edit that knows its training notes could make them all alike."""
    found = places(task)
    found[HEAD] = found[HEAD].copy()
    found[HEAD][task.train] = 0
    probed = probe(task, found=found, only=[HEAD])
    assert (probed.samples[HEAD] == 0.5).all() and probed.unseen[HEAD][0] > 0.8
    found[HEAD][task.validation] = 0  # nobody is left to choose a reader by
    probed = probe(task, found=found, only=[HEAD])
    assert (probed.samples[HEAD] == 0.5).all()
    assert probed.findings[HEAD].reader in readers(100, found[HEAD][task.test])
