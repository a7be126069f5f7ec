from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsl_tracking.errors import AxisError
from unsl_tracking.runs import Axis, as_axes, family_of, kind_of, read_number
from unsl_tracking.runs.axes import place_of
from unsl_tracking.runs.names import plain_name


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7e9", 7e9),
        ("1_000", 1000.0),
        (" 125M ", 125e6),
        ("1.3B", 1.3e9),
        ("1.3 b", 1.3e9),
        ("10k", 1e4),
        ("2G", 2e9),
        ("1.5T", 1.5e12),
        ("-3", -3.0),
        ("+.5", 0.5),
        ("1.", 1.0),
        ("1E-3", 1e-3),
        (64, 64.0),
        (0.1, 0.1),
        (np.int64(7), 7.0),
        (np.float32(0.5), 0.5),
    ],
)
def test_numbers_are_read_as_people_write_them(text: object, number: float) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize(
    "value",
    [
        "nan", "inf", "-inf", "NaN", "Infinity", "True", "false", True, np.True_, None, "", " ",
        "M", ".", "e5", "1,000", "5%", "1e400", "1e308k", 10**400, math.nan, math.inf, "0x10",
        "1__0", "_1", "1 2", "1.2.3", "12px", "3 Mb", "٣", [1], {"a": 1}, b"1", "1" * 65, "1\n2",
    ],
)  # fmt: skip
def test_what_is_no_finite_number_is_not_read(value: object) -> None:
    assert read_number(value) is None


@settings(max_examples=80)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_finite_float_is_read_from_its_own_text(number: float) -> None:
    assert read_number(repr(number)) == number
    assert read_number(number) == number


@settings(max_examples=80)
@given(st.text(max_size=80))
def test_any_text_is_a_finite_number_or_none(text: str) -> None:
    number = read_number(text)
    assert number is None or math.isfinite(number)


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("params", Axis("params")),
        ("model.hidden_dim", Axis("model.hidden_dim")),
        ("model/hidden-size", Axis("model/hidden-size")),
        ("tokens=metric:tokens_seen", Axis("tokens", "metric:tokens_seen")),
        (" tokens = metric:tokens seen ", Axis("tokens", "metric:tokens seen")),
        ("lr=param:opt.lr", Axis("lr", "param:opt.lr", "hyper")),
        ("width[hyper]=param:d_model", Axis("width", "param:d_model", "hyper")),
        ("iteration=step", Axis("iteration", "step")),
        ("tokens=batch_size * step", Axis("tokens", "batch_size * step")),
        ("tokens=expr:batch_size*step", Axis("tokens", "expr:batch_size*step")),
        ("batch_size * step", Axis("batch_size * step", "expr:batch_size * step")),
        ("x = param:a=b", Axis("x", "param:a=b")),
    ],
)
def test_axes_are_parsed_as_on_a_command_line(text: str, axis: Axis) -> None:
    assert Axis.parse(text) == axis


@pytest.mark.parametrize(
    "text", ["", "  ", "=x", "x=", "x=1 +", "a=import os", "x[speed]=param:y", "count", "run_id=x"]
)
def test_axes_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(AxisError):
        Axis.parse(text)


def test_an_axis_error_names_the_axis_and_the_place() -> None:
    with pytest.raises(AxisError, match=r"axis `tokens` cannot be read.*character 5"):
        Axis("tokens", "expr:2 * $")


def test_axes_are_given_as_one_text_or_many_things() -> None:
    assert as_axes("params") == (Axis("params"),)
    assert as_axes(["params", Axis("tokens", "step")]) == (Axis("params"), Axis("tokens", "step"))


@pytest.mark.parametrize("axes", [[], ["params", "params"], ["n=param:a", "n=param:b"]])
def test_no_axes_and_repeated_names_are_refused(axes: list[str]) -> None:
    with pytest.raises(AxisError):
        as_axes(axes)


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("param:lr", ("param", "lr")),
        ("tag:a:b", ("tag", "a:b")),
        ("step", ("step", "")),
        ("lr", None),
        ("param:", None),
        ("expr:x", None),
        ("step:x", None),
    ],
)
def test_places_are_told_from_arithmetic(source: str, place: object) -> None:
    assert place_of(source) == place


def test_a_kind_needs_no_source() -> None:
    axis = Axis.parse(" width[hyper] ")
    assert (axis.name, axis.source, axis.kind) == ("width", None, "hyper")


def test_brackets_with_anything_else_belong_to_the_name() -> None:
    assert Axis.parse("layers[0]").name == "layers[0]"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("params", "scale"), ("n_params", "scale"), ("model.numParams", "scale"),
        ("width", "scale"), ("tokens", "scale"), ("steps", "scale"), ("samples", "scale"),
        ("dataset_size", "scale"), ("flops", "scale"), ("anything", "scale"),
        ("lr", "hyper"), ("optimizer/learning_rate", "hyper"), ("batch_size", "hyper"),
        ("per_device_train_batch_size", "hyper"), ("weight-decay", "hyper"),
        ("attention_dropout", "hyper"), ("warmup_steps", "hyper"), ("epochs", "repeat"),
        ("train/epoch", "repeat"), ("num_train_epochs", "repeat"),
    ],
)  # fmt: skip
def test_the_kind_of_an_axis_is_guessed_from_its_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind == Axis(name).kind


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("non_embedding_params", "size"), ("d_model", "shape"), ("hiddenSize", "shape"),
        ("n_layers", "shape"), ("unique_tokens", "data"), ("train/tokens_seen", "progress"),
        ("num_input_tokens_seen", "progress"), ("max_steps", "progress"), ("epoch", "repeats"),
        ("total_flops", "compute"), ("runtime", "clock"), ("batch_tokens", "hyper"),
        ("accuracy", "other"),
    ],
)  # fmt: skip
def test_names_belong_to_families(name: str, family: str) -> None:
    assert family_of(name) == family


def test_plain_names_lose_folders_and_camel_case() -> None:
    assert plain_name("trainer.model/hiddenSize") == "hidden_size"
    assert plain_name("Weight-Decay ") == "weight_decay"
    assert plain_name("/") == ""
