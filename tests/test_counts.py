import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from stubs import ROOT, steu
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from steu.data.cohort import Cohort
from steu.data.encoding import encode_in_memory, encode_notes
from steu.models.loading import load_tokenizer
from steu.selection.counts import count_tokens, token_table
from steu.selection.ranking import rank_by_score, select_tokens
from steu.selection.scores import pmi_scores
from steu.selection.words import begins_word, stop_word_ids, words_with_token

TOKENIZER = load_tokenizer("minilm")
TEXTS = ["insulin for diabetes", "no diabetes", "furosemide", "insulin insulin sliding"]


@pytest.fixture
def notes(tmp_path):
    return encode_notes(TEXTS, TOKENIZER, max_length=16, folder=tmp_path)


def test_counts_equal_a_count_vectoriser_without_special_tokens(notes):
    vectoriser = CountVectorizer(
        analyzer=lambda text: TOKENIZER.tokenize(text), vocabulary=TOKENIZER.get_vocab()
    )
    expected = vectoriser.transform(TEXTS)
    assert (count_tokens(notes) != expected).nnz == 0
    assert (count_tokens(notes, counting="notes") != (expected > 0)).nnz == 0


def test_the_score_is_the_closed_form():
    # forget notes hold tokens (0: 3, 1: 1), all notes (0: 4, 1: 4): P = 3/4 and 1/2
    counts = sparse.csr_matrix(np.array([[3, 1, 0], [1, 3, 0]]))
    scores = pmi_scores(counts, np.array([True, False]))
    assert scores[0] == pytest.approx(np.log2(1.5) * np.log(4))
    assert scores[1] == pytest.approx(np.log2(0.5) * np.log(2))
    assert scores[2] == 0


def test_a_class_that_is_independent_of_the_tokens_scores_zero():
    counts = sparse.csr_matrix(np.array([[2, 6, 4], [1, 3, 2]]))
    assert pmi_scores(counts, np.array([True, False])) == pytest.approx(np.zeros(3), abs=1e-12)


def test_smoothing_shrinks_the_score_towards_zero():
    counts = sparse.csr_matrix(np.array([[3, 1], [1, 3]]))
    forget = np.array([True, False])
    sharp, soft = (pmi_scores(counts, forget, smoothing=s) for s in (0.0, 10.0))
    assert 0 < soft[0] < sharp[0]


def test_the_ranking_is_best_first_and_leaves_out_rare_and_excluded():
    counts = sparse.csr_matrix(np.array([[1, 5, 5, 5, 0]]))
    scores = np.array([9.0, 1.0, 3.0, 2.0, 8.0])
    assert rank_by_score(scores, counts, min_count=2).tolist() == [2, 3, 1]
    assert rank_by_score(scores, counts, min_count=2, excluded=(2,)).tolist() == [3, 1]
    assert rank_by_score(np.zeros(5), counts).tolist() == [0, 1, 2, 3]  # ties by id
    assert select_tokens(np.array([2, 3, 1]), 2).tolist() == [2, 3]


@pytest.mark.parametrize("wanted", [0, -3])
def test_no_tokens_is_refused(wanted):
    with pytest.raises(ValueError, match=f"n_tokens must be at least 1; found {wanted}"):
        select_tokens(np.arange(2), wanted)


def test_more_tokens_than_were_seen_is_refused():
    with pytest.raises(ValueError, match=r"exceed the 2 tokens seen often enough.*found 3"):
        select_tokens(np.arange(2), 3)


