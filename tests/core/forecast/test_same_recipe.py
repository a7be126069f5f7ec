from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unsl_tracking.forecast.same_recipe import Settings, pairs, recipes

VALUES = st.one_of(st.floats(-1e6, 1e6), st.sampled_from(["adam", "sgd", "lion"]))
RUNS = st.lists(st.dictionaries(st.sampled_from(["lr", "wd", "opt"]), VALUES), min_size=1)
NAMES = st.sets(st.sampled_from(["lr", "wd", "opt"]))


@given(RUNS, NAMES)
def test_runs_are_of_one_recipe_when_they_agree_on_all_the_names(
    runs: list[Settings], names: set[str]
) -> None:
    same = pairs(recipes(runs, sorted(names)))
    for i, one in enumerate(runs):
        for j, two in enumerate(runs):
            told = [name for name in names if name in one]
            agree = all(one.get(name) == two.get(name) for name in names)
            assert same[i, j] == (i == j or (bool(told) and agree))


def test_runs_that_tell_nothing_are_of_no_known_recipe() -> None:
    assert np.isnan(recipes([{}, {}, {"lr": 1.0}], ["wd"])).all()
    assert np.array_equal(pairs(recipes([{}, {}], ["lr"])), np.eye(2))
