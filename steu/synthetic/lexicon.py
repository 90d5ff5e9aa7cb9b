"""Vocabulary of the embedded corpus: conditions, findings, drugs and wording, as data.

Within a list of phrases the first are the commonest. A condition's `findings` give the chance that
each finding is seen when the condition is present; `LEAKS` gives the chance without any condition,
and findings shared by several conditions are what makes the corpus ambiguous.
"""

from __future__ import annotations

from dataclasses import dataclass, field


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split("; "))


@dataclass(frozen=True)
class Condition:
    """One codable condition: how common, how coded, how written, what it brings with it."""

    kind: str  # "chronic" persists over a patient's admissions, "acute" is drawn at each one
    base: float  # log-odds at average latent factors
    names: tuple[str, ...]
    icd9: tuple[str, ...]
    icd10: tuple[str, ...]  # the first code is the commonest
    findings: dict[str, float]
    metabolic: float = 0.0  # log-odds per unit of the patient's cardiometabolic burden
    critical: float = 0.0  # … of this admission's severity
    frail: float = 0.0  # … of the patient's age
    parents: dict[str, float] = field(default_factory=dict)  # log-odds added by another condition
    companions: tuple[tuple[str, str], ...] = ()  # (ICD-9, ICD-10) pairs often coded beside it
    negated: float = 0.04  # chance of "no evidence of …" when absent
    family: float = 0.0  # weight among the family's illnesses
    eicu: tuple[tuple[str, str], ...] = ()  # (diagnosisstring, icd9code)
    eicu_history: tuple[str, ...] = ()  # pastHistory path below "Organ Systems"
    eicu_admission: str = ""  # APACHE admission diagnosis


