"""Records that a profile is made of: each key is known, each value is of the type written down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from steu._errors import in_one_line, suggestion
from steu.workflow.annotations import mistake


class Record(BaseModel):
    """A part of a profile."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def in_words(error: ValidationError, kind: type[BaseModel]) -> str:
    """Say the first mistake in one line; an unknown key goes before the one it was meant for."""
    wrong = error.errors(include_url=False)
    first = next((w for w in wrong if w["type"] == "extra_forbidden"), wrong[0])
    return ": ".join([*map(in_one_line, first["loc"]), _told(first, kind)])


def _told(wrong: ErrorDetails, kind: type[BaseModel]) -> str:
    place = wrong["loc"]
    match wrong["type"]:
        case "extra_forbidden":
            return f"unknown key; {suggestion(str(place[-1]), _keys(kind, place[:-1]))}"
        case "missing":
            return f"missing; it is of type {_keys(kind, place[:-1])[str(place[-1])]}"
        case "model_type":
            keys = ", ".join(_keys(kind, place))
            return f"expected a mapping with {keys}, found {wrong['input']!r}"
        case "string_type" if isinstance(wrong["input"], (int, float, date)):
            return f"{mistake(wrong)}; put it in quotes (YAML reads an unquoted NO as false)"
        case "value_error":
            return str(wrong["ctx"]["error"])
    return mistake(wrong)


def _keys(kind: type[BaseModel], place: Sequence[int | str]) -> dict[str, str]:
    """Keys and their types of the record at one place: the whole itself, or a part of it."""
    if place:
        kind = get_args(kind.model_fields[str(place[0])].annotation)[1]
    return kind.__annotations__
