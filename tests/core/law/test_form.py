"""Forms as data: what their parameters are called, what is refused, and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings

from unsl_tracking.errors import DataError
from unsl_tracking.law import (
    BrokenPowerLaw,
    Ceiling,
    Form,
    ImplicitSigmoid,
    Limit,
    RepeatedData,
    zoo,
)

from .forms import NAMED, any_form, name_of

POWER = BrokenPowerLaw(("n",))


@settings(max_examples=40)
@given(form=any_form)
def test_a_form_survives_json(form: Form) -> None:
    assert Form.from_dict(json.loads(json.dumps(form.to_dict()))) == form


@settings(max_examples=40)
@given(form=any_form)
def test_the_slices_of_the_terms_partition_the_parameter_vector(form: Form) -> None:
    covered = [i for where in form.slices for i in range(where.start, where.stop)]
    assert covered == list(range(len(form.parameters)))
    assert len(form.slices) == len(form.terms)


@settings(max_examples=40)
@given(form=any_form)
def test_names_of_parameters_are_unique_and_each_has_a_meaning(form: Form) -> None:
    names = [p.name for p in form.parameters]
    assert len(set(names)) == len(names)
    assert all(p.meaning for p in form.parameters)
    assert all(p.axis is None or p.axis in form.axes for p in form.parameters)


@pytest.mark.parametrize("form", NAMED, ids=name_of)
def test_named_forms_have_names_of_one_line(form: Form) -> None:
    assert form.name.strip() == form.name != ""
    assert "\n" not in form.name


def test_a_form_is_a_value() -> None:
    assert zoo.chinchilla(["n", "d"]) == zoo.chinchilla(["n", "d"])
    assert hash(zoo.chinchilla(["n", "d"])) == hash(zoo.chinchilla(["n", "d"]))
    assert zoo.chinchilla(["n", "d"]) != zoo.chinchilla(["d", "n"])


def test_parameters_say_which_axes_rise() -> None:
    form = zoo.unsl(["n", "lr"], hyper=["lr"])
    rising = [p for p in form.parameters if p.kind == "rising_exponent"]
    assert [p.axis for p in rising] == ["lr"]


def test_breaks_count_over_all_terms() -> None:
    two = Form("two", ("n", "d"), (BrokenPowerLaw(("n",), 2), BrokenPowerLaw(("d",), 1)))
    assert two.breaks == 3


REFUSED: list[tuple[str, Callable[[], object]]] = [
    ("among the form's", lambda: Form("f", ("d",), (POWER,))),
    ("at least one term in its sum", lambda: Form("f", ("n",), ())),
    ("at least one term in its sum", lambda: Form("f", ("n",), (Limit(), Ceiling()))),
    ("at most one Limit", lambda: Form("f", ("n",), (POWER, Limit(), Limit()))),
    ("at most one Ceiling", lambda: Form("f", ("n",), (POWER, Ceiling(), Ceiling(("n",))))),
    ("stands alone", lambda: Form("f", ("n",), (ImplicitSigmoid(("n",)), Limit()))),
    ("distinct", lambda: Form("f", ("n", "n"), (POWER,))),
    ("distinct", lambda: BrokenPowerLaw(("n", "n"))),
    ("distinct", lambda: RepeatedData(("n", "d", "d"))),
    ("at least one axis", lambda: BrokenPowerLaw(())),
    ("tuple of names", lambda: BrokenPowerLaw(("n", ""))),
    ("rising axes", lambda: BrokenPowerLaw(("n",), rising=("d",))),
    ("integer ≥ 0", lambda: BrokenPowerLaw(("n",), breaks=-1)),
    ("one axis and no breaks", lambda: BrokenPowerLaw(("n", "d"), saturating=True)),
    ("one axis and no breaks", lambda: BrokenPowerLaw(("n",), breaks=1, saturating=True)),
    ("at least one term", lambda: zoo.unsl(["n"], trend=False, bottlenecks=(), ceiling=False)),
    ("one of the axes", lambda: zoo.unsl(["n"], hyper=["lr"])),
    ("among the form's", lambda: zoo.unsl(["n"], overfit=(["epochs"], ["n"]))),
    ("among the form's", lambda: zoo.unsl(["n"], bottlenecks=[["d"]])),
]


@pytest.mark.parametrize(("rule", "make"), REFUSED)
def test_terms_that_make_no_law_are_refused_with_the_rule(
    rule: str, make: Callable[[], object]
) -> None:
    with pytest.raises(DataError, match=rule):
        make()


def _good() -> dict[str, object]:
    power = {"term": "BrokenPowerLaw", "axes": ["n"], "breaks": 1}
    return {"name": "f", "axes": ["n"], "terms": [power, {"term": "Limit"}]}


def test_fields_with_a_default_may_be_left_out() -> None:
    assert Form.from_dict(_good()) == Form("f", ("n",), (BrokenPowerLaw(("n",), 1), Limit()))


@pytest.mark.parametrize(
    "change",
    [
        {"terms": [{"term": "Magic", "axes": ["n"]}]},
        {"terms": [{"term": {}, "axes": ["n"]}]},
        {"terms": [{"axes": ["n"]}]},
        {"terms": [{"term": "BrokenPowerLaw"}]},
        {"terms": [{"term": "BrokenPowerLaw", "axes": ["n"], "colour": "red"}]},
        {"terms": [{"term": "BrokenPowerLaw", "axes": "n"}]},
        {"terms": [{"term": "BrokenPowerLaw", "axes": [1]}]},
        {"terms": [{"term": "BrokenPowerLaw", "axes": ["n"], "breaks": "two"}]},
        {"terms": [{"term": "BrokenPowerLaw", "axes": ["n"], "breaks": 1.5}]},
        {"terms": [{"term": "BrokenPowerLaw", "axes": ["n"], "breaks": True}]},
        {"terms": [{"term": "BrokenPowerLaw", "axes": ["n"], "layer": "attic"}]},
        {"terms": [{"term": "BrokenPowerLaw", "axes": ["n"], "rising": "n"}]},
        {"terms": [{"term": "BrokenPowerLaw", "axes": ["n"], "saturating": "no"}]},
        {"terms": [{"term": "RepeatedData", "axes": ["n"]}]},
        {"terms": [{"term": "ImplicitSigmoid", "axes": []}]},
        {"terms": ["BrokenPowerLaw"]},
        {"terms": "BrokenPowerLaw"},
        {"axes": "n"},
        {"axes": [1]},
        {"axes": ["other"]},
        {"name": 3},
        {"surprise": 1},
    ],
    ids=str,
)
def test_data_that_is_not_a_form_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError):
        Form.from_dict(_good() | change)


@pytest.mark.parametrize("data", [{}, {"name": "f"}, [], None, "f"], ids=str)
def test_something_else_altogether_is_refused_with_the_next_step(data: object) -> None:
    with pytest.raises(DataError, match=r"Form\.to_dict"):
        Form.from_dict(data)


def test_one_axis_needs_no_bottleneck_beside_its_trend() -> None:
    assert len(zoo.unsl(["n"], breaks=1).terms) == 3


def test_an_experiment_that_varies_a_hyperparameter_alone_has_a_law() -> None:
    form = zoo.unsl(["lr"], hyper=["lr"])
    assert [term.axes for term in form.terms] == [("lr",), ("lr",), (), ()]
