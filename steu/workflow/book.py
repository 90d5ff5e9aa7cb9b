"""The book: stage the pages and the executed notebooks of one run, build, verify.

Nothing is executed here. The book shows what the runner ran, or it is not built.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import nbformat
import pandas as pd
import yaml

from steu._io import atomic_path, read_json
from steu.evaluation.results import COLUMNS, collect
from steu.reporting import cost_figures, cost_page, request_costs
from steu.workflow.gate import check_note_text as check_note_text
from steu.workflow.gate import check_privacy, require_notes
from steu.workflow.parameters_page import parameters_page
from steu.workflow.profiles import Profile, load_profile
from steu.workflow.site import check_site

COMPUTES_WITH = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "sklearn",
    "scipy",
    "joblib",
    "threadpoolctl",
)
UNWANTED = ("sphinx_thebe", "sphinx_comments", "sphinx.ext.intersphinx")  # they name remote hosts
# Some extensions say how their nodes look on one single page, and then those that say it of HTML in
# general are no longer asked.
SETUP = """

def setup(app):
    def share(app):
        handlers = app.registry.translation_handlers
        handlers["singlehtml"] = {**handlers.get("html", {}), **handlers.get("singlehtml", {})}

    app.connect("builder-inited", share)
"""
ENDED = ("metrics.json", "provenance.json")  # what stands beside a notebook that ran to its end
REDIRECT = '<meta http-equiv="Refresh" content="0; url={page}.html" />\n'


@dataclass(frozen=True)
class Chapter:
    """One notebook of the book: its name and the executed file of the run that it shows."""

    name: str
    executed: Path


def build(profile: str, *, run: Path, root: Path) -> Path:
    """Build the book of one run under ``root/_build/<profile>``.

    Parameters
    ----------
    profile
        Name or path of the profile that the run was made from.
    run
        Folder of that run, ``runs/<profile>``.
    root
        The project, with ``_config.yml``, ``_toc.yml``, ``book`` and ``profiles``.

    Returns
    -------
    Path
        ``index.html``.

    Raises
    ------
    ValueError
        If a notebook of the run or the cohort of a restricted dataset is missing, a page is broken,
        a page reaches for the network, or a page or any executed notebook of the run, shown or not,
        holds the text of a restricted note; then nothing of the book is left behind.
    """
    run, root = Path(run), Path(root)
    loaded = load_profile(profile, root=root)
    folders = [run / folder for s in loaded.all_stages for folder in loaded.folders_of(s)]
    target = root / "_build" / loaded.name
    source = target / "source"
    chapters = chapters_of(loaded, run=run)
    _require_executed(chapters)
    require_notes(loaded, run=run)
    present = gathered_by(run) | {s.name for s in loaded.all_stages if s.gathers}
    with atomic_path(source) as staged:
        measured = [f / "metrics.json" for f in folders if f.relative_to(run).parts[0] in present]
        stage(chapters, root=root, run=run, staged=staged, measured=measured)

    def check(*html: Path) -> None:
        try:
            # All at once, and after all is made: to read many notes takes minutes.
            check_privacy(run, folders=[run, source, *html], known=target / "clean.json")
        except ValueError:
            shutil.rmtree(source)
            raise

    try:
        return render(target, check=check)
    except ValueError:
        if source.exists():  # left for whoever mends a broken page
            check()
        raise


def render(target: Path, *, check: Callable[[Path], None] = lambda html: None) -> Path:
    """Build ``target/html`` from ``target/source``; nothing is left where `check` refuses it."""
    source = target / "source"
    pages = toc_pages(read_toc(source))
    with atomic_path(target / "html") as html:
        sphinx(source, html, builder="html")
        (html / "index.html").write_text(REDIRECT.format(page=pages[0]), encoding="utf-8")
        check_site(html, pages=pages)
        check(html)
    return target / "html" / "index.html"


def chapters_of(profile: Profile, *, run: Path) -> list[Chapter]:
    """List the notebooks that `profile` runs, each for its first dataset, backbone and seed."""
    first = {
        "dataset": next(iter(profile.datasets)),
        "backbone": next(iter(profile.backbones)),
        "seed": profile.seeds[0],
    }
    return [
        Chapter(stage.notebook, run / stage.folder.format(**first) / "notebook.ipynb")
        for stage in profile.all_stages
    ]


def gathered_by(run: Path) -> set[str]:
    """Folders of datasets whose results the run's last page gathered, or all that lie there.

    A folder may be left of an earlier run, with data that this one was without.
    """
    last = run / "reproduction" / "provenance.json"
    files = read_json(last).get("parameters", {}).get("metrics", []) if last.is_file() else []
    return {part for file in files or run.glob("*/") for part in Path(file).parts}


def stage(
    chapters: list[Chapter],
    *,
    root: Path,
    run: Path,
    staged: Path,
    measured: Iterable[Path] | None = None,
) -> None:
    """Write into the folder `staged` everything that Sphinx reads.

    `measured` are the results that the profile asks for, by default all that lie in `run`: it may
    also hold those of a profile that was changed since.
    """
    staged.mkdir(parents=True, exist_ok=True)
    shutil.copytree(root / "book", staged / "book", ignore=shutil.ignore_patterns(".*"))
    shutil.copy2(root / "_config.yml", staged / "_config.yml")
    (staged / "notebooks").mkdir()
    toc = read_toc(root)
    listed = [c for c in chapters if f"notebooks/{c.name}" in toc_pages(toc)]
    for chapter in listed:
        stage_notebook(chapter.executed, staged / "notebooks" / f"{chapter.name}.ipynb")
    toc = prune_toc(toc, keep={f"notebooks/{c.name}" for c in listed})
    (staged / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")
    page = parameters_page(sorted((staged / "notebooks").glob("*.ipynb")))
    (staged / "book" / "parameters.md").write_text(page, encoding="utf-8")
    results = run.rglob("metrics.json") if measured is None else measured
    _stage_costs(root / "benchmarks" / "results", results, staged / "book")
    _stage_guide(chapters, staged / "book" / "withdrawing.md")


def _stage_guide(chapters: list[Chapter], page: Path) -> None:
    """Put what each answer to a request cost and left in this run into the guide."""
    measured = [chapter.executed.with_name("metrics.json") for chapter in chapters]
    measured = [file for file in measured if file.is_file()]
    seconds = {}
    for file in measured:
        if file.parent.name == "classifier":
            took = read_json(file.with_name("provenance.json"))["seconds"]
            for dataset in collect([file])["dataset"].unique():
                seconds.setdefault(dataset, took)
    results = collect(measured) if measured else pd.DataFrame(columns=list(COLUMNS))
    table = request_costs.request_costs(results, training_seconds=seconds)
    text = page.read_text(encoding="utf-8").replace(request_costs.MARK, table)
    page.write_text(text, encoding="utf-8")


def _stage_costs(results: Path, measured: Iterable[Path], book: Path) -> None:
    """Write the page on cost, and its figures, from `make bench` and the provenance of the run."""
    files = (path.with_name("provenance.json") for path in sorted(measured))
    jobs = [read_json(path) for path in files if path.is_file()]
    (book / "costs.md").write_text(cost_page.page(results, jobs), encoding="utf-8")
    (book / "glued").mkdir(exist_ok=True)
    for name, drawn in cost_figures.pictures(results).items():
        drawn.savefig(book / "glued" / f"{name}.svg", metadata={"Date": None})


def stage_notebook(executed: Path, target: Path) -> None:
    """Copy one notebook, set its provenance small and lay its glued drawings where pages find them.

    Prose pages cannot glue an SVG of another page; they show the file ``book/glued/<name>.svg``.
    """
    notebook = nbformat.read(executed, as_version=4)
    for cell in notebook.cells:
        if "provenance" in cell.metadata.get("tags", ()):
            cell.source = f"````{{div}} provenance\n{cell.source}\n````"
    nbformat.write(notebook, target)
    for name, drawing in _glued_drawings(notebook):
        path = target.parents[1] / "book" / "glued" / f"{name}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawing, encoding="utf-8")


def _glued_drawings(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, str]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            for kind, data in output.get("data", {}).items():
                if name and kind.endswith("image/svg+xml"):
                    yield name, data


def _require_executed(chapters: list[Chapter]) -> None:
    missing = [
        (chapter, file)
        for chapter in chapters
        for file in (chapter.executed, *map(chapter.executed.with_name, ENDED))
        if not file.is_file()
    ]
    if missing:
        first, file = missing[0]
        n = len({chapter for chapter, _ in missing})
        raise ValueError(
            f"the book shows {first.name}, but {file} does not exist ({n} of {len(chapters)} "
            "notebooks have not run to their end); make them with 'make book PROFILE=<profile>' or "
            "'steu workflow <profile>'"
        )


def read_toc(folder: Path) -> dict[str, Any]:
    """Read the table of contents of a book folder."""
    return yaml.safe_load((folder / "_toc.yml").read_text(encoding="utf-8"))


def toc_pages(toc: dict[str, Any]) -> list[str]:
    """List all pages of a table of contents, in reading order, without file endings."""
    return [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]


def prune_toc(toc: dict[str, Any], *, keep: set[str]) -> dict[str, Any]:
    """Return the same contents without the notebooks that are not in `keep`."""
    parts = [
        part | {"chapters": [c for c in part["chapters"] if _stays(c["file"], keep)]}
        for part in toc["parts"]
    ]
    return toc | {"parts": [part for part in parts if part["chapters"]]}


def _stays(page: str, keep: set[str]) -> bool:
    return not page.startswith("notebooks/") or page in keep


def sphinx(source: Path, html: Path, *, builder: Literal["html", "singlehtml"]) -> None:
    """Build `source` with warnings as errors; Sphinx's own files are left beside `html`."""
    (source / "conf.py").write_text(sphinx_configuration(source), encoding="utf-8")
    cache = html.parent / f"doctrees-{builder}"
    options = ["-W", "-n", "--keep-going", "-q", "-b", builder, "-d", str(cache)]
    _run([sys.executable, "-m", "sphinx", *options, str(source), str(html)])


def sphinx_configuration(source: Path) -> str:
    """Text of the ``conf.py`` that Jupyter Book makes of ``_config.yml``, for use offline."""
    from jupyter_book.config import get_final_config  # slow to import: only when needed

    path = source / "_config.yml"
    config, _ = get_final_config(
        user_yaml=path,
        sourcedir=source,
        cli_config={"latex_individualpages": False},  # required, even for HTML
        raise_on_invalid=True,
    )
    config["extensions"] = [name for name in config["extensions"] if name not in UNWANTED]
    # A reader of the book may lack what the package computes with; its signatures are shown anyway.
    config["autodoc_mock_imports"] = [name for name in COMPUTES_WITH if find_spec(name) is None]
    return "\n".join(f"{key} = {value!r}" for key, value in sorted(config.items())) + SETUP


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        log = (done.stdout + done.stderr).strip()
        raise ValueError(f"the book does not build; Sphinx says:\n{log[-4000:]}")
