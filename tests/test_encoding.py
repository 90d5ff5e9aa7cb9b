import errno
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import word_tokenizer
from transformers import PreTrainedTokenizerFast, XLNetConfig

from steu.data import encoding
from steu.data.encoding import encode_notes, encode_window, window_tokenizer
from steu.data.texts import digest_of
from steu.data.windows import check_window, model_window, positions_of, window_of
from steu.models.loading import build_classifier, load_tokenizer

TOKENIZER = load_tokenizer("minilm")


def test_encoding_equals_the_tokenizer(tmp_path):
    texts = ["No evidence of pneumonia.", "ß café " * 300, "x", "K+ 4.5 mmol/L;\n\tBP 120/80"]
    notes = encode_notes(texts, TOKENIZER, max_length=32, folder=tmp_path)
    expected = TOKENIZER(texts, truncation=True, max_length=32, pad_to_multiple_of=16, padding=True)
    ids, mask = notes.batch(range(len(texts)))
    assert torch.equal(ids, torch.tensor(expected["input_ids"]))
    assert torch.equal(mask, torch.tensor(expected["attention_mask"]))
    assert notes.lengths.tolist() == mask.sum(1).tolist()
    assert notes.ids.dtype == np.uint16


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(alphabet="ab é\u0301\u4e2d#,.\n\t-1", max_size=900), min_size=1, max_size=4)
)
def test_windowed_encoding_is_the_full_encoding_cut(texts):
    fast = window_tokenizer(TOKENIZER, 16)
    full = [encoding.ids for encoding in fast.encode_batch(texts)]
    assert [list(ids) for ids in encode_window(texts, fast, 16)] == full


def test_the_call_that_a_text_falls_into_makes_no_difference(monkeypatch):
    texts = ["heart failure " * n for n in (1, 40, 3, 200, 2)]
    fast = window_tokenizer(TOKENIZER, 16)
    whole = list(encode_window(texts, fast, 16))
    monkeypatch.setattr(encoding, "CHUNK", 2)
    assert list(encode_window(texts, fast, 16)) == whole
    assert [len(ids) for ids in whole] == [4, 16, 8, 16, 6]


