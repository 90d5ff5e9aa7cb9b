"""How token states become one state a note: the first token's, or the mean of all of them."""

from __future__ import annotations

from typing import Any, Literal, get_args

from transformers import PreTrainedModel

from steu._errors import check_choice

Pooling = Literal["cls", "mean"]


def set_pooling(model: PreTrainedModel, pooling: Pooling) -> None:
    """Let the head read the mean over a note's tokens in place of the first one's state.

    "cls" is what `transformers` does and needs nothing. For "mean" the config says so under
    ModernBERT's name for it, `classifier_pooling`; an encoder that does not know the name gets a
    hook that hands on the mean as if it were the state of the first token, past a pooler of the
    encoder's own, which was made for [CLS]. Opened without `load_classifier` such a model reads
    [CLS] again and gives other answers.

    Raises
    ------
    ValueError
        If `pooling` is neither.
    """
    check_choice(pooling, get_args(Pooling), what="pooling")
    if pools_itself(model):
        name = "bos" if pooling == "cls" and model.config.model_type == "eurobert" else pooling
        model.config.classifier_pooling = name
        if "classifier_pooling" in vars(model):  # EuroBERT reads its config once, as it is made
            vars(model)["classifier_pooling"] = name
    elif pooling == "mean":
        model.config.classifier_pooling = pooling
        model.base_model.register_forward_hook(_mean_first, with_kwargs=True)


def reads_plainly(model: PreTrainedModel) -> bool:
    """Whether `transformers` alone opens the model with the same answers."""
    pooling = getattr(model.config, "classifier_pooling", "cls")
    hidden = getattr(model.config, "head_width", 0)
    return not hidden and (pooling == "cls" or pools_itself(model))


def pools_itself(model: PreTrainedModel) -> bool:
    """Whether the architecture knows pooling by itself."""
    return "classifier_pooling" in type(model.config)().to_dict()


def _mean_first(_: Any, __: Any, given: dict[str, Any], output: Any) -> Any:
    """The encoder's output with one state a note, (B, 1, H): the mean over its tokens."""
    hidden = output.last_hidden_state  # (B, T, H)
    mask = given.get("attention_mask")
    if mask is None:
        mask = hidden.new_ones(hidden.shape[:2])
    elif mask.ndim == 4:  # as attention wants it: the same for every position
        mask = mask[:, 0, 0]
    weights = mask.unsqueeze(-1).float()  # (B, T, 1)
    total = (hidden.float() * weights).sum(dim=1, keepdim=True)
    output.last_hidden_state = (total / weights.sum(dim=1, keepdim=True)).to(hidden)
    if output.get("pooler_output") is not None:
        output.pooler_output = output.last_hidden_state[:, 0]
    return output
