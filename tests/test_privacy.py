"""Small cells and note text in rendered output."""

from __future__ import annotations

import io
import json
import re
import textwrap
import time
import unicodedata
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from steu.data.privacy import suppress_small_cells
from steu.data.quotations import CHUNK, STEPS, note_text_in
from steu.reporting import figures

NOTE = "Pt is a 67 y/o man, admitted w/ worsening dyspnoea & leg swelling since Tuesday night."
WORDS = re.findall(r"[\w/]+", NOTE)
OTHER = "The quick brown fox jumps over the lazy dog again and again until dawn."


@pytest.mark.parametrize(
    "page",
    [
        f"before {NOTE} after",
        NOTE.upper().replace(",", " --"),
        "<p>Pt is a 67 y/o <b>man</b>, admitted w/\n<i>worsening</i> dyspnoea &amp; leg</p>",
        "admitted w/ wor<b>sening</b> dyspnoea &amp; leg swelling since Tues<i>day</i>",
        json.dumps({"text": [NOTE.replace("man, ", "man,\n")]}),
        "67 <y/o man admitted w worsening dyspnoea leg swelling>",
    ],
    ids=["plain", "case", "tags", "tags within words", "json", "angle brackets"],
)
def test_planted_text_is_found(page: str) -> None:
    found = note_text_in({"clean.html": "nothing", "page.html": page}, iter([OTHER, NOTE]))
    assert [(hit.path, hit.note) for hit in found] == [("page.html", 1)]


CHINESE = "患者男性,67岁,因反复胸闷气促三年,加重伴双下肢水肿一周入院。"
JAPANESE = "患者は六十七歳の男性で、一週間前からの呼吸困難と下肢の浮腫のため入院した。"
THAI = "ผู้ป่วยชายอายุหกสิบเจ็ดปีมาโรงพยาบาลด้วยอาการเหนื่อยหอบ"


