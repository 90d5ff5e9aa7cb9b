"""Sparse Token Embedding Unlearning: withdraw one class from a clinical text classifier.

>>> import steu
>>> task = steu.ForgetTask(model, tokenizer, texts, targets, forget="sepsis")
>>> edit = steu.unlearn(task, steu.rank_tokens(task)[:8])
>>> table = steu.evaluate(task, edit)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from steu.experiments.measures import evaluate
    from steu.models.origin import Origin
    from steu.selection.ranking import SELECTORS, rank_tokens
    from steu.task import ForgetTask
    from steu.unlearning.blind_rows import blind_rows
    from steu.unlearning.erasing import collapse_rows, erase
    from steu.unlearning.leace import leace_edit
    from steu.unlearning.null_edit import null_edit
    from steu.unlearning.peft_adapter import save_peft
    from steu.unlearning.sparse import UnlearnConfig, unlearn
    from steu.unlearning.sparse_edit import SparseEdit

# Imported when first asked for: a name here costs no torch.
_WHERE = {
    "ForgetTask": "steu.task",
    "Origin": "steu.models.origin",
    "SELECTORS": "steu.selection.ranking",
    "SparseEdit": "steu.unlearning.sparse_edit",
    "UnlearnConfig": "steu.unlearning.sparse",
    "blind_rows": "steu.unlearning.blind_rows",
    "collapse_rows": "steu.unlearning.erasing",
    "erase": "steu.unlearning.erasing",
    "evaluate": "steu.experiments.measures",
    "leace_edit": "steu.unlearning.leace",
    "null_edit": "steu.unlearning.null_edit",
    "rank_tokens": "steu.selection.ranking",
    "save_peft": "steu.unlearning.peft_adapter",
    "unlearn": "steu.unlearning.sparse",
}
__all__ = [
    "SELECTORS",
    "ForgetTask",
    "Origin",
    "SparseEdit",
    "UnlearnConfig",
    "blind_rows",
    "collapse_rows",
    "erase",
    "evaluate",
    "leace_edit",
    "null_edit",
    "rank_tokens",
    "save_peft",
    "unlearn",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'steu' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
