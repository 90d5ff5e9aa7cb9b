"""The grid of jobs behind a profile: folders, parameters and inputs, for the Snakefile."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from steu._errors import suggestion
from steu.workflow.code_dependencies import PackageCode
from steu.workflow.parameters import (
    Parameter,
    check_parameters,
    notebook_parameters,
)
from steu.workflow.profiles import STAGES, SYNTHETIC, Dataset, Profile, load_profile
from steu.data.readers.tables import SUFFIXES

BY_SEED = "{dataset}/{backbone}/seed{seed}"
FOLDERS = {"cohort": "{dataset}/cohort", "pmi": "{dataset}/{backbone}/pmi"}
FOLDERS["reproduction"] = "reproduction"
FEEDS = {"scores": "pmi"}  # parameters that name an earlier stage's folder by another word
WITHOUT_MODEL = ("cohort", "pmi", "reproduction")


@dataclass(frozen=True)
class Stage:
    """One notebook of the workflow and the folder, with wildcards, that it writes to."""

    name: str
    notebook: str
    folder: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class Grid:
    """All jobs of one profile, written below the folder `run`, read from the folder `data`."""

    profile: Profile
    run: str
    data: str

    @classmethod
    def of(cls, profile: str, *, data: str = "", run: str = "") -> Grid:
        """Read a profile and check that its data and notebooks exist and its parameters fit.

        Paths are relative to the current folder, which has to be the project's root.

        Raises
        ------
        ValueError
            If the data folder or a notebook is missing, or a parameter of the profile does not fit.
        """
        loaded = load_profile(profile)
        run = run or f"runs/{loaded.name}"
        there = {n: d for n, d in loaded.datasets.items() if not _is_absent(d, data)}
        grid = cls(replace(loaded, datasets=there or loaded.datasets), run, data)
        for name, dataset in grid.profile.datasets.items():
            grid._check_data(name, dataset.path)
        for stage in grid.stages:
            for name, _ in grid.feeds(stage):
                if name not in loaded.all_stages:
                    raise ValueError(
                        f"{stage.notebook} needs the stage {name!r}, which the profile "
                        f"{loaded.name} does not list; add it to its stages"
                    )
            check_parameters(stage.notebook, loaded.parameters.get(STAGES[stage.name], {}))
        return grid

    def _check_data(self, name: str, path: str) -> None:
        if path == SYNTHETIC:
            return
        if not self.data:
            raise ValueError(
                f"the profile {self.profile.name} reads {name} from {path!r} below a data folder; "
                "say which with DATA=<folder> (make) or --data <folder> (steu workflow)"
            )
        if not Path(self.data, path).exists():
            found = sorted(p.name for p in Path(self.data).glob("*"))[:10]
            raise ValueError(
                f"{Path(self.data, path)}: does not exist, but the profile {self.profile.name} "
                f"reads {name} from it; found in {self.data}: {', '.join(found) or 'nothing'}; "
                f"put it there, or take {name} out of a copy of the profile"
            )

    @cached_property
    def code(self) -> PackageCode:
        """What the notebooks import of the package, read once for all jobs."""
        return PackageCode()

    @cached_property
    def stages(self) -> list[Stage]:
        """The notebooks of the profile, in the order of the book."""
        return [
            Stage(
                name,
                f"notebooks/{STAGES[name]}.ipynb",
                f"{self.run}/{FOLDERS.get(name, f'{BY_SEED}/{name}')}",
                tuple(notebook_parameters(f"notebooks/{STAGES[name]}.ipynb")),
            )
            for name in self.profile.all_stages
        ]

    def feeds(self, stage: Stage) -> list[tuple[str, str]]:
        """Earlier stages whose folders `stage` reads: pairs of stage and parameter.

        A notebook asks for a folder by a text parameter that bears the stage's name, so what
        depends on what is written once, in the notebooks.
        """
        named = [(FEEDS.get(p.name, p.name), p) for p in stage.parameters if p.type == "str"]
        return [(name, p.name) for name, p in named if name in STAGES]

    def parameters(self, stage: Stage, cell: dict[str, str]) -> dict[str, Any]:
        """Values for one job: what the grid knows, as far as the notebook asks, then the profile.

        `cell` holds the job's wildcards: dataset, backbone and seed, as far as they apply.
        """
        known: dict[str, Any] = {"run": self.run, "profile": self.profile.name}
        if "dataset" in cell:
            known |= self._dataset(cell["dataset"])
        if "backbone" in cell:
            backbone = self.profile.backbones[cell["backbone"]]
            known |= {"backbone": backbone.model, "n_layers": backbone.n_layers}
            known["backbone_name"] = cell["backbone"]
            known["encoded"] = f"{self.run}/{cell['dataset']}/{cell['backbone']}/encoded"
        if "seed" in cell:
            known["seed"] = int(cell["seed"])
        folders = {other.name: other.folder for other in self.stages}
        known |= {p: folders[name].format(**cell) for name, p in self.feeds(stage)}
        known["output"] = stage.folder.format(**cell)
        if stage.name == "reproduction":
            known["metrics"] = self.measured
        asked = {p.name for p in stage.parameters}
        chosen = self.profile.parameters.get(STAGES[stage.name], {})
        return {name: value for name, value in known.items() if name in asked} | chosen

    def _dataset(self, name: str) -> dict[str, Any]:
        values = asdict(self.profile.datasets[name]) | {"dataset": name}
        if values["max_length"] is None:
            values["max_length"] = self.profile.max_length
        if values["path"] == SYNTHETIC:
            return values
        del values["n_stays"]
        return values | {"path": os.path.relpath(Path(self.data, values["path"]).resolve())}

    def inputs(self, stage: Stage, cell: dict[str, str]) -> list[str]:
        """Files whose change makes a job run again."""
        own = [stage.notebook, *self.code.files_of(stage.notebook), *self._sources(stage, cell)]
        if stage.name == "reproduction":
            return own + self.measured
        folders = {other.name: other.folder for other in self.stages}
        earlier = [folders[name].format(**cell) for name, _ in self.feeds(stage)]
        return own + [f"{folder}/metrics.json" for folder in earlier]

    def _sources(self, stage: Stage, cell: dict[str, str]) -> list[str]:
        """Files of the user that only this stage reads: tables, or a model in a local folder."""
        given = self.parameters(stage, cell)
        if stage.name == "cohort" and given["path"] != SYNTHETIC:
            return _files(Path(given["path"]), SUFFIXES)
        if stage.name == "classifier":
            return _files(Path(given["backbone"]), (".json", ".safetensors", ".txt"))
        return []

    @property
    def measured(self) -> list[str]:
        """The files of all results that the last page gathers.

        Listed one by one: a run's folder may also hold results that the profile no longer asks for.
        """
        return [f for s in self.stages if s.name != "reproduction" for f in self.metrics(s)]

    def metrics(self, stage: Stage) -> list[str]:
        """The files that all jobs of one stage write."""
        grid = [
            stage.folder.format(dataset=dataset, backbone=backbone, seed=seed)
            for dataset in self.profile.datasets
            for backbone in self.profile.backbones
            for seed in self.profile.seeds_of(stage.name)
        ]
        return [f"{folder}/metrics.json" for folder in dict.fromkeys(grid)]

    def gpus(self, stage: Stage) -> int:
        """GPUs that one job of the stage asks for."""
        return 0 if stage.name in WITHOUT_MODEL else self.profile.gpus

    def command(self, stage: Stage, cell: dict[str, str]) -> str:
        """JSON of a job's parameters, as ``steu run --parameters`` takes it."""
        return json.dumps(self.parameters(stage, cell), sort_keys=True)


