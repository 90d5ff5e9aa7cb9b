import errno
import io
import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steu.data.readers.text_store import TextStore

NAMES = ["text", "id"]
TEXTS = ["first", None, " \n\t ", "sécond\n\nline ", "x" * 5000, ""]

STATUS = Path("/proc/self/status")


def resident() -> int:
    """Bytes of this process in memory that no file holds."""
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", STATUS.read_text())[1])


def taken(connection, store, texts, *, into, size=100, **options):
    table = pa.table([pa.array(texts, pa.string()), range(len(texts))], NAMES)
    store.take(connection, table.to_batches(size), table.schema, into=into, **options)


def pieces(*texts):
    names = ("place", "size")
    kind = pa.list_(pa.struct([(name, pa.int64()) for name in names]))
    return pa.array(
        [[dict(zip(names, piece, strict=True)) for piece in text] for text in texts], kind
    )


def read(store, *texts):
    """Texts of lists of (place, size), one as it is, several as a list."""
    found = store.read(pieces(*texts)).to_pylist()
    return found if len(texts) > 1 else found[0]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_every_text_is_found_again_whatever_the_batches(size):
    store = TextStore(io.BytesIO())
    with duckdb.connect() as connection:
        for name in ("once", "twice"):  # a second table goes on where the first one ended
            taken(connection, store, TEXTS, into=name, size=size)
        for name in ("once", "twice"):
            rows = connection.execute(f"SELECT id, place, size FROM {name} ORDER BY id").fetchall()
            found = {i: read(store, [(place, size)]) for i, place, size in rows if size}
            assert found == {0: "first", 3: "sécond\n\nline", 4: "x" * 5000}
            columns = connection.execute(f"DESCRIBE {name}").fetchall()
            assert [column[0] for column in columns] == ["id", "place", "size"]


@pytest.mark.parametrize("size", [1, 100])
def test_rows_that_are_not_wanted_are_not_written(size):
    stream = io.BytesIO()
    with duckdb.connect() as connection:
        taken(
            connection,
            TextStore(stream),
            ["a" * 99, "b", "c" * 99],
            into="t",
            where="id % 2 = 1",
            size=size,
        )
        assert connection.execute("SELECT id, place, size FROM t").fetchall() == [(1, 0, 1)]
    assert stream.getvalue() == b"b"


@pytest.mark.skipif(not STATUS.is_file(), reason="memory is read from /proc, which is not there")
def test_texts_that_were_taken_are_not_held_in_memory(tmp_path):
    query = f"SELECT repeat('x', {2**23}) AS text, 1 AS id"
    with duckdb.connect() as connection, (tmp_path / "texts").open("w+b") as stream:

        def batches(n):  # of the database, whose columns live as long as any one of them
            for _ in range(n):
                yield from connection.cursor().sql(query).to_arrow_table().to_batches()

        store, schema = TextStore(stream), next(batches(1)).schema
        store.take(connection, batches(2), schema, into="warm")
        before = resident()
        store.take(connection, batches(32), schema, into="t")
        assert resident() - before < 2**26  # of 2**28
        assert connection.execute("SELECT count(*), min(size) FROM t").fetchone() == (32, 2**23)


def test_what_is_taken_after_a_text_was_read_overwrites_nothing():
    store = TextStore(io.BytesIO())
    with duckdb.connect() as connection:
        for i, text in enumerate(("first", "second", "third")):
            taken(connection, store, [text], into=f"t{i}")
            first = connection.execute("SELECT place, size FROM t0").fetchall()
            assert read(store, first) == "first"
        (piece,) = connection.execute("SELECT place, size FROM t1").fetchall()
        assert read(store, [piece]) == "second"


def test_pieces_are_joined_by_an_empty_line():
    store = TextStore(io.BytesIO(b"one two "))
    assert read(store, [(4, 3), (0, 3)], [(0, 3)], [(4, 2)]) == ["two\n\none", "one", "tw"]
    second = pieces([(0, 3)], [(4, 3), (0, 3)]).slice(1)
    assert store.read(second).to_pylist() == ["two\n\none"]


def test_a_file_that_ends_early_is_no_text():
    with pytest.raises(OSError, match="ended early"):
        read(TextStore(io.BytesIO(b"one")), [(0, 4)])


def test_blanks_of_any_number_are_set_aside():
    store = TextStore(io.BytesIO())
    with duckdb.connect() as connection:
        taken(connection, store, [" " * 2**20 + "x" + "\n" * 2**20, " " * 2**20], into="t")
        rows = connection.execute("SELECT place, size FROM t ORDER BY id").fetchall()
    assert rows[0] == (2**20, 1) and rows[1][1] == 0


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(pa.ArrowInvalid, match="UTF8"):
        read(TextStore(io.BytesIO(b"ok \xff")), [(0, 4)])


SHOWS_NOTHING = " \t\n\r\f\v\xa0\u200b\ufeff\x1f"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.none() | st.text(f"{SHOWS_NOTHING}aé", max_size=9), max_size=9), st.integers(1, 9)
)
def test_what_is_read_is_the_text_without_white_space_around(texts, size):
    store = TextStore(io.BytesIO())
    with duckdb.connect() as connection:
        taken(connection, store, texts, into="t", size=size)
        rows = connection.execute("SELECT place, size FROM t ORDER BY id").fetchall()
    shown = [text if text and set(text) - set(SHOWS_NOTHING) else "" for text in texts]
    expected = [text.strip(" \t\n\r\f") for text in shown]
    assert [size for _, size in rows] == [len(text.encode()) for text in expected]
    assert [read(store, [row]) if row[1] else "" for row in rows] == expected


def test_an_error_of_writing_is_the_callers():
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with duckdb.connect() as connection, pytest.raises(OSError, match="No space left"):
        taken(connection, TextStore(Full()), ["a"], into="t")


def test_no_rows_make_an_empty_table():
    with duckdb.connect() as connection:
        taken(connection, TextStore(io.BytesIO()), [], into="none")
        assert connection.execute("SELECT id, place, size FROM none").fetchall() == []
