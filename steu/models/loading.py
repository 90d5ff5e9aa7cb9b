"""Sequence classifiers of `transformers`: made of a pretrained encoder, saved, opened again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from steu._io import atomic_path, write_json
from steu.data.windows import vocabulary_of
from steu.models.checks import check_embedding, check_layers, check_vocabulary
from steu.models.heads import head_name, set_hidden_layer
from steu.models.pooling import Pooling, pools_itself, set_pooling
from steu.models.sources import (
    CONVERT,
    in_one_line,
    lacking_part,
    resolve,
    telling,
    without_report,
)

# Two untrained encoders that need seconds instead of minutes; they learn little and prove the path.
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json")  # what AutoTokenizer reads, first of all
TINY: dict[str, Any] = {
    "random-bert": BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    ),
    "random-distilbert": DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64),
}


def build_classifier(
    backbone: str,
    labels: Sequence[str],
    *,
    n_layers: int | None = None,
    pooling: Pooling = "cls",
    head_width: int = 0,
    seed: int = 0,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A pretrained encoder under a head drawn at random, and its tokenizer.

    Parameters
    ----------
    backbone : str
        "minilm" (installed with the requirements), a local folder, a hub id, or one of the tiny
        untrained encoders "random-bert" and "random-distilbert".
    labels : sequence of str
        Names of the C outputs, independent sigmoids.
    n_layers : int, optional
        Keep only the first layers.
    pooling : {"cls", "mean"}
        Which state the head reads; see `set_pooling`.
    head_width : int
        Hidden units of the head; 0 keeps it linear, as the paper's.
    seed : int
        For the weights that are not pretrained.

    Raises
    ------
    ValueError
        If the model or its tokenizer cannot be found, is no encoder of text, has fewer than
        `n_layers` layers, or lacks weights that its config names.
    """
    tokenizer = load_tokenizer(backbone)
    config = read_config(backbone, tokenizer, n_layers=n_layers)
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: c for c, label in enumerate(labels)}
    config.problem_type = "multi_label_classification"
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the model is made on the CPU: GPUs' stay
        if backbone in TINY:
            model = AutoModelForSequenceClassification.from_config(config)
        else:
            model = _pretrained(backbone, config, shortened=n_layers is not None)
        if head_width:
            set_hidden_layer(model, head_width)
    set_pooling(model, pooling)
    check_embedding(model)
    check_vocabulary(model, tokenizer)
    return model.float().eval(), tokenizer


