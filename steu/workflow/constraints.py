"""What a notebook's parameter may be beyond its type, known by its name alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from steu._errors import suggestion
from steu.reporting.display_names import LAYERS_ONLY, METHODS

# The edits that 05_baselines leaves: always, of as many draws as are asked for, if asked for.
TUNED = ("head_only_tuned", "embedding_only_tuned", "steu_tuned", "frequent_tokens")
PAPERS = ("steu_e", "direct_suppression", "gradient_ascent", "influence_weighted")
DRAWS = ("random_tokens", "random_tokens_2", "random_tokens_3")
_DENSE = (*PAPERS[1:], "neg_grad_plus", "scrub", "bad_teacher", "salun", "ssd", "lora")
RIVALS = (PAPERS[0], *_DENSE, "matched_rows", "leace", "leace_layers")
RIVALS += tuple(name + LAYERS_ONLY for name in _DENSE)

# Parameters that mean the same in every notebook: of which nothing is not a choice, which list one
# thing or more, and which list each but once.
_ABOVE_ZERO = re.compile(
    "epochs|batch_size|patience|n_(permutations|stays|notes|steps|tokens)|last_layers|"
    "random_draws|layer_rate|learning_rate.*|factors|erased|rows_tried|mlp_widths|shots"
)
_AT_LEAST_ONE = re.compile("factors|erased|rows_tried|readings|other_seeds|shots")
_EACH_ONCE = re.compile("factors|readings|other_seeds|methods|mlp_widths|more_rivals|grids|shots")
_MOST = 2**32 - 1  # of a whole number: what generators of random numbers take as a seed
_WIDEST = 2**16  # of a hidden layer; a hundred times wider than the encoders that it reads
_MOST_OF = {
    "head_width": _WIDEST,
    "mlp_widths": _WIDEST,
    "random_draws": len(DRAWS),
    "note_words": 600,
}
_LEAST_OF = {"note_words": 60, "n_bootstrap": 20}  # fewer resamples have no 95 % interval
# The same names stand in the modules that act on them, which need torch; a test compares them.
CHOICES: dict[str, Sequence[str]] = {
    "counting": ("occurrences", "notes"),
    "precision": ("auto", "fp32", "bf16"),
    "pooling": ("cls", "mean"),
    "readings": ("relabelled", "dropped", "masked"),
    "grids": ("bf16", "int8", "int8 dynamic", "int4"),
    "selectors": [
        name.removeprefix("selector_") for name in METHODS if name.startswith("selector_")
    ],
    "more_rivals": RIVALS,
    "methods": (*TUNED, *DRAWS, *RIVALS),
    "method": ("steu_e", "steu", "head_only", "null"),
}


def mistake(name: str, value: Any, default: Any) -> str:
    """What is expected of parameter `name` and found instead; "" if nothing is wrong.

    Refused are whole numbers that are too large or too small, negative numbers where the default
    holds none (a count, a rate or a seed) and, of epochs, steps and rates, 0; lists of nothing
    where the page needs something, or that name a thing twice; shares that are not those of a
    whole; a choice that there is not.
    """
    return (
        _odd_number(name, value, default)
        or _odd_list(name, value, default)
        or _unknown(name, value)
    )


def _odd_number(name: str, value: Any, default: Any) -> str:
    numbers, usual = _numbers(value), _numbers(default)
    least, largest = min(numbers, default=1), max(map(_whole, numbers), default=0)
    if least < 0 <= min(usual, default=-1):
        return f"no negative number, found {least}"
    if least < _LEAST_OF.get(name, least):
        return f"at least {_LEAST_OF[name]}, found {least}"
    if least == 0 < min(usual, default=1) and _ABOVE_ZERO.fullmatch(name):
        return f"more than 0, found {value}"
    if name == "shards" and value == 1:
        return "0, which leaves them out, or at least 2, found 1"
    if name == "token_dropout" and value >= 1:
        return f"a share below 1, found {value}"
    most = _MOST_OF.get(name, _MOST)
    return f"at most {most:,}, found {largest:,}" if largest > most else ""


def _odd_list(name: str, value: Any, default: Any) -> str:
    if not isinstance(value, list):
        return ""
    if not value and default and _AT_LEAST_ONE.fullmatch(name):
        return f"one or more, such as {default}, found []"
    if name == "fractions" and (len(value) != 3 or min(value) <= 0 or abs(sum(value) - 1) > 1e-6):
        return f"three shares above 0 that sum to 1, found {value}"
    if name == "selectors" and not set(value) - {"pmi"}:
        return f"one or more beside 'pmi', with which they are compared, found {value}"
    if name == "steps" and value != sorted({0, *value}):
        return f"numbers that rise from 0, found {value}"
    if not _EACH_ONCE.fullmatch(name):
        return ""
    twice = [one for i, one in enumerate(value) if one in value[:i]]
    return f"each once, found {twice[0]!r} twice" if twice else ""


def _unknown(name: str, value: Any) -> str:
    if name not in CHOICES:
        return ""
    known = CHOICES[name]
    unknown = [one for one in (value if isinstance(value, list) else [value]) if one not in known]
    return f"a known name, found {unknown[0]!r}; {suggestion(unknown[0], known)}" if unknown else ""


def _whole(number: float) -> int:
    """Of a whole number its size; a fraction has no limit."""
    return abs(number) if isinstance(number, int) else 0


def _numbers(value: Any) -> list[float]:
    """The numbers of a value: itself, or those of a list."""
    values = value if isinstance(value, list) else [value]
    return [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