CONDITIONS: dict[str, Condition] = {
    "hypertension": Condition(
        "chronic",
        -0.2,
        metabolic=0.9,
        frail=0.6,
        family=0.8,
        negated=0.01,
        names=_list("hypertension; HTN; high blood pressure; essential hypertension; elevated BP"),
        icd9=("401.9", "401.1", "403.90"),
        icd10=("I10", "I10", "I12.9"),
        findings={
            "lisinopril": 0.4,
            "amlodipine": 0.35,
            "metoprolol": 0.2,
            "losartan": 0.15,
            "furosemide": 0.06,
            "hydralazine": 0.08,
            "hctz": 0.25,
            "high_bp": 0.3,
        },
        eicu=(
            ("cardiovascular|vascular disorders|hypertension", "401.9, I10"),
            ("cardiovascular|ventricular disorders|hypertension", "401.9, I10"),
        ),
        eicu_history=(
            "Cardiovascular (R)/Hypertension Requiring Treatment/hypertension requiring treatment",
        ),
        eicu_admission="Hypertension, uncontrolled (for cerebrovascular accident-see "
        "Neurological System)",
    ),
    "diabetes": Condition(
        "chronic",
        -1.25,
        metabolic=0.9,
        frail=0.1,
        family=1.0,
        negated=0.03,
        names=_list(
            "diabetes; DM2; type 2 diabetes; DM; diabetes mellitus; T2DM; IDDM; "
            "insulin-dependent diabetes; NIDDM; diabetic; type 1 diabetes; "
            "diabetic neuropathy"
        ),
        icd9=("250.00", "250.60", "250.02", "250.40", "250.01"),
        icd10=("E11.9", "E11.65", "E11.22", "E11.40", "E10.9"),
        findings={
            "metformin": 0.35,
            "glargine": 0.4,
            "sliding_scale": 0.4,
            "glipizide": 0.15,
            "high_glucose": 0.45,
            "a1c": 0.3,
            "polyuria": 0.12,
            "neuropathy": 0.2,
            "foot_ulcer": 0.1,
            "aspirin": 0.2,
            "statin": 0.25,
            "gabapentin": 0.15,
            "lisinopril": 0.2,
            "glycaemic_care": 0.3,
        },
        eicu=(
            ("endocrine|glucose metabolism|diabetes mellitus", ""),  # as the publisher has it
            ("endocrine|glucose metabolism|diabetes mellitus|Type II", ""),
            (
                "endocrine|glucose metabolism|diabetes mellitus|Type II|uncontrolled",
                "250.02, E11.65",
            ),
        ),
        eicu_history=(
            "Endocrine (R)/Insulin Dependent Diabetes/insulin dependent diabetes",
            "Endocrine (R)/Non-Insulin Dependent Diabetes/medication dependent",
            "Endocrine (R)/Non-Insulin Dependent Diabetes/non-medication dependent",
        ),
        eicu_admission="Diabetic ketoacidosis",
    ),
    "hyperlipidaemia": Condition(
        "chronic",
        -0.9,
        metabolic=0.7,
        frail=0.4,
        family=0.3,
        negated=0.005,
        names=_list("hyperlipidemia; HLD; hypercholesterolemia; high cholesterol; dyslipidemia"),
        icd9=("272.4", "272.0"),
        icd10=("E78.5", "E78.00"),
        findings={"statin": 0.7, "aspirin": 0.1},
        eicu=(("cardiovascular|chest pain / ASHD|hyperlipidemia", "272.4, E78.5"),),
    ),
    "coronary_disease": Condition(
        "chronic",
        -1.6,
        metabolic=0.8,
        frail=0.6,
        family=1.0,
        negated=0.03,
        names=_list(
            "CAD; coronary artery disease; CAD s/p DES to LAD; prior MI; s/p CABG; "
            "ischemic heart disease; old NSTEMI"
        ),
        icd9=("414.01", "414.00", "412"),
        icd10=("I25.10", "I25.10", "I25.2"),
        parents={"hypertension": 0.3, "hyperlipidaemia": 0.5, "diabetes": 0.3},
        findings={
            "aspirin": 0.7,
            "statin": 0.5,
            "metoprolol": 0.5,
            "clopidogrel": 0.25,
            "chest_pain": 0.3,
            "troponin": 0.25,
            "low_ef": 0.12,
            "cath": 0.12,
            "lisinopril": 0.2,
            "nitroglycerin": 0.2,
        },
        eicu=(
            ("cardiovascular|chest pain / ASHD|coronary artery disease|known", "414.00, I25.10"),
            ("cardiovascular|chest pain / ASHD|coronary artery disease|s/p CABG", "414.00, I25.10"),
        ),
        eicu_history=(
            "Cardiovascular (R)/Myocardial Infarction/MI - date unknown",
            "Cardiovascular (R)/Coronary Artery Bypass/CABG - date unknown",
        ),
        eicu_admission="Angina, unstable (angina interferes w/quality of life or meds are "
        "tolerated poorly)",
    ),
    "chronic_kidney_disease": Condition(
        "chronic",
        -2.1,
        metabolic=0.7,
        frail=0.5,
        family=0.2,
        negated=0.01,
        names=_list(
            "CKD; chronic kidney disease; CKD stage 3; CKD stage IV; ESRD on HD; "
            "chronic renal insufficiency; CRI; end stage renal disease; "
            "diabetic nephropathy; chronic renal failure"
        ),
        icd9=("585.9", "585.3", "585.6", "585.4"),
        icd10=("N18.9", "N18.3", "N18.6", "N18.4"),
        parents={"hypertension": 0.5, "diabetes": 0.8},
        findings={
            "high_creatinine": 0.6,
            "furosemide": 0.25,
            "sevelamer": 0.2,
            "calcitriol": 0.15,
            "epoetin": 0.15,
            "hyperkalaemia": 0.15,
            "oedema": 0.15,
            "dialysis": 0.12,
            "hydralazine": 0.12,
            "renal_dosing": 0.3,
            "oliguria": 0.05,
        },
        eicu=(
            ("renal|disorder of kidney|chronic kidney disease", "585.9, N18.9"),
            ("renal|disorder of kidney|chronic kidney disease|Stage 3 (GFR 30-59)", "585.3, N18.3"),
            ("renal|disorder of kidney|ESRD (end stage renal disease)", "585.6, N18.6"),
        ),
        eicu_history=(
            "Renal  (R)/Renal Insufficiency/renal insufficiency - creatinine 1-2",
            "Renal  (R)/Renal Insufficiency/renal insufficiency - creatinine 2-3",
            "Renal  (R)/Renal Failure/renal failure - hemodialysis",
        ),
    ),
    "atrial_fibrillation": Condition(
        "chronic",
        -1.95,
        metabolic=0.4,
        frail=0.9,
        family=0.15,
        negated=0.03,
        names=_list(
            "atrial fibrillation; a fib; AF; afib; paroxysmal AF; AF with RVR; PAF; "
            "atrial flutter; a-fib on coumadin; permanent atrial fibrillation"
        ),
        icd9=("427.31", "427.32"),
        icd10=("I48.91", "I48.0", "I48.2", "I48.92"),
        parents={"hypertension": 0.3, "coronary_disease": 0.3},
        findings={
            "metoprolol": 0.5,
            "warfarin": 0.4,
            "apixaban": 0.35,
            "diltiazem": 0.2,
            "amiodarone": 0.15,
            "digoxin": 0.12,
            "palpitations": 0.25,
            "irregular": 0.4,
            "af_ecg": 0.25,
            "rate_control": 0.3,
            "cardioversion": 0.08,
            "anticoagulation": 0.25,
            "high_inr": 0.12,
        },
        eicu=(
            ("cardiovascular|arrhythmias|atrial fibrillation", "427.31, I48.0"),
            (
                "cardiovascular|arrhythmias|atrial fibrillation|with rapid ventricular response",
                "427.31, I48.0",
            ),
        ),
        eicu_history=(
            "Cardiovascular (R)/Arrhythmias/atrial fibrillation - chronic",
            "Cardiovascular (R)/Arrhythmias/atrial fibrillation - intermittent",
        ),
        eicu_admission="Rhythm disturbance (atrial, supraventricular)",
    ),
    "heart_failure": Condition(
        "chronic",
        -2.7,
        metabolic=0.7,
        frail=0.6,
        family=0.3,
        negated=0.05,
        names=_list(
            "CHF; heart failure; congestive heart failure; HFrEF; dCHF; HFpEF; "
            "volume overload; systolic heart failure; ischemic cardiomyopathy; "
            "decompensated HF; LV dysfunction; CHF exacerbation"
        ),
        icd9=("428.0", "428.23", "428.33", "428.22", "428.32"),
        icd10=("I50.9", "I50.23", "I50.33", "I50.22", "I50.32"),
        parents={
            "coronary_disease": 0.9,
            "atrial_fibrillation": 0.9,
            "hypertension": 0.4,
            "chronic_kidney_disease": 0.6,
            "diabetes": 0.2,
        },
        findings={
            "furosemide": 0.65,
            "carvedilol": 0.25,
            "metoprolol": 0.3,
            "lisinopril": 0.3,
            "spironolactone": 0.2,
            "torsemide": 0.15,
            "digoxin": 0.06,
            "dyspnoea": 0.5,
            "orthopnoea": 0.3,
            "oedema": 0.45,
            "crackles": 0.4,
            "jvd": 0.3,
            "bnp": 0.35,
            "lung_oedema": 0.3,
            "low_ef": 0.3,
            "diuresis": 0.45,
            "weakness": 0.1,
        },
        eicu=(
            ("cardiovascular|ventricular disorders|congestive heart failure", "428.0, I50.9"),
            (
                "cardiovascular|ventricular disorders|congestive heart failure|systolic",
                "428.20, I50.20",
            ),
        ),
        eicu_history=(
            "Cardiovascular (R)/Congestive Heart Failure/CHF",
            "Cardiovascular (R)/Congestive Heart Failure/CHF - severity unknown",
        ),
        eicu_admission="CHF, congestive heart failure",
    ),
    "copd": Condition(
        "chronic",
        -2.0,
        metabolic=0.2,
        frail=0.4,
        negated=0.02,
        family=0.1,
        names=_list(
            "COPD; emphysema; chronic obstructive pulmonary disease; COPD on home O2; "
            "chronic bronchitis; COPD flare"
        ),
        icd9=("496", "491.21"),
        icd10=("J44.9", "J44.1"),
        findings={
            "albuterol": 0.6,
            "tiotropium": 0.4,
            "prednisone": 0.3,
            "dyspnoea": 0.35,
            "wheeze": 0.4,
            "cough": 0.2,
            "nebulisers": 0.35,
            "hypoxia": 0.2,
            "smoker": 0.5,
        },
        eicu=(
            ("pulmonary|disorders of the airways|COPD", "491.20, J44.9"),
            ("pulmonary|disorders of the airways|acute COPD exacerbation", "491.21, J44.1"),
        ),
        eicu_history=("Pulmonary/COPD/COPD  - moderate", "Pulmonary/COPD/COPD  - severe"),
        eicu_admission="Emphysema/bronchitis",
    ),
    "cirrhosis": Condition(
        "chronic",
        -2.8,
        frail=-0.2,
        negated=0.01,
        family=0.05,
        names=_list(
            "cirrhosis; ETOH cirrhosis; HCV cirrhosis; NASH cirrhosis; ESLD; "
            "end-stage liver disease"
        ),
        icd9=("571.5", "571.2"),
        icd10=("K74.60", "K70.30"),
        findings={
            "furosemide": 0.4,
            "spironolactone": 0.4,
            "lactulose": 0.5,
            "ascites": 0.4,
            "jaundice": 0.35,
            "oedema": 0.25,
            "confusion": 0.25,
            "high_inr": 0.3,
            "paracentesis": 0.2,
            "pantoprazole": 0.2,
            "drinker": 0.5,
        },
        eicu=(
            (
                "gastrointestinal|hepatic disease|hepatic dysfunction|with cirrhosis",
                "571.5, K74.60",
            ),
        ),
        eicu_history=("Gastrointestinal (R)/Cirrhosis/clinical diagnosis",),
    ),
    "hypothyroidism": Condition(
        "chronic",
        -2.0,
        frail=0.3,
        negated=0.005,
        family=0.2,
        names=_list("hypothyroidism; hypothyroid; low thyroid; Hashimoto's thyroiditis"),
        icd9=("244.9",),
        icd10=("E03.9",),
        findings={"levothyroxine": 0.8, "weakness": 0.05},
        eicu=(("endocrine|thyroid|hypothyroidism", "244.9, E03.9"),),
        eicu_history=("Endocrine (R)/Hypothyroidism/hypothyroidism",),
    ),
    "depression": Condition(
        "chronic",
        -1.7,
        frail=-0.2,
        negated=0.02,
        family=0.3,
        names=_list("depression; major depression; MDD; depressive disorder; mood disorder"),
        icd9=("311",),
        icd10=("F32.9",),
        findings={"sertraline": 0.6, "weakness": 0.06},
        eicu=(("neurologic|altered mental status / pain|depression", "311, F32.9"),),
    ),
    "stroke": Condition(
        "acute",
        -3.2,
        metabolic=0.3,
        frail=0.4,
        negated=0.03,
        family=0.6,
        names=_list("stroke; CVA; ischemic stroke; left MCA infarct; cerebral infarction"),
        icd9=("434.91", "434.11"),
        icd10=("I63.9", "I63.40"),
        parents={"atrial_fibrillation": 0.9, "hypertension": 0.3},
        findings={
            "focal_deficit": 0.7,
            "head_ct": 0.6,
            "aspirin": 0.5,
            "statin": 0.4,
            "confusion": 0.3,
            "anticoagulation": 0.1,
            "high_bp": 0.2,
        },
        eicu=(("neurologic|disorders of vasculature|stroke|ischemic stroke", "434.91, I63.50"),),
        eicu_history=("Neurologic/Strokes/stroke - date unknown",),
        eicu_admission="CVA, cerebrovascular accident/stroke",
    ),
    "pneumonia": Condition(
        "acute",
        -2.4,
        critical=1.0,
        frail=0.3,
        negated=0.06,
        names=_list(
            "pneumonia; PNA; CAP; HCAP; RLL pneumonia; aspiration pneumonia; "
            "community acquired pneumonia; multifocal PNA"
        ),
        icd9=("486", "507.0", "482.9"),
        icd10=("J18.9", "J69.0", "J15.9"),
        parents={"copd": 0.5},
        findings={
            "cough": 0.5,
            "fever": 0.5,
            "dyspnoea": 0.4,
            "rhonchi": 0.4,
            "infiltrate": 0.55,
            "leukocytosis": 0.45,
            "ceftriaxone": 0.35,
            "azithromycin": 0.35,
            "vancomycin": 0.25,
            "pip_tazo": 0.2,
            "hypoxia": 0.3,
            "broad_antibiotics": 0.3,
        },
        eicu=(
            ("pulmonary|pulmonary infections|pneumonia", "486, J18.9"),
            ("pulmonary|pulmonary infections|pneumonia|aspiration", "507.0, J69.0"),
        ),
        eicu_admission="Pneumonia, bacterial",
    ),
    "urinary_infection": Condition(
        "acute",
        -2.2,
        critical=0.5,
        frail=0.5,
        negated=0.04,
        names=_list(
            "UTI; urinary tract infection; pyelonephritis; E. coli UTI; cystitis; complicated UTI"
        ),
        icd9=("599.0", "590.10"),
        icd10=("N39.0", "N10"),
        parents={"diabetes": 0.3},
        findings={
            "dysuria": 0.5,
            "fever": 0.35,
            "confusion": 0.25,
            "dirty_urine": 0.6,
            "ceftriaxone": 0.5,
            "ciprofloxacin": 0.3,
            "leukocytosis": 0.3,
        },
        eicu=(
            (
                "renal|disorder of urinary tract / renal system infection|urinary tract infection",
                "599.0, N39.0",
            ),
        ),
        eicu_admission="Sepsis, renal/UTI (including bladder)",
    ),
    "gi_bleed": Condition(
        "acute",
        -3.0,
        critical=0.4,
        frail=0.2,
        negated=0.03,
        names=_list("GI bleed; upper GI bleed; GIB; gastrointestinal hemorrhage; UGIB; LGIB"),
        icd9=("578.9", "578.1"),
        icd10=("K92.2", "K92.1"),
        parents={"cirrhosis": 1.5, "atrial_fibrillation": 0.4},
        findings={
            "melaena": 0.8,
            "low_haemoglobin": 0.7,
            "pantoprazole": 0.8,
            "transfusion": 0.5,
            "endoscopy": 0.5,
            "weakness": 0.3,
            "hypotension": 0.25,
        },
        eicu=(
            ("gastrointestinal|GI bleeding / PUD|GI bleeding", "578.9, K92.2"),
            ("gastrointestinal|GI bleeding / PUD|upper GI bleeding", "578.9, K92.2"),
        ),
        eicu_admission="Bleeding, upper GI",
    ),
    "embolism": Condition(
        "acute",
        -3.2,
        critical=0.3,
        negated=0.05,
        family=0.1,
        names=_list("PE; pulmonary embolism; DVT; pulmonary emboli; deep vein thrombosis"),
        icd9=("415.19", "453.40"),
        icd10=("I26.99", "I82.409"),
        findings={
            "warfarin": 0.3,
            "apixaban": 0.35,
            "enoxaparin": 0.4,
            "dyspnoea": 0.4,
            "chest_pain": 0.3,
            "anticoagulation": 0.5,
            "hypoxia": 0.3,
        },
        eicu=(("pulmonary|disorders of vasculature|pulmonary embolism", "415.19, I26.99"),),
    ),
    "cellulitis": Condition(
        "acute",
        -2.8,
        metabolic=0.3,
        critical=0.3,
        negated=0.01,
        names=_list("cellulitis; leg cellulitis; soft tissue infection; skin infection"),
        icd9=("682.6",),
        icd10=("L03.116", "L03.115"),
        parents={"diabetes": 0.6},
        findings={
            "red_leg": 0.7,
            "fever": 0.3,
            "vancomycin": 0.5,
            "oedema": 0.25,
            "leukocytosis": 0.3,
            "foot_ulcer": 0.15,
        },
        eicu=(("infectious diseases|skin, bone and joint infections|cellulitis", "682.9, L03.90"),),
    ),
    "sepsis": Condition(
        "acute",
        -3.0,
        critical=1.5,
        frail=0.2,
        negated=0.06,
        names=_list(
            "sepsis; septic shock; severe sepsis; urosepsis; bacteremia; "
            "E. coli bacteremia; septicemia; SIRS from infection; GPC bacteremia"
        ),
        icd9=("038.9", "995.91", "038.42", "038.11"),
        icd10=("A41.9", "A41.9", "A41.51", "A41.01"),
        companions=(("995.91", "A41.9"), ("995.92", "R65.20"), ("785.52", "R65.21")),
        parents={"pneumonia": 1.3, "urinary_infection": 1.3, "cellulitis": 0.8, "cirrhosis": 0.4},
        findings={
            "fever": 0.5,
            "hypotension": 0.5,
            "lactate": 0.45,
            "leukocytosis": 0.45,
            "positive_cultures": 0.4,
            "vancomycin": 0.45,
            "pip_tazo": 0.4,
            "pressors": 0.35,
            "fluids": 0.4,
            "broad_antibiotics": 0.4,
            "confusion": 0.25,
            "weakness": 0.15,
            "norepinephrine": 0.25,
            "sliding_scale": 0.12,
            "high_glucose": 0.1,
        },
        eicu=(
            ("cardiovascular|shock / hypotension|sepsis", "038.9, A41.9"),
            ("cardiovascular|shock / hypotension|sepsis|severe", "995.92, R65.2"),
            ("cardiovascular|shock / hypotension|septic shock", "785.52, R65.21"),
        ),
        eicu_admission="Sepsis, pulmonary",
    ),
    "respiratory_failure": Condition(
        "acute",
        -2.8,
        critical=1.4,
        frail=0.2,
        negated=0.03,
        names=_list(
            "respiratory failure; acute respiratory failure; hypoxic respiratory failure; "
            "hypoxemia; hypercarbic respiratory failure; respiratory distress; "
            "acute on chronic respiratory failure; hypercapnia"
        ),
        icd9=("518.81", "518.84", "518.83"),
        icd10=("J96.01", "J96.00", "J96.02", "J96.21"),
        parents={
            "pneumonia": 1.1,
            "copd": 1.1,
            "heart_failure": 0.5,
            "sepsis": 0.9,
            "embolism": 0.6,
        },
        findings={
            "dyspnoea": 0.5,
            "hypoxia": 0.5,
            "intubation": 0.4,
            "bipap": 0.35,
            "blood_gas": 0.4,
            "accessory": 0.35,
            "fentanyl": 0.3,
            "confusion": 0.15,
            "albuterol": 0.15,
            "high_flow": 0.25,
        },
        eicu=(
            ("pulmonary|respiratory failure|acute respiratory failure", "518.81, J96.00"),
            ("pulmonary|respiratory failure|hypoxemia", "799.02, J96.91"),
            (
                "pulmonary|respiratory failure|acute on chronic respiratory failure not due to CHF",
                "518.84, J96.20",
            ),
        ),
        eicu_history=("Pulmonary/Respiratory Failure/respiratory failure - date unknown",),
        eicu_admission="Arrest, respiratory (without cardiac arrest)",
    ),
    "acute_kidney_injury": Condition(
        "acute",
        -2.6,
        critical=0.8,
        metabolic=0.2,
        frail=0.2,
        negated=0.02,
        names=_list(
            "AKI; acute kidney injury; ARF; acute renal failure; ATN; "
            "acute on chronic kidney injury; prerenal azotemia; worsening renal function"
        ),
        icd9=("584.9", "584.5"),
        icd10=("N17.9", "N17.0"),
        parents={
            "sepsis": 1.0,
            "chronic_kidney_disease": 0.6,
            "heart_failure": 0.5,
            "cirrhosis": 0.6,
            "gi_bleed": 0.3,
        },
        findings={
            "high_creatinine": 0.65,
            "oliguria": 0.3,
            "held_nephrotoxins": 0.4,
            "fluids": 0.3,
            "hyperkalaemia": 0.2,
            "dialysis": 0.06,
            "vomiting": 0.2,
            "renal_dosing": 0.2,
        },
        eicu=(
            ("renal|disorder of kidney|acute renal failure", "584.9, N17.9"),
            ("renal|disorder of kidney|acute renal failure|acute tubular necrosis", "584.5, N17.0"),
        ),
        eicu_admission="Renal failure, acute",
    ),
    "anaemia": Condition(
        "acute",
        -1.7,
        critical=0.2,
        frail=0.2,
        negated=0.01,
        names=_list(
            "anemia; iron deficiency anemia; blood loss anemia; anemia of chronic disease; "
            "normocytic anemia"
        ),
        icd9=("285.9", "285.1", "280.9"),
        icd10=("D64.9", "D62", "D50.9"),
        parents={"gi_bleed": 1.6, "chronic_kidney_disease": 0.9, "cirrhosis": 0.4},
        findings={
            "low_haemoglobin": 0.6,
            "iron": 0.4,
            "transfusion": 0.2,
            "weakness": 0.15,
            "epoetin": 0.05,
            "pallor": 0.2,
        },
        eicu=(("hematology|bleeding and red blood cell disorders|anemia", "285.9, D64.9"),),
    ),
}

