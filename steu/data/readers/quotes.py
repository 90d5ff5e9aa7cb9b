r"""Whether every quotation mark of a CSV file stands where RFC 4180 wants it, as the file is read.

Arrow goes on reading after a closing mark, so that two marks without partners join the rows
between them to one, and `\"` for a mark within a value changes the text.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import IO

MARK = b"\xef\xbb\xbf"  # of UTF-8, at the beginning of a file


class CheckedQuotes(io.RawIOBase):
    """Hands on the bytes of a CSV file and refuses a quoted value that goes on after its end.

    A quotation mark within a value that does not begin with one is text.

    Raises
    ------
    ValueError
        From `read`, if there is such a value or, at the end of the file, the last does not end.
    """

    def __init__(self, stream: IO[bytes], *, path: Path, delimiter: str) -> None:
        super().__init__()
        self._stream, self._path = stream, path
        self._open = b""  # what of the last block decides how the next one begins, in short
        self._line, self._begun = 1, 1  # of the next block; of the quoted value that is open
        self._ends = delimiter.encode() + b"\r\n"  # of a value
        ends = re.escape(self._ends)
        inside = rb'"[^"]*+(?:""[^"]*+)*+'
        self._quoted = re.compile(inside)
        self._sound = re.compile(
            rb'[^"]*+(?:(?<![^%b])%b"[%b][^"]*+|(?<=[^%b])"[^"]*+)*+' % (ends, inside, ends, ends)
        )
        if self._stream.read(len(MARK)) != MARK:
            self._stream.seek(0)

    def readable(self) -> bool:
        """As a stream says it."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, of which all values that end in them were checked."""
        data = self._stream.read(size)
        self._check(self._open + data) if data else self._check_end()
        return data

    def _check(self, data: bytes) -> None:
        at = self._sound.match(data).end()  # pyrefly: ignore[missing-attribute]  # it matches nothing too
        value = self._quoted.match(data, at)
        if not value:
            self._open = b"" if data[-1:] in self._ends else b"x"
        else:
            if at or not self._open.startswith(b'"'):
                self._begun = self._line + _breaks(data[:at])
            if value.end() < len(data) - 1:
                raise ValueError(self._refusal(self._line + _breaks(data[: value.end()])))
            self._open = b'"' if value.end() == len(data) else b'""'  # it may have ended, or not
        self._line += _breaks(data)

    def _check_end(self) -> None:
        if self._open == b'"':
            raise ValueError(
                f"{self._path} cannot be read as a table: it ends between quotation marks, of "
                f"which the first is in line {self._begun}, so a part or a mark is missing; get "
                "the whole file again, or put the mark where that value ends"
            )

    def _refusal(self, line: int) -> str:
        return (
            f"{self._path} cannot be read as a table: the quoted value that begins in line "
            f"{self._begun} goes on after its closing mark in line {line}; expected marks within "
            'a value twice ("", not \\") and around all of it: write the table so'
        )


def _breaks(data: bytes) -> int:
    return data.count(b"\n") or data.count(b"\r")
