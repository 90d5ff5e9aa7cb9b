"""How software writes that a value is missing, and an id that is nobody's."""

from __future__ import annotations

# In small letters: pandas and R when they made text of it, a spreadsheet where it found none, Stata
# and SAS. "None" may be what a publisher's pick list offers.
NO_VALUE = ("na", "n/a", "#n/a", "nan", "nat", "null", "<na>", "\\n", ".")
MISSING = ("", "none", "-", *NO_VALUE)
NOBODY = "-1([.,]0*)?|unknown|unk"  # what an id is where software knew none