# Finding -> phrases of one section; {a} {b} {c} are drawn numbers (see NUMBERS).
SYMPTOMS: dict[str, tuple[str, ...]] = {
    "dyspnoea": _list(
        "shortness of breath; worsening dyspnea; dyspnea on exertion; SOB; DOE; "
        "trouble breathing; breathlessness with minimal activity"
    ),
    "orthopnoea": _list("orthopnea; three-pillow orthopnea; PND; waking at night short of breath"),
    "palpitations": _list("palpitations; a racing heartbeat; fluttering in the chest"),
    "chest_pain": _list("chest pain; chest tightness; pleuritic chest pain; chest pressure"),
    "cough": _list("productive cough; cough; cough with green sputum; worsening cough"),
    "fever": _list("fever; fevers and chills; rigors; chills; fever to 102 at home"),
    "confusion": _list("confusion; altered mental status; lethargy; AMS; being less responsive"),
    "dysuria": _list("dysuria; urinary frequency; burning with urination; foul-smelling urine"),
    "polyuria": _list("polyuria and thirst; fingersticks over 400 at home; blurry vision"),
    "weakness": _list("weakness; fatigue; malaise; poor appetite; lightheadedness"),
    "melaena": _list("melena; dark tarry stools; hematochezia; coffee-ground emesis; black stools"),
    "focal_deficit": _list("slurred speech; left-sided weakness; facial droop; aphasia"),
    "vomiting": _list("nausea and vomiting; poor oral intake; diarrhea; not eating or drinking"),
    "oliguria": _list("decreased urine output; low urine output; dark scant urine"),
    "red_leg": _list("a red, warm leg; spreading redness of the shin; a painful red foot"),
    "neuropathy": _list("numb feet; burning pain in both feet; tingling toes"),
    "fall": _list("a fall at home; a mechanical fall; being found down"),
    "abdominal_pain": _list("abdominal pain; belly pain; crampy abdominal pain"),
}
EXAM: dict[str, tuple[str, ...]] = {
    "oedema": _list(
        "2+ pitting edema bilaterally; lower extremity edema; trace ankle edema; "
        "legs swollen to the knees; 1+ LE edema"
    ),
    "crackles": _list("bibasilar crackles; rales halfway up; crackles at both bases"),
    "jvd": _list("JVP elevated to the jaw; JVD; JVP 1{c} cm; distended neck veins"),
    "irregular": _list(
        "irregularly irregular; tachycardic and irregular; irregular pulse, HR 1{b}"
    ),
    "wheeze": _list("diffuse wheezes; expiratory wheezing; poor air movement, wheezy"),
    "rhonchi": _list(
        "rhonchi at the right base; decreased breath sounds on the left; coarse breath sounds"
    ),
    "hypotension": _list("BP 8{c}/4{c}; hypotensive to the 80s; SBP in the 70s"),
    "hypoxia": _list(
        "O2 sat 8{c}% on room air; desaturating to the 80s; 9{c}% on 4L NC; requiring 6L"
    ),
    "accessory": _list(
        "using accessory muscles; in respiratory distress; RR 3{c}, labored; tachypneic"
    ),
    "jaundice": _list("icteric sclerae; jaundiced; spider angiomata"),
    "ascites": _list("distended abdomen with fluid wave; tense ascites; shifting dullness"),
    "foot_ulcer": _list("plantar ulcer on the left foot; non-healing toe ulcer; heel ulcer"),
    "pallor": _list("pale conjunctivae; pale appearing"),
    "high_bp": _list("BP 17{c}/9{c}; hypertensive to the 180s; BP 16{c}/8{c}"),
}
LABS: dict[str, tuple[str, ...]] = {
    "high_creatinine": _list(
        "Cr {a}.{c}; creatinine {a}.{c}; BUN {b}/Cr {a}.{c}; creatinine peaked at {a}.{c}"
    ),
    "lactate": _list("lactate {a}.{c}; lactate peaked at {a}.{c}; elevated lactate"),
    "leukocytosis": _list("WBC 1{c}.{c}; WBC {b}; leukocytosis with left shift; white count 2{c}"),
    "high_glucose": _list(
        "glucose {a}{c}{c}; blood sugar in the 300s; FSBG {a}{c}{c}; hyperglycemia"
    ),
    "a1c": _list("A1c 9.{c}; HbA1c {b}; hemoglobin A1c 8.{c}%"),
    "bnp": _list("proBNP {b}{c}00; BNP elevated at {b}{c}{c}; NT-proBNP {b}000"),
    "troponin": _list("troponin 0.{b}; trop leak to 0.{c}; troponins elevated"),
    "low_haemoglobin": _list("Hgb 6.{c}; hematocrit 2{c}; Hct drop to 2{c}; hemoglobin 7.{c}"),
    "dirty_urine": _list("UA with pyuria; positive UA; UA with bacteria and nitrites"),
    "lung_oedema": _list(
        "CXR with pulmonary edema; vascular congestion on CXR; CXR: bilateral effusions"
    ),
    "infiltrate": _list("CXR with RLL infiltrate; left base consolidation; patchy opacities on CT"),
    "blood_gas": _list("ABG 7.2{c}/6{c}/5{c}; pCO2 {b}; VBG 7.1{c}/7{c}"),
    "af_ecg": _list("ECG without P waves; EKG rapid and irregular; telemetry with RVR to 15{c}"),
    "low_ef": _list("TTE with EF {b}%; LVEF 3{c}%; echo with global hypokinesis"),
    "positive_cultures": _list(
        "blood cultures grew E. coli; GPCs in {a}/4 bottles; cultures positive for MSSA"
    ),
    "high_inr": _list("INR {a}.{c}; supratherapeutic INR; INR up to 5.{c}"),
    "hyperkalaemia": _list("K 6.{c}; potassium 6.{c}; hyperkalemia"),
    "head_ct": _list(
        "MRI with acute infarct; CT head with loss of gray-white; CTA with M1 occlusion"
    ),
}
COURSE: dict[str, tuple[str, ...]] = {
    "diuresis": _list(
        "Diuresed with IV Lasix, net negative {a}L.; Received IV diuretics with "
        "good response.; Started on a furosemide drip.; Weight fell {b} lbs."
    ),
    "intubation": _list(
        "Intubated on arrival and extubated after {a} days.; Required mechanical "
        "ventilation.; Was intubated for airway protection."
    ),
    "bipap": _list(
        "Placed on BiPAP overnight.; Weaned from BiPAP to nasal cannula.; "
        "Needed noninvasive ventilation."
    ),
    "high_flow": _list("Weaned from high flow oxygen.; Oxygen requirement improved to 2L."),
    "pressors": _list(
        "Required pressors in the ICU.; Started on levophed, off by day {a}.; "
        "Norepinephrine was weaned."
    ),
    "broad_antibiotics": _list(
        "Treated with vancomycin and Zosyn.; Broad spectrum antibiotics "
        "were started.; Completed {b} days of antibiotics."
    ),
    "fluids": _list(
        "Received {a}L of fluids.; Given IV fluids with improvement.; Bolused {a} "
        "liters of crystalloid."
    ),
    "rate_control": _list(
        "Rate controlled with diltiazem drip.; Metoprolol was uptitrated for "
        "rate.; HR improved on IV metoprolol."
    ),
    "cardioversion": _list("Underwent TEE and cardioversion.; Converted to sinus after DCCV."),
    "anticoagulation": _list(
        "Bridged with heparin to coumadin.; Anticoagulation was started.; Heparin drip was begun."
    ),
    "dialysis": _list(
        "Received hemodialysis per schedule.; Nephrology started HD.; Dialyzed {a} times."
    ),
    "held_nephrotoxins": _list(
        "Lisinopril and NSAIDs were held.; Urine lytes were sent and "
        "nephrotoxins avoided.; Creatinine trended back to baseline."
    ),
    "renal_dosing": _list(
        "Medications were renally dosed.; Contrast was avoided.; Renal was consulted."
    ),
    "glycaemic_care": _list(
        "Insulin was adjusted for sugars.; Fingersticks were followed with "
        "sliding scale.; Oral hypoglycemics were held."
    ),
    "nebulisers": _list("Treated with steroids and nebulizers.; Given prednisone burst and nebs."),
    "transfusion": _list("Transfused {a} units of PRBCs.; Received {a}U pRBC."),
    "endoscopy": _list("EGD showed a clipped ulcer.; Endoscopy revealed gastritis."),
    "paracentesis": _list("Paracentesis removed {a}L.; Diagnostic tap was negative for SBP."),
    "cath": _list("Cardiac cath showed 2-vessel disease.; Catheterization with stent to the RCA."),
}
DRUGS: dict[str, tuple[str, ...]] = {
    "furosemide": _list("furosemide 40 mg daily; Lasix 80 mg BID; Furosemide; Lasix"),
    "torsemide": _list("torsemide 20 mg daily; Torsemide"),
    "metoprolol": _list(
        "metoprolol succinate 50 mg daily; Metoprolol Tartrate; Toprol XL; metoprolol"
    ),
    "carvedilol": _list("carvedilol 6.25 mg BID; Coreg"),
    "lisinopril": _list("lisinopril 10 mg daily; Lisinopril"),
    "losartan": _list("losartan 50 mg daily; Losartan Potassium"),
    "hctz": _list("hydrochlorothiazide 25 mg daily; HCTZ"),
    "spironolactone": _list("spironolactone 25 mg daily; Aldactone"),
    "warfarin": _list("warfarin 5 mg daily; Coumadin; Warfarin"),
    "apixaban": _list("apixaban 5 mg BID; Eliquis; rivaroxaban"),
    "diltiazem": _list("diltiazem ER 120 mg daily; Diltiazem"),
    "amiodarone": _list("amiodarone 200 mg daily; Amiodarone"),
    "digoxin": _list("digoxin 0.125 mg daily; Digoxin"),
    "glargine": _list("insulin glargine 20 units at bedtime; Lantus; Glargine; NPH insulin"),
    "sliding_scale": _list("Humalog sliding scale; insulin lispro; Insulin; HISS"),
    "metformin": _list("metformin 1000 mg BID; MetFORMIN (Glucophage)"),
    "glipizide": _list("glipizide 5 mg BID; GlipiZIDE; sitagliptin"),
    "aspirin": _list("aspirin 81 mg daily; Aspirin; ASA 81"),
    "statin": _list("atorvastatin 40 mg daily; Atorvastatin; simvastatin 20 mg; rosuvastatin"),
    "amlodipine": _list("amlodipine 5 mg daily; Amlodipine"),
    "hydralazine": _list("hydralazine 25 mg TID; HydrALAZINE"),
    "nitroglycerin": _list("nitroglycerin SL prn; isosorbide mononitrate"),
    "clopidogrel": _list("clopidogrel 75 mg daily; Plavix"),
    "sevelamer": _list("sevelamer 800 mg TID with meals; Renvela"),
    "calcitriol": _list("calcitriol 0.25 mcg daily; Calcitriol"),
    "epoetin": _list("epoetin alfa weekly; Epogen"),
    "levothyroxine": _list("levothyroxine 75 mcg daily; Synthroid"),
    "albuterol": _list("albuterol inhaler prn; Albuterol 0.083% Neb Soln"),
    "tiotropium": _list("tiotropium daily; Spiriva; Advair"),
    "prednisone": _list("prednisone 40 mg taper; PredniSONE"),
    "vancomycin": _list("vancomycin 1 g IV q12h; Vancomycin"),
    "pip_tazo": _list("piperacillin-tazobactam 4.5 g IV q8h; Zosyn; cefepime"),
    "ceftriaxone": _list("ceftriaxone 1 g IV daily; CefTRIAXone"),
    "azithromycin": _list("azithromycin 250 mg daily; levofloxacin 750 mg"),
    "ciprofloxacin": _list("ciprofloxacin 500 mg BID; Bactrim DS"),
    "norepinephrine": _list("NORepinephrine; Levophed"),
    "fentanyl": _list("Fentanyl Citrate; Propofol; Midazolam"),
    "pantoprazole": _list("pantoprazole 40 mg daily; Protonix; omeprazole 20 mg"),
    "iron": _list("ferrous sulfate 325 mg daily; iron sucrose"),
    "lactulose": _list("lactulose 30 mL TID; rifaximin 550 mg BID"),
    "sertraline": _list("sertraline 100 mg daily; citalopram 20 mg; fluoxetine"),
    "gabapentin": _list("gabapentin 300 mg TID; Gabapentin"),
    "enoxaparin": _list("enoxaparin 80 mg SC q12h; Lovenox"),
    "acetaminophen": _list("acetaminophen 650 mg prn; Tylenol"),
    "docusate": _list("docusate 100 mg BID; Senna; Colace"),
    "heparin": _list("heparin 5000 units SC TID; Heparin"),
    "ondansetron": _list("ondansetron 4 mg prn; Zofran"),
    "potassium": _list("potassium chloride 20 mEq; Potassium Chloride"),
    "oxycodone": _list("oxycodone 5 mg prn; OxyCODONE (Immediate Release)"),
    "tamsulosin": _list("tamsulosin 0.4 mg qhs; Tamsulosin"),
    "allopurinol": _list("allopurinol 100 mg daily; Allopurinol"),
}
SOCIAL: dict[str, tuple[str, ...]] = {
    "smoker": _list("Current smoker, {b} pack years.; Quit tobacco after {b} pack-years."),
    "drinker": _list("Drinks {a} beers a day.; History of heavy alcohol use."),
}
LEAKS: dict[str, float] = {
    "dyspnoea": 0.06,
    "oedema": 0.06,
    "weakness": 0.15,
    "chest_pain": 0.1,
    "vomiting": 0.14,
    "abdominal_pain": 0.2,
    "fall": 0.12,
    "fever": 0.06,
    "cough": 0.05,
    "confusion": 0.05,
    "high_glucose": 0.07,
    "sliding_scale": 0.06,
    "metformin": 0.015,
    "high_creatinine": 0.03,
    "hypoxia": 0.03,
    "hypotension": 0.04,
    "leukocytosis": 0.08,
    "lactate": 0.03,
    "fluids": 0.1,
    "furosemide": 0.03,
    "metoprolol": 0.07,
    "aspirin": 0.15,
    "statin": 0.1,
    "lisinopril": 0.06,
    "warfarin": 0.02,
    "irregular": 0.015,
    "crackles": 0.03,
    "intubation": 0.04,
    "palpitations": 0.02,
    "broad_antibiotics": 0.05,
    "vancomycin": 0.06,
    "ceftriaxone": 0.05,
    "anticoagulation": 0.02,
    "low_haemoglobin": 0.06,
    "low_ef": 0.02,
    "bnp": 0.02,
    "troponin": 0.04,
    "pantoprazole": 0.25,
    "acetaminophen": 0.5,
    "docusate": 0.45,
    "heparin": 0.45,
    "ondansetron": 0.3,
    "potassium": 0.2,
    "oxycodone": 0.3,
    "tamsulosin": 0.1,
    "allopurinol": 0.07,
    "gabapentin": 0.12,
    "smoker": 0.15,
    "drinker": 0.06,
    "held_nephrotoxins": 0.03,
    "prednisone": 0.05,
    "albuterol": 0.08,
}

