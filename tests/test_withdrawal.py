"""A request to withdraw a class: from documents and a plain model folder to a proven edit."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import load_file, save_file
from stubs import ROOT
from toys import CUES, LABELS, make_toy, word_tokenizer
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DistilBertConfig,
    RobertaConfig,
)
from typer.testing import CliRunner

from steu._io import read_json
from steu.data.quotations import note_text_in
from steu.models.loading import load_classifier
from steu.models.serialisation import read_tensors, write_tensors
from steu.models.sources import weights_files
from steu.unlearning.sparse_edit import SparseEdit
from steu.withdrawal import answering, artefacts
from steu.withdrawal.page import _drawn, render
from steu.withdrawal.preflight import UNNAMED, _warnings
from steu.withdrawal.refusing import check_layers
from steu.withdrawal.request import TRAINED, WORK, Request, claimed, open_study
from steu.withdrawal.together import after, composed, shared_tokens, together
from steu.withdrawal.weight_files import compare, left_out, n_values
from steu.workflow.cli import app
from steu.workflow.withdrawing import _documents

COLUMNS = {"columns": list(LABELS)}
OPTIONS = {"text": "report", "id": "id", "subject": "who"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain model folder, as `save_pretrained` leaves it, and a table of reports."""
    folder = tmp_path_factory.mktemp("deployed")
    toy = make_toy(folder / "encoded")
    toy.model.save_pretrained(folder / "model")
    toy.tokenizer.save_pretrained(folder / "model")
    table = pd.DataFrame(toy.targets.astype(int), columns=list(LABELS))
    table.insert(0, "report", toy.texts)
    table.insert(0, "who", [f"p{i}" for i in range(len(table))])
    table.insert(0, "id", [f"d{i}" for i in range(len(table))])
    table.to_csv(folder / "reports.csv", index=False)
    return folder


def request_of(place: Path, output: Path, **changes: Any) -> Request:
    given: dict[str, Any] = {
        "labels": ("diabetes",),
        "model": str(place / "model"),
        "layout": "table",
        "path": str(place / "reports.csv"),
        "columns": COLUMNS,
        "options": OPTIONS,
        "output": str(output),
        "n_tokens": 3,
    }
    return Request(**given | changes)


@pytest.fixture(scope="module")
def done(place: Path) -> Path:
    """The folder of a request that was answered."""
    page = answering.withdraw(request_of(place, place / "out"), minutes=1)
    return page.parent


def an_edit(model: Any, ids: list[int], value: float) -> SparseEdit:
    edit = SparseEdit.identity(model, torch.tensor(ids))
    return replace(edit, rows=torch.full_like(edit.rows, value))


def test_the_page_says_what_was_asked_done_and_found(done: Path) -> None:
    record = read_json(done / answering.RECORD)
    (one,) = record["classes"]
    found = {(r["method"], r["metric"]): r["value"] for r in one["says"]}
    assert found["original", "forget_f1"] > 0.9 > 0.1 > found["steu_e", "forget_f1"]
    assert found["null", "forget_auroc"] == pytest.approx(found["original", "forget_auroc"])
    assert {r["method"] for r in one["holds"]} == {"original", *answering.METHODS}
    assert one["verdict"] == "suppressed in the representation"  # no reference was retrained
    assert {r["label"] for r in one["paid"]} == {"kidney", "lung"}
    page = (done / answering.PAGE).read_text()
    for said in (record["changed"]["edit_sha256"], "suppressed in the representation", "insulin"):
        assert said in page
    assert not (done / WORK).exists()


def test_the_page_asks_nothing_of_a_network_and_holds_no_note(done: Path, place: Path) -> None:
    page = (done / answering.PAGE).read_text()
    assert "<script" not in page and "@import" not in page and "<link" not in page
    assert not re.search(r"""(src|href|url\()\s*=?\s*["']?\s*(https?:)?//""", page)
    notes = pd.read_csv(place / "reports.csv")["report"]
    texts = {name: (done / name).read_text() for name in (answering.PAGE, answering.RECORD)}
    assert not note_text_in(texts, notes, words=5)


def test_the_page_says_who_chose_the_documents_that_judge(done: Path) -> None:
    record = read_json(done / answering.RECORD)
    assert "if the model was trained on some of them, it looks better" in render(record)
    record["asked"]["options"]["split"] = "part"
    assert "Which these are says the column <code>part</code>" in render(record)


def test_documents_of_nobody_in_particular_are_not_called_patients(
    done: Path, place: Path, tmp_path: Path
) -> None:
    options = {"text": "report", "id": "id"}
    asked = request_of(place, tmp_path / "out", options=options)
    _, found = answering.look_before(asked, tmp_path, lambda _: None)
    assert found.warnings[0] == UNNAMED and found.documents["counted"] == "documents"
    record = read_json(done / answering.RECORD)
    assert UNNAMED not in record["preflight"]["warnings"]
    assert "240 documents of 240 patients or authors, each" in render(record)
    record["preflight"]["documents"]["counted"] = "documents"
    page = render(record)
    assert (
        "240 documents, each" in page
        and "over documents" in page
        and "patients" not in (page[page.index("<h2>What was asked") : page.index("<h2>The rule")])
    )


