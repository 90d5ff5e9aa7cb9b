"""What a profile says of one dataset: where it lies, what is read of it, what is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from steu._errors import suggestion
from steu.data.labels import check_labels
from steu.workflow.records import Record, in_words

SYNTHETIC = "synthetic"


class Codes(RootModel[dict[str, list[str]]]):
    """Labels of a database: the prefixes of the codes that make each."""

    model_config = ConfigDict(strict=True)


class ColumnOfLabels(Record):
    """Labels of a table that one column names."""

    column: str
    delimiter: str | None = None
    top_n: int | None = Field(default=None, ge=1)
    keep: list[str] | None = None

    @model_validator(mode="after")
    def _has_something_between(self) -> Self:
        if "delimiter" in self.model_fields_set and not self.delimiter:
            raise ValueError(
                f"delimiter is {self.delimiter!r}; expected what stands between labels, in quotes "
                "(YAML takes | and # for its own), or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _chooses_in_one_way(self) -> Self:
        if self.keep is not None and self.top_n is not None:
            raise ValueError("'keep' names labels and 'top_n' counts them: leave one out")
        return self


class ColumnsOfLabels(Record):
    """Labels of a table that have a column each."""

    columns: list[str] = Field(min_length=1)


# What each reader can be told, as its own keywords: they need DuckDB, which whoever only builds
# pages may lack.


Section = Literal[
    "pastHistory",
    "physicalExam",
    "note",
    "medication",
    "admissionDx",
    "treatment",
    "infusionDrug",
    "admissionDrug",
    "allergy",
]


class OfMimic(Record):
    """Options of `read_mimic`."""

    text_source: Literal["notes", "orders"] = "notes"
    notes: str = ""


class OfEicu(Record):
    """Options of `read_eicu`."""

    sections: list[Section] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _lists_each_section_once(self) -> Self:
        listed: list[Section] = self.sections or []
        twice = [name for i, name in enumerate(listed) if name in listed[:i]]
        if twice:
            raise ValueError(f"the section {twice[0]} is listed twice; leave one out")
        return self


class OfTable(Record):
    """Options of `read_plain`."""

    text: str
    id: str | None = None
    subject: str | None = None
    group_by: str | None = None
    split: str | None = None


OPTIONS: dict[str, type[Record]] = {
    "mimic_iv": OfMimic,
    "mimic_iii": OfMimic,
    "eicu": OfEicu,
    "table": OfTable,
}


class Dataset(Record):
    """Where one dataset lies, what is read from it, and which class is to be forgotten."""

    layout: Literal["mimic_iv", "mimic_iii", "eicu", "table"]
    path: str  # relative to the data folder; "synthetic" writes a made-up corpus instead
    restricted: bool  # True: credentialed, no text of a note may be rendered
    forget_label: str = Field(min_length=1)
    labels: dict  # Codes, ColumnOfLabels or ColumnsOfLabels
    n_stays: int | None = Field(default=None, ge=1)  # of a made-up corpus
    options: dict = {}  # of the layout: OPTIONS
    optional: bool = False  # left out, and said to be, where its path does not exist
    max_length: int | None = Field(default=None, ge=3)  # of the encoder, if not the profile's

    @property
    def label_names(self) -> list[str] | None:
        """What its labels are called; None where only the table says it."""
        named = self.labels
        if self.layout == "table":
            named = self.labels.get("columns") or self.labels.get("keep")
        return [name.strip() for name in named] if named else None

    @model_validator(mode="after")
    def _only_a_synthetic_one_has_stays(self) -> Self:
        if (self.path == SYNTHETIC) != (self.n_stays is not None):
            raise ValueError(
                f"n_stays goes with 'path: {SYNTHETIC}' and with no other; "
                f"found path {self.path!r} and n_stays {self.n_stays}"
            )
        return self

    @model_validator(mode="after")
    def _says_what_its_layout_can_be_told(self) -> Self:
        of_table = ColumnsOfLabels if "columns" in self.labels else ColumnOfLabels
        _check("labels", self.labels, of_table if self.layout == "table" else Codes)
        if self.layout != "table":
            check_labels(self.labels)
        _check("options", self.options, OPTIONS[self.layout])
        return self

    @model_validator(mode="after")
    def _forgets_one_of_its_labels(self) -> Self:
        known = self.label_names
        if known is not None and self.forget_label not in known:
            raise ValueError(
                f"forget_label {self.forget_label!r} is not among the labels; "
                f"{suggestion(self.forget_label, known)}"
            )
        return self


def _check(name: str, values: Mapping[Any, Any], kind: type[BaseModel]) -> None:
    try:
        kind.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{name}: {in_words(error, kind)}") from None
