"""The table of stages and the notebooks say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from stubs import ROOT, STUBS, write_notebook, write_project

from steu.workflow.jobs import Grid
from steu.workflow.parameters import notebook_parameters
from steu.workflow.stages import STAGES, Stage, check_declared

DEMO = {"dataset": "mimic_iv_synthetic", "backbone": "minilm", "seed": "0"}
# What the profile of the demo sets lower than a notebook does by itself.
SHORTER = {
    "factors",
    "widen",
    "apart",
    "shards",
    "counts_tried",
    "selectors",
    "labels_tried",
    "whole",
    "grids",
    "methods",
    "minutes",
}
WIDTH = ("run", "dataset", "backbone", "seed")


@pytest.fixture(params=STAGES.values(), ids=STAGES)
def stage(request: pytest.FixtureRequest) -> Stage:
    return request.param


def test_every_notebook_is_a_stage_and_every_stage_a_notebook() -> None:
    notebooks = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert notebooks == [stage.notebook for stage in STAGES.values()]


def test_a_notebook_has_what_its_stage_declares(stage: Stage) -> None:
    check_declared(stage, notebook_parameters(ROOT / stage.path))


def test_every_folder_of_another_stage_that_a_notebook_names_is_declared(stage: Stage) -> None:
    folders = {f"runs/demo/{s.folder.format(**DEMO)}": s.name for s in STAGES.values()}
    texts = [p for p in notebook_parameters(ROOT / stage.path) if p.type == "str"]
    assert {p.name: folders[p.default] for p in texts if p.default in folders} == stage.reads


def test_by_hand_a_notebook_does_what_the_page_shows(stage: Stage) -> None:
    """But for what the demo shortens, and for what only a run can know."""
    shown = Grid.of("demo").parameters(stage, DEMO)
    paths = {name for name, value in shown.items() if isinstance(value, str) and "/" in value}
    own = {p.name: p.default for p in notebook_parameters(ROOT / stage.path)}
    differ = {name for name in set(shown) - paths if own[name] != shown[name]}
    assert differ <= SHORTER | {"backbone_name", "metrics"} | (
        {"forget_label"} if stage.path.endswith("01_cohort.ipynb") else set()
    )


def test_a_stage_reads_earlier_ones_that_run_no_more_often(stage: Stage) -> None:
    order = list(STAGES)
    for name in stage.reads.values():
        assert order.index(name) < order.index(stage.name)
        assert WIDTH.index(STAGES[name].per) <= WIDTH.index(stage.per)


def test_one_stage_gathers_the_results_of_all_others() -> None:
    assert [s.name for s in STAGES.values() if s.gathers] == ["reproduction"]
    assert not any("reproduction" in s.reads.values() for s in STAGES.values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scores: str", "score: str", "expected the parameter 'scores: str'.*did you mean score?"),
        ("scores: str", "scores: list", "expected the parameter 'scores: str'.*found type list"),
    ],
)
def test_a_renamed_parameter_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    root = write_project(tmp_path)
    parameters = STUBS["04_unlearning"][0].replace(old, new).replace("list = ''", "list = []")
    path = write_notebook(root / "notebooks/04_unlearning.ipynb", f"{parameters}output: str = ''")
    monkeypatch.chdir(root)
    with pytest.raises(ValueError, match=f"^{path.relative_to(root)}: {message}") as caught:
        Grid.of("toy")
    assert "\n" not in str(caught.value)
