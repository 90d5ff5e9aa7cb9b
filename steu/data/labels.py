"""Label sets as ICD-9 and ICD-10 prefixes and written diagnoses; codes → indicator columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal
from unicodedata import category, normalize

from steu._errors import LONGEST, check_choice, shown

System = Literal[0, 9, 10]  # 0: not a code but a part of a diagnosis as it is written

# Six frequent groups that all three databases hold, so that one label set serves every dataset.
DEFAULT_LABELS: dict[str, list[str]] = {
    "respiratory_failure": ["518.8", "J96"],
    "kidney_failure": ["584", "585", "586", "N17", "N18", "N19"],
    "sepsis": ["038", "995.9", "A40", "A41", "R65"],
    "atrial_fibrillation": ["427.3", "I48"],
    "heart_failure": ["428", "I50", "diagnosis:congestive heart failure"],
    "diabetes": ["250", "E08", "E09", "E10", "E11", "E12", "E13", "diagnosis:diabetes mellitus"],
}

# Columns of the cohort that a label may not take the name of.
RESERVED = ("subject_id", "stay_id", "text", "split")

WRITTEN = "diagnosis:"
ALIKE = str.maketrans("‐‑‒–—−’‘“”", "------''\"\"")  # dashes and quotes that look alike
_PREFIX = re.compile(r"(?:icd(9|10):)?([A-Z]?\d[0-9A-Z]{0,3})(?:\.([0-9A-Z]{1,4}))?", re.IGNORECASE)


def parse_prefix(prefix: str) -> tuple[System, str]:
    """Split a code prefix into its system and its characters without the dot.

    A prefix that starts with a digit is ICD-9 and one that starts with a letter is ICD-10. The
    supplementary ICD-9 codes start with a letter too and look like ICD-10 ("E08" is diabetes,
    "V45" a transport accident): write them "icd9:V45". Where a dot is set, "E880.1" can only be
    ICD-9, and "38.9" is no code of either: ICD-9 has three digits before its dot.

    "diagnosis:diabetes mellitus" is no code but how a part of a written diagnosis begins, in any
    case. eICU writes each diagnosis as a path and leaves some without a code, most diabetes among
    them; the other layouts write none, and there it matches nothing.

    Raises
    ------
    ValueError
        If `prefix` is no such prefix.
    """
    if isinstance(prefix, str) and prefix.strip().lower().startswith(WRITTEN):
        words = prefix.strip()[len(WRITTEN) :].strip().upper()
        if not words:
            raise ValueError(f"{prefix!r}: expected words, such as '{WRITTEN}diabetes mellitus'")
        return 0, words
    match = _PREFIX.fullmatch(prefix.strip()) if isinstance(prefix, str) else None
    if match is None:
        raise ValueError(
            f"{prefix!r} is not an ICD prefix; expected one such as '428', '518.8', 'I50' or "
            "'icd9:V45', as a quoted string, or 'diagnosis:' and how a written diagnosis begins"
        )
    stem = (match[2] + (match[3] or "")).upper()
    if match[1] == "10" and stem[0].isdigit():
        raise ValueError(f"{prefix!r}: an ICD-10 code starts with a letter; write 'icd9:{stem}'")
    if match[3] and re.fullmatch(r"\d{1,2}", match[2]):
        raise ValueError(
            f"{prefix!r}: an ICD-9 code has three digits before its dot; write "
            f"'{match[2].zfill(3)}.{match[3]}'"
        )
    supplementary = match[1] is None and match[3] and re.fullmatch(r"E\d{3}", match[2].upper())
    guessed = "9" if stem[0].isdigit() or supplementary else "10"
    system: System = 9 if (match[1] or guessed) == "9" else 10
    if system == 9 and not re.fullmatch(r"[EV]?\d+", stem):
        begins = re.sub(r"(?<=\d)[A-Z].*", "", stem)
        raise ValueError(
            f"{prefix!r}: an ICD-9 code has digits alone, but for an E or V before them; a prefix "
            f"stands for all codes that begin with it: write '{begins}'"
        )
    if match[1] is None and system == 10 and match[3] and len(match[2]) != 3:
        raise ValueError(f"{prefix!r}: an ICD-10 code has three characters before its dot")
    return system, stem


def parse_code(code: str) -> tuple[System, str]:
    """Guess the system of a dotted code where the table does not say it (eICU mixes both).

    A leading digit is ICD-9. Of the ICD-9 supplementary codes, E has three digits before the dot
    ("E980.2") where ICD-10 has two ("E08.1"), and V is read as ICD-9: ICD-10 uses V for transport
    accidents, which the pick list of eICU does not offer. "31.1" is a procedure, or has lost its
    zeros: it is no diagnosis of either system (0), and never another one's.
    """
    stem, _, rest = code.strip().upper().partition(".")
    if rest and re.fullmatch(r"\d{1,2}", stem):
        return 0, code.strip().upper()
    supplementary = re.fullmatch(r"E\d{3}|V\d{2}", stem) is not None
    return (9 if stem[:1].isdigit() or supplementary else 10), stem + rest


def check_labels(labels: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[System, str]]]:
    """Parse every prefix of a label set, keeping its order.

    Raises
    ------
    ValueError
        If there is no label, a label has no prefix or a reserved name, a prefix is malformed, or
        two labels have the same ones.
    """
    if not labels:
        raise ValueError("no labels were given; expected a mapping such as {'sepsis': ['038']}")
    names = [name.strip() for name in labels]
    check_names(names)
    parsed = {}
    for name, prefixes in zip(names, labels.values(), strict=True):
        if isinstance(prefixes, str) or not prefixes:
            raise ValueError(f"label {name!r} needs a list of ICD prefixes; found {prefixes!r}")
        try:
            parsed[name] = [parse_prefix(prefix) for prefix in prefixes]
        except ValueError as error:
            raise ValueError(f"label {name!r}: {error}") from error
    for i, (name, prefixes) in enumerate(parsed.items()):
        for other in list(parsed)[:i]:
            if set(parsed[other]) == set(prefixes):
                raise ValueError(
                    f"the labels {other!r} and {name!r} are made of the same codes: what is "
                    "forgotten of one would be kept of the other; leave one out"
                )
    return parsed


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError unless the names are distinct, can be written, and are no cohort column."""
    for name in names:
        if not name or name.lower() in RESERVED:
            raise ValueError(f"a label may not be called {name!r}; reserved: {', '.join(RESERVED)}")
        if any(category(character) == "Cc" for character in name):
            raise ValueError(
                f"a label may not be called {shown(name)}: take out the line breaks and "
                "other marks that no page can show"
            )
    refuse_alike(names, names)