def load_classifier(folder: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Any saved sequence classifier, also one that `save_classifier` wrote, and its tokenizer.

    A linear head on [CLS] opens with `AutoModelForSequenceClassification.from_pretrained` alike;
    other pooling and a head with a hidden layer are read from the config.

    Raises
    ------
    ValueError
        If there is no model, it is no classifier of text, or weights are missing.
    """
    name = str(folder)
    tokenizer = load_tokenizer(name)
    config = read_config(name, tokenizer)
    width, pooling = getattr(config, "head_width", 0), getattr(config, "classifier_pooling", "cls")
    model = _pretrained(name, config, whole=not width)
    if width:
        set_hidden_layer(model, width)
        start = f"{head_name(model)}."
        stored = load_file(Path(folder) / "model.safetensors")
        head = {n.removeprefix(start): v for n, v in stored.items() if n.startswith(start)}
        own = model.get_submodule(head_name(model))
        if {n: v.shape for n, v in head.items()} != {
            n: v.shape for n, v in own.state_dict().items()
        }:
            raise ValueError(
                f"{name}: its config.json says that the head has a hidden layer of {width}, and "
                "model.safetensors holds another head: take both from the same model"
            )
        own.load_state_dict(head)
    if not pools_itself(model):  # else as its config says, which may be in a third way
        set_pooling(model, cast(Pooling, pooling))
    check_embedding(model)
    check_vocabulary(model, tokenizer)
    return model.float().eval(), tokenizer


def save_classifier(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path, **facts: Any
) -> None:
    """Write model and tokenizer as `transformers` does, facts beside them in classifier.json."""
    with atomic_path(folder) as beside:
        model.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        write_json(beside / "classifier.json", facts)


def to_device(model: PreTrainedModel) -> None:
    """Move a model to a GPU where PyTorch sees one."""
    if torch.cuda.is_available():
        torch.nn.Module.cuda(model)


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer that belongs to a backbone or a saved classifier.

    Raises
    ------
    ValueError
        If there is none, or it does not open.
    """
    path = resolve("minilm" if name in TINY else name)
    folder = Path(path)
    if folder.is_dir() and not any((folder / f).is_file() for f in TOKENIZERS):
        present = ", ".join(sorted(f.name for f in folder.iterdir())) or "nothing"
        raise ValueError(
            f"{folder} has no tokenizer: expected {' or '.join(TOKENIZERS)}, found {present}; "
            "save it there with tokenizer.save_pretrained"
        )
    if (folder / "config.json").is_file():  # which the tokenizer reads first
        with telling(name, "config"):
            AutoConfig.from_pretrained(path, trust_remote_code=False)
    with telling(name, "tokenizer"):
        return AutoTokenizer.from_pretrained(path, use_fast=True, trust_remote_code=False)  # pyrefly: ignore[bad-return]


def read_config(
    name: str, tokenizer: PreTrainedTokenizerBase, *, n_layers: int | None = None
) -> PreTrainedConfig:
    """The model's config, shortened to `n_layers`, without dropout in its attention."""
    if name in TINY:
        config = type(TINY[name]).from_dict(TINY[name].to_dict())
        config.vocab_size = vocabulary_of(tokenizer)
    else:
        with telling(name, "config"):
            config = AutoConfig.from_pretrained(resolve(name), trust_remote_code=False)
    if n_layers is not None and not 1 <= n_layers <= config.num_hidden_layers:
        raise ValueError(
            f"n_layers must lie between 1 and the {config.num_hidden_layers} layers of "
            f"{name}; found {n_layers}"
        )
    if n_layers is not None:
        config.num_hidden_layers = n_layers
    # Attention dropout forbids the fused attention kernel on the CPU and costs a third of a step;
    # hidden dropout stays.
    for field in ("attention_probs_dropout_prob", "attention_dropout"):
        if hasattr(config, field):
            setattr(config, field, 0.0)
    return config


def _pretrained(
    name: str, config: PreTrainedConfig, *, whole: bool = False, shortened: bool = False
) -> PreTrainedModel:
    """The classifier of some weights; `whole` if its head has to be among them."""
    model, told = _opened(name, config)
    if not shortened:
        check_layers(name, told["unexpected_keys"], config.num_hidden_layers)
    encoder = f"{model.base_model_prefix}."
    other = [key if isinstance(key, str) else key[0] for key in told["mismatched_keys"]]
    missing, misfit = (
        sorted(k for k in keys if whole or (k.startswith(encoder) and ".pooler." not in k))
        for keys in (told["missing_keys"], other)
    )
    if misfit:
        raise ValueError(
            f"{name}: {len(misfit)} weights have other shapes than its config.json says, first "
            f"{misfit[0]}: take both from the same model"
        )
    if missing:
        raise ValueError(
            f"{name}: {len(missing)} weights of {type(model).__name__} are missing, first "
            f"{missing[0]}; they would be drawn at random: name the folder of a model of this kind"
        )
    # A bias of −∞ is one: that of a class that was withdrawn.
    odd = next((n for n, p in model.named_parameters() if p.isnan().any()), None)
    if odd:
        raise ValueError(
            f"{name}: the weights {odd} hold values that are no numbers: the file is damaged, or "
            "training went wrong; get the model again"
        )
    return model


def _opened(name: str, config: PreTrainedConfig) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The classifier as `transformers` opens it, and which weights it found."""
    try:  # never a pickle, nor a model's own code: opening one can run anything
        with without_report():
            return AutoModelForSequenceClassification.from_pretrained(
                resolve(name),
                config=config,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # which are looked at here
            )
    except OSError as error:
        lacking = lacking_part(name)
        raise ValueError(
            f"{name} lacks {lacking}, a part of its weights: get the file, or the model again"
            if lacking
            else f"{name} has no model.safetensors; {CONVERT}"
        ) from error
    except (ValueError, KeyError, AssertionError, RuntimeError, TypeError) as error:
        if "Unrecognized configuration class" in str(error):  # with a list of all kinds that do
            raise ValueError(
                f"{name}: a model of type {config.model_type!r} classifies no text; name an "
                "encoder of text, of the BERT family"
            ) from error
        raise ValueError(
            f"{name}: of its config.json no model can be made ({in_one_line(error)}); take the "
            "file from whoever made the model"
        ) from error
    except SafetensorError as error:
        raise ValueError(
            f"{name}: model.safetensors holds no weights ({error}); a file of Git LFS that was not "
            "fetched looks like this: get the file itself, with git lfs pull or a download"
        ) from error
