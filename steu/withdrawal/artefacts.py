"""What a withdrawal leaves: edit, inverse, adapter and edited model; and their proof."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import steu
from steu._io import atomic_path, files_below, read_json, sha256
from steu.models.checks import embedding_of
from steu.models.heads import head_name
from steu.models.loading import load_classifier, load_tokenizer
from steu.models.origin import Origin
from steu.models.outputs import labels_of
from steu.models.pooling import reads_plainly
from steu.models.serialisation import FACTS, TENSORS, read_tensors
from steu.models.sources import weights_files
from steu.models.weights import check_tokenizer, tokenizer_hash, weights_hash
from steu.unlearning.peft_adapter import save_peft
from steu.unlearning.sparse_edit import SparseEdit
from steu.withdrawal.weight_files import compare, left_out, write_edited

EDIT, INVERSE, ADAPTER, MODEL = "edit", "inverse", "adapter", "model"
SHOWN = ("base", "withdrawn", "method", "steu", "before", "after", "tokenizer")
UNDONE = {"edit": "applied", "inverse": "reverted"}

CARD = """\
---
library_name: steu
base_model: {base}
---
# Withdrawal of {labels}

{n_rows} rows of the token embedding and {n_head} values of the head of `{base}`, made so that it
should no longer predict {labels}, by {method}, `steu` {version}. Whether it does, what it holds all
the same and what it cost stands in decision.html beside this folder.

It belongs to the model whose weights have the SHA-256 `{model}` and to no other.

```bash
steu edit show {place}
steu edit apply {place} --model {quoted} --output EDITED
steu edit revert {place} --model EDITED --output RESTORED
```

The values were learned from documents. If these are under an agreement, so is this folder: treat it
as derived from them, and do not pass it on where they may not go.
"""


def names_in_files(model: PreTrainedModel) -> dict[str, Any]:
    """What the model's files call its token embedding and the parameters of its head."""
    table = embedding_of(model).weight
    embedding = next(name for name, own in model.named_parameters() if own is table)
    start = head_name(model)
    own = dict(model.get_submodule(start).named_parameters())
    return {"embedding": embedding, "head": {name: f"{start}.{name}" for name in own}}


def write_artefacts(
    folder: Path,
    edit: SparseEdit,
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    base: str,
    labels: Sequence[str],
    method: str,
) -> dict[str, Any]:
    """Write edit, inverse, adapter and edited model below `folder`; say what they are.

    The edited model is read back and proven to differ from `base` in the edit alone.
    """
    names = names_in_files(model)
    with atomic_path(folder / MODEL) as beside:
        write_edited(weights_files(base), beside, edit, **names)
    edited, _ = load_classifier(folder / MODEL)
    proof = compare(weights_files(base), weights_files(str(folder / MODEL)), edit, **names)
    facts: dict[str, Any] = {
        "base": base,
        "withdrawn": list(labels),
        "method": method,
        "steu": steu.__version__,
        "tokenizer": tokenizer_hash(tokenizer),
        "before": weights_hash(model),
        "after": weights_hash(edited),
        **names,
    }
    if len(edit.token_ids):
        save_peft(edit, folder / ADAPTER, model=model)
        facts["adapter"] = {path.name: sha256(path) for path in files_below(folder / ADAPTER)}
    back = SparseEdit.identity(model, edit.token_ids)
    inverse = replace(back, head={name: back.head[name] for name in edit.head})
    for name, one, where in ((EDIT, edit, "before"), (INVERSE, inverse, "after")):
        origin = Origin(facts[where], facts["tokenizer"], labels_of(model))
        replace(one, origin=origin).save_pretrained(folder / name, **facts, kind=name)
    card = CARD.format(
        base=base,
        labels=", ".join(labels),
        method=method,
        n_rows=proof["rows"],
        n_head=proof["head"],
        version=steu.__version__,
        model=facts["before"],
        place=shlex.quote(str(folder)),
        quoted=shlex.quote(base),
    )
    (folder / EDIT / "README.md").write_text(card, encoding="utf-8")
    stored = sum(path.stat().st_size for path in (folder / EDIT).iterdir())
    return facts | {
        "rows": len(edit.token_ids),
        "different_rows": len(torch.unique(edit.rows, dim=0)) if len(edit.rows) else 0,
        "proof": proof,
        "left_out": left_out(weights_files(base)),
        "plain": reads_plainly(model),
        "bytes": stored,
        "edit_sha256": sha256(folder / EDIT / TENSORS),
        "inverse_sha256": sha256(folder / INVERSE / TENSORS),
    }


def edit_folder(folder: str | Path, kind: str = EDIT) -> Path:
    """The edit's own folder, given it or the folder of its withdrawal.

    Raises
    ------
    ValueError
        If there is none.
    """
    whole = Path(folder).resolve()  # "." has no name
    beside = [whole.parent / kind] if whole.is_dir() and whole.name in (EDIT, INVERSE) else []
    for place in (whole / kind, whole, *beside):
        if (place / FACTS).is_file() and _kind_of(place) == kind:
            return place
    raise ValueError(
        f"{folder} holds no {kind}; give the folder that steu withdraw wrote, or the {kind} in it"
    )


def _kind_of(place: Path) -> str:
    """Edit or inverse: what its facts say, for a folder may have been given another name."""
    facts = read_json(place / FACTS)
    told = facts.get("kind") if isinstance(facts, dict) else None
    kinds = [one for one in (told, place.name) if one in (EDIT, INVERSE)]
    return kinds[0] if kinds else EDIT  # as one that was saved in Python


