"""The book: staged from one run, built offline with warnings as errors, verified page by page."""

from __future__ import annotations

import json
import pkgutil
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import yaml
from conftest import Once
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from stubs import steu

import steu as package
from steu import __version__
from steu._io import sha256, write_json
from steu.data import ciphers, columns, quotations, readings
from steu.data.cohort import Cohort
from steu.data.quotations import note_text_in
from steu.evaluation.results import tagged, write_metrics
from steu.workflow import book
from steu.workflow.parameters_page import parameters_page
from steu.workflow.pdf import find_browser
from steu.workflow.profiles import load_profile
from steu.workflow.site import check_site, external

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ("01_cohort", "02_classifier", "03_pmi", "04_unlearning", "09_reproduction")
PARAMETERS = """\
n_tokens: int = 256  # word pieces to edit
forget_label: str | None = None  # class to withdraw, None | a label
labels: dict = {"heart_failure": ["428", "I50"]}  # ICD prefixes"""
PROFILE = """\
datasets:
  tiny: {layout: table, path: t.csv, restricted: false, forget_label: a, labels: {column: c},
         options: {text: t}}
  other: {layout: table, path: o.csv, restricted: false, forget_label: a, labels: {column: c},
         options: {text: t}}
backbones: {bert: {model: random-bert}, distilbert: {model: random-distilbert}}
seeds: [1, 0]
max_length: 16
stages: [unlearning]
"""
GLUED = ("share", *re.findall(r"::(\w+):s", (ROOT / "book" / "intro.md").read_text("utf-8")))
NOTE = "patient seen at the bedside with pitting edema to both knees and orthopnoea"


def glued(name: str, data: dict[str, str]) -> Any:
    """One output as ``myst_nb.glue`` writes it without showing it."""
    prefix = "application/papermill.record/"
    return new_output(
        "display_data",
        data={prefix + kind: value for kind, value in data.items()},
        metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
    )


