"""Words of a note that are laid out otherwise than as a text, and what is no quotation of it."""

from __future__ import annotations

import base64
import json
import re
import textwrap
import unicodedata
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

import nbformat as nf
import numpy as np
import pandas as pd
import pytest

from steu.data.cohort import iter_texts
from steu.data.quotations import note_text_in
from steu.data.readers.cohort_tables import write_cohort
from steu.synthetic.corpus import write_corpus
from steu.workflow.profiles import load_profile

NOTE = "Pt is a 67 y/o man, admitted w/ worsening dyspnoea & leg swelling since Tuesday night."
ACCENTED = "Die Patientin klagt über Übelkeit, Schwäche, Müdigkeit und häufiges Erbrechen."
CHINESE = "患者男性,67岁,因反复胸闷气促三年,加重伴双下肢水肿一周入院。"
OTHER = "The quick brown fox jumps over the lazy dog again and again until dawn."
TOKENS = NOTE.replace(",", " ,").replace(".", " .").split()
TAGS = ["NN" if token.isalnum() else "PUNCT" for token in TOKENS]
ENTITIES = [("O", "B-PER", "I-PER")[i % 3] for i in range(len(TOKENS))]
WORDS = re.findall(r"\w+", NOTE)
FRAME = pd.DataFrame({"token": TOKENS, "tag": TAGS, "entity": ENTITIES})
RECORDS = [{"entity": e, "score": 0.9, "word": w} for e, w in zip(ENTITIES, TOKENS, strict=True)]
LINES = textwrap.wrap(NOTE, 30), textwrap.wrap(OTHER, 24)


def found(page: str, note: str = NOTE) -> bool:
    """Whether the note is found alone, in a page as it is and as the output of a notebook."""
    cell = nf.v4.new_code_cell(outputs=[nf.v4.new_output("stream", text=page)])
    pages = {"page": page, "notebook": nf.writes(nf.v4.new_notebook(cells=[cell]))}
    hits = note_text_in(pages, [OTHER[::-1], note])
    assert {hit.note for hit in hits} <= {1}
    assert len(hits) in (0, 2)
    return bool(hits)


@pytest.mark.parametrize(
    "page",
    [
        FRAME.to_string(),
        FRAME.to_string(index=False),
        FRAME.to_html(),
        FRAME.to_csv(),
        FRAME.to_json(orient="records"),
        FRAME.to_json(orient="records", indent=1),
        str(list(zip(TOKENS, TAGS, strict=True))),
        ",\n ".join(map(str, zip(TOKENS, TAGS, strict=True))),
        "\n".join(f"| {w} | {e} |" for w, e in zip(TOKENS, ENTITIES, strict=True)),
        str(RECORDS),
        "\n".join(f"{w} {w.lower()} {t} nsubj Xxx" for w, t in zip(TOKENS, TAGS, strict=True)),
        " ".join(f"{word}/NN" for word in WORDS),
        "".join(f"<i>{word}</i><b>NOUN</b>" for word in WORDS),
        " ".join(f"{word}_NN_O" for word in WORDS),
        "\n".join(f"{a:<34}{b}" for a, b in zip_longest(*LINES, fillvalue="")),
        "\n".join(f"{b:<26}{a}" for a, b in zip_longest(*LINES, fillvalue="")),
        "\n".join(f"{b:<24} | {a}" for a, b in zip_longest(*LINES, fillvalue="")),
    ],
)
def test_words_beside_other_words_are_found(page: str) -> None:
    assert found(page)


@pytest.mark.parametrize("note", [NOTE, ACCENTED, CHINESE])
@pytest.mark.parametrize(
    "written",
    [
        ", ".join,
        " ".join,
        "\n".join,
        lambda note: str(list(note)),
        lambda note: ",\n ".join(map(repr, note)),
        lambda note: repr(np.array(list(note))),
        lambda note: pd.Series(list(note)).to_string(),
        lambda note: pd.DataFrame({"letter": list(note)}).to_html(),
        lambda note: str(list(note.encode())),
        lambda note: str(np.frombuffer(note.encode(), np.uint8)),
        lambda note: str(list(map(ord, note))),
        lambda note: note.encode().hex(),
        lambda note: str(list(map(hex, note.encode()))),
    ],
)
def test_letters_and_their_numbers_are_found(note: str, written: Callable[[str], str]) -> None:
    assert found(written(note), note)


