"""What is left of a class under the edits, within a time: audits in the order of their price."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from steu.audits.battery import AT_HAND, UNSEEN, audit_samples, verdicts
from steu.audits.collateral import collateral
from steu.audits.places import OTHERS, Places
from steu.audits.probing import Probed, probe
from steu.audits.relearning import relearn
from steu.evaluation.metrics import metric_record, metric_records
from steu.evaluation.verdicts import Decision
from steu.experiments.references import Reading, reference
from steu.experiments.study import Study
from steu.models.hidden_states import HEAD
from steu.models.layers import has_layers
from steu.models.outputs import decided, log_odds
from steu.task import Edit, ForgetTask
from steu.unlearning.null_edit import null_logits
from steu.withdrawal.request import Request

READINGS: tuple[Reading, ...] = ("relabelled", "masked", "dropped")  # of references, in turn
Edits = Mapping[str, Edit]


class Clock:
    """Says whether there is time for one more audit, by how long the longest one took.

    The minutes are shared by a number of parts: what one leaves, the next ones have.
    """

    def __init__(self, minutes: float, *, parts: int = 1) -> None:
        self.seconds, self.parts, self.begun = 60 * minutes, parts, 0
        self.started, self.longest = time.monotonic(), 0.0
        self.about = ""
        self.left_out: list[str] = []

    def begin(self, what: str) -> None:
        """Begin the next part, which is about `what`."""
        self.about, self.begun = what, min(self.begun + 1, self.parts)

    def leave_out(self, what: str) -> None:
        """Note what is not looked at."""
        self.left_out.append(f"{self.about}: {what}")

    def run(self, what: str, audit: Callable[[], Any], *, needed: bool = False) -> Any:
        """The audit's result, or None, and `what` among the `left_out`, if time is spent."""
        until = self.started + self.seconds * self.begun / self.parts
        started = time.monotonic()
        if not needed and started + self.longest > until:
            self.leave_out(what)
            return None
        found = audit()
        self.longest = max(self.longest, time.monotonic() - started)
        return found


@dataclass
class Looked:
    """What was found about one class.

    Attributes
    ----------
    label : str
    says : DataFrame
        A tidy row a method and metric: what each edit says and ranks, and what the others keep.
    holds : DataFrame
        A tidy row a method and place: AUROC of the strongest reader.
    paid : DataFrame
        See `collateral`, of the edit that is delivered.
    again : DataFrame
        Forget F1 while the delivered edit's head is trained on; empty where it was not looked at.
    verdict : Decision
        On the edit that is delivered.
    """

    label: str
    says: pd.DataFrame
    holds: pd.DataFrame
    paid: pd.DataFrame
    verdict: Decision
    again: pd.DataFrame = field(default_factory=pd.DataFrame)


def look(
    study: Study,
    edits: Edits,
    delivered: str,
    *,
    clock: Clock,
    references: Mapping[str, ForgetTask],
    withdrawn: Sequence[str] = (),
) -> Looked:
    """Audit the edits of one class; the delivered one and the original at every layer, if there is
    time, and in any case where references are to be compared with.

    `withdrawn` are all classes of the request: none of them counts among those that stay. Without
    references there is nothing to hold an edit against but the original, and the verdict goes no
    further than *suppressed*.
    """
    models = {"original": None, **edits}
    probed = {n: _at_the_head(study, e) for n, e in models.items() if n != "null"}
    both = {n: models[n] for n in ("original", delivered) if n != "null"}
    everywhere = {n: partial(probe, study, e) for n, e in both.items()}
    if has_layers(study.model):
        deep = clock.run(
            "the layers",
            lambda: {n: read() for n, read in everywhere.items()},
            needed=bool(references),
        )
        probed |= deep or {}
    else:
        clock.leave_out("the layers, which are not found in this kind of model")
    if "null" in models:  # every state is as it was, and every ranking too
        probed["null"] = probed["original"]
    told = {n: probe(one, original=study.model) for n, one in references.items()}
    answers = {n: _answers(study, e)[:, study.forget] for n, e in models.items()}
    again = None
    if study.outputs == "sigmoid" and delivered != "null":  # no step leaves a bias of −∞
        lesson = partial(relearn, study, edits[delivered])
        again = clock.run("relearning", lesson)
    return Looked(
        label=study.labels[study.forget],
        says=pd.concat(
            [_says(study, n, e, withdrawn) for n, e in models.items()], ignore_index=True
        ),
        holds=_holds(study, probed | told),
        paid=collateral(study, edits[delivered], without=withdrawn),
        verdict=_verdict(study, probed, answers, told, delivered),
        again=pd.DataFrame() if again is None else again.table(),
    )


