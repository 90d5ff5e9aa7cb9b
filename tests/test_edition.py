"""A published edition: made of one finished run, read without it, and compared with another."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from stubs import steu
from test_book import NOTE, executed, restricted_cohort

from steu._io import read_json, sha256, write_json
from steu.evaluation.results import COLUMNS, tagged, write_metrics
from steu.workflow import agreement, edition, pdf
from steu.workflow.agreement import (
    COSTS,
    Agreement,
    check_comparable,
    compare,
    compare_with_edition,
)
from steu.workflow.book import COMPUTES_WITH, chapters_of
from steu.workflow.jobs import Grid
from steu.workflow.parameters import check_parameters
from steu.workflow.profiles import load_profile
from steu.workflow.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "published" / "open"
COPIED = ("_config.yml", "_toc.yml", "book", "profiles", "notebooks", "requirements.lock")
MACHINE = "CPU, AVX2, fp32, 1 thread"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def record(value: float, metric: str = "probe_auroc", **tags: Any) -> dict[str, Any]:
    given = {"dataset": "a", "backbone": "b", "seed": 0, "method": "steu", "split": "test"}
    return tagged([{"metric": metric, "value": value}], **(given | tags))[0]


def write_run(root: Path, run: Path, *, device: str = MACHINE, value: float = 0.5) -> None:
    """A finished run of the smoke profile, every notebook a stub, as the runner leaves it."""
    grid = Grid.of("smoke", run=str(run))
    state = {"commit": git(root, "rev-parse", "HEAD"), "dirty": False}
    state["lock"] = sha256(root / "requirements.lock")
    for file in map(Path, grid.results):
        told = {
            **state,
            "notebook": f"notebooks/{file.parent.name}.ipynb",
            "device": device,
            "seconds": 2.0,
            "versions": {"torch": "2"},
            "parameters": {"cohort": "here"},
        }
        *place, stage, _ = file.relative_to(run).parts  # dataset, backbone, seed, as far as it has
        seed = int(place[2].removeprefix("seed")) if len(place) == 3 else None
        one = record(value, seed=seed, backbone=place[1] if place[1:] else None, method=stage)
        write_metrics(file.parent, [one], data="of these data", device=device)
        write_json(file.parent / "provenance.json", told)
    for chapter in chapters_of(grid.profile, run=run):
        nbformat.write(executed(chapter.name), chapter.executed)
    restricted_cohort(run, restricted=False, dataset="mimic_iv_synthetic")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this project's pages, and a finished run."""
    root = tmp_path_factory.mktemp("project")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, root / name)
    (root / ".gitignore").write_text("runs/\npublished/\n_build/\n")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "all")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_run(root, Path("runs/smoke"))
        publish(root)
    return root


def publish(root: Path, run: str = "runs/smoke") -> Path:
    target = Path("published/smoke")
    return edition.publish("smoke", data="", run=Path(run), target=target, root=root)


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def copied(here: Path, tmp_path: Path) -> Path:
    """The edition once more, to be damaged."""
    return Path(shutil.copytree("published/smoke", tmp_path / "published" / "smoke"))


def test_an_edition_says_of_which_commit_it_is_and_vouches_for_every_file(here: Path) -> None:
    facts = edition.read_edition("published/smoke")
    assert facts["commit"] == git(here, "rev-parse", "HEAD")
    assert facts["lock"] == sha256(here / "requirements.lock")
    assert facts["profile"] == "smoke" and facts["machines"] == [MACHINE]
    files = {str(f.relative_to("published/smoke")) for f in Path("published/smoke").rglob("*.*")}
    assert set(facts["files"]) == {f for f in files if Path("published/smoke", f).is_file()} - {
        "edition.json"
    }
    jobs = len(list(Path("runs/smoke").rglob("metrics.json")))
    assert len(list(Path("published/smoke/results").rglob("metrics.json"))) == jobs
    assert facts["seconds"] == 2.0 * jobs
    assert not list(Path("published/smoke").rglob("*.parquet"))


def test_the_book_of_the_published_edition_is_built_from_it_alone(here: Path) -> None:
    page = edition.read(PUBLISHED, root=here)  # with the page on the code as it is now
    assert page == here / "_build/published-open/html/index.html" and page.is_file()
    text = (page.parent / "notebooks/04_unlearning.html").read_text(encoding="utf-8")
    assert edition.read_edition(PUBLISHED)["commit"][:12] in text


