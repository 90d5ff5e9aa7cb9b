"""Texts that are written as something else: base64, numbers of letters, letters one by one."""

from __future__ import annotations

import re
import sys
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from itertools import chain
from statistics import median_low

FEWEST = 40  # characters of base64; fewer are as likely a name
HEAD = 1000  # characters by which a text is known
_BASE64 = re.compile(rf"(?<![\w+/-])[\w+/-]{{{FEWEST},}}", re.ASCII)
_NUMBERS = re.compile(r"""(?<![\w.])\d{1,7}(?:[\s,;"']+\d{1,7}(?![\w.])){15,}""")
_HEX = re.compile(r"""(?<!\w)(?:0x)?[0-9a-f]{2}(?:[\s,:"']*(?:0x)?[0-9a-f]{2}){15,}""", re.I)
# Letters that stand alone, whatever that is no letter stands between them.
_LETTER = r"[^\W\d_]"
_LETTERS = re.compile(rf"(?<!{_LETTER}){_LETTER}(?:[\W\d_]{{1,200}}{_LETTER}(?!{_LETTER})){{15,}}")


def deciphered(page: str, *, shown: str) -> str:
    """The texts that a page holds in ciphers, one below another; "" where it holds none.

    Parameters
    ----------
    page
        Here base64 is looked for, since attributes of tags hold it.
    shown
        The page without its tags, where numbers and lone letters are.
    """
    texts = [_text(b"".join(_base64(page)))]
    texts += map(_of_numbers, _NUMBERS.findall(shown))
    texts += [_text(_of_hex(found)) for found in _HEX.findall(shown)]
    texts += map(_joined, _LETTERS.findall(shown))
    return "\n".join(filter(_legible, texts))


def _base64(page: str) -> Iterator[bytes]:
    """The bytes of each line of base64 that begins like a text, and not like a picture."""
    for line in _BASE64.findall(page):
        line = line[: len(line) - (len(line) % 4 == 1)].translate({43: "-", 47: "_"})
        if _legible(_text(urlsafe_b64decode(line[:FEWEST]))):
            yield urlsafe_b64decode(line + "=" * (-len(line) % 4))


def _of_numbers(found: str) -> str:
    """The text whose letters' numbers, or whose bytes, are written out."""
    numbers = [int(number) for number in re.findall(r"\d+", found)]
    try:
        return bytes(numbers).decode()
    except ValueError:  # no bytes, or none of a text
        return "".join(chr(number) for number in numbers if number <= sys.maxunicode)


def _of_hex(found: str) -> bytes:
    return bytes.fromhex(re.sub("0x|[^0-9a-f]", "", found.lower()))


def _joined(found: str) -> str:
    """Lone letters as words: where the gap is half as long again as most, a blank stood."""
    # Neither a letter's number nor how far its line is indented says anything of the gap.
    gaps = [re.sub(r"\d|(?<=\n)[ \t]+(?!\s)", "", gap) for gap in re.split(_LETTER, found)[1:-1]]
    most = median_low(map(len, gaps))
    blanks = ("" if len(gap) < 1.5 * most else " " for gap in (*gaps, ""))
    return "".join(chain.from_iterable(zip(re.findall(_LETTER, found), blanks, strict=True)))


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _legible(text: str) -> bool:
    """Whether it looks like a text; a letter may be cut at both ends of a line of base64."""
    head = text[:HEAD]
    return sum(c != "\ufffd" and (c.isprintable() or c.isspace()) for c in head) > 0.7 * len(head)
