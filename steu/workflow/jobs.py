"""The grid of jobs behind a profile: folders, parameters and inputs, for the Snakefile."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from steu._io import files_below
from steu.data.readers.finding import SUFFIXES
from steu.workflow.checks import check_grid
from steu.workflow.code_dependencies import PackageCode
from steu.workflow.parameters import Parameter, notebook_parameters
from steu.workflow.profiles import SYNTHETIC, Dataset, Profile, load_profile
from steu.workflow.stages import STAGES, Stage

ENDS = 1_000_000  # bytes of a file, at its start and its end, by which it is known
_FILES = {"tables": SUFFIXES, "model": (".json", ".safetensors", ".txt")}


@dataclass(frozen=True)
class Grid:
    """All jobs of one profile, written below the folder `run`, read from the folder `data`.

    A `cell` holds what one job is for: dataset, backbone and seed, as far as they apply.
    """

    profile: Profile
    run: str
    data: str
    left_out: tuple[str, ...] = ()  # optional datasets that the data folder does not hold

    @classmethod
    def of(cls, profile: str, *, data: str = "", run: str = "") -> Grid:
        """Read a profile and check that its data and notebooks exist and its parameters fit.

        Paths are relative to the current folder, which has to be the project's root.

        Raises
        ------
        ValueError
            If the data folder, the folder of a model or a notebook is missing, a parameter of the
            profile does not fit, or a notebook lacks a parameter that its stage declares.
        """
        loaded, absent = load_profile(profile), tuple(left_out(profile, data=data))
        there = {n: d for n, d in loaded.datasets.items() if n not in absent}
        present = loaded.model_copy(update={"datasets": there or loaded.datasets})
        grid = cls(present, run or f"runs/{loaded.name}", data, absent)
        check_grid(grid)
        return grid

    @cached_property
    def code(self) -> PackageCode:
        """What the notebooks import of the package, read once for all jobs."""
        return PackageCode()

    @cached_property
    def stages(self) -> list[Stage]:
        """The stages of the profile, in the order of the book."""
        return self.profile.all_stages

    @cached_property
    def declared(self) -> dict[str, list[Parameter]]:
        """The parameters that the notebook of each stage has, read once for all jobs."""
        return {stage.name: notebook_parameters(stage.path) for stage in self.stages}

    def first_cell(self, stage: Stage, seed: int | None = None) -> dict[str, str]:
        """What the first job of a stage is for, or the first with a seed, where it has one."""
        cell = next(iter(self.profile.cells_of(stage).values()))
        return cell if seed is None or "seed" not in cell else cell | {"seed": str(seed)}

    def folder(self, stage: Stage, cell: Mapping[str, str]) -> str:
        """The folder that one job writes to."""
        return f"{self.run}/{stage.folder.format(**cell)}"

    def _of_first_seed(self, stage: Stage, cell: Mapping[str, str]) -> str:
        """That of the same job of the first seed; "" if it is that one."""
        first = str(self.profile.seeds[0])
        return "" if cell["seed"] == first else self.folder(stage, {**cell, "seed": first})

    def parameters(self, stage: Stage, cell: Mapping[str, str]) -> dict[str, Any]:
        """Values for one job: what its notebook asks for and the grid knows, then the profile's."""
        chosen = self.profile.parameters_of(stage.notebook, cell.get("seed"))
        return self.given(stage, cell) | chosen

    def given(self, stage: Stage, cell: Mapping[str, str]) -> dict[str, Any]:
        """What the grid knows of what the notebook asks for."""
        known = self._known(cell) | {"output": self.folder(stage, cell)}
        known |= {p: self.folder(STAGES[name], cell) for p, name in stage.reads.items()}
        known |= {p: self._of_first_seed(STAGES[name], cell) for p, name in stage.first.items()}
        if stage.gathers:
            known[stage.gathers] = self.measured
        asked = {parameter.name for parameter in self.declared[stage.name]}
        return {name: v for name, v in known.items() if name in asked}

    def _known(self, cell: Mapping[str, str]) -> dict[str, Any]:
        known: dict[str, Any] = {"run": self.run, "profile": self.profile.name}
        known["precision"] = self.profile.precision
        if "dataset" in cell:
            known |= self.dataset(cell["dataset"])
        if "backbone" in cell:
            backbone = self.profile.backbones[cell["backbone"]]
            known |= {"backbone": backbone.model, **backbone.model_dump(exclude={"model"})}
            known["backbone_name"] = cell["backbone"]
            shared = f"{self.run}/{cell['dataset']}/{cell['backbone']}"
            known |= {name: f"{shared}/{name}" for name in ("encoded", "trained")}
        if "seed" in cell:
            known["seed"] = int(cell["seed"])
        return known

    def dataset(self, name: str) -> dict[str, Any]:
        """What the profile says of a dataset, with its paths as a job is to see them."""
        values = self.profile.datasets[name].model_dump() | {"dataset": name}
        if values["max_length"] is None:
            values["max_length"] = self.profile.max_length
        if values["path"] == SYNTHETIC:
            return values
        del values["n_stays"]
        if "notes" in values["options"]:  # of a download of its own
            values["options"] = values["options"] | {
                "notes": self._below(values["options"]["notes"])
            }
        return values | {"path": self._below(values["path"])}

    def _below(self, path: str) -> str:
        """A path of the profile, which is relative to the data's folder, as a job is to see it."""
        named = Path(self.data, path)  # what it links to may not say what kind of file it is
        return os.path.relpath(named.parent.resolve() / named.name)

    def inputs(self, stage: Stage, cell: Mapping[str, str]) -> list[str]:
        """Files whose change makes a job run again."""
        read = [self.folder(STAGES[name], cell) for name in stage.reads.values()]
        read += [self._of_first_seed(STAGES[name], cell) for name in stage.first.values()]
        earlier = [f"{folder}/metrics.json" for folder in read if folder]
        return self._own(stage, cell) + earlier + (self.measured if stage.gathers else [])

    def state(self, stage: Stage, cell: Mapping[str, str]) -> str:
        """Digest of what a job reads and no job writes; its results are of this state.

        Snakemake looks at files that are newer than the results. One that was moved or unpacked
        here may be older, and another all the same.
        """
        own = self._own(stage, cell)
        for file in set(own) - self._digests.keys():
            self._digests[file] = digest_of_ends(Path(file))
        told = "".join(f"{file} {self._digests[file]}\n" for file in sorted(own))
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def _own(self, stage: Stage, cell: Mapping[str, str]) -> list[str]:
        """Files that a job reads and no job writes."""
        return [stage.path, *self.code.files_of(stage.path), *self._sources(stage, cell)]

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Of files that `state` has looked at: many jobs read the same."""
        return {}

    def _sources(self, stage: Stage, cell: Mapping[str, str]) -> list[str]:
        """Files of the user that a job reads."""
        given = self.parameters(stage, cell)
        named = {given[p]: kind for p, kind in stage.sources.items() if given[p] != SYNTHETIC}
        if "notes" in given.get("options", {}):
            named[given["options"]["notes"]] = "tables"
        return [f for path, kind in named.items() for f in _files(Path(path), _FILES[kind])]

    @cached_property
    def measured(self) -> list[str]:
        """The files of all results that the last page gathers.

        Listed one by one: a run's folder may also hold results that the profile no longer asks for.
        """
        return [f for s in self.stages if not s.gathers for f in self.metrics(s)]

    @property
    def results(self) -> list[str]:
        """The files of all results of the run, those that gather the others last."""
        return self.measured + [f for s in self.stages if s.gathers for f in self.metrics(s)]

    def metrics(self, stage: Stage) -> list[str]:
        """The files that all jobs of one stage write."""
        return [f"{self.run}/{folder}/metrics.json" for folder in self.profile.folders_of(stage)]

    def priority(self, stage: Stage, cell: Mapping[str, str]) -> int:
        """What most others wait for comes first; then the later in the book, which takes longer.

        Long jobs that begin last leave the other cores without work. For most of the book only the
        classifier of the first seed is waited for.
        """
        seed = int(cell.get("seed", self.profile.seeds[0]))
        waiting = [name for name in self._after(stage) if seed in self.profile.seeds_of(name)]
        if stage.name in stage.first.values() and seed == self.profile.seeds[0]:
            waiting += [stage.name] * (len(self.profile.seeds_of(stage.name)) - 1)
        return len(STAGES) * len(waiting) + list(STAGES).index(stage.name)

    def _after(self, stage: Stage) -> set[str]:
        direct = [other for other in self.stages if stage.name in other.reads.values()]
        return {other.name for other in direct}.union(*map(self._after, direct))

    def gpus(self, stage: Stage) -> int:
        """GPUs that one job of the stage asks for."""
        return self.profile.gpus if stage.with_model else 0

    def command(self, stage: Stage, cell: Mapping[str, str]) -> str:
        """JSON of a job's parameters, as ``steu run --parameters`` takes it."""
        return json.dumps(self.parameters(stage, cell), sort_keys=True)


def digest_of_ends(path: Path) -> str:
    """Of a file's size, its first and its last million bytes.

    That is all of code and notebooks; tables may be large, and what packs them ends with a checksum
    of the whole.
    """
    with path.open("rb") as stream:
        digest = hashlib.sha256(stream.read(ENDS))
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - ENDS, 0))
        digest.update(stream.read())
    return f"{size} {digest.hexdigest()}"


def _is_absent(dataset: Dataset, data: str) -> bool:
    """Whether the data folder lacks a dataset that the profile can do without."""
    return dataset.optional and bool(data) and not Path(data, dataset.path).exists()


def left_out(profile: str, *, data: str) -> list[str]:
    """Names of the optional datasets of a profile that the data folder does not hold."""
    return [n for n, d in load_profile(profile).datasets.items() if _is_absent(d, data)]


def _files(path: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The file itself, or the files of these kinds below a folder; none where there is neither."""
    if not path.is_dir():
        return [str(path)] if path.is_file() else []
    return [str(file) for file in files_below(path) if file.name.lower().endswith(suffixes)]
