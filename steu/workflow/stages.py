"""The stages of a run: which notebook each is, how often it runs, and what it reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from steu._errors import suggestion
from steu.workflow.parameters import Parameter

Per = Literal["run", "dataset", "backbone", "seed"]
_PLACES: dict[Per, str] = {
    "run": "",
    "dataset": "{dataset}/",
    "backbone": "{dataset}/{backbone}/",
    "seed": "{dataset}/{backbone}/seed{seed}/",
}


@dataclass(frozen=True)
class Stage:
    """One notebook of the workflow, as the whole workflow knows it."""

    name: str
    notebook: str  # its file in notebooks/, without the ending
    per: Per  # one job for the run, or one for each dataset, backbone on it, or seed of that
    reads: Mapping[str, str] = field(default_factory=dict)  # parameter -> stage of that folder
    sources: Mapping[str, Literal["tables", "model"]] = field(default_factory=dict)  # the user's
    first: Mapping[str, str] = field(default_factory=dict)  # the same, of the first seed; "" there
    gathers: str | None = None  # parameter that lists the metrics.json of all other stages
    with_model: bool = True  # computes with a model, so that a GPU helps
    always: bool = False  # runs in every profile, listed or not

    @property
    def path(self) -> str:
        """The notebook, relative to the project's root."""
        return f"notebooks/{self.notebook}.ipynb"

    @property
    def folder(self) -> str:
        """Where it writes below the folder of a run, with wildcards in braces."""
        return f"{_PLACES[self.per]}{self.name}"

    @property
    def parameters(self) -> dict[str, str]:
        """Parameters that its notebook has to have, and their types."""
        texts = dict.fromkeys((*self.reads, *self.first, *self.sources, "output"), "str")
        return texts | ({self.gathers: "list[str]"} if self.gathers else {})


_NOTES = {"cohort": "cohort"}
_MODEL = _NOTES | {"classifier": "classifier"}
_EDIT = _MODEL | {"scores": "pmi"}

_IN_ORDER = (
    Stage(
        "cohort",
        "01_cohort",
        per="dataset",
        sources={"path": "tables"},
        with_model=False,
        always=True,
    ),
    Stage(
        "classifier",
        "02_classifier",
        per="seed",
        reads=_NOTES,
        sources={"backbone": "model"},
        always=True,
    ),
    Stage(
        "pmi",
        "03_pmi",
        per="backbone",
        reads=_NOTES,
        sources={"backbone": "model"},
        with_model=False,
        always=True,
    ),
    Stage("unlearning", "04_unlearning", per="seed", reads=_EDIT),
    Stage("baselines", "05_baselines", per="seed", reads=_EDIT, first={"chosen": "baselines"}),
    Stage("references", "05b_references", per="seed", reads=_MODEL | {"baselines": "baselines"}),
    Stage("token_count", "06_token_count", per="seed", reads=_EDIT),
    Stage("selectors", "06b_selectors", per="seed", reads=_EDIT),
    Stage("head_size", "07_head_size", per="seed", reads=_EDIT),
    Stage("every_class", "07b_every_class", per="seed", reads=_EDIT),
    Stage("audit", "08_audit", per="seed", reads=_EDIT | {"baselines": "baselines"}),
    Stage("recovery", "08b_recovery", per="seed", reads=_EDIT | {"baselines": "baselines"}),
    Stage(
        "reproduction",
        "09_reproduction",
        per="run",
        gathers="metrics",
        with_model=False,
        always=True,
    ),
    Stage(
        "withdraw",
        "10_withdraw",
        per="backbone",
        reads=_NOTES,
        sources={"backbone": "model"},
    ),
)
STAGES = {stage.name: stage for stage in _IN_ORDER}  # in the order of the book


def check_declared(stage: Stage, parameters: Iterable[Parameter]) -> None:
    """Refuse a notebook that lacks a parameter which its stage declares.

    Raises
    ------
    ValueError
        If one is missing (the nearest is offered) or of another type.
    """
    types = {parameter.name: parameter.type for parameter in parameters}
    for name, kind in stage.parameters.items():
        if types.get(name) != kind:
            near = f"type {types[name]}" if name in types else f"none; {suggestion(name, types)}"
            raise ValueError(
                f"{stage.path}: expected the parameter '{name}: {kind}' that "
                f"steu/workflow/stages.py declares, found {near}"
            )
