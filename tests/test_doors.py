"""What is given to the public functions is what they ask for, or one line says what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from toys import Toy

import steu
from steu.task import Edit
from steu.unlearning.baselines import LayerConfig, edit_layers
from steu.unlearning.concept_scrubbing import scrub_layers
from steu.unlearning.dampening import dampen
from steu.unlearning.influence import influence_edit
from steu.unlearning.lora import lora_edit

QUICK = steu.UnlearnConfig(epochs=1)


@pytest.fixture(scope="module")
def edit(task: steu.ForgetTask) -> steu.SparseEdit:
    return steu.unlearn(task, steu.rank_tokens(task)[:3], QUICK)


def refused(asked: Callable[[], Any], *said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  what it says is looked at below
        asked()
    told = str(caught.value)
    assert "\n" not in told and all(part in told for part in said), told


def test_numbers_are_no_texts(task: steu.ForgetTask) -> None:
    rank: Any = steu.rank_tokens
    refused(lambda: rank(task, min_count="5"), "min_count must be a finite number; found '5'")
    refused(lambda: rank(task, "random", seed="5"), "seed must be a whole number; found '5'")
    refused(lambda: rank(task, "gradient", n_notes="5"), "n_notes must be a whole number; found '")
    refused(lambda: rank(task, "integrated_gradients", n_steps="5"), "n_steps must be a whole num")


@pytest.mark.parametrize(
    "asked",
    [steu.rank_tokens, steu.evaluate, steu.leace_edit, steu.null_edit]
    + [lambda model, f=f: f(model, [5]) for f in (steu.unlearn, steu.erase, steu.collapse_rows)]
    + [lambda model: steu.blind_rows(task=model, token_ids=np.array([5]))],
)
def test_a_model_is_no_task(toy: Toy, asked: Any) -> None:
    refused(lambda: asked(toy.model), "expects a task; found BertForSequenceClassification: make")


def test_settings_are_no_dict(task: steu.ForgetTask) -> None:
    config: Any = {"epochs": 1}
    told = "config must be made by UnlearnConfig; found dict: give UnlearnConfig(**config)"
    refused(lambda: steu.unlearn(task, [5], config), told)
    refused(lambda: steu.unlearn(task, [5], 5), "UnlearnConfig; found int: give UnlearnConfig(…)")


@pytest.mark.parametrize("given", ["folder", Path("folder"), {"rows": 1}])
def test_the_folder_of_an_edit_is_no_edit(task: steu.ForgetTask, given: Any) -> None:
    found = "dict" if isinstance(given, dict) else "'folder'"
    said = f"found {found}: read a saved one with steu.SparseEdit.from_pretrained(folder, model="
    for asked in (steu.evaluate, lambda t, e: t.features(t.test, e), lambda t, e: t.head(e)):
        refused(lambda asked=asked: asked(task, given), "expected an edit", said)


def test_models_and_tokenizers_are_opened(toy: Toy, edit: steu.SparseEdit) -> None:
    make: Any = steu.ForgetTask
    rest = {"texts": toy.texts, "targets": toy.targets, "forget": "lung"}
    refused(lambda: make(toy.model, None, **rest), "tokenizer must be one of transformers; found N")
    given: Any = "folder"
    for asked in (
        lambda: make(given, toy.tokenizer, **rest),
        lambda: steu.Origin.of(given),
        lambda: edit.merge(given),
        lambda: edit.attached(given).__enter__(),
        lambda: steu.save_peft(edit, "nowhere", model=given),
    ):
        refused(asked, "expected a model; found 'folder': open it with AutoModelForSequenceClass")
    refused(lambda: steu.save_peft(given, "nowhere", model=toy.model), "SparseEdit; found str")


def test_an_edit_is_made_of_tensors(toy: Toy) -> None:
    make: Any = steu.SparseEdit
    ids, rows = torch.tensor([5]), torch.zeros(1, 32)
    told = "must be a tensor; found ndarray: take torch.as_tensor"
    refused(lambda: make(ids.numpy(), rows), f"token_ids {told}")
    refused(lambda: make(ids, rows.numpy()), f"rows {told}")
    refused(lambda: make(ids, rows, {"bias": np.zeros(3)}), f"head['bias'] {told}")
    refused(lambda: make.identity(toy.model, [5]), "token_ids must be a tensor; found list")


@pytest.mark.parametrize(
    "given",
    ["test", ["test"], [0.5], [], np.ones(3, dtype=bool), [[1]], 10**6, [10**6], [-(10**6)]],
)
def test_notes_are_asked_for_by_their_positions(task: steu.ForgetTask, given: Any) -> None:
    for asked in (task.features, task.logits, task.log_odds):
        refused(lambda asked=asked: asked(given), "positions of its", "as task.index('test') gives")


def test_positions_may_be_a_list_a_column_or_a_tensor(task: steu.ForgetTask) -> None:
    told = task.log_odds(np.array([3, 5, 3]))
    for given in ([3, 5, 3], pd.Series([3, 5, 3]), torch.tensor([3, 5, 3])):
        assert np.array_equal(task.log_odds(given), told)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_targets_may_be_a_tensor_of_any_kind(toy: Toy, kind: torch.dtype) -> None:
    given = torch.from_numpy(toy.targets).to(kind).requires_grad_()
    assert np.array_equal(toy.task(targets=given).targets, toy.targets)


def test_a_callers_autocast_changes_no_number(
    toy: Toy, task: steu.ForgetTask, edit: steu.SparseEdit
) -> None:
    ids = edit.token_ids
    layers = LayerConfig(epochs=1)
    asked: list[Callable[[], Edit]] = [
        lambda: steu.unlearn(toy.task(), ids, QUICK),
        lambda: steu.erase(task, ids),
        lambda: edit_layers(task, "bad_teacher", layers, n_layers=1),
        lambda: lora_edit(task, layers, rank=2, n_layers=1),
        lambda: influence_edit(task, n_layers=1, n_fisher=8),
        lambda: dampen(task, selection=1.0, n_layers=1, n_fisher=8),
        lambda: scrub_layers(task),
    ]
    plain = [one() for one in asked]
    table, ranked = steu.evaluate(task, edit), steu.rank_tokens(task, "gradient")
    with torch.autocast("cpu", torch.bfloat16):
        inside = [one() for one in asked]
        assert steu.evaluate(toy.task(), edit).equals(table)
        assert np.array_equal(steu.rank_tokens(task, "gradient"), ranked)
        assert torch.is_autocast_enabled("cpu")
    for one, other in zip(plain, inside, strict=True):
        pairs = other.tensors()
        assert all(torch.equal(v, pairs[n]) and v.dtype == pairs[n].dtype
                   for n, v in one.tensors().items())  # fmt: skip
