"""Download the open demo tables from PhysioNet, each checked against the publisher's SHA-256."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from steu._io import atomic_path, sha256


@dataclass(frozen=True)
class OpenData:
    """An open dataset: where it is published and which of its files are used here."""

    url: str
    files: tuple[str, ...]


OPEN_DATA = {
    "eicu-demo": OpenData(
        "https://physionet.org/files/eicu-crd-demo/2.0.1/",
        (
            *tuple(
                f"{table}.csv.gz"
                for table in (
                    "patient",
                    "diagnosis",
                    "pastHistory",
                    "physicalExam",
                    "note",
                    "medication",
                    "admissionDx",
                    "treatment",
                    "infusiondrug",
                    "admissiondrug",
                    "allergy",
                )
            ),
            "LICENSE.txt",
        ),
    ),
    "mimic-iv-demo": OpenData(
        "https://physionet.org/files/mimic-iv-demo/2.2/",
        (
            *tuple(
                f"hosp/{table}.csv.gz"
                for table in (
                    "diagnoses_icd",
                    "prescriptions",
                    "procedures_icd",
                    "d_icd_procedures",
                )
            ),
            "LICENSE.txt",
        ),
    ),
    "mimic-iii-demo": OpenData(
        "https://physionet.org/files/mimiciii-demo/1.4/",
        (
            *tuple(
                f"{table}.csv"
                for table in (
                    "DIAGNOSES_ICD",
                    "NOTEEVENTS",
                    "PRESCRIPTIONS",
                    "PROCEDURES_ICD",
                    "D_ICD_PROCEDURES",
                )
            ),
            "LICENSE.txt",
        ),
    ),
}


def fetch(name: str, folder: str | Path, *, source: str | Path | None = None) -> Path:
    """Download one open dataset into `folder`, which appears only when every file is right.

    Parameters
    ----------
    name
        "eicu-demo", "mimic-iv-demo" or "mimic-iii-demo".
    folder
        Where to put it; one that holds the right files already is left as it is.
    source
        Another place of the same files: a URL (http, https or file) or a local folder.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ValueError
        If the name is unknown, a file is missing at the source, differs from its published
        checksum, or `folder` holds other files.
    ConnectionError
        If the source cannot be reached.
    """
    if name not in OPEN_DATA:
        raise ValueError(f"unknown dataset {name!r}; expected one of: {', '.join(OPEN_DATA)}")
    data, folder = OPEN_DATA[name], Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _check_present(name, folder)
    with atomic_path(folder) as beside:
        beside.mkdir()
        _copy(_address(source or data.url, "SHA256SUMS.txt"), beside / "SHA256SUMS.txt", folder)
        sums = _read_sums(beside / "SHA256SUMS.txt")
        for file in data.files:
            target = beside / file
            target.parent.mkdir(parents=True, exist_ok=True)
            address = _address(source or data.url, file)
            _copy(address, target, folder)
            _check(target, file, sums, address)
    return folder


def _check_present(name: str, folder: Path) -> Path:
    if not (folder / "SHA256SUMS.txt").is_file():
        raise ValueError(f"{folder} holds other files; name an empty or a new folder for {name}")
    sums = _read_sums(folder / "SHA256SUMS.txt")
    for file in OPEN_DATA[name].files:
        if not (folder / file).is_file():
            raise ValueError(f"{folder}: {file} is missing; remove the folder and fetch again")
        _check(folder / file, file, sums, str(folder / file))
    return folder


def _check(path: Path, file: str, sums: dict[str, str], address: str) -> None:
    found, expected = sha256(path), sums.get(file)
    if expected is None:
        raise ValueError(f"SHA256SUMS.txt has no line for {file}; the source is incomplete")
    if found != expected:
        raise ValueError(
            f"{address} is damaged: its SHA-256 is {found}, the publisher's is {expected}; "
            "fetch it again"
        )


def _read_sums(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    if any(len(pair) != 2 or len(pair[0]) != 64 for pair in pairs):
        raise ValueError(f"{path.name} is no list of SHA-256 sums; the source answered otherwise")
    return {file.strip().lstrip("*"): digest.lower() for digest, file in pairs}


def _address(source: str | Path, file: str) -> str:
    if "://" not in str(source):
        return (Path(source).resolve() / file).as_uri()
    return str(source).rstrip("/") + "/" + file


def _copy(address: str, target: Path, folder: Path) -> None:
    by_hand = (
        f"a folder given by hand does as well: download the files on any machine into {folder}"
    )
    try:
        with urllib.request.urlopen(address, timeout=60) as answer, target.open("wb") as stream:
            shutil.copyfileobj(answer, stream)
    except urllib.error.HTTPError as error:
        raise ValueError(f"{address} answers {error.code} {error.reason}; {by_hand}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, FileNotFoundError) or address.startswith("file:"):
            raise ValueError(f"{address} does not exist; {by_hand}") from error
        raise ConnectionError(f"{address} cannot be reached ({error.reason}); {by_hand}") from error
    except (TimeoutError, ConnectionError) as error:
        raise ConnectionError(f"{address} does not answer ({error}); {by_hand}") from error
