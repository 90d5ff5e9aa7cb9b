"""Invented admissions: who is ill with what, what of it is coded and what is written down.

A patient has latent factors (cardiometabolic burden, age) that raise related chronic conditions
together; an admission has a severity that raises the acute ones. Each condition brings findings
with some chance, and each finding also occurs without it. What is present, what is coded and what
is documented differ from one another, as they do in hospitals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from steu.synthetic.lexicon import CONDITIONS, EXTRAS, LEAKS, Condition

CODED = 0.95  # chance that a condition that is present is coded
MISCODED = 0.004  # … that an absent one is
DOCUMENTED = 0.82  # … that a present one is named in the note
BARE = 0.22  # share of present conditions that leave little trace
SUSPECTED = 0.012  # chance that an absent one is written as possible
INACTIVE = 0.012  # … as a thing of the past


@dataclass(frozen=True, slots=True)
class Patient:
    """One invented person."""

    index: int
    sex: str  # "F" or "M"
    age: int
    metabolic: float
    frail: float
    chronic: frozenset[str]
    family: tuple[str, ...]
    stays: int


@dataclass(frozen=True, slots=True)
class Stay:
    """One admission: what is the case, what is coded, what the note speaks of."""

    index: int
    patient: Patient
    number: int  # 0 at the patient's first admission
    coded: tuple[str, ...]  # the main condition first
    choices: tuple[float, ...]  # in [0, 1): which of a condition's codes, one a coded condition
    documented: tuple[str, ...]
    suspected: tuple[str, ...]
    inactive: tuple[str, ...]
    negated: tuple[str, ...]
    findings: frozenset[str]
    extras: tuple[int, ...]
    admitted: datetime
    days: int
    died: bool
    version: int  # ICD-9 or ICD-10, for the layout that mixes them


def draw_stays(seed: int) -> Iterator[Stay]:
    """Yield admissions without end, a patient's one after another."""
    rng, index, patient_index = Random(f"{seed} admissions"), 0, 0
    while True:
        patient = _draw_patient(rng, patient_index)
        chronic = set(patient.chronic)
        year = 2008 + int(11 * rng.random())
        admitted = datetime(year, 1, 1) + timedelta(minutes=int(rng.random() * 525_600))
        for number in range(patient.stays):
            stay = _draw_stay(rng, index, patient, chronic, number, admitted)
            yield stay
            index += 1
            if stay.died:
                break
            admitted += timedelta(minutes=int(20_000 + rng.random() * 500_000))
        patient_index += 1


def _draw_patient(rng: Random, index: int) -> Patient:
    random = rng.random
    age = min(95, max(19, int(rng.gauss(64, 15))))
    metabolic, frail = rng.gauss(0, 1), (age - 64) / 15
    chronic: set[str] = set()
    for name, condition in CONDITIONS.items():
        if condition.kind == "chronic" and random() < _chance(
            condition, metabolic, 0.0, frail, chronic
        ):
            chronic.add(name)
    family = tuple(n for n, c in CONDITIONS.items() if c.family and random() < 0.16 * c.family)
    stays = 1
    while stays < 8 and random() < 0.42:
        stays += 1
    sex = "F" if random() < 0.5 else "M"
    return Patient(index, sex, age, metabolic, frail, frozenset(chronic), family, stays)


def _chance(
    condition: Condition, metabolic: float, critical: float, frail: float, seen: set[str]
) -> float:
    logit = condition.base + condition.metabolic * metabolic + condition.critical * critical
    logit += condition.frail * frail
    for parent, weight in condition.parents.items():
        if parent in seen:
            logit += weight
    return 1 / (1 + math.exp(-logit))


def _draw_stay(
    rng: Random, index: int, patient: Patient, chronic: set[str], number: int, admitted: datetime
) -> Stay:
    random = rng.random
    critical = rng.gauss(0, 1)
    present = set(chronic)
    for name, condition in CONDITIONS.items():
        if name in chronic:
            continue
        chance = _chance(condition, patient.metabolic, critical, patient.frail, present)
        if condition.kind == "chronic":  # diagnosed since the last admission
            if number and random() < 0.1 * chance:
                chronic.add(name)
                present.add(name)
        elif random() < chance:
            present.add(name)
    coded, documented, suspected, inactive, negated = [], [], [], [], []
    findings = {name for name, leak in LEAKS.items() if random() < leak}
    for name, condition in CONDITIONS.items():
        if name in present:
            trace = 0.4 if random() < BARE else 1.0
            if random() < CODED:
                coded.append(name)
            if random() < DOCUMENTED * trace:
                documented.append(name)
            findings.update(f for f, p in condition.findings.items() if random() < p * trace)
            continue
        draw = random()
        if draw < MISCODED:
            coded.append(name)
        elif draw < MISCODED + SUSPECTED:
            suspected.append(name)
        elif draw < MISCODED + SUSPECTED + INACTIVE:
            inactive.append(name)
        elif draw < MISCODED + SUSPECTED + INACTIVE + condition.negated:
            negated.append(name)
    rng.shuffle(coded)
    coded.sort(key=lambda name: CONDITIONS[name].kind)  # acute ones lead
    return Stay(
        index,
        patient,
        number,
        tuple(coded),
        tuple(random() for _ in coded),
        tuple(documented),
        tuple(suspected),
        tuple(inactive),
        tuple(negated),
        frozenset(findings),
        tuple(i for i, extra in enumerate(EXTRAS) if random() < extra[2]),
        admitted,
        2 + int(random() * 9),
        random() < 0.02 + 0.05 * max(0.0, critical),
        9 if admitted.year < 2016 else 10,
    )


def codes(stay: Stay, version: int) -> list[str]:
    """ICD codes of one admission, dotted, the main one first."""
    found: dict[str, None] = {}
    for name, choice in zip(stay.coded, stay.choices, strict=True):
        condition = CONDITIONS[name]
        own = condition.icd9 if version == 9 else condition.icd10
        found[own[int(len(own) * choice * choice)]] = None
        if condition.companions and choice < 0.75:
            pair = condition.companions[int(len(condition.companions) * choice / 0.75)]
            found[str(pair[0 if version == 9 else 1])] = None
    for i in stay.extras:
        found[str(EXTRAS[i][0 if version == 9 else 1])] = None
    return list(found)
