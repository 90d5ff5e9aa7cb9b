"""Admissions of the embedded corpus as the tables of eICU: stays in a unit and items charted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from steu.synthetic import lexicon
from steu.synthetic.admissions import Stay
from steu.synthetic.lexicon import CONDITIONS
from steu.synthetic.note_text import enumerate_drugs
from steu.synthetic.tables import Put

NOTES = "notes/Progress Notes/"
ORGANS = NOTES + "Past History/Organ Systems/"
HEALTHY = NOTES + "Past History/Past History Obtain Options/No Health Problems"
EXAM = NOTES + "Physical Exam/Physical Exam/"
FAMILY = NOTES + "Social History / Family History/Family History/Family History/"
ADMITTED_FOR = "admission diagnosis|All Diagnosis|Non-operative|Diagnosis|"


def write_eicu(put: Put, stays: Iterable[Stay], *, pen: Random) -> None:
    """Write the stays as rows of eICU, one stay in a unit an admission."""
    for stay in stays:
        unit = 141_168 + 3 * stay.index
        _patient(put, stay, unit)
        _diagnoses(put, stay, unit)
        _past_history(put, stay, unit, pen)
        _physical_exam(put, stay, unit, pen)
        _notes(put, stay, unit, pen)
        _medication(put, stay, unit, pen)
        _treatment(put, stay, unit)
        _admission_diagnosis(put, stay, unit)


def _patient(put: Put, stay: Stay, unit: int) -> None:
    patient, minutes = stay.patient, 60 * 24 * stay.days
    hospital, status = 59 + patient.index % 140, "Expired" if stay.died else "Alive"
    clock = stay.admitted.strftime("%H:%M:%S")
    put(
        "patient",
        patientunitstayid=unit,
        patienthealthsystemstayid=129_000 + 2 * stay.index,
        gender="Female" if patient.sex == "F" else "Male",
        age="> 89" if patient.age > 89 else patient.age,
        ethnicity="Other/Unknown",
        hospitalid=hospital,
        wardid=91,
        apacheadmissiondx=_admitted_for(stay),
        admissionheight="170.00",
        hospitaladmittime24=clock,
        hospitaladmitoffset=-90,
        hospitaladmitsource="Emergency Department",
        hospitaldischargeyear=2014 + stay.admitted.year % 2,
        hospitaldischargetime24=clock,
        hospitaldischargeoffset=minutes + 600,
        hospitaldischargelocation="Home",
        hospitaldischargestatus=status,
        unittype="Med-Surg ICU",
        unitadmittime24=clock,
        unitadmitsource="Emergency Department",
        unitvisitnumber=1,
        unitstaytype="admit",
        admissionweight="80.00",
        unitdischargetime24=clock,
        unitdischargeoffset=minutes,
        unitdischargelocation="Floor",
        unitdischargestatus=status,
        uniquepid=f"{hospital:03d}-{patient.index}",
    )


def _admitted_for(stay: Stay) -> str:
    named = (CONDITIONS[name].eicu_admission for name in stay.coded)
    return next((text for text in named if text), "")


def _diagnoses(put: Put, stay: Stay, unit: int) -> None:
    for order, (name, choice) in enumerate(zip(stay.coded, stay.choices, strict=True)):
        listed = CONDITIONS[name].eicu
        path, code = listed[int(len(listed) * choice * choice)]
        put(
            "diagnosis",
            patientunitstayid=unit,
            activeupondischarge=bool(order % 2),
            diagnosisoffset=60 + order,
            diagnosisstring=path,
            icd9code=code,
            diagnosispriority="Primary" if order == 0 else "Major" if order < 4 else "Other",
        )


def _past_history(put: Put, stay: Stay, unit: int, pen: Random) -> None:
    listed = [CONDITIONS[name].eicu_history for name in (*stay.documented, *stay.inactive)]
    paths = [ORGANS + _any(pen, history) for history in listed if history]
    for path in paths or [HEALTHY]:
        item = _leaf(path)
        put(
            "pastHistory",
            patientunitstayid=unit,
            pasthistoryoffset=5,
            pasthistoryenteredoffset=9,
            pasthistorynotetype="Admission",
            pasthistorypath=path,
            pasthistoryvalue=item,
            pasthistoryvaluetext=item,
        )


def _physical_exam(put: Put, stay: Stay, unit: int, pen: Random) -> None:
    paths = [path for name, path in lexicon.EICU_EXAM.items() if name in stay.findings]
    paths += [_any(pen, lexicon.EICU_EXAM_FILLER) for _ in range(4)]
    for path in dict.fromkeys(paths):  # a filler may be drawn twice
        item = _leaf(path)
        put(
            "physicalExam",
            patientunitstayid=unit,
            physicalexamoffset=5,
            physicalexampath=EXAM + path,
            physicalexamvalue=item,
            physicalexamtext=item,
        )


def _notes(put: Put, stay: Stay, unit: int, pen: Random) -> None:
    kin = [CONDITIONS[condition].names[0] for condition in stay.patient.family]
    paths = [f"{FAMILY}{name}/{name}" for name in kin]
    paths += [NOTES + _any(pen, lexicon.EICU_NOTES) for _ in range(3)]
    for path in dict.fromkeys(paths):
        item = _leaf(path)
        put(
            "note",
            patientunitstayid=unit,
            noteoffset=5,
            noteenteredoffset=8,
            notetype="Admission",
            notepath=path,
            notevalue=item,
            notetext=item,
        )


def _medication(put: Put, stay: Stay, unit: int, pen: Random) -> None:
    for drug in enumerate_drugs(stay, pen):
        put(
            "medication",
            patientunitstayid=unit,
            drugorderoffset=30,
            drugstartoffset=45,
            drugivadmixture="No",
            drugordercancelled="No",
            drugname=drug.upper(),
            routeadmin="PO",
            frequency="Daily",
            prn="No",
            drugstopoffset=60 * 24 * stay.days,
            gtc=0,
        )


def _treatment(put: Put, stay: Stay, unit: int) -> None:
    for name, path in lexicon.EICU_TREATMENTS.items():
        if name in stay.findings:
            put(
                "treatment",
                patientunitstayid=unit,
                treatmentoffset=90,
                treatmentstring=path,
                activeupondischarge=False,
            )


def _admission_diagnosis(put: Put, stay: Stay, unit: int) -> None:
    diagnosis = _admitted_for(stay)
    if diagnosis:
        put(
            "admissionDx",
            patientunitstayid=unit,
            admitdxenteredoffset=12,
            admitdxpath=ADMITTED_FOR + diagnosis,
            admitdxname=diagnosis,
            admitdxtext=diagnosis,
        )


def _leaf(path: str) -> str:
    return path.rsplit("/", 1)[1]


def _any(pen: Random, items: Sequence[str]) -> str:
    return items[int(len(items) * pen.random())]
