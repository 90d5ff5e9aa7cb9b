"""A notebook's parameters: names, types, defaults and meanings, read from its own cell."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from steu._errors import check_choice, suggestion
from steu.workflow.annotations import check_type
from steu.workflow.constraints import mistake


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
            If `value` is not of the parameter's type, or cannot be a parameter of that name.
        """
        where = f"{where}: parameter {self.name}"
        value = check_type(self.type, value, where=where)
        if wrong := mistake(self.name, value, self.default):
            raise ValueError(f"{where}: expected {wrong}")
        return value


def notebook_parameters(path: str | Path) -> list[Parameter]:
    """Read the parameters that a notebook declares, in its order.

    Raises
    ------
    ValueError
        If the file is no notebook, has not exactly one cell tagged ``parameters``, or that cell
        holds anything but annotated assignments of literals.
    """
    path = Path(path)
    cells = [cell for cell in read_notebook(path).cells if "parameters" in tags(cell)]
    if len(cells) != 1:
        raise ValueError(f"{path}: expected one cell tagged 'parameters', found {len(cells)}")
    statements = _statements(cells[0].source, path)
    meanings = _comments(cells[0].source)
    return [_parameter(node, meanings, path) for node in statements]


def read_notebook(path: str | Path) -> nbformat.NotebookNode:
    """Read one notebook; a missing or broken one is named in the error."""
    path = Path(path)
    if not path.is_file():
        beside = sorted(file.name for file in path.parent.glob("*.ipynb"))
        beside = beside or sorted(map(str, Path("notebooks").glob("*.ipynb")))
        raise ValueError(f"{path}: no such notebook; {suggestion(path.name, beside)}")
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except (ValueError, KeyError, AttributeError, TypeError, nbformat.ValidationError) as error:
        raise ValueError(f"{path}: not a Jupyter notebook of format 4") from error
    return notebook


def check_parameters(path: str | Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters of a notebook with `given` in place of their defaults.

    Raises
    ------
    ValueError
        If a name is not a parameter (the nearest is offered) or a value is of another type.
    """
    known = {parameter.name: parameter for parameter in notebook_parameters(path)}
    for name in given:
        check_choice(name, known, what="parameter", where=str(path))
    return {
        name: parameter.check(given.get(name, parameter.default), where=str(path))
        for name, parameter in known.items()
    }


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """Of a cell; none if it has none."""
    return list(cell.metadata.get("tags", []))


def _comments(source: str) -> dict[int, str]:
    """Map a line's number to the comment at its end."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokens
        if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip()
    }


def _statements(source: str, path: Path) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError as error:
        raise ValueError(
            f"{path}: the parameters cell is not valid Python, line {error.lineno}: {error.msg}"
        ) from error


def _parameter(node: ast.stmt, comments: Mapping[int, str], path: Path) -> Parameter:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=ast.expr() as value):
            meaning = comments.get(node.lineno) or comments.get(node.end_lineno or 0, "")
            default = _default(ast.unparse(kind), value, name=name, path=path)
            return Parameter(name, ast.unparse(kind), default, meaning)
    raise ValueError(
        f"{path}: the parameters cell holds {ast.unparse(node)!r}; "
        "expected 'name: type = default  # meaning'"
    )


def _default(kind: str, value: ast.expr, *, name: str, path: Path) -> Any:
    try:
        default = ast.literal_eval(value)
    except (ValueError, TypeError) as error:  # TypeError: a list as the key of a dict
        raise ValueError(
            f"{path}: the default of parameter {name} is not a literal: {ast.unparse(value)}"
        ) from error
    return check_type(kind, default, where=f"{path}: default of {name}")
