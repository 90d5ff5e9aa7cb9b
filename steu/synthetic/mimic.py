"""Admissions of the embedded corpus as the tables of MIMIC-IV and of MIMIC-III."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from steu.synthetic import lexicon
from steu.synthetic.admissions import Stay, codes
from steu.synthetic.note_text import compose, enumerate_drugs
from steu.synthetic.tables import Put


@dataclass(frozen=True, slots=True)
class Visit:
    """One admission under the identifiers and at the dates of one database."""

    stay: Stay
    ids: dict[str, int]  # subject and admission, by column name
    start: datetime
    end: datetime


def _visit(stay: Stay, **ids: int) -> Visit:
    """Move the admission into the future, as the publishers do: each patient by years of its own.

    The day goes last: the 29th of February is not in every year.
    """
    year = stay.admitted.year + 120 + stay.patient.index % 60
    start = stay.admitted.replace(year=year, day=1) + timedelta(days=stay.admitted.day % 28)
    return Visit(stay, ids, start, start + timedelta(days=stay.days, minutes=97))


def _midnight(moment: datetime) -> str:
    return f"{moment.date()} 00:00:00"


def _undotted(code: str) -> str:
    return code.replace(".", "")


def _procedures(stay: Stay, version: int) -> list[str]:
    """ICD codes of the procedures of one admission, without the dot."""
    pairs = [pair for name, pair in lexicon.PROCEDURES.items() if name in stay.findings]
    return [_undotted(ninth if version == 9 else tenth) for ninth, tenth in pairs]


def write_mimic_iv(put: Put, stays: Iterable[Stay], *, pen: Random, words: int) -> None:
    """Write the stays as rows of MIMIC-IV, each coded in ICD-9 or ICD-10 by its date."""
    _iv_titles(put)
    for stay in stays:
        patient = stay.patient.index
        visit = _visit(
            stay, subject_id=10_000_032 + 17 * patient, hadm_id=20_000_019 + 23 * stay.index
        )
        if stay.number == 0:
            _iv_patient(put, visit)
        _iv_admission(put, visit)
        _iv_codes(put, visit)
        _iv_drugs(put, visit, pen)
        _iv_summary(put, visit, compose(stay, pen, words))


def _iv_titles(put: Put) -> None:
    titles = [(9, code, title) for code, (_, title) in lexicon.ICD9_TITLES.items()]
    titles += [(10, code, title) for code, title in lexicon.ICD10_TITLES.items()]
    for version, code, title in titles:
        put(
            "hosp/d_icd_diagnoses",
            icd_code=_undotted(code),
            icd_version=version,
            long_title=title,
        )


def _iv_patient(put: Put, visit: Visit) -> None:
    patient = visit.stay.patient
    group = 2008 + (visit.stay.admitted.year - 2008) // 3 * 3
    put(
        "hosp/patients",
        subject_id=visit.ids["subject_id"],
        gender=patient.sex,
        anchor_age=min(patient.age, 91),
        anchor_year=visit.start.year,
        anchor_year_group=f"{group} - {group + 2}",
    )


def _iv_admission(put: Put, visit: Visit) -> None:
    died = visit.stay.died
    put(
        "hosp/admissions",
        **visit.ids,
        admittime=visit.start,
        dischtime=visit.end,
        deathtime=visit.end if died else "",
        admission_type="EW EMER.",
        admit_provider_id="P03YMR",
        admission_location="EMERGENCY ROOM",
        discharge_location="DIED" if died else "HOME",
        insurance="Medicare" if visit.stay.patient.age > 64 else "Other",
        language="ENGLISH",
        marital_status="MARRIED",
        race="UNKNOWN",
        hospital_expire_flag=int(died),
    )


def _iv_codes(put: Put, visit: Visit) -> None:
    stay, version = visit.stay, visit.stay.version
    for order, code in enumerate(codes(stay, version), 1):
        put(
            "hosp/diagnoses_icd",
            **visit.ids,
            seq_num=order,
            icd_code=_undotted(code),
            icd_version=version,
        )
    for order, code in enumerate(_procedures(stay, version), 1):
        put(
            "hosp/procedures_icd",
            **visit.ids,
            seq_num=order,
            chartdate=visit.start.date(),
            icd_code=code,
            icd_version=version,
        )


def _iv_drugs(put: Put, visit: Visit, pen: Random) -> None:
    start, end = str(visit.start), str(visit.end)
    for number, drug in enumerate(enumerate_drugs(visit.stay, pen), 100 * visit.stay.index):
        put(
            "hosp/prescriptions",
            **visit.ids,
            pharmacy_id=number,
            starttime=start,
            stoptime=end,
            drug_type="MAIN",
            drug=drug,
            ndc=0,
        )


def _iv_summary(put: Put, visit: Visit, text: str) -> None:
    number = visit.stay.number + 1
    put(
        "note/discharge",
        note_id=f"{visit.ids['subject_id']}-DS-{number}",
        **visit.ids,
        note_type="DS",
        note_seq=number,
        charttime=_midnight(visit.end),
        storetime=visit.end,
        text=text,
    )


def write_mimic_iii(put: Put, stays: Iterable[Stay], *, pen: Random, words: int) -> None:
    """Write the stays as rows of MIMIC-III, all coded in ICD-9."""
    for code, (short, long) in lexicon.ICD9_TITLES.items():
        put("D_ICD_DIAGNOSES", ICD9_CODE=_undotted(code), SHORT_TITLE=short, LONG_TITLE=long)
    for stay in stays:
        visit = _visit(stay, SUBJECT_ID=3 + stay.patient.index, HADM_ID=100_001 + stay.index)
        if stay.number == 0:
            _iii_patient(put, visit)
        _iii_admission(put, visit)
        _iii_codes(put, visit)
        _iii_drugs(put, visit, pen)
        if stay.index % 2:
            _iii_radiology(put, visit)
        if stay.index % 50 == 7:
            _iii_misfiled(put, visit)
        _iii_summary(put, visit, compose(stay, pen, words))


def _iii_patient(put: Put, visit: Visit) -> None:
    patient = visit.stay.patient
    put(
        "PATIENTS",
        SUBJECT_ID=visit.ids["SUBJECT_ID"],
        GENDER=patient.sex,
        DOB=f"{visit.start.year - patient.age}-07-01 00:00:00",
        EXPIRE_FLAG=0,
    )


def _iii_admission(put: Put, visit: Visit) -> None:
    died = visit.stay.died
    main = visit.stay.coded[0] if visit.stay.coded else "weakness"
    put(
        "ADMISSIONS",
        **visit.ids,
        ADMITTIME=visit.start,
        DISCHTIME=visit.end,
        DEATHTIME=visit.end if died else "",
        ADMISSION_TYPE="EMERGENCY",
        ADMISSION_LOCATION="EMERGENCY ROOM ADMIT",
        DISCHARGE_LOCATION="DEAD/EXPIRED" if died else "HOME",
        INSURANCE="Medicare",
        RELIGION="UNOBTAINABLE",
        MARITAL_STATUS="MARRIED",
        ETHNICITY="UNKNOWN/NOT SPECIFIED",
        DIAGNOSIS=main.replace("_", " ").upper(),
        HOSPITAL_EXPIRE_FLAG=int(died),
        HAS_CHARTEVENTS_DATA=1,
    )


def _iii_codes(put: Put, visit: Visit) -> None:
    for order, code in enumerate(codes(visit.stay, 9), 1):
        put("DIAGNOSES_ICD", **visit.ids, SEQ_NUM=order, ICD9_CODE=_undotted(code))
    for order, code in enumerate(_procedures(visit.stay, 9), 1):
        put("PROCEDURES_ICD", **visit.ids, SEQ_NUM=order, ICD9_CODE=code)


def _iii_drugs(put: Put, visit: Visit, pen: Random) -> None:
    start, end = _midnight(visit.start), _midnight(visit.end)
    for drug in enumerate_drugs(visit.stay, pen):
        put(
            "PRESCRIPTIONS",
            **visit.ids,
            STARTDATE=start,
            ENDDATE=end,
            DRUG_TYPE="MAIN",
            DRUG=drug,
            NDC=0,
        )


def _iii_radiology(put: Put, visit: Visit) -> None:
    put(
        "NOTEEVENTS",
        **visit.ids,
        CHARTDATE=visit.start.date(),
        CHARTTIME=visit.start,
        STORETIME=visit.start,
        CATEGORY="Radiology",
        DESCRIPTION="CHEST (PORTABLE AP)",
        TEXT=lexicon.RADIOLOGY[visit.stay.index % 4],
    )


def _iii_misfiled(put: Put, visit: Visit) -> None:
    text = "This summary belongs to another patient and was filed in error."
    _iii_summary(put, visit, text, error=1)


def _iii_summary(put: Put, visit: Visit, text: str, *, error: int | str = "") -> None:
    put(
        "NOTEEVENTS",
        **visit.ids,
        CHARTDATE=visit.end.date(),
        CATEGORY="Discharge summary",
        DESCRIPTION="Report",
        ISERROR=error,
        TEXT=text,
    )
