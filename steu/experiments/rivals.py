"""The rivals by name: how each is called at a rate, what it minimises, and whose it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from typing import Any

import numpy as np
import pandas as pd

from steu._errors import check_choice
from steu.experiments.stored import read_trials
from steu.experiments.study import Study, Trained
from steu.experiments.tuning import tune
from steu.task import Edit
from steu.unlearning.baselines import LayerConfig, edit_layers
from steu.unlearning.concept_scrubbing import scrub_layers
from steu.unlearning.dampening import dampen
from steu.unlearning.erasing import erase
from steu.unlearning.influence import influence_edit
from steu.unlearning.leace import leace_edit
from steu.unlearning.lora import RANK, lora_edit
from steu.unlearning.matched_rows import matched_rows
from steu.unlearning.rival_losses import RIVALS as LOSSES
from steu.unlearning.sparse import UnlearnConfig, unlearn

LAYERS_ONLY = "_layers_only"  # ends the name of a rival that leaves the head as it is


@dataclass(frozen=True)
class Setting:
    """What a rival is given beside its rates.

    Attributes
    ----------
    config : LayerConfig
        At its default rates, for rivals that take steps.
    tokens, both_sides : arrays of shape (k,)
        For methods that edit rows: the best by PMI, and those that speak for the class or against
        it.
    n_layers : int
        Last layers of the encoder that dense rivals edit.
    """

    config: LayerConfig
    tokens: np.ndarray
    both_sides: np.ndarray
    n_layers: int


Chosen = tuple[float, float]  # rate, head_rate
Call = tuple[Callable[..., Edit], tuple[Any, ...], dict[str, Any]]  # method, given, settings


@dataclass(frozen=True)
class Rival:
    """One method, for readers and for the search.

    Attributes
    ----------
    call : function of (Setting, rate, head_rate)
    does : str
        What it minimises or computes, in the notation of page 05.
    paper : str
        arXiv number, or where it comes from.
    rates : int
        0: nothing to search; 1: one number; 2: the head's apart from the others.
    dense : bool
        Whether it edits whole layers and the head, so that it can leave the head as it is.
    """

    call: Callable[[Setting, float, float], Call]
    does: str
    paper: str
    rates: int = 2
    dense: bool = True


def _dense(loss: str) -> Callable[[Setting, float, float], Call]:
    def call(setting: Setting, rate: float, head: float) -> Call:
        config = setting.config.faster(rate, head)
        return edit_layers, (loss,), {"config": config, "n_layers": setting.n_layers}

    return call


def _influence(setting: Setting, rate: float, _: float) -> Call:
    return influence_edit, (), {"scale": INFLUENCE * rate, **_at_once(setting)}


def _dampening(setting: Setting, rate: float, _: float) -> Call:
    return dampen, (), {"selection": SELECTION / rate, **_at_once(setting)}


def _at_once(setting: Setting) -> dict[str, Any]:
    """What edits that take no steps need of a setting."""
    config = setting.config
    return {"seed": config.seed, "n_layers": setting.n_layers, "head": config.head != "none"}


def _lora(setting: Setting, rate: float, head: float) -> Call:
    config = setting.config.faster(LORA * rate, head)
    return lora_edit, (), {"config": config, "n_layers": setting.n_layers}


def _rows(setting: Setting, rate: float, _: float) -> Call:
    return matched_rows, (setting.tokens,), {"scale": rate}


def _erasing(setting: Setting, _: float, __: float) -> Call:
    return erase, (setting.both_sides,), {"n_rows": 8, "seed": setting.config.seed}


INFLUENCE = 1.2e-4  # multiple of the whole influence step, far outside of which its expansion holds
SELECTION = 10.0  # α of the dampening, its paper's
LORA = 10.0  # times the rate of whole layers, as is usual for adapters

OURS = "ours; the name is 2603.19302's"  # which does not give the loss

RIVALS = {
    "steu_e": Rival(
        _erasing, "few rows for all k tokens, the head refitted by L-BFGS", "ours", 0, False
    ),
    "direct_suppression": Rival(_dense("direct_suppression"), "BCE(z_f, 0) + L_utility", OURS),
    "gradient_ascent": Rival(_dense("gradient_ascent"), "−BCE(z_f, 1) + L_utility", OURS),
    "influence_weighted": Rival(
        _influence,
        "one step −s (n_f / n) / C · (H + 0.1 mean H)⁻¹ ∇ mean z_f, "
        f"s = {INFLUENCE:g} · rate; 1 would be the influence function's",
        "1703.04730",
        1,
    ),
    "neg_grad_plus": Rival(
        _dense("neg_grad_plus"), "−BCE(z_f, 1) + BCE of the kept pairs", "2302.09880"
    ),
    "scrub": Rival(
        _dense("scrub"),
        "in turns: KL + BCE of the kept pairs, then with −KL(z⁰_f ‖ z_f), in the first "
        f"{LOSSES['scrub'].ascents} epochs but the last",
        "2302.09880",
    ),
    "bad_teacher": Rival(
        _dense("bad_teacher"),
        "KL(z_f to random weights', about ½ for one sigmoid) + KL(the kept to z⁰'s)",
        "2205.08096",
    ),
    "salun": Rival(
        _dense("salun"),
        f"BCE(z_f, 0) + BCE of the kept pairs, {LOSSES['salun'].salient:.0%} of the weights",
        "2310.12508",
    ),
    "ssd": Rival(
        _dampening,
        f"θ · min(I_D / I_f, 1) where I_f > α I_D, α = {SELECTION:g} / rate",
        "2308.07707",
        1,
    ),
    "lora": Rival(_lora, f"STEU's losses; adapters, rank {RANK}, rate × {LORA:g}", "2106.09685"),
    "matched_rows": Rival(
        _rows, "e_t − δ_t c, δ_t by how much more frequent t is", "2606.03695", 1, False
    ),
    "leace": Rival(
        lambda *_: (leace_edit, (), {}), "projection before the head", "2306.03819", 0, False
    ),
    "leace_layers": Rival(
        lambda *_: (scrub_layers, (), {}), "projection after every layer", "2306.03819", 0, False
    ),
}
PAPERS = ("direct_suppression", "gradient_ascent", "influence_weighted")


def rival(name: str) -> Rival:
    """The rival of that name; with `LAYERS_ONLY` at its end it leaves the head as it is.

    Raises
    ------
    ValueError
        If there is none.
    """
    base = name.removesuffix(LAYERS_ONLY)
    check_choice(base, list(RIVALS), what="rival")
    found = RIVALS[base]
    if base == name:
        return found
    if not found.dense:
        raise ValueError(
            f"{base} edits no layers with their head: there is no {name}; leave it out"
        )

    def call(setting: Setting, rate: float, head: float) -> Call:
        alone = replace(setting, config=replace(setting.config, head="none"))
        return found.call(alone, rate, head)

    return replace(found, call=call, does=f"{found.does}; head as it is", rates=1)


def given_to(name: str, setting: Setting) -> dict[str, Any]:
    """What a method that takes no steps is given at a rate of 1, by name; nothing of one that does.

    A method that takes steps has a `LoopConfig`, which says it.
    """
    method, _, given = rival(name).call(setting, 1.0, 1.0)
    if "config" in given:
        return {}
    defaults = {n: one.default for n, one in signature(method).parameters.items()}
    known = {n: value for n, value in defaults.items() if value is not Parameter.empty}
    return {n: value for n, value in (known | given).items() if n != "train"}


def rivals_with(names: Sequence[str]) -> list[str]:
    """STEU-E, the paper's three rivals and those named, each once.

    Raises
    ------
    ValueError
        If one is unknown; the nearest is offered.
    """
    for name in names:
        rival(name)
    return list(dict.fromkeys(["steu_e", *PAPERS, *names]))


def tune_rival(
    study: Study,
    name: str,
    setting: Setting,
    *,
    factors: Sequence[float],
    apart: bool,
    widen: int,
    like: Chosen | None = None,
) -> tuple[Trained, pd.DataFrame]:
    """The rival's best edit by the search of `tune`, with the table of its trials."""
    found = rival(name)

    def train(rate: float, head: float) -> Trained:
        method, given, settings = found.call(setting, rate, head)
        return study.train_edit(method, *given, **settings)

    if not found.rates:  # nothing to search, and so no edge
        made, table = tune(study, [1.0], train)
        return made, table.assign(at_edge=False)
    return tune(study, factors, train, apart=apart and found.rates == 2, widen=widen, like=like)


