import io

import duckdb
import pytest

from steu.spool import Spool

TEXTS = ["first", None, " \n\t ", "sécond\n\nline ", "x" * 5000, ""]


@pytest.mark.parametrize("batch", [2, 2048])
def test_every_text_is_found_again_whatever_the_batches(monkeypatch, batch):
    monkeypatch.setattr("steu.spool.BATCH", batch)
    spool = Spool(io.BytesIO())
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE given (id INT, text VARCHAR)")
        connection.executemany("INSERT INTO given VALUES (?, ?)", [*enumerate(TEXTS)])
        for name in ("once", "twice"):  # a second query goes on where the first one ended
            spool.take(connection, "SELECT text, id FROM given", into=name)
        for name in ("once", "twice"):
            rows = connection.execute(f"SELECT id, place, size FROM {name} ORDER BY id").fetchall()
            found = {i: spool.read([(at, size)]) for i, at, size in rows if size}
            assert found == {0: "first", 3: "sécond\n\nline", 4: "x" * 5000}
            columns = connection.execute(f"DESCRIBE {name}").fetchall()
            assert [column[0] for column in columns] == ["id", "place", "size"]


def test_what_is_taken_after_a_text_was_read_overwrites_nothing():
    spool = Spool(io.BytesIO())
    with duckdb.connect() as connection:
        for i, text in enumerate(("first", "second", "third")):
            spool.take(connection, f"SELECT '{text}' AS text", into=f"t{i}")
            assert (
                spool.read(connection.execute("SELECT place, size FROM t0").fetchall()) == "first"
            )
        (piece,) = connection.execute("SELECT place, size FROM t1").fetchall()
        assert spool.read([piece]) == "second"


def test_pieces_are_joined_by_an_empty_line():
    spool = Spool(io.BytesIO(b"one two "))
    assert spool.read([(4, 4), (0, 4)]) == "two\n\none"


def test_no_rows_make_an_empty_table():
    with duckdb.connect() as connection:
        spool = Spool(io.BytesIO())
        spool.take(connection, "SELECT 1 AS id, 'a' AS text WHERE false", into="none")
        assert connection.execute("SELECT id, place, size FROM none").fetchall() == []