def executed(name: str, *, extra: str = "") -> Any:
    """A tiny notebook as papermill leaves it: parameters, a figure, a table, a glued number."""
    figure = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>'
    table = '<table class="dataframe"><tr><th>share</th></tr><tr><td>0.25</td></tr></table>'
    outputs = [
        new_output("display_data", data={"text/html": table, "text/plain": "table"}),
        glued("reproduction_panels", {"image/svg+xml": figure, "text/plain": "figure"}),
        *(glued(key, {"text/plain": repr("0.25")}) for key in GLUED),
    ]
    text = f"# Chapter {name}\n\nUnlearning the {{term}}`forget label`, {{cite:p}}`steu`. "
    text += f"The share is {{glue:text}}`share`. {extra}"
    cells = [
        new_markdown_cell(text),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        new_code_cell("show(result)", execution_count=1, outputs=outputs),
        new_markdown_cell(f"```{{exercise}}\n:label: exercise-{name}\nHalve `n_tokens`.\n```"),
        new_markdown_cell("| seed |\n|---|\n| 3 |", metadata={"tags": ["provenance"]}),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def make_project(root: Path, *, extra: str = "") -> Path:
    """A project folder with this book's pages and a run of stub notebooks."""
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy2(ROOT / name, root / name)
    shutil.copytree(ROOT / "book", root / "book")
    (root / "profiles").mkdir()
    (root / "profiles" / "demo.yaml").write_text(PROFILE)
    for chapter in chapters(root):
        chapter.executed.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(executed(chapter.name, extra=extra), chapter.executed)
        tags = {"dataset": "tiny", "backbone": "bert", "seed": 0, "method": "original"}
        one = tagged([{"metric": "macro_auroc", "value": 0.5}], **tags, split="test")
        write_metrics(chapter.executed.parent, one, data="of these data", device="cpu")
        told = {"notebook": f"notebooks/{chapter.name}.ipynb", "seconds": 1.0, "device": "cpu"}
        write_json(chapter.executed.with_name("provenance.json"), told)
    return root


def chapters(root: Path) -> list[book.Chapter]:
    return book.chapters_of(load_profile("demo", root=root), run=root / "runs" / "demo")


def build(root: Path) -> Path:
    return book.build("demo", run=root / "runs" / "demo", root=root)


@pytest.fixture(scope="module")
def site(once: Once) -> Path:
    """The HTML folder of one whole build of the real pages around stub notebooks."""
    root = once("site", lambda folder: build(make_project(folder)))
    return root / "_build" / "demo" / "html"


def test_every_page_of_the_contents_is_in_the_site(site: Path) -> None:
    run = {f"notebooks/{name}" for name in CHAPTERS}
    pages = book.toc_pages(book.prune_toc(book.read_toc(ROOT), keep=run))
    assert run <= set(pages)
    for page in pages:
        assert (site / f"{page}.html").is_file(), page
    assert "book/intro.html" in (site / "index.html").read_text()


def test_the_search_index_knows_prose_and_notebooks(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert "notebooks/04_unlearning" in index
    assert "probe" in index  # a word of the prose
    assert "unlearn" in index  # a stem that the notebooks contain


def test_nothing_is_loaded_from_the_network(site: Path) -> None:
    assert not [url for page in site.rglob("*.html") for url in external(page)]
    assert (site / "_static" / "mathjax" / "tex-chtml.js").is_file()
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text()), sheet


def asked_of_the_network(page: Path, folder: Path) -> set[str]:
    """Addresses that a page has a browser ask for, without what follows a ?.

    What the browser asks for itself, of its maker, comes of no page: it has no origin.
    """
    log = folder / "network.json"
    command = [find_browser(), "--headless=new", "--disable-gpu", "--no-sandbox"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"]
    command += ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    command += ["--virtual-time-budget=8000", "--dump-dom", page.resolve().as_uri()]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    asked = [event["params"] for event in events if "initiator" in event.get("params", {})]
    of_pages = (one["url"] for one in asked if one["initiator"] != "not an origin")
    return {url.partition("?")[0] for url in of_pages}


def test_a_browser_asks_no_other_host_for_anything(site: Path, tmp_path: Path) -> None:
    try:
        find_browser()
    except ValueError as error:
        pytest.skip(str(error))
    (tmp_path / "empty.html").write_text("<p>nothing</p>")
    (tmp_path / "planted.html").write_text('<img src="http://127.0.0.1:9/planted.png">')
    assert not asked_of_the_network(tmp_path / "empty.html", tmp_path)
    planted = asked_of_the_network(tmp_path / "planted.html", tmp_path)
    assert planted == {"http://127.0.0.1:9/planted.png"}
    for page in ("book/method", "notebooks/04_unlearning", "search"):
        assert not asked_of_the_network(site / f"{page}.html", tmp_path), page


def test_the_first_page_borrows_its_answer_from_the_last_chapter(site: Path) -> None:
    page = (site / "book" / "intro.html").read_text(encoding="utf-8")
    assert 'src="../_images/reproduction_panels.svg"' in page
    assert page.count('<span class="pasted-text">0.25</span>') == len(GLUED) - 1 > 0


def test_no_page_offers_a_remote_kernel(site: Path) -> None:
    page = (site / "notebooks" / "04_unlearning.html").read_text(encoding="utf-8")
    assert not re.search(r"unpkg|binder|colab|thebe", page)


def test_mathematics_tables_and_glossary_are_rendered(site: Path) -> None:
    method = (site / "book" / "method.html").read_text(encoding="utf-8")
    assert 'class="math' in method
    assert "overview-drawing" in method
    chapter = (site / "notebooks" / "01_cohort.html").read_text(encoding="utf-8")
    assert "glossary.html#term-forget-label" in chapter
    assert "<th>share</th>" in chapter
    assert 'The share is <span class="pasted-text">0.25</span>' in chapter


def test_the_page_on_the_package_shows_every_public_name_and_setting(site: Path) -> None:
    page = (site / "book" / "api.html").read_text(encoding="utf-8")
    shown = set(re.findall(r'id="(steu\.[\w.]+)"', page))
    settings = {f"steu.UnlearnConfig.{field.name}" for field in fields(package.UnlearnConfig)}
    assert shown >= {f"steu.{name}" for name in package.__all__} | settings
    own = sorted(fields(package.SparseEdit), key=lambda field: field.kw_only)  # as it is called
    own = [field.name for field in own]
    about_edits = page.split('id="steu.SparseEdit"')[1]
    assert re.findall(r"<strong>(\w+)</strong>", about_edits)[: len(own)] == own
    named = re.findall(r'<span class="pre">(\w+)</span></code></p></td>', page)
    assert tuple(named) == package.SELECTORS
    assert "Type<span" not in page  # what a colon in the line on a property makes of it


def test_the_lines_that_prose_shows_of_the_package_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_public_face import toy_names  # here: only this test waits for torch

    monkeypatch.chdir(tmp_path)
    shown = {}
    for page in ("api", "rerunning"):
        text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")
        (shown[page],) = re.findall(r"```python\n(import steu\n.*?)```", text, flags=re.DOTALL)
    assert shown["api"] == shown["rerunning"]
    assert len([line for line in shown["api"].splitlines() if line]) == 5
    names = toy_names()
    exec(shown["api"], names)
    assert set(names["table"]["method"]) == {"original", "null", "edit"}
    assert (tmp_path / "edits" / "sepsis").is_dir()


def prose() -> dict[str, str]:
    """Every page and notebook, and what stands at the root of the project, as text."""
    files = [*ROOT.glob("*.md"), *(ROOT / "book").glob("*.md")]
    texts = {path.name: path.read_text(encoding="utf-8") for path in files}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        texts[path.name] = "\n".join(cell.source for cell in cells)
    return texts


def test_what_prose_says_of_the_package_is_there() -> None:
    files, modules = set(), set()
    for text in prose().values():
        files |= set(re.findall(r"\bsteu/[\w/]+\.py\b", text))
        modules |= set(re.findall(r"(?<![\w/.-])steu(?:\.[A-Za-z_]\w*)+", text))
        for module, names in re.findall(r"from (steu[\w.]*) import (\([^)]+|[\w, ]+)", text):
            modules |= {f"{module}.{name}" for name in re.findall(r"\w+", names)}
    assert not [file for file in files if not (ROOT / file).is_file()]
    assert "steu.models.fine_tuning.TrainConfig" in modules
    assert not [module for module in modules if not found(module)]


def found(dotted: str) -> bool:
    """Whether a module, or something in one, has this name."""
    try:
        pkgutil.resolve_name(dotted)
    except (AttributeError, ModuleNotFoundError):
        return False
    return True


def test_provenance_stands_last_and_small_on_every_chapter(site: Path) -> None:
    for name in CHAPTERS:
        page = (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert page.count('<div class="provenance docutils') == 1
        assert page.index('class="provenance') > page.index("exercise-")


def test_the_parameters_page_repeats_the_parameters_cell(tmp_path: Path) -> None:
    path = tmp_path / "04_unlearning.ipynb"
    nbformat.write(executed("04"), path)
    page = parameters_page([path])
    assert "## 04_unlearning" in page
    assert "| `` n_tokens `` | `` int `` | `` 256 `` | word pieces to edit |" in page
    assert "`` str \\| None ``" in page
    assert "None \\| a label |" in page
    assert "{'heart_failure': ['428', 'I50']}" in page


def test_the_parameters_page_is_generated_never_committed(site: Path) -> None:
    assert not (ROOT / "book" / "parameters.md").exists()
    assert "word pieces to edit" in (site / "book" / "parameters.html").read_text()


def test_chapters_follow_the_profile(tmp_path: Path) -> None:
    make_project(tmp_path)
    run = tmp_path / "runs" / "demo"
    shown = {chapter.name: chapter.executed for chapter in chapters(tmp_path)}
    assert tuple(shown) == CHAPTERS
    assert shown["01_cohort"] == run / "tiny/cohort/notebook.ipynb"
    assert shown["03_pmi"] == run / "tiny/bert/pmi/notebook.ipynb"
    assert shown["04_unlearning"] == run / "tiny/bert/seed1/unlearning/notebook.ipynb"
    assert shown["09_reproduction"] == run / "reproduction/notebook.ipynb"


def test_a_chapter_that_the_profile_does_not_run_leaves_the_contents(tmp_path: Path) -> None:
    make_project(tmp_path)
    kept = [chapter for chapter in chapters(tmp_path) if chapter.name != "04_unlearning"]
    book.stage(kept, root=tmp_path, run=tmp_path, staged=tmp_path / "source")
    pages = book.toc_pages(book.read_toc(tmp_path / "source"))
    assert "notebooks/04_unlearning" not in pages
    assert "notebooks/03_pmi" in pages
    assert "book/method" in pages


def test_the_page_on_cost_counts_the_jobs_of_the_profile_alone(tmp_path: Path) -> None:
    make_project(tmp_path)
    made = [chapter.executed for chapter in chapters(tmp_path)][:2]
    stale = tmp_path / "runs" / "demo" / "tiny" / "bert" / "seed7" / "classifier" / "notebook.ipynb"
    stale.parent.mkdir(parents=True)
    for file in (*made, stale):
        record = {"notebook": "notebooks/02_classifier.ipynb", "seconds": 10.0, "device": "cpu"}
        file.with_name("provenance.json").write_text(json.dumps(record))
        file.with_name("metrics.json").touch()
    told = {}
    for name, measured in (("asked", [f.with_name("metrics.json") for f in made]), ("all", None)):
        staged = tmp_path / name
        book.stage([], root=tmp_path, run=tmp_path / "runs", staged=staged, measured=measured)
        told[name] = (staged / "book" / "costs.md").read_text(encoding="utf-8")
    assert "| 02_classifier | 2 | 10 | 20 |" in told["asked"]
    assert "| 02_classifier | 3 | 10 | 30 |" in told["all"]


def test_pruning_to_all_notebooks_changes_nothing() -> None:
    toc = book.read_toc(ROOT)
    assert book.prune_toc(toc, keep=set(book.toc_pages(toc))) == toc


def test_a_missing_executed_notebook_is_named(tmp_path: Path) -> None:
    make_project(tmp_path)
    (tmp_path / "runs/demo/tiny/bert/pmi/notebook.ipynb").unlink()
    with pytest.raises(ValueError, match=r"03_pmi.*pmi/notebook.ipynb does not exist.*make book"):
        build(tmp_path)
    assert not (tmp_path / "_build" / "demo" / "source").exists()


@pytest.mark.parametrize("name", ["metrics.json", "provenance.json"])
def test_a_notebook_that_failed_or_waits_to_run_again_is_no_chapter(
    tmp_path: Path, name: str
) -> None:
    make_project(tmp_path)
    (tmp_path / "runs/demo/tiny/bert/pmi" / name).unlink()
    with pytest.raises(ValueError, match=rf"03_pmi.*pmi/{name} does not exist \(1 of .* have not"):
        build(tmp_path)


def test_an_unknown_profile_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"profiles/nowhere.yaml: no such profile"):
        book.build("nowhere", run=tmp_path, root=tmp_path)


def test_a_profile_named_by_its_path_has_its_run_below_its_name(tmp_path: Path) -> None:
    (tmp_path / "some" / "where").mkdir(parents=True)
    (tmp_path / "some" / "where" / "mine.yaml").write_text(PROFILE)
    done = steu(tmp_path, "book", "--profile", "some/where/mine.yaml")
    assert done.returncode == 2
    assert " runs/mine/tiny/cohort/notebook.ipynb does not exist" in done.stderr


def test_a_wrong_link_stops_the_build(tmp_path: Path) -> None:
    make_project(tmp_path, extra="See {doc}`no_such_page`.")
    toc = book.read_toc(tmp_path) | {"root": "book/glossary"}  # few pages are built quickly
    toc["parts"] = [{"caption": "All", "chapters": [{"file": "notebooks/01_cohort"}]}]
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    with pytest.raises(ValueError, match=r"does not build(.|\n)*no_such_page"):
        build(tmp_path)
    assert [path.name for path in (tmp_path / "_build" / "demo").iterdir()] == ["source"]


def restricted_cohort(
    folder: Path, *, restricted: bool, dataset: str = "tiny", note: str = NOTE
) -> None:
    """Three stays, one a split, with the words of a note in the first."""
    frame = pd.DataFrame(
        {
            "subject_id": ["1", "1", "2", "2", "3", "3"],
            "stay_id": list("abcdef"),
            "text": [note, "admitted for observation", *["discharged home"] * 4],
            "a": [True, False] * 3,
            "split": ["train", "train", "validation", "validation", "test", "test"],
        }
    )
    cohort = Cohort(frame, ("a",), name="tiny", layout="table", restricted=restricted)
    cohort.write(folder / dataset / "cohort")


def test_words_of_a_restricted_note_stop_the_build(tmp_path: Path) -> None:
    restricted_cohort(tmp_path / "run", restricted=True)
    page = tmp_path / "page.html"
    page.write_text(f"<p>{NOTE.replace('pitting', '<b>PITTING</b>')}</p>")
    with pytest.raises(
        ValueError, match=r"page.html shows words of note 0 .*run the notebook"
    ) as e:
        book.check_privacy(tmp_path / "run", folders=[tmp_path])
    assert "pitting" not in str(e.value)
    page.write_text("<p>pitting edema to both knees</p>")  # too few words to be a quotation
    book.check_privacy(tmp_path / "run", folders=[tmp_path])


def test_pages_of_one_name_in_several_folders_are_all_looked_at(tmp_path: Path) -> None:
    restricted_cohort(tmp_path / "run", restricted=True)
    seeds = [tmp_path / "run" / seed / "audit" for seed in ("seed0", "seed1")]
    for folder, text in zip(seeds, (NOTE, "nothing"), strict=True):
        folder.mkdir(parents=True)
        (folder / "notebook.ipynb").write_text(text)
    with pytest.raises(ValueError, match=r"seed0/audit/notebook.ipynb shows words of note 0"):
        book.check_privacy(tmp_path / "run", folders=seeds)


def test_a_vocabulary_beside_its_model_is_not_read_and_what_cannot_be_is_named(
    tmp_path: Path,
) -> None:
    restricted_cohort(tmp_path / "run", restricted=True)
    kept = tmp_path / "shown" / "trained"
    kept.mkdir(parents=True)
    (kept / "tokenizer.json").write_text(NOTE)
    with pytest.raises(ValueError, match=r"trained/tokenizer\.json shows words of note 0"):
        book.check_privacy(tmp_path / "run", folders=[tmp_path / "shown"])
    (kept / "model.safetensors").touch()
    book.check_privacy(tmp_path / "run", folders=[tmp_path / "shown"])
    (kept / "odd.log").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"odd\.log is not UTF-8, so nobody can look for notes"):
        book.check_privacy(tmp_path / "run", folders=[tmp_path / "shown"])


@pytest.mark.parametrize("name", ["p.js", "P.HTML", "p.tsv", "p.xml", "p.jsonl", "p.yml", "p"])
def test_words_of_a_restricted_note_are_looked_for_in_every_text(tmp_path: Path, name: str) -> None:
    restricted_cohort(tmp_path / "run", restricted=True)
    page = tmp_path / "html" / name
    page.parent.mkdir()
    page.write_text(NOTE)
    with pytest.raises(ValueError, match=rf"html/{name} shows words of note 0"):
        book.check_privacy(tmp_path / "run", folders=[tmp_path / "html"])


def test_what_sphinx_brings_and_pictures_of_dots_are_not_read(tmp_path: Path) -> None:
    restricted_cohort(tmp_path / "run", restricted=True)
    (tmp_path / "html" / "_static").mkdir(parents=True)
    (tmp_path / "html" / "_static" / "theme.js").write_text(NOTE)
    (tmp_path / "html" / "picture.PNG").write_bytes(b"\xff\xfe")
    book.check_privacy(tmp_path / "run", folders=[tmp_path / "html"])


def restricted_project(root: Path) -> Path:
    """The run of a project whose profile says that the notes of `tiny` are restricted."""
    run = make_project(root) / "runs" / "demo"
    profile = PROFILE.replace("restricted: false", "restricted: true", 1)
    (root / "profiles" / "demo.yaml").write_text(profile)
    restricted_cohort(run, restricted=True)
    return run


@pytest.mark.parametrize("lost", ["cohort.json", "cohort.parquet"])
def test_a_book_is_refused_where_its_restricted_notes_are_not_there(
    tmp_path: Path, lost: str
) -> None:
    run = restricted_project(tmp_path)
    (run / "tiny" / "cohort" / lost).unlink()
    with pytest.raises(ValueError, match=r"tiny is restricted, but .*lacks .*put its files back"):
        build(tmp_path)
    assert not (tmp_path / "_build").exists()


def test_a_book_is_refused_where_the_profile_was_mended_and_the_run_was_not(tmp_path: Path) -> None:
    run = restricted_project(tmp_path)
    restricted_cohort(run, restricted=False)
    with pytest.raises(ValueError, match=r"says that it is open.* make it anew with 'steu work"):
        build(tmp_path)


LEAK = f"It reads: {NOTE}."
UNSHOWN = ("tiny/bert/seed0/unlearning", "tiny/distilbert/pmi", "other/bert/seed1/classifier")


@pytest.mark.parametrize("folder", UNSHOWN)
def test_words_of_a_restricted_note_in_a_notebook_that_is_not_shown_stop_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    run = make_project(tmp_path) / "runs" / "demo"
    restricted_cohort(run, restricted=True)
    (run / folder).mkdir(parents=True)
    nbformat.write(executed("x", extra=LEAK), run / folder / "notebook.ipynb")
    without_sphinx(monkeypatch, "<p>nothing</p>")
    with pytest.raises(ValueError, match=rf"{folder}/notebook.ipynb shows words of note 0"):
        build(tmp_path)
    assert not list((tmp_path / "_build" / "demo").iterdir())


def test_a_page_that_shows_words_of_a_restricted_note_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restricted_cohort(make_project(tmp_path) / "runs" / "demo", restricted=True)
    without_sphinx(monkeypatch, f"<p>{NOTE}</p>")
    with pytest.raises(ValueError, match=r"page.html shows words of note 0"):
        build(tmp_path)
    assert not list((tmp_path / "_build" / "demo").iterdir())


def test_the_source_of_a_book_that_does_not_build_is_looked_at_before_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_project(tmp_path) / "runs" / "demo"
    restricted_cohort(run, restricted=True)

    def sphinx(source: Path, html: Path, *, builder: str) -> None:
        raise ValueError("a page is broken")

    monkeypatch.setattr(book, "sphinx", sphinx)
    with pytest.raises(ValueError, match="a page is broken"):
        build(tmp_path)
    assert (tmp_path / "_build" / "demo" / "source" / "_toc.yml").is_file()
    (tmp_path / "book" / "data.md").write_text(f"# Data\n\n{NOTE}\n")
    with pytest.raises(ValueError, match=r"source/book/data.md shows words of note 0"):
        build(tmp_path)
    assert not (tmp_path / "_build" / "demo" / "source").exists()


def test_what_was_scanned_beside_the_same_notes_is_not_scanned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_project(tmp_path) / "runs" / "demo"
    restricted_cohort(run, restricted=True)
    scanned: list[set[str]] = []

    def scan(texts: Mapping[str, str], notes: Iterable[str]) -> list[quotations.Found]:
        scanned.append({Path(path).name for path in texts})
        return note_text_in(texts, notes)

    monkeypatch.setattr(quotations, "note_text_in", scan)
    for page in ("first", "first", "second"):
        without_sphinx(monkeypatch, f"<p>{page}</p>")
        build(tmp_path)
    assert len(scanned) == 2 and scanned[1] == {"page.html"}  # once a build, and not at all again
    clean = tmp_path / "_build" / "demo" / "clean.json"
    whole = json.loads(clean.read_text())
    scan = (ciphers, columns, quotations, readings)
    assert {sha256(str(module.__file__)) for module in scan} < set(whole["beside"])
    for damaged in (
        "{",
        "[]",
        json.dumps(whole | {"beside": []}),
        json.dumps(whole | {"clean": 0}),
    ):
        clean.write_text(damaged)
        build(tmp_path)
    restricted_cohort(run, restricted=True, note=f"And {NOTE}")  # beside other notes
    build(tmp_path)
    assert len(scanned) == 7 and all(again == scanned[0] for again in scanned[2:])


def without_sphinx(monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    """Build a site of one page only."""

    def sphinx(source: Path, html: Path, *, builder: str) -> None:
        html.mkdir()
        (html / "page.html").write_text(page)

    monkeypatch.setattr(book, "sphinx", sphinx)
    monkeypatch.setattr(book, "check_site", lambda *_, **__: None)


def test_words_of_an_open_note_are_welcome(tmp_path: Path) -> None:
    restricted_cohort(tmp_path / "run", restricted=False)
    (tmp_path / "page.html").write_text(NOTE)
    book.check_privacy(tmp_path / "run", folders=[tmp_path])


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.org/x.css">',
        '<link rel="preload icon" href="http://example.org/x.woff2">',
        '<img src="https://example.org/x.png">',
        '<svg><image href="https://example.org/x.png"/></svg>',
    ],
)
def test_a_page_that_loads_from_elsewhere_is_refused(tmp_path: Path, element: str) -> None:
    for name in ("search.html", "searchindex.js"):
        (tmp_path / name).write_text("")
    (tmp_path / "page.html").write_text(f"<html>{element}</html>")
    with pytest.raises(ValueError, match=r"without a network.*page.html: .*example.org"):
        check_site(tmp_path, pages=["page"])


def test_an_ordinary_link_to_the_web_is_welcome(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<a href="https://arxiv.org">paper</a><link rel="next" href="https://x.org">')
    assert external(page) == []


def test_a_page_that_sphinx_did_not_write_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lacks gone.html, search.html, searchindex.js"):
        check_site(tmp_path, pages=["gone"])


def test_licences_and_citation_agree_with_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__
    assert citation["license"] == "MIT"
    assert {"title", "authors", "message"} <= set(citation)
    assert "2603.19302" in citation["preferred-citation"]["url"]
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert "CC BY 4.0" in (ROOT / "LICENSE-prose").read_text()


def test_the_changelog_has_one_unreleased_section_and_dated_ones() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *released = re.findall(r"(?m)^## (.*)", text)
    assert first == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", title) for title in released)


def test_pyproject_takes_the_version_from_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "steu.__version__"}
    assert project["project"]["license"] == "MIT"


def test_the_files_that_the_readme_points_to_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert "book/_static/overview.svg" in targets
    assert not [target for target in targets if not (ROOT / target).exists()]
