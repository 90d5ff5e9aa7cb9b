"""A request from its first look to the decision page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import pandas as pd

from steu._io import write_json
from steu.experiments.study import Study, Trained
from steu.unlearning.sparse_edit import SparseEdit
from steu.withdrawal.artefacts import dense_rows, write_artefacts
from steu.withdrawal.looking import Clock, Looked, look, references_of
from steu.withdrawal.making import METHODS, make
from steu.withdrawal.page import decision, render
from steu.withdrawal.preflight import Preflight, preflight
from steu.withdrawal.request import Method, Request, claimed, open_study
from steu.withdrawal.together import after, composed, shared_tokens, together

PAGE, RECORD = "decision.html", "decision.json"
IN_TURN = "in turn"  # the edits of single classes, one after the other

Say = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """The edits that were made for a request, and what was tried for each."""

    edits: dict[str, SparseEdit]
    seconds: dict[str, float]
    tried: dict[str, pd.DataFrame]


def look_before(request: Request, work: Path, say: Say) -> tuple[Study, Preflight]:
    """Open what is asked about and see what it will meet; nothing is edited."""
    say("reading documents and model")
    study = open_study(request, work)
    say("preflight")
    return study, preflight(study, request.labels, method=request.method, n_tokens=request.n_tokens)


def withdraw(request: Request, *, minutes: float = 10.0, say: Say = lambda _: None) -> Path:
    """Answer a request: make the edits, audit them, write artefacts, page and record.

    What was made before a run was killed is found again by the next.

    Parameters
    ----------
    minutes : float
        For the audits, about; what is then not looked at is said.

    Returns
    -------
    Path
        The decision page.

    Raises
    ------
    ValueError
        If the request cannot be answered; nothing but the work folder is left then.
    """
    with claimed(request) as work:
        output = Path(request.output)
        study, found = look_before(request, work, say)
        say(f"making the edits takes about {found.minutes:.0f} minutes")
        answer = answer_to(study, request, say)
        delivered = request.method
        parts = len(request.labels) + (len(request.labels) > 1)  # one for their order
        left_out = []
        references = references_of(together(study, request.labels), study, request, say)
        looked = []
        for label in request.labels:
            say(f"looking for {label}")
            clock = Clock(minutes / parts)
            one = study.aimed_at(label)
            ours = {name: task.aimed_at(label) for name, task in references.items()}
            looked.append(
                look(
                    one,
                    answer.edits,
                    delivered,
                    clock=clock,
                    references=ours,
                    withdrawn=request.labels,
                )
            )
            left_out += [f"{label}: {what}" for what in clock.left_out]
        clock = Clock(minutes / parts)
        order = _order(study, request, clock, say)
        left_out += clock.left_out
        say("writing the edited model and proving that it differs in the edit alone")
        made = write_artefacts(
            output,
            answer.edits[delivered],
            model=study.model,
            tokenizer=study.tokenizer,
            base=request.model,
            labels=request.labels,
            method=delivered,
        )
        made["different_rows"] = dense_rows(answer.edits[delivered])
        record = decision(
            request=asdict(request) | {"minutes": minutes},
            preflight=asdict(found),
            changed=made,
            looked=looked,
            tried=answer.tried,
            seconds=answer.seconds,
            left_out=left_out,
            order=order,
            machine=study.machine,
        )
        write_json(output / RECORD, record)
        page = output / PAGE
        page.write_text(render(record), encoding="utf-8")
    shutil.rmtree(work)
    return page


def answer_to(study: Study, request: Request, say: Say) -> Answer:
    """The edits of every method for all the classes at once, and the delivered one's in turn."""
    joint = together(study, request.labels)
    edits: dict[str, SparseEdit] = {}
    seconds: dict[str, float] = {}
    tried: dict[str, pd.DataFrame] = {}
    for method in METHODS:
        say(f"making {method}")
        if method == "null" and len(request.labels) > 1:
            steps = in_turn(study, request.labels, "null", request.n_tokens)
            edits[method], seconds[method] = _whole(steps), sum(s.seconds for s in steps)
            continue
        made, table = make(joint, method, request.n_tokens)
        edits[method], seconds[method] = cast(SparseEdit, made.edit), made.seconds
        tried[method] = table
    if len(request.labels) > 1:
        say(f"making {request.method}, one class after the other")
        steps = in_turn(study, request.labels, request.method, request.n_tokens)
        edits[IN_TURN], seconds[IN_TURN] = _whole(steps), sum(s.seconds for s in steps)
    return Answer(edits, seconds, tried)


def in_turn(study: Study, labels: Sequence[str], method: Method, n_tokens: int) -> list[Trained]:
    """An edit a class, each for the model that the one before leaves."""
    made = []
    for i, label in enumerate(labels):
        one = study.aimed_at(label)
        found, _ = make(one, method, n_tokens)
        made.append(found)
        if i + 1 < len(labels):
            study = after(study, cast(SparseEdit, found.edit), f"{study.tags['backbone']} {label}")
    return made


def _whole(steps: Sequence[Trained]) -> SparseEdit:
    whole = cast(SparseEdit, steps[0].edit)
    for step in steps[1:]:
        whole = composed(whole, cast(SparseEdit, step.edit))
    return whole


def _order(study: Study, request: Request, clock: Clock, say: Say) -> list[dict[str, Any]]:
    """Of several classes in turn: each audited after every request, and the rows that met."""
    if len(request.labels) < 2:
        return []
    say("does withdrawing the next class bring the one before back?")
    steps = in_turn(study, request.labels, request.method, request.n_tokens)  # found again
    rows: list[dict[str, Any]] = []
    so_far: SparseEdit | None = None
    for label, step in zip(request.labels, steps, strict=True):
        edit = cast(SparseEdit, step.edit)
        met = 0 if so_far is None else shared_tokens(so_far, edit)
        so_far = edit if so_far is None else composed(so_far, edit)
        for other in request.labels[: list(request.labels).index(label) + 1]:
            one = study.aimed_at(other)
            audit = partial(look, one, {IN_TURN: so_far}, IN_TURN, clock=Clock(0), references={})
            found: Looked | None = clock.run(f"{other} after {label}", audit)
            if found is not None:
                told = found.says.query("metric in ['forget_f1', 'forget_auroc']")
                held = found.holds.query("metric == 'what the head reads'")
                part = pd.concat([told, held]).query("method == @IN_TURN")
                part = part[["metric", "value", "low", "high"]]
                facts = part.assign(withdrawn=label, looked_for=other, rows_met=met)
                rows += cast(list[dict[str, Any]], facts.to_dict("records"))
    return rows