def test_nothing_that_was_found_lies_outside_of_the_figure(
    done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = read_json(done / answering.RECORD)["classes"]
    for row in one["says"]:
        if row["metric"] == "forget_auroc":
            row |= {"value": 0.05, "low": 0.0, "high": 0.1}
    monkeypatch.setattr(plt, "close", lambda _: None)
    _drawn(one)
    low, high = plt.gcf().axes[0].get_xlim()
    assert low < 0 and high > 1


def test_commands_on_the_page_can_be_pasted(done: Path) -> None:
    record = read_json(done / answering.RECORD)
    record["asked"] |= {"output": "my place/out", "model": "Crohn's"}
    assert "steu edit verify &#39;my place/out&#39; --model" in render(record)


def test_a_model_whose_layers_are_not_found_is_looked_at_elsewhere(
    place: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(place / "model")
    sizes = {"hidden_size": 16, "embedding_size": 16, "num_attention_heads": 2}
    config = AlbertConfig(
        vocab_size=len(tokenizer), intermediate_size=16, num_hidden_layers=1, num_labels=3, **sizes
    )
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: i for i, label in enumerate(LABELS)}
    config.problem_type = "multi_label_classification"
    AlbertForSequenceClassification(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    asked = request_of(place, tmp_path / "out", model=str(tmp_path / "model"))
    record = read_json(answering.withdraw(asked).parent / answering.RECORD)
    assert any("the layers, which are not found" in one for one in record["not_looked_at"])
    again = {"base": "random-bert", "references": 3, "model": str(tmp_path / "model")}
    assert "where none is looked for" in refused(
        lambda: check_layers(
            load_classifier(tmp_path / "model")[0], request_of(place, tmp_path / "2", **again)
        )
    )


def test_a_rate_that_diverged_has_no_number_on_the_page(done: Path) -> None:
    record = read_json(done / answering.RECORD)
    record["tried"]["steu"][0] |= dict.fromkeys(("forget_auroc", "retain_macro_auroc", "criterion"))
    told = re.search(r"<h2>What was tried</h2>.*", render(record), re.DOTALL)
    assert told and told[0].count('<td class="n">–</td>') == 3


def test_what_was_trained_survives_a_refusal(place: Path, tmp_path: Path) -> None:
    asked = request_of(place, tmp_path / "out")
    with pytest.raises(ValueError, match="late"), claimed(asked) as work:
        (work / TRAINED).mkdir()
        raise ValueError("late")
    assert (tmp_path / "out" / WORK / TRAINED).is_dir()


def test_counts_of_few_patients_are_not_shown(place: Path, tmp_path: Path) -> None:
    table = pd.read_csv(place / "reports.csv")
    table["who"] = [f"p{i // 20}" for i in range(len(table))]  # twelve, so few in any split
    table.to_csv(tmp_path / "few.csv", index=False)
    asked = request_of(place, tmp_path / "out", path=str(tmp_path / "few.csv"))
    with claimed(asked) as work:
        _, found = answering.look_before(asked, work, lambda _: None)
    assert found.classes[0]["patients"]["validation"] is None
    assert any("Fewer than 10 patients" in warning for warning in found.warnings)


def test_anybody_opens_the_edited_model_and_it_answers_as_the_edit_does(
    done: Path, place: Path
) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(place / "model").eval()
    edited = AutoModelForSequenceClassification.from_pretrained(done / "model").eval()
    edit = SparseEdit.from_pretrained(done / "edit", model=model)
    ids = torch.randint(5, 17, (8, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), edit.attached(model):
        wanted = model(ids).logits
    with torch.no_grad():
        assert torch.equal(edited(ids).logits, wanted)
        adapted = PeftModel.from_pretrained(model, done / "adapter").eval()
        adapted.load_state_dict(
            {
                f"base_model.model.{n}": v
                for n, v in load_file(done / "adapter/head.safetensors").items()
            },
            strict=False,
        )
        assert torch.equal(adapted(ids).logits, wanted)


def test_applied_and_reverted_the_model_is_as_it_was_byte_by_byte(
    done: Path, place: Path, tmp_path: Path
) -> None:
    edited = artefacts.apply(done, model=str(place / "model"), output=tmp_path / "edited")
    found = artefacts.verify(done, model=str(place / "model"), edited=str(edited))
    assert found["rows"] == 3 and 0 < found["head"] <= 99
    assert found["compared"] == sum(
        v.numel() for v in load_file(edited / "model.safetensors").values()
    )
    back = artefacts.apply(done, model=str(edited), output=tmp_path / "back", kind="inverse")
    for path in sorted((place / "model").iterdir()):
        assert (back / path.name).read_bytes() == path.read_bytes(), path.name


def test_only_what_opens_the_model_is_handed_on(done: Path, place: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(place / "model", tmp_path / "model"))
    beside = "train.csv predictions.txt last.ckpt rust_model.ot args.pkl x.npz MODEL.BIN own.py"
    for name in beside.split():
        (model / name).write_text("insulin")
    (model / "checkpoint-5").mkdir()
    edited = artefacts.apply(done, model=str(model), output=tmp_path / "edited")
    before = {path.name for path in (place / "model").iterdir()}
    assert {path.name for path in edited.iterdir()} == before
    assert left_out(weights_files(str(model))) == sorted([*beside.split(), "checkpoint-5"])
    record = read_json(done / answering.RECORD)
    assert record["changed"]["left_out"] == [] and "Left out of" not in render(record)
    record["changed"]["left_out"] = ["train.csv"]
    assert "/model</code>: <code>train.csv</code>.</p>" in render(record)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  its words are what is tested
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_edit_is_refused_where_it_does_not_belong(
    done: Path, place: Path, tmp_path: Path
) -> None:
    model = str(place / "model")
    edited = str(done / "model")
    assert "applied already" in refused(
        lambda: artefacts.apply(done, model=edited, output=tmp_path / "a")
    )
    assert "reverted already" in refused(
        lambda: artefacts.apply(done, model=model, output=tmp_path / "a", kind="inverse")
    )
    other = shutil.copytree(model, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    weights["classifier.bias"] += 1
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    assert "belongs to a model" in refused(
        lambda: artefacts.apply(done, model=str(other), output=tmp_path / "a")
    )
    assert "undo later edits first" in refused(
        lambda: artefacts.apply(done, model=str(other), output=tmp_path / "a", kind="inverse")
    )
    turned = Path(shutil.copytree(model, tmp_path / "turned"))
    config = read_json(turned / "config.json")
    names = list(reversed(config["id2label"].values()))
    config["id2label"] = {str(n): name for n, name in enumerate(names)}
    config["label2id"] = {name: n for n, name in enumerate(names)}
    (turned / "config.json").write_text(json.dumps(config))
    for call in (
        lambda: artefacts.apply(done, model=str(turned), output=tmp_path / "a"),
        lambda: artefacts.verify(done, model=str(turned)),
    ):
        assert "the edit's outputs are" in refused(call)
    retold = shutil.copytree(model, tmp_path / "retold")
    text = (retold / "tokenizer.json").read_text()
    (retold / "tokenizer.json").write_text(text.replace('"insulin"', '"insuline"'))
    assert "another tokenizer" in refused(
        lambda: artefacts.apply(done, model=str(retold), output=tmp_path / "a")
    )
    assert not (tmp_path / "a").exists()
    broken = shutil.copytree(done / "edit", tmp_path / "broken" / "edit")
    raw = bytearray((broken / "edit.safetensors").read_bytes())
    raw[-1] ^= 1
    (broken / "edit.safetensors").write_bytes(raw)
    assert "was altered" in refused(lambda: artefacts.show(broken))


@pytest.mark.parametrize("name", ["classifier.weight", "bert.encoder.layer.1.output.dense.weight"])
def test_one_changed_float_is_found_and_named(
    done: Path, place: Path, tmp_path: Path, name: str
) -> None:
    edited = shutil.copytree(done / "model", tmp_path / "edited")
    weights = load_file(edited / "model.safetensors")
    flat = weights[name].view(-1)
    flat[7] = torch.nextafter(flat[7], torch.tensor(1e9))
    save_file(weights, edited / "model.safetensors", {"format": "pt"})
    told = refused(lambda: artefacts.verify(done, model=str(place / "model"), edited=str(edited)))
    assert name in told and "1 such values" in told


@pytest.mark.parametrize(
    "name", ["adapter_model.safetensors", "head.safetensors", "adapter_config.json"]
)
def test_a_flipped_bit_of_the_adapter_is_found_and_its_file_named(
    done: Path, place: Path, tmp_path: Path, name: str
) -> None:
    copied = Path(shutil.copytree(done, tmp_path / "copied"))
    raw = bytearray((copied / "adapter" / name).read_bytes())
    raw[-1] ^= 1
    (copied / "adapter" / name).write_bytes(raw)
    told = refused(lambda: artefacts.verify(copied, model=str(place / "model")))
    assert f"adapter/{name} is not the file that the edit came with" in told
    (copied / "adapter" / name).unlink()
    assert name in refused(lambda: artefacts.verify(copied, model=str(place / "model")))
    shutil.rmtree(copied / "adapter")  # an edit may travel without it
    assert artefacts.verify(copied, model=str(place / "model"))["rows"] == 3


def test_only_beside_the_model_that_it_was_made_for_is_an_edit_proved(
    done: Path, place: Path, tmp_path: Path
) -> None:
    told = refused(lambda: artefacts.verify(done, model=str(done / "model")))
    assert "has the edit in it; name the model that the edit was made for" in told
    name, pair = "bert.encoder.layer.1.output.dense.weight", []
    for one in (place / "model", done / "model"):  # alike, and yet another model
        moved = shutil.copytree(one, tmp_path / str(len(pair)))
        weights = load_file(moved / "model.safetensors")
        weights[name].view(-1)[7] += 0.5
        save_file(weights, moved / "model.safetensors", {"format": "pt"})
        pair.append(str(moved))
    told = refused(lambda: artefacts.verify(done, model=pair[0], edited=pair[1]))
    assert "0 is another model; name the model that the edit was made for" in told


def test_another_name_of_an_output_is_found(done: Path, place: Path, tmp_path: Path) -> None:
    edited = shutil.copytree(done / "model", tmp_path / "edited")
    config = read_json(edited / "config.json")
    swapped = {"0": config["id2label"]["1"], "1": config["id2label"]["0"]}
    config["id2label"] |= swapped
    (edited / "config.json").write_text(json.dumps(config))
    told = refused(lambda: artefacts.verify(done, model=str(place / "model"), edited=str(edited)))
    assert "says another 'id2label' than" in told


def test_weights_that_do_not_open_the_model_are_not_looked_at(place: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(place / "model", tmp_path / "model")
    shutil.copy2(folder / "model.safetensors", folder / "model_epoch1.safetensors")
    files = weights_files(str(folder))
    assert files == [folder / "model.safetensors"]
    assert left_out(files) == ["model_epoch1.safetensors"]


def test_a_changed_row_that_is_not_the_edits_is_found(tmp_path: Path) -> None:
    table = torch.randn(50_000, 128)  # more than is compared at once
    before = {"table.weight": table, "head.bias": torch.zeros(2)}
    after_ = {"table.weight": table.clone(), "head.bias": torch.zeros(2)}
    after_["table.weight"][[3, 49_000]] = 1.0
    edit = SparseEdit(torch.tensor([3, 49_000]), torch.ones(2, 128))
    paths = [tmp_path / "a.safetensors"], [tmp_path / "b.safetensors"]
    names = {"embedding": "table.weight", "head": {"bias": "head.bias"}}
    save_file(before, paths[0][0])
    save_file(after_, paths[1][0])
    assert compare(*paths, edit, **names) == {"compared": 50_000 * 128 + 2, "rows": 2, "head": 0}
    after_["table.weight"][48_999, 5] = -0.0 if table[48_999, 5] == 0 else -table[48_999, 5]
    save_file(after_, paths[1][0])
    assert "table.weight[48999, 5]" in refused(lambda: compare(*paths, edit, **names))


def test_edits_compose_in_order_as_their_merges_do(place: Path) -> None:
    toy = make_toy(place / "encoded")
    first, then = an_edit(toy.model, [5, 6, 7], 0.5), an_edit(toy.model, [7, 8], -0.5)
    one = composed(first, then)
    assert shared_tokens(first, then) == 1
    ids = torch.randint(5, 17, (8, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), one.attached(toy.model):
        wanted = toy.model(ids).logits
    back = [first.merge(toy.model), then.merge(toy.model)]
    with torch.no_grad():
        assert torch.equal(toy.model(ids).logits, wanted)
    back[1].merge(toy.model)  # the second is undone without the first
    with torch.no_grad(), first.attached(make_toy(place / "encoded").model) as single:
        assert torch.equal(toy.model(ids).logits, single(ids).logits)


def test_classes_together_are_one_and_silent_together(place: Path, tmp_path: Path) -> None:
    asked = request_of(place, tmp_path / "out", labels=("diabetes", "kidney"))
    with claimed(asked) as work:
        study = open_study(asked, work)
        joint = together(study, asked.labels)
        either = study.targets[:, [0, 1]].max(axis=1)
        assert np.array_equal(joint.is_forget, either == 1)
        assert joint.place_of(of=1) != study.place_of(of=1)
        answer = answering.answer_to(study, asked, lambda _: None)
        for label in asked.labels:
            one = study.aimed_at(label)
            said = one.log_odds(one.test, answer.edits["steu_e"])[:, one.forget] > 0
            assert said.mean() < 0.05 < one.is_forget[one.test].mean()
        alone = answering.in_turn(study, asked.labels, "steu_e", 3)
        left = after(study, alone[0].edit)
        again = left.aimed_at("kidney")
        both = answer.edits[answering.IN_TURN]
        assert np.allclose(
            study.logits(study.test, both), again.logits(again.test, alone[1].edit), atol=1e-5
        )


def test_a_killed_run_goes_on_where_it_was(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request_of(place, tmp_path / "out")
    made: list[str] = []
    whole = answering.make

    def until_killed(study: Any, method: Any, n_tokens: int) -> Any:
        if method == "head_only":
            raise KeyboardInterrupt
        return whole(study, method, n_tokens)

    monkeypatch.setattr(answering, "make", until_killed)
    with pytest.raises(KeyboardInterrupt):
        answering.withdraw(asked, minutes=0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [WORK]
    before = {p.name for p in (tmp_path / "out" / WORK / "trained").iterdir()}
    assert "belongs to another request" in refused(
        lambda: answering.withdraw(replace(asked, n_tokens=2))
    )

    def counted(study: Any, method: Any, n_tokens: int) -> Any:
        made.append(method)
        found = whole(study, method, n_tokens)
        if method != "head_only":
            assert {p.name for p in (tmp_path / "out" / WORK / "trained").iterdir()} == before
        return found

    monkeypatch.setattr(answering, "make", counted)
    page = answering.withdraw(asked, minutes=0)
    assert page.is_file() and made == ["steu_e", "steu", "head_only"]
    assert "Not looked at" in page.read_text()
    assert "holds something already" in refused(lambda: answering.withdraw(asked))


@pytest.mark.parametrize("kind", ["roberta", "distilbert"])
def test_other_families_are_withdrawn_from_too(place: Path, tmp_path: Path, kind: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(place / "model")
    tokenizer.model_max_length = 48
    facts: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "id2label": dict(enumerate(LABELS)),
        "label2id": {label: i for i, label in enumerate(LABELS)},
        "problem_type": "multi_label_classification",
        "pad_token_id": 0,
    }
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    configs = {
        "roberta": lambda: RobertaConfig(**facts, **small, intermediate_size=64),
        "distilbert": lambda: DistilBertConfig(
            **facts, dim=32, n_layers=1, n_heads=2, hidden_dim=64
        ),
    }
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(configs[kind]())
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    given = {"model": str(tmp_path / "model"), "max_length": 40, "method": "steu"}
    page = answering.withdraw(request_of(place, tmp_path / "out", **given), minutes=0)
    found = artefacts.verify(page.parent, model=str(tmp_path / "model"))
    assert found["rows"] == 3


def softmax_of(place: Path, folder: Path) -> dict[str, Any]:
    """The same model choosing one of its classes, and the documents that have just one."""
    model = shutil.copytree(place / "model", folder / "softmax")
    config = json.loads((model / "config.json").read_text())
    config["problem_type"] = "single_label_classification"
    (model / "config.json").write_text(json.dumps(config))
    table = pd.read_csv(place / "reports.csv")
    one = table[table[list(LABELS)].sum(axis=1) == 1]
    one = one.assign(kind=one[list(LABELS)].idxmax(axis=1))
    one[["id", "who", "report", "kind"]].to_csv(folder / "one.csv", index=False)
    columns = {"column": "kind"}
    return {"model": str(model), "path": str(folder / "one.csv"), "columns": columns}


def test_a_class_of_a_softmax_is_withdrawn_and_its_mass_goes_to_the_others(
    place: Path, tmp_path: Path
) -> None:
    asked = request_of(place, tmp_path / "out", **softmax_of(place, tmp_path))
    page = answering.withdraw(asked, minutes=0.1)
    (one,) = read_json(page.parent / answering.RECORD)["classes"]
    found = {(r["method"], r["metric"]): r["value"] for r in one["says"]}
    assert found["original", "forget_f1"] > 0.8 > 0.1 > found["steu_e", "forget_f1"]
    model = AutoModelForSequenceClassification.from_pretrained(page.parent / "model").eval()
    assert model.config.problem_type == "single_label_classification"
    tokenizer = AutoTokenizer.from_pretrained(page.parent / "model")
    texts = pd.read_csv(tmp_path / "one.csv")["report"].tolist()
    with torch.no_grad():
        logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    chosen = logits.argmax(dim=1).numpy()
    assert (chosen != list(model.config.id2label.values()).index("diabetes")).mean() > 0.95
    artefacts.verify(page.parent, model=asked.model)


def test_two_classes_that_exclude_each_other_cannot_lose_one(place: Path, tmp_path: Path) -> None:
    given = softmax_of(place, tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(
        given["model"], num_labels=2, ignore_mismatched_sizes=True
    )
    model.config.id2label = {0: "diabetes", 1: "kidney"}
    model.config.label2id = {"diabetes": 0, "kidney": 1}
    model.save_pretrained(given["model"])
    table = pd.read_csv(given["path"])
    table[table["kind"] != "lung"].to_csv(given["path"], index=False)
    told = bad(place, tmp_path, **given)
    assert "chooses one of 2 classes; without diabetes there would be no choice left" in told
    assert not (tmp_path / "out").exists()


def bad(place: Path, folder: Path, **changes: Any) -> str:
    asked = request_of(place, folder / "out", **changes)

    def ask() -> None:
        with claimed(asked) as work:
            open_study(asked, work)

    return refused(ask)


def test_what_cannot_be_answered_is_said_before_anything_is_made(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = bad(place, tmp_path / "1", labels=("Diabetis",))
    assert "no label 'Diabetis'; did you mean diabetes?" in told
    assert "did you mean kidney?" in bad(place, tmp_path / "2", labels=("KIDNEY",))
    assert "retire the model" in bad(place, tmp_path / "3", labels=LABELS)
    told = bad(place, tmp_path / "4", columns={"columns": ["diabetes", "kidney"]})
    assert "the model answers about diabetes, kidney, lung" in told
    table = pd.read_csv(place / "reports.csv")
    few = table[(table["diabetes"] == 0) | (table.index < 40)]
    few.to_csv(tmp_path / "few.csv", index=False)
    told = bad(place, tmp_path / "5", path=str(tmp_path / "few.csv"))
    assert "fewer than 20 documents with 'diabetes'" in told
    table.assign(diabetes=1).to_csv(tmp_path / "all.csv", index=False)
    told = bad(place, tmp_path / "6", path=str(tmp_path / "all.csv"))
    assert "fewer than 20 documents without 'diabetes'" in told
    pd.concat([table, table[:1]]).to_csv(tmp_path / "twice.csv", index=False)
    assert "in more than one row" in bad(place, tmp_path / "7", path=str(tmp_path / "twice.csv"))
    config = json.loads((place / "model/config.json").read_text())
    two = shutil.copytree(place / "model", tmp_path / "two")
    config |= {"problem_type": "single_label_classification"}
    (two / "config.json").write_text(json.dumps(config))
    told = bad(place, tmp_path / "8", model=str(two), labels=("diabetes", "kidney"))
    assert "chooses one of 3 classes" in told
    told = bad(place, tmp_path / "10", model=str(two), base="random-bert", references=3)
    assert "references are retrained with independent outputs: leave out --base" in told
    other = shutil.copytree(place / "model", tmp_path / "other")
    word_tokenizer().save_pretrained(other)
    told = bad(place, tmp_path / "11", base=str(other), references=3)
    assert "other has other tokens than" in told
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 1000})())
    assert "needs about" in bad(place, tmp_path / "9")
    assert not any((tmp_path / str(i) / "out").exists() for i in range(1, 12))


def renamed(place: Path, folder: Path, *names: str) -> str:
    """A copy of the model whose outputs are called so."""
    config = json.loads((place / "model/config.json").read_text())
    config["id2label"] = {str(c): name for c, name in enumerate(names)}
    config["label2id"] = {name: c for c, name in enumerate(names)}
    shutil.copytree(place / "model", folder)
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_a_model_that_only_numbers_its_outputs_is_asked_for_names(
    place: Path, tmp_path: Path
) -> None:
    model = renamed(place, tmp_path / "model", "LABEL_0", "LABEL_1", "LABEL_2")
    told = bad(place, tmp_path / "1", model=model)
    assert "numbers its outputs, LABEL_0 to LABEL_2, and names none: set id2label" in told
    told = bad(place, tmp_path / "2", model=model, labels=("LABEL_0",))
    assert "answers about LABEL_0, LABEL_1, LABEL_2; the documents are labelled diabetes" in told
    table = pd.read_csv(place / "reports.csv")
    table["kind"] = table[list(LABELS)].idxmax(axis=1)
    table.to_csv(tmp_path / "kinds.csv", index=False)
    given = {"path": str(tmp_path / "kinds.csv"), "columns": {"column": "kind"}, "model": model}
    told = bad(place, tmp_path / "3", labels=("LABEL_0",), **given)
    assert "no label 'LABEL_0'; known are" in told and "set id2label in its config" in told


@pytest.mark.parametrize("columns", [COLUMNS, {"column": "kind"}, {"column": "kind", "top_n": 3}])
def test_a_blank_behind_a_name_of_the_model_is_no_other_name(
    place: Path, tmp_path: Path, columns: dict
) -> None:
    model = renamed(place, tmp_path / "model", "diabetes ", "kidney", "lung")
    told = bad(place, tmp_path / "1", model=model)
    assert "no label 'diabetes'; did you mean 'diabetes '?" in told
    table = pd.read_csv(place / "reports.csv")
    table["kind"] = table[list(LABELS)].idxmax(axis=1)
    table.to_csv(tmp_path / "kinds.csv", index=False)
    given = {"path": str(tmp_path / "kinds.csv"), "columns": columns, "model": model}
    asked = request_of(place, tmp_path / "out", labels=("diabetes ",), **given)
    with claimed(asked) as work:
        study = open_study(asked, work)
    assert study.labels[study.forget] == "diabetes "
    wanted = table["kind"] == "diabetes" if "column" in columns else table["diabetes"]
    assert study.is_forget.sum() == wanted.sum()


def test_a_folder_in_use_is_left_alone(place: Path, tmp_path: Path) -> None:
    asked = request_of(place, tmp_path / "out")
    with claimed(asked):
        assert "in use by another run" in refused(lambda: claimed(asked).__enter__())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    other = replace(asked, output=str(tmp_path / "mine"))
    assert "holds something already" in refused(lambda: claimed(other).__enter__())
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_dry_run_tells_and_makes_nothing(place: Path, tmp_path: Path) -> None:
    arguments = ["withdraw", "diabetes", "--model", str(place / "model"), "--data"]
    arguments += [str(place / "reports.csv"), "--text", "report", "--id", "id", "--subject", "who"]
    for label in LABELS:
        arguments += ["--labels", label]
    arguments += ["--output", str(tmp_path / "out"), "--n-tokens", "3", "--dry-run"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    assert "class        diabetes" in ran.stdout and "unselected words" in ran.stdout
    assert not (tmp_path / "out").exists()
    assert not any(cue in ran.stdout for cue in CUES.values())


def test_the_edit_commands_answer_in_a_line(done: Path, place: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    told = json.loads(run(app, ["edit", "show", str(done)]).stdout)
    assert told["withdrawn"] == ["diabetes"] and told["rows"] == [3, 32]
    proof = run(app, ["edit", "verify", str(done), "--model", str(place / "model")])
    assert "3 rows and" in proof.stdout and "nothing else does" in proof.stdout
    target = str(tmp_path / "edited")
    model = ["--model", str(place / "model"), "--output", target]
    assert run(app, ["edit", "apply", str(done), *model]).stdout.strip() == target
    again = run(app, ["edit", "apply", str(done), *model])
    assert again.exit_code and "exists; name another" in str(again.exception)


def test_an_edit_is_looked_for_where_it_was_said_to_be(
    done: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="edti holds no edit; give the folder that steu withdraw"):
        artefacts.show(done / "edti")  # though it lies beside it
    monkeypatch.chdir(done / "edit")
    assert artefacts.show(".") == artefacts.show(done) == artefacts.show(done / "inverse")
    model = load_classifier(place / "model")[0]
    SparseEdit.from_pretrained(done / "edit", model=model).save_pretrained(tmp_path / "edit")
    with pytest.raises(ValueError, match="edit was saved in Python, and not by steu withdraw: it"):
        artefacts.show(tmp_path / "edit")


def test_an_edit_is_known_whatever_its_folder_is_called(
    done: Path, place: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(done / "edit", tmp_path / "of-2026"))
    assert artefacts.show(moved) == artefacts.show(done)
    model, edited = str(place / "model"), str(done / "model")
    assert artefacts.verify(moved, model=model, edited=edited)["rows"] == 3
    told = refused(lambda: artefacts.verify(moved, model=model))
    assert "no edited model lies in" in told and told.endswith("name it with --edited")
    told = refused(
        lambda: artefacts.apply(moved, model=edited, output=tmp_path / "a", kind="inverse")
    )
    assert "of-2026 holds no inverse; give the folder" in told
    swapped = Path(shutil.copytree(done / "edit", tmp_path / "inverse"))
    assert artefacts.show(swapped) == artefacts.show(done)


@pytest.mark.parametrize("lacking", ["base", "embedding", "rows"])
def test_an_edit_that_does_not_say_all_is_one_line(
    done: Path, tmp_path: Path, lacking: str
) -> None:
    tensors, facts = read_tensors(done / "edit")
    del facts["tensors"]
    facts.pop(lacking, None), tensors.pop(lacking, None)
    write_tensors(tmp_path / "edit", tensors, facts)
    what = "holds no rows" if lacking == "rows" else f"does not say its '{lacking}'"
    assert f"{what}, so it is not, or not all" in refused(lambda: artefacts.show(tmp_path))


def counts_in(value: Any) -> list[int]:
    """Every number that a record gives as a count of notes or patients."""
    if isinstance(value, list):
        return [n for one in value for n in counts_in(one)]
    if not isinstance(value, dict):
        return []
    own = [v for k, v in value.items() if k in ("n", "notes", "patients") and isinstance(v, int)]
    return own + [n for one in value.values() for n in counts_in(one)]


def test_no_count_under_ten_is_in_the_record(place: Path, tmp_path: Path) -> None:
    table = pd.read_csv(place / "reports.csv")
    rare = table[(table["diabetes"] == 0) | (table.index < 90)]  # of them few in the test split
    rare.to_csv(tmp_path / "rare.csv", index=False)
    given = {"path": str(tmp_path / "rare.csv"), "method": "null"}
    page = answering.withdraw(request_of(place, tmp_path / "out", **given), minutes=0)
    record = read_json(page.with_suffix(".json"))
    assert record["preflight"]["classes"][0]["patients"]["test"] is None
    counts = counts_in(record)
    assert len(counts) > 20 and min(counts) >= 10
    paid = {row["notes"]: row["n"] for row in record["classes"][0]["paid"]}
    assert paid.pop("all notes") > 10 and set(paid.values()) == {None}  # nor the total less few


def test_what_one_hidden_count_is_less_the_others_is_hidden_too(
    place: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(place / "reports.csv").assign(who=lambda t: t["id"])  # a patient a document
    rare = table[(table["diabetes"] == 0) | (table.index < 180)]
    rare.to_csv(tmp_path / "rare.csv", index=False)
    given = {"path": str(tmp_path / "rare.csv"), "method": "null"}
    page = answering.withdraw(request_of(place, tmp_path / "out", **given), minutes=0)
    found = read_json(page.with_suffix(".json"))["preflight"]["classes"][0]
    assert list(found["patients"].values()).count(None) == 1
    assert found["notes"] is None and '<td class="n">not shown</td>' in page.read_text("utf-8")


def test_two_classes_are_audited_after_each_request(place: Path, tmp_path: Path) -> None:
    asked = request_of(place, tmp_path / "out", labels=("diabetes", "kidney"))
    record = read_json(answering.withdraw(asked, minutes=5).with_suffix(".json"))
    seen = [(r["withdrawn"], r["looked_for"]) for r in record["in_turn"]]
    assert list(dict.fromkeys(seen)) == [
        ("diabetes", "diabetes"),
        ("kidney", "diabetes"),
        ("kidney", "kidney"),
    ]
    assert {r["label"] for one in record["classes"] for r in one["paid"]} == {"lung"}
    assert not record["not_looked_at"]
    null = replace(asked, method="null", output=str(tmp_path / "null"))
    page = answering.withdraw(null, minutes=0)
    model = AutoModelForSequenceClassification.from_pretrained(page.parent / "model")
    assert torch.isneginf(model.classifier.bias).tolist() == [True, True, False]


def test_a_mended_request_goes_to_the_same_folder(place: Path, tmp_path: Path) -> None:
    asked = request_of(place, tmp_path / "out", labels=("diabets",))
    assert "did you mean diabetes?" in refused(lambda: answering.withdraw(asked))
    with claimed(replace(asked, labels=("diabetes",))) as work:
        assert work.is_dir()


def test_documents_that_were_corrected_are_read_again(place: Path, tmp_path: Path) -> None:
    table = pd.read_csv(place / "reports.csv")
    path = tmp_path / "reports.csv"
    table.to_csv(path, index=False)
    asked = request_of(place, tmp_path / "out", path=str(path))
    with claimed(asked) as work:
        first = open_study(asked, work).cohort
        kept = (work / "cohort" / "cohort.parquet").stat().st_mtime_ns
        assert open_study(asked, work).cohort.fingerprint == first.fingerprint
        assert (work / "cohort" / "cohort.parquet").stat().st_mtime_ns == kept
    table.assign(kidney=1 - table["kidney"]).to_csv(path, index=False)
    with claimed(asked) as work:
        again = open_study(asked, work).cohort
    assert again.frame["kidney"].sum() == len(table) - first.frame["kidney"].sum()


def test_references_give_the_audits_a_vote(place: Path, tmp_path: Path) -> None:
    given = {"base": "random-bert", "references": 3, "max_length": 40}
    page = answering.withdraw(request_of(place, tmp_path / "out", **given), minutes=0)
    (one,) = read_json(page.with_suffix(".json"))["classes"]
    told = {r["method"] for r in one["holds"]}
    assert {f"reference_seed_{seed}" for seed in (100, 101, 102)} <= told
    assert any(r["metric"].startswith("layer") for r in one["holds"])  # whatever the time
    assert "No such models were retrained" not in page.read_text()
    assert "three references at least" in refused(
        lambda: request_of(place, tmp_path / "x", base="random-bert", references=2)
    )
    assert "give both" in refused(lambda: request_of(place, tmp_path / "x", references=3))


def test_a_profile_says_where_the_documents_are(place: Path, tmp_path: Path) -> None:
    dataset = {"layout": "table", "path": "reports.csv", "restricted": True, "options": OPTIONS}
    dataset |= {"labels": COLUMNS, "forget_label": "kidney"}
    profile = {"datasets": {"mine": dataset}, "backbones": {"b": {"model": "random-bert"}}}
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps(profile | {"seeds": [0], "max_length": 40}))  # JSON is YAML
    arguments = ["withdraw", "kidney", "--model", str(place / "model"), "--data", str(place)]
    arguments += ["--profile", str(file), "--output", str(tmp_path / "out"), "--dry-run"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0 and "class        kidney" in ran.stdout, ran.output


def test_another_class_is_not_trained_beside_one_that_a_bias_silences(
    place: Path, tmp_path: Path
) -> None:
    asked = request_of(place, tmp_path / "first", method="null")
    page = answering.withdraw(asked, minutes=0)
    silent = str(page.parent / "model")
    told = bad(place, tmp_path, model=silent, labels=("kidney",))
    assert "never says diabetes: an earlier request left it a bias of −∞" in told


def test_a_class_that_was_withdrawn_before_is_not_taught_again(
    done: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = bad(place, tmp_path, model=str(done / "model"), labels=("kidney",))
    assert "diabetes was withdrawn from it before, and documents that have it would teach" in told
    assert told.endswith(f"steu withdraw diabetes kidney --model {place / 'model'}")
    (tmp_path / "link").symlink_to(done / "model")
    monkeypatch.chdir(done / "model")
    for name in (".", str(tmp_path / "link")):  # whatever the folder is called
        assert "diabetes was withdrawn" in bad(place, tmp_path / "2", model=name, labels=("lung",))


def test_references_are_built_like_the_model(place: Path, tmp_path: Path) -> None:
    asked = request_of(place, tmp_path / "out", base="random-bert", references=3)
    with claimed(asked) as work:
        study = open_study(asked, work)
    start = study.recipe["start"]
    assert (start["pooling"], start["n_layers"], start["head_width"]) == ("mean", 2, 0)
    deep = shutil.copytree(place / "model", tmp_path / "deep")
    config = json.loads((deep / "config.json").read_text()) | {"num_hidden_layers": 1}
    (deep / "config.json").write_text(json.dumps(config))
    told = bad(place, tmp_path / "2", base=str(deep), references=3)
    assert "has fewer layers (1 and not 2) than" in told
    (deep / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    told = bad(place, tmp_path / "3", base=str(deep), references=3)
    assert "has another encoder (bert, 64 wide, and not bert, 32) than" in told
    told = bad(place, tmp_path / "4", base=str(place / "model"), references=3)
    assert "is a classifier of the same labels as" in told and "from before that" in told
    for name, value in (("max_length", 0), ("n_tokens", 0), ("seed", 2**32)):
        with pytest.raises(ValueError, match=f"{name} must be .*; found"):
            request_of(place, tmp_path / "5", **{name: value})


def test_documents_that_name_no_class_are_counted_or_refused(place: Path, tmp_path: Path) -> None:
    given = softmax_of(place, tmp_path)
    table = pd.read_csv(given["path"])
    table.loc[: 3 * 10, "kind"] = "misc"
    table.to_csv(given["path"], index=False)
    assert "31 documents have none of the model's classes" in bad(place, tmp_path, **given)
    given["model"] = str(place / "model")  # with independent outputs they are negatives of all
    asked = request_of(place, tmp_path / "sigmoid", **given)
    with claimed(asked) as work:
        _, found = answering.look_before(asked, work, print)
    assert any("31 documents have none of the model's labels" in line for line in found.warnings)


def test_a_rare_label_that_nobody_asked_about_stops_nothing(place: Path, tmp_path: Path) -> None:
    table = pd.read_csv(place / "reports.csv")
    table["lung"] = 0
    table.loc[table.index[:2], ["who", "lung"]] = "p0", 1  # whose documents are in one split
    table.to_csv(tmp_path / "rare.csv", index=False)
    asked = request_of(place, tmp_path / "out", path=str(tmp_path / "rare.csv"))
    record = read_json(answering.withdraw(asked, minutes=1).parent / answering.RECORD)
    assert any("what they pay is not measured" in line for line in record["preflight"]["warnings"])
    page = (tmp_path / "out" / answering.PAGE).read_text()
    assert "nan" not in page and "kidney" in page


def test_a_model_in_half_precision_is_delivered_as_it_was_audited(
    place: Path, tmp_path: Path
) -> None:
    half = AutoModelForSequenceClassification.from_pretrained(place / "model").to(torch.bfloat16)
    half.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(place / "model").save_pretrained(tmp_path / "model")
    asked = request_of(place, tmp_path / "out", model=str(tmp_path / "model"), method="steu")
    page = answering.withdraw(asked, minutes=0)
    tensors, facts = read_tensors(page.parent / "edit")
    stored = load_file(page.parent / "model" / "model.safetensors")
    table = stored[facts["embedding"]]
    assert table.dtype == torch.bfloat16
    assert torch.equal(tensors["rows"], table[tensors["token_ids"]].float())
    for name, stands in facts["head"].items():
        assert torch.equal(tensors[f"head.{name}"], stored[stands].float())


def test_notes_of_a_profile_lie_below_its_data(tmp_path: Path, monkeypatch) -> None:
    profile = yaml.safe_load((ROOT / "profiles" / "paper.yaml").read_text())
    name = next(n for n, one in profile["datasets"].items() if one["layout"] == "mimic_iv")
    profile["datasets"][name]["options"] = {"notes": "mimic-iv-note"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(profile))
    found = _documents(str(tmp_path / "mine.yaml"), name, "/DATA", None, None)
    assert found["options"]["notes"] == "/DATA/mimic-iv-note"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"profile": "open", "split": "part"}, "--split beside --profile: the profile says which"),
        ({"profile": "open", "group_by": "a"}, "--group-by beside --profile: the profile says"),
        ({"profile": "open", "labels": ["a"]}, "--labels beside --profile: the profile says"),
        ({"dataset": "x", "labels": ["a"]}, "--dataset names one of a profile's; name that with"),
        ({"labels": ["a", "b"], "delimiter": ";"}, "--delimiter stands between the classes in one"),
    ],
)
def test_options_that_would_be_passed_over_are_refused(given: dict[str, Any], said: str) -> None:
    asked = {"profile": None, "dataset": None, "data": "x", "labels": None, "delimiter": None}
    with pytest.raises(ValueError, match=said):
        _documents(**(asked | given))


def test_a_lacking_part_of_the_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"b\.safetensors, a part of the model's weights, is not"):
        n_values(tmp_path / "b.safetensors")


@pytest.mark.parametrize(("judges", "said"), [(18, True), (19, False), (None, False)])
def test_too_few_for_a_verdict_are_counted_before_anything_is_trained(
    judges: int | None, said: bool
) -> None:
    found = {"label": "x", "patients": {"train": 50, "validation": 20, "test": judges}}
    found |= {"original_auroc": (0.9,), "original_f1": (0.5,), "lexical_remainder": (0.5, 0.4)}
    warned = _warnings(found | {"shared": []})
    assert any("18 patients of the test documents have 'x'" in one for one in warned) == said
