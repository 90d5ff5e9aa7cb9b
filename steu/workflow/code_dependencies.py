"""Which files of the package a notebook depends on, read from imports without running anything."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import grimp

from steu.workflow.parameters import read_notebook

PACKAGE = "steu"


class PackageCode:
    """The modules of the package and what each of them imports, as its files are now."""

    def __init__(self) -> None:
        # What is imported for type checkers alone brings nothing when it runs; so what the root
        # hands on is named by whoever uses it.
        self._graph = grimp.build_graph(PACKAGE, cache_dir=None, exclude_type_checking_imports=True)
        self._folder = Path(str(find_spec(PACKAGE).origin)).parent  # pyrefly: ignore[missing-attribute]
        self._public = public_names((self._folder / "__init__.py").read_text(encoding="utf-8"))

    def files_of(self, notebook: str | Path) -> list[str]:
        """Files that a notebook imports, directly or through each other, relative to here."""
        cells = read_notebook(notebook).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        direct = {module for name in _named(_python(code)) if (module := self._module(name))}
        found = set(direct).union(*map(self._graph.find_upstream_modules, direct))
        found |= {room for name in found for room in _rooms(name)}
        return sorted(os.path.relpath(self._file(name)) for name in found - {PACKAGE})

    def _module(self, name: str) -> str | None:
        """The module of a dotted name, which may go on with what it defines; None for the root."""
        if (first := name.removeprefix(f"{PACKAGE}.").split(".")[0]) in self._public:
            name = self._public[first]
        known = (part for part in (name, *_rooms(name)) if part in self._graph.modules)
        return next(known, None)

    def _file(self, module: str) -> Path:
        path = self._folder.joinpath(*module.split(".")[1:])
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _rooms(name: str) -> list[str]:
    """The packages that a dotted name lies in, the innermost first."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]


def public_names(source: str) -> dict[str, str]:
    """Name → module of what the package's root hands on, from its source."""
    return {
        alias.asname or alias.name: module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        and (module := node.module or "").startswith(f"{PACKAGE}.")
        for alias in node.names
    }


def _python(source: str) -> str:
    """Source of a notebook without the lines that only IPython understands."""
    return "\n".join(
        line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))
    )


def _named(source: str) -> Iterator[str]:
    """Dotted names of the package that some source imports, or reaches after ``import steu``."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                dotted = (f"{module}.{alias.name}" for alias in names)
                yield from (name for name in dotted if name.startswith(f"{PACKAGE}."))
            case ast.Import(names=names):
                yield from (a.name for a in names if a.name.startswith(f"{PACKAGE}."))
            case ast.Attribute() if (name := ast.unparse(node)).startswith(f"{PACKAGE}."):
                yield name
