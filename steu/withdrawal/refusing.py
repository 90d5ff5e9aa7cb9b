"""What cannot be answered: requests that are refused before anything is made, each in one line."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from steu._errors import check_choice
from steu._io import read_json
from steu.data.cohort import Cohort
from steu.data.privacy import SMALLEST_CELL
from steu.models.heads import head_of, output_layer
from steu.models.layers import has_layers
from steu.models.loading import load_tokenizer, read_config
from steu.models.outputs import are_numbered, labels_of, n_labels_of
from steu.models.serialisation import FACTS
from steu.models.sources import weights_files
from steu.models.weights import weights_hash
from steu.withdrawal.artefacts import EDIT
from steu.withdrawal.weight_files import n_values

if TYPE_CHECKING:
    from steu.withdrawal.request import Request

FEWEST_DOCUMENTS = 20  # documents with the class, and without
TIMES = 3  # the weights in memory: the model, a copy that is merged, and what passes through it


def check_fits(model: str) -> None:
    """Refuse a model that would not fit in the memory that is free; it is edited in float32."""
    needed = TIMES * 4 * sum(map(n_values, weights_files(model)))
    free = psutil.virtual_memory().available
    if needed > free:
        raise ValueError(
            f"{model} needs about {needed / 1e9:.1f} GB of memory, {TIMES} times its weights in "
            f"single precision; {free / 1e9:.1f} GB are free: close other programs or "
            "take a larger machine"
        )


def check_can_be_written(request: Request) -> None:
    """Refuse to edit rows where nothing can write the adapter that is delivered with them."""
    if request.method not in ("null", "head_only") and find_spec("peft") is None:
        raise ValueError(
            "a withdrawal leaves an adapter, too, which needs PEFT: pip install peft, or the extra "
            "'withdraw'"
        )


def check_layers(model: PreTrainedModel, request: Request) -> None:
    """Refuse references beside a model whose layers are not found: their verdict reads each."""
    if request.references and not has_layers(model):
        raise ValueError(
            f"{request.model} keeps its layers where none is looked for, and a verdict beside "
            "references reads every layer: leave out --base and --references"
        )


def check_outputs(model: PreTrainedModel, request: Request) -> None:
    """Refuse a label that the model does not have or that it never says, and too few to keep."""
    names = labels_of(model)
    if are_numbered(names) and not set(names).issuperset(request.labels):
        raise ValueError(
            f"{request.model} numbers its outputs, {names[0]} to {names[-1]}, and names none: set "
            "id2label in its config.json to what the documents call them, in their order"
        )
    for label in request.labels:
        check_choice(label, names, what="label", where=request.model)
    bias = output_layer(head_of(model)).bias
    biases = [] if bias is None else bias.tolist()
    silent = [name for name, value in zip(names, biases, strict=False) if not isfinite(value)]
    if silent:
        raise ValueError(
            f"{request.model} never says {silent[0]}: an earlier request left it a bias of −∞, and "
            "nothing can be trained beside that; revert that edit and withdraw both together"
        )
    softmax = model.config.problem_type == "single_label_classification"
    if softmax and request.references:
        raise ValueError(
            f"{request.model} chooses one of its classes, and references are retrained with "
            "independent outputs: leave out --base and --references"
        )
    if softmax and n_labels_of(model) - len(request.labels) < 2:
        raise ValueError(
            f"{request.model} chooses one of {n_labels_of(model)} classes; without "
            f"{' and '.join(request.labels)} there would be no choice left: retire the model"
        )
    if len(request.labels) == len(names):
        raise ValueError("every class of the model is to be withdrawn: retire the model")


def check_never_asked(model: PreTrainedModel, request: Request) -> None:
    """Refuse a model from which other classes were withdrawn: it would be taught them again.

    Known by the edit that lies beside such a model. A null edit teaches nothing, and one with a
    softmax is trained on documents of the class alone, none of which has another.
    """
    facts = Path(request.model).resolve().parent / EDIT / FACTS
    softmax = model.config.problem_type == "single_label_classification"
    if not facts.is_file() or softmax or request.method == "null":
        return
    told = read_json(facts)
    earlier = [label for label in told.get("withdrawn", []) if label not in request.labels]
    if earlier and told["after"] == weights_hash(model):
        asked = shlex.join([*earlier, *request.labels, "--model", told["base"]])
        raise ValueError(
            f"{request.model}: {', '.join(earlier)} was withdrawn from it before, and documents "
            f"that have it would teach it again; withdraw all together from the model before that: "
            f"steu withdraw {asked}"
        )


def check_base(
    request: Request, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Refuse to retrain from an encoder that the model cannot have been fine-tuned from."""
    if request.base is None:
        return
    base = load_tokenizer(request.base)
    config, own = read_config(request.base, base), model.config
    layers = config.num_hidden_layers
    if base.get_vocab() != tokenizer.get_vocab():
        other = "other tokens"
    elif (config.model_type, config.hidden_size) != (own.model_type, own.hidden_size):
        other = (
            f"another encoder ({config.model_type}, {config.hidden_size} wide, and not "
            f"{own.model_type}, {own.hidden_size})"
        )
    elif layers < model.config.num_hidden_layers:
        other = f"fewer layers ({layers} and not {model.config.num_hidden_layers})"
    elif _classifies(config) and config.id2label == own.id2label:
        raise ValueError(
            f"{request.base} is a classifier of the same labels as {request.model}, and has "
            "learned the class: --base names the encoder from before that"
        )
    else:
        return
    raise ValueError(
        f"{request.base} has {other} than {request.model}: --base names the encoder that the model "
        "was fine-tuned from"
    )


def _classifies(config: PretrainedConfig) -> bool:
    return any(name.endswith("ForSequenceClassification") for name in config.architectures or ())


def check_labelled(cohort: Cohort, model: PreTrainedModel, request: Request) -> None:
    """Refuse documents without a label where the model chooses one of its classes."""
    if model.config.problem_type != "single_label_classification":
        return
    without = int((cohort.targets.sum(axis=1) == 0).sum())
    if without:
        several = (
            "some documents have" if without < SMALLEST_CELL else f"{without:,} documents have"
        )
        raise ValueError(
            f"{request.path}: {several} none of the model's classes (blank, or another label), and "
            f"{request.model} chooses one of them for each: leave those documents out"
        )


def check_counts(cohort: Cohort, request: Request) -> None:
    """Refuse documents that are too few of a kind to learn from and to be judged by."""
    for label in request.labels:
        column = label.strip()  # as tables are read
        with_class = int(cohort.frame[column].sum())
        without = len(cohort.frame) - with_class
        for found, kind in ((with_class, "with"), (without, "without")):
            if found < FEWEST_DOCUMENTS:
                raise ValueError(
                    f"{request.path}: fewer than {FEWEST_DOCUMENTS} documents {kind} {label!r}; an "
                    "edit needs them to learn from and to be judged by: add documents"
                )
        truth = cohort.frame.groupby("split", observed=True)[column].agg(["sum", "count"])
        for split, (found, total) in truth.iterrows():
            if not 2 <= found <= total - 2:
                raise ValueError(
                    f"{request.path}: the {split} documents need two with {label!r} and two "
                    "without at least, to learn from or to judge by: split them otherwise"
                )
