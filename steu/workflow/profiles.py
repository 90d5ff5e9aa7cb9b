"""Profiles: which datasets, backbones and seeds a run is made of, read and checked from YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from steu._errors import check_choice, suggestion
from steu.workflow.datasets import SYNTHETIC, Dataset
from steu.workflow.plain_yaml import PlainLoader
from steu.workflow.records import Record, in_words
from steu.workflow.stages import STAGES, Stage

__all__ = ["SYNTHETIC", "Backbone", "Dataset", "Profile", "check_dataset", "load_profile"]

Precision = Literal["auto", "fp32", "bf16"]  # as in steu.models.hardware, which needs torch
_NOTEBOOKS = [stage.notebook for stage in STAGES.values()]
_OPTIONAL = [stage.name for stage in STAGES.values() if not stage.always]


FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # a name that every engine takes as it is


class Backbone(Record):
    """One pretrained encoder: a hub id, a local folder, or a name that `steu` knows."""

    model: str = Field(min_length=1)
    n_layers: int | None = Field(default=None, ge=1)  # None keeps them all
    pooling: Literal["cls", "mean"] = "cls"  # which state the head reads


class Profile(Record):
    """The grid of one run: datasets × backbones × seeds, and the stages run on it."""

    name: str
    datasets: dict[str, Dataset]
    backbones: dict[str, Backbone]
    seeds: list[int]
    max_length: int = Field(ge=3)
    precision: Precision = "auto"  # of passes through the encoder
    stages: list[str] = ["unlearning"]
    first_seed_only: list[str] = []  # stages too long for every seed
    parameters: dict[str, dict] = {}  # notebook -> {name: value}
    first_seed_parameters: dict[str, dict] = {}  # the same for the first seed, over the others
    threads: int = Field(default=1, ge=1)  # of one job
    gpus: int = Field(default=0, ge=0)  # of one job that computes with a model

    @property
    def all_stages(self) -> list[Stage]:
        """The stages that run, in the order of the book."""
        return [s for s in STAGES.values() if s.always or s.name in self.stages]

    def seeds_of(self, stage: str) -> list[int]:
        """Seeds that one stage runs with."""
        return self.seeds[:1] if stage in self.first_seed_only else self.seeds

    def cells_of(self, stage: Stage) -> dict[str, dict[str, str]]:
        """All jobs of one stage: what each is for, by where it writes below the run's folder."""
        cells = [
            {"dataset": dataset, "backbone": backbone, "seed": str(seed)}
            for dataset in self.datasets
            for backbone in self.backbones
            for seed in self.seeds_of(stage.name)
        ]
        named = [{n: v for n, v in cell.items() if f"{{{n}}}" in stage.folder} for cell in cells]
        return {stage.folder.format(**cell): cell for cell in named}

    def folders_of(self, stage: Stage) -> list[str]:
        """Where all jobs of one stage write, below the folder of the run."""
        return list(self.cells_of(stage))

    @field_validator("datasets", "backbones", "seeds")
    @classmethod
    def _not_empty(cls, values: Any) -> Any:
        if not values:
            raise ValueError("empty; name at least one")
        return values

    @field_validator("name", "datasets", "backbones")
    @classmethod
    def _names_of_folders(cls, named: str | dict[str, Any]) -> str | dict[str, Any]:
        names = [named] if isinstance(named, str) else list(named)
        for name in names:
            if not FOLDER.fullmatch(name):
                raise ValueError(
                    f"{name!r} is the name of a folder: it may hold letters, digits, _, - and "
                    "dots, and begins with a letter or digit"
                )
        for name, other in combinations(names, 2):
            if name.casefold() == other.casefold():
                raise ValueError(
                    f"{name!r} and {other!r} are one folder where case does not matter, as on "
                    "macOS: rename one"
                )
        return named

    @field_validator("seeds")
    @classmethod
    def _without_a_gap(cls, seeds: list[int]) -> list[int]:
        if missing := set(range(len(seeds))) - set(seeds):
            raise ValueError(
                f"{seeds} leave out {min(missing)}; list each of 0, 1, 2, … once, "
                "so that no result of the grid is missing"
            )
        return seeds

    @field_validator("stages")
    @classmethod
    def _known_stages(cls, stages: list[str]) -> list[str]:
        for stage in stages:
            check_choice(stage, _OPTIONAL, what="stage")
        if "unlearning" not in stages:  # said now, and not by the last page after hours
            raise ValueError(
                f"expected 'unlearning' among them, which the last page is about; found {stages}: "
                "add it, or run single notebooks with steu run"
            )
        return stages

    def parameters_of(self, notebook: str, seed: str | None = None) -> dict[str, Any]:
        """What the profile sets for a notebook, at one seed if it runs for each."""
        own = dict(self.parameters.get(notebook, {}))
        if seed == str(self.seeds[0]):
            own |= self.first_seed_parameters.get(notebook, {})
        return own

    @field_validator("parameters", "first_seed_parameters")
    @classmethod
    def _known_notebooks(cls, parameters: dict[str, dict]) -> dict[str, dict]:
        for notebook in parameters:
            check_choice(notebook, _NOTEBOOKS, what="notebook")
        return parameters

    @model_validator(mode="after")
    def _runs_what_it_limits(self) -> Self:
        for stage in self.first_seed_only:
            if stage not in self.stages:
                raise ValueError(
                    f"first_seed_only: {stage!r} is not among the stages; "
                    f"{suggestion(stage, self.stages)}"
                )
        per_seed = [s.notebook for s in STAGES.values() if s.per == "seed"]
        for notebook in self.first_seed_parameters:
            if notebook not in per_seed:
                raise ValueError(
                    f"first_seed_parameters: {notebook} does not run for each seed; "
                    "set it under parameters"
                )
        return self


