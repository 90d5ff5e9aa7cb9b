"""Wording: an admission as the text of a discharge summary."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from steu.synthetic import lexicon
from steu.synthetic.admissions import Stay
from steu.synthetic.everyday import LIFE, SMALL_TALK, with_words
from steu.synthetic.lexicon import CONDITIONS, EXTRAS

TYPOS = 0.0015  # chance of a misspelling per character
EVERYDAY = 0.7  # share of padding that is of everyday life


def _pick(pen: Random, phrases: Sequence[str]) -> str:
    """One phrase, the first ones most often, with its numbers drawn."""
    draw = pen.random()
    phrase = phrases[int(len(phrases) * draw * draw)]
    return _numbered(pen, phrase) if "{" in phrase else phrase


def _numbered(pen: Random, phrase: str) -> str:
    for slot, low, span in (("{a}", 2, 3), ("{b}", 11, 29), ("{c}", 0, 10)):
        while slot in phrase:
            phrase = phrase.replace(slot, str(low + int(span * pen.random())), 1)
    return phrase


def _any(pen: Random, phrases: Sequence[str]) -> str:
    return phrases[int(len(phrases) * pen.random())]


def _named(pen: Random, condition: str) -> str:
    return _pick(pen, CONDITIONS[condition].names)


def _enumerate(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _misspell(pen: Random, text: str) -> str:
    """At most one character edit inside a word, more likely in a longer text."""
    if pen.random() >= TYPOS * len(text) or len(text) < 12:
        return text
    at = 1 + int(pen.random() * (len(text) - 4))
    if not text[at - 1 : at + 3].isalpha():
        return text
    kind = pen.random()
    if kind < 0.4:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if kind < 0.7 else text[:at] + text[at] + text[at:]


SECTIONS = (
    "Chief Complaint",
    "History of Present Illness",
    "Past Medical History",
    "Social History",
    "Family History",
    "Physical Exam",
    "Pertinent Results",
    "Brief Hospital Course",
    "Medications on Admission",
    "Discharge Medications",
    "Discharge Disposition",
    "Discharge Instructions",
)
FILLERS = {
    "History of Present Illness": lexicon.HISTORY_FILLER,
    "Physical Exam": lexicon.EXAM_FILLER,
    "Pertinent Results": lexicon.LAB_FILLER,
    "Brief Hospital Course": lexicon.COURSE_FILLER,
    "Discharge Instructions": lexicon.INSTRUCTIONS_FILLER,
}
# Padding goes to the end first, so that a reader of the first hundred tokens meets the evidence.
PADDING = (
    *["Discharge Instructions"] * 12,
    "Physical Exam",
    "Pertinent Results",
    "Brief Hospital Course",
    "History of Present Illness",
    "Brief Hospital Course",
)


def compose(stay: Stay, pen: Random, words: int) -> str:
    """A discharge summary of about `words` words, in the sections of the real ones."""
    body: dict[str, list[str]] = {name: [] for name in SECTIONS}
    room = min(1.0, words / 150)
    symptoms = _found(stay, pen, lexicon.SYMPTOMS, room)[:4] or ["weakness"]
    chronic = [n for n in stay.documented if CONDITIONS[n].kind == "chronic"]
    history = [_named(pen, n) for n in chronic if pen.random() < 0.4 + 0.6 * room]
    pen.shuffle(history)
    body["Chief Complaint"].append(_sentence(symptoms[0]))
    told = pen.random() < 0.45
    body["History of Present Illness"].append(
        _opening(stay, pen, history[:3] if told else [], symptoms)
    )
    body["Past Medical History"].append(_past(stay, pen, history[3:] if told else history))
    body["Social History"] += _found(stay, pen, lexicon.SOCIAL, 1.0)[:1] or [_life(pen)]
    body["Family History"].append(_family(stay, pen))
    for section, phrases in (("Physical Exam", lexicon.EXAM), ("Pertinent Results", lexicon.LABS)):
        body[section] += [_sentence(x) + "." for x in _found(stay, pen, phrases, room)]
    body["Brief Hospital Course"] += _course(stay, pen, room)
    drugs = _found(stay, pen, lexicon.DRUGS, 0.85 * room)
    body["Medications on Admission"].append(", ".join(drugs[:5]) or "None")
    if drugs[5:]:
        body["Discharge Medications"].append(", ".join(drugs[5:8]))
    body["Discharge Disposition"].append(
        "Expired" if stay.died else _any(pen, lexicon.DISPOSITIONS)
    )
    _pad(body, pen, stay, symptoms[0], int(words * (0.72 + 0.4 * pen.random())))
    return f"Sex: {stay.patient.sex}\n\n" + "\n\n".join(
        f"{name}:\n{_misspell(pen, ' '.join(lines))}" for name, lines in body.items() if lines
    )


def _life(pen: Random) -> str:
    """A line of social history that says nothing of any condition."""
    if pen.random() < EVERYDAY:
        return _sentence(with_words(pen, _any(pen, LIFE)))
    return _numbered(pen, _any(pen, lexicon.SOCIAL_FILLER))


def enumerate_drugs(stay: Stay, pen: Random) -> list[str]:
    """Names of the drugs ordered during one admission, without doses or route."""
    return [_pick(pen, names) for drug, names in lexicon.DRUGS.items() if drug in stay.findings]


def _found(stay: Stay, pen: Random, phrases: dict[str, tuple[str, ...]], keep: float) -> list[str]:
    """The admission's findings of one section, in words and in any order."""
    found = [
        _pick(pen, texts)
        for name, texts in phrases.items()
        if name in stay.findings and pen.random() < keep
    ]
    pen.shuffle(found)
    return found


