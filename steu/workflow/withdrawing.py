"""The commands of a withdrawal: steu withdraw, and steu edit show, verify, apply, revert."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

edit = typer.Typer(no_args_is_help=True, help="Look at, prove, apply and undo an edit.")

Folder = Annotated[Path, typer.Argument(help="What steu withdraw wrote, or the edit in it.")]
Model = Annotated[str, typer.Option(help="Folder or hub id of the original classifier.")]
Edited = Annotated[
    str,
    typer.Option("--model", help="Folder or hub id of the edited classifier."),
]
Output = Annotated[Path, typer.Option(help="A folder that does not exist yet.")]


def withdraw(
    classes: Annotated[
        list[str], typer.Argument(help="Classes to withdraw, as the model has them.")
    ],
    model: Annotated[str, typer.Option(help="Folder or hub id of the classifier.")],
    data: Annotated[str, typer.Option(help="CSV or Parquet of documents, or a data folder.")],
    output: Annotated[str, typer.Option(help="Folder to write to; a killed run goes on there.")],
    text: Annotated[str | None, typer.Option(help="Column of the text; default text.")] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(help="Column that names the classes; or, repeated, columns of 0 and 1."),
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between classes in one column.")] = None,
    id: Annotated[str | None, typer.Option(help="Column of the document's id.")] = None,
    subject: Annotated[str | None, typer.Option(help="Column of the patient or author.")] = None,
    group_by: Annotated[
        str | None, typer.Option(help="Column whose equal values make one document.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Column of train, validation, test: what the model has seen is train."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Take layout and labels of a profile; --data is its folder.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Which of the profile's; default: one.")
    ] = None,
    method: Annotated[str, typer.Option(help="steu_e, steu, head_only or null.")] = "steu_e",
    n_tokens: Annotated[int, typer.Option(help="Rows that may change, at most.")] = 256,
    max_length: Annotated[int | None, typer.Option(help="Window; default the model's.")] = None,
    minutes: Annotated[
        float, typer.Option(min=0.0, help="For the audits, about; with --references all are made.")
    ] = 10.0,
    base: Annotated[
        str | None, typer.Option(help="What the model was fine-tuned from, to retrain references.")
    ] = None,
    references: Annotated[int, typer.Option(help="How many are retrained; 0, or 3 and more.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and the edits.")] = 0,
    dry_run: Annotated[bool, typer.Option(help="Stop after the preflight.")] = False,
) -> None:
    """Withdraw classes from a classifier: preflight, edit, audit, decision page.

    steu withdraw Urology --model FOLDER --data reports.csv --text report --labels specialty
    --output OUT
    """
    from steu.withdrawal.answering import look_before
    from steu.withdrawal.answering import withdraw as answer
    from steu.withdrawal.request import Request

    if not minutes >= 0:  # nor what is no number
        raise ValueError(f"--minutes must be 0 or more; found {minutes}")
    asked = Request(
        labels=tuple(classes),
        model=model,
        output=output,
        method=method,  # pyrefly: ignore[bad-argument-type]
        n_tokens=n_tokens,
        max_length=max_length,
        base=base,
        references=references,
        seed=seed,
        **_documents(
            profile,
            dataset,
            data,
            labels,
            delimiter,
            text=text,
            id=id,
            subject=subject,
            group_by=group_by,
            split=split,
        ),
    )
    say = _progress()
    if not dry_run:
        print(answer(asked, minutes=minutes, say=say))
        return
    with tempfile.TemporaryDirectory() as work:
        _, found = look_before(asked, Path(work), say)
        print(_told(found))


@edit.command("show")
def show_edit(folder: Folder) -> None:
    """Say what an edit is and which model it belongs to."""
    from steu.withdrawal.artefacts import show

    print(json.dumps(show(folder), indent=1, ensure_ascii=False))


@edit.command("verify")
def verify_edit(
    folder: Folder,
    model: Model,
    edited: Annotated[str | None, typer.Option(help="Default: the model beside the edit.")] = None,
) -> None:
    """Prove that two models differ in exactly the edit, bit by bit."""
    from steu.withdrawal.artefacts import verify

    found = verify(folder, model=model, edited=edited)
    print(
        f"{found['compared']:,} values compared: {found['rows']:,} rows and {found['head']:,} head "
        "values differ, as the edit says; nothing else does"
    )


@edit.command("apply")
def apply_edit(folder: Folder, model: Model, output: Output) -> None:
    """Write a copy of the model with the edit in it."""
    from steu.withdrawal.artefacts import apply

    print(apply(folder, model=model, output=output))


@edit.command("revert")
def revert_edit(folder: Folder, model: Edited, output: Output) -> None:
    """Write a copy of the edited model as it was before."""
    from steu.withdrawal.artefacts import INVERSE, apply

    print(apply(folder, model=model, output=output, kind=INVERSE))


def _documents(
    profile: str | None,
    dataset: str | None,
    data: str,
    labels: list[str] | None,
    delimiter: str | None,
    **columns: str | None,
) -> dict[str, Any]:
    """Where the documents are and what says their labels, from options or from a profile."""
    from steu._errors import check_choice
    from steu.workflow.profiles import SYNTHETIC, load_profile

    given = {"labels": labels, "delimiter": delimiter} | columns
    if profile is not None and (beside := [name for name, value in given.items() if value]):
        raise ValueError(
            f"--{beside[0].replace('_', '-')} beside --profile: the profile says which columns are "
            "what; put it there, or leave --profile out"
        )
    if dataset is not None and profile is None:
        raise ValueError("--dataset names one of a profile's; name that with --profile")
    if delimiter is not None and len(labels or ()) > 1:
        raise ValueError("--delimiter stands between the classes in one column; name one --labels")
    if profile is not None:
        known = load_profile(profile).datasets
        chosen = dataset or next(iter(known))
        if dataset is None and len(known) > 1:
            raise ValueError(f"{profile} has several datasets; name one: --dataset {chosen}, …")
        check_choice(chosen, known, what="dataset", where=profile)
        found = known[chosen]
        if found.path == SYNTHETIC:
            raise ValueError(
                f"{profile}: {chosen} is made up while the book runs; give --data a folder of "
                "tables and a profile that reads it"
            )
        options = dict(found.options)
        if "notes" in options:  # of a download of its own, below DATA as the tables
            options["notes"] = str(Path(data, options["notes"]))
        return {
            "layout": found.layout,
            "path": str(Path(data, found.path)),
            "columns": found.labels,
            "options": options,
        }
    if not labels:
        raise ValueError(
            "expected --labels COLUMN (it names the classes), or --labels A --labels B"
        )
    named: dict[str, Any] = {"column": labels[0]} if len(labels) == 1 else {"columns": labels}
    if delimiter is not None:
        named["delimiter"] = delimiter
    options = {"text": "text"} | {name: value for name, value in columns.items() if value}
    return {"layout": "table", "path": data, "columns": named, "options": options}


def _progress() -> Any:
    """A line a step on the error stream, with the time that has passed."""
    started = time.monotonic()

    def say(what: str) -> None:
        passed = int(time.monotonic() - started)
        typer.echo(f"{passed // 60:3d}:{passed % 60:02d}  {what}", err=True)

    return say


def _told(found: Any) -> str:
    """The preflight as a few lines."""
    lines = [
        f"model        {found.model['kind']}, {found.model['parameters']:,} parameters, "
        f"{found.model['outputs']} outputs: {', '.join(found.model['labels'])}",
        f"head         {found.model['head']}, {found.model['head_parameters']:,} values; embedding "
        f"{' × '.join(map(str, found.model['embedding']))}",
        f"documents    {found.documents['notes']:,}, window {found.documents['window']} tokens",
    ]
    for one in found.classes:
        people = ", ".join(
            f"{'fewer than 10' if n is None else n} in {split}"
            for split, n in one["patients"].items()
        )
        documents = f"{one['notes']:,} documents" if one["notes"] else "documents not counted"
        lines += [
            f"class        {one['label']}: {documents}; {found.documents['counted']}: {people}",
            f"  AUROC      model {one['original_auroc'][0]:.3f}, all words "
            f"{one['lexical_all'][0]:.3f}, unselected words {one['lexical_remainder'][0]:.3f}",
        ]
        lines += [
            f"  shared     {100 * other['share_with_class']:.0f} % of {other['label']} have it too"
            for other in one["shared"][:3]
        ]
    lines += [f"mind         {warning}" for warning in found.warnings]
    lines.append(f"takes        about {found.minutes:.0f} min to edit, {found.gigabytes:.1f} GB")
    return "\n".join(lines)