# Short notes on the side: coded or written, but none of the labels. (ICD-9, ICD-10, chance, names)
EXTRAS: tuple[tuple[str, str, float, tuple[str, ...]], ...] = (
    ("530.81", "K21.9", 0.25, _list("GERD; reflux")),
    ("305.1", "F17.210", 0.12, _list("tobacco use; smoking")),
    ("274.9", "M10.9", 0.07, _list("gout; gouty arthritis")),
    ("592.0", "N20.0", 0.08, _list("nephrolithiasis; kidney stones")),
    ("276.1", "E87.1", 0.1, _list("hyponatremia; low sodium")),
    ("715.90", "M19.90", 0.12, _list("osteoarthritis; OA of the knees")),
    ("300.00", "F41.9", 0.1, _list("anxiety; panic attacks")),
    ("278.00", "E66.9", 0.1, _list("obesity; morbid obesity")),
    ("327.23", "G47.33", 0.09, _list("OSA; sleep apnea on CPAP")),
    ("733.00", "M81.0", 0.08, _list("osteoporosis; osteopenia")),
    ("V58.61", "Z79.01", 0.08, ()),
    ("V45.82", "Z95.5", 0.04, ()),
    ("V15.82", "Z87.891", 0.15, ()),
    ("V49.86", "Z66", 0.06, ()),
)

