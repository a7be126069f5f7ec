from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsl_tracking.errors import DataError
from unsl_tracking.runs.expression import LONGEST, near_names, parse_expression

NAMES = {"x": 3.0, "y": 4.0, "batch_size": 32.0, "model.width": 8.0, "model/hidden-size": 2.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x", 3.0),
        ("1e9", 1e9),
        ("1_000.5", 1000.5),
        (".5 + 2.", 2.5),
        ("2 + 3 * 4", 14.0),
        ("(2 + 3) * 4", 20.0),
        ("10 - 2 - 3", 5.0),
        ("16 / 4 / 2", 2.0),
        ("2 ** 3 ** 2", 512.0),
        ("-x ** 2", -9.0),
        ("2 ** -1", 0.5),
        ("x - -y", 7.0),
        ("+x", 3.0),
        ("6 * batch_size * model.width", 1536.0),
        ("`model/hidden-size` ** 2", 4.0),
        ("sqrt(x * 3) + log(1)", 3.0),
        ("min(x, y, 2) + max(x, y)", 6.0),
        ("log(-1 + 2)", 0.0),
    ],
)
def test_arithmetic_means_what_it_means_on_paper(text: str, value: float) -> None:
    assert parse_expression(text)(NAMES) == pytest.approx(value, rel=1e-15)


def test_names_are_listed_once_in_order() -> None:
    assert parse_expression("y * x + y ** log(x)").names == ("y", "x")


def test_whole_arrays_are_evaluated_at_once() -> None:
    tokens = parse_expression("batch_size * step * 128")
    result = tokens({"batch_size": np.array([8, 16]), "step": [[1], [2], [3]]})
    assert result.shape == (3, 2)
    assert result[2, 1] == 16 * 3 * 128


def test_an_expression_of_numbers_only_needs_no_names() -> None:
    assert float(parse_expression("2 * 3")({})) == 6.0


def test_dividing_by_zero_gives_infinity_without_a_warning() -> None:
    values = parse_expression("x / y + log(z)")({"x": [1.0, 0.0], "y": [0.0, 0.0], "z": [1.0, 0.0]})
    assert values[0] == math.inf and math.isnan(values[1])


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "x y", "1 +", "* 2", "(1", "1)", "()", "log()", "log(1, 2)", "min(x)", "x..y",
        "10k", "1e999", "1__0", "1..2", "x ^ 2", "x % 2", "x // 2", "x; y", "x = 2", "x == y", "`",
        "``", "'x'", "x[0]", "x if y else z", "lambda: 1", "not x", "[1]", "{1}", "a.b.", "x,y",
        "__import__('os').system('true')", "x.__class__()", "().__class__", "f(1)", "sin(x)",
        "eval(x)", "x\ny", "1if x", "0x10", "1j", "True and False",
    ],
)  # fmt: skip
def test_what_is_not_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        parse_expression(text)


def test_an_error_says_where_and_what_to_write() -> None:
    with pytest.raises(DataError, match=r"`2 \* \$`.*character 5.*'\$'.*Write for example"):
        parse_expression("2 * $")


@pytest.mark.parametrize(
    "text",
    ["(" * 200 + "1" + ")" * 200, "-" * 200 + "1", "1**" * 100 + "1", "x" * (LONGEST + 1)],
)
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="may"):
        parse_expression(text)


@pytest.mark.parametrize("text", ["x ** 1000", "x ** -101", "9 ** 9 ** 999"])
def test_powers_are_limited(text: str) -> None:
    with pytest.raises(DataError, match="power"):
        parse_expression(text)


def test_a_long_flat_sum_is_fine() -> None:
    assert parse_expression("+".join(["1"] * 240))({}) == 240


def test_an_unknown_name_is_told_with_its_neighbours() -> None:
    with pytest.raises(DataError, match=r"'batchsize'.*Near it: batch_size"):
        parse_expression("batchsize * 2")({"batch_size": 1, "step": 2})


def test_near_names_lists_a_few_when_nothing_is_near() -> None:
    assert near_names("qqq", ["loss", "accuracy"]) == "Known: loss, accuracy."
    assert near_names("qqq", [f"metric{i}" for i in range(30)]).endswith("and 18 more.")
    assert near_names("qqq", []) == "Nothing is known here."
    assert near_names("LOSS", ["loss", "val_loss"]) == "Near it: loss, val_loss."


@settings(max_examples=150)
@given(st.text(alphabet="xy12.e+-*/(),` _logsqrtminmax[]{}'\"\\%^&!\n", max_size=40))
def test_any_text_is_parsed_or_refused_with_our_error(text: str) -> None:
    try:
        expression = parse_expression(text)
    except DataError:
        return
    expression(dict.fromkeys(expression.names, 2.0))


_numbers = st.floats(0.1, 10).map(lambda x: f"{x:.4g}")
_trees = st.recursive(
    _numbers | st.sampled_from(["x", "y"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda t: f"-{t}"),
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(_trees)
def test_values_agree_with_python(text: str) -> None:
    x, y = 1.7, 2.3
    try:
        expected = eval(text, {"__builtins__": {}}, {"x": x, "y": y})  # noqa: S307 - our own text
    except ZeroDivisionError:
        return
    assert parse_expression(text)({"x": x, "y": y}) == pytest.approx(
        expected, rel=1e-12, nan_ok=True
    )
