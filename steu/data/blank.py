"""Texts that show nothing: white space, and characters that are there and cannot be seen."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NOTHING = r"[\s\pZ\p{Cc}\p{Cf}]"  # a character that shows nothing, as RE2 writes it


def blank(texts: pa.Array) -> np.ndarray:
    """Which texts hold nothing that shows, (N,), bool."""
    return pc.match_substring_regex(texts, f"^{NOTHING}*$").to_numpy(False)
