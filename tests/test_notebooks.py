"""Every notebook tells a story and calls the package; the smoke run builds the whole book."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from stubs import ROOT, copy_project, steu

from steu.evaluation.results import COLUMNS, MEASURED
from steu.reporting.display_names import METRICS
from steu.workflow.parameters import notebook_parameters

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="there are no notebooks yet")


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


def test_cells_of_styled_tables_are_escaped(path: Path) -> None:
    """A plain table is escaped by pandas, a styled one is not: `<b>` of a label would be markup."""
    for cell in code_cells(path):
        styled = len(re.findall(r"\.style\b(?!\()", cell.source))
        assert cell.source.count('escape="html"') == styled, cell.source


def test_nothing_is_installed_and_no_path_is_absolute(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        assert not re.search(r"(?m)^\s*[!%]\s*(pip|conda)", cell.source)
        assert not re.search(
            r"""["'`(](/(home|Users|tmp|work|root|data|mnt)|[A-Z]:\\)""", cell.source
        )


def test_every_figure_says_in_words_what_is_drawn(path: Path) -> None:
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    heads = re.findall(r"(?m)^```\{glue:figure\} (\w+)\n((?::.*\n)*)", text)
    for name, options in heads:
        said = re.search(r"(?m)^:alt: (.+)$", options)
        assert said and len(said[1]) > 40, name
        assert said[1].endswith(".") and not re.search(r"\d", said[1].replace("F1", "")), name
    drawn = re.findall(r'(?m)^figure\("(\w+)", ', text)
    assert drawn == [name for name, _ in heads]  # each is shown once, with a caption


def solutions(path: Path) -> list[str]:
    """Code of every solution on a page, in order."""
    text = "\n".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type != "code"
    )
    blocks = re.findall(r"(?ms)^````\{solution\}.*?^````$", text)
    return [code for block in blocks for code in re.findall(r"(?ms)^```python\n(.*?)^```$", block)]


def test_solutions_of_exercises_are_found() -> None:
    counted = {path.stem: len(solutions(path)) for path in NOTEBOOKS}
    marked = {
        path.stem: sum(cell.source.count("```python") for cell in nbformat.read(path, 4).cells)
        for path in NOTEBOOKS
    }
    assert counted == marked and sum(counted.values()) >= 10


def add_solutions(path: Path) -> None:
    """Let a page run the solutions of its exercises after its own cells."""
    notebook = nbformat.read(path, as_version=4)
    cells = [nbformat.v4.new_code_cell(code) for code in solutions(path)]
    notebook.cells += cells
    nbformat.write(notebook, path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a run needs."""
    return copy_project(tmp_path)


@pytest.mark.long
def test_the_smoke_run_solves_every_exercise_and_builds_the_whole_book(project: Path) -> None:
    for path in sorted((project / "notebooks").glob("*.ipynb")):
        add_solutions(path)
    done = steu(project, "workflow", "smoke", "--cores", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    built = steu(project, "book", "--profile", "smoke")
    assert built.returncode == 0, built.stderr[-3000:] + built.stdout[-3000:]
    index = project / built.stdout.splitlines()[-1]
    assert index.name == "index.html" and index.is_file()
    results = pd.read_parquet(project / "runs/smoke/reproduction/results.parquet")
    what = [name for name in COLUMNS if name not in MEASURED]
    twice = results[results.duplicated(what)]  # no number is measured by two pages
    assert twice.empty, twice[what].drop_duplicates("method").to_string()
    unwritten = set(METRICS) - set(results["metric"])  # what a page measures has to arrive
    assert unwritten == set(), sorted(unwritten)
    for path in (project / "runs" / "smoke").rglob("notebook.ipynb"):
        outputs = [o for cell in code_cells(path) for o in cell.outputs]
        warned = [o["text"] for o in outputs if o.get("name") == "stderr"]
        assert not warned, f"{path}: {warned[0]}"
    (searched,) = (project / "runs" / "smoke").glob("*/*/seed0/baselines")
    told = next(
        cell.source
        for cell in code_cells(searched / "notebook.ipynb")
        if "injected-parameters" in cell.metadata.get("tags", [])
    )
    given = {name: ast.literal_eval(v) for name, v in re.findall(r"(?m)^(\w+) = (.+)$", told)}
    given |= {"chosen": str(searched.relative_to(project)), "output": "runs/scratch/again"}
    pairs = [
        part
        for name, v in given.items()
        for part in ("-p", name, v if isinstance(v, str) else json.dumps(v))
    ]
    again = steu(project, "run", "notebooks/05_baselines.ipynb", *pairs)  # as another seed does
    assert again.returncode == 0, again.stderr[-3000:]
    first, later = (
        pd.read_parquet(f / "trials.parquet") for f in (searched, project / "runs/scratch/again")
    )
    assert set(later["method"]) == set(first["method"]) and later["chosen"].all()
    chapters = {p.stem for p in index.parent.rglob("*.html")}
    assert {p.stem for p in NOTEBOOKS} <= chapters


@pytest.mark.long
def test_the_same_notebooks_run_on_each_layout(layouts: Path) -> None:
    results = pd.read_parquet(layouts / "runs/layouts/reproduction/results.parquet")
    edited = results[(results["method"] == "steu") & (results["metric"] == "forget_f1")]
    assert sorted(edited["dataset"]) == ["eicu", "mimic_iii"]
    assert (edited["value"] < 0.05).all()