class _Asked(Dataset):
    """A dataset as the first notebook is told of it, which may ask for no class to forget."""

    restricted: bool = False
    forget_label: str = ""

    @model_validator(mode="after")
    def _forgets_one_of_its_labels(self) -> Self:
        return self  # the page holds it against the labels that it found


def check_dataset(values: Mapping[str, Any], *, where: str) -> None:
    """Refuse parameters of the first notebook that no profile could give it.

    Raises
    ------
    ValueError
        If labels or options do not suit the layout, or one of them is of another type.
    """
    unused = set() if values.get("path") == SYNTHETIC else {"n_stays"}
    told = {name: values[name] for name in values.keys() & (Dataset.model_fields.keys() - unused)}
    try:
        _Asked.model_validate(told)
    except ValidationError as error:
        raise ValueError(f"{where}: {in_words(error, Dataset)}") from error


def load_profile(name: str, *, root: str | Path = ".") -> Profile:
    """Read ``profiles/<name>.yaml``, or the file that `name` is the path of.

    Raises
    ------
    ValueError
        If there is no such profile, a key is unknown, missing or of another type, a stage or a
        notebook does not exist, or the seeds are not 0, 1, 2, … without a gap.
    """
    file = name if name.lower().endswith((".yaml", ".yml")) else f"{name}.yaml"
    is_path = file == name or Path(name).name != name
    places = [*([Path(file)] if is_path else []), Path(root, "profiles", file)]
    path = next((place for place in places if place.is_file()), places[0])
    if not path.is_file():
        known = sorted(one.stem for one in Path(root, "profiles").glob("*.yaml"))
        raise ValueError(f"{path}: no such profile; {suggestion(path.stem, known)}")
    try:
        return Profile.model_validate({"name": path.stem} | _read(path))
    except ValidationError as error:
        raise ValueError(f"{path}: {in_words(error, Profile)}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=PlainLoader)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    except ValueError as error:  # of a date or a number that YAML takes a text for
        raise ValueError(f"{path}: {error}; put the value in quotes") from error
    except (AttributeError, KeyError, RecursionError) as error:  # PyYAML's own slips
        raise ValueError(
            f"{path}: YAML that cannot be read ({type(error).__name__}): write plain texts, "
            "numbers, lists and mappings, without !! before a value"
        ) from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a mapping with {', '.join(Profile.model_fields)}")
    return values