def _is_absent(dataset: Dataset, data: str) -> bool:
    """Whether the data folder lacks a dataset that the profile can do without."""
    return dataset.optional and bool(data) and not Path(data, dataset.path).exists()


def left_out(profile: str, *, data: str) -> list[str]:
    """Names of the optional datasets of a profile that the data folder does not hold."""
    return [n for n, d in load_profile(profile).datasets.items() if _is_absent(d, data)]


def _files(path: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The file itself, or the files of these kinds below a folder; none where there is neither."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [str(file) for file in found if file.name.lower().endswith(suffixes) and file.is_file()]


def snakemake_command(
    profile: str,
    *,
    data: str = "",
    run: str = "",
    cores: int = 0,
    cluster: str = "",
    dry_run: bool = False,
) -> list[str]:
    """Command line that runs a profile; what is wrong with the profile is said first.

    `cluster` is a folder with Snakemake's settings for a cluster. The cores of this machine then
    do not count: Snakemake would cut a job's threads down to them.

    Nothing is locked because every result is written whole or not at all, and a lock would
    outlive a run that was killed.

    Raises
    ------
    ValueError
        If `Grid.of` refuses the profile, or the folder for the cluster holds no settings.
    """
    Grid.of(profile, data=data, run=run)
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile"]
    command += ["--nolock", "--rerun-incomplete", "--quiet", "host", "reason"]
    command += [*(["--dry-run"] if dry_run else []), *_where(cores, cluster)]
    return [*command, "--config", f"profile={profile}", f"data={data}", f"run={run}"]


def _where(cores: int, cluster: str) -> list[str]:
    """Options that say on what the jobs run."""
    if not cluster:
        return ["--cores", str(cores or "all")]
    if not Path(cluster, "config.yaml").is_file():
        known = sorted(str(file.parent) for file in Path("workflow").glob("*/config.yaml"))
        raise ValueError(
            f"{cluster}: expected a folder with a config.yaml for a cluster, found none; "
            f"{suggestion(cluster, known)}"
        )
    return ["--workflow-profile", cluster]
