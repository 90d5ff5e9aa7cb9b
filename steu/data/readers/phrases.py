"""eICU's pick-list entries and drug names → short readable phrases."""

from __future__ import annotations

import re
from collections.abc import Callable

import duckdb
import pandas as pd

# Entries about filling in the form, not about the patient: which screens to show, whether a
# section was done, who was the source, the billing and time-out checklists. The answers to
# "Obtain Options" that say something of the patient (no health problems, not significant) are
# dropped too, since their absence is the same statement.
_FORM = re.compile(
    r"obtain options|skip screen|view options|include rx|notes/shared/|/shared/(billing|time-out)"
    r"|source of patient information|pre-admission medications|preadmission medications/allergies"
    r"|enter surgery information|/sign(ed|ature)|/score/scored|communication with other",
    re.IGNORECASE,
)

# Of each vital sign the current value stays; its daily extremes, the weight's change and the fluid
# sums would triple the numbers and push the findings beyond a 512-token model's sight.
_EXTREMES = re.compile(r" (highest|lowest)$|/I&&O \(ml\)/|/delta$", re.IGNORECASE)

# Values that mean nothing without the part examined.
_GENERIC = ("normal", "none", "negative", "performed", "other", "yes", "no", "unknown")


def picked(path: str, value: str) -> str | None:
    """Phrase of one pick-list entry, or None where it says nothing of the patient.

    The last part of the path that is not the value itself gives the value its context.

    Examples
    --------
    >>> picked("notes/…/Throat/Nose/normal/normal", "normal")
    'Nose normal'
    >>> picked("notes/…/Gastrointestinal/Bowel Sounds/decreased", "decreased")
    'Bowel Sounds decreased'
    """
    if _FORM.search(path) or _EXTREMES.search(path):
        return None
    value = re.sub(r"\s*\bcurrent$", "", " ".join(value.split()), flags=re.IGNORECASE)
    path = re.sub(r'/print "[^"]*"', "", path.replace("/(", " ("), flags=re.IGNORECASE)
    ending = re.compile(rf"/{re.escape(value)}( current|current)?$", re.IGNORECASE)
    path = ending.sub("", path)
    if ending.search(path) and value.lower() not in _GENERIC:
        return value  # "Angina/angina": the entry is its own context
    path = ending.sub("", path)
    context = " ".join(re.sub(r"\s*\(R\)", "", path.rsplit("/", 1)[-1]).split())
    words, context_words = (set(re.findall(r"[^\s,-]+", s.lower())) for s in (value, context))
    if words <= context_words or context_words <= words:
        return max(value, context, key=len) or None
    return f"{context} {value}"


def diagnosis_on_admission(path: str, value: str) -> str | None:
    """Phrase of one APACHE admission entry: the diagnosis alone, not the questionnaire."""
    return " ".join(value.split()) if "|Diagnosis|" in path else None


def treatment(path: str, value: str) -> str | None:
    """Last two parts of a treatment string, which name the measure and its group."""
    return " ".join(" ".join(path.split("|")[-2:]).split()) or None


def drug(path: str, value: str) -> str | None:
    """Name of a drug in lower case, without the pack, the strength and the form.

    Examples
    --------
    >>> drug("1000 ML FLEX CONT : SODIUM CHLORIDE 0.9 % IV SOLN", "")
    'sodium chloride'
    """
    name = path.lower().strip()
    if name[:1].isdigit():
        name = re.split(r"\s(?::|-)\s", name)[-1]
    name = re.split(r"\s*[(*,:]|\s+\d|\s+(?:tabs?|caps?|inj|soln?|po|iv)\b", name)[0].strip(" -")
    return name if re.search(r"[a-z]{3}", name) else None


def add_phrases(
    connection: duckdb.DuckDBPyConnection, table: str, phrase: Callable[[str, str], str | None]
) -> None:
    """Render each distinct entry once, in Python; leaves `phrases(path, value, phrase)`."""
    connection.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS value VARCHAR DEFAULT ''")
    distinct = connection.execute(
        f"SELECT DISTINCT path, value FROM {table} WHERE path IS NOT NULL"
    ).fetchall()
    said = [(path, value, phrase(path, value)) for path, value in distinct]
    frame = pd.DataFrame(
        [row for row in said if row[2]], columns=["path", "value", "phrase"], dtype=str
    )
    connection.register("said", frame)
    connection.execute("CREATE OR REPLACE TABLE phrases AS SELECT * FROM said")
    connection.unregister("said")