def encoded(text: str) -> str:
    """The text in base64."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("note", [NOTE, ACCENTED, CHINESE])
@pytest.mark.parametrize(
    "written",
    [
        encoded,
        lambda note: f'<a href="data:text/csv;base64,{encoded(note)}">all</a>',
        lambda note: f'<a href="data:text/plain;base64,{encoded(note).replace("+", "%2B")}"/>',
        lambda note: repr(base64.encodebytes(note.encode() * 3)),
        lambda note: base64.urlsafe_b64encode(note.encode()).decode().rstrip("="),
        lambda note: f'<img src="data:image/svg+xml;base64,{encoded(f"<text>{note}</text>")}"/>',
        lambda note: encoded(json.dumps({"text": note})),
        lambda note: encoded(str(list(note.encode()))),
        lambda note: encoded(encoded(note)),
    ],
)
def test_text_in_base64_is_found(note: str, written: Callable[[str], str]) -> None:
    assert found(written(note), note)


def test_what_is_tagged_in_base64_and_cut_or_composed_otherwise_is_found() -> None:
    assert found(encoded(FRAME.to_csv()))
    words = re.findall(r"\w+", ACCENTED)
    assert found(unicodedata.normalize("NFD", " ".join(f"{word}/NN" for word in words)), ACCENTED)
    assert found(NOTE.replace("worsening", "worse-\nning").replace("swelling", "swel-\n  ling"))


def test_fewer_words_and_what_only_looks_like_a_cipher_are_none() -> None:
    seven = "worsening dyspnoea leg swelling since Tuesday night"
    for page in (
        " ".join(f"{word}/NN" for word in seven.split()),
        ", ".join(seven),
        str(list(seven.encode())),
        encoded(seven),
        base64.b64encode(np.random.default_rng(0).bytes(3000)).decode(),
        f"{'4' * 999} {'0x' * 99} {'M 1 L 2 ' * 99} {list(range(999))} {[2**40] * 99}",
    ):
        assert not found(page)


@pytest.mark.parametrize(
    "part",
    [
        "4",
        "12 ",
        "a ",
        "a1 ",
        "'a', ",
        "\\",
        '"a": "',
        "], ",
        "<tr>",
        "0x",
        f"a{'.' * 150}",
        "- \t",
    ],
)
def test_a_long_row_of_anything_is_read(part: str) -> None:
    """Once looked at from each place, such a row took hours."""
    assert not found(part * (100_000 // len(part)))


def test_pages_that_quote_nothing_are_clean_beside_invented_notes(tmp_path: Path) -> None:
    write_corpus(tmp_path / "tables", layout="mimic_iv", n_stays=300)
    profile = load_profile("smoke")
    (dataset,) = profile.datasets.values()
    write_cohort(
        tmp_path / "cohort",
        "mimic_iv",
        tmp_path / "tables",
        labels=dataset.labels,
        name="x",
        restricted=True,
    )
    notes = list(iter_texts(tmp_path / "cohort"))
    words = sorted({word for note in notes for word in re.findall(r"\w+", note)})
    drawn = np.random.default_rng(0).choice(words, 2000)
    frame = pd.DataFrame({"token": drawn, "tag": drawn[::-1], "score": 0.5})
    pages = {"text": frame.to_string(), "html": frame.to_html(), "json": frame.to_json()}
    assert not note_text_in(pages, notes, words=6)
    tagged = " ".join(f"{word}/NN" for word in re.findall(r"\w+", notes[7])[:12])
    assert 7 in {hit.note for hit in note_text_in(pages | {"tagged": tagged}, notes)}
