"""What all tests share: no network, and the folder of open data where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture(scope="session")
def open_data() -> Path:
    """Folder of the open datasets; tests that need it are skipped where it is not named."""
    folder = os.environ.get("STEU_DATA")
    if not folder:
        pytest.skip("STEU_DATA does not name a folder of open data")
    return Path(folder)
