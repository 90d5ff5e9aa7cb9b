"""Which files of the package a notebook depends on, read from its imports without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from steu.parameters import read_notebook


def modules_of(notebook: str) -> list[str]:
    """The files of the package that a notebook imports, directly or through each other."""
    cells = read_notebook(notebook).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    found: set[Path] = set()
    waiting = _imports(_python(source))
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting |= _imports(module.read_text(encoding="utf-8"))
    return sorted(str(module) for module in found)


def _python(source: str) -> str:
    """Source of a notebook without the lines that only IPython understands."""
    return "\n".join(
        line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))
    )


def _imports(source: str) -> set[Path]:
    """Files of the package, below the current folder, that some source imports."""
    files = {Path("steu", f"{name}.py") for name in _names(source)}
    return {file for file in files if file.is_file()}


@cache
def _names(source: str) -> frozenset[str]:
    """Modules of the package that some source may import."""
    tree = ast.parse(source)
    names = set(_imported_names(tree))
    names |= {  # steu.tokens.pmi_scores, after "import steu"
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "steu"
    }
    return frozenset(names)


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="steu", names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module)) if module.startswith("steu."):
                yield module.split(".")[1]
            case ast.Import(names=names):
                yield from _submodules(alias.name for alias in names)


def _submodules(names: Iterable[str]) -> Iterator[str]:
    return (name.split(".")[1] for name in names if name.startswith("steu."))
