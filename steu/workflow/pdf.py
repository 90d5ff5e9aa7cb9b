"""The whole book as one PDF, printed by a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from steu._io import atomic_path
from steu.workflow.book import read_toc, sphinx

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MACS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
WAIT = 60_000  # milliseconds of the page's own clock, in which formulas are set


def print_book(target: Path) -> Path:
    """Write ``target/steu.pdf`` from the pages that were staged in ``target/source``.

    Raises
    ------
    ValueError
        If no browser is found, nothing was staged, or a page is broken.
    """
    browser = find_browser()
    source = target / "source"
    if not source.is_dir():
        raise ValueError(f"{source} does not exist: build the book first (make book or make read)")
    sphinx(source, target / "singlehtml", builder="singlehtml")
    first = target / "singlehtml" / f"{read_toc(source)['root']}.html"
    # The one page lies where the first page of the contents does, and names pictures as from above.
    page = first.replace(target / "singlehtml" / first.name).resolve()
    with atomic_path(target / "steu.pdf") as beside, tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless=new", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--no-pdf-header-footer", f"--virtual-time-budget={WAIT}"]
        command += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command += [f"--print-to-pdf={beside}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not beside.is_file():
            told = " ".join(done.stderr.split())[-300:]
            raise ValueError(f"{browser} did not print {page}: {told or 'it says nothing'}")
    return target / "steu.pdf"


def find_browser() -> str:
    """Path of a Chromium: what CHROMIUM names, else one that is installed.

    Raises
    ------
    ValueError
        If there is none.
    """
    named = os.environ.get("CHROMIUM")
    for name in [named] if named else [*BROWSERS, str(MACS)]:
        if found := shutil.which(name):
            return found
    raise ValueError(
        f"a PDF needs a Chromium; found none called {named or ', '.join(BROWSERS)}: "
        "install one, or say where it is with CHROMIUM=/path/to/chromium"
    )
