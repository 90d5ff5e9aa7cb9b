"""Fetching from a copy on this machine: verified, whole or absent."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from stubs import steu

from steu._io import sha256
from steu.data.download import OPEN_DATA, fetch


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    for file in OPEN_DATA["mimic-iv-demo"].files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"content of {file}")
    lines = [f"{sha256(folder / f)} {f}\n" for f in OPEN_DATA["mimic-iv-demo"].files]
    (folder / "SHA256SUMS.txt").write_text("".join(lines))
    return folder


class Quiet(SimpleHTTPRequestHandler):
    """Serves the files of a folder; below /cut/ an answer breaks off."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if "/cut/" not in self.path:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"too short")


@pytest.fixture
def server(published: Path) -> Iterator[str]:
    """Address at which this machine serves the published files; no packet leaves it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=published)) as web:
        Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}/"
        web.shutdown()


def _nothing_left(tmp_path: Path) -> bool:
    return [path.name for path in tmp_path.iterdir()] == ["published"]


@pytest.mark.parametrize("kind", ["folder", "file", "http"])
def test_a_sound_copy_arrives_whole(
    tmp_path: Path, published: Path, server: str, kind: str
) -> None:
    source = {"folder": published, "file": published.as_uri(), "http": server}[kind]
    folder = fetch("mimic-iv-demo", tmp_path / "here", source=source)
    for file in (*OPEN_DATA["mimic-iv-demo"].files, "SHA256SUMS.txt"):
        assert (folder / file).read_bytes() == (published / file).read_bytes()
        assert (folder / file).stat().st_mode & 0o777 == 0o644
    before = (folder / "SHA256SUMS.txt").stat().st_mtime_ns
    fetch("mimic-iv-demo", folder, source=tmp_path / "gone")
    assert (folder / "SHA256SUMS.txt").stat().st_mtime_ns == before


def test_every_dataset_is_fetched_by_the_name_on_the_command_line(
    tmp_path: Path, published: Path
) -> None:
    assert set(OPEN_DATA) == {"eicu-demo", "mimic-iv-demo", "mimic-iii-demo"}
    for name, data in OPEN_DATA.items():
        for file in data.files:
            (published / file).parent.mkdir(parents=True, exist_ok=True)
            (published / file).write_text(f"content of {file}")
        lines = [f"{sha256(published / f)} {f}\n" for f in data.files]
        (published / "SHA256SUMS.txt").write_text("".join(lines))
        done = steu(tmp_path, "data", "fetch", name, name, "--source", "published")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{name}\n", "")
        assert all((tmp_path / name / file).is_file() for file in data.files)


def test_a_damaged_file_leaves_nothing(tmp_path: Path, published: Path) -> None:
    (published / "hosp/prescriptions.csv.gz").write_text("cut")
    with pytest.raises(ValueError, match=r"prescriptions.csv.gz is damaged: SHA256 .* but got "):
        fetch("mimic-iv-demo", tmp_path / "here", source=published)
    assert _nothing_left(tmp_path)


def test_a_missing_file_leaves_nothing(tmp_path: Path, published: Path) -> None:
    (published / "hosp/prescriptions.csv.gz").unlink()
    with pytest.raises(ValueError, match="does not exist; a folder given by hand does as well"):
        fetch("mimic-iv-demo", tmp_path / "here", source=published)
    assert _nothing_left(tmp_path)


def test_a_file_that_the_server_lacks_leaves_nothing(
    tmp_path: Path, published: Path, server: str
) -> None:
    (published / "LICENSE.txt").unlink()
    with pytest.raises(ValueError, match=r"LICENSE.txt answers 404 .*; a folder given by hand"):
        fetch("mimic-iv-demo", tmp_path / "here", source=server)
    assert _nothing_left(tmp_path)


@pytest.mark.parametrize("file", ["SHA256SUMS.txt", "prescriptions.csv.gz"])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    copy = shutil.copyfile

    def full(source: str, target: str) -> None:
        if source.endswith(file):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(source, target)

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match=r"no space left on disk for .*here; free some") as caught:
        fetch("mimic-iv-demo", tmp_path / "here", source=published)
    assert caught.value.errno == errno.ENOSPC
    assert _nothing_left(tmp_path)


def test_no_network_says_what_to_do(tmp_path: Path) -> None:
    # Port 9 of this machine refuses: no packet leaves it.
    with pytest.raises(ConnectionError, match="cannot be reached .* a folder given by hand"):
        fetch("eicu-demo", tmp_path / "here", source="http://127.0.0.1:9/files/")
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_breaks_off_names_the_address(tmp_path: Path, server: str) -> None:
    with pytest.raises(ConnectionError, match=r"SUMS.txt cannot be reached .*9 bytes read, 991"):
        fetch("mimic-iv-demo", tmp_path / "here", source=f"{server}cut/")
    assert _nothing_left(tmp_path)


def test_sums_are_checked(tmp_path: Path, published: Path) -> None:
    (published / "SHA256SUMS.txt").write_text("<html>log in</html>\n")
    with pytest.raises(ValueError, match="no list of SHA-256 sums"):
        fetch("mimic-iv-demo", tmp_path / "here", source=published)
    (published / "SHA256SUMS.txt").write_text(f"{'0' * 64} other.csv\n")
    with pytest.raises(ValueError, match="has no line for hosp/diagnoses_icd"):
        fetch("mimic-iv-demo", tmp_path / "here", source=published)
    assert _nothing_left(tmp_path)


def test_an_existing_folder_is_never_overwritten(tmp_path: Path, published: Path) -> None:
    folder = fetch("mimic-iv-demo", tmp_path / "here", source=published)
    (folder / "LICENSE.txt").write_text("edited")
    with pytest.raises(ValueError, match=r"LICENSE.txt is damaged"):
        fetch("mimic-iv-demo", folder, source=published)
    (folder / "LICENSE.txt").unlink()
    with pytest.raises(ValueError, match=r"LICENSE.txt is missing"):
        fetch("mimic-iv-demo", folder, source=published)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"):
        fetch("mimic-iv-demo", mine, source=published)
    assert (mine / "thesis.txt").read_text() == "mine"


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="no dataset 'mimic-4-demo'; did you mean mimic-iv-demo?"):
        fetch("mimic-4-demo", "anywhere")
