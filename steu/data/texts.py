"""Texts: what of them is blank, and one name for many that is the same on any machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

BLANK = " \t\n\r\f"  # white space that is no part of a text where it stands around it


class TextDigest:
    """SHA-256 over texts, each with its length in front: "ab", "c" is not "a", "bc"."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, text: bytes | memoryview) -> None:
        """Go on with the next text, in UTF-8."""
        self._sha.update(len(text).to_bytes(8, "big"))
        self._sha.update(text)

    def hexdigest(self) -> str:
        """The name of the texts so far."""
        return self._sha.hexdigest()


def digest_of(texts: Iterable[str]) -> str:
    """The name of all the texts."""
    digest = TextDigest()
    for text in texts:
        digest.add(text.encode())
    return digest.hexdigest()
