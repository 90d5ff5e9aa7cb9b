"""What a classifier has to have so that it opens and rows of its embedding can be edited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import torch
from torch import nn
from transformers import CONFIG_MAPPING, PreTrainedModel, PreTrainedTokenizerBase

from steu._errors import shown
from steu._io import read_json
from steu.data.windows import vocabulary_of

_LAYER = re.compile(r"\blayers?\.(\d+)\.")
PADDED = 1.05  # rows a token at most, beside 128: tables are rounded up, to 128,100 for 128,001


def check_folder(folder: Path) -> None:
    """Refuse a folder whose model could not be opened without what else it asks for.

    Raises
    ------
    ValueError
        If it holds an adapter, or its config names code of its own for its kind of model.
    """
    config = folder / "config.json"
    if (folder / "adapter_config.json").is_file():  # beside a model, transformers would add the two
        raise ValueError(
            f"{folder} holds an adapter: merge it into its model once with PEFT, "
            "model.merge_and_unload().save_pretrained(FOLDER), and name that folder"
        )
    if not config.is_file():
        return
    about = read_json(config)
    if not isinstance(about, dict):
        raise ValueError(f"{config} holds no config: get the model's own file again")
    kind = about.get("model_type")
    if about.get("quantization_config"):
        raise ValueError(
            f"{folder}: its weights are quantised (quantization_config in config.json), and rows "
            "of such a table cannot be edited: name the model with its weights as they were trained"
        )
    if "auto_map" in about and kind not in CONFIG_MAPPING:
        raise ValueError(
            f"{folder}: a model of type {kind!r} needs code of its own (auto_map in config.json), "
            "which is never run; name a model of a type that transformers knows"
        )


def check_layers(name: str, surplus: Iterable[str], n_layers: int) -> None:
    """Refuse layers that a model's weights hold and its config does not count.

    They would be left out without a word, and the model would answer as another one.

    Parameters
    ----------
    surplus : iterable of str
        Names of weights that found no place.

    Raises
    ------
    ValueError
        If one of them is of a further layer.
    """
    layers = [int(found[1]) for key in surplus if (found := _LAYER.search(key))]
    if layers and max(layers) >= n_layers:
        raise ValueError(
            f"{name}: its weights hold {max(layers) + 1} layers and its config.json says "
            f"{n_layers}: take both from the same model, or ask for the first ones (n_layers)"
        )


def check_embedding(model: PreTrainedModel) -> nn.Embedding:
    """The model's token embedding, if its rows can be edited.

    Raises
    ------
    ValueError
        If there is none, or its weights also serve as another parameter of the model.
    """
    check_model(model)
    kind = type(model).__name__
    try:
        table = model.get_input_embeddings()
    except (NotImplementedError, AttributeError):
        table = None
    if not isinstance(table, nn.Embedding):
        raise ValueError(
            f"{kind} has no token embedding to edit: get_input_embeddings() should give an "
            f"nn.Embedding, found {type(table).__name__}; choose a text encoder of the BERT family"
        )
    shared = [
        name
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if parameter is table.weight
    ]
    if len(shared) > 1:
        raise ValueError(
            f"{kind} ties its token embedding to another parameter ({', '.join(shared)}): an edit "
            "of rows would change both; give one of them a copy of the weights of its own"
        )
    return table


def check_precision(model: PreTrainedModel) -> None:
    """Refuse weights of less than single precision: an optimiser's steps would be lost in rounding.

    Raises
    ------
    ValueError
        Naming the type and the mend.
    """
    odd = {p.dtype for p in model.parameters() if p.is_floating_point()} - {torch.float32}
    if odd:
        raise ValueError(
            f"{type(model).__name__} holds {sorted(map(str, odd))[0]}; call model.float() first: "
            "precision='bf16' gives the speed of passes"
        )


@torch.no_grad()
def check_weights(model: PreTrainedModel) -> None:
    """Refuse a model without weights, or with weights that are no numbers.

    A bias of −∞ in the head is one: it silences a class.

    Raises
    ------
    ValueError
        Naming the first such parameter.
    """
    kind = type(model).__name__
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            raise ValueError(
                f"{kind} lies on the device 'meta', where {name} has no values; load its weights "
                "with from_pretrained"
            )
        finite = parameter.isfinite() if parameter.ndim > 1 else ~parameter.isnan()
        if not finite.all():
            raise ValueError(
                f"{name} of {kind} holds {float(parameter[~finite][0])}: its training diverged, or "
                "its file is damaged; take a sound copy, or train it anew"
            )


def embedding_of(model: PreTrainedModel) -> nn.Embedding:
    """The model's token embedding, (V, H), as `check_embedding` found it to be."""
    check_model(model)
    return cast(nn.Embedding, model.get_input_embeddings())


