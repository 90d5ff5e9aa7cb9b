"""What is asked: which class, of which model, shown by which documents; and the study of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from transformers import PreTrainedModel

from steu._errors import check_choice
from steu._io import alone, files_below, read_json, sha256, write_json
from steu._numbers import check_whole
from steu.data.cohort import Cohort, iter_texts
from steu.data.encoding import encode_notes
from steu.data.readers.cohort_tables import write_cohort
from steu.data.readers.finding import SUFFIXES
from steu.data.windows import window_of
from steu.experiments.study import Study
from steu.models.hidden_states import hidden_states
from steu.models.layers import has_layers
from steu.models.loading import (
    load_classifier,
    to_device,
)
from steu.models.outputs import are_numbered, labels_of
from steu.withdrawal.refusing import (
    check_base,
    check_can_be_written,
    check_counts,
    check_fits,
    check_labelled,
    check_layers,
    check_never_asked,
    check_outputs,
)

Method = Literal["steu_e", "steu", "head_only", "null"]

WORK = ".work"  # what a run keeps until it is done, below its output folder
TRAINED = "trained"  # of these, edits and references


@dataclass(frozen=True)
class Request:
    """A request to withdraw classes from a classifier.

    Attributes
    ----------
    labels : tuple of str
        The classes, by the names of the model's outputs.
    model : str
        Folder or hub id of a sequence classifier of `transformers`.
    layout, path, columns, options
        Where the documents are and what says their labels; see `write_cohort`.
    output : str
        Folder that everything is written to.
    method : str
        Whose edit is delivered; the others are made for comparison.
    n_tokens : int
        Rows of the token embedding that may change, at most.
    max_length : int, optional
        Window in tokens; default: the model's.
    base : str, optional
        The encoder that the model was fine-tuned from; with it references are retrained.
    references : int
        How many.
    seed : int
    """

    labels: tuple[str, ...]
    model: str
    layout: str
    path: str
    columns: Mapping[str, Any]
    output: str
    options: Mapping[str, Any] = field(default_factory=dict)
    method: Method = "steu_e"
    n_tokens: int = 256
    max_length: int | None = None
    base: str | None = None
    references: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice(self.method, get_args(Method), what="method")
        if len(set(self.labels)) < len(self.labels) or not self.labels:
            raise ValueError(f"name each class once; found {', '.join(self.labels) or 'none'}")
        check_whole("n_tokens", self.n_tokens, least=1)
        check_whole("seed", self.seed, most=2**32 - 1)
        if self.max_length is not None:
            check_whole("max_length", self.max_length, least=3)
        if (self.base is None) != (self.references == 0):
            raise ValueError("references are retrained from --base: give both, or neither")
        if self.references and self.references < 3:
            raise ValueError(
                f"expected three references at least, to know how far they lie apart; found "
                f"{self.references}"
            )


def says_whose(request: Request) -> bool:
    """Whether the documents are known to be of people; else each counts as of one of its own."""
    return request.layout != "table" or bool(request.options.get("subject"))


@contextmanager
def claimed(request: Request) -> Iterator[Path]:
    """The work folder of a request, for one process; what an earlier, killed run left is in it.

    A request that is refused leaves what was there before: mended, it may go to the same folder.

    Raises
    ------
    ValueError
        If the output folder holds something else, or another run is at work there.
    """
    output = Path(request.output)
    asked = {name: value for name, value in asdict(request).items() if name != "output"}
    asked = {n: list(v) if isinstance(v, tuple) else v for n, v in asked.items()}
    note = output / WORK / "request.json"
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        if not note.is_file():
            raise ValueError(f"{output} holds something already; name another output folder")
        if read_json(note) != asked:
            raise ValueError(f"{output} belongs to another request; name another output folder")
    fresh, made = not note.parent.exists(), not output.exists()
    note.parent.mkdir(parents=True, exist_ok=True)
    used = f"{output} is in use by another run; wait for it"
    with alone(note.parent / "lock", otherwise=used):
        try:
            write_json(note, asked)
            yield note.parent
        except ValueError:
            if fresh and not (note.parent / TRAINED).exists():  # that would be made again
                shutil.rmtree(output if made else note.parent, ignore_errors=True)
            raise


def open_study(request: Request, work: Path) -> Study:
    """The request's model and documents, aimed at its first class.

    Raises
    ------
    ValueError
        If the model does not fit in memory, its outputs are not the labels of the documents, it
        has a softmax over two classes or references beside a softmax, the base has other tokens,
        or there are fewer than `FEWEST_DOCUMENTS` documents of a kind.
    """
    check_can_be_written(request)
    check_fits(request.model)
    model, tokenizer = load_classifier(request.model)
    check_outputs(model, request)
    check_never_asked(model, request)
    check_base(request, model, tokenizer)
    check_layers(model, request)
    to_device(model)
    names = labels_of(model)
    folder = work / "cohort"
    cohort = _cohort_of(request, names, folder)
    check_labelled(cohort, model, request)
    window = request.max_length
    if window is None:
        window = window_of(tokenizer, model.config)
    notes = encode_notes(
        iter_texts(folder),
        tokenizer,
        max_length=window,
        folder=work / "encoded",
        digest=cohort.texts_digest,
    )
    study = Study(
        model,
        tokenizer,
        notes,
        cohort.frame[_as_read(names)].to_numpy(dtype="float32"),
        labels=names,
        forget=request.labels[0],
        groups=cohort.patients,
        splits=cohort.frame["split"].to_numpy(dtype=str),
        seed=request.seed,
    )
    if has_layers(model):  # whose states cannot be seen is said before anything is made
        hidden_states(model, notes, np.arange(1))
    study.cohort, study.kept = cohort, work / TRAINED
    start = {"backbone": request.base, "seed": request.seed, **built_like(model)}
    study.recipe = {"start": start, "train": {}, "max_length": window}
    study.tags = {"dataset": cohort.name, "backbone": request.model, "seed": request.seed}
    return study


def _cohort_of(request: Request, names: tuple[str, ...], folder: Path) -> Cohort:
    """The request's documents, read into `folder` unless they lie there already."""
    read = folder.with_name("documents.json")
    documents = documents_of(request) | {"labels": json.dumps(names)}
    _check_same(names, _of_the_model(request, names))
    if not read.is_file() or read_json(read) != documents:  # they may have been corrected since
        with _saying_that_numbers_are_no_names(names):
            write_cohort(
                folder,
                request.layout,
                request.path,
                labels=_of_the_model(request, names),
                name=Path(request.path).name,
                restricted=True,  # whoever asks need not think of it: no text is ever shown
                seed=request.seed,
                needed=_as_read(request.labels),  # what is rare among others is not asked about
                **request.options,
            )
        write_json(read, documents)
    cohort = Cohort.read(folder, text=False)
    check_counts(cohort, request)
    cohort.check_for_unlearning()
    return cohort