def tune_rows(
    study: Study,
    token_ids: np.ndarray,
    config: UnlearnConfig,
    *,
    factors: Sequence[float],
    apart: bool,
    widen: int,
    like: Chosen | None = None,
) -> tuple[Trained, pd.DataFrame]:
    """The same for rows of these tokens, none or some, and the part of the head in `config`."""

    def train(rate: float, head: float) -> Trained:
        return study.train_edit(unlearn, token_ids, config.faster(rate, head))

    both = len(token_ids) > 0 and config.head != "none"
    return tune(study, factors, train, apart=apart and both, widen=widen, like=like)


def chosen_in(trials: pd.DataFrame) -> Chosen:
    """The setting that the search of one method chose."""
    rate, head = trials.loc[trials["chosen"], ["rate", "head_rate"]].iloc[0]
    return float(rate), float(head)


def chosen_by(folder: str, study: Study, **settings: Any) -> dict[str, Chosen]:
    """What the searches of another seed chose, by method; "" is none, and everything is searched.

    Raises
    ------
    ValueError
        As `read_trials` does.
    """
    if not folder:
        return {}
    trials = read_trials(folder, study, **settings)
    return {str(name): chosen_in(one) for name, one in trials.groupby("method")}


def rival_table(names: Sequence[str]) -> pd.DataFrame:
    """A row a rival: method, what it does, whose it is."""
    rows = [{"method": n, "does": rival(n).does, "paper": rival(n).paper} for n in names]
    return pd.DataFrame(rows)