@pytest.mark.parametrize("note", [CHINESE, JAPANESE, THAI])
def test_notes_in_scripts_without_spaces_are_found(note: str) -> None:
    half = note[len(note) // 3 :]
    pages = {
        "whole": f"<p>before {note} after</p>",
        "part": "\n".join(half),
        "clean": "糖尿病 (E11)",
    }
    assert {hit.path for hit in note_text_in(pages, ["other", note])} == {"whole", "part"}
    assert note_text_in({"name": note[:8]}, [note]) == []  # as short as a label


ACCENTED = "Die Patientin klagt über Übelkeit, Schwäche, Müdigkeit und häufiges Erbrechen."
SHARP = "Die Patientin stürzte heute früh auf der Straße und schlug mit dem Kopf auf."
JAVANESE = "\ua98b\ua98f\ua992\ua995\ua998" * 4
PIECES = [p for word in WORDS for p in (word[:2], f"##{word[2:]}") if p != "##"]
RARE = "\U00020000\U00020001\U00020002\U00020003" * 4  # each is two halves in JSON


@pytest.mark.parametrize(
    ("note", "page"),
    [
        (CHINESE, json.dumps(CHINESE)),
        (ACCENTED, json.dumps({"html": f"<p>{ACCENTED}</p>"})),
        (ACCENTED, json.dumps(json.dumps(ACCENTED))),
        (ACCENTED, ascii(ACCENTED)),
        (RARE, json.dumps(RARE)),
        (NOTE, NOTE.replace(" ", r"\u00a0")),
        (NOTE, NOTE.replace(" ", r"\u003cbr\u003e")),
        (NOTE, NOTE.replace(" ", "&lt;br&gt;")),
        (NOTE, json.dumps(NOTE.replace(" ", "&lt;br&gt;"))),
        (NOTE, json.dumps(NOTE.replace(" ", "\x1b[39m \x1b[31m"))),
        (NOTE, NOTE.replace(" ", "\x1b[1;31m")),
        (NOTE, NOTE.replace(" ", "%20")),
        (NOTE, str([f"Ġ{word}" for word in NOTE.split()])),
        (NOTE, str([f"▁{word}" for word in NOTE.split()])),
        (NOTE, str([p for word in NOTE.split() for p in (word[:1], f"##{word[1:]}") if p != "##"])),
        (ACCENTED, ACCENTED.translate(str.maketrans("äöüÜ", "aouU"))),
        (ACCENTED, unicodedata.normalize("NFD", ACCENTED)),
        (unicodedata.normalize("NFD", ACCENTED), ACCENTED),
        (NOTE, pd.DataFrame({"token": WORDS, "score": 0.25}).to_html()),
        (NOTE, pd.DataFrame({"token": WORDS, "score": -1.5e-3}).to_string()),
        (NOTE, "\n".join(f"{i:>3} {word} 0.{i}" for i, word in enumerate(WORDS))),
        (NOTE, json.dumps([[word, 0.5] for word in WORDS])),
        (NOTE, json.dumps([{"token": word, "score": 0.5} for word in WORDS], indent=1)),
        (NOTE, json.dumps({"html": json.dumps([{"token": w, "n": 5} for w in WORDS])})),
        (NOTE, str([p for w in WORDS for p in (f"Ġ{w[:2]}", w[2:]) if p])),
        (NOTE, str([(p, 0.3) for w in WORDS for p in (f"▁{w[:2]}", w[2:]) if p])),
        (NOTE, "".join(f"{w[:1]}&shy;{w[1:]} " for w in WORDS)),
        (NOTE, "\u200b".join(NOTE)),
        (NOTE, NOTE.replace("worsening", "worse-\nning").replace("swelling", "swel-\n  ling")),
        (NOTE, repr([(word, np.float64(0.3)) for word in WORDS])),
        (NOTE, pd.DataFrame({"token": WORDS, "score": 3e-7}).to_html()),
        (NOTE, pd.DataFrame({"token": WORDS, "taken": True}).to_string()),
        (NOTE, pd.DataFrame({"token": WORDS, "score": np.nan}).to_json(orient="records")),
        (NOTE, f"<td>{'</td><td>0.3</td><td>'.join(PIECES)}</td>"),
        (CHINESE, repr(CHINESE.encode())),
        (THAI, repr(str(THAI.encode()))),
        (SHARP, SHARP.upper()),
        (JAVANESE, JAVANESE),
        (r"at bed\nno oedema\nno fever\nno pain at all", r"bed\nno oedema\nno fever\nno pain at"),
    ],
)
def test_text_that_was_escaped_is_found(note: str, page: str) -> None:
    assert [hit.note for hit in note_text_in({"page": page}, [OTHER, note])] == [1]


@pytest.mark.parametrize("rows", [True, False], ids=["a word a tick", "a wrapped title"])
def test_the_words_of_a_figure_are_found(rows: bool) -> None:
    """Its letters are drawn, and the text stands beside them as a comment."""
    figures.style()
    drawn, ax = plt.subplots()
    if rows:
        ax.set_yticks(range(len(WORDS)), WORDS)
    else:
        ax.set_title(textwrap.fill(NOTE, 30))
    drawn.savefig(image := io.StringIO(), format="svg")
    plt.close(drawn)
    assert [hit.note for hit in note_text_in({"page": image.getvalue()}, [OTHER, NOTE])] == [1]


def test_numbers_alone_are_no_words_of_a_note() -> None:
    note = "Pain 0.0 0.0 0.0 0.0 at 1 2 3 4 5 6 7 8 9"
    assert (
        note_text_in({"axis": "1 2 3 4 5 6 7 8 9", "zeros": "[0.0, 0.0, 0.0, 0.0]"}, [note]) == []
    )


def test_many_notes_are_compared_at_a_time_and_nothing_else_is_found() -> None:
    """As one would compare word by word, of words that are all on the page."""
    generator = np.random.default_rng(0)
    vocabulary = ["".join(generator.choice(list("abcdefgh"), 4)) for _ in range(50)]
    notes = [" ".join(generator.choice(vocabulary, 20)) for _ in range(3 * CHUNK + 70)]
    pages = {f"page{i}": " ".join(generator.choice(vocabulary, 400)) for i in range(3)}
    planted = CHUNK // 2, 3 * CHUNK + 60
    for page, note in zip(pages, planted, strict=False):
        pages[page] += f" 17 {notes[note]}"

    def runs(text: str, steps: Sequence[int] = (1,)) -> set[tuple[str, ...]]:
        words = text.split()
        return {
            run
            for step in steps
            for run in zip(*(words[step * i :] for i in range(4)), strict=False)
        }

    on_page = {
        page: runs(text, STEPS) | runs(text.replace(" 17 ", " "), STEPS)
        for page, text in pages.items()
    }
    expected = {
        (page, number)
        for number, note in enumerate(notes)
        for page in pages
        if runs(note) & on_page[page]
    }
    found = note_text_in(pages, iter(notes), words=4)
    assert {(hit.path, hit.note) for hit in found} == expected
    assert (
        len(expected) < 0.2 * len(notes)
        and {("page0", planted[0]), ("page1", planted[1])} <= expected
    )
    whole = note_text_in(pages, iter(notes))
    assert [(hit.path, hit.note) for hit in whole] == [("page0", planted[0]), ("page1", planted[1])]
    assert {hit.word for hit in whole} == {401}  # the number before them is a word of the page


def test_half_a_letter_and_what_only_looks_escaped_are_read_over() -> None:
    assert note_text_in({"page": r"\ud83d \u12 \users \x \textbf"}, [NOTE]) == []


def test_one_word_less_is_not_found() -> None:
    seven = "worsening dyspnoea & leg swelling since Tuesday night"
    assert note_text_in({"page": seven}, [NOTE]) == []
    assert note_text_in({"page": seven}, [NOTE], words=7)
    assert note_text_in({"page": "dyspnoea worsening " * 20}, [NOTE]) == []
    assert note_text_in({"page": ""}, [NOTE, ""]) == []


def test_words_is_checked() -> None:
    with pytest.raises(ValueError, match="words is 0"):
        note_text_in({}, [], words=0)


def test_small_cells_are_hidden_and_counted() -> None:
    frame = pd.DataFrame({"token": ["a", "b", "c"], "patients": [9, 10, 0], "notes": [3, 40, 12]})
    shown, hidden = suppress_small_cells(frame, ["patients", "notes"])
    assert hidden == 3
    assert shown["patients"].isna().tolist() == [True, False, True]
    assert shown["notes"].tolist()[1:] == [40, 12]
    assert frame["patients"].tolist() == [9, 10, 0]
    again, more = suppress_small_cells(shown, ["patients", "notes"])
    assert more == 0
    pd.testing.assert_frame_equal(again, shown)


def test_a_count_is_hidden_where_few_of_all_are_left() -> None:
    with_label = [*range(190, 202), 9, 10]
    frame = pd.DataFrame({"patients": [201] * 12 + [19, 20], "with_label": with_label})
    shown = suppress_small_cells(frame, ["with_label"], of="patients").frame["with_label"]
    assert shown.dropna().tolist() == [190, 191, 201, 10]  # 11, 10 and none are left; and 10
    assert suppress_small_cells(frame, ["with_label"], of="patients", minimum=1).hidden == 0


@pytest.mark.parametrize(
    ("columns", "minimum", "message"),
    [
        (["stays"], 10, "no column 'stays'"),
        (["token"], 10, "expected counts"),
        (["share"], 10, "expected counts"),
        (["n"], 0, "minimum is 0"),
    ],
)
def test_suppression_is_checked(columns: list[str], minimum: int, message: str) -> None:
    frame = pd.DataFrame({"token": ["a"], "share": [0.5], "n": [3]})
    with pytest.raises(ValueError, match=message):
        suppress_small_cells(frame, columns, minimum=minimum)


def test_a_long_row_of_numbers_takes_no_longer_than_its_length() -> None:
    """As the paths of a figure are: once looked at from each place, they took minutes."""

    def seconds(n: int) -> float:
        row, took = " 12.5,3.75" * n, []
        for _ in range(3):
            started = time.process_time()
            assert not note_text_in({"page": row}, [NOTE])
            took.append(time.process_time() - started)
        return min(took)

    assert seconds(40_000) < 8 * seconds(10_000)  # in proportion: 4; by its square: 16
