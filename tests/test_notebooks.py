"""Every notebook tells a story and calls the package; the smoke run builds the whole book."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from stubs import ROOT, steu

from steu.parameters import notebook_parameters

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="there are no notebooks yet")
TREE = ("book", "notebooks", "profiles", "steu", "workflow")
FILES = ("_config.yml", "_toc.yml", "pyproject.toml", "requirements.lock")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_outputs_are_stripped(path: Path) -> None:
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(path))


def test_parameters_have_types_and_meanings(path: Path) -> None:
    parameters = notebook_parameters(path)
    assert all(parameter.meaning for parameter in parameters)
    output = next(parameter for parameter in parameters if parameter.name == "output")
    assert output.default == f"runs/scratch/{path.stem}"


def test_cells_are_short_and_define_no_functions(path: Path) -> None:
    for cell in code_cells(path):
        tree = ast.parse("\n".join(x for x in cell.source.splitlines() if not x.startswith("%")))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        named = [n for n in ast.walk(tree) if isinstance(n, kinds)]
        assert not named, cell.source
        assert len(cell.source.splitlines()) <= 25, cell.source


def test_nothing_is_installed_and_no_path_is_absolute(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        assert not re.search(r"(?m)^\s*[!%]\s*(pip|conda)", cell.source)
        assert not re.search(
            r"""["'`(](/(home|Users|tmp|work|root|data|mnt)|[A-Z]:\\)""", cell.source
        )


def test_the_smoke_run_builds_the_whole_book(tmp_path: Path) -> None:
    for name in TREE:
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    done = steu(tmp_path, "workflow", "smoke", "--cores", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    built = steu(tmp_path, "book", "--profile", "smoke")
    assert built.returncode == 0, built.stderr[-3000:] + built.stdout[-3000:]
    index = tmp_path / built.stdout.splitlines()[-1]
    assert index.name == "index.html" and index.is_file()
    chapters = {p.stem for p in index.parent.rglob("*.html")}
    assert {p.stem for p in NOTEBOOKS} - chapters <= {
        "05_baselines",
        "06_token_count",
        "07_head_size",
        "08_audit",
    }