def test_the_book_of_an_edition_is_printed_as_one_pdf(here: Path, copied: Path) -> None:
    try:
        pdf.find_browser()
    except ValueError as none:
        pytest.skip(str(none))
    target = here / "_build" / "printed"
    shutil.copytree(copied / "source", target / "source")
    printed = pdf.print_book(target)
    assert printed.read_bytes().startswith(b"%PDF") and printed.stat().st_size > 100_000


def test_without_a_chromium_the_pdf_says_what_it_needs(here: Path, monkeypatch) -> None:
    monkeypatch.setenv("CHROMIUM", "no-such-browser")
    with pytest.raises(ValueError, match="needs a Chromium; found none called no-such-browser"):
        pdf.print_book(here / "_build/published-smoke")
    done = steu(here, "pdf", "_build/published-smoke")
    assert done.returncode == 2 and "CHROMIUM=/path/to/chromium" in done.stderr.splitlines()[-1]


def test_nothing_is_printed_of_a_book_that_was_not_built(here: Path, monkeypatch) -> None:
    monkeypatch.setattr(pdf, "find_browser", lambda: "chromium")
    with pytest.raises(ValueError, match="nowhere/source does not exist: build the book first"):
        pdf.print_book(Path("nowhere"))


def test_no_edition_is_made_of_a_run_with_another_origin(here: Path, tmp_path: Path) -> None:
    run = shutil.copytree("runs/smoke", tmp_path / "smoke")
    file = next(run.rglob("provenance.json"))
    sound = read_json(file)
    kept = edition.read_edition("published/smoke")
    for change, told in {
        "commit": "an edition is of one commit; found 0123",
        "lock": "an edition is of one lock; found 0123",
        "dirty": "an edition is of no changes that are not committed; found False, True",
    }.items():
        write_json(file, sound | {change: True if change == "dirty" else "0123"})
        with pytest.raises(ValueError, match=told):
            publish(here, run=str(run))
    file.unlink()
    with pytest.raises(
        ValueError, match=r"is not finished: .*provenance.json does not exist \(1 of"
    ):
        publish(here, run=str(run))
    assert edition.read_edition("published/smoke") == kept


def test_no_edition_takes_the_place_of_anything_else(here: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    run = {"data": "", "run": Path("runs/smoke"), "root": here}
    with pytest.raises(ValueError, match=r"mine holds thesis.txt, which would be lost; name anoth"):
        edition.publish("smoke", target=tmp_path / "mine", **run)
    done = steu(here, "publish", "smoke", "--edition", str(tmp_path / "mine"), "--dry-run")
    assert done.returncode == 2 and "thesis.txt" in done.stderr.splitlines()[-1]
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


def test_no_edition_is_made_where_git_names_no_commit(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").touch()
    with pytest.raises(ValueError, match="git does not say which commit this is"):
        edition.check_origin([], tmp_path)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("published/open", "published-open"), ("/edition", "edition"), ("..", "edition")],
)
def test_a_book_is_built_below_the_project_wherever_its_edition_lies(
    folder: str, name: str
) -> None:
    assert edition.name_of(Path(folder)) == name


def test_no_edition_shows_words_of_a_note_restricted_or_not(here: Path, tmp_path: Path) -> None:
    run = shutil.copytree("runs/smoke", tmp_path / "smoke")
    file = next(run.rglob("pmi/notebook.ipynb"))
    nbformat.write(executed("03_pmi", extra=NOTE), file)
    with pytest.raises(ValueError, match="shows words of note 0 of the dataset in"):
        publish(here, run=str(run))