# Finding -> (ICD-9 procedure, ICD-10 procedure)
PROCEDURES: dict[str, tuple[str, str]] = {
    "intubation": ("96.04", "0BH17EZ"),
    "bipap": ("93.90", "5A09357"),
    "dialysis": ("39.95", "5A1D60Z"),
    "cardioversion": ("99.61", "5A2204Z"),
    "endoscopy": ("45.13", "0DJ08ZZ"),
    "transfusion": ("99.04", "30233N1"),
    "paracentesis": ("54.91", "0W9G3ZZ"),
    "pressors": ("38.93", "02HV33Z"),
    "cath": ("37.22", "4A023N7"),
}

NEGATIONS = _list(
    "No evidence of {x}.; Ruled out for {x}.; Initially concern for {x} but workup negative.; "
    "Low suspicion for {x}.; No {x} on exam or imaging.; Without signs of {x} or {y}.; "
    "{x} was considered but felt unlikely.; Negative for {x} and {y}.; Denies any {x}.; "
    "Never had {x}.; {x} ruled out."
)
INACTIVE = _list(
    "remote {x}, resolved; h/o {x} in ___, not active; prior {x} off treatment; "
    "questionable {x} years ago; {x} in the past"
)
FAMILY = _list(
    "Mother with {x}.; Father had {x} and {y}.; Brother died of {x}.; Sister with {x}.; "
    "{x} in both parents.; Father with {x}, mother with {y}.; Strong family history of {x}."
)
UNCODED = _list("possible {x}; likely {x}; presumed {x}; mild {x}")
FAMILY_NONE = _list(
    "Non-contributory.; No known family illness.; Unknown.; Mother had breast cancer."
)
STATEMENTS = _list(
    "# {X}: {s}; {X}. {s}; {s} This was attributed to {x}.; Course was complicated by {x}. {s}; "
    "Treated for {x}. {s}; Found to have {x}. {s}; Likely {x} on presentation. {s}; "
    "# {X} - {s}"
)
PLAIN = _list(
    "Improved by discharge.; Stable throughout.; Home regimen was continued.; "
    "Managed conservatively.; Will follow up with PCP.; Symptoms resolved.; "
    "Monitored without further events."
)
OPENINGS = _list(
    "___ year old {sex} with {h} presenting with {s}.; {sex} with PMH of {h} who presents with "
    "{s}.; This is a {age}yo {sex} with {h} admitted for {s}.; Pt is a {age} y/o {sex} with "
    "history of {h}, here with {s}.; {age} {sex}, {h}, brought in by EMS for {s}."
)
BARE_OPENINGS = _list(
    "___ year old {sex} presenting with {s}.; {age}yo {sex} who presents with {s}.; "
    "{sex} transferred from an outside hospital with {s}."
)
HISTORY_FILLER = _list(
    "Symptoms began {a} days ago and got steadily worse.; Was in usual state of health until {a} "
    "days before admission.; In the ED, vitals were notable for HR {b}{c}.; Saw the primary care "
    "doctor last week and was sent in.; Denies chest pain, nausea, or diarrhea.; No recent travel "
    "or sick contacts.; Denies fevers, chills, or cough.; Reports taking all medications.; No "
    "shortness of breath or palpitations at rest.; Family called EMS after finding the patient in "
    "bed.; Review of systems otherwise negative.; Had been discharged {a} weeks earlier.; Denies "
    "dysuria or flank pain.; No leg swelling or weight change noted.; Ran out of pills {a} days "
    "ago.; Received aspirin in the ambulance.; Appetite has been fair.; Denies melena or bright "
    "red blood per rectum."
)
EXAM_FILLER = _list(
    "Alert and oriented x3.; NAD.; Lungs clear.; RRR, no murmurs.; Abdomen soft, nontender.; "
    "No edema.; Neuro grossly intact.; PERRL, MMM.; Warm and well perfused.; No JVD.; "
    "Skin without rash.; Afebrile, BP 12{c}/7{c}.; Neck supple.; No rebound or guarding.; "
    "Strength 5/5 throughout.; Pulses 2+."
)
LAB_FILLER = _list(
    "Na 13{c}.; Plt {b}{c}.; WBC 7.{c}.; Hct 3{c}.; Cr 0.{c}.; Glucose 10{c}.; CXR without "
    "acute process.; EKG sinus rhythm.; UA bland.; K 4.{c}.; LFTs within normal limits.; "
    "Troponin negative.; Blood cultures no growth.; Lactate 1.{c}.; CT abdomen unremarkable."
)
COURSE_FILLER = _list(
    "Pain was controlled with acetaminophen.; Physical therapy recommended rehab.; Electrolytes "
    "were repleted.; Diet was advanced as tolerated.; Foley was removed on day {a}.; Remained "
    "hemodynamically stable.; Home medications were continued.; Code status was full.; Social work "
    "met with the family.; Prophylaxis was subcutaneous heparin.; Telemetry was unremarkable.; "
    "Blood pressure medications were adjusted.; Ambulating with a walker at discharge.; Nutrition "
    "was consulted.; Oxygen was weaned to room air.; Case was discussed with the outpatient team.; "
    "Delirium precautions were in place.; Antibiotics were not continued.; Echo was deferred.; "
    "Speech and swallow cleared a soft diet.; Imaging was reviewed with radiology."
)
INSTRUCTIONS_FILLER = _list(
    "You were admitted to the hospital with {s}.; Please take your medications as prescribed.; "
    "Weigh yourself every morning and call if it goes up.; Follow up with your doctor in {a} "
    "weeks.; Return to the ED for fever, chest pain or trouble breathing.; Please have your labs "
    "checked on ___.; It was a pleasure caring for you.; Avoid ibuprofen and similar drugs.; Do "
    "not drive while taking pain medicine.; Eat a low salt diet.; Check your blood sugar as "
    "before.; A visiting nurse will come to your home.; Bring this list to each visit.; Call the "
    "clinic with any questions.; Stop smoking if you smoke.; Your blood thinner dose may change.; "
    "Rest and increase activity slowly.; Keep your wound clean and dry."
)
# A sentence that pads -> the finding that would contradict it
CONTRADICTED: dict[str, str] = {
    "RRR, no murmurs.": "irregular",
    "No edema.": "oedema",
    "No JVD.": "jvd",
    "Lungs clear.": "crackles",
    "NAD.": "accessory",
    "Afebrile, BP 12{c}/7{c}.": "hypotension",
    "Cr 0.{c}.": "high_creatinine",
    "Glucose 10{c}.": "high_glucose",
    "K 4.{c}.": "hyperkalaemia",
    "WBC 7.{c}.": "leukocytosis",
    "Hct 3{c}.": "low_haemoglobin",
    "UA bland.": "dirty_urine",
    "EKG sinus rhythm.": "af_ecg",
    "Troponin negative.": "troponin",
    "Lactate 1.{c}.": "lactate",
    "CXR without acute process.": "lung_oedema",
    "Blood cultures no growth.": "positive_cultures",
    "Denies fevers, chills, or cough.": "fever",
    "Denies dysuria or flank pain.": "dysuria",
    "Denies chest pain, nausea, or diarrhea.": "chest_pain",
    "No shortness of breath or palpitations at rest.": "dyspnoea",
    "No leg swelling or weight change noted.": "oedema",
    "Alert and oriented x3.": "confusion",
    "Denies melena or bright red blood per rectum.": "melaena",
    "Strength 5/5 throughout.": "focal_deficit",
    "Skin without rash.": "red_leg",
}
SOCIAL_FILLER = _list(
    "Lives with family.; Lives alone.; Retired ___.; No tobacco, alcohol or drugs.; Lives in a "
    "nursing home.; Has {a} children.; Works as a ___.; Denies tobacco."
)
SURGERIES = _list(
    "s/p appendectomy; s/p cholecystectomy; s/p hip replacement; cataracts; s/p hernia repair; "
    "migraines; s/p tonsillectomy; chronic back pain"
)
DISPOSITIONS = _list("Home; Home With Service; Extended Care; Rehab")
RADIOLOGY = _list(
    "Portable chest view: lines in place, heart size normal, no pneumothorax.; CT head without "
    "contrast: no acute hemorrhage or mass effect.; Renal ultrasound: kidneys of normal size, no "
    "hydronephrosis.; Chest radiograph: low lung volumes with mild basilar atelectasis."
)

