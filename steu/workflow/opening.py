"""Every encoder of a profile is opened once before its run, as its pages will open it.

A folder may lack weights, a tokenizer or a package that it needs, have fewer layers than are asked
for, or a shorter window. The pages would say so one after the other, after hours.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from steu.workflow.profiles import Backbone, Profile


def check_backbones(profile: Profile) -> None:
    """Open all encoders in a process of its own, whose imports and weights go with it.

    Raises
    ------
    ValueError
        As `build_classifier` and `check_window` do.
    """
    windows = [d.max_length or profile.max_length for d in profile.datasets.values()]
    dense = [
        profile.parameters_of("05_baselines", str(seed)).get("last_layers", 1)
        for seed in (profile.seeds if "baselines" in profile.stages else [])
    ]
    quiet = (signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the caller to answer
    spawned = get_context("spawn")
    with ProcessPoolExecutor(1, spawned, signal.signal, quiet) as beside:
        backbones = list(profile.backbones.values())
        beside.submit(open_all, backbones, windows, max(dense, default=0)).result()


def open_all(backbones: Sequence[Backbone], windows: Sequence[int], dense: int = 0) -> None:
    """Open each encoder, and hold these windows against its own, and the layers of dense edits."""
    from steu.data.windows import check_window, model_window  # with PyTorch, which takes seconds
    from steu.models.loading import build_classifier
    from steu.unlearning.dense_edit import last_layers

    for backbone in backbones:
        model, tokenizer = build_classifier(backbone.model, ["a class"], n_layers=backbone.n_layers)
        if dense:
            last_layers(model, dense)
        for window in windows:
            check_window(window, model_window(tokenizer))
