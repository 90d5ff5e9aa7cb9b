"""Profiles: which datasets, backbones and seeds a run is made of, read and checked from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from steu._errors import suggestion
from steu.workflow.parameters import check_type

STAGES = {  # name -> notebook, in the order of the book
    "cohort": "01_cohort",
    "classifier": "02_classifier",
    "pmi": "03_pmi",
    "unlearning": "04_unlearning",
    "baselines": "05_baselines",
    "references": "05b_references",
    "token_count": "06_token_count",
    "selectors": "06b_selectors",
    "head_size": "07_head_size",
    "every_class": "07b_every_class",
    "audit": "08_audit",
    "reproduction": "09_reproduction",
}
ALWAYS = ("cohort", "classifier", "pmi", "reproduction")
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Dataset:
    """Where one dataset lies, what is read from it, and which class is to be forgotten."""

    layout: str
    path: str  # relative to the data folder; "synthetic" writes a made-up corpus instead
    restricted: bool  # True: credentialed, no text of a note may be rendered
    forget_label: str
    labels: dict
    n_stays: int | None = None  # of a made-up corpus
    options: dict = field(default_factory=dict)
    optional: bool = False  # left out, and said to be, where its path does not exist
    max_length: int | None = None  # window of the encoder, where it is not the profile's


@dataclass(frozen=True)
class Backbone:
    """One pretrained encoder: a hub id, a local folder, or a name that steu.models.loading knows."""

    model: str
    n_layers: int | None = None  # None keeps them all


@dataclass(frozen=True)
class Profile:
    """The grid of one run: datasets × backbones × seeds, and the stages run on it."""

    name: str
    datasets: Mapping[str, Dataset]
    backbones: Mapping[str, Backbone]
    seeds: list[int]
    max_length: int
    stages: list[str] = field(default_factory=list)
    first_seed_only: list[str] = field(default_factory=list)  # stages too long for every seed
    parameters: dict = field(default_factory=dict)  # notebook -> {name: value}
    threads: int = 1  # of one job
    gpus: int = 0  # of one job that computes with a model

    @property
    def all_stages(self) -> list[str]:
        """Names of the stages that run, in the order of the book."""
        return [name for name in STAGES if name in ALWAYS or name in self.stages]

    def seeds_of(self, stage: str) -> list[int]:
        """Seeds that one stage runs with."""
        return self.seeds[:1] if stage in self.first_seed_only else self.seeds


_NESTED: dict[str, type] = {"datasets": Dataset, "backbones": Backbone}


def load_profile(name: str, *, root: str | Path = ".") -> Profile:
    """Read ``profiles/<name>.yaml``, or the file that `name` is the path of.

    Raises
    ------
    ValueError
        If there is no such profile, a key is unknown, missing or of another type, a stage or a
        notebook does not exist, or the seeds are not 0, 1, 2, … without a gap.
    """
    path = Path(name) if name.endswith(".yaml") else Path(root, "profiles", f"{name}.yaml")
    values = _read(path)
    for key in _NESTED.keys() & values.keys():
        check_type("dict[str, Any]", values[key], where=f"{path}: {key}")
        values[key] = {
            name: _record(_NESTED[key], value, where=f"{path}: {key}: {name}")
            for name, value in values[key].items()
        }
    profile: Profile = _record(Profile, {"name": path.stem, **values}, where=str(path))
    _check(profile, where=str(path))
    return profile


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise ValueError(f"{path}: no such profile; {suggestion(path.stem, known)}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a mapping with datasets, backbones, seeds, …")
    return values


def _record(kind: type, values: Any, *, where: str) -> Any:
    """Make a dataclass of a mapping, with its keys and their types checked."""
    known = {f.name: f for f in fields(kind)}
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected a mapping with {', '.join(known)}, found {values!r}")
    for name in values:
        if name not in known:
            raise ValueError(f"{where}: unknown key {name!r}; {suggestion(str(name), known)}")
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{where}: {name} is missing; it is of type {f.type}")
    checked = {
        n: v if n in _NESTED else check_type(str(known[n].type), v, where=f"{where}: {n}")
        for n, v in values.items()
    }
    return kind(**checked)


def _check(profile: Profile, *, where: str) -> None:
    """What a type alone does not say about a profile."""
    for key in ("datasets", "backbones", "seeds"):
        if not getattr(profile, key):
            raise ValueError(f"{where}: {key} is empty; name at least one")
    if missing := set(range(len(profile.seeds))) - set(profile.seeds):
        raise ValueError(
            f"{where}: seeds {profile.seeds} leave out {min(missing)}; "
            "list each of 0, 1, 2, … once, so that no result of the grid is missing"
        )
    optional = [name for name in STAGES if name not in ALWAYS]
    for stage in profile.stages:
        if stage not in optional:
            raise ValueError(f"{where}: stages: unknown {stage!r}; {suggestion(stage, optional)}")
    for stage in profile.first_seed_only:
        if stage not in profile.stages:
            raise ValueError(
                f"{where}: first_seed_only: {stage!r} is not among the stages; "
                f"{suggestion(stage, profile.stages)}"
            )
    for notebook, values in profile.parameters.items():
        if notebook not in STAGES.values():
            raise ValueError(
                f"{where}: parameters: unknown notebook {notebook!r}; "
                f"{suggestion(notebook, STAGES.values())}"
            )
        check_type("dict", values, where=f"{where}: parameters: {notebook}")
    for name, dataset in profile.datasets.items():
        if (dataset.path == SYNTHETIC) != (dataset.n_stays is not None):
            raise ValueError(
                f"{where}: datasets: {name}: n_stays goes with 'path: {SYNTHETIC}' and with no "
                f"other; found path {dataset.path!r} and n_stays {dataset.n_stays}"
            )
        if dataset.layout != "table" and dataset.forget_label not in dataset.labels:
            raise ValueError(
                f"{where}: datasets: {name}: forget_label {dataset.forget_label!r} is not among "
                f"the labels; {suggestion(dataset.forget_label, dataset.labels)}"
            )