EICU_EXAM: dict[str, str] = {
    "oedema": "Extremities/Edema/peripheral edema/2+",
    "wheeze": "Pulmonary/Auscultation/wheezes",
    "crackles": "Pulmonary/Auscultation/rales",
    "rhonchi": "Pulmonary/Auscultation/rhonchi",
    "jvd": "Head and Neck/Neck/JVD/JVD present",
    "pallor": "Head and Neck/Eyes/Conjunctivae/pale",
    "irregular": "Constitutional/Vital Sign and Physiological Data/HR Rhythm/dysrhythmia/irregular",
    "jaundice": "Head and Neck/Eyes/Conjunctivae/icteric",
    "accessory": "Pulmonary/Respiratory Effort/accessory muscle use",
    "intubation": "Pulmonary/Airway/intubated",
    "ascites": "Gastrointestinal/Inspection/distended",
    "confusion": "Neurologic/GCS/Mental Status/Orientation/confused",
    "hypoxia": "Constitutional/Vital Sign and Physiological Data/Resp Mode/supplemental O2",
    "foot_ulcer": "Skin/Ulcer/foot ulcer",
    "focal_deficit": "Neurologic/Motor/hemiparesis",
}
EICU_EXAM_FILLER = _list(
    "Neurologic/GCS/Score/scored; Cardiovascular/Auscultation/Heart Sounds/S1/S1 normal; "
    "Constitutional/Appearance/Acuity/not in acute distress; Extremities/Edema/no edema; "
    "Gastrointestinal/Palpation/Masses/no masses; Pulmonary/Airway/not intubated; "
    "Head and Neck/Neck/JVD/JVD absent; Head and Neck/Neck/Tenderness/non-tender; "
    "Constitutional/Vital Sign and Physiological Data/HR Rhythm/sinus; "
    "Pulmonary/Auscultation/clear to auscultation/clear to auscultation"
)
EICU_NOTES = _list(
    "Social History / Family History/Social History/Social History/Ethanol Use/none; "
    "Admission Page One/Source of Patient Information:/Medical Records; "
    "Social History / Family History/Social History/Social History/Smoking Status/denies smoking; "
    "Social History / Family History/Family History/Family History Obtain Options/Not Significant; "
    "Allergies / Preadmission Medications/Allergies/No; "
    "Interventions/Minor/Communication with other healthcare providers and/or family"
)
EICU_TREATMENTS: dict[str, str] = {
    "intubation": "pulmonary|ventilation and oxygenation|mechanical ventilation",
    "bipap": "pulmonary|ventilation and oxygenation|non-invasive ventilation",
    "diuresis": "cardiovascular|ventricular dysfunction|intravenous diuretic|IV furosemide",
    "glycaemic_care": "endocrine|glucose metabolism|insulin|sliding scale administration",
    "pressors": "cardiovascular|shock|vasopressors|norepinephrine > 0.1 micrograms/kg/min",
    "fluids": "cardiovascular|intravenous fluid|normal saline administration",
    "broad_antibiotics": "infectious diseases|medications|therapeutic antibacterials",
    "rate_control": "cardiovascular|arrhythmias|antiarrhythmics|class IV antiarrhythmic|diltiazem",
    "dialysis": "renal|dialysis|hemodialysis",
    "transfusion": "hematology|blood products|PRBC's",
    "nebulisers": "pulmonary|medications|bronchodilator",
}