def glance(study: Study, edit: Edit, withdrawn: Sequence[str]) -> pd.DataFrame:
    """What one edit says, ranks, and holds at the head: a tidy row each, the metric as named."""
    held = metric_record(HEAD, _at_the_head(study, edit).samples[HEAD], len(study.test))
    says = _says(study, "glance", edit, withdrawn)
    said = says[says["metric"].isin(["forget_f1", "forget_auroc"])]
    return pd.concat([said, pd.DataFrame([held])])[["metric", "value", "low", "high"]]


def retrained_for(joint: Study, study: Study, request: Request, say: Callable[[str], None]) -> dict:
    """Models that never learned the classes, retrained from the request's base, as tasks."""
    found: dict[str, ForgetTask] = {}
    for i in range(request.references):
        reading = READINGS[i % len(READINGS)]
        say(f"retraining reference {i + 1} of {request.references}")
        one = reference(joint, reading, seed=request.seed + 100 + i)
        found[f"reference_seed_{request.seed + 100 + i}"] = study.about(one.model, one.tokenizer)
    return found


def _at_the_head(study: Study, edit: Edit | None) -> Probed:
    """The quick look: what the head reads, known already, and the answers."""
    everyone = np.arange(len(study.notes))
    found: Places = {
        HEAD: study.features(everyone, edit).cpu().numpy(),
        OTHERS: study.logits(everyone, edit)[:, study.retained],
    }
    return probe(study, edit, found=found, unseen_at=[HEAD])


def _answers(study: Study, edit: Edit | None) -> np.ndarray:
    """Which classes it says of each test note, (N, C), bool."""
    return decided(study.log_odds(study.test, edit), study.outputs)


def _says(study: Study, name: str, edit: Edit | None, withdrawn: Sequence[str]) -> pd.DataFrame:
    said = study.log_odds(study.test, edit)
    if name == "null":  # whose bias of −∞ ties all notes: its ranking is that of any lower bias
        logits = study.logits(study.test)
        for label in {study.labels[study.forget], *withdrawn}:
            logits = null_logits(logits, study.labels.index(label))
        said = log_odds(logits, study.outputs)
    kept = [
        c for c, label in enumerate(study.labels) if c == study.forget or label not in withdrawn
    ]
    records = metric_records(
        study.targets[study.test][:, kept],
        said[:, kept],
        labels=tuple(study.labels[c] for c in kept),
        forget=kept.index(study.forget),
        weights=study.weights(),
        thresholds=study.thresholds[kept],
        decided=decided(said, study.outputs)[:, kept],
    )
    if edit is not None:
        changed = edit.parameters_changed(study.model)
        records.append({"metric": "parameters_changed", "value": float(changed)})
    return pd.DataFrame(records).assign(method=name)


def _holds(study: Study, probed: Mapping[str, Probed]) -> pd.DataFrame:
    rows = []
    for name, one in probed.items():
        for place, samples in one.samples.items():
            rows.append({"method": name, **metric_record(place, samples, len(study.test))})
        for audit, samples in ((UNSEEN, one.unseen[HEAD]), (AT_HAND, one.at_hand)):
            rows.append({"method": name, **metric_record(audit, samples, len(study.test))})
    return pd.DataFrame(rows).drop(columns="label", errors="ignore")


def _verdict(
    study: Study,
    probed: Mapping[str, Probed],
    answers: Mapping[str, np.ndarray],
    told: Mapping[str, Probed],
    delivered: str,
) -> Decision:
    both = {name: audit_samples(probed[name]) for name in ("original", delivered)}
    clean = {name: audit_samples(one) for name, one in told.items()}
    return verdicts(study, both, answers, clean)[delivered]
