"""The rows of an edit as an adapter that PEFT loads, its head beside it."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from transformers import PreTrainedModel

from steu._io import atomic_path, check_replaceable
from steu.models.heads import head_name
from steu.unlearning.sparse_edit import SparseEdit

FILES = ("adapter_config.json", "adapter_model.safetensors", "head.safetensors", "README.md")


def save_peft(edit: SparseEdit, folder: str | Path, *, model: PreTrainedModel) -> None:
    """Write a TrainableTokens adapter with the edit's rows, and head.safetensors.

    ``peft.PeftModel.from_pretrained(model, folder)`` then answers with the edited rows; the head's
    values are loaded into the model's own head, bearing the names they have in the model.

    Raises
    ------
    ValueError
        If the edit holds no rows or is another model's, PEFT is not installed, or the folder holds
        anything but an adapter, which would be replaced.
    """
    if not isinstance(edit, SparseEdit):
        raise ValueError(f"an adapter is made of a SparseEdit; found {type(edit).__name__}")
    if hasattr(model, "peft_config"):
        raise ValueError("model bears adapters already; give the plain model, or merge_and_unload")
    if not len(edit.token_ids):
        raise ValueError("an adapter needs at least one row; this edit changes the head alone")
    edit.check_belongs(model)
    try:
        from peft import TrainableTokensConfig
    except ImportError as error:
        raise ValueError("saving as a PEFT adapter needs PEFT: pip install peft") from error
    check_replaceable(folder, FILES)
    table = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is table)
    config = TrainableTokensConfig(
        token_indices=edit.token_ids.tolist(),
        target_modules=[name.rpartition(".")[2]],
        inference_mode=True,
        base_model_name_or_path=model.name_or_path,
    )
    key = f"base_model.model.{name}.trainable_tokens_delta"
    head = {f"{head_name(model)}.{n}": v.cpu().contiguous() for n, v in edit.head.items()}
    with atomic_path(folder) as beside:
        beside.mkdir()
        config.save_pretrained(str(beside))
        save_file({key: edit.rows.cpu().contiguous()}, beside / "adapter_model.safetensors")
        save_file(head, beside / "head.safetensors")