# Publisher's short and long titles of the ICD-9 codes in use
ICD9_TITLES: dict[str, tuple[str, str]] = {
    "038.11": (
        "Meth susc Staph aur sept",
        "Methicillin susceptible Staphylococcus aureus septicemia",
    ),
    "038.42": ("E coli septicemia", "Septicemia due to escherichia coli [E. coli]"),
    "038.9": ("Septicemia NOS", "Unspecified septicemia"),
    "244.9": ("Hypothyroidism NOS", "Unspecified acquired hypothyroidism"),
    "250.00": (
        "DMII wo cmp nt st uncntr",
        "Diabetes mellitus without mention of complication, type II or "
        "unspecified type, not stated as uncontrolled",
    ),
    "250.01": (
        "DMI wo cmp nt st uncntrl",
        "Diabetes mellitus without mention of complication, type I [juvenile "
        "type], not stated as uncontrolled",
    ),
    "250.02": (
        "DMII wo cmp uncntrld",
        "Diabetes mellitus without mention of complication, type II or "
        "unspecified type, uncontrolled",
    ),
    "250.40": (
        "DMII renl nt st uncntrld",
        "Diabetes with renal manifestations, type II or unspecified type, not "
        "stated as uncontrolled",
    ),
    "250.60": (
        "DMII neuro nt st uncntrl",
        "Diabetes with neurological manifestations, type II or unspecified "
        "type, not stated as uncontrolled",
    ),
    "272.0": ("Pure hypercholesterolem", "Pure hypercholesterolemia"),
    "272.4": ("Hyperlipidemia NEC/NOS", "Other and unspecified hyperlipidemia"),
    "274.9": ("Gout NOS", "Gout, unspecified"),
    "276.1": ("Hyposmolality", "Hyposmolality and/or hyponatremia"),
    "278.00": ("Obesity NOS", "Obesity, unspecified"),
    "280.9": ("Iron defic anemia NOS", "Iron deficiency anemia, unspecified"),
    "285.1": ("Ac posthemorrhag anemia", "Acute posthemorrhagic anemia"),
    "285.9": ("Anemia NOS", "Anemia, unspecified"),
    "300.00": ("Anxiety state NOS", "Anxiety state, unspecified"),
    "305.1": ("Tobacco use disorder", "Tobacco use disorder"),
    "311": ("Depressive disorder NEC", "Depressive disorder, not elsewhere classified"),
    "327.23": ("Obstructive sleep apnea", "Obstructive sleep apnea (adult)(pediatric)"),
    "401.1": ("Benign hypertension", "Benign essential hypertension"),
    "401.9": ("Hypertension NOS", "Unspecified essential hypertension"),
    "403.90": (
        "Hy kid NOS w cr kid I-IV",
        "Hypertensive chronic kidney disease, unspecified, with chronic kidney "
        "disease stage I through stage IV, or unspecified",
    ),
    "412": ("Old myocardial infarct", "Old myocardial infarction"),
    "414.00": (
        "Cor ath unsp vsl ntv/gft",
        "Coronary atherosclerosis of unspecified type of vessel, native or graft",
    ),
    "414.01": ("Crnry athrscl natve vssl", "Coronary atherosclerosis of native coronary artery"),
    "415.19": ("Pulm embol/infarct NEC", "Other pulmonary embolism and infarction"),
    "427.31": ("Atrial fibrillation", "Atrial fibrillation"),
    "427.32": ("Atrial flutter", "Atrial flutter"),
    "428.0": ("CHF NOS", "Congestive heart failure, unspecified"),
    "428.22": ("Chr systolic hrt failure", "Chronic systolic heart failure"),
    "428.23": ("Ac on chr syst hrt fail", "Acute on chronic systolic heart failure"),
    "428.32": ("Chr diastolic hrt fail", "Chronic diastolic heart failure"),
    "428.33": ("Ac on chr diast hrt fail", "Acute on chronic diastolic heart failure"),
    "434.11": ("Crbl emblsm w infrct", "Cerebral embolism with cerebral infarction"),
    "434.91": (
        "Crbl art ocl NOS w infrc",
        "Cerebral artery occlusion, unspecified with cerebral infarction",
    ),
    "453.40": (
        "Ac DVT/embl low ext NOS",
        "Acute venous embolism and thrombosis of unspecified deep vessels of lower extremity",
    ),
    "482.9": ("Bacterial pneumonia NOS", "Bacterial pneumonia, unspecified"),
    "486": ("Pneumonia, organism NOS", "Pneumonia, organism unspecified"),
    "491.21": (
        "Obs chr bronc w(ac) exac",
        "Obstructive chronic bronchitis with (acute) exacerbation",
    ),
    "496": ("Chr airway obstruct NEC", "Chronic airway obstruction, not elsewhere classified"),
    "507.0": ("Food/vomit pneumonitis", "Pneumonitis due to inhalation of food or vomitus"),
    "518.81": ("Acute respiratry failure", "Acute respiratory failure"),
    "518.83": ("Chronic respiratory fail", "Chronic respiratory failure"),
    "518.84": ("Acute & chronc resp fail", "Acute and chronic respiratory failure"),
    "530.81": ("Esophageal reflux", "Esophageal reflux"),
    "571.2": ("Alcohol cirrhosis liver", "Alcoholic cirrhosis of liver"),
    "571.5": ("Cirrhosis of liver NOS", "Cirrhosis of liver without mention of alcohol"),
    "578.1": ("Blood in stool", "Blood in stool"),
    "578.9": ("Gastrointest hemorr NOS", "Hemorrhage of gastrointestinal tract, unspecified"),
    "584.5": ("Ac kidny fail, tubr necr", "Acute kidney failure with lesion of tubular necrosis"),
    "584.9": ("Acute kidney failure NOS", "Acute kidney failure, unspecified"),
    "585.3": ("Chr kidney dis stage III", "Chronic kidney disease, Stage III (moderate)"),
    "585.4": ("Chr kidney dis stage IV", "Chronic kidney disease, Stage IV (severe)"),
    "585.6": ("End stage renal disease", "End stage renal disease"),
    "585.9": ("Chronic kidney dis NOS", "Chronic kidney disease, unspecified"),
    "590.10": (
        "Ac pyelonephritis NOS",
        "Acute pyelonephritis without lesion of renal medullary necrosis",
    ),
    "592.0": ("Calculus of kidney", "Calculus of kidney"),
    "599.0": ("Urin tract infection NOS", "Urinary tract infection, site not specified"),
    "682.6": ("Cellulitis of leg", "Cellulitis and abscess of leg, except foot"),
    "715.90": (
        "Osteoarthros NOS-unspec",
        "Osteoarthrosis, unspecified whether generalized or localized, site unspecified",
    ),
    "733.00": ("Osteoporosis NOS", "Osteoporosis, unspecified"),
    "785.52": ("Septic shock", "Septic shock"),
    "995.91": ("Sepsis", "Sepsis"),
    "995.92": ("Severe sepsis", "Severe sepsis"),
    "V15.82": ("History of tobacco use", "Personal history of tobacco use"),
    "V45.82": ("Status-post ptca", "Percutaneous transluminal coronary angioplasty status"),
    "V49.86": ("Do not resusctate status", "Do not resuscitate status"),
    "V58.61": ("Long-term use anticoagul", "Long-term (current) use of anticoagulants"),
}

