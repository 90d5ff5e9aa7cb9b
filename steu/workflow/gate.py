"""The gate: nothing that was rendered holds words of a restricted note, or it is not built."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from steu._io import files_below, read_json, sha256, write_json
from steu.workflow.profiles import Profile

# What nobody reads as text; in all other files a note is looked for.
BINARY = (
    *(".safetensors", ".parquet", ".bin", ".npy", ".npz", ".onnx", ".gz", ".zip", ".pdf"),
    *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico"),
    *(".woff", ".woff2", ".ttf", ".eot", ".inv", ".mo"),
)
VOCABULARIES = {"tokenizer.json", "vocab.txt"}  # of models: many, large, and words alone


def require_notes(profile: Profile, *, run: Path) -> None:
    """Refuse a run whose restricted notes are not there to be looked for.

    Raises
    ------
    ValueError
        If a cohort that the profile calls restricted is missing, or says that it is open.
    """
    for name, dataset in profile.datasets.items():
        cohort = run / name / "cohort"
        if not dataset.restricted or (dataset.optional and not (run / name).exists()):
            continue
        there = all((cohort / file).is_file() for file in ("cohort.json", "cohort.parquet"))
        if not there or not read_json(cohort / "cohort.json")["restricted"]:
            found = "says that it is open" if there else "lacks cohort.json or cohort.parquet"
            raise ValueError(
                f"the profile {profile.name} says that {name} is restricted, but {cohort} {found}, "
                "so nobody can look for its notes: put its files back, or make it anew with "
                f"'steu workflow {profile.name}'"
            )


def check_privacy(run: Path, *, folders: list[Path], known: Path | None = None) -> None:
    """Raise if a notebook, page or figure below `folders` holds words of a restricted note.

    What the file `known` says was found clean, by its content, beside the same notes, is not looked
    at again; it is written anew where nothing is found.
    """
    check_note_text(folders=folders, cohorts=list(_restricted_cohorts(run)), known=known)


def check_note_text(*, folders: list[Path], cohorts: list[Path], known: Path | None = None) -> None:
    """Raise if a notebook, page or figure below `folders` holds words of a note of the cohorts."""
    if not cohorts:
        return
    # A reader of the book needs nothing that reads tables.
    from steu.data import ciphers, columns, quotations, readings
    from steu.data.cohort import iter_texts, stored

    shown = dict(_rendered(folders))
    digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in shown.items()}
    # Beside other notes, or to another scan, nothing is clean.
    scan = [module.__file__ for module in (quotations, readings, columns, ciphers)]
    beside = [sha256(file) for file in (*scan, *map(stored, cohorts))]
    clean = _clean(known, beside)
    first = {digest: path for path, digest in reversed(digests.items())}  # copies are read once
    new = {path: shown[path] for digest, path in first.items() if digest not in clean}
    for cohort in cohorts if new else ():
        found = quotations.note_text_in(new, iter_texts(cohort))
        if found:
            kind = (
                "restricted dataset"
                if read_json(cohort / "cohort.json")["restricted"]
                else "dataset"
            )
            raise ValueError(
                f"{found[0].path} shows words of note {found[0].note} of the {kind} in "
                f"{cohort} ({len(found)} findings), from its word {found[0].word} on; remove the "
                "output that prints them and run the notebook again"
            )
    if known is not None:
        write_json(known, {"beside": beside, "clean": sorted(set(digests.values()))})


def _clean(known: Path | None, beside: list[str]) -> set[str]:
    try:
        told = read_json(known) if known is not None else {}
        return set(told["clean"]) if told["beside"] == beside else set()
    except (OSError, ValueError, KeyError, TypeError):  # of no earlier build, or damaged
        return set()


def _restricted_cohorts(run: Path) -> Iterator[Path]:
    for path in sorted(run.glob("*/cohort/cohort.json")):
        if read_json(path)["restricted"]:
            yield path.parent


def _rendered(folders: list[Path]) -> Iterator[tuple[str, str]]:
    """Name and text of what was made, but for what came with a model or with Sphinx's theme."""
    for folder in folders:
        for path in files_below(folder):
            vocabulary = path.name in VOCABULARIES and path.with_name("model.safetensors").is_file()
            if vocabulary or folder / "_static" in path.parents:
                continue
            if not path.name.lower().endswith(BINARY):
                yield str(path), _text_of(path)  # whole: many folders of one run bear one name


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8, so nobody can look for notes in it; move it to another folder"
        ) from error