def _opening(stay: Stay, pen: Random, history: list[str], symptoms: list[str]) -> str:
    female = stay.patient.sex == "F"
    sex = _any(pen, ("woman", "female", "F") if female else ("man", "male", "M"))
    template = _pick(pen, lexicon.OPENINGS if history else lexicon.BARE_OPENINGS)
    return _sentence(
        template.format(
            sex=sex, age=stay.patient.age, h=_enumerate(history), s=_enumerate(symptoms)
        )
    )


def _past(stay: Stay, pen: Random, history: list[str]) -> str:
    items = history + [_any(pen, lexicon.INACTIVE).format(x=_named(pen, n)) for n in stay.inactive]
    items += [_any(pen, names) for i in stay.extras if (names := EXTRAS[i][3])]
    if pen.random() < 0.5:
        items.append(_any(pen, lexicon.SURGERIES))
    style = pen.random()
    if not items:
        return "None" if style < 0.5 else "Reviewed in the chart"
    if style < 0.4:
        return "\n".join("- " + item for item in items)
    if style < 0.6:
        return "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))
    return ", ".join(items)


def _family(stay: Stay, pen: Random) -> str:
    if not stay.patient.family or pen.random() < 0.3:
        return _any(pen, lexicon.FAMILY_NONE)
    return _about(pen, lexicon.FAMILY, stay.patient.family)


def _about(pen: Random, templates: Sequence[str], conditions: Sequence[str]) -> str:
    first, second = (_named(pen, conditions[k % len(conditions)]) for k in (0, 1))
    return _sentence(_any(pen, templates).format(x=first, y=second))


def _course(stay: Stay, pen: Random, room: float) -> list[str]:
    """What was done and for what: named problems first, then treatments nobody explains."""
    lines, told = [], set()
    for name in stay.documented:
        condition = CONDITIONS[name]
        if pen.random() >= room * (0.9 if condition.kind == "acute" else 0.2):
            continue
        done = [f for f in lexicon.COURSE if f in stay.findings and f in condition.findings]
        treatment = done[int(len(done) * pen.random())] if done else None
        told.add(treatment)
        said = _pick(pen, lexicon.COURSE[treatment] if treatment else lexicon.PLAIN)
        named = _named(pen, name)
        lines.append(
            _sentence(_any(pen, lexicon.STATEMENTS).format(x=named, X=_sentence(named), s=said))
        )
    lines += [
        _pick(pen, texts)
        for name, texts in lexicon.COURSE.items()
        if name in stay.findings and name not in told and pen.random() < 0.7 * room
    ]
    lines += [
        _sentence(_any(pen, lexicon.UNCODED).format(x=_named(pen, n))) + "." for n in stay.suspected
    ]
    if stay.negated:
        lines.append(_about(pen, lexicon.NEGATIONS, stay.negated))
        if len(stay.negated) > 2:
            lines.append(_about(pen, lexicon.NEGATIONS, stay.negated[2:]))
    pen.shuffle(lines)
    return lines


def _pad(body: dict[str, list[str]], pen: Random, stay: Stay, symptom: str, words: int) -> None:
    """Add sentences that say nothing about any condition until the note is long enough."""
    length = 8 + sum(
        2 + line.count(" ") + line.count("\n") for lines in body.values() for line in lines
    )
    rounds, used = 0, set()
    while length < words:
        section = PADDING[rounds % len(PADDING)]
        rounds += 1
        if pen.random() < EVERYDAY:
            line = _sentence(with_words(pen, _any(pen, SMALL_TALK[section])))
            body[section].append(line)
            length += line.count(" ") + 1
            continue
        template = _any(pen, FILLERS[section])
        if lexicon.CONTRADICTED.get(template) in stay.findings:
            continue
        if template in used and rounds < 400:  # repeats only once the wording runs out
            continue
        used.add(template)
        line = _numbered(pen, template).replace("{s}", symptom)
        body[section].append(line)
        length += line.count(" ") + 1