# Publisher's long titles of the ICD-10 codes in use
ICD10_TITLES: dict[str, str] = {
    "A41.01": "Sepsis due to Methicillin susceptible Staphylococcus aureus",
    "A41.51": "Sepsis due to Escherichia coli [E. coli]",
    "A41.9": "Sepsis, unspecified organism",
    "D50.9": "Iron deficiency anemia, unspecified",
    "D62": "Acute posthemorrhagic anemia",
    "D64.9": "Anemia, unspecified",
    "E03.9": "Hypothyroidism, unspecified",
    "E10.9": "Type 1 diabetes mellitus without complications",
    "E11.22": "Type 2 diabetes mellitus with diabetic chronic kidney disease",
    "E11.40": "Type 2 diabetes mellitus with diabetic neuropathy, unspecified",
    "E11.65": "Type 2 diabetes mellitus with hyperglycemia",
    "E11.9": "Type 2 diabetes mellitus without complications",
    "E66.9": "Obesity, unspecified",
    "E78.00": "Pure hypercholesterolemia, unspecified",
    "E78.5": "Hyperlipidemia, unspecified",
    "E87.1": "Hypo-osmolality and hyponatremia",
    "F17.210": "Nicotine dependence, cigarettes, uncomplicated",
    "F32.9": "Major depressive disorder, single episode, unspecified",
    "F41.9": "Anxiety disorder, unspecified",
    "G47.33": "Obstructive sleep apnea (adult) (pediatric)",
    "I10": "Essential (primary) hypertension",
    "I12.9": "Hypertensive chronic kidney disease with stage 1 through stage 4 "
    "chronic kidney disease, or unspecified chronic kidney disease",
    "I25.10": "Atherosclerotic heart disease of native coronary artery without angina pectoris",
    "I25.2": "Old myocardial infarction",
    "I26.99": "Other pulmonary embolism without acute cor pulmonale",
    "I48.0": "Paroxysmal atrial fibrillation",
    "I48.2": "Chronic atrial fibrillation",
    "I48.91": "Unspecified atrial fibrillation",
    "I48.92": "Unspecified atrial flutter",
    "I50.22": "Chronic systolic (congestive) heart failure",
    "I50.23": "Acute on chronic systolic (congestive) heart failure",
    "I50.32": "Chronic diastolic (congestive) heart failure",
    "I50.33": "Acute on chronic diastolic (congestive) heart failure",
    "I50.9": "Heart failure, unspecified",
    "I63.40": "Cerebral infarction due to embolism of unspecified cerebral artery",
    "I63.9": "Cerebral infarction, unspecified",
    "I82.409": "Acute embolism and thrombosis of unspecified deep veins of "
    "unspecified lower extremity",
    "J15.9": "Unspecified bacterial pneumonia",
    "J18.9": "Pneumonia, unspecified organism",
    "J44.1": "Chronic obstructive pulmonary disease with (acute) exacerbation",
    "J44.9": "Chronic obstructive pulmonary disease, unspecified",
    "J69.0": "Pneumonitis due to inhalation of food and vomit",
    "J96.00": "Acute respiratory failure, unspecified whether with hypoxia or hypercapnia",
    "J96.01": "Acute respiratory failure with hypoxia",
    "J96.02": "Acute respiratory failure with hypercapnia",
    "J96.21": "Acute and chronic respiratory failure with hypoxia",
    "K21.9": "Gastro-esophageal reflux disease without esophagitis",
    "K70.30": "Alcoholic cirrhosis of liver without ascites",
    "K74.60": "Unspecified cirrhosis of liver",
    "K92.1": "Melena",
    "K92.2": "Gastrointestinal hemorrhage, unspecified",
    "L03.115": "Cellulitis of right lower limb",
    "L03.116": "Cellulitis of left lower limb",
    "M10.9": "Gout, unspecified",
    "M19.90": "Unspecified osteoarthritis, unspecified site",
    "M81.0": "Age-related osteoporosis without current pathological fracture",
    "N10": "Acute pyelonephritis",
    "N17.0": "Acute kidney failure with tubular necrosis",
    "N17.9": "Acute kidney failure, unspecified",
    "N18.3": "Chronic kidney disease, stage 3 (moderate)",
    "N18.4": "Chronic kidney disease, stage 4 (severe)",
    "N18.6": "End stage renal disease",
    "N18.9": "Chronic kidney disease, unspecified",
    "N20.0": "Calculus of kidney",
    "N39.0": "Urinary tract infection, site not specified",
    "R65.20": "Severe sepsis without septic shock",
    "R65.21": "Severe sepsis with septic shock",
    "Z66": "Do not resuscitate",
    "Z79.01": "Long term (current) use of anticoagulants",
    "Z87.891": "Personal history of nicotine dependence",
    "Z95.5": "Presence of coronary angioplasty implant and graft",
}
