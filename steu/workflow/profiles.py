"""Profiles: which datasets, backbones and seeds a run is made of, read and checked from YAML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from steu._errors import check_choice, in_one_line, suggestion
from steu.workflow.annotations import mistake
from steu.workflow.stages import STAGES, Stage

SYNTHETIC = "synthetic"
Precision = Literal["auto", "fp32", "bf16"]  # as in steu.models.inference, which needs torch
_NOTEBOOKS = [stage.notebook for stage in STAGES.values()]
_OPTIONAL = [stage.name for stage in STAGES.values() if not stage.always]


FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # a name that every engine takes as it is


class _Record(BaseModel):
    """A part of a profile: every key is known, every value is of the type that is written down."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Dataset(_Record):
    """Where one dataset lies, what is read from it, and which class is to be forgotten."""

    layout: Literal["mimic_iv", "mimic_iii", "eicu", "table"]
    path: str  # relative to the data folder; "synthetic" writes a made-up corpus instead
    restricted: bool  # True: credentialed, no text of a note may be rendered
    forget_label: str
    labels: dict
    n_stays: int | None = None  # of a made-up corpus
    options: dict = {}
    optional: bool = False  # left out, and said to be, where its path does not exist
    max_length: int | None = None  # window of the encoder, where it is not the profile's

    @model_validator(mode="after")
    def _only_a_synthetic_one_has_stays(self) -> Self:
        if (self.path == SYNTHETIC) != (self.n_stays is not None):
            raise ValueError(
                f"n_stays goes with 'path: {SYNTHETIC}' and with no other; "
                f"found path {self.path!r} and n_stays {self.n_stays}"
            )
        return self

    @model_validator(mode="after")
    def _forgets_one_of_its_labels(self) -> Self:
        known: Any = self.labels
        if self.layout == "table":
            known = self.labels.get("columns") or self.labels.get("keep")
        odd = next((name for name in known or () if not isinstance(name, str)), None)
        if odd is not None:
            raise ValueError(
                f"labels: expected text, found {odd!r} ({type(odd).__name__}); put it in quotes "
                "(YAML reads an unquoted NO as false)"
            )
        if known is not None and self.forget_label not in known:
            raise ValueError(
                f"forget_label {self.forget_label!r} is not among the labels; "
                f"{suggestion(self.forget_label, known)}"
            )
        return self


class Backbone(_Record):
    """One pretrained encoder: a hub id, a local folder, or a name that `steu` knows."""

    model: str
    n_layers: int | None = None  # None keeps them all
    pooling: Literal["cls", "mean"] = "cls"  # which state the head reads


class Profile(_Record):
    """The grid of one run: datasets × backbones × seeds, and the stages run on it."""

    name: str
    datasets: dict[str, Dataset]
    backbones: dict[str, Backbone]
    seeds: list[int]
    max_length: int
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

    @field_validator("datasets", "backbones", "seeds")
    @classmethod
    def _not_empty(cls, values: Any) -> Any:
        if not values:
            raise ValueError("empty; name at least one")
        return values

    @field_validator("datasets", "backbones")
    @classmethod
    def _names_of_folders(cls, records: dict[str, Any]) -> dict[str, Any]:
        for name in records:
            if not FOLDER.fullmatch(name):
                raise ValueError(
                    f"{name!r} is the name of a folder: it may hold letters, digits, _, - and dots, "
                    "and begins with a letter or digit"
                )
        return records

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


def load_profile(name: str, *, root: str | Path = ".") -> Profile:
    """Read ``profiles/<name>.yaml``, or the file that `name` is the path of.

    Raises
    ------
    ValueError
        If there is no such profile, a key is unknown, missing or of another type, a stage or a
        notebook does not exist, or the seeds are not 0, 1, 2, … without a gap.
    """
    path = Path(name) if name.endswith(".yaml") else Path(root, "profiles", f"{name}.yaml")
    try:
        return Profile.model_validate({"name": path.stem} | _read(path))
    except ValidationError as error:
        raise ValueError(f"{path}: {_one_line(error)}") from error


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise ValueError(f"{path}: no such profile; {suggestion(path.stem, known)}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a mapping with {', '.join(Profile.model_fields)}")
    return values


def _one_line(error: ValidationError) -> str:
    """Say the first mistake; an unknown key goes before the missing one that it was meant for."""
    wrong = error.errors(include_url=False)
    first = next((w for w in wrong if w["type"] == "extra_forbidden"), wrong[0])
    return ": ".join([*map(in_one_line, first["loc"]), _told(first)])


def _told(wrong: ErrorDetails) -> str:
    place = wrong["loc"]
    match wrong["type"]:
        case "extra_forbidden":
            return f"unknown key; {suggestion(str(place[-1]), _keys(place[:-1]))}"
        case "missing":
            return f"missing; it is of type {_keys(place[:-1])[str(place[-1])]}"
        case "model_type":
            return f"expected a mapping with {', '.join(_keys(place))}, found {wrong['input']!r}"
        case "value_error":
            return str(wrong["ctx"]["error"])
    return mistake(wrong)


def _keys(place: Sequence[int | str]) -> dict[str, str]:
    """Keys and their types of the record at one place: the profile itself, or a part of it."""
    kind = get_args(Profile.model_fields[str(place[0])].annotation)[1] if place else Profile
    return kind.__annotations__
