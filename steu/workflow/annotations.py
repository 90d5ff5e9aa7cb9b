"""Types written as source text, in a notebook's parameters cell: pydantic checks values by them."""

from __future__ import annotations

import ast
from functools import cache
from types import EllipsisType
from typing import Annotated, Any, Literal, TypeVar, Union

from pydantic import (
    AfterValidator,
    ConfigDict,
    PydanticUserError,
    Strict,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails

_KNOWN = "int, float, str, bool, list, tuple, dict, Literal, Any and unions of them with |"
_SCALARS: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool, "Any": Any}
_Item = TypeVar("_Item")  # with it a list takes one type in its brackets, and no more
_List = list[_Item]
_CONTAINERS: dict[str, Any] = {"list": _List, "tuple": tuple, "dict": dict}


def check_type(annotation: str, value: Any, *, where: str) -> Any:
    """Check `value` against a type written as source text, e.g. ``"dict[str, list[str]]"``.

    Understood are int, float, str, bool, list, tuple, dict, None, Any, Literal and unions with
    ``|``. An int is accepted for a float and becomes one; a bool is never a number, nor is text.
    Lists and tuples are accepted for each other; both become lists.

    Raises
    ------
    ValueError
        If the type is not understood, or the value is of another one; expected and found are named.
    """
    try:
        return _checker(annotation).validate_python(value)
    except ValidationError as error:
        found = _inside(annotation, error) or f", found {_shown(value)}"
        raise ValueError(f"{where}: expected {annotation}{found}") from error
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def mistake(wrong: ErrorDetails) -> str:
    """Say of one of pydantic's findings, without its place, what was expected and what found."""
    told = wrong["msg"].replace("Input should be", "expected")
    return f"{told[0].lower()}{told[1:]}, found {_shown(wrong['input'])}"


def _inside(annotation: str, error: ValidationError) -> str:
    """Say which item of a container is wrong; of a union nobody knows which type was meant."""
    wrong = error.errors(include_url=False)[0]
    if "|" in annotation or not wrong["loc"]:
        return ""
    return f"; {', '.join(f'item {step!r}' for step in wrong['loc'])}: {mistake(wrong)}"


def _shown(value: Any) -> str:
    return "None" if value is None else f"{value!r} ({type(value).__name__})"


@cache
def _checker(annotation: str) -> TypeAdapter[Any]:
    try:
        kind = _type(ast.parse(annotation, mode="eval").body)
        return TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))
    except (SyntaxError, TypeError, ValueError, PydanticUserError) as error:
        raise ValueError(f"the type {annotation!r} is not one of {_KNOWN}") from error


def _type(node: ast.expr) -> Any:
    """Build the type that `node` writes down; no text is ever evaluated."""
    match node:
        case ast.Name(id=name) if name in _SCALARS:
            return _SCALARS[name]
        case ast.Constant(value=None | EllipsisType()):
            return node.value
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_type(left), _type(right)]  # pyrefly: ignore[invalid-annotation]  # noqa: UP007
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            return Literal[ast.literal_eval(choices)]  # pyrefly: ignore[invalid-literal]
        case ast.Name(id=name) if name in _CONTAINERS:
            return _interchangeable(_CONTAINERS[name])
        case ast.Subscript(value=ast.Name(id=name), slice=items) if name in _CONTAINERS:
            return _interchangeable(_CONTAINERS[name][_type(items)])
        case ast.Tuple(elts=types):
            return tuple(map(_type, types))
    raise ValueError(f"{ast.unparse(node)} is not understood")


def _interchangeable(kind: Any) -> Any:
    """Take lists and tuples for each other: JSON has no tuples, and papermill writes none."""
    if getattr(kind, "__origin__", kind) is dict:
        return kind
    return Annotated[kind, Strict(False), AfterValidator(list)]