def test_a_damaged_or_partial_or_foreign_edition_is_named_in_one_line(copied: Path) -> None:
    facts = read_json(copied / "edition.json")
    page = copied / "source/book/intro.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(text + " ", encoding="utf-8")
    with pytest.raises(ValueError, match=r"intro.md is missing or not as it was published \(1 of"):
        edition.read_edition(copied)
    page.unlink()
    with pytest.raises(ValueError, match=r"git checkout -- .*smoke\)"):
        edition.read_edition(copied)
    write_json(copied / "edition.json", facts | {"format": 0, "steu": "0.0.1"})
    with pytest.raises(
        ValueError, match="was made by steu 0.0.1 in format 0; steu .* reads format"
    ):
        edition.read_edition(copied)
    for lost in ("files", "profile", "commit"):
        write_json(copied / "edition.json", {n: v for n, v in facts.items() if n != lost})
        with pytest.raises(ValueError, match=f"edition.json does not say '{lost}', or not as it"):
            edition.read_edition(copied)
    (copied / "edition.json").unlink()
    with pytest.raises(ValueError, match="demo does not exist: expected an edition; make publish"):
        edition.read_edition(copied.with_name("demo"))
    with pytest.raises(ValueError, match="smoke holds no edition: expected edition.json"):
        edition.read_edition(copied)
    (copied / "edition.json").write_text("{")
    with pytest.raises(ValueError, match="edition.json is not valid JSON"):
        edition.read_edition(copied)


def test_the_command_reads_compares_and_refuses(here: Path, copied: Path) -> None:
    done = steu(here, "check-results", "smoke")
    assert done.returncode == 0, done.stderr
    assert "numbers on the same type of machine" in done.stdout and ", 0 outside" in done.stdout
    elsewhere = shutil.copy("profiles/smoke.yaml", copied.parent)  # a profile of one's own
    done = steu(here, "check-results", elsewhere)
    assert done.returncode == 0, done.stderr
    (copied / "edition.json").unlink()
    done = steu(here, "read", str(copied))
    assert done.returncode == 2 and done.stderr.startswith("steu: ") and not done.stdout


def test_a_fresh_run_is_compared_number_by_number(here: Path, tmp_path: Path) -> None:
    for name, device, value, outside in (
        ("equal", MACHINE, 0.5, False),
        ("another-seed", MACHINE, 0.5 + 1e-6, True),
    ):
        write_run(here, tmp_path / name, device=device, value=value)
        found = compare_with_edition(tmp_path / name, "published/smoke", profile="smoke")
        assert found.same_machine and (len(found.outside) > 0) is outside
        assert len(found.numbers) == len(list(Path("runs/smoke").rglob("metrics.json")))
    told = found.told(1)
    assert "published 0.5, found 0.500001" in told and "more\n" in told
    write_run(here, tmp_path / "elsewhere", device="CPU, AVX512, bf16, 1 thread")
    found = compare_with_edition(tmp_path / "elsewhere", "published/smoke", profile="smoke")
    assert "numbers on another type of machine" in found.told(0)
    assert not found.same_machine and not len(found.outside)


def test_what_cannot_be_compared_is_refused(here: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="is of the profile smoke; the run is of demo: compare it w"
    ):
        compare_with_edition("runs/smoke", "published/smoke", profile="demo")
    run = shutil.copytree("runs/smoke", tmp_path / "smoke")
    told = next(run.rglob("classifier/provenance.json"))
    origin = read_json(told)
    write_json(told, origin | {"parameters": {"max_length": 160, "cohort": "elsewhere"}})
    with pytest.raises(
        ValueError,
        match=r"classifier.ipynb has max_length = 160, that of published/smoke, of [0-9a-f]+ "
        "had 'no such parameter': check that commit out and run it, or make publish",
    ):
        compare_with_edition(run, "published/smoke", profile="smoke")
    write_json(told, origin | {"parameters": {"cohort": "elsewhere", "output": "there"}})
    assert not len(compare_with_edition(run, "published/smoke", profile="smoke").outside)
    file = next(run.rglob("metrics.json"))
    whole = json.loads(file.read_text())
    file.write_text(json.dumps(whole | {"data": "others"}))
    with pytest.raises(ValueError, match="comes from other data than published/smoke"):
        compare_with_edition(run, "published/smoke", profile="smoke")
    file.unlink()
    with pytest.raises(
        ValueError, match=r"smoke is not finished: .*metrics.json does not exist \(1"
    ):
        compare_with_edition(run, "published/smoke", profile="smoke")


