"""Tables of the embedded corpus: the publishers' columns, and rows given by column name."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

Row = Callable[[Iterable[object]], object]

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


class Put(Protocol):
    """Writes one row of `table`, values by column name; a column not named stays blank.

    The first column, where it is not named, numbers the rows of its table from 1.
    """

    def __call__(self, table: str, /, **values: object) -> None: ...  # noqa: D102


@contextmanager
def open_tables(folder: Path, layout: str) -> Iterator[Put]:
    """Open every table of `layout` in `folder` as csv.gz with its header, and yield their `Put`.

    Raises
    ------
    KeyError
        From the `Put`, for a table the layout does not have.
    ValueError
        From the `Put`, for a column the table does not have.
    """
    with ExitStack() as stack:
        tables = {
            name: _named(columns.split(","), _open_table(folder / f"{name}.csv.gz", stack))
            for name, columns in COLUMNS[layout].items()
        }

        def put(table: str, /, **values: object) -> None:
            tables[table](values)

        yield put


def _named(columns: list[str], write: Row) -> Callable[[dict[str, object]], None]:
    """Write the header, and return what writes a row given by column name."""
    write(columns)
    blank: dict[str, object] = dict.fromkeys(columns, "")
    key, width, numbers = columns[0], len(columns), count(1)

    def write_named(values: dict[str, object]) -> None:
        # Half the time of csv.DictWriter, which looks up every column of every row.
        row = blank.copy()
        row[key] = next(numbers)
        row.update(values)
        if len(row) > width:
            unknown = ", ".join(sorted(values.keys() - blank.keys()))
            raise ValueError(f"unknown column {unknown}; expected some of {', '.join(columns)}")
        write(row.values())

    return write_named


def _open_table(path: Path, stack: ExitStack) -> Row:
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = stack.enter_context(path.open("wb"))
    # No name and no time in the header: same content, same bytes.
    packed = gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0)
    stack.enter_context(packed)
    stream = io.TextIOWrapper(packed, encoding="utf-8", newline="")
    return csv.writer(stack.enter_context(stream), lineterminator="\n").writerow
