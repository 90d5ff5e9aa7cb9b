"""What a grid of jobs needs before any of them runs: data, models, parameters that fit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from steu._errors import check_choice, is_path, nearest_folder
from steu.workflow.parameters import check_parameters
from steu.workflow.profiles import SYNTHETIC
from steu.workflow.stages import STAGES, Stage, check_declared
from steu.workflow.together import COMPARING, mismatch

if TYPE_CHECKING:
    from steu.workflow.jobs import Grid


def check_grid(grid: Grid) -> None:
    """Refuse a grid some job of which could not run; see `Grid.of`."""
    profile = grid.profile
    paths = [dataset.path for dataset in profile.datasets.values()]
    paths += [backbone.model for backbone in profile.backbones.values()]
    _check_braces("--run", [grid.run])
    _check_braces("--data", [grid.data])
    _check_braces(f"the profile {profile.name}", paths)
    for name, dataset in profile.datasets.items():
        for where in filter(None, (dataset.path, dataset.options.get("notes"))):
            _check_data(grid, name, where)
    for name, backbone in profile.backbones.items():
        _check_model(backbone.model, where=f"the backbone {name} of the profile {profile.name}")
    for stage in STAGES.values():  # what it says of those that it leaves out is read, too
        for chosen in (profile.parameters, profile.first_seed_parameters):
            if stage.notebook in chosen:
                check_parameters(stage.path, chosen[stage.notebook])
    for stage in grid.stages:
        _check_stage(grid, stage)
    for seed in profile.seeds:
        given = {
            stage.notebook: check_parameters(
                stage.path, grid.parameters(stage, grid.first_cell(stage, seed))
            )
            for stage in grid.stages  # a page that others read runs for their seeds, too
            if stage.notebook not in COMPARING or seed in profile.seeds_of(stage.name)
        }
        if told := mismatch(given):
            raise ValueError(f"the profile {profile.name}, seed {seed}: {told}")


def _check_data(grid: Grid, name: str, path: str) -> None:
    if path == SYNTHETIC:
        return
    reads = f"the profile {grid.profile.name} reads {name} from"
    if not grid.data:
        raise ValueError(
            f"{reads} {path!r} below a data folder; "
            "say which with DATA=<folder> (make) or --data <folder> (steu workflow)"
        )
    if not Path(grid.data, path).exists():
        found = sorted(p.name for p in Path(grid.data).glob("*"))[:10]
        raise ValueError(
            f"{Path(grid.data, path)}: does not exist, but {reads} it; "
            f"found in {grid.data}: {', '.join(found) or 'nothing'}; "
            f"put it there, or take {name} out of a copy of the profile"
        )


def _check_stage(grid: Grid, stage: Stage) -> None:
    for earlier in stage.reads.values():
        if STAGES[earlier] not in grid.stages:
            raise ValueError(
                f"{stage.path} needs the stage {earlier!r}, which the profile "
                f"{grid.profile.name} does not list; add it to its stages"
            )
    check_declared(stage, grid.declared[stage.name])
    first = grid.first_cell(stage)
    chosen = grid.profile.parameters_of(stage.notebook, first.get("seed"))
    for name, dataset in grid.profile.datasets.items():
        if known := dataset.label_names:
            for label in chosen.get("labels_tried", ()):
                check_choice(label, known, what="label", where=name)
    if fixed := sorted(grid.given(stage, first).keys() & chosen.keys()):
        raise ValueError(
            f"the profile {grid.profile.name} sets {fixed[0]!r} of {stage.notebook} among its "
            "parameters, which its datasets, backbones, seeds and stages decide: change these"
        )


def _check_braces(where: str, paths: Iterable[str]) -> None:
    """Refuse what Snakemake would take for a pattern of many files."""
    for path in paths:
        if "{" in path or "}" in path:
            raise ValueError(f"{where}: expected a path without braces, found {path}; rename it")


def _check_model(model: str, *, where: str) -> None:
    """Refuse a path of nothing; whether the hub has a model of a name is not known here."""
    if is_path(model) and not Path(model).is_dir():
        near = nearest_folder(model)
        mend = "name the folder of a downloaded model, or the id that it has on the hub"
        mend = f"did you mean {near}?" if near else mend
        raise ValueError(f"{model}: no such folder, but {where} is read from it; {mend}")
