"""Before anything is edited: what is there, what it will cost, and what can be promised."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from steu.audits.battery import patients_with_class
from steu.data.privacy import SMALLEST_CELL, suppress_small_cells
from steu.data.splits import SPLITS
from steu.evaluation.collateral import pair_shares, people_with_both
from steu.evaluation.metrics import auroc, f1, interval
from steu.evaluation.remainder import lexical_remainder
from steu.evaluation.verdicts import FEWEST
from steu.experiments.measures import n_parameters
from steu.experiments.study import Study
from steu.models.checks import embedding_of
from steu.models.heads import head_name, head_of
from steu.models.inference import extract_features
from steu.models.outputs import decided
from steu.selection.counts import count_tokens
from steu.unlearning.sparse import UnlearnConfig
from steu.withdrawal.making import FACTORS, ROWS, select
from steu.withdrawal.refusing import TIMES
from steu.withdrawal.request import Method
from steu.withdrawal.together import together

TIMED = 16  # notes that the model is timed on
TRIALS = len(FACTORS)  # of STEU
BACKWARD = 2.5  # a step through the encoder and back, as multiples of a pass

PROMISED = (
    "Silence can be had: every method here aims at it, and one changed number reaches it. Whether "
    "the delivered edit is silent is measured, and stands in the verdict.",
    "What the edit changes is exactly the stated rows and head values, and it can be undone.",
    "What the other labels pay is measured, apart for those who have the class.",
)
NOT_PROMISED = (
    "That nothing is left of the class. Readers of the model's states were looked for; a stronger "
    "one may exist, and what other words tell of the class stays in the notes themselves.",
    "That the training data are forgotten: this is about a class, not about whose notes were seen.",
    "Anything about notes unlike those that were given.",
)


UNNAMED = (
    "No column says whose a document is, so each counts as of a person of its own. If several are "
    "of one person, name that column (--subject): else the same person is in training and in test, "
    "intervals are too narrow, and small groups are not hidden."
)


@dataclass(frozen=True)
class Preflight:
    """What a request will meet; every value is fit to be shown.

    Attributes
    ----------
    model, documents : dict
    classes : list of dict
        A row a class to withdraw.
    tokens : list of str
        Those that most speak of the class, of `SMALLEST_CELL` patients' notes at least, best first.
    warnings : list of str
    minutes, gigabytes : float
        That editing takes, about.
    """

    model: dict[str, Any]
    documents: dict[str, Any]
    classes: list[dict[str, Any]]
    tokens: list[str]
    warnings: list[str]
    minutes: float
    gigabytes: float


def preflight(
    study: Study, labels: Sequence[str], *, method: Method, n_tokens: int, says_whose: bool = True
) -> Preflight:
    """Look at model and documents, and at what the edits would meet.

    Where nothing `says_whose` a document is, each counts as of a person of its own, and that is
    said.
    """
    seconds = _seconds_a_note(study)  # before all notes are read: whoever asks wants to know soon
    classes, warnings = [], _about_documents(study, labels)
    if not says_whose:
        warnings.insert(0, UNNAMED)
    tokens = select(together(study, labels), method, n_tokens)
    for label in labels:
        one = study.aimed_at(label)
        classes.append(_class(one, tokens, labels))
        warnings += _warnings(classes[-1])
    model = study.model
    head = head_of(model)
    table = embedding_of(model).weight
    return Preflight(
        model={
            "kind": type(model).__name__,
            "outputs": study.outputs,
            "labels": list(study.labels),
            "head": head_name(model),
            "head_parameters": sum(p.numel() for p in head.parameters()),
            "embedding": list(table.shape),
            "parameters": n_parameters(study),
            "sha256": study.origin.model,
        },
        documents={
            "name": study.cohort.name,
            "notes": len(study.notes),
            "patients": len(np.unique(study.groups)),
            "counted": "patients" if says_whose else "documents",
            "window": study.recipe["max_length"],
            "cut": float(np.mean(study.notes.lengths == study.recipe["max_length"])),
            "left_out": _shown({k: v for k, v in study.cohort.excluded.items() if v}),
            "fingerprint": study.cohort.fingerprint,
        },
        classes=classes,
        tokens=_shown_tokens(study, tokens),
        warnings=warnings,
        minutes=_passes(study, labels) * seconds / 60,
        gigabytes=(TIMES * sum(p.nbytes for p in model.parameters()) + _states(study)) / 1e9,
    )


def _class(study: Study, tokens: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """What there is of one class, and what the others share with it."""
    train, test = study.train, study.test
    counts = count_tokens(study.notes)
    truth, answers = study.is_forget[test], study.log_odds(test)
    said, predicted = (z[:, study.forget] for z in (answers, decided(answers, study.outputs)))

    def ranked(scores: np.ndarray) -> tuple[float, float, float]:
        return interval(auroc(truth, scores, study.weights()))

    def told_without(ids: np.ndarray) -> tuple[float, float, float]:
        parts = counts[train], study.is_forget[train], counts[test]
        return ranked(lexical_remainder(*parts, ids))

    by_class = np.array([study.forget])
    others = np.array([label not in labels for label in study.labels])
    share = pair_shares(study.targets, forgotten=by_class, others=others)[0]
    both = people_with_both(study.targets, study.groups)[study.forget]
    share = np.where(both >= SMALLEST_CELL, share, np.nan)
    met = [
        {"label": study.labels[c], "share_with_class": float(share[c])}
        for c in np.argsort(-np.nan_to_num(share))
        if np.isfinite(share[c])
    ]
    people = {split: patients_with_class(study, split) for split in SPLITS}
    shown = _shown(people, {s: len(np.unique(study.groups[study.index(s)])) for s in SPLITS})
    hidden = None in shown.values()  # which is the total less the others, and other totals tell
    return {
        "label": study.labels[study.forget],
        "notes": None if hidden else int(study.is_forget.sum()),
        "patients": shown,
        "original_auroc": ranked(said),
        "original_f1": interval(f1(truth, predicted, study.weights())),
        "lexical_remainder": told_without(tokens),
        "lexical_all": told_without(tokens[:0]),
        "shared": met,
    }


def _shown(counts: dict[str, int], of: Mapping[str, int] | None = None) -> dict[str, int | None]:
    """The counts that may be shown, None for the others; `of` how many, if that is known."""
    table = pd.DataFrame({"count": counts.values()}, index=list(counts), dtype=int)
    if of is not None:
        table["of"] = [of[name] for name in counts]
    hidden = suppress_small_cells(table, ["count"], of=None if of is None else "of")
    shown = hidden.frame["count"]
    return {str(of): None if pd.isna(n) else int(n) for of, n in shown.items()}


def _about_documents(study: Study, labels: Sequence[str]) -> list[str]:
    """What to mind of the documents, whichever class is withdrawn."""
    told = []
    without = study.targets.sum(axis=1) == 0
    people = len(np.unique(study.groups[without]))
    if people:
        number = f"{int(without.sum()):,}" if people >= SMALLEST_CELL else "Some"
        told.append(
            f"{number} documents have none of the model's labels (blank, or one that it does not "
            "know): they count as negatives of each."
        )
    judged = study.targets[study.test].sum(axis=0) > 0
    unseen = [name for name, seen in zip(study.labels, judged, strict=True) if not seen]
    if others := [name for name in unseen if name not in labels]:
        told.append(
            f"No test document has {' or '.join(map(repr, others))}: what they pay is not measured."
        )
    return told


def _warnings(found: dict[str, Any]) -> list[str]:
    label, told = found["label"], []
    if found["original_auroc"][0] < 0.6:
        told.append(
            f"The model itself hardly tells {label!r} on the test notes: are its outputs in the "
            "order that is assumed here, and are these notes like those it was trained on?"
        )
    if found["original_f1"][0] == 0:
        told.append(
            f"The model predicts {label!r} of no test note rightly: there is nothing to silence; "
            "what it ranks and holds may be withdrawn all the same."
        )
    few = [split for split, people in found["patients"].items() if people is None]
    if few:
        no_verdict = ", and no verdict" if few != ["train"] else ""
        told.append(
            f"Fewer than {SMALLEST_CELL} patients of the {' and '.join(few)} documents have "
            f"{label!r}: expect wide intervals{no_verdict}."
        )
    judges = found["patients"]["test"]
    if judges is not None and judges < FEWEST:
        told.append(
            f"{judges} patients of the test documents have {label!r}: there will be no verdict, "
            f"which takes {FEWEST}; silence among fewer says too little."
        )
    if found["lexical_remainder"][1] > 0.6:
        told.append(
            f"The words that would not be edited tell {label!r} all the same: no edit of the "
            "selected rows can hide that from a reader of the notes."
        )
    for other in found["shared"][:1]:
        if other["share_with_class"] > 0.5:
            told.append(f"Most notes with {other['label']!r} have {label!r} too: expect it to pay.")
    return told


def _shown_tokens(study: Study, tokens: np.ndarray, *, most: int = 20) -> list[str]:
    """The first tokens that are in the notes of enough patients to be shown."""
    shown: list[str] = []
    counts = count_tokens(study.notes).tocsc()
    for token in tokens:
        rows = counts.indices[counts.indptr[token] : counts.indptr[token + 1]]
        if len(np.unique(study.groups[rows])) >= SMALLEST_CELL:
            shown.append(str(study.tokenizer.convert_ids_to_tokens(int(token))))
        if len(shown) == most:
            break
    return shown


def _seconds_a_note(study: Study) -> float:
    """Of one pass of a typical note, by the clock."""
    lengths = study.notes.lengths
    typical = np.argsort(np.abs(lengths - np.median(lengths)), kind="stable")[:TIMED]
    extract_features(study.model, study.notes, typical[:2], precision=study.precision)
    started = time.perf_counter()
    extract_features(study.model, study.notes, typical, precision=study.precision)
    return (time.perf_counter() - started) / len(typical)


def _states(study: Study) -> int:
    """Bytes of what the audits look at: of every note three states a layer and of the embeddings.

    Those are the first token's, the mean and the largest values; what the head reads comes to them.
    """
    config = study.model.config
    return 4 * len(study.notes) * config.hidden_size * (3 * config.num_hidden_layers + 4)


def _passes(study: Study, labels: Sequence[str]) -> float:
    """Passes of one note through the model that making all edits takes, about."""
    once = len(study.notes)  # by the original, by STEU's edit, and about once for each row count
    step = sum(int(study.aimed_at(label).is_forget[study.train].sum()) for label in labels)
    trial = 2 * UnlearnConfig().epochs * step * BACKWARD + len(study.validation)
    ways = 1 if len(labels) == 1 else 2  # together, and in turn
    return once * (2 + len(ROWS)) + ways * TRIALS * trial
