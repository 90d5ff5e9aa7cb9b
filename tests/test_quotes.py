"""Quotation marks of CSV files: as the csv module reads them strictly, or refused by line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steu.data.readers.cohort_tables import build_cohort
from steu.data.readers.quotes import MARK, CheckedQuotes

PIECES = st.lists(st.sampled_from([b'"', b'""', b"a", b",", b"\n", b"\r\n", b"\r", b"\\"]))
SETTINGS = {"labels": {"columns": ["urgent"]}, "name": "t", "restricted": False}


def refused(content: bytes, *, size: int) -> bool:
    quotes = CheckedQuotes(io.BytesIO(content), path=Path("t.csv"), delimiter=",")
    try:
        while quotes.read(size):
            pass
    except ValueError:
        return True
    return False


@given(PIECES.map(b"".join), st.integers(1, 9), st.sampled_from([b"", MARK]))
def test_what_strict_csv_refuses_is_refused_however_it_is_cut_into_blocks(
    content: bytes, size: int, mark: bytes
) -> None:
    lines = io.StringIO(content.decode(), newline="")
    try:
        list(csv.reader(lines, strict=True))
    except csv.Error:
        assert refused(mark + content, size=size)
    else:
        assert not refused(mark + content, size=size)


def table(path: Path, changes: dict[int, str], *, between: str = ",") -> Path:
    """Sixty reports, a line each, some of them written otherwise."""
    lines = [f"{i},{i},a report {i},{i % 2}" for i in range(60)]
    for i, line in changes.items():
        lines[i] = line
    text = "\n".join(["id,patient,body,urgent", *lines, ""])
    path.write_text(text.replace(",", between))
    return path


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {10: '10,10,"Chest pain he said,1', 11: '11,11,"Fever she said,0'},
            "begins in line 12 goes on after its closing mark in line 13; expected marks within",
        ),
        ({5: r'5,5,"a \"b\" c",1'}, "begins in line 7 goes on after its closing mark in line 7"),
        ({5: '5,5,"a" ,1'}, "begins in line 7 goes on after its closing mark in line 7"),
        (
            {59: '59,59,"Chest pain,1'},
            "ends between quotation marks, of which the first is in line 61",
        ),
    ],
    ids=["lone marks", "backslashes", "a blank", "the last"],
)
def test_a_mark_without_a_partner_joins_no_rows(
    tmp_path: Path, between: str, changes: dict[int, str], said: str
) -> None:
    path = table(tmp_path / "t.csv", changes, between=between)
    with pytest.raises(ValueError, match=f"t.csv cannot be read as a table.* {said}") as caught:
        build_cohort("table", path, text="body", id="id", subject="patient", **SETTINGS)
    assert "pain" not in str(caught.value)


def test_marks_in_a_value_that_begins_with_none_are_text(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", {3: '3,3,a 5" tube,1', 4: '4,4,so "called",0'})
    cohort = build_cohort("table", path, text="body", id="id", subject="patient", **SETTINGS)
    texts = cohort.frame.set_index("stay_id")["text"]
    assert (len(texts), texts["3"], texts["4"]) == (60, 'a 5" tube', 'so "called"')
