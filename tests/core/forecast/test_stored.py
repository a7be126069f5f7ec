"""Laws as JSON: exact both ways, and no document is believed that does not fit together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut

from .laws import SMALL, curve, grid_law, max_law, min_law

Make = Callable[[], ut.FittedLaw]
LEVELS = [0.01, 0.1, 0.5, 0.9, 0.99]


def run_law() -> ut.FittedLaw:
    table = curve(20).assign(name=["<b>ü</b>", "b\n\"'"] * 10, count=range(1, 21))
    return ut.fit(table, ["step"], "loss", run="name", forms=SMALL, seed=4)


def ladder_law() -> ut.FittedLaw:
    holes = curve(25).assign(loss=lambda t: t["loss"].where(t.index != 3))
    return ut.fit(holes, ["step"], "loss")


@pytest.mark.parametrize("make", [min_law, max_law, grid_law, run_law, ladder_law])
def test_a_law_survives_json_to_the_last_digit(make: Make) -> None:
    law = make()
    text = law.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    again = ut.FittedLaw.from_json(text)
    assert again.to_json() == text
    at = dict.fromkeys(law.axes, 1e12)
    np.testing.assert_array_equal(
        again.predict(at).quantile(LEVELS), law.predict(at).quantile(LEVELS)
    )
    assert again.warnings == law.warnings
    assert (again.axes, again.value, again.mode, again.run) == (
        law.axes,
        law.value,
        law.mode,
        law.run,
    )
    pd.testing.assert_frame_equal(again.data, law.data, check_dtype=False)
    assert str(again.summary()) == str(law.summary())


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "5", '"law"', "{}", "[" * 100_000, '{"schema": "unsl-law/1"}'],
    ids=lambda text: text[:12],
)
def test_what_is_no_law_is_refused(text: str) -> None:
    with pytest.raises(ut.DataError):
        ut.FittedLaw.from_json(text)


def test_another_schema_is_named() -> None:
    text = min_law().to_json().replace("unsl-law/1", "unsl-law/99")
    with pytest.raises(ut.DataError, match="unsl-law/99"):
        ut.FittedLaw.from_json(text)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(constant: str) -> None:
    document = json.loads(min_law().to_json())
    document["mixture"]["members"][0]["theta"][0] = 12345.5
    text = json.dumps(document).replace("12345.5", constant)
    with pytest.raises(ut.DataError):
        ut.FittedLaw.from_json(text)


PARTS: list[tuple[Any, ...]] = [(name,) for name in json.loads(min_law().to_json())]
PARTS += [("mixture", name) for name in json.loads(min_law().to_json())["mixture"]]
PARTS += [
    ("mixture", "members", 0, name)
    for name in json.loads(min_law().to_json())["mixture"]["members"][0]
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: ".".join(map(str, part)))
def test_a_law_without_one_of_its_parts_is_refused(part: tuple[Any, ...]) -> None:
    document = json.loads(min_law().to_json())
    within = document
    for name in part[:-1]:
        within = within[name]
    del within[part[-1]]
    with pytest.raises(ut.DataError):
        ut.FittedLaw.from_json(json.dumps(document))


@pytest.mark.parametrize("bad", ["x", None, [], {}, -5, [[1]], True], ids=repr)
@pytest.mark.parametrize("part", PARTS, ids=lambda part: ".".join(map(str, part)))
def test_a_law_with_one_part_changed_is_refused_or_harmless(
    part: tuple[Any, ...], bad: object
) -> None:
    document = json.loads(min_law().to_json())
    within = document
    for name in part[:-1]:
        within = within[name]
    within[part[-1]] = bad
    try:
        forecast = ut.FittedLaw.from_json(json.dumps(document)).predict({"step": 1e6})
    except ut.DataError:
        return
    assert np.isfinite(forecast.quantile(LEVELS)).all()


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.5, -0.5], [0.0, 0.0]], ids=str)
def test_weights_that_are_no_shares_are_refused(weights: list[float]) -> None:
    document = json.loads(min_law().to_json())
    members = document["mixture"]["members"]
    document["mixture"]["members"] = [dict(members[0], weight=w) for w in weights]
    with pytest.raises(ut.DataError, match="weights"):
        ut.FittedLaw.from_json(json.dumps(document))
