"""How many tokens a tokenizer knows, and how many of a text it and a model can take."""

from __future__ import annotations

from transformers import AutoConfig, PreTrainedConfig, PreTrainedTokenizerBase

from steu._numbers import check_whole

NO_WINDOW = 2**31  # tokens: a larger window is how a tokenizer says that it knows of none


def vocabulary_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """Rows that the ids of a tokenizer take, V; more than it has tokens if some ids name none."""
    return max([len(tokenizer) - 1, *tokenizer.get_vocab().values()]) + 1


def model_window(tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that both the tokenizer and the model it was loaded beside can take.

    Many tokenizers do not know their window and name a huge number; the position embeddings end.
    """
    try:
        config = AutoConfig.from_pretrained(
            tokenizer.name_or_path, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError):  # no model lies beside this tokenizer or in the cache
        return tokenizer.model_max_length
    return window_of(tokenizer, config)


def window_of(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> int:
    """Tokens that both a tokenizer and the model of a config can take."""
    return min(tokenizer.model_max_length, positions_of(config) or tokenizer.model_max_length)


# Of RoBERTa's kin: positions are counted from behind the padding token's.
_KIN = ("roberta", "camembert", "mpnet", "longformer", "ibert", "data2vec")
_KIN += ("luke", "lilt", "xmod", "markuplm", "layoutlmv3")


def positions_of(config: PreTrainedConfig) -> int | None:
    """Tokens that the model of a config can take; None where it sets no limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 0:  # XLNet says −1
        return None
    if any(kin in config.model_type for kin in _KIN):
        positions -= (config.pad_token_id or 0) + 1
    return positions


def check_window(max_length: int, longest: int) -> None:
    """Refuse a window that leaves no room for text or exceeds what the model can take."""
    check_whole("max_length", max_length)
    if max_length == longest and longest > NO_WINDOW:
        raise ValueError(
            "neither the model nor its tokenizer says how many tokens they take: give max_length"
        )
    if not 3 <= max_length <= longest:
        raise ValueError(
            f"max_length must lie between 3 and the model's window of {longest} tokens; "
            f"found {max_length}"
        )
