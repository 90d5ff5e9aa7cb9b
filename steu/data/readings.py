"""What may be meant by the content of a page: ways in which a text may be laid out in it."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

from steu.data.ciphers import deciphered
from steu.data.columns import MARKUP, columns

LAYERS = 3  # ciphers within ciphers that are undone
# As JSON, JavaScript and Python write what is not plain ASCII, however often it was quoted.
_ESCAPE = re.compile(r"(?<!\\)\\+(?:([nrt])|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
_BYTES = re.compile(r"(?:(?<!\\)\\+x[0-9A-Fa-f]{2})+")  # as Python writes those that are no letters
_MARKED = str.maketrans("ĠĊ▁", "   ")
# What is written with letters and stands beside words in tables and lists of them.
_BESIDE = re.compile(
    r"\bnp\.\w+\(|\btensor\(|\b(?:NaN|nan|NaT|None|null|[Tt]rue|[Ff]alse)\b"
    r"|(?<![\d.])\d[\d.]*e[-+]?\d+"
)
# What stands between a word and a piece that goes on with it. Looked for where a word ends alone:
# from each place of a long row of numbers, as a figure has, it would take their number squared.
_PIECE = re.compile(r"(?<!\W)\W*##(?=\w)")
_COUNTED_PIECE = re.compile(r"(?<![\W\d])[\W\d]*##(?=\w)")
_JOINT = re.compile(r"""\n\\*",\s*\\*\"""")  # between two lines of a notebook's output


def readings(content: str, *, layers: int = LAYERS) -> dict[str, bool]:
    """What may be meant by the content of a page, each once.

    Parameters
    ----------
    layers
        How often what was written in a cipher is read as a page in its turn.

    Returns
    -------
    dict
        Text → whether words of something else, as tags, may stand between its words.
    """
    # A page may hold a page, as the text of a script or as entities; a note may hold a backslash.
    # A tag is a gap between words or stands within one (bold syllables); a note may hold "<5 … >".
    told = _unescaped(content)
    # Tokenizers mark a space before a word, or a piece that goes on with one.
    pieces = _PIECE.sub("", told.translate(_MARKED))
    clear = html.unescape(_JOINT.sub("\n", told))
    sent = unquote(clear)
    texts = [content, told, clear, sent, pieces]
    if "Ġ" in told or "▁" in told:
        texts.append(re.sub(r"[^\wĠĊ▁]|\d", "", told).translate(_MARKED))
    unnamed = re.sub(r"""(?<!\\)\\*["']\w+\\*["']\s*:""", " ", told)  # names of a record's fields
    texts.append(unnamed)
    bare = _BESIDE.sub(" ", MARKUP.sub(" ", unnamed.translate(_MARKED)))
    texts.append(_COUNTED_PIECE.sub("", bare))
    texts.append(re.sub(r"-\s*\n\s*", "", clear))  # words that are cut at the end of a line
    texts.append(_BYTES.sub(_of_bytes, content))
    texts.append(
        " ".join(re.findall(r"<!--(.*?)-->", told, re.S))
    )  # beside a figure's drawn letters
    stripped = [MARKUP.sub(gap, text) for text in texts for gap in (" ", "")]
    read = dict.fromkeys([*texts, *stripped, columns(clear)], False)
    read[bare] = True
    if layers and (hidden := deciphered(sent, shown=MARKUP.sub(" ", clear))):
        read |= readings(hidden, layers=layers - 1)
    return read


def _unescaped(content: str) -> str:
    """The characters that escapes stand for."""

    def character(found: re.Match[str]) -> str:
        if code := found[2] or found[3]:
            return chr(int(code, 16))
        return "\t" if found[1] == "t" else "\n"

    # A letter beyond 16 bits is written as two halves.
    halves = _ESCAPE.sub(character, content).encode("utf-16", "surrogatepass")
    return halves.decode("utf-16", "replace")


def _of_bytes(found: re.Match[str]) -> str:
    """The text whose bytes are written out."""
    return bytes.fromhex(re.sub(r"\\+x", "", found[0])).decode("utf-8", "replace")