def test_what_could_not_be_compared_is_refused_before_it_is_run(here: Path, copied: Path) -> None:
    grid = Grid.of("smoke")
    for file in copied.rglob("provenance.json"):
        stage = STAGES[file.parent.name]
        cell = grid.profile.cells_of(stage)[str(file.parent.relative_to(copied / "results"))]
        given = check_parameters(stage.path, grid.parameters(stage, cell))
        write_json(file, read_json(file) | {"parameters": given})
    vouch(copied)
    check_comparable(copied, grid)
    check_comparable(copied, Grid.of(shutil.copy("profiles/smoke.yaml", copied.parent)))
    file = next(copied.rglob("classifier/provenance.json"))
    sound = read_json(file)
    write_json(file, sound | {"parameters": sound["parameters"] | {"epochs": 77}})
    vouch(copied)
    with pytest.raises(
        ValueError, match=r"02_classifier.ipynb has epochs = \d+, that of .* had 77"
    ):
        check_comparable(copied, grid)
    shutil.rmtree(file.parent)
    vouch(copied)
    with pytest.raises(ValueError, match=r"smoke adds .*classifier/metrics.json now: check that c"):
        check_comparable(copied, grid)


def vouch(folder: Path) -> None:
    """Write anew what an edition says of its files."""
    files = [f for f in folder.rglob("*") if f.is_file() and f.name != "edition.json"]
    told = {str(f.relative_to(folder)): sha256(f) for f in files}
    write_json(folder / "edition.json", read_json(folder / "edition.json") | {"files": told})


def test_on_the_same_machine_intervals_are_compared_too() -> None:
    told = frame(record(0.5) | {"low": 0.4, "high": 0.6, "n": 20})
    for change in ({"high": 0.7}, {"low": np.nan}, {"n": 21}):
        numbers = compare(told, told.assign(**change), same_machine=True)
        assert not numbers["agrees"].any()
        assert compare(told, told.assign(**change), same_machine=False)["agrees"].all()
    assert compare(told, told, same_machine=True)["agrees"].all()


