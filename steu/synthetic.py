"""The embedded corpus: seeded, invented admissions in the publishers' own file layouts.

It exists so that the readers of the real databases run on any machine; nothing in it describes a
real person and no text of it was taken from anywhere.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Literal, get_args

from steu import lexicon
from steu.admissions import Stay, codes, draw_stays
from steu.files import atomic_path
from steu.lexicon import CONDITIONS
from steu.wording import compose, enumerate_drugs

Layout = Literal["mimic_iv", "mimic_iii", "eicu"]
Row = Callable[[Sequence[object]], object]

COLUMNS: dict[str, dict[str, str]] = {
    "mimic_iv": {
        "hosp/patients": "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod",
        "hosp/admissions": "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,"
        "admit_provider_id,admission_location,discharge_location,insurance,language,"
        "marital_status,race,edregtime,edouttime,hospital_expire_flag",
        "hosp/diagnoses_icd": "subject_id,hadm_id,seq_num,icd_code,icd_version",
        "hosp/d_icd_diagnoses": "icd_code,icd_version,long_title",
        "hosp/prescriptions": "subject_id,hadm_id,pharmacy_id,poe_id,poe_seq,order_provider_id,"
        "starttime,stoptime,drug_type,drug,formulary_drug_cd,gsn,ndc,prod_strength,form_rx,"
        "dose_val_rx,dose_unit_rx,form_val_disp,form_unit_disp,doses_per_24_hrs,route",
        "hosp/procedures_icd": "subject_id,hadm_id,seq_num,chartdate,icd_code,icd_version",
        "note/discharge": "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text",
    },
    "mimic_iii": {
        "PATIENTS": "ROW_ID,SUBJECT_ID,GENDER,DOB,DOD,DOD_HOSP,DOD_SSN,EXPIRE_FLAG",
        "ADMISSIONS": "ROW_ID,SUBJECT_ID,HADM_ID,ADMITTIME,DISCHTIME,DEATHTIME,ADMISSION_TYPE,"
        "ADMISSION_LOCATION,DISCHARGE_LOCATION,INSURANCE,LANGUAGE,RELIGION,MARITAL_STATUS,"
        "ETHNICITY,EDREGTIME,EDOUTTIME,DIAGNOSIS,HOSPITAL_EXPIRE_FLAG,HAS_CHARTEVENTS_DATA",
        "DIAGNOSES_ICD": "ROW_ID,SUBJECT_ID,HADM_ID,SEQ_NUM,ICD9_CODE",
        "D_ICD_DIAGNOSES": "ROW_ID,ICD9_CODE,SHORT_TITLE,LONG_TITLE",
        "PRESCRIPTIONS": "ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,STARTDATE,ENDDATE,DRUG_TYPE,DRUG,"
        "DRUG_NAME_POE,DRUG_NAME_GENERIC,FORMULARY_DRUG_CD,GSN,NDC,PROD_STRENGTH,DOSE_VAL_RX,"
        "DOSE_UNIT_RX,FORM_VAL_DISP,FORM_UNIT_DISP,ROUTE",
        "PROCEDURES_ICD": "ROW_ID,SUBJECT_ID,HADM_ID,SEQ_NUM,ICD9_CODE",
        "NOTEEVENTS": "ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE,CHARTTIME,STORETIME,CATEGORY,"
        "DESCRIPTION,CGID,ISERROR,TEXT",
    },
    "eicu": {
        "patient": "patientunitstayid,patienthealthsystemstayid,gender,age,ethnicity,hospitalid,"
        "wardid,apacheadmissiondx,admissionheight,hospitaladmittime24,hospitaladmitoffset,"
        "hospitaladmitsource,hospitaldischargeyear,hospitaldischargetime24,"
        "hospitaldischargeoffset,hospitaldischargelocation,hospitaldischargestatus,unittype,"
        "unitadmittime24,unitadmitsource,unitvisitnumber,unitstaytype,admissionweight,"
        "dischargeweight,unitdischargetime24,unitdischargeoffset,unitdischargelocation,"
        "unitdischargestatus,uniquepid",
        "diagnosis": "diagnosisid,patientunitstayid,activeupondischarge,diagnosisoffset,"
        "diagnosisstring,icd9code,diagnosispriority",
        "pastHistory": "pasthistoryid,patientunitstayid,pasthistoryoffset,"
        "pasthistoryenteredoffset,pasthistorynotetype,pasthistorypath,pasthistoryvalue,"
        "pasthistoryvaluetext",
        "physicalExam": "physicalexamid,patientunitstayid,physicalexamoffset,physicalexampath,"
        "physicalexamvalue,physicalexamtext",
        "note": "noteid,patientunitstayid,noteoffset,noteenteredoffset,notetype,notepath,"
        "notevalue,notetext",
        "medication": "medicationid,patientunitstayid,drugorderoffset,drugstartoffset,"
        "drugivadmixture,drugordercancelled,drugname,drughiclseqno,dosage,routeadmin,frequency,"
        "loadingdose,prn,drugstopoffset,gtc",
        "treatment": "treatmentid,patientunitstayid,treatmentoffset,treatmentstring,"
        "activeupondischarge",
        "admissionDx": "admissiondxid,patientunitstayid,admitdxenteredoffset,admitdxpath,"
        "admitdxname,admitdxtext",
    },
}


def write_corpus(
    folder: str | Path, *, layout: Layout, n_stays: int, seed: int = 0, words: int = 150
) -> None:
    """Write `n_stays` invented admissions as the tables of one database, csv.gz files.

    The same arguments give the same bytes; the first stays of a longer corpus are a shorter one.
    Memory does not grow with `n_stays`.

    Parameters
    ----------
    folder
        Where the tables go, named as the publisher names them; replaced whole or left untouched.
    layout
        Whose tables to write.
    n_stays
        Number of admissions, at least 1; about 1.7 to a patient.
    words
        Approximate mean length of a discharge summary in words, 60 to 600 (unused in "eicu").

    Raises
    ------
    ValueError
        For an unknown layout, no stays, or a length outside 60 to 600 words.
    """
    _check(layout, n_stays, words)
    stays = islice(draw_stays(seed), n_stays)
    pen = Random(f"{seed} writing")
    with atomic_path(folder) as beside, ExitStack() as stack:
        tables = {
            name: _open_table(beside / f"{name}.csv.gz", columns.split(","), stack)
            for name, columns in COLUMNS[layout].items()
        }
        if layout == "mimic_iv":
            _write_mimic_iv(stays, tables, pen, words)
        elif layout == "mimic_iii":
            _write_mimic_iii(stays, tables, pen, words)
        else:
            _write_eicu(stays, tables, pen)
        # Closed before the folder is renamed: the last bytes belong to it.
        stack.close()


def _check(layout: str, n_stays: int, words: int) -> None:
    known = get_args(Layout)
    if layout not in known:
        near = difflib.get_close_matches(layout, known, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"layout must be one of {', '.join(known)}, found {layout!r}; did you mean {near!r}?"
        )
    if n_stays < 1:
        raise ValueError(f"n_stays must be at least 1, found {n_stays}; ask for 100 or more")
    if not 60 <= words <= 600:
        raise ValueError(f"words must lie between 60 and 600, found {words}; 150 is the default")


def _open_table(path: Path, columns: list[str], stack: ExitStack) -> Row:
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = stack.enter_context(path.open("wb"))
    # No name and no time in the header: same content, same bytes.
    packed = gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0)
    stack.enter_context(packed)
    stream = io.TextIOWrapper(packed, encoding="utf-8", newline="")
    row = csv.writer(stack.enter_context(stream), lineterminator="\n").writerow
    row(columns)
    return row


def _write_mimic_iv(stays: Iterable[Stay], tables: dict[str, Row], pen: Random, words: int) -> None:
    for code, (_, title) in lexicon.ICD9_TITLES.items():
        tables["hosp/d_icd_diagnoses"]((code.replace(".", ""), 9, title))
    for code, title in lexicon.ICD10_TITLES.items():
        tables["hosp/d_icd_diagnoses"]((code.replace(".", ""), 10, title))
    diagnoses, orders = tables["hosp/diagnoses_icd"], tables["hosp/prescriptions"]
    procedures, note = tables["hosp/procedures_icd"], tables["note/discharge"]
    blanks = ("",) * 8
    for stay in stays:
        patient, subject, hadm = stay.patient, 10_000_032 + 17 * stay.patient.index, _hadm(stay)
        shifted = stay.admitted.replace(year=stay.admitted.year + 120 + patient.index % 60, day=1)
        admitted = shifted + timedelta(days=stay.admitted.day % 28)
        left = admitted + timedelta(days=stay.days, minutes=97)
        start, end = str(admitted), str(left)
        if stay.number == 0:
            group = 2008 + (stay.admitted.year - 2008) // 3 * 3
            tables["hosp/patients"](
                (
                    subject,
                    patient.sex,
                    min(patient.age, 91),
                    admitted.year,
                    f"{group} - {group + 2}",
                    "",
                )
            )
        tables["hosp/admissions"](
            (
                subject,
                hadm,
                start,
                end,
                end if stay.died else "",
                "EW EMER.",
                "P03YMR",
                "EMERGENCY ROOM",
                "DIED" if stay.died else "HOME",
                "Medicare" if patient.age > 64 else "Other",
                "ENGLISH",
                "MARRIED",
                "UNKNOWN",
                "",
                "",
                int(stay.died),
            )
        )
        for order, code in enumerate(codes(stay, stay.version), 1):
            diagnoses((subject, hadm, order, code.replace(".", ""), stay.version))
        for number, drug in enumerate(enumerate_drugs(stay, pen)):
            orders(
                (
                    subject,
                    hadm,
                    100 * stay.index + number,
                    "",
                    "",
                    "",
                    start,
                    end,
                    "MAIN",
                    drug,
                    "",
                    "",
                    0,
                    *blanks,
                )
            )
        for order, pair in enumerate(_procedures(stay), 1):
            code = pair[0 if stay.version == 9 else 1].replace(".", "")
            procedures((subject, hadm, order, start[:10], code, stay.version))
        note(
            (
                f"{subject}-DS-{stay.number + 1}",
                subject,
                hadm,
                "DS",
                stay.number + 1,
                f"{end[:10]} 00:00:00",
                end,
                compose(stay, pen, words),
            )
        )


def _hadm(stay: Stay) -> int:
    return 20_000_019 + 23 * stay.index


def _procedures(stay: Stay) -> list[tuple[str, str]]:
    return [pair for name, pair in lexicon.PROCEDURES.items() if name in stay.findings]


def _write_mimic_iii(
    stays: Iterable[Stay], tables: dict[str, Row], pen: Random, words: int
) -> None:
    for row, (code, titles) in enumerate(lexicon.ICD9_TITLES.items(), 1):
        tables["D_ICD_DIAGNOSES"]((row, code.replace(".", ""), *titles))
    counts = dict.fromkeys(tables, 0)

    def put(table: str, *values: object) -> None:
        counts[table] += 1
        tables[table]((counts[table], *values))

    for stay in stays:
        patient, subject, hadm = stay.patient, 3 + stay.patient.index, 100_001 + stay.index
        shifted = stay.admitted.replace(year=stay.admitted.year + 120 + patient.index % 60, day=1)
        admitted = shifted + timedelta(days=stay.admitted.day % 28)
        left = admitted + timedelta(days=stay.days, minutes=97)
        start, end = str(admitted), str(left)
        if stay.number == 0:
            born = f"{admitted.year - patient.age}-07-01 00:00:00"
            put("PATIENTS", subject, patient.sex, born, "", "", "", 0)
        names = stay.coded or ("weakness",)
        put(
            "ADMISSIONS",
            subject,
            hadm,
            start,
            end,
            end if stay.died else "",
            "EMERGENCY",
            "EMERGENCY ROOM ADMIT",
            "DEAD/EXPIRED" if stay.died else "HOME",
            "Medicare",
            "",
            "UNOBTAINABLE",
            "MARRIED",
            "UNKNOWN/NOT SPECIFIED",
            "",
            "",
            names[0].replace("_", " ").upper(),
            int(stay.died),
            1,
        )
        for order, code in enumerate(codes(stay, 9), 1):
            put("DIAGNOSES_ICD", subject, hadm, order, code.replace(".", ""))
        for drug in enumerate_drugs(stay, pen):
            put(
                "PRESCRIPTIONS",
                subject,
                hadm,
                "",
                f"{start[:10]} 00:00:00",
                f"{end[:10]} 00:00:00",
                "MAIN",
                drug,
                "",
                "",
                "",
                "",
                0,
                "",
                "",
                "",
                "",
                "",
                "",
            )
        for order, pair in enumerate(_procedures(stay), 1):
            put("PROCEDURES_ICD", subject, hadm, order, pair[0].replace(".", ""))
        if stay.index % 2:
            put(
                "NOTEEVENTS",
                subject,
                hadm,
                start[:10],
                start,
                start,
                "Radiology",
                "CHEST (PORTABLE AP)",
                "",
                "",
                lexicon.RADIOLOGY[stay.index % 4],
            )
        if stay.index % 50 == 7:
            put(
                "NOTEEVENTS",
                subject,
                hadm,
                end[:10],
                "",
                "",
                "Discharge summary",
                "Report",
                "",
                1,
                "This summary belongs to another patient and was filed in error.",
            )
        put(
            "NOTEEVENTS",
            subject,
            hadm,
            end[:10],
            "",
            "",
            "Discharge summary",
            "Report",
            "",
            "",
            compose(stay, pen, words),
        )


def _write_eicu(stays: Iterable[Stay], tables: dict[str, Row], pen: Random) -> None:
    notes = "notes/Progress Notes/"
    counts = dict.fromkeys(tables, 0)

    def put(table: str, *values: object) -> None:
        counts[table] += 1
        tables[table]((counts[table], *values))

    for stay in stays:
        unit, patient = 141_168 + 3 * stay.index, stay.patient
        _eicu_patient(stay, unit, tables["patient"])
        for order, (path, code) in enumerate(_eicu_diagnoses(stay)):
            put(
                "diagnosis",
                unit,
                bool(order % 2),
                60 + order,
                path,
                code,
                "Primary" if order == 0 else "Major" if order < 4 else "Other",
            )
        history = [
            _any(pen, CONDITIONS[n].eicu_history)
            for n in (*stay.documented, *stay.inactive)
            if CONDITIONS[n].eicu_history
        ]
        for path in history or ["None"]:
            full = (
                "Past History/Organ Systems/" + path
                if history
                else "Past History/Past History Obtain Options/No Health Problems"
            )
            value = full.rsplit("/", 1)[1]
            put("pastHistory", unit, 5, 9, "Admission", notes + full, value, value)
        exam = [path for name, path in lexicon.EICU_EXAM.items() if name in stay.findings]
        exam += [_any(pen, lexicon.EICU_EXAM_FILLER) for _ in range(4)]
        for path in dict.fromkeys(exam):
            value = path.rsplit("/", 1)[1]
            put(
                "physicalExam", unit, 5, notes + "Physical Exam/Physical Exam/" + path, value, value
            )
        kin = [
            f"Social History / Family History/Family History/Family History/{name}/{name}"
            for name in (CONDITIONS[n].names[0] for n in patient.family)
        ]
        for path in dict.fromkeys([*kin, *(_any(pen, lexicon.EICU_NOTES) for _ in range(3))]):
            value = path.rsplit("/", 1)[1]
            put("note", unit, 5, 8, "Admission", notes + path, value, value)
        for drug in enumerate_drugs(stay, pen):
            put(
                "medication",
                unit,
                30,
                45,
                "No",
                "No",
                drug.upper(),
                "",
                "",
                "PO",
                "Daily",
                "",
                "No",
                60 * 24 * stay.days,
                0,
            )
        for name, path in lexicon.EICU_TREATMENTS.items():
            if name in stay.findings:
                put("treatment", unit, 90, path, False)
        admission = _eicu_admission(stay)
        if admission:
            put(
                "admissionDx",
                unit,
                12,
                f"admission diagnosis|All Diagnosis|Non-operative|Diagnosis|{admission}",
                admission,
                admission,
            )


def _any(pen: Random, items: Sequence[str]) -> str:
    return items[int(len(items) * pen.random())]


def _eicu_diagnoses(stay: Stay) -> list[tuple[str, str]]:
    own = [CONDITIONS[name].eicu for name in stay.coded]
    return [
        pairs[int(len(pairs) * choice * choice)]
        for pairs, choice in zip(own, stay.choices, strict=True)
    ]


def _eicu_admission(stay: Stay) -> str:
    named = (CONDITIONS[name].eicu_admission for name in stay.coded)
    return next((text for text in named if text), "")


def _eicu_patient(stay: Stay, unit: int, put: Row) -> None:
    patient, minutes = stay.patient, 60 * 24 * stay.days
    hospital, status = 59 + patient.index % 140, "Expired" if stay.died else "Alive"
    sex = "Female" if patient.sex == "F" else "Male"
    clock = stay.admitted.strftime("%H:%M:%S")
    put(
        (
            unit,
            129_000 + 2 * stay.index,
            sex,
            "> 89" if patient.age > 89 else patient.age,
            "Other/Unknown",
            hospital,
            91,
            _eicu_admission(stay),
            "170.00",
            clock,
            -90,
            "Emergency Department",
            2014 + stay.admitted.year % 2,
            clock,
            minutes + 600,
            "Home",
            status,
            "Med-Surg ICU",
            clock,
            "Emergency Department",
            1,
            "admit",
            "80.00",
            "",
            clock,
            minutes,
            "Floor",
            status,
            f"{hospital:03d}-{patient.index}",
        )
    )