def check_model(given: object) -> None:
    """Refuse what is no model, such as the folder of one.

    Raises
    ------
    ValueError
        With how a model is opened.
    """
    if isinstance(given, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        raise ValueError(f"{type(given).__name__} holds a model for several devices: give .module")
    if not isinstance(given, nn.Module):
        found = shown(given) if isinstance(given, (str, Path)) else type(given).__name__
        raise ValueError(
            f"expected a model; found {found}: open it with "
            "AutoModelForSequenceClassification.from_pretrained"
        )


def check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer of more tokens than the embedding has rows, of many fewer, or none.

    Raises
    ------
    ValueError
        Naming both sizes.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise ValueError(
            f"tokenizer must be one of transformers; found {type(tokenizer).__name__}: take "
            "AutoTokenizer.from_pretrained of the folder or hub id of the model"
        )
    rows, known = check_embedding(model).num_embeddings, vocabulary_of(tokenizer)
    if known > rows:
        raise ValueError(
            f"{model.name_or_path or type(model).__name__}: the tokenizer knows {known:,} "
            f"tokens and the embedding has {rows:,} rows; call "
            f"resize_token_embeddings({known}) on the model and save it again, or name "
            "the tokenizer it was trained with"
        )
    if rows > PADDED * known + 128:
        raise ValueError(
            f"{model.name_or_path or type(model).__name__}: the tokenizer knows {known:,} "
            f"tokens and the embedding has {rows:,} rows: that is another model's tokenizer; name "
            "the one it was trained with"
        )


def check_segments(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer that puts a text into another segment than the first.

    Raises
    ------
    ValueError
        If the model tells segments apart: notes are passed on in the first.
    """
    segments = tokenizer("a")["token_type_ids"] if _tells_segments(model, tokenizer) else [0]
    if any(segments):
        raise ValueError(
            f"{type(tokenizer).__name__} puts texts into segment {max(segments)} "
            "(token_type_ids), and only those in segment 0 are read here as the model was trained "
            "to: take another tokenizer"
        )


def _tells_segments(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    given = "token_type_ids" in tokenizer.model_input_names
    return given and (getattr(model.config, "type_vocab_size", 0) or 0) > 1


def out_of_reach(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many words with capitals no text can become, since the tokenizer writes all small.

    Of a cased model this means that it was saved without saying so: then its tokenizer lacks
    ``do_lower_case: false``, and the model reads words in pieces that it was not trained on.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    normalizer = backend.normalizer if backend is not None else None
    if normalizer is None or normalizer.normalize_str("A") != "a":
        return 0
    words = tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens)
    return sum(word != word.lower() for word in words)


def check_device(model: PreTrainedModel) -> None:
    """Refuse a model on a device where its weights cannot be told apart.

    Raises
    ------
    ValueError
        If it is neither on the CPU nor on a CUDA device: float64, in which weights are hashed, is
        unknown to some.
    """
    kind = model.device.type
    if kind not in ("cpu", "cuda"):
        raise ValueError(
            f"the model is on {kind!r}; expected it on the CPU or a CUDA device: call model.cpu() "
            "first"
        )
