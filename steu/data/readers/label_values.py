"""Values of a column that names labels: whether they are names, and each of one label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from steu._errors import MOST, check_choice, shown
from steu.data.missing import MISSING
from steu.data.readers.mending import FLAGS

LONGEST_LABEL = 200  # characters
ENOUGH = 1000  # values, the most frequent ones, that show whether labels come in lists alone
_YES_NO = {"0.0", "1.0", *filter(None, FLAGS)}  # of a column that is one label
# What may stand between labels, as a delimiter is named → how it is found. Of the sure ones one
# label beside another thing is enough; the others stand within many a name, "Obstetrics / Gyn.".
_SURE = {mark: re.escape(mark) for mark in (";", "|", "；", "\t", "\n", "\r", "\u2028")}
_MARKS = _SURE | {
    mark: re.escape(mark) for mark in (",", "，", "、", "/", "&", "+", ":", "：", "\\")
}
_MARKS |= {f" {word} ": rf"\s{word}\s" for word in ("-", "–", "and", "und", "et", "y")}
_CUTS = {mark: re.compile(rf"\s*(?:{found})\s*", re.IGNORECASE) for mark, found in _MARKS.items()}
_ANY = re.compile("|".join(cut.pattern for cut in _CUTS.values()), re.IGNORECASE)
_LIST = re.compile(r"""\[.*\]|\{.*\}|\(\s*['"].*\)""", re.DOTALL)


def refuse_values(
    found: Sequence[str], kept: Sequence[str], *, column: str, delimiter: str | None = None
) -> None:
    """Refuse values that are no names of labels, or of several, unless they are kept by name.

    Parameters
    ----------
    found
        Distinct values, the most frequent first; with a `delimiter` what stands between.
    column
        Where they are from.

    Raises
    ------
    ValueError
        If values are texts, lists, yes and no, or missing; if one is made of others; or if most
        are made of parts that recur among them.
    """
    longest = max(map(len, found), default=0)
    if longest > LONGEST_LABEL:
        raise ValueError(
            f"{column} holds values of up to {longest:,} characters; expected names of labels, of "
            f"at most {LONGEST_LABEL}: name the column of the labels, or its delimiter"
        )
    others = [value for value in found if value not in kept]
    _refuse_lists(found, others, column=column)
    _refuse_several(found, others, column=column, delimiter=delimiter)
    _refuse_combinations(found, others, column=column)
    refuse_flags(found, kept, column=column)
    missing = next((value for value in others if value.lower() in MISSING), None)
    if missing is not None:
        raise ValueError(
            f"{column} holds {missing!r}: leave such cells blank if the label is not known, or "
            "name it in keep if it is a label"
        )


def refuse_flags(found: Sequence[str], kept: Sequence[str], *, column: str) -> None:
    """Refuse a column that says whether one label is there, and none by its name."""
    if found and {value.lower() for value in found} <= _YES_NO and not {*kept} & {*found}:
        raise ValueError(
            f"{column} holds {' and '.join(found)}, which say whether a label is there, not "
            "which one: name a column of them for each label, two or more, or a column of names"
        )


def check_named(name: str, counted: Mapping[str, int], *, column: str) -> None:
    """Refuse a label that no cell names; values that may be texts or ids are not shown.

    `counted` says how often each value comes.
    """
    if name not in counted and MOST < len(counted) > sum(counted.values()) / 2:
        raise ValueError(
            f"{column} holds no label {name!r} and hardly a value twice, as texts and ids: name "
            "the column of the labels"
        )
    check_choice(name, counted, what="label", where=column)


def refuse_written_out(delimiter: str, *, column: str, there: bool) -> None:
    r"""Refuse a tab that came as a backslash and a t, unless it is `there` in the cells."""
    if re.search(r"\\[tnr]", delimiter) and not there:
        raise ValueError(
            f"{column}: delimiter is '{delimiter}', a backslash and a letter, which no cell holds: "
            f"give the character itself, as \"{delimiter}\" in YAML or $'{delimiter}' in a shell"
        )


def _refuse_lists(found: Sequence[str], others: Sequence[str], *, column: str) -> None:
    known = {_plain(value) for value in found}
    for value in found:
        within = value[1:-1].split(",") if value.startswith("(") and value.endswith(")") else [""]
        items = len(within) > 1 and _all_known(within, known)
        if (items or _LIST.fullmatch(value)) and (value in others or value.startswith("[")):
            raise ValueError(
                f"{column} holds {shown(value)}, a list that was written as text: write its items "
                "with one character between them, and name that as delimiter"
            )


def _refuse_several(
    found: Sequence[str], others: Sequence[str], *, column: str, delimiter: str | None
) -> None:
    known = {_plain(value) for value in found}
    for value in others:
        for mark, parts in _cuts(value):
            known_ones = sum(_plain(part) in known for part in parts)
            if known_ones == len(parts) or (mark in _SURE and known_ones):
                between = f"what stands between them, {mark!r}," if mark else "one mark for all"
                mend = f"name {between} as delimiter"
                mend = f"write {delimiter!r} between them, too" if delimiter else mend
                raise ValueError(
                    f"{column} holds {shown(value)}, of which a part is a label too: {mend}, or "
                    "keep it by name if it is one label"
                )


def _refuse_combinations(found: Sequence[str], others: Sequence[str], *, column: str) -> None:
    """Refuse values that are lists of labels, most of which never come alone."""
    found, others = found[:ENOUGH], others[:ENOUGH]
    cuts = {value: dict(_cuts(value)) for value in others}
    for mark in _CUTS:
        cut = {v: [*map(_plain, by_mark[mark])] for v, by_mark in cuts.items() if mark in by_mark}
        if 2 * len(cut) > len(found) and _are_lists([*cut.values()], sure=mark in _SURE):
            both = " and ".join(shown(value) for value in list(cut)[:2])
            raise ValueError(
                f"{column} holds {both}, whose parts recur in others: each combination would be "
                f"a label: name what stands between them, {mark!r}, as delimiter, or keep the "
                "values by name if each is one label"
            )


def _are_lists(cut: Sequence[Sequence[str]], *, sure: bool) -> bool:
    """Whether values that were cut are lists of labels, and not names of several words.

    Known by parts that recur, many of them here at the beginning and there behind: what paths or a
    family of names share ("Surgery / hand", "Surgery / foot") stands mostly in one place. A list
    names nothing twice, as genotypes do ("A/A", "A/G"), and numbers may be fractions.
    """
    times = Counter(part for parts in cut for part in parts)
    if any(len({*parts}) < len(parts) for parts in cut):
        return False
    heads, tails = {parts[0] for parts in cut}, {part for parts in cut for part in parts[1:]}
    crossing = len(heads & tails) >= max(1, min(len(heads), len(tails)) / 2)
    recurring = sum(n > 1 for n in times.values())
    if sure:
        return crossing and recurring >= len(times) / 2
    return crossing and recurring == len(times) and not all(part.isdigit() for part in times)


def _cuts(value: str) -> Iterator[tuple[str, list[str]]]:
    """What may stand between labels in a value and what it stands between; '' for any of all."""
    small = value.casefold()
    marks = [mark for mark in _CUTS if mark.strip(" ") in small]
    for mark in [*marks, ""] if len(marks) > 1 else marks:
        parts = [part.strip() for part in _CUTS.get(mark, _ANY).split(value)]
        if len(parts) > 1 and (mark in _SURE or sum(map(bool, parts)) > 1):
            yield mark, [part for part in parts if part]


def _plain(name: str) -> str:
    """A name in any case, without quotes and stops around it."""
    return name.strip("\"' .").casefold()


def _all_known(parts: Sequence[str], known: Collection[str]) -> bool:
    return all(_plain(part) in known for part in parts if part.strip())
