"""A published edition: pages and numbers of one whole run, to be read without running it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import steu
from steu._io import atomic_path, check_replaceable, read_json, sha256, write_json
from steu.workflow.book import chapters_of, check_note_text, render, stage
from steu.workflow.provenance import state_of_repository

FACTS, SOURCE, RESULTS = "edition.json", "source", "results"
FORMAT = 1  # of the folder; another number cannot be read
TOLD = {"profile": str, "commit": str, "lock": str, "files": dict}  # what every edition says
OF_THE_CODE = Path("book", "api.md")  # this page tells of the package at hand, not of the run


def publish(profile: str, *, data: str, run: Path, target: Path, root: Path) -> Path:
    """Make the edition of a finished run in the folder `target`, whole or not at all.

    It holds what Sphinx reads to build the book (``source``), every number and where it came from
    (``results``), and ``edition.json``, which says of which commit all of it is and vouches for
    each file. No cohort is part of it, and no words of a note, restricted or not.

    Raises
    ------
    ValueError
        If the run is not finished, is not of the commit that is checked out, or not of one lock, if
        a page shows words of a note, or `target` holds something else.
    """
    from steu.workflow.jobs import Grid  # here: who only reads lacks what finds dependencies

    check_target(target)
    grid = Grid.of(profile, data=data, run=str(run))
    measured = [Path(file) for file in grid.results]
    records = _provenance(measured, run)
    facts = check_origin(records, root)
    folders = [file.parent for file in measured]
    cohorts = [folder for folder in folders if folder.name == "cohort"]
    with atomic_path(target) as beside:
        chapters = chapters_of(grid.profile, run=run)
        stage(chapters, root=root, run=run, staged=beside / SOURCE, measured=measured)
        check_note_text(folders=[*folders, beside / SOURCE], cohorts=cohorts)  # with the prose
        for file in (f for m in measured for f in (m, m.with_name("provenance.json"))):
            kept = beside / RESULTS / file.relative_to(run)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, kept)
        machines = {str(record["device"]) for record in records if record["device"]}
        machines = machines - {"cpu"} or machines  # of pages that need no model
        made = {
            "format": FORMAT,
            "profile": grid.profile.name,
            "steu": steu.__version__,
            **facts,
            "machines": sorted(machines),
            "seconds": round(sum(record["seconds"] for record in records), 1),
            "files": {str(f.relative_to(beside)): sha256(f) for f in _files(beside)},
        }
        write_json(beside / FACTS, made)
    return target


def _provenance(measured: Iterable[Path], run: Path) -> list[dict[str, Any]]:
    """What is known of each notebook's run."""
    files = [file.with_name("provenance.json") for file in measured]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise ValueError(
            f"{run} is not finished: {missing[0]} does not exist ({len(missing)} of {len(files)} "
            "are missing); finish it with make grid"
        )
    return [read_json(file) for file in files]


def check_target(target: str | Path) -> None:
    """Refuse to put an edition where anything but an edition is."""
    target = Path(target)
    if not (target / FACTS).is_file():
        check_replaceable(target, own=())


def check_origin(records: list[dict[str, Any]], root: Path) -> dict[str, Any]:
    """Commit and lock that all records share, which have to be those at hand, and committed."""
    here = state_of_repository(root)
    if here["commit"] is None:
        raise ValueError(
            f"{root.resolve()}: git does not say which commit this is (no repository, or one of "
            "another user): an edition is of a commit; clone the repository and run it there"
        )
    for name in ("commit", "lock", "dirty"):
        found = sorted({str(record[name]) for record in records} | {str(here[name])})
        if len(found) > 1 or found == ["True"]:
            what = "changes that are not committed" if name == "dirty" else f"one {name}"
            raise ValueError(
                f"an edition is of {'no ' if name == 'dirty' else ''}{what}; found "
                f"{', '.join(one[:12] for one in found)}: commit, and run everything from there"
            )
    return {name: here[name] for name in ("commit", "lock")}


def read_edition(folder: str | Path) -> dict[str, Any]:
    """The facts of an edition, all of whose files are there and as they were published.

    Raises
    ------
    ValueError
        If there is none, it is of another format, or a file is missing or was altered.
    """
    folder = Path(folder)
    mend = f"take it from the repository again (git checkout -- {folder})"
    if not folder.is_dir():
        raise ValueError(f"{folder} does not exist: expected an edition; make publish makes one")
    if not (folder / FACTS).is_file():
        raise ValueError(f"{folder} holds no edition: expected {FACTS}; {mend}")
    facts = read_json(folder / FACTS)
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        found = facts.get("format") if isinstance(facts, dict) else type(facts).__name__
        by = f" by steu {facts['steu']}" if isinstance(facts, dict) and "steu" in facts else ""
        raise ValueError(
            f"{folder / FACTS} was made{by} in format {found!r}; steu {steu.__version__} reads "
            f"format {FORMAT}: check out the version it belongs to, or make publish"
        )
    lacking = [name for name, kind in TOLD.items() if not isinstance(facts.get(name), kind)]
    if lacking:
        raise ValueError(
            f"{folder / FACTS} does not say {lacking[0]!r}, or not as it should; {mend}"
        )
    wrong = [name for name, digest in facts["files"].items() if _digest(folder / name) != digest]
    if wrong:
        raise ValueError(
            f"{folder / wrong[0]} is missing or not as it was published ({len(wrong)} of "
            f"{len(facts['files'])} files); {mend}"
        )
    return facts


def _digest(path: Path) -> str | None:
    return sha256(path) if path.is_file() else None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def name_of(folder: Path) -> str:
    """What the book of an edition is called: by its folder and the one above."""
    parts = [part for part in folder.parts if part not in (folder.anchor, "..")]
    return "-".join(parts[-2:]) or "edition"


def read(folder: str | Path, *, root: Path) -> Path:
    """Build the book of an edition under ``root/_build/``, named by its folder and the one above.

    Returns
    -------
    Path
        ``index.html``.

    Raises
    ------
    ValueError
        If `read_edition` refuses it, or a page is broken.
    """
    folder = Path(folder)
    read_edition(folder)
    target = root / "_build" / name_of(folder)
    with atomic_path(target / SOURCE) as staged:
        shutil.copytree(folder / SOURCE, staged)
        shutil.copy2(root / OF_THE_CODE, staged / OF_THE_CODE)
    return render(target)
