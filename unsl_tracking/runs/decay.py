"""Whether the learning rate falls along runs, so that losses on the way are not ends of runs.

A run says it by its logged rate, which counts most, or by params that name the schedule, as
Hugging Face (`lr_scheduler_type`), Lightning, Keras, timm, Megatron and nanoGPT write them. A
schedule that does not know how long its run will be (constant, warm-up, inverse square root) is
none that falls in this sense: a run that ended earlier would have ended where this one passed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from unsl_tracking.runs.names import is_rate, joined_name, plain_name
from unsl_tracking.runs.numbers import read_number
from unsl_tracking.runs.run import Run

FELL_TO: Final = 0.5
"""Of the highest rate, or less: half of it is no warm-up that is still going on."""

# Keys of other things that have schedules (noise, exploration, weight decay) are many, so those of
# rates are listed: `lr_scheduler.name` anywhere, a bare `scheduler` below folders like these.
_FOLDER: Final = (
    r"(train[a-z]*|(model_)?optim[a-z]*|opt|solver|args|arguments|config|cfg|hparams|hp|params)_"
)
_KIND: Final = (
    r"(_(type|name|class|class_name|class_path|target|component|decay_type|kind|style|policy|fn))?$"
)
_SCHEDULE: Final = re.compile(
    rf"(^|_)(lr|learning_rate)_sched(ule|uler)?{_KIND}|^({_FOLDER})*sched(ule|uler)?{_KIND}"
    r"|(^|_)(lr|learning_rate)_(policy|style|strategy)$"
    r"|(^|_)(lr|learning_rate)_(decay|anneal)\w*$|(^|_)(decay|anneal(ing)?)_(lr|learning_rate)$"
)
_OF_LAYERS: Final = re.compile(r"layer")  # `layerwise_lr_decay`: from layer to layer
_FLAT: Final = re.compile(r"constant|const(_|$)|(^|_)fixed(_|$)|plateau|schedule_?free")
# These fall in the same way however long a run is to be.
_ENDLESS: Final = re.compile(r"inverse_?(sqrt|square|time)|inv_sqrt|rsqrt|noam")
_FALLING: Final = re.compile(
    r"cos(ine|$|_)|linear(?!_?(warm|lr))|poly|exp(onential)?(_|$)|one_?cycle|1_?cycle|wsd|trapez"
    r"|(^|_)rex$|tri_?stage|anneal|multi_?step|(^|_)step(_lr|$)|piecewise|decay"
)
_SWITCH: Final = re.compile(r"decay|anneal")
# `lr_decay_iters=None` is a length that was not given, and no switch.
_LENGTH: Final = re.compile(r"(^|_)(iters?|samples?|steps?|epochs?|tokens?|rate|ratio|fraction)$")
_YES: Final = frozenset({"true", "yes", "on"})
_NO: Final = frozenset({"false", "no", "off"})
_LONGEST: Final = 200  # characters looked at: what is longer is a whole config


class Sign(NamedTuple):
    """Whether the rate falls along a run, and what says so: `lr`, `lr_scheduler_type=cosine`.

    `fell_to`: the share of its highest value that the logged rate ended at; None where only a plan
    tells.
    """

    falls: bool
    told_by: str
    fell_to: float | None = None


def sign_of(run: Run, peaks: Mapping[str, float] | None = None) -> Sign | None:
    """What a run says of its learning rate; None where it says nothing.

    `peaks` maps names of logged rates to the highest value each had along this run, for where no
    param says at what rate it was planned to train.
    """
    planned = _planned({**run.config, **run.params})
    if planned is not None and _ENDLESS.search(joined_name(planned.told_by)):
        return planned
    logged = _logged(run, peaks or {}) if run.status == "FINISHED" else None
    return planned if logged is None else logged


def signs(runs: Sequence[Run], peaks: Mapping[str, Mapping[str, float]]) -> dict[str, Sign]:
    """What runs say, by run id; `peaks` as in `sign_of`, by run id."""
    found = {run.id: sign_of(run, peaks.get(run.id)) for run in runs}
    return {name: sign for name, sign in found.items() if sign is not None}


def falls_in(runs: Sequence[Run], told: Mapping[str, Sign]) -> str:
    """What says that the rate falls along most of these runs; empty where it does not.

    Finished runs are asked; only where there are none, the others.
    """
    asked = [run for run in runs if run.status == "FINISHED"] or list(runs)
    falling = [told[run.id] for run in asked if run.id in told and told[run.id].falls]
    return falling[0].told_by if falling and 2 * len(falling) >= len(asked) else ""


def peaks_of(histories: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, float]]:
    """The highest value of every logged rate along every run, by run id and name."""
    peaks: dict[str, dict[str, float]] = {}
    for name, history in histories.items():
        if is_rate(name):
            finite = history[np.isfinite(history["value"])]
            for run, value in finite.groupby("run_id")["value"].max().items():
                peaks.setdefault(str(run), {})[name] = float(value)
    return peaks


def plans_rate(run: Run) -> bool:
    """Whether params or config values say at what one rate the run was to train."""
    return len(set(_rates({**run.config, **run.params}).values())) == 1


def _logged(run: Run, peaks: Mapping[str, float]) -> Sign | None:
    last = _rates(run.metrics)
    if not last:
        return None
    # Of several rates (of layers, of parameter groups) the highest: others may be low throughout.
    name = max(last, key=last.__getitem__)
    start = max(_planned_rate(name, {**run.config, **run.params}), peaks.get(name, 0.0))
    return Sign(last[name] <= FELL_TO * start, name, last[name] / start) if start else None


def _planned_rate(name: str, values: Mapping[str, object]) -> float:
    """The rate that a param of this name or the only one names; 0 where several may be meant."""
    rates = _rates(values)
    same = [rate for key, rate in rates.items() if plain_name(key) == plain_name(name)]
    told = same or (list(rates.values()) if len(set(rates.values())) == 1 else [])
    return max(told, default=0.0)


def _rates(values: Mapping[str, object]) -> dict[str, float]:
    found = {}
    for name, value in values.items():
        if is_rate(name):
            number = read_number(value)
            if number is not None and number >= 0:
                found[name] = number
    return found


def _planned(values: Mapping[str, object]) -> Sign | None:
    """A schedule that is named counts more than a switch or a strength, a flat one most."""
    found: dict[tuple[bool, bool], Sign] = {}
    for key, value in values.items():
        name, text = joined_name(key), str(value)[:_LONGEST]
        named = _named(name, text)
        falls = _switched(name, text) if named is None else named
        if falls is not None:
            sign = Sign(falls, f"{_short(key)}={_short(value)}")
            found.setdefault((named is not None, falls), sign)
    order = [(True, False), (True, True), (False, False), (False, True)]
    return next((found[each] for each in order if each in found), None)


def _named(key: str, value: str) -> bool | None:
    """Whether a key names a schedule that falls (True) or one that does not (False)."""
    text = joined_name(value)
    if read_number(value) is not None or not (_schedules(key) or is_rate(key)):
        return None
    if _ENDLESS.search(text) or (_FLAT.search(text) and "piecewise" not in text):
        return False
    return True if _FALLING.search(text) else None


def _switched(key: str, value: str) -> bool | None:
    """Whether a key turns a decay on or off: `decay_lr=False`, `lr_decay=0.97`."""
    if not _schedules(key) or not _SWITCH.search(key):
        return None
    number, text = read_number(value), joined_name(value)
    if number is not None:  # `lr_decay_iters` says how long a decay takes, `lr_decay` how strong
        return True if "decay" in key and 0 < number != 1 else None
    if _LENGTH.search(key):
        return None
    return True if text in _YES else False if text in _NO else None


def _schedules(key: str) -> bool:
    return bool(_SCHEDULE.search(key)) and not _OF_LAYERS.search(key)


def _short(value: object) -> str:
    """For people; without line breaks and control characters, which come from the runs."""
    text = "".join(c for c in " ".join(str(value).split()) if c.isprintable())
    return text if len(text) <= 40 else text[:39] + "…"
