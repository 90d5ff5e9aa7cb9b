"""The runner refuses what papermill lets pass, keeps what failed, and says where it came from."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import nbformat
import pytest
from stubs import write_notebook

from steu._io import HALF
from steu.audits.rounding import Grid
from steu.experiments.references import Reading
from steu.experiments.rivals import LAYERS_ONLY, RIVALS, rivals_with
from steu.models.hardware import Precision
from steu.models.pooling import Pooling
from steu.reporting.display_names import METHODS
from steu.selection.counts import Counting
from steu.selection.ranking import SELECTORS
from steu.withdrawal.request import Method
from steu.workflow.annotations import check_type
from steu.workflow.constraints import CHOICES, PAPERS
from steu.workflow.parameters import Parameter, notebook_parameters
from steu.workflow.runner import NotebookError, run_notebook

PARAMETERS = """n_tokens: int = 256  # rows to edit
rate: float = 0.1
name: str | None = None
labels: dict[str, list[str]] = {  # what is learned
    "a": ["428"],
}
seed: int = 3
output: str = 'runs/scratch/x'  # folder to write to"""
METRICS = """import json
from pathlib import Path
Path(output).mkdir(parents=True, exist_ok=True)
metrics = {"data": "0123456789abcdef", "device": "cpu", "records": []}
_ = (Path(output) / "metrics.json").write_text(json.dumps(metrics))"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "requirements.lock").write_text("torch==1\n")
    return tmp_path


def run(project: Path, *cells: str, **parameters: Any) -> nbformat.NotebookNode:
    path = write_notebook(project / "notebooks" / "x.ipynb", PARAMETERS, *cells)
    return nbformat.read(run_notebook(path, parameters=parameters), as_version=4)


def text_of(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_reads_names_types_defaults_and_meanings(project: Path) -> None:
    found = notebook_parameters(write_notebook(project / "x.ipynb", PARAMETERS))
    assert [p.name for p in found] == ["n_tokens", "rate", "name", "labels", "seed", "output"]
    assert found[0].type == "int" and found[0].default == 256
    assert found[0].meaning == "rows to edit" and found[1].meaning == ""
    assert found[3].default == {"a": ["428"]} and found[3].meaning == "what is learned"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("n = 3", "expected 'name: type = default"),
        ("n: int", "expected 'name: type = default"),
        ("n: int = f()", "the default of parameter n is not a literal: f"),
        ("n: int = 2.5", "default of n: expected int, found 2.5"),
        ("n: Tensor = 2", "default of n: the type 'Tensor' is not one of int, float"),
        ("n: int =", "the parameters cell is not valid Python, line 1"),
    ],
)
def test_refuses_a_cell_that_declares_no_types(project: Path, source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        notebook_parameters(write_notebook(project / "x.ipynb", source))


def test_refuses_what_is_no_notebook(project: Path) -> None:
    write_notebook(project / "real.ipynb", PARAMETERS)
    with pytest.raises(ValueError, match=r"no such notebook; did you mean real\.ipynb"):
        run_notebook(project / "reel.ipynb", parameters={})
    cell = {"cell_type": "code", "metadata": {"tags": None}, "outputs": [], "execution_count": None}
    whole = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}
    others = [[], None, "x", {}, whole, whole | {"cells": None}, whole | {"nbformat": 5}]
    for text in ("hello", *map(json.dumps, others)):
        (project / "text.ipynb").write_text(text)
        with pytest.raises(ValueError, match=r"text\.ipynb: not a Jupyter notebook of format 4"):
            run_notebook(project / "text.ipynb", parameters={})


def test_refuses_a_notebook_without_one_parameters_cell(project: Path) -> None:
    nbformat.write(nbformat.v4.new_notebook(), project / "x.ipynb")
    with pytest.raises(ValueError, match="expected one cell tagged 'parameters', found 0"):
        notebook_parameters(project / "x.ipynb")


def test_refuses_a_notebook_without_output(project: Path) -> None:
    path = write_notebook(project / "x.ipynb", "n: int = 1")
    with pytest.raises(ValueError, match="needs a parameter 'output: str'"):
        run_notebook(path, parameters={})


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("int", 3), ("float", 3), ("float", 0.5), ("bool", True), ("str", "a"),
        ("int | None", None),
        ("list[int]", [1, 2]), ("tuple[float, float]", [0.5, 1]),
        ("dict[str, list[str]]", {"a": ["b"]}),
        ("Literal['a', 'b']", "b"), ("list", []), ("dict", {}), ("Any", object), ("None", None),
        ("float | None", 3), ("tuple[int, ...]", [1, 2, 3]), ("tuple", []),
    ],
)  # fmt: skip
def test_accepts_values_of_the_type(annotation: str, value: Any) -> None:
    assert check_type(annotation, value, where="here") == value


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("int", 3.0), ("int", True), ("int", "3"), ("int", None), ("float", False),
        ("float", "1e-3"), ("float", math.inf), ("list[float]", [math.nan]),
        ("bool", 1), ("str", 3), ("int | None", "x"), ("list[int]", [1, "a"]), ("list[int]", 1),
        ("tuple[float, float]", [0.5]), ("dict[str, list[str]]", {"a": [1]}), ("Literal['a']", "b"),
    ],
)  # fmt: skip
def test_refuses_values_of_another_type(annotation: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"here: expected .*, found "):
        check_type(annotation, value, where="here")


def test_an_int_for_a_float_becomes_one() -> None:
    assert isinstance(check_type("float", 1, where="here"), float)
    (inside,) = check_type("list[float]", [1], where="here")
    assert isinstance(inside, float)


@pytest.mark.parametrize("annotation", ["list[int]", "tuple[int, int]", "tuple[int, ...]", "tuple"])
def test_lists_and_tuples_are_taken_for_each_other(annotation: str) -> None:
    for value in ([1, 2], (1, 2)):
        assert check_type(annotation, value, where="here") == [1, 2]


def test_a_wrong_item_is_named() -> None:
    message = r"here: expected dict\[str, list\[str\]\]; item 'a', item 1: expected a valid string"
    with pytest.raises(ValueError, match=message + r", found 428 \(int\)"):
        check_type("dict[str, list[str]]", {"a": ["I50", 428]}, where="here")


@pytest.mark.parametrize(
    "annotation",
    [
        "Tensor",
        "list['int']",
        "list[int, str]",
        "dict[int]",
        "f()",
        "Literal[f()]",
        "int.real",
        "x +",
    ],
)
def test_a_type_that_is_not_understood_is_refused_and_never_run(annotation: str) -> None:
    with pytest.raises(ValueError, match=r"here: the type .* is not one of int, float, str"):
        check_type(annotation, [], where="here")


def test_unknown_and_mistyped_parameters_run_nothing(project: Path) -> None:
    with pytest.raises(ValueError, match="no parameter 'n_tokns'; did you mean n_tokens"):
        run(project, METRICS, n_tokns=3)
    with pytest.raises(ValueError, match=r"parameter n_tokens: expected int, found 1\.5 \(float\)"):
        run(project, METRICS, n_tokens=1.5)
    assert not (project / "runs").exists()


@pytest.mark.parametrize(
    ("name", "default", "value", "message"),
    [
        ("seed", 0, 2**32, "expected at most 4,294,967,295, found 4,294,967,296"),
        ("n_stays", 9, 10**26, "expected at most 4,294,967,295, found 100,000"),
        ("other_seeds", [1], [5, 2**64], "expected at most 4,294,967,295, found 18,446,744"),
        ("other_seeds", [1], [], "expected one or more, such as [1], found []"),
        ("n_permutations", 20, 0, "expected more than 0, found 0"),
        ("mlp_widths", [32], [0], "expected more than 0, found [0]"),
        ("n_tokens", 256, 0, "expected more than 0, found 0"),
        ("last_layers", 1, 0, "expected more than 0, found 0"),
        ("random_draws", 1, 0, "expected more than 0, found 0"),
        ("n_bootstrap", 20, 19, "expected at least 20, found 19"),
        ("n_bootstrap", 1000, 0, "expected at least 20, found 0"),
        ("shards", 0, 1, "expected 0, which leaves them out, or at least 2, found 1"),
        ("token_dropout", 0.0, 1.0, "expected a share below 1, found 1.0"),
        ("selectors", ["chi2"], ["pmi"], "one or more beside 'pmi', with which they are compared"),
        ("selectors", ["pmi", "chi2"], [], "one or more beside 'pmi', with which they are"),
        ("selectors", ["chi2"], ["pmi", "chi"], "a known name, found 'chi'; did you mean chi2?"),
        ("mlp_widths", [32], [4, 4], "expected each once, found 4 twice"),
        ("erased", [256], [], "expected one or more, such as [256], found []"),
        ("readings", ["masked"], ["dropped", "dropped"], "each once, found 'dropped' twice"),
        ("readings", ["masked"], ["droped"], "a known name, found 'droped'; did you mean dropped?"),
        ("grids", ["bf16"], ["fp16"], "a known name, found 'fp16'; did you mean bf16?"),
        ("counting", "notes", "note", "a known name, found 'note'; did you mean notes?"),
        ("methods", ["steu_e"], ["steue"], "found 'steue'; did you mean steu_e?"),
        (
            "more_rivals",
            ["ssd"],
            ["sdd_layers_only"],
            "found 'sdd_layers_only'; did you mean",
        ),
        ("head_width", 0, 10**6, "expected at most 65,536, found 1,000,000"),
        ("fractions", [0.6, 0.15, 0.25], [0.6, 0.4], "three shares above 0 that sum to 1, found"),
        ("note_words", 115, 601, "expected at most 600, found 601"),
        ("rows", [1, 2], [1, -2], "expected no negative number, found -2"),
    ],
)
def test_numbers_and_lists_that_no_page_can_use_are_refused(
    name: str, default: Any, value: Any, message: str
) -> None:
    kind = type(default).__name__
    kind = f"list[{type(default[0]).__name__}]" if isinstance(default, list) else kind
    parameter = Parameter(name, kind, default, "")
    assert parameter.check(default, where="here") == default
    with pytest.raises(ValueError, match=re.escape(f"here: parameter {name}: ")) as caught:
        parameter.check(value, where="here")
    assert message in str(caught.value)


def test_names_to_choose_from_are_those_that_the_pages_act_on() -> None:
    acted_on = {
        "counting": get_args(Counting),
        "precision": get_args(Precision),
        "pooling": get_args(Pooling),
        "readings": get_args(Reading),
        "grids": get_args(Grid),
        "selectors": SELECTORS,
        "method": get_args(Method),
    }
    assert acted_on.keys() == CHOICES.keys() - {"methods", "more_rivals"}
    assert {n: set(names) for n, names in acted_on.items()} == {
        n: set(CHOICES[n]) for n in acted_on
    }
    dense = [name + LAYERS_ONLY for name, one in RIVALS.items() if one.dense]
    assert {*RIVALS, *dense} == set(CHOICES["more_rivals"])
    assert set(PAPERS) == set(rivals_with([]))
    assert not set(CHOICES["methods"]) - set(METHODS) - set(dense)


def test_what_is_nothing_by_default_may_be_nothing() -> None:
    for name, kind, default in (("n_stays", "int", 0), ("shots", "list[int]", []), ("x", "int", 5)):
        nothing = type(default)()
        assert Parameter(name, kind, default, "").check(nothing, where="here") == nothing


def test_missing_results_of_an_earlier_stage_are_named_before_anything_runs(
    project: Path,
) -> None:
    pmi, output = project / "runs/demo/toy/tiny/pmi", project / "runs/scratch/x"
    source = f"cohort: str = 'runs/cohort'\nscores: str = '{pmi.relative_to(project)}'\n"
    path = project / "notebooks" / "04_unlearning.ipynb"
    write_notebook(path, f"{source}output: str = 'runs/scratch/x'", METRICS)
    for folder in (project / "runs/cohort", pmi, output):
        folder.mkdir(parents=True)
    (project / "runs/cohort/metrics.json").write_text("{}")
    (output / "metrics.json").write_text("earlier")
    message = r"^notebooks/04_unlearning\.ipynb: scores='runs/demo/toy/tiny/pmi' holds no results; "
    with pytest.raises(ValueError, match=message + r"run notebooks/03_pmi\.ipynb first, or all "):
        run_notebook(path, parameters={})
    assert (output / "metrics.json").read_text() == "earlier"
    (pmi / "metrics.json").write_text("{}")
    assert run_notebook(path, parameters={}).is_file()


@pytest.mark.parametrize("output", ["", ".", "..", "/", "notebooks", "other", "taken", "/proc/x"])
def test_no_page_is_written_beside_sources_or_over_a_file(project: Path, output: str) -> None:
    (project / "other").mkdir()
    (project / "other" / "pyproject.toml").touch()
    (project / "taken").touch()
    path = write_notebook(project / "notebooks" / "x.ipynb", PARAMETERS, METRICS)
    before = sorted(project.rglob("*"))
    with pytest.raises(ValueError, match=r"^notebooks/x\.ipynb: output='.*; name a"):
        run_notebook(path, parameters={"output": output})
    assert sorted(project.rglob("*")) == before


def test_no_page_takes_the_place_of_another_or_of_what_it_reads(project: Path) -> None:
    run(project, METRICS)
    folder = project / "runs/scratch/x"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    declared = "cohort: str = 'runs/c'\nbackbone: str = 'b'\noutput: str = 'runs/scratch/x'"
    path = write_notebook(project / "notebooks" / "03_pmi.ipynb", declared, METRICS, "1 / 0")
    (project / "runs/c").mkdir()
    (project / "runs/c/metrics.json").write_text("{}")
    with pytest.raises(ValueError, match=r"holds the results of notebooks/x\.ipynb; name a folder"):
        run_notebook(path, parameters={})
    for read in ("runs/c", "runs/../runs/c/"):
        with pytest.raises(ValueError, match=r"is where the page reads from \(cohort\); name a"):
            run_notebook(path, parameters={"output": read})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert (project / "runs/c/metrics.json").read_text() == "{}"
    run(project, METRICS)  # the page's own results are replaced


@pytest.mark.parametrize("name", ["encoded", "trained"])
def test_a_folder_that_cannot_be_made_is_said_before_anything_runs(
    project: Path, name: str
) -> None:
    declared = f"{name}: str = 'a/file'\noutput: str = 'runs/scratch/x'"
    path = write_notebook(project / "notebooks" / "x.ipynb", declared, METRICS)
    (project / "a").mkdir()
    (project / "a/file").touch()
    for folder in ("a/file", "a/file/below"):
        with pytest.raises(ValueError, match=rf"{name}='{folder}' cannot be made a folder: .*; na"):
            run_notebook(path, parameters={name: folder})
    assert not (project / "runs/scratch/x/notebook.ipynb").exists()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"labels": {"column": "c", "top_n": -1}}, "labels: top_n: expected greater than or equal"),
        ({"labels": {"columns": "diabetes"}}, "labels: columns: expected a valid list, found"),
        ({"labels": {"column": ["c"]}}, "labels: column: expected a valid string, found"),
        ({"options": {"text": 5}}, "options: text: expected a valid string, found 5"),
        ({"layout": "mimic_iv", "labels": {"a": 1}}, "labels: a: expected a valid list, found 1"),
        ({"layout": "mimic_iv", "labels": {"a": ["428"]}}, "options: text: unknown key; did you"),
    ],
)
def test_a_page_alone_is_told_of_its_data_as_a_profile_is(
    project: Path, told: dict[str, Any], message: str
) -> None:
    (project / "x.csv").touch()
    declared = "layout: str = ''\npath: str = 'x.csv'\nlabels: dict = {}\noptions: dict = {}\n"
    declared += "n_stays: int = 5\nforget_label: str = ''\noutput: str = 'runs/x'"
    path = write_notebook(project / "notebooks" / "01_cohort.ipynb", declared)
    good = {"layout": "table", "labels": {"column": "c"}, "options": {"text": "t"}}
    with pytest.raises(ValueError, match=re.escape(f"notebooks/01_cohort.ipynb: {message}")):
        run_notebook(path, parameters=good | told)
    assert not (project / "runs/x").exists()
    assert run_notebook(path, parameters=good).is_file()


def test_a_notebook_of_the_same_name_elsewhere_is_no_stage(project: Path) -> None:
    path = project / "mine" / "04_unlearning.ipynb"
    write_notebook(path, "scores: str = 'nowhere'\noutput: str = 'runs/x'", METRICS)
    assert run_notebook(path, parameters={}).is_file()


def test_executes_in_the_root_with_the_given_parameters(project: Path) -> None:
    show = "import os, sys\nprint(n_tokens, rate, seed, os.getcwd(), os.environ['PYTHONHASHSEED'])"
    text = text_of(run(project, show, METRICS, n_tokens=64))
    assert text.startswith("64 0.1 3 ") and text.endswith(f"{project.name} 0\n")
    assert (project / "runs" / "scratch" / "x" / "notebook.ipynb").is_file()


def test_the_callers_plotting_backend_stays_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://editor.that.is.not.installed")
    text = text_of(run(project, "import os\nprint(os.environ['MPLBACKEND'])", METRICS))
    assert text == "module://matplotlib_inline.backend_inline\n"


def test_provenance_stands_at_the_foot_and_beside(project: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    notebook = run(project, METRICS, n_tokens=64, rate=1)
    record = json.loads((project / "runs/scratch/x/provenance.json").read_text())
    assert record["parameters"]["n_tokens"] == 64 and record["parameters"]["seed"] == 3
    assert record["data"] == "0123456789abcdef" and record["device"] == "cpu"
    assert record["seed"] == 3 and record["dirty"] is True and record["commit"] is None
    assert 0 <= record["seconds_working"] <= record["seconds"] and record["seconds"] > 0
    assert set(record["versions"]) == {"steu", "python", "torch"}
    foot = notebook.cells[-1]
    assert foot.metadata["tags"] == ["provenance"] and foot.cell_type == "markdown"
    assert "| `n_tokens` | `64` |" in foot.source and "`0123456789ab`" in foot.source


def test_names_the_commit(project: Path) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    (project / ".gitignore").write_text("runs\n")
    write_notebook(project / "notebooks" / "x.ipynb", PARAMETERS, METRICS)
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    run_notebook(project / "notebooks" / "x.ipynb", parameters={})
    record = json.loads((project / "runs/scratch/x/provenance.json").read_text())
    assert len(record["commit"]) == 40 and record["dirty"] is False


def test_records_no_absolute_path(project: Path) -> None:
    show = "import sys, os\nprint(sys.executable, os.path.abspath('x'), output)"
    run(project, show, METRICS, output=str(project / "elsewhere"))
    for name in ("notebook.ipynb", "provenance.json"):
        text = (project / "elsewhere" / name).read_text().replace(f"'{project}'", "")
        assert str(project) not in text and '"/' not in text


def test_lists_of_paths_are_recorded_relative_too(project: Path) -> None:
    declared = PARAMETERS + "\nmetrics: list[str] = []"
    path = write_notebook(project / "notebooks" / "x.ipynb", declared, METRICS)
    files = [str(project / "runs" / "a.json"), "b.json"]
    run_notebook(path, parameters={"metrics": files, "output": "out"}, root=project)
    told = json.loads((project / "out" / "provenance.json").read_text())["parameters"]
    assert told["metrics"] == ["runs/a.json", "b.json"]


def test_only_what_a_killed_run_left_half_made_goes(project: Path) -> None:
    for name in (".venv-book", ".oh-my-zsh", ".config", f"{HALF}metrics.json-x"):
        (project / "home" / name).mkdir(parents=True)
    run(project, METRICS, output="home")
    left = {folder.name for folder in (project / "home").glob(".*")}
    assert left == {".venv-book", ".oh-my-zsh", ".config", ".lock"}


def test_two_runs_differ_only_in_their_duration(project: Path) -> None:
    path = write_notebook(project / "x.ipynb", PARAMETERS, "print(hash('a'))", METRICS)
    first, second = (
        run_notebook(path, parameters={"n_tokens": 1}).read_text().split("duration")[0]
        for _ in range(2)
    )
    assert first == second


def test_a_users_mistake_becomes_one_line_with_notebook_and_cell(project: Path) -> None:
    mistake = "raise ValueError('label x:\\n expected a')"
    with pytest.raises(ValueError, match=r"^notebooks/x\.ipynb, cell 3: label x: expected a$"):
        run(project, METRICS, mistake, n_tokens=1)
    kept = nbformat.read(project / "runs/scratch/x/notebook.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in kept.cells for o in c.get("outputs", []))
    assert not (project / "runs/scratch/x/metrics.json").exists()


def test_no_space_left_is_the_users_to_mend(project: Path) -> None:
    full = "import errno, os\nraise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'a.parquet')"
    with pytest.raises(ValueError, match=r"cell 2: .*No space left on device"):
        run(project, full)


def test_a_page_that_could_not_be_written_is_not_taken_for_the_one_before(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project, METRICS)
    output = project / "runs" / "scratch" / "x"
    written = {"metrics.json", "notebook.ipynb", "provenance.json"}
    assert written <= {path.name for path in output.iterdir()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(nbformat, "write", full)
    with pytest.raises(OSError, match=r"no space left on disk for .*notebook\.ipynb"):
        run_notebook(project / "notebooks" / "x.ipynb", parameters={"n_tokens": 3})
    assert {path.name for path in output.iterdir()} & written == {"metrics.json"}


def test_a_gpu_without_enough_memory_is_the_users_to_mend(project: Path) -> None:
    short = (
        "class OutOfMemoryError(RuntimeError): pass\nraise OutOfMemoryError('CUDA out of memory')"
    )
    with pytest.raises(
        ValueError, match=r"cell 2: lower the batch size or max_length, or .*: CUDA"
    ):
        run(project, short)


def test_another_failure_keeps_the_notebook_and_shows_the_traceback(project: Path) -> None:
    run(project, METRICS)
    with pytest.raises(
        NotebookError, match=r"^.*cell 2 failed: ZeroDivisionError: .*notebook\.ipynb$"
    ):
        run(project, "1 / 0")
    folder = project / "runs/scratch/x"
    assert (folder / "notebook.ipynb").is_file() and not (folder / "metrics.json").exists()


def test_a_kernel_that_dies_is_named(project: Path) -> None:
    with pytest.raises(NotebookError, match="the kernel died, perhaps for lack of memory"):
        run(project, "import os\nos._exit(9)")


def test_figures_are_drawn_without_the_users_settings_and_list_of_fonts(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that another program left without matplotlib's own letters spoke on every page."""
    from matplotlib.font_manager import FontManager

    users = tmp_path / "settings"
    users.mkdir()
    empty = {
        "_version": FontManager.__version__, "_FontManager__default_weight": "normal",
        "default_size": None, "defaultFamily": {"ttf": "DejaVu Sans", "afm": "Helvetica"},
        "afmlist": [], "ttflist": [], "__class__": "FontManager",
    }  # fmt: skip
    (users / f"fontlist-v{FontManager.__version__}.json").write_text(json.dumps(empty))
    (users / "matplotlibrc").write_text("lines.linewidth: 77\n")
    monkeypatch.setenv("MPLCONFIGDIR", str(users))
    drawn = run(
        project,
        "import matplotlib.pyplot as plt\n"
        "plt.title('$10^{-3}$')\nprint(plt.plot([1, 2])[0].get_linewidth())",
        METRICS,
    )
    said = [o for cell in drawn.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    assert not said
    assert float(text_of(drawn)) < 77


def test_kernels_side_by_side_do_not_disturb_each_other(project: Path) -> None:
    paths = [
        write_notebook(project / f"{n}.ipynb", f"output: str = 'runs/{n}'", f"print({n})", METRICS)
        for n in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda path: _run_process(path, project), paths))
    assert done == [0, 0, 0, 0]


def _run_process(path: Path, project: Path) -> int:
    from stubs import steu

    return steu(project, "run", path.name).returncode
