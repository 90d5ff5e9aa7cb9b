"""Whatever is given: a right result, or one line that names the file. `make nightly` tries more.

How many inputs each test tries is hypothesis's profile, set in conftest.py.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin
from unicodedata import category

import pytest
import torch
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st
from stubs import ROOT
from toys import make_toy

from steu.data.cohort import Cohort
from steu.data.labels import DEFAULT_LABELS
from steu.data.missing import MISSING
from steu.data.readers.cohort_tables import build_cohort
from steu.data.texts import BLANK
from steu.models.origin import Origin
from steu.models.serialisation import FACTS, TENSORS
from steu.models.weights import weights_hash
from steu.synthetic.corpus import write_corpus
from steu.unlearning.sparse_edit import SparseEdit
from steu.workflow.cli import parse_value
from steu.workflow.jobs import Grid
from steu.workflow.parameters import check_parameters, notebook_parameters
from steu.workflow.profiles import load_profile

# What stands between words in any script, beside the blanks of ASCII.
HIDDEN = {"Zs", "Zl", "Zp", "Cc", "Cf"}  # kinds of characters that show nothing
SPACES = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if category(c) in HIDDEN)

USERS_MISTAKE = (ValueError, OSError)  # what the command line turns into one line
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def refusal(call: Callable[[], Any], *names: str) -> str:
    """The line with one of `names` in it by which `call` is refused; empty if it is not."""
    try:
        call()
    except USERS_MISTAKE as error:
        said = str(error)
    else:
        return ""
    assert "\n" not in said.strip(), said
    assert not names or any(name in said for name in names), said
    return said


# Tables of one's own


def letters(**limits: Any) -> st.SearchStrategy[str]:
    """Any text but NUL, which no table holds, and lone surrogates, which no encoding does."""
    return st.text(st.characters(codec="utf-8", exclude_characters="\0"), **limits)


CELLS = letters(max_size=12) | st.sampled_from(
    ['"', ",", "a;b", "x\ty", "a\nb", "a\r\nb", "ß", "|"]
)
ROWS = st.lists(st.tuples(CELLS, st.booleans()), min_size=1, max_size=8)


def table(
    rows: list[tuple[str, bool]],
    *,
    between: str = ",",
    ends: Sequence[str] = ("\n",),
    quoting: int = 0,
) -> str:
    """The rows as some software writes them, each after a number and its id."""
    out = io.StringIO()
    told = [(i, f"n{i}", text, int(label)) for i, (text, label) in enumerate(rows)]
    for i, row in enumerate([("", "id", "body", "urgent"), *told]):
        end = ends[i % len(ends)]  # several in a file that was put together from several
        breaks = any(c in cell for cell in row for c in "\r\n" if isinstance(cell, str))
        how = csv.QUOTE_ALL if breaks else quoting  # of breaks, csv quotes those of `end` alone
        csv.writer(out, delimiter=between, lineterminator=end, quoting=how).writerow(row)
    return out.getvalue()


def many(rows: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """The rows, and as many others as a split needs."""
    return rows + [(f"sure {i}", i % 2 == 0) for i in range(24)]


def read(path: Path) -> Cohort:
    options = {"text": "body", "id": "id", "labels": {"columns": ["urgent"]}}
    return build_cohort("table", path, name="fuzz", restricted=False, **options)


@given(
    ROWS,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([("\n",), ("\r\n",), ("\r",), ("\n", "\r\n")]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.booleans(),
    st.booleans(),
)
@example([("NONE", False)], ",", ("\n",), csv.QUOTE_MINIMAL, b"", False, False)
@example([("0\xa0", False), ("\xa0", True)], ",", ("\n",), csv.QUOTE_MINIMAL, b"", False, False)
def test_a_table_is_read_as_it_was_written(
    rows: list[tuple[str, bool]],
    between: str,
    ends: tuple[str, ...],
    quoting: int,
    mark: bytes,
    packed: bool,
    last_end: bool,
) -> None:
    rows = many(rows)
    text = table(rows, between=between, ends=ends, quoting=quoting)
    written = mark + (text if last_end else text.rstrip("\r\n")).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv.gz" if packed else "t.csv")
        path.write_bytes(gzip.compress(written, 1) if packed else written)
        cohort = read(path)
    found = cohort.frame.set_index("stay_id")
    told = enumerate((stripped(text), label) for text, label in rows)
    kept = {f"n{i}": (text, label) for i, (text, label) in told if text.lower() not in MISSING}
    assert set(found.index) == set(kept)
    assert cohort.excluded["without_text"] == len(rows) - len(kept)
    for stay, (text, label) in kept.items():
        assert (found.loc[stay, "text"], bool(found.loc[stay, "urgent"])) == (text, label)


def stripped(text: str) -> str:
    return text.strip(BLANK + SPACES)


ODD = [b'"', b"\n", b"\r\n", b"\r", b",", b";", b"\0", b"\xff", b'""', b"\x1f\x8b"]
CUTS = st.tuples(
    st.floats(0, 1, exclude_max=True),  # where, as a share of the file
    st.integers(0, 40),  # bytes that go
    st.binary(max_size=6)
    | st.sampled_from(
        [b'"', b"\n", b"\r\n", b"\r", b",", b";", b"\0", b"\xff", b'""', b"\x1f\x8b"]
    ),
)


def damaged(sound: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
    for where, gone, put in cuts:
        at = int(where * len(sound))
        sound = sound[:at] + put + sound[at + gone :]
    return sound


@given(ROWS, st.lists(CUTS, min_size=1, max_size=3), st.booleans())
def test_a_damaged_table_is_read_whole_or_refused(
    rows: list[tuple[str, bool]], cuts: list[tuple[float, int, bytes]], packed: bool
) -> None:
    sound = table(many(rows)).encode()
    if packed:
        sound = gzip.compress(sound, 1)
    content = damaged(sound, cuts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv.gz" if packed else "t.csv")
        path.write_bytes(content)
        found: list[Cohort] = []
        refusal(lambda: found.append(read(path)), path.name)
    for cohort in found:
        plain = gzip.decompress(content) if packed else content
        counted = len(cohort.frame) + sum(cohort.excluded.values())
        assert counted == _rows_by_another_reader(plain)


def _rows_by_another_reader(content: bytes) -> int:
    """Rows below the header; -1 where a quotation mark has no partner, and nothing may be read."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        assume(False)  # in a column that is not read
    try:
        return sum(map(bool, csv.reader(io.StringIO(text, newline=""), strict=True))) - 1
    except csv.Error:
        return -1


