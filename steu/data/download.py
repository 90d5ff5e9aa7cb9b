"""Download the open demo tables from PhysioNet, each checked against the publisher's SHA-256."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from steu._errors import check_choice
from steu._io import atomic_path, sha256

SUMS = "SHA256SUMS.txt"


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
    check_choice(name, OPEN_DATA, what="dataset")
    data, folder = OPEN_DATA[name], Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _check_present(name, folder)
    with atomic_path(folder) as beside:
        _retrieve(_address(source or data.url, SUMS), beside / SUMS, None, folder)
        sums = _read_sums(beside / SUMS)
        for file in data.files:
            address = _address(source or data.url, file)
            _retrieve(address, beside / file, _sum_of(file, sums), folder)
    return folder


def _check_present(name: str, folder: Path) -> Path:
    if not (folder / SUMS).is_file():
        raise ValueError(f"{folder} holds other files; name an empty or a new folder for {name}")
    sums = _read_sums(folder / SUMS)
    for file in OPEN_DATA[name].files:
        if not (folder / file).is_file():
            raise ValueError(f"{folder}: {file} is missing; remove the folder and fetch again")
        if sha256(folder / file) != _sum_of(file, sums):
            raise ValueError(
                f"{folder / file} is damaged: its SHA-256 is not the publisher's; "
                "remove the folder and fetch again"
            )
    return folder


def _read_sums(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    if any(len(pair) != 2 or len(pair[0]) != 64 for pair in pairs):
        raise ValueError(f"{path.name} is no list of SHA-256 sums; the source answered otherwise")
    return {file.strip().lstrip("*"): digest.lower() for digest, file in pairs}


def _sum_of(file: str, sums: dict[str, str]) -> str:
    if file not in sums:
        raise ValueError(f"{SUMS} has no line for {file}; the source is incomplete")
    return sums[file]


def _address(source: str | Path, file: str) -> str:
    if "://" not in str(source):
        return (Path(source).resolve() / file).as_uri()
    return str(source).rstrip("/") + "/" + file


def _retrieve(address: str, target: Path, digest: str | None, folder: Path) -> None:
    import pooch  # here, like requests below: only a download waits for them

    pooch.get_logger().setLevel("WARNING")  # it would print some lines a file
    how = _copy if address.startswith("file:") else _over_http()
    with _saying_what_helps(address, folder):
        pooch.retrieve(address, digest, fname=target.name, path=target.parent, downloader=how)
    target.chmod(0o644)  # pooch lets nobody but its owner read it


def _copy(address: str, target: str, _: object) -> None:
    """Read a local copy, which pooch has no way to do."""
    shutil.copyfile(url2pathname(urlsplit(address).path), target)


def _over_http() -> Callable[..., Any]:
    """Download files as they lie: the publisher's sums are of those, gzipped or not."""
    import pooch

    headers = {"Accept-Encoding": "identity"}
    return pooch.HTTPDownloader(chunk_size=1 << 20, timeout=60, headers=headers)


@contextmanager
def _saying_what_helps(address: str, folder: Path) -> Iterator[None]:
    from requests.exceptions import HTTPError, RequestException

    by_hand = (
        f"a folder given by hand does as well: download the files on any machine into {folder}"
    )
    try:
        yield
    except FileNotFoundError as error:
        raise ValueError(f"{address} does not exist; {by_hand}") from error
    except HTTPError as error:
        answer = str(error).partition(" for url")[0]
        raise ValueError(f"{address} answers {answer}; {by_hand}") from error
    except RequestException as error:
        message = f"{address} cannot be reached ({_cause(error)}); {by_hand}"
        raise ConnectionError(message) from error
    except ValueError as error:
        raise ValueError(f"{address} is damaged: {error} Fetch it again.") from error


def _cause(error: BaseException) -> BaseException:
    """What an error goes back to; those of requests repeat the address, wrapped many times."""
    return _cause(error.__context__) if error.__context__ else error
