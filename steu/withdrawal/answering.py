"""A request from its first look to the decision page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any, cast

import pandas as pd

from steu._io import atomic_path, write_json
from steu.experiments.study import Study, Trained
from steu.models.sources import weights_files
from steu.unlearning.sparse_edit import SparseEdit
from steu.withdrawal.artefacts import names_in_files, write_artefacts
from steu.withdrawal.looking import Clock, Looked, glance, look, retrained_for
from steu.withdrawal.making import METHODS, make
from steu.withdrawal.page import decision, render
from steu.withdrawal.preflight import Preflight, preflight
from steu.withdrawal.request import Method, Request, claimed, open_study, says_whose
from steu.withdrawal.together import after, composed, null_edit_of, shared_tokens, together
from steu.withdrawal.weight_files import as_stored

PAGE, RECORD = "decision.html", "decision.json"
IN_TURN = "in turn"  # the edits of single classes, one after the other

Say = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """The edits that were made for a request.

    Attributes
    ----------
    edits : dict of method to SparseEdit
    seconds : dict of method to float
        That making it took, the search aside.
    tried : dict of method to DataFrame
    steps : list of SparseEdit
        Of the delivered method, one a class, each for the model that the one before leaves; none
        where one class is asked for, or nothing is trained.
    """

    edits: dict[str, SparseEdit]
    seconds: dict[str, float]
    tried: dict[str, pd.DataFrame]
    steps: list[SparseEdit]


def look_before(request: Request, work: Path, say: Say) -> tuple[Study, Preflight]:
    """Open what is asked about and see what it will meet; nothing is edited."""
    say("reading documents and model")
    study = open_study(request, work)
    say("preflight")
    how = {"method": request.method, "n_tokens": request.n_tokens}
    return study, preflight(study, request.labels, **how, says_whose=says_whose(request))


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
        study, found = look_before(request, work, say)
        say(f"making the edits takes about {found.minutes:.0f} minutes")
        answer = answer_to(study, request, say)
        looked, order, left_out = look_after(study, request, answer, minutes=minutes, say=say)
        say("writing the edited model and proving that it differs in the edit alone")
        output = Path(request.output)
        made = write_artefacts(
            output,
            answer.edits[request.method],
            model=study.model,
            tokenizer=study.tokenizer,
            base=request.model,
            labels=request.labels,
            method=request.method,
        )
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
        with atomic_path(page) as beside:
            beside.write_text(render(record), encoding="utf-8")
    shutil.rmtree(work)
    return page


def answer_to(study: Study, request: Request, say: Say) -> Answer:
    """The edits of every method for all the classes at once, and the delivered one's in turn."""
    joint = together(study, request.labels)
    files, names = weights_files(request.model), names_in_files(study.model)

    def stored(edit: SparseEdit) -> SparseEdit:
        return as_stored(edit, files, **names)

    edits: dict[str, SparseEdit] = {}
    seconds: dict[str, float] = {}
    tried: dict[str, pd.DataFrame] = {}
    for method in METHODS:
        say(f"making {method}")
        if method == "null":
            edits[method], seconds[method] = null_edit_of(study, request.labels), 0.0
            continue
        best, tried[method] = make(joint, method, request.n_tokens)
        edits[method], seconds[method] = stored(cast(SparseEdit, best.edit)), best.seconds
    steps: list[SparseEdit] = []
    if len(request.labels) > 1 and request.method != "null":
        say(f"making {request.method}, one class after the other")
        made = in_turn(study, request.labels, request.method, request.n_tokens)
        steps, seconds[IN_TURN] = [*map(stored, _edits(made))], sum(one.seconds for one in made)
        edits[IN_TURN] = reduce(composed, steps)
    return Answer(edits, seconds, tried, steps)


def in_turn(study: Study, labels: Sequence[str], method: Method, n_tokens: int) -> list[Trained]:
    """An edit a class, each for the model that the one before leaves."""
    made: list[Trained] = []
    for label in labels:
        if made:
            study = after(study, _edits(made)[-1])
        made.append(make(study.aimed_at(label), method, n_tokens)[0])
    return made


def look_after(
    study: Study, request: Request, answer: Answer, *, minutes: float, say: Say
) -> tuple[list[Looked], list[dict[str, Any]], list[str]]:
    """What is found of each class, of the classes in turn, and what there was no time for."""
    asked = request.labels
    references = retrained_for(together(study, asked), study, request, say)
    clock = Clock(minutes, parts=len(asked) + bool(answer.steps))
    looked = []
    for label in asked:
        say(f"looking for {label}")
        clock.begin(label)
        ours = {name: task.aimed_at(label) for name, task in references.items()}
        one = study.aimed_at(label)
        found = look(
            one, answer.edits, request.method, clock=clock, references=ours, withdrawn=asked
        )
        looked.append(found)
    order: list[dict[str, Any]] = []
    for i, label in enumerate(asked if answer.steps else ()):
        say(f"what is left after {label}")
        clock.begin(f"after {label}")
        so_far = reduce(composed, answer.steps[: i + 1])
        met = 0 if not i else shared_tokens(reduce(composed, answer.steps[:i]), answer.steps[i])
        for other in asked[: i + 1]:
            seen = clock.run(other, partial(glance, study.aimed_at(other), so_far, asked))
            if seen is not None:
                facts = seen.assign(withdrawn=label, looked_for=other, rows_met=met)
                order += facts.to_dict("records")
    return looked, order, clock.left_out


def _edits(made: Sequence[Trained]) -> list[SparseEdit]:
    return [cast(SparseEdit, one.edit) for one in made]