@pytest.mark.parametrize(
    ("n_tokens", "message"),
    [
        ("0", ": parameter n_tokens: expected more than 0, found 0"),
        (
            "99999",
            r", cell \d+: n_tokens must not exceed the 3 tokens seen .* found 99,999: lower",
        ),
    ],
)
def test_a_notebook_says_in_one_line_that_n_tokens_does_not_fit(tmp_path, n_tokens, message):
    rows = [
        {"subject_id": f"p{i}", "stay_id": f"s{i}", "text": "insulin for diabetes"}
        | {"diabetes": i < 3, "split": ("train", "validation", "test")[i % 3]}
        for i in range(6)
    ]
    Cohort(pd.DataFrame(rows), ("diabetes",), "toy", "table", restricted=False).write(tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    values = {"cohort": tmp_path, "encoded": tmp_path / "encoded", "output": tmp_path / "out"}
    values |= {"forget_label": "diabetes", "min_count": 2, "n_tokens": n_tokens}
    given = [word for name, value in values.items() for word in ("-p", name, str(value))]
    done = steu(ROOT, "run", "notebooks/03_pmi.ipynb", *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"steu: notebooks/03_pmi.ipynb{message}.*\n", done.stderr)
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_a_class_nobody_has_is_refused():
    with pytest.raises(ValueError, match="no training note carries the class"):
        pmi_scores(sparse.csr_matrix([[1]]), np.array([False]))
    with pytest.raises(ValueError, match="smoothing must be 0 or more"):
        pmi_scores(sparse.csr_matrix([[1]]), np.array([True]), smoothing=-1)


def test_the_table_counts_occurrences_and_patients(notes):
    counts = count_tokens(notes)
    forget = np.array([True, False, False, True])
    patients = np.array(["p", "q", "r", "p"])
    ids = np.array(TOKENIZER.convert_tokens_to_ids(["insulin", "diabetes"]))
    table = token_table(ids, pmi_scores(counts, forget), counts, forget, patients)
    assert table.n_forget.tolist() == [3, 1]
    assert table.n_all.tolist() == [3, 2]
    assert table.patients.tolist() == [1, 2]
    assert table.forget_patients.tolist() == [1, 1]
    assert table.lift[0] == pytest.approx(counts.sum() / counts[forget].sum())


def test_whole_words_are_put_together_from_their_pieces(notes):
    pieces = TOKENIZER.tokenize("furosemide")
    assert len(pieces) > 1
    last = np.array([TOKENIZER.convert_tokens_to_ids(pieces[-1])])
    patients = np.array(["p", "q", "r", "p"])
    words = words_with_token(notes, np.arange(4), TOKENIZER, last, patients=patients)
    assert words == ["furosemide (1)"]
    words = words_with_token(notes, np.arange(4), TOKENIZER, last, patients=patients, minimum=2)
    assert words == [""]


@pytest.mark.parametrize(
    ("pieces", "begins"),
    [
        (["in", "##sulin", "a", "##"], [True, False, True, False]),
        (["Ġin", "sulin", "Ġa", "<s>"], [True, False, True, False]),
        (["▁in", "sulin", "▁a"], [True, False, True]),
        (["insulin", "a"], [True, True]),
    ],
)
def test_words_begin_as_their_vocabulary_marks_it(pieces, begins):
    assert begins_word(np.array(pieces)).tolist() == begins


def test_words_of_a_byte_level_vocabulary_are_whole(tmp_path):
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=["<pad>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["insulin naïve"] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", model_max_length=64
    )
    notes = encode_in_memory(["naïve insulin", "insulin"], tokenizer, max_length=64)
    every = np.unique(notes.ids).astype(int)
    words = words_with_token(notes, np.arange(2), tokenizer, every, patients=np.array(["a", "b"]))
    assert {word for told in words for word in told.split(", ")} == {"insulin (2)", "naïve (1)"}


def test_the_first_word_of_a_note_is_one_though_no_space_precedes_it(tmp_path):
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # as RoBERTa's
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290,
        special_tokens=["<pad>", "<unk>", "<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["insulin now", "now insulin"] * 9, trainer)
    for start in ("<s> ", ""):
        if start:
            made.post_processor = processors.TemplateProcessing(
                "<s> $A", special_tokens=[("<s>", 2)]
            )
        else:
            made.post_processor = processors.ByteLevel(trim_offsets=False)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=made,
            pad_token="<pad>",
            unk_token="<unk>",
            bos_token="<s>",
            model_max_length=64,
        )
        notes = encode_in_memory(["insulin now", "now insulin"], tokenizer, max_length=64)
        every = np.setdiff1d(np.unique(notes.ids).astype(int), [2])
        people = np.array(["a", "b"])
        words = words_with_token(notes, np.arange(2), tokenizer, every, patients=people)
        assert {word.split(" (")[0] for told in words for word in told.split(", ")} == {
            "insulin",
            "now",
        }


def test_stop_words_are_cut_as_texts_are():
    ids = stop_word_ids(TOKENIZER, ["The", "the"])
    assert TOKENIZER.convert_ids_to_tokens(list(ids)) == ["the"]


@pytest.mark.parametrize("word", ["xyzzyplugh", "the the", "", "[CLS]"])
def test_a_stop_word_that_is_no_single_token_is_refused(word):
    with pytest.raises(ValueError, match=rf"this tokenizer makes .+ of {re.escape(repr(word))}: "):
        stop_word_ids(TOKENIZER, ["the", word])
