"""The cohort: validated, split by patient, the same on any machine, whole or absent."""

from __future__ import annotations

import csv
import errno
import gzip
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steu.data.cohort import Cohort, iter_texts
from steu.data.readers.cohort_tables import build_cohort, write_cohort
from steu.data.readers.record_batches import BLOCK
from steu.data.readers.tables import scratch_database
from steu.data.splits import SPLITS, split_patients
from steu.data.texts import digest_of

LABELS = {"heart_failure": ["428", "I50"], "sepsis": ["038", "A41"]}


def tables(folder: Path, *, patients: int = 40, reverse: bool = False) -> Path:
    """Write MIMIC-IV notes and codes: two stays a patient, two stays left out."""
    rng = np.random.default_rng(0)
    notes, codes = [["note_id", "subject_id", "hadm_id", "charttime", "text"]], []
    for stay in range(2 * patients):
        notes.append(
            [f"n{stay}", stay // 2, 1000 + stay, "2150-03-01", f'note {stay},\n"quoted" text']
        )
        codes.append([stay // 2, 1000 + stay, "4019", 9])
        codes += [
            [stay // 2, 1000 + stay, code, 9] for code in ("4280", "0389") if rng.random() < 0.4
        ]
    notes.append(["blank", 0, 50_000, "2150-03-01", " \n "])
    notes.append(["uncoded", 0, 60_000, "2150-03-01", "a note without codes"])
    codes.append([0, 50_000, "4280", 9])
    if reverse:
        notes[1:], codes = notes[:0:-1], codes[::-1]
    for name, rows in (
        ("note/discharge.csv.gz", notes),
        (
            "hosp/diagnoses_icd.csv.gz",
            [["subject_id", "hadm_id", "icd_code", "icd_version"], *codes],
        ),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(folder / name, "wt", newline="") as stream:
            csv.writer(stream).writerows(rows)
    return folder


def build(folder: Path, **changes: object) -> Cohort:
    arguments = {"labels": LABELS, "name": "tiny", "restricted": False} | changes
    return build_cohort("mimic_iv", folder, **arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tables(tmp_path / "tables")


@pytest.fixture
def cohort(folder: Path) -> Cohort:
    return build(folder)


def test_frame_keeps_its_promises(cohort: Cohort) -> None:
    frame = cohort.frame
    assert list(frame) == ["subject_id", "stay_id", "text", *LABELS, "split"]
    assert cohort.labels == tuple(LABELS)
    assert len(frame) == 80
    assert frame["stay_id"].is_monotonic_increasing
    assert cohort.excluded == {
        "without_text": 1,
        "without_diagnosis": 1,
        "without_patient": 0,
        "rows_without_id": 0,
    }
    assert cohort.targets.dtype == np.float32
    assert cohort.targets.shape == (80, 2)
    assert cohort.patients.shape == (80,)
    assert frame["text"][7] == 'note 7,\n"quoted" text'
    rows = np.concatenate([cohort.index(split) for split in SPLITS])
    assert sorted(rows) == list(range(80))
    assert rows.dtype == np.int64


def test_no_patient_is_in_two_splits(cohort: Cohort) -> None:
    parts = [set(cohort.patients[cohort.index(split)]) for split in SPLITS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 40


def test_order_of_the_rows_does_not_matter(tmp_path: Path, cohort: Cohort) -> None:
    other = build(tables(tmp_path / "reversed", reverse=True))
    pd.testing.assert_frame_equal(other.frame, cohort.frame)
    assert other.fingerprint == cohort.fingerprint
    assert build(tmp_path / "reversed", seed=1).fingerprint != cohort.fingerprint


def test_texts_that_the_database_could_not_sort_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = build(tables(tmp_path / "short", patients=4000)).frame
    path = tables(tmp_path / "long", patients=4000, reverse=True) / NOTES
    notes, padding = pd.read_csv(path), "0123456789" * 1_000  # 10 kB a note, 80 MB
    notes["text"] = notes["text"].str.replace("note ", f"note {padding} ")
    notes.to_csv(path, index=False, compression={"method": "gzip", "compresslevel": 1})
    small = partial(scratch_database, memory="60MB")
    monkeypatch.setattr("steu.data.readers.cohort_tables.scratch_database", small)
    long = build(tmp_path / "long").frame
    assert long["text"].str.replace(f"{padding} ", "").equals(short["text"])
    assert long.drop(columns="text").equals(short.drop(columns="text"))


def test_any_change_of_content_changes_the_fingerprint(cohort: Cohort) -> None:
    for column, value in (("text", "another note"), ("subject_id", "new"), ("sepsis", None)):
        frame = cohort.frame.copy()
        frame.loc[3, column] = value if value else not frame.loc[3, column]
        assert replace(cohort, frame=frame).fingerprint != cohort.fingerprint


def test_write_and_read(tmp_path: Path, cohort: Cohort, folder: Path) -> None:
    cohort.write(tmp_path / "a")
    write_cohort(tmp_path / "b", "mimic_iv", folder, labels=LABELS, name="tiny", restricted=False)
    for name in "ab":
        again = Cohort.read(tmp_path / name)
        pd.testing.assert_frame_equal(again.frame, cohort.frame)
        assert again == replace(cohort, frame=again.frame)
        assert again.fingerprint == cohort.fingerprint
        assert sorted(p.name for p in (tmp_path / name).iterdir()) == [
            "cohort.json",
            "cohort.parquet",
        ]
    slim = Cohort.read(tmp_path / "b", text=False)
    assert "text" not in slim.frame
    assert slim.fingerprint == cohort.fingerprint
    assert list(iter_texts(tmp_path / "b")) == cohort.frame["text"].tolist()
    with pytest.raises(ValueError, match="has no digest of it; read it with text=True"):
        _ = replace(slim, texts=None).fingerprint


def test_tampering_and_absence_are_noticed(tmp_path: Path, cohort: Cohort) -> None:
    cohort.write(tmp_path)
    frame = pd.read_parquet(tmp_path / "cohort.parquet")
    changed = frame.assign(text=frame["text"] + "."), frame.assign(sepsis=~frame["sepsis"])
    for text in (True, False):
        for other in changed:
            other.to_parquet(tmp_path / "cohort.parquet")
            with pytest.raises(ValueError, match="is not the file that cohort.json beside it"):
                Cohort.read(tmp_path, text=text)
    (tmp_path / "cohort.parquet").unlink()
    for read in (Cohort.read, lambda folder: next(iter_texts(folder))):
        with pytest.raises(ValueError, match="cohort.parquet does not exist"):
            read(tmp_path)


@pytest.mark.parametrize("wanted", [[], [0], [79], [8, 9, 10, 31], range(80)])
def test_texts_of_some_rows(
    tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch, wanted: Sequence[int]
) -> None:
    cohort.write(tmp_path)
    monkeypatch.setattr("steu.data.cohort.BATCH", 10)
    rows = np.array(wanted, dtype=int)
    assert list(iter_texts(tmp_path, index=rows)) == cohort.frame["text"].iloc[rows].tolist()


@pytest.mark.parametrize("rows", [[3, 3], [4, 3], [-1, 2], [0, 80]])
def test_rows_that_are_not_there_or_do_not_ascend_are_refused(
    tmp_path: Path, cohort: Cohort, rows: list[int]
) -> None:
    cohort.write(tmp_path)
    with pytest.raises(ValueError, match="positions from 0 to 79 in ascending order"):
        next(iter_texts(tmp_path, index=np.array(rows)))


def test_the_digest_is_that_of_the_texts_as_they_are_now(tmp_path: Path, cohort: Cohort) -> None:
    cohort.write(tmp_path)
    again = Cohort.read(tmp_path)
    again.frame.loc[3, "text"] += "."
    assert again.texts_digest == digest_of(again.frame["text"]) != cohort.texts_digest
    assert Cohort.read(tmp_path, text=False).texts_digest == cohort.texts_digest


def test_a_text_that_is_blank_to_one_is_blank_to_all(tmp_path: Path) -> None:
    folder = tables(tmp_path / "tables")
    notes = pd.read_csv(folder / NOTES, dtype=str)
    notes.loc[[3, 4, 5], "text"] = ["\xa0", " \f ", "\u200b\ufeff\x1f"]
    notes.to_csv(folder / NOTES, index=False)
    cohort = build(folder)
    assert cohort.excluded["without_text"] == 4  # another has none at all


def test_describe_counts(cohort: Cohort) -> None:
    table = cohort.describe()
    assert len(table) == 6
    assert table.groupby("label")["positives"].sum()["sepsis"] == cohort.frame["sepsis"].sum()
    np.testing.assert_allclose(table["prevalence"], table["positives"] / table["stays"])


@settings(max_examples=30, deadline=None)
@given(st.integers(40, 120), st.integers(1, 5), st.integers(0, 99))
def test_split_is_stratified(n: int, n_labels: int, seed: int) -> None:
    positives = np.random.default_rng(seed).random((n, n_labels)) < 0.3
    fractions = (0.6, 0.15, 0.25)
    split = split_patients(positives, fractions=fractions, seed=seed)
    np.testing.assert_array_equal(split, split_patients(positives, fractions=fractions, seed=seed))
    assert set(split) <= {0, 1, 2}
    for k, share in enumerate(fractions):
        assert abs((split == k).sum() - share * n) <= 0.1 * n + 2
        counts = positives[split == k].sum(axis=0)
        assert (np.abs(counts - share * positives.sum(axis=0)) <= 0.1 * n + 2).all()


def test_a_single_label_is_shared_out_exactly() -> None:
    positives = np.arange(100)[:, None] < 20
    split = split_patients(positives, fractions=(0.5, 0.25, 0.25), seed=3)
    assert np.bincount(split).tolist() == [50, 25, 25]
    assert np.bincount(split[:20]).tolist() == [10, 5, 5]


def _two_splits(frame: pd.DataFrame) -> None:
    frame.loc[frame["subject_id"] == frame["subject_id"][0], "split"] = ["train", "test"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_two_splits, "1 patients are in more than one split, first '0'"),
        (lambda f: f.__setitem__("split", "train"), "the validation split has no stay"),
        (lambda f: f.__setitem__("stay_id", "1"), "79 stays come more than once, first '1'"),
        (lambda f: f.__setitem__("text", ["ok"] * 79 + [" "]), "1 stays have an empty text"),
        (
            lambda f: f.__setitem__("stay_id", [*f["stay_id"][:0:-1], f["stay_id"][0]]),
            "a later one",
        ),
        (lambda f: f.__setitem__("subject_id", [None] * 80), "rows without subject_id; leave"),
        (lambda f: f.__setitem__("sepsis", 1), "label 'sepsis' holds int64; expected bool"),
        (
            lambda f: f.__setitem__("split", "dev"),
            "no split 'dev'; known are train, validation, test",
        ),
        (lambda f: f.pop("sepsis"), "no column sepsis; found subject_id"),
        (lambda f: setattr(f, "index", list(f["stay_id"])), "rows must be numbered"),
    ],
)
def test_a_spoilt_frame_is_refused(
    cohort: Cohort, spoil: Callable[[pd.DataFrame], None], message: str
) -> None:
    frame = cohort.frame.copy()
    spoil(frame)
    with pytest.raises(ValueError, match=message):
        replace(cohort, frame=frame)


def test_unknown_split(cohort: Cohort) -> None:
    with pytest.raises(ValueError, match="no split 'dev'; known are train"):
        cohort.index("dev")


def _edit(name: str, change: Callable[[bytes], bytes], *, packed: bool = False) -> Callable:
    def edit(folder: Path) -> None:
        path = folder / name
        data = path.read_bytes()
        changed = change(data) if packed else gzip.compress(change(gzip.decompress(data)))
        path.write_bytes(changed)

    return edit


def _spoil_a_block(packed: bytes) -> bytes:
    return packed[:10] + b"\xff" * 20 + packed[30:]


def _spoil_the_sum(packed: bytes) -> bytes:
    return packed[:-8] + bytes(8)


NOTES, CODES = "note/discharge.csv.gz", "hosp/diagnoses_icd.csv.gz"


def test_a_row_that_no_block_can_hold_is_named(folder: Path, tmp_path: Path) -> None:
    header = gzip.decompress((folder / NOTES).read_bytes()).splitlines()[0] + b"\n"
    columns = header.count(b",") + 1
    long = b"1," * (columns - 1) + b'"' + b"x" * (2 * BLOCK) + b'"\n'
    (folder / NOTES).write_bytes(gzip.compress(header + long, 1))
    with pytest.raises(ValueError, match="gz cannot be read as a table: a row is longer than 8,"):
        write_cohort(tmp_path, "mimic_iv", folder, labels=LABELS, name="x", restricted=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / CODES).unlink(), "no table hosp/diagnoses_icd .* folder holds hosp, note"),
        (
            _edit(CODES, lambda b: b.replace(b"icd_code", b"code")),
            "diagnoses_icd.csv.gz: no column icd_code .*found subject_id, hadm_id, code",
        ),
        (
            _edit(NOTES, lambda b: b[:-30], packed=True),
            "discharge.csv.gz: the gzip stream is trunc",
        ),
        (_edit(NOTES, lambda b: b[:5], packed=True), "discharge.csv.gz: the gzip stream is trunc"),
        (_edit(NOTES, _spoil_a_block, packed=True), "discharge.csv.gz: the gzip stream is trunc"),
        (_edit(NOTES, _spoil_the_sum, packed=True), "discharge.csv.gz: the gzip stream is trunc"),
        (_edit(NOTES, lambda b: b.replace(b"note 7", b"note \xff7")), "gz is not UTF-8"),
        (_edit(NOTES, lambda b: b"\xff" + b), "discharge.csv.gz: the header is not UTF-8"),
        (_edit(CODES, lambda _: b""), "diagnoses_icd.csv.gz is empty"),
        (_edit(NOTES, lambda b: b.replace(b'"quoted"', b"")[:66]), "ends between quotation marks"),
        (
            _edit(CODES, lambda b: b.splitlines(keepends=True)[0]),
            "diagnoses_icd.csv.gz has a header and no rows: use the publisher's file",
        ),
    ],
)
def test_a_spoilt_table_is_named(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(folder)
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=message) as caught:
        write_cohort(out, "mimic_iv", folder, labels=LABELS, name="tiny", restricted=True)
    assert "quoted" not in str(caught.value), "an error must not repeat a note"
    assert not out.exists()


@pytest.mark.parametrize("delimiter", [b";", b"\t"])
def test_tables_separated_otherwise_are_simply_read(
    folder: Path, cohort: Cohort, delimiter: bytes
) -> None:
    _edit(CODES, lambda b: b.replace(b",", delimiter))(folder)
    pd.testing.assert_frame_equal(build(folder).frame, cohort.frame)


def test_a_row_spoilt_far_into_a_large_table_is_named(folder: Path, tmp_path: Path) -> None:
    with gzip.open(folder / NOTES, "rt") as stream:
        text = stream.read()
    filler = "".join(f'f{i},1,,,"{"quoted " * 1_400}"\n' for i in range(3_500))  # 34 MB, no stay
    with gzip.open(folder / NOTES, "wt", compresslevel=1) as stream:
        stream.write(text + filler + "one,two\n")
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=r"discharge\.csv\.gz cannot be read as a table") as caught:
        write_cohort(out, "mimic_iv", folder, labels=LABELS, name="tiny", restricted=True)
    assert "quoted" not in str(caught.value), "an error must not repeat a note"
    assert len(str(caught.value).splitlines()) == 1
    assert not out.exists()


def test_notes_as_parquet_give_the_same_cohort(folder: Path) -> None:
    wanted = build(folder).fingerprint
    notes = pd.read_csv(folder / NOTES)
    notes.to_parquet(folder / "note" / "discharge.parquet")
    (folder / NOTES).unlink()
    assert build(folder).fingerprint == wanted


def test_an_empty_folder_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="the folder holds nothing: it is empty"):
        build(tmp_path / "empty")
    with pytest.raises(ValueError, match="is not a folder"):
        build(tmp_path / "none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fractions": (0.5, 0.5)}, "expected three positive shares that sum to 1"),
        ({"fractions": (0.9, 0.2, -0.1)}, "expected three positive shares"),
        ({"labels": {"rare": ["999"]}}, r"label 'rare' has no positive in the train split \(0 of"),
        ({"sections": ["note"]}, "layout 'mimic_iv': no option 'sections'"),
        ({"colour": "red"}, "no option 'colour'; known are text_source, notes"),
    ],
)
def test_options_are_checked(folder: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(folder, **changes)


def test_layouts_are_checked(folder: Path) -> None:
    with pytest.raises(ValueError, match="no layout 'mimic'; did you mean mimic_i"):
        build_cohort("mimic", folder, labels=LABELS, name="x", restricted=False)
    with pytest.raises(ValueError, match="layout 'table': option 'text' is missing"):
        build_cohort("table", folder, labels=LABELS, name="x", restricted=False)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_what_fails_while_duckdb_writes_is_said_as_it_is(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("steu.data.readers.cohort_tables.TextStore.read", fail)
    with pytest.raises(OSError, match="space left on disk for|Input/output error") as caught:
        write_cohort(tmp_path / "out", "mimic_iv", folder, labels=LABELS, name="x", restricted=True)
    assert caught.value.errno == error
    assert not (tmp_path / "out").exists()


def test_duckdb_that_cannot_write_names_the_file(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "steu.data.readers.cohort_tables.literal", lambda _: "'/proc/no/such/place'"
    )
    with pytest.raises(OSError, match="/proc/no/such/place"):
        write_cohort(tmp_path / "out", "mimic_iv", folder, labels=LABELS, name="x", restricted=True)
    assert not (tmp_path / "out").exists()


def test_a_note_that_is_not_utf8_is_named(tmp_path: Path, folder: Path) -> None:
    notes = pa.Table.from_pandas(pd.read_csv(folder / NOTES))
    texts = notes["text"].combine_chunks().cast(pa.binary()).to_pylist()
    broken = pa.array([b"caf\xe9", *texts[1:]]).view(pa.string())
    (folder / NOTES).unlink()
    at = notes.schema.get_field_index("text")
    pq.write_table(notes.set_column(at, "text", broken), folder / "note" / "discharge.parquet")
    with pytest.raises(ValueError, match=r"discharge\.parquet is not UTF-8"):
        write_cohort(tmp_path / "out", "mimic_iv", folder, labels=LABELS, name="x", restricted=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["place", "sizes", "texts", "splits"])
def test_a_label_may_have_the_name_of_anything_but_a_column(folder: Path, name: str) -> None:
    labels = {name: LABELS["sepsis"], "heart_failure": LABELS["heart_failure"]}
    renamed = build(folder, labels=labels).frame
    known = build(folder).frame
    assert renamed[name].equals(known["sepsis"].rename(name))
    with pytest.raises(ValueError, match="may not be called 'Text'"):
        build(folder, labels={"Text": LABELS["sepsis"]})


@pytest.mark.parametrize("way", ["write", "build"])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, folder: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for module in ("data.cohort", "data.readers.cohort_tables"):
        monkeypatch.setattr(f"steu.{module}.write_json", full)  # after the parquet file
    out = tmp_path / "out"
    with pytest.raises(OSError, match=r"no space left on disk for .*out") as caught:
        if way == "write":
            cohort.write(out)
        else:
            write_cohort(out, "mimic_iv", folder, labels=LABELS, name="x", restricted=False)
    assert caught.value.errno == errno.ENOSPC
    assert not out.exists() or not list(out.iterdir())


def test_rows_that_name_no_patient_or_no_id_are_counted(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {"id": range(60), "patient": range(60), "body": [f"note {i}" for i in range(60)]}
    )
    rows = rows.astype(str).assign(urgent=[i % 2 for i in range(60)])
    rows.loc[::4, "patient"] = ""
    rows.loc[[1, 2], "id"] = " "
    rows.to_csv(tmp_path / "t.csv", index=False)
    columns = {"text": "body", "id": "id", "subject": "patient"}
    given = {"labels": {"columns": ["urgent"]}, "name": "t", "restricted": False}
    cohort = build_cohort("table", tmp_path / "t.csv", **given, **columns)
    assert cohort.excluded["without_patient"] == 15
    assert cohort.excluded["rows_without_id"] == 2
    assert len(cohort.frame) + 15 + 2 == 60  # the counts add up


def test_ids_and_flags_that_were_floats_are_what_they_were(tmp_path: Path, cohort: Cohort) -> None:
    folder = tables(tmp_path / "floats")
    notes = pd.read_csv(folder / NOTES, dtype=str)
    notes.loc[::2, "hadm_id"] += ".0"
    notes["subject_id"] += ".0"
    notes.to_csv(folder / NOTES, index=False)
    codes = pd.read_csv(folder / CODES, dtype=str)
    codes.loc[1::3, "hadm_id"] += ".0"
    codes["icd_version"] += ".0"
    codes.to_csv(folder / CODES, index=False)
    pd.testing.assert_frame_equal(build(folder).frame, cohort.frame)


def test_an_addendum_without_a_patient_is_of_its_stays(tmp_path: Path) -> None:
    folder = tables(tmp_path / "tables")
    whole = build(folder)
    notes = pd.read_csv(folder / NOTES, dtype=str)
    more = notes.iloc[:9].assign(note_id=[f"a{i}" for i in range(9)], subject_id="", text="more")
    pd.concat([notes, more]).to_csv(folder / NOTES, index=False)
    found = build(folder)
    assert found.excluded == whole.excluded and len(found.frame) == len(whole.frame)
    assert found.frame["text"].str.contains("more").sum() == 9


def test_codes_that_lost_their_zeros_are_noticed(tmp_path: Path) -> None:
    folder = tables(tmp_path / "tables")
    codes = pd.read_csv(folder / CODES, dtype=str)
    more = codes.iloc[[0] * 400].assign(
        icd_code=[f"{i}" for i in range(1000, 1400)], icd_version="9"
    )
    pd.concat([codes[~codes["icd_code"].str.startswith("0")], more]).to_csv(
        folder / CODES, index=False
    )
    with pytest.raises(
        ValueError, match=r"none of \d+ ICD-9 codes begins with 0, so leading zeros"
    ):
        build(folder)


def test_times_in_another_hand_are_refused_and_not_sorted_as_text(tmp_path: Path) -> None:
    folder = tables(tmp_path / "tables")
    notes = pd.read_csv(folder / NOTES, dtype=str)
    notes.loc[3, "charttime"] = "10/2/2150 9 o'clock"
    notes.to_csv(folder / NOTES, index=False)
    with pytest.raises(ValueError, match='column charttime holds "10/2/2150 9 o\'clock"; expected'):
        build(folder)


def test_what_later_pages_cannot_use_is_refused_at_the_start(cohort: Cohort) -> None:
    first, second = cohort.labels
    cohort.check_for_unlearning(first)
    with pytest.raises(ValueError, match=f"no label '{first}s'; did you mean {first}"):
        cohort.check_for_unlearning(f"{first}s")
    always = replace(cohort, frame=cohort.frame.assign(**{second: True}))
    with pytest.raises(ValueError, match=f"{second!r} is 1 in every test document"):
        always.check_for_unlearning()
    alone = replace(cohort, frame=cohort.frame.drop(columns=second), labels=(first,))
    with pytest.raises(ValueError, match=f"the only label is {first!r}; expected one to forget"):
        alone.check_for_unlearning()
