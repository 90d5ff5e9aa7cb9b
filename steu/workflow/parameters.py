"""A notebook's parameters: names, types, defaults and meanings, read from its own cell."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from steu._errors import check_choice, suggestion

_SCALARS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
}
_CONTAINERS: dict[str, tuple[type, ...]] = {
    "list": (list, tuple),
    "tuple": (list, tuple),
    "dict": (dict,),
}

_KNOWN = "int, float, str, bool, list, tuple, dict, Literal, Any and unions of them with |"


@dataclass(frozen=True)
class Parameter:
    """One annotated assignment of a parameters cell: ``name: type = default  # meaning``."""

    name: str
    type: str
    default: Any
    meaning: str

    def check(self, value: Any, *, where: str) -> Any:
        """Return `value` as the notebook receives it, or refuse it.

        Raises
        ------
        ValueError
            If `value` is not of the parameter's type.
        """
        return check_type(self.type, value, where=f"{where}: parameter {self.name}")


def check_type(annotation: str, value: Any, *, where: str) -> Any:
    """Check `value` against a type written as source text, e.g. ``"dict[str, list[str]]"``.

    Understood are int, float, str, bool, list, tuple, dict, None, Any, Literal and unions with
    ``|``. An int is accepted for a float and becomes one; a bool is never a number.

    Raises
    ------
    ValueError
        If the value is of another type; expected and found are named.
    """
    if not _accepts(ast.parse(annotation, mode="eval").body, value):
        kind = "None" if value is None else type(value).__name__
        raise ValueError(f"{where}: expected {annotation}, found {value!r} ({kind})")
    return float(value) if annotation == "float" else value


def _accepts(node: ast.expr, value: Any) -> bool:
    """Whether `value` is of the type that `node` writes down."""
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _accepts(left, value) or _accepts(right, value)
        case ast.Constant(value=None):
            return value is None
        case ast.Name(id="Any"):
            return True
        case ast.Name(id="bool"):
            return isinstance(value, bool)
        case ast.Name(id=name) if name in _SCALARS:
            return isinstance(value, _SCALARS[name]) and not isinstance(value, bool)
        case ast.Name(id=name) if name in _CONTAINERS:
            return isinstance(value, _CONTAINERS[name])
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=choices)):
            return value in [ast.literal_eval(choice) for choice in choices]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choice):
            return bool(value == ast.literal_eval(choice))
        case ast.Subscript(value=ast.Name(id=name), slice=inner) if name in _CONTAINERS:
            return isinstance(value, _CONTAINERS[name]) and _accepts_items(inner, value)
    raise ValueError(f"the type {ast.unparse(node)!r} is not one of {_KNOWN}")


def _accepts_items(inner: ast.expr, value: Any) -> bool:
    """Whether what is in a container is of the types written in its brackets."""
    types = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if isinstance(value, dict):
        return all(_accepts(types[0], k) and _accepts(types[-1], v) for k, v in value.items())
    if len(types) == 1 or isinstance(types[-1], ast.Constant):  # list[X] or tuple[X, ...]
        return all(_accepts(types[0], item) for item in value)
    return len(types) == len(value) and all(map(_accepts, types, value))


def notebook_parameters(path: str | Path) -> list[Parameter]:
    """Read the parameters that a notebook declares, in its order.

    Raises
    ------
    ValueError
        If the file is no notebook, has not exactly one cell tagged ``parameters``, or that cell
        holds anything but annotated assignments of literals.
    """
    path = Path(path)
    cells = [cell for cell in read_notebook(path).cells if "parameters" in _tags(cell)]
    if len(cells) != 1:
        raise ValueError(f"{path}: expected one cell tagged 'parameters', found {len(cells)}")
    meanings = _comments(cells[0].source)
    return [_parameter(node, meanings, path) for node in ast.parse(cells[0].source).body]


def read_notebook(path: str | Path) -> nbformat.NotebookNode:
    """Read one notebook; a missing or broken one is named in the error."""
    path = Path(path)
    if not path.is_file():
        beside = sorted(file.name for file in path.parent.glob("*.ipynb"))
        raise ValueError(f"{path}: no such notebook; {suggestion(path.name, beside)}")
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, UnicodeDecodeError, KeyError) as error:
        raise ValueError(f"{path}: not a Jupyter notebook of format 4") from error


def check_parameters(path: str | Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters of a notebook with `given` in place of their defaults.

    Raises
    ------
    ValueError
        If a name is not a parameter (the nearest is offered) or a value is of another type.
    """
    known = {parameter.name: parameter for parameter in notebook_parameters(path)}
    for name in given:
        check_known(name, known, where=str(path))
    return {
        name: parameter.check(given.get(name, parameter.default), where=str(path))
        for name, parameter in known.items()
    }


def check_known(name: str, known: Iterable[str], *, where: str) -> None:
    """Refuse a name that is not among the `known`; the nearest is offered."""
    check_choice(name, known, what="parameter", where=where)


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _comments(source: str) -> dict[int, str]:
    """Map a line's number to the comment at its end."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokens
        if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip()
    }


def _parameter(node: ast.stmt, comments: Mapping[int, str], path: Path) -> Parameter:
    match node:
        case ast.AnnAssign(
            target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value
        ):
            meaning = comments.get(node.lineno) or comments.get(node.end_lineno or 0, "")
            try:
                default = ast.literal_eval(value)
            except ValueError as error:
                raise ValueError(
                    f"{path}: the default of parameter {name} is not a literal: "
                    f"{ast.unparse(value)}"
                ) from error
            kind = ast.unparse(annotation)
            return Parameter(
                name, kind, check_type(kind, default, where=f"{path}: default of {name}"), meaning
            )
    raise ValueError(
        f"{path}: the parameters cell holds {ast.unparse(node)!r}; "
        "expected 'name: type = default  # meaning'"
    )