def show(folder: str | Path) -> dict[str, Any]:
    """What an edit is: its facts, numbers of rows and head values, and its digest."""
    place = edit_folder(folder)
    tensors, facts = _read(place)
    head = {name: list(v.shape) for name, v in tensors.items() if name.startswith("head.")}
    return {name: facts[name] for name in SHOWN} | {
        "rows": list(tensors["rows"].shape),
        "head": head,
        "sha256": sha256(place / TENSORS),
    }


def verify(folder: str | Path, *, model: str, edited: str | None = None) -> dict[str, int]:
    """Prove that an edited model differs from `model` in exactly the edit; see `compare`.

    The adapter beside the edit, if it was not taken away, is proven by its files.

    Raises
    ------
    ValueError
        If it does not, the edit's files or the adapter's were altered, `model` is not the one that
        the edit was made for, or the tokenizers are not the edit's.
    """
    place = edit_folder(folder)
    tensors, facts = _read(place)
    _check_adapter(place.parent / ADAPTER, facts)
    edit, other = SparseEdit.of_tensors(tensors), edited or str(place.parent / MODEL)
    if not edited and not Path(other).is_dir():
        raise ValueError(f"no edited model lies in {other}, beside the edit: name it with --edited")
    for name in (model, other):
        check_tokenizer(facts["tokenizer"], load_tokenizer(name), name=name)
    found, _ = load_classifier(model)
    known = weights_hash(found)
    if known != facts["before"]:
        what = "has the edit in it" if known == facts["after"] else "is another model"
        raise ValueError(f"{model} {what}; name the model that the edit was made for, without it")
    _check_outputs(found, facts, name=str(place))
    before, after = weights_files(model), weights_files(other)
    _check_configs(*(files[0].with_name("config.json") for files in (before, after)))
    names = {"embedding": facts["embedding"], "head": facts["head"]}
    return compare(before, after, edit, **names)


def _check_adapter(folder: Path, facts: Mapping[str, Any]) -> None:
    for name, digest in facts.get("adapter", {}).items() if folder.is_dir() else ():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            raise ValueError(
                f"{folder / name} is not the file that the edit came with: it was altered; take a "
                "sound copy, or write the adapter again with steu.save_peft"
            )


def _check_configs(before: Path, after: Path) -> None:
    """Refuse another name of an output, another kind of outputs, or whatever else differs."""
    old, new = read_json(before), read_json(after)
    odd = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if odd:
        raise ValueError(f"{after} says another {odd[0]!r} than {before}: they are not one model")


def apply(folder: str | Path, *, model: str, output: str | Path, kind: str = EDIT) -> Path:
    """Write the model with the edit in it, or, of kind "inverse", without it again.

    Raises
    ------
    ValueError
        If the edit is for another model or tokenizer, is applied already or not applied, or
        `output` exists.
    """
    output = Path(output)
    if output.exists():
        raise ValueError(f"{output} exists; name another output folder")
    tensors, facts = _read(edit_folder(folder, kind))
    edit = SparseEdit.of_tensors(tensors)
    found, tokenizer = load_classifier(model)
    check_tokenizer(facts["tokenizer"], tokenizer, name=model)
    before, after = ("before", "after") if kind == EDIT else ("after", "before")
    _check_model(weights_hash(found), facts[before], facts[after], name=model, kind=kind)
    _check_outputs(found, facts, name=str(folder))
    names = {"embedding": facts["embedding"], "head": facts["head"]}
    with atomic_path(output) as beside:
        write_edited(weights_files(model), beside, edit, **names)
        made = weights_hash(load_classifier(beside)[0])
        if made != facts[after]:
            raise ValueError(f"{output} did not come out as {facts[after][:12]}…: nothing written")
    return output


def _read(place: Path) -> tuple[dict[str, torch.Tensor], Mapping[str, Any]]:
    """Tensors and facts of an edit that a withdrawal delivered.

    Raises
    ------
    ValueError
        If it was altered or saved in Python, or does not say or hold all that one does.
    """
    tensors, facts = read_tensors(place)
    if "withdrawn" not in facts:
        raise ValueError(
            f"{place} was saved in Python, and not by steu withdraw: it does not say what it does "
            "to which model; attach it with steu.SparseEdit.from_pretrained"
        )
    lacking = [name for name in (*SHOWN, "embedding", "head") if name not in facts]
    if lacking or not SparseEdit.made_of(tensors):
        what = f"does not say its {lacking[0]!r}" if lacking else "holds no rows"
        raise ValueError(
            f"{place} {what}, so it is not, or not all, of what steu withdraw wrote: take a sound "
            "copy of that folder"
        )
    return tensors, facts


def _check_outputs(found: PreTrainedModel, facts: Mapping[str, Any], *, name: str) -> None:
    """Refuse a model with the same weights whose outputs stand in another order."""
    own = Origin(facts["model"], facts["tokenizer"], tuple(facts["labels"]))
    own.check_outputs(labels_of(found), name=name)


def _check_model(found: str, wanted: str, result: str, *, name: str, kind: str) -> None:
    if found == wanted:
        return
    if found == result:
        raise ValueError(f"{name}: the edit is {UNDONE[kind]} already; nothing is left to do")
    other = "undo later edits first, the last one first" if kind == INVERSE else "name that one"
    raise ValueError(
        f"the {kind} belongs to a model with weights {wanted[:12]}…; those of {name} are "
        f"{found[:12]}…: {other}"
    )