def refuse_alike(names: Sequence[str], others: Sequence[str]) -> None:
    """Raise ValueError if one of `others` is a name in another spelling.

    That is another case, other blanks, dashes, quotes or marks at its end, other bytes for the
    same letters, or 3.0 or 03 for 3.
    """
    known = {spelling(name): name for name in reversed(names)}
    for other in others:
        name = known.get(spelling(other), other)
        if name != other or (names is others and names.count(other) > 1):
            same = _visible(name) == _visible(other)
            show = ascii if same and len(name) <= LONGEST else shown
            raise ValueError(
                f"the labels {show(name)} and {show(other)} have the same name up to case, spaces "
                "or marks: write both alike in the data, or leave one out"
            )


def spelling(name: str) -> str:
    """What spellings of one name have in common."""
    plain = " ".join(_visible(name).translate(ALIKE).casefold().split()).strip("\"' .;,")
    return re.sub(r"^0*(\d+)(\.0*)?$", r"\1", plain) or name


def _visible(name: str) -> str:
    """A name as it looks: composed letters, and no characters that show nothing."""
    return "".join(c for c in normalize("NFKC", name) if category(c) not in ("Cf", "Cc"))


def label_index(labels: Sequence[str], forget_label: str) -> int:
    """Column of `forget_label` among `labels`; ValueError naming the nearest one if absent."""
    check_choice(forget_label, labels, what="label")
    return list(labels).index(forget_label)
