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
    quiet = (signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the caller to answer
    spawned = get_context("spawn")
    with ProcessPoolExecutor(1, spawned, signal.signal, quiet) as beside:
        beside.submit(open_all, list(profile.backbones.values()), windows).result()


def open_all(backbones: Sequence[Backbone], windows: Sequence[int]) -> None:
    """Open each encoder, and hold these windows against its own."""
    from steu.data.encoding import check_window, model_window  # with PyTorch, which takes seconds
    from steu.models.loading import build_classifier

    for backbone in backbones:
        _, tokenizer = build_classifier(backbone.model, ["a class"], n_layers=backbone.n_layers)
        for window in windows:
            check_window(window, model_window(tokenizer))