def frame(*records: dict[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame([{name: one.get(name) for name in COLUMNS} for one in records])
    return table.astype(dict.fromkeys(("value", "low", "high"), float))  # as `collect` has them


def seeds_of(method: str, *values: float) -> list[dict[str, Any]]:
    return [record(value, method=method, seed=seed) for seed, value in enumerate(values)]


def test_tolerances_elsewhere_are_nothing_the_range_of_seeds_or_the_interval() -> None:
    counted = record(7.0, "prevalence", seed=None)
    ranges = [*seeds_of("steu", 0.50, 0.51, 0.52), *seeds_of("null", 0.6, 0.6, 0.65)]
    ranges += seeds_of("wild", 0.4, 0.8, 0.5)  # is no measure of how far the others may be off
    one_seed = record(0.6, method="random_tokens")
    alone = record(0.2, "js_retain_masked") | {"low": 0.1, "high": 0.5}
    neither = record(7.0, "in_common_with_pmi")
    published = frame(counted, *ranges, one_seed, alone, neither)
    numbers = compare(published, published, same_machine=False)
    allowed = numbers.set_index(["metric", "method", "seed"])["tolerance"].sort_index()
    assert allowed["prevalence"].item() == 0 and np.isnan(allowed["in_common_with_pmi"].item())
    for method, tolerance in {
        "steu": 0.05,
        "null": 0.05,
        "wild": 0.4,
        "random_tokens": 0.05,
    }.items():
        assert allowed["probe_auroc", method].to_numpy() == pytest.approx(tolerance)
    assert allowed["js_retain_masked"].item() == pytest.approx(0.2)

    def agree(shift: float, same_machine: bool) -> list[bool]:
        moved = published.assign(value=published["value"] + shift)
        return compare(published, moved, same_machine=same_machine)["agrees"].tolist()

    assert sum(agree(0.049, False)) == 12 and sum(agree(0.051, False)) == 5
    assert not any(agree(1e-6, True))


def test_what_a_day_costs_is_not_compared() -> None:
    costs = [record(9.0, name) for name in ("seconds", "seconds_scoring", "peak_memory_bytes")]
    assert len(compare(frame(*costs), frame(*costs), same_machine=True)) == 0
    known = {
        one["metric"] for f in PUBLISHED.rglob("metrics.json") for one in read_json(f)["records"]
    }
    assert {name for name in known if name.startswith("seconds") or "memory" in name} <= set(COSTS)


def test_a_run_without_an_optional_dataset_is_compared_in_the_others(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree("runs/smoke", tmp_path / "smoke")
    shutil.rmtree(run / "mimic_iv_synthetic")
    with pytest.raises(ValueError, match="is not finished"):
        compare_with_edition(run, "published/smoke", profile="smoke")
    one = load_profile("smoke").datasets["mimic_iv_synthetic"].model_copy(update={"optional": True})
    loaded = load_profile("smoke").model_copy(update={"datasets": {"mimic_iv_synthetic": one}})
    monkeypatch.setattr(agreement, "load_profile", lambda name: loaded)
    found = compare_with_edition(run, "published/smoke", profile="smoke")
    assert found.left_out == ("mimic_iv_synthetic",) and not len(found.outside)
    assert "the run is without mimic_iv_synthetic, which is left out" in found.told(0)
    shutil.copytree("runs/smoke/mimic_iv_synthetic", run / "mimic_iv_synthetic")  # an earlier run's
    last = run / "reproduction" / "provenance.json"
    write_json(last, read_json(last) | {"parameters": {"cohort": "here", "metrics": ["a/b.json"]}})
    again = compare_with_edition(run, "published/smoke", profile="smoke")
    assert again.left_out == found.left_out and len(again.numbers) == len(found.numbers)
    assert set(found.numbers["method"]) == {"reproduction"}


def test_a_number_that_only_one_side_has_does_not_agree() -> None:
    both, only = record(0.5), record(0.5, "forget_f1")
    for published, fresh in ((frame(both, only), frame(both)), (frame(both), frame(both, only))):
        numbers = compare(published, fresh, same_machine=True).set_index("metric")["agrees"]
        assert numbers["probe_auroc"] and not numbers["forget_f1"]


def test_missing_values_agree_with_missing_values_alone() -> None:
    undefined, known = record(float("nan")), record(0.5)
    none = compare(frame(undefined), frame(undefined), same_machine=True)
    assert none["agrees"].all()
    assert "machine: 1 equal, 1 within" in Agreement(True, none).told(0)
    assert not compare(frame(undefined), frame(known), same_machine=True)["agrees"].any()
    assert not compare(frame(known), frame(undefined), same_machine=False)["agrees"].any()


def test_the_published_edition_is_whole_and_its_pages_say_what_it_says() -> None:
    facts = edition.read_edition(PUBLISHED)
    assert facts["profile"] == "open"
    known = [read_json(path) for path in PUBLISHED.rglob("provenance.json")]
    assert {(one["commit"], one["lock"], one["dirty"]) for one in known} == {
        (facts["commit"], facts["lock"], False)
    }
    shown = list((PUBLISHED / "source" / "notebooks").glob("*.ipynb"))
    assert len(shown) > 8
    for path in shown:
        foot = nbformat.read(path, as_version=4).cells[-1]
        assert "provenance" in foot.metadata["tags"]
        assert facts["commit"][:12] in foot.source and facts["lock"][:12] in foot.source
        assert "not committed" not in foot.source
    assert sum(path.stat().st_size for path in PUBLISHED.rglob("*.*")) < 20e6


READERS_PYTHON = """
import sys
from importlib.abc import MetaPathFinder
from sphinx.ext.autodoc.mock import mock

absent, mocked = set(sys.argv[1].split()), sys.argv[2].split()

class Light(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Light())
import steu
import steu.workflow.edition, steu.workflow.pdf  # what make read and make pdf run
with mock([name for name in mocked if name in absent]):
    for name in steu.__all__:
        getattr(steu, name)
"""


def test_an_edition_is_read_and_the_public_face_shown_with_nothing_but_the_extra_book() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    light = with_what_they_need(project["optional-dependencies"]["book"])
    named = packages_distributions().items()
    absent = {root for root, of in named if not light & {canonicalize_name(name) for name in of}}
    assert "matplotlib" not in absent and "torch" in absent
    command = [sys.executable, "-c", READERS_PYTHON, " ".join(absent - {"steu"})]
    command.append(" ".join(COMPUTES_WITH))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def with_what_they_need(requirements: list[str]) -> set[str]:
    """Names of these distributions and of all that they require."""
    found: set[str] = set()
    todo = [Requirement(one) for one in requirements]
    while todo:
        one = todo.pop()
        name = canonicalize_name(one.name)
        wanted = one.marker is None or one.marker.evaluate({"extra": ""})
        if wanted and name not in found:
            found.add(name)
            todo += map(Requirement, distribution(name).requires or ())
    return found
