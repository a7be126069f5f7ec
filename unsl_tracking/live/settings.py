"""What was set for a run before it trained, from the params of runs or the columns of a frame."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd

from unsl_tracking.forecast.same_recipe import Settings
from unsl_tracking.runs.detect import is_ignored
from unsl_tracking.runs.grouping import IGNORED_KEYS
from unsl_tracking.runs.numbers import read_number

SETTINGS: Final = "settings"
"""In `attrs` of a frame of siblings: the settings of each by its name, and of `THIS_RUN`."""
THIS_RUN: Final = "this run"
_LONGEST: Final = 100  # characters of a text that is a choice
_NO_VALUES: Final = frozenset({"", "nan", "None", "NaT", "<NA>"})


def chosen(params: Mapping[Any, Any]) -> dict[str, float | str]:
    """The params that belong to a recipe: no seeds, names, paths and long texts."""
    found: dict[str, float | str] = {}
    for name, value in params.items():
        if not isinstance(name, str) or _is_left_out(name):
            continue
        number = read_number(value)
        if number is not None:
            found[name] = number
        elif len(text := str(value)) <= _LONGEST and text not in _NO_VALUES:
            found[name] = text
    return found


@lru_cache(maxsize=4096)
def _is_left_out(name: str) -> bool:
    return is_ignored(name, IGNORED_KEYS)


def settings_of(
    frame: pd.DataFrame, run: str, not_settings: tuple[str, ...] = ()
) -> dict[object, Settings]:
    """Of each run of a frame: as its `attrs` say, else the columns that are constant along runs.

    Columns that cannot be told to be (of lists, or two of one name) are no settings.
    """
    if SETTINGS in frame.attrs:
        return dict(frame.attrs[SETTINGS])
    rows = frame[frame[run].notna()]
    number, runs = pd.factorize(rows[run])
    first = np.unique(number, return_index=True)[1]
    columns = {}
    for name in frame.columns[~frame.columns.duplicated(keep=False)]:
        if not isinstance(name, str) or name in {run, *not_settings} or _is_left_out(name):
            continue
        try:
            code = pd.factorize(rows[name])[0]
        except TypeError:
            continue
        if np.array_equal(code, code[first][number]):
            columns[name] = rows[name].iloc[first].tolist()
    told = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    return dict(zip(runs, map(chosen, told or [{}] * len(runs)), strict=True))
