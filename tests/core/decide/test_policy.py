from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from unsl_tracking.decide.policy import _POLICY, GatePolicy, MetricRule, overall
from unsl_tracking.errors import DataError
from unsl_tracking.experiment import find_policy, read_policy

FULL = """
[gate]
tracker = "sqlite:///mlflow.db"
experiment = "ladder"
axes = ["params", "tokens=metric:tokens_seen"]
at = { params = 7e9, tokens = "140B" }
confidence = 0.95
max_decades = 1.5
required_coverage = 0.6
cost = "6*params*tokens/flops"
given = { flops = "4e14" }
group = []
ignore = ["host*"]
filter = "params.optimizer = 'adam'"
recipe = { optimizer = "adam" }

[gate.metrics.val_loss]
target = 2.10
confidence = 0.9

[gate.metrics."eval/toxicity"]
mode = "min"
may_regress = false
tolerance = 0.02
"""


def written(folder: Path, text: str, name: str = "unsl.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_of_a_file_is_read(tmp_path: Path) -> None:
    policy = read_policy(written(tmp_path, FULL))
    assert policy == GatePolicy(
        metrics=(
            MetricRule("val_loss", 2.1, confidence=0.9),
            MetricRule("eval/toxicity", mode="min", may_regress=False, tolerance=0.02),
        ),
        at={"params": 7e9, "tokens": 1.4e11},
        confidence=0.95,
        max_decades=1.5,
        required_coverage=0.6,
        cost="6*params*tokens/flops",
        given={"flops": 4e14},
        tracker="sqlite:///mlflow.db",
        experiment="ladder",
        axes=("params", "tokens=metric:tokens_seen"),
        group=(),
        ignore=("host*",),
        filter="params.optimizer = 'adam'",
        recipe={"optimizer": "adam"},
    )


def test_the_ceiling_of_a_metric_in_percent_is_read(tmp_path: Path) -> None:
    text = "[gate.metrics.acc]\ntarget = 70\nceiling = 100\n"
    (rule,) = read_policy(written(tmp_path, text)).metrics
    assert (rule.target, rule.ceiling) == (70.0, 100.0)


def test_every_field_of_a_policy_can_be_read_from_a_file() -> None:
    assert set(_POLICY) == {field.name for field in fields(GatePolicy)}


def test_a_pyproject_has_it_under_tool_unsl(tmp_path: Path) -> None:
    text = FULL.replace("[gate", "[tool.unsl.gate")
    path = written(tmp_path, f'[project]\nname = "mine"\n{text}', "pyproject.toml")
    assert read_policy(path) == read_policy(written(tmp_path, FULL, "other.toml"))


def test_unsl_toml_is_found_first_then_a_pyproject_with_our_table(tmp_path: Path) -> None:
    assert find_policy(tmp_path) is None
    project = written(tmp_path, '[project]\nname = "mine"\n', "pyproject.toml")
    assert find_policy(tmp_path) is None
    written(tmp_path, "[tool.unsl.gate]\n", "pyproject.toml")
    assert find_policy(tmp_path) == project
    own = written(tmp_path, "[gate]\n")
    assert find_policy(tmp_path) == own


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gate]\nconfidenc = 0.9", "confidence"),
        ("[gate]\nat = { params = -1 }", "above 0"),
        ("[gate]\nat = { params = 'many' }", "is a number"),
        ("[gate]\nat = 7", "is a table"),
        ("[gate]\nconfidence = 2", "between 0.5 and 1"),
        ("[gate]\nconfidence = true", "is a number"),
        ("[gate]\naxes = 'params'", "list of texts"),
        ("[gate]\naxes = [1]", "is a text"),
        ("[gate]\nmax_decades = -1", "max_decades"),
        ("[gate]\nrequired_coverage = 1", "required_coverage"),
        ("[gate]\nmetrics = 3", "is a table"),
        ("[gate.metrics]\nval_loss = 2.1", "is a table"),
        ("[gate.metrics.val_loss]\ntraget = 2.1", "target"),
        ("[gate.metrics.val_loss]\nmode = 'min'", "may_regress"),
        ("[gate.metrics.val_loss]\ntarget = 2\nmode = 'up'", "min or max"),
        ("[gate.metrics.val_loss]\ntarget = 2\ntolerance = 0.1", "may_regress = false"),
        ("[gate.metrics.val_loss]\nmay_regress = 'no'", "true or false"),
        ("[gate.metrics.val_loss]\nmay_regress = false\ntolerance = 1.5", "tolerance"),
        ("[gate]\ncost = '6*'", "In `6*`"),
        ("[gate]\ngiven = { gpus = 8 }", "a cost that names them"),
        ("[gate]\ncost = 'gpus'\ngiven = { gpus = 0 }", "above 0"),
        ("[gates]\n", "gate"),
        ("", "a table [gate]"),
        ("gate = 3", "a table [gate]"),
        ("[gate", "is TOML"),
    ],
)
def test_what_a_file_says_wrong_is_named_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_policy(written(tmp_path, text))
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can be read"):
        read_policy(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("rule", "mode", "expected"),
    [
        ({"target": 2.0}, "min", (2.0, "the target")),
        ({"may_regress": False}, "min", (2.5, "the best run so far")),
        ({"may_regress": False, "tolerance": 0.1}, "min", (2.75, "the best run so far, give")),
        ({"may_regress": False, "tolerance": 0.1}, "max", (2.25, "the best run so far, give")),
        ({"target": 2.0, "may_regress": False}, "min", (2.0, "the target")),
        ({"target": 3.0, "may_regress": False}, "min", (2.5, "the best run so far")),
        ({"target": 2.0, "may_regress": False}, "max", (2.5, "the best run so far")),
        ({"target": 3.0, "may_regress": False}, "max", (3.0, "the target")),
    ],
)
def test_the_bar_is_the_stricter_of_the_target_and_the_best_run_so_far(
    rule: dict[str, Any], mode: Any, expected: tuple[float, str]
) -> None:
    value, what = MetricRule("m", **rule).bar(2.5, mode)
    assert value == pytest.approx(expected[0])
    assert what.startswith(expected[1])


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["GO"], "GO"),
        (["GO", "GO"], "GO"),
        (["GO", "UNDECIDED"], "UNDECIDED"),
        (["UNDECIDED", "NO-GO", "GO"], "NO-GO"),
        ([], "UNDECIDED"),
    ],
)
def test_one_no_go_is_enough_and_all_must_be_go(verdicts: list[Any], expected: str) -> None:
    assert overall(verdicts) == expected