def _check_same(names: tuple[str, ...], labels: Mapping[str, Any]) -> None:
    """Refuse labels, as they will be read, that are not those of the model's outputs."""
    found = _as_read(labels.get("columns") or labels.get("keep") or [*labels])
    if {*found} != {*_as_read(names)}:
        raise ValueError(
            f"the model answers about {', '.join(names)}; the documents are labelled "
            f"{', '.join(found)}: name the same, or set id2label in the model's config"
        )


def _as_read(names: Iterable[str]) -> list[str]:
    """Names without the blanks around them, which no table has."""
    return [name.strip() for name in names]


@contextmanager
def _saying_that_numbers_are_no_names(names: tuple[str, ...]) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        if not (are_numbered(names) and any(name in str(error) for name in names)):
            raise
        raise ValueError(
            f"{error}; the model only numbers its outputs: set id2label in its config to what the "
            "documents call them"
        ) from error


def documents_of(request: Request) -> dict[str, str]:
    """SHA-256 of every table that the documents are read from, by its path."""
    named = [Path(request.path), Path(request.options.get("notes") or request.path)]
    below = (file for place in named for file in files_below(place))
    tables = [file for file in below if file.name.lower().endswith(SUFFIXES)]
    return {str(file): sha256(file) for file in sorted({*named, *tables}) if file.is_file()}


def built_like(model: PreTrainedModel) -> dict[str, Any]:
    """What `build_classifier` takes to make references of the model's own architecture."""
    config = model.config
    return {
        "n_layers": config.num_hidden_layers,
        "pooling": getattr(config, "classifier_pooling", "cls"),
        "head_width": getattr(config, "head_width", 0),
    }


def _of_the_model(request: Request, names: tuple[str, ...]) -> Mapping[str, Any]:
    """The labels to read: of a column that names them, those that the model has outputs for."""
    columns = dict(request.columns)
    if request.layout != "table" or "column" not in columns:
        return columns
    columns.pop("top_n", None)  # those are what the model answers about
    return {"keep": list(names)} | columns