def test_the_second_encoding_is_the_file_of_the_first(tmp_path):
    encode_notes(["a b", "c"], TOKENIZER, max_length=8, folder=tmp_path)
    (written,) = tmp_path.iterdir()
    stamp = (written / "ids.bin").stat().st_mtime_ns
    encode_notes(["a b", "c"], TOKENIZER, max_length=8, folder=tmp_path)
    assert (written / "ids.bin").stat().st_mtime_ns == stamp
    encode_notes(["a", "b c"], TOKENIZER, max_length=8, folder=tmp_path)
    encode_notes(["a b", "c"], TOKENIZER, max_length=9, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(("name", "lost"), [("ids.bin", 2), ("ids.bin", 1), ("offsets.bin", 8)])
def test_a_folder_that_was_copied_in_part_is_refused(tmp_path, name, lost):
    encode_notes(["a b c d", "e"], TOKENIZER, max_length=8, folder=tmp_path)
    (folder,) = tmp_path.iterdir()
    file = folder / name
    file.write_bytes(file.read_bytes()[:-lost])
    with pytest.raises(ValueError, match=r"ids.bin has [\d,]+ bytes; expected [\d,]+: a part of"):
        encoding.map_notes(folder)


def test_texts_with_a_name_are_streamed_and_read_once(tmp_path, monkeypatch):
    def never():
        pytest.fail("the encoding is there already")
        yield

    monkeypatch.setattr(encoding, "CHUNK", 2)
    texts = ["a b", "c", "no drug"]
    named = {"max_length": 8, "folder": tmp_path, "digest": digest_of(texts)}
    with pytest.raises(ValueError, match="digest is that of other texts"):
        encode_notes(iter(texts[1:]), TOKENIZER, **named)
    assert not list(tmp_path.iterdir())
    first = encode_notes(iter(texts), TOKENIZER, **named)
    again = encode_notes(never(), TOKENIZER, **named)
    whole = encode_notes(iter(texts), TOKENIZER, max_length=8, folder=tmp_path)
    for notes in (again, whole):
        assert np.array_equal(notes.ids, first.ids) and np.array_equal(notes.offsets, first.offsets)
    assert len(list(tmp_path.iterdir())) == 1


def test_contains_any_agrees_with_a_search(tmp_path):
    texts = ["insulin given", "no drug", "", "insulin insulin"]
    notes = encode_notes(texts, TOKENIZER, max_length=16, folder=tmp_path)
    token = TOKENIZER.convert_tokens_to_ids("insulin")
    assert notes.contains_any(np.array([token])).tolist() == [True, False, False, True]
    assert not notes.contains_any(np.array([], dtype=np.int64)).any()


def test_the_text_of_the_window_is_what_was_encoded(tmp_path):
    notes = encode_notes(
        ["No evidence of pneumonia.", "x"], TOKENIZER, max_length=5, folder=tmp_path
    )
    assert list(notes.texts(TOKENIZER, [1, 0])) == ["x", "no evidence of"]


@pytest.mark.parametrize("length", [2, 513])
def test_a_window_that_cannot_be_is_refused(tmp_path, length):
    with pytest.raises(ValueError, match=f"between 3 and the model's window of 512.*{length}"):
        encode_notes(["a"], TOKENIZER, max_length=length, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_window_beyond_the_position_embeddings_is_refused(tmp_path):
    model, tokenizer = build_classifier("random-bert", ("a",))
    model.config.max_position_embeddings = 64
    model.config.save_pretrained(tmp_path / "model")
    tokenizer.model_max_length = int(1e30)  # what transformers writes where nothing is known
    tokenizer.save_pretrained(tmp_path / "model")
    tokenizer = load_tokenizer(str(tmp_path / "model"))
    assert tokenizer.model_max_length > 1e29
    with pytest.raises(ValueError, match="between 3 and the model's window of 64 tokens; found 65"):
        encode_notes(["a"], tokenizer, max_length=65, folder=tmp_path / "encoded")
    assert not (tmp_path / "encoded").exists()
    assert len(encode_notes(["a " * 99], tokenizer, max_length=64, folder=tmp_path).ids) == 64


def test_a_model_without_a_limit_leaves_the_window_to_its_tokenizer():
    config, tokenizer = XLNetConfig(), word_tokenizer()
    assert config.max_position_embeddings == -1
    assert positions_of(config) is None and window_of(tokenizer, config) == 64
    tokenizer.model_max_length = int(1e30)
    window = window_of(tokenizer, config)
    check_window(2048, window)
    with pytest.raises(ValueError, match="says how many tokens they take: give max_length$"):
        check_window(window, window)


def test_a_tokenizer_without_a_model_answers_for_itself(tmp_path):
    load_tokenizer("minilm").save_pretrained(tmp_path)
    assert model_window(PreTrainedTokenizerFast.from_pretrained(tmp_path)) == 512


def test_the_encoding_of_a_process_that_was_first_stays(tmp_path, monkeypatch):
    texts = ["insulin given", "no drug"]
    other = encode_notes(texts, TOKENIZER, max_length=8, folder=tmp_path / "other").ids
    (written,) = (tmp_path / "other").iterdir()
    write = encoding._write

    def write_second(*arguments):
        write(*arguments)
        shutil.copytree(written, tmp_path / "here" / written.name)
        (tmp_path / "here" / written.name / "first").touch()

    monkeypatch.setattr(encoding, "_write", write_second)
    mine = encode_notes(texts, TOKENIZER, max_length=8, folder=tmp_path / "here").ids
    assert np.array_equal(mine, other)
    assert [path.name for path in (tmp_path / "here").iterdir()] == [written.name]
    assert (tmp_path / "here" / written.name / "first").exists()


def test_what_is_not_whole_is_encoded_again(tmp_path):
    before = encode_notes(["a b"], TOKENIZER, max_length=8, folder=tmp_path).ids.tolist()
    (written,) = tmp_path.iterdir()
    (written / "encoding.json").unlink()
    (written / "ids.bin").write_bytes(b"")
    assert encode_notes(["a b"], TOKENIZER, max_length=8, folder=tmp_path).ids.tolist() == before


@pytest.mark.parametrize("file", ["ids.bin", "encoding.json"])
def test_a_full_disk_leaves_no_half_an_encoding(tmp_path, full_disk, file):
    full_disk(file)
    with pytest.raises(OSError, match=f"no space left on disk for {tmp_path}") as caught:
        encode_notes(["a b"], TOKENIZER, max_length=8, folder=tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())