# The publishers' tables


SHORTEST = 8  # bytes of a row, at least


def published(folder: Path) -> Cohort:
    options: dict[str, Any] = {"labels": DEFAULT_LABELS, "name": "fuzz", "restricted": False}
    return build_cohort(folder.name, folder, **options)


@pytest.fixture(scope="module", params=["mimic_iv", "mimic_iii", "eicu"])
def corpus(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, int]:
    """A folder of tables, and how many stays they tell of."""
    folder = tmp_path_factory.mktemp("corpus") / request.param
    write_corpus(folder, layout=request.param, n_stays=60)
    return folder, counted(published(folder))


def counted(cohort: Cohort) -> int:
    """Stays of a cohort, and those that it says it leaves out."""
    return len(cohort.frame) + sum(cohort.excluded.values())


@given(data=st.data())
def test_damaged_tables_of_a_publisher_lose_no_stay_unsaid_or_are_refused_by_name(
    corpus: tuple[Path, int], data: st.DataObject
) -> None:
    """A cut of some bytes can touch some rows; what goes beyond these would be silent."""
    folder, stays = corpus
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    file = data.draw(st.sampled_from(files))
    sound = file.read_bytes()
    packed = file.suffix == ".gz"
    inside = packed and data.draw(st.booleans())
    cuts = data.draw(st.lists(CUTS, min_size=1, max_size=3))
    content = damaged(gzip.decompress(sound) if inside else sound, cuts)
    found: list[Cohort] = []
    try:
        file.write_bytes(gzip.compress(content, 1) if inside else content)
        named = (file.name, "fuzz", "label", "stay")
        refusal(lambda: found.append(published(folder)), *named)
    finally:
        file.write_bytes(sound)
    touched = sum(gone // SHORTEST + 2 for _, gone, _ in cuts)
    assert all(counted(cohort) >= stays - touched for cohort in found)


# Profiles

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | letters(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(letters(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)
GIVEN = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "profiles").glob("*.yaml"))]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a nested value, the whole first."""
    yield at
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    for key, inner in inside:
        yield from places(inner, (*at, key))


@given(data=st.data())
def test_a_mistaken_profile_is_one_line(
    data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    profile = deepcopy(data.draw(st.sampled_from(GIVEN)))
    *way, last = data.draw(st.sampled_from([at for at in places(profile) if at]))
    holder = profile
    for step in way:
        holder = holder[step]
    if data.draw(st.booleans()):
        holder[last] = data.draw(ANY)
    elif isinstance(holder, dict) and data.draw(st.booleans()):
        holder[data.draw(letters(max_size=8))] = holder.pop(last)
    else:
        del holder[last]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(profile, allow_unicode=True), encoding="utf-8")
    _grid(path)


@given(profile=st.sampled_from(GIVEN), cuts=st.lists(CUTS, min_size=1, max_size=2))
def test_a_damaged_profile_is_one_line(
    profile: dict[str, Any],
    cuts: list[tuple[float, int, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    path = tmp_path / "mine.yaml"
    path.write_bytes(damaged(yaml.safe_dump(profile).encode(), cuts))
    _grid(path)


def _grid(path: Path) -> None:
    if not refusal(lambda: load_profile(str(path)), path.name):
        refusal(lambda: Grid.of(str(path), data=str(path.parent)))


# Parameters of notebooks


@given(st.sampled_from(NOTEBOOKS), st.data())
def test_parameters_are_taken_or_refused_by_name(notebook: Path, data: st.DataObject) -> None:
    known = {parameter.name: parameter.default for parameter in notebook_parameters(notebook)}
    types = {parameter.name: parameter.type for parameter in notebook_parameters(notebook)}
    name = data.draw(st.sampled_from(sorted(known)) | letters(max_size=10))
    value = data.draw(ANY)
    if name in known and data.draw(st.booleans()):
        text = data.draw(letters(max_size=12))
        if refusal(lambda: parse_value(text, types[name], name=name), name):
            return
        value = parse_value(text, types[name], name=name)
    taken: dict[str, Any] = {}
    said = refusal(lambda: taken.update(check_parameters(notebook, {name: value})), notebook.name)
    if said:
        return
    given = known | {name: value}
    assert taken == given and fits(taken[name], eval(types[name]))


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a type, by what Python itself says of the type."""
    inside = get_args(kind)
    if isinstance(kind, UnionType):
        return any(fits(value, one) for one in inside)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(fits(item, *inside) for item in value)
    return type(value) is kind and (kind is not float or isfinite(value))


# Saved edits


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("edit")
    model = make_toy(folder / "encoded", n=40, trained=False).model
    edit = SparseEdit.identity(model, torch.tensor([2000, 3000]))
    edit = replace(edit, origin=Origin(weights_hash(model), labels=("a", "b", "c")))
    edit.save_pretrained(folder / "edit", n_tokens=2)
    return model, folder / "edit"


@example(cuts=[(0.999, 1, b"")], name=TENSORS)
@given(cuts=st.lists(CUTS, min_size=1, max_size=2), name=st.sampled_from([TENSORS, FACTS]))
def test_a_damaged_edit_is_refused(
    saved: tuple[Any, Path], cuts: list[tuple[float, int, bytes]], name: str
) -> None:
    model, folder = saved
    sound = (folder / name).read_bytes()
    content = damaged(sound, cuts)
    assume(content != sound and not (name == FACTS and _same_facts(content, sound)))
    try:
        (folder / name).write_bytes(content)
        assert refusal(lambda: SparseEdit.from_pretrained(folder, model=model), str(folder))
    finally:
        (folder / name).write_bytes(sound)


def _same_facts(one: bytes, other: bytes) -> bool:
    """Whether they differ at most in how JSON is set, in spaces for example."""
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False
