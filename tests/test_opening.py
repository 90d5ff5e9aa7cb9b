"""What a profile names is opened before its run, as the pages will open it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from stubs import PROFILE, steu, write_project

from steu._io import write_json
from steu.models.checks import out_of_reach
from steu.models.loading import build_classifier, load_tokenizer, save_classifier
from steu.workflow.launch import kernels
from steu.workflow.opening import check_backbones, open_all
from steu.workflow.profiles import Backbone, Profile


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "bert"
    save_classifier(*build_classifier("random-bert", ["a"]), folder)
    return folder


@pytest.mark.parametrize(
    ("asked", "window", "without", "message"),
    [
        ({}, 512, None, ""),
        ({"n_layers": 2}, 100, None, ""),
        ({"n_layers": 3}, 100, None, "n_layers must lie between 1 and the 2 layers of .*bert; f"),
        ({}, 513, None, "max_length must lie between 3 and the model's window of 512 tokens; f"),
        ({}, 100, "model.safetensors", "bert has no model.safetensors; convert its weights once"),
        (
            {},
            100,
            "tokenizer.json",
            "has no tokenizer: expected tokenizer.json or vocab.txt or vocab.js",
        ),
    ],
)
def test_what_a_page_would_refuse_is_refused(
    tmp_path: Path,
    bert: Path,
    asked: dict[str, Any],
    window: int,
    without: str | None,
    message: str,
) -> None:
    folder = Path(shutil.copytree(bert, tmp_path / "bert"))
    if without:
        (folder / without).unlink()
    backbones = [Backbone(model="random-distilbert"), Backbone(model=str(folder), **asked)]
    if not message:
        open_all(backbones, [window])
        return
    with pytest.raises(ValueError, match=message):
        open_all(backbones, [64, window])


def test_more_layers_than_the_encoder_has_are_refused(bert: Path) -> None:
    encoder = [Backbone(model=str(bert))]
    open_all(encoder, [64], 2)
    with pytest.raises(ValueError, match="last layers: expected 1 to 2, which the .*; found 3"):
        open_all(encoder, [64], 3)


@pytest.mark.parametrize("stage", ["baselines", "every_class"])
def test_layers_are_looked_for_where_some_page_edits_one(
    monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    asked: list[int] = []

    class Here:
        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> Here:
            return self

        def __exit__(self, *_: object) -> None: ...
        def submit(self, _: object, __: object, ___: object, dense: int) -> Here:
            asked.append(dense)
            return self

        def result(self) -> None: ...

    monkeypatch.setattr("steu.workflow.opening.ProcessPoolExecutor", Here)
    profile = Profile.model_validate({"name": "x", **yaml.safe_load(PROFILE)})
    check_backbones(profile.model_copy(update={"stages": ["unlearning", stage]}))
    assert asked == [1 if stage == "baselines" else 0]


def test_an_encoder_without_a_list_of_layers_is_refused_for_dense_edits_alone(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steu.models.layers.LAYER_LISTS", ("blocks",))
    open_all([Backbone(model=str(bert))], [64])
    with pytest.raises(ValueError, match="BertModel keeps its layers in no module list called"):
        open_all([Backbone(model=str(bert))], [64], 1)


def test_it_is_the_last_line_and_nothing_has_run(tmp_path: Path, bert: Path) -> None:
    """Opened in a process of its own, whose error comes back as one line."""
    project = write_project(tmp_path)
    with_model = "from steu.models.checks import embedding_of\nfrom steu.deep import ONE\n"
    (project / "steu" / "second.py").write_text(with_model)
    config = json.loads((bert / "config.json").read_text())
    broken = Path(shutil.copytree(bert, project / "broken"))
    (broken / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    (project / "profiles" / "toy.yaml").write_text(PROFILE.replace("random-bert", "./broken"))
    done = steu(project, "workflow", "toy", "--cores", "2")
    assert done.returncode == 2
    told = done.stderr.strip().splitlines()
    assert re.match(r"steu: \./broken: \d+ weights have other shapes than its config", told[-1])
    assert len(told) == 1 and not list((project / "runs").rglob("metrics.json"))


def test_a_run_without_models_opens_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_project(tmp_path))
    Path("profiles", "toy.yaml").write_text(PROFILE.replace("random-bert", "none/such"))
    with kernels("toy", cores=2) as warm:
        assert warm == {}


@pytest.mark.parametrize(
    ("told", "lost"), [({}, 2), ({"do_lower_case": True}, 2), ({"do_lower_case": False}, 0)]
)
def test_words_with_capitals_that_no_text_becomes_are_counted(
    tmp_path: Path, told: dict[str, bool], lost: int
) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Heart", "heart", "ECG", "##g"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    write_json(tmp_path / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", **told})
    write_json(tmp_path / "config.json", {"model_type": "bert"})
    assert out_of_reach(load_tokenizer(str(tmp_path))) == lost


def test_of_an_uncased_model_no_word_is_out_of_reach() -> None:
    assert out_of_reach(load_tokenizer("minilm")) == 0
