"""An edited model that is exported to ONNX says and holds what it did."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from toys import Toy, make_toy
from transformers import PreTrainedModel

from steu.audits.merged import merged_model
from steu.unlearning.blind_rows import blind_rows
from steu.unlearning.sparse_edit import SparseEdit

EDITED = np.array([2000, 2001, 2002])


@pytest.fixture(scope="module", params=["random-bert", "random-distilbert"])
def toy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp("encoded")
    return make_toy(folder, backbone=request.param, n=40, trained=False)


class Logits(torch.nn.Module):
    """Takes and gives tensors alone, as an exporter wants it."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        given = {"input_ids": input_ids, "attention_mask": attention_mask}
        if hasattr(self.model, "bert"):  # ONNX's own evaluator cannot look them up in the buffer
            given["token_type_ids"] = torch.zeros_like(input_ids)
        return self.model(**given).logits


def export(model: PreTrainedModel, toy: Toy, path: Path) -> dict[str, np.ndarray]:
    """Write the file; its constants by name."""
    names, any_size = ["input_ids", "attention_mask"], {0: "notes", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about what does not depend on the input
        torch.onnx.export(
            Logits(model),
            toy.notes.batch(range(4)),
            path,
            input_names=names,
            output_names=["logits"],
            dynamic_axes=dict.fromkeys(names, any_size),
            dynamo=False,
        )
    constants = onnx.load(path).graph.initializer
    return {one.name.removeprefix("model."): numpy_helper.to_array(one) for one in constants}


def test_the_exported_model_answers_alike_and_holds_the_edit_bit_for_bit(
    toy: Toy, tmp_path: Path
) -> None:
    task = toy.task()
    edit = blind_rows(task, EDITED)
    model = merged_model(task, edit)
    held = export(model, toy, tmp_path / "edited.onnx")
    own = dict(model.named_parameters())
    kept = [name for name in own if "embedding" in name or name.startswith("classifier")]
    assert kept and all(np.array_equal(held[name], own[name].detach()) for name in kept)
    session = ReferenceEvaluator(onnx.load(tmp_path / "edited.onnx"))
    ids, mask = toy.notes.batch(range(20))  # more notes than it was exported with
    (said,) = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    with torch.no_grad(), edit.attached(toy.model):
        assert np.allclose(said, toy.model(ids, mask).logits, atol=1e-6)


def test_a_merged_model_takes_no_original_row_along_and_an_attached_edit_takes_all(
    toy: Toy, tmp_path: Path
) -> None:
    task = toy.task()
    edit = blind_rows(task, EDITED)
    original = SparseEdit.identity(toy.model, torch.from_numpy(EDITED)).rows.numpy()

    def holds_original(constants: dict[str, np.ndarray]) -> bool:
        tables = [v for v in constants.values() if v.ndim == 2 and v.shape[1] == len(original[0])]
        return any((table == row).all(axis=1).any() for table in tables for row in original)

    assert not holds_original(export(merged_model(task, edit), toy, tmp_path / "merged.onnx"))
    with edit.attached(toy.model):  # the table stays in the file, and the edit can be read off
        assert holds_original(export(toy.model, toy, tmp_path / "attached.onnx"))
