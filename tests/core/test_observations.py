from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsl_tracking.errors import AxisError, DataError, NotFound
from unsl_tracking.runs import Axis, Dropped, Observations, Run, empty_history, observe

Rows = Sequence[tuple[float, int, int]]  # (value, step, timestamp)


def history(logged: Mapping[str, Rows | Mapping[str, Rows]], metric: str = "loss") -> pd.DataFrame:
    """A history frame from {run: rows} or {run: {metric: rows}}."""
    flat = [
        (run, name, step, timestamp, value)
        for run, metrics in logged.items()
        for name, rows in (metrics if isinstance(metrics, Mapping) else {metric: metrics}).items()
        for value, step, timestamp in rows
    ]
    columns = ["run_id", "metric", "step", "timestamp", "value"]
    return pd.DataFrame(flat, columns=columns)


def curve(*values: float, first: int = 1) -> list[tuple[float, int, int]]:
    return [(value, first + i, 1000 + i) for i, value in enumerate(values)]


def two_runs() -> list[Run]:
    return [Run(id="a", params={"params": "1e6"}), Run(id="b", params={"params": "4M"})]


def values(seen: Observations, run: str) -> list[float]:
    return seen.frame.loc[seen.frame["run_id"] == run, seen.metric].tolist()


def test_the_frame_is_tidy() -> None:
    seen = observe(two_runs(), history({"a": curve(3.0, 2.0), "b": curve(2.5, 1.5)}), "loss")
    assert list(seen.frame.columns) == ["run_id", "group", "params", "step", "loss", "count"]
    expected = pd.DataFrame(
        {
            "run_id": ["a", "a", "b", "b"],
            "group": ["all runs"] * 4,
            "params": [1e6, 1e6, 4e6, 4e6],
            "step": [1.0, 2.0, 1.0, 2.0],
            "loss": [3.0, 2.0, 2.5, 1.5],
            "count": [1, 1, 1, 1],
        }
    )
    pd.testing.assert_frame_equal(seen.frame, expected.astype({"run_id": object, "group": object}))
    assert seen.dropped == () and seen.notes == ()


def test_the_step_column_is_there_even_when_it_is_no_axis() -> None:
    seen = observe(two_runs(), history({"a": curve(3.0), "b": curve(2.5)}), "loss")
    assert list(seen.frame.columns) == ["run_id", "group", "params", "loss", "step", "count"]


def test_a_derived_axis_is_evaluated_for_every_row() -> None:
    runs = [Run(id="a", params={"batch": "32", "model/len": "128"})]
    axes = ["tokens=batch * step * `model/len`"]
    seen = observe(runs, history({"a": curve(3.0, 2.0, 1.5)}), "loss", axes=axes)
    assert seen.frame["tokens"].tolist() == [4096.0, 8192.0, 12288.0]


def test_axes_come_from_params_config_tags_metrics_and_step() -> None:
    runs = [
        Run(
            id=name,
            params={"p": str(i)},
            config={"model.depth": 2 * i},
            tags={"t": f"{3 * i}"},
        )
        for i, name in enumerate("abc", start=1)
    ]
    logged = {r.id: {"loss": curve(3.0, 2.0), "seen": curve(8.0, 16.0)} for r in runs}
    axes: list[str | Axis] = ["p", "depth=config:model.depth", Axis("t", "tag:t"), "seen", "step"]
    seen = observe(runs, history(logged), "loss", axes=axes)
    first = seen.frame[seen.frame["run_id"] == "b"].iloc[0]
    assert first[["p", "depth", "t", "seen", "step"]].tolist() == [2, 4, 6, 8, 1]


def test_a_bare_name_is_looked_for_in_params_first() -> None:
    runs = [Run(id=n, params={"x": "1e3" if n == "a" else "2e3"}, tags={"x": "5"}) for n in "ab"]
    seen = observe(runs, history({"a": curve(1.0), "b": curve(2.0)}), "loss", axes="x")
    assert seen.frame["x"].tolist() == [1e3, 2e3]


def test_a_metric_axis_is_drawn_between_its_own_steps() -> None:
    logged = {
        "a": {
            "loss": [(3.0, 5, 5), (2.0, 10, 10), (1.5, 25, 25), (1.2, 32, 32), (1.0, 90, 90)],
            "tokens": [(100.0, 10, 10), (200.0, 20, 20), (300.0, 30, 30)],
        }
    }
    seen = observe([Run(id="a")], history(logged), "loss", axes=["tokens"])
    assert seen.frame["tokens"].tolist() == pytest.approx([50.0, 100.0, 250.0, 320.0])
    assert seen.dropped == (Dropped("a", "axis `tokens`: no value at this step", 1),)


# --- bad input -----------------------------------------------------------------------------------


def test_no_runs_is_an_empty_experiment() -> None:
    with pytest.raises(DataError, match="empty experiment"):
        observe([], empty_history(), "loss")


def test_an_unknown_metric_is_told_with_its_neighbours() -> None:
    runs = [Run(id="a", metrics={"val_loss": 1.0, "train_loss": 2.0})]
    with pytest.raises(NotFound, match=r"'val_los'.*val_loss"):
        observe(runs, empty_history(), "val_los")


def test_a_single_measurement_is_not_enough() -> None:
    with pytest.raises(DataError, match="several points"):
        observe(two_runs(), history({"a": curve(3.0)}), "loss")


def test_no_usable_axis_lists_the_candidates_and_why_not() -> None:
    runs = [Run(id=n, params={"params": "1e6", "lr": lr}) for n, lr in (("a", "1"), ("b", "9"))]
    with pytest.raises(AxisError, match=r"factor of two.*params \(is 1e\+06 throughout\).*lr"):
        observe(runs, history({"a": curve(3.0), "b": curve(2.0)}), "loss")


def test_an_axis_that_is_the_same_everywhere_is_refused() -> None:
    runs = [Run(id=n, params={"width": "64"}) for n in "ab"]
    with pytest.raises(AxisError, match=r"`width` is the same on all 2 rows.*64"):
        observe(runs, history({"a": curve(3.0), "b": curve(2.0)}), "loss", axes=["width"])


def test_an_unknown_axis_is_told_with_its_neighbours() -> None:
    frame = history({"a": curve(3.0), "b": curve(2.0)})
    with pytest.raises(AxisError, match=r"'parms'.*Near it: params"):
        observe(two_runs(), frame, "loss", axes=["parms"])
    with pytest.raises(AxisError, match=r"'prams'.*Near it: params"):
        observe(two_runs(), frame, "loss", axes=["n=param:prams"])
    with pytest.raises(AxisError, match=r"'prams'.*Near it: params"):
        observe(two_runs(), frame, "loss", axes=["n=2 * prams"])


def test_a_metric_axis_that_was_not_read_says_so() -> None:
    runs = [Run(id="a", metrics={"loss": 1.0, "tokens": 5.0})]
    with pytest.raises(AxisError, match="history was not read"):
        observe(runs, history({"a": curve(3.0, 2.0)}), "loss", axes=["tokens"])


def test_the_metric_cannot_be_its_own_axis() -> None:
    with pytest.raises(AxisError):
        observe(two_runs(), history({"a": curve(3.0), "b": curve(2.0)}), "loss", axes=["loss"])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (math.nan, "the value is NaN"),
        (math.inf, "the value is inf"),
        (-math.inf, "the value is -inf"),
        (0.0, "the value is 0 or below, and the law needs its logarithm"),
        (-1.0, "the value is 0 or below, and the law needs its logarithm"),
    ],
)
def test_values_that_no_law_can_take_are_left_out_and_reported(bad: float, reason: str) -> None:
    frame = history({"a": curve(3.0, bad, 2.0, bad), "b": curve(2.0, 1.0)})
    seen = observe(two_runs(), frame, "loss")
    assert values(seen, "a") == [3.0, 2.0]
    assert seen.dropped == (Dropped("a", reason, 2),)


def test_a_metric_without_any_usable_value_is_refused_with_what_was_there() -> None:
    frame = history({"a": curve(math.nan, -3.0), "b": curve(-1.0)})
    with pytest.raises(DataError, match=r'NaN.*0 or below.*mode="max"'):
        observe(two_runs(), frame, "loss")


def test_when_higher_is_better_zero_counts_and_the_ceiling_does_not() -> None:
    frame = history({"a": curve(0.0, 0.5, 1.0), "b": curve(0.2, 0.9)})
    seen = observe(two_runs(), frame, "loss", mode="max")
    assert values(seen, "a") == [0.0, 0.5]
    assert "1 or above" in seen.dropped[0].reason


def test_when_higher_is_better_a_ceiling_can_be_given_and_is_not_guessed_for_scores() -> None:
    frame = history({"a": curve(20.0, 35.0), "b": curve(30.0, 40.0)})
    assert len(observe(two_runs(), frame, "loss", mode="max").frame) == 4
    assert len(observe(two_runs(), frame, "loss", mode="max", ceiling=40.0).frame) == 3


def test_text_where_a_number_belongs_is_reported_for_that_run() -> None:
    runs = [*two_runs(), Run(id="c", params={"params": "<b>large</b>"})]
    frame = history({name: curve(3.0, 2.0) for name in "abc"})
    seen = observe(runs, frame, "loss")
    assert set(seen.frame["run_id"]) == {"a", "b"}
    reason = "axis `params`: param `params` is '<b>large</b>', which is no number"
    assert seen.dropped == (Dropped("c", reason, 2),)


def test_an_axis_missing_on_some_runs_is_reported_for_these() -> None:
    runs = [*two_runs(), Run(id="c")]
    seen = observe(runs, history({name: curve(3.0, 2.0) for name in "abc"}), "loss")
    assert seen.dropped == (Dropped("c", "axis `params`: param `params` is missing", 2),)


def test_axes_missing_on_all_runs_are_refused_with_the_reasons() -> None:
    runs = [Run(id="a", params={"x": "1"}), Run(id="b", params={"y": "2"})]
    with pytest.raises(AxisError, match=r"every axis \(x, y\).*`y` is missing"):
        observe(runs, history({"a": curve(1.0), "b": curve(2.0)}), "loss", axes=["x", "y"])


def test_axis_values_of_zero_and_below_are_left_out_and_reported() -> None:
    frame = history({"a": curve(4.0, 3.0, 2.0, first=0), "b": curve(2.0, 1.0)})
    seen = observe(two_runs(), frame, "loss")
    assert values(seen, "a") == [3.0, 2.0]
    assert [(each.run_id, each.rows) for each in seen.dropped] == [("a", 1)]
    assert "axis `step`: the value is 0 or below" in seen.dropped[0].reason


def test_a_run_that_never_logged_the_metric_is_reported() -> None:
    runs = [*two_runs(), Run(id="c", params={"params": "3e6"})]
    seen = observe(runs, history({"a": curve(3.0, 2.0), "b": curve(2.0, 1.0)}), "loss")
    assert seen.dropped == (Dropped("c", "`loss` was never logged", 0),)


def test_a_resumed_run_keeps_the_later_of_the_steps_logged_again() -> None:
    rows = [(9.0, 1, 10), (8.0, 2, 20), (7.0, 3, 30), (6.0, 4, 40), (7.5, 2, 50), (6.5, 3, 60)]
    seen = observe(two_runs(), history({"a": rows, "b": curve(2.0, 1.0)}), "loss")
    assert values(seen, "a") == [9.0, 7.5, 6.5, 6.0]
    assert seen.dropped == (Dropped("a", "logged again later at the same step", 2),)
    assert "1 run logged steps again" in seen.notes[0]


def test_rows_out_of_order_are_put_in_order_of_the_step() -> None:
    rows = [(7.0, 3, 10), (9.0, 1, 20), (8.0, 2, 30)]
    seen = observe(two_runs(), history({"a": rows, "b": curve(2.0, 1.0)}), "loss")
    assert values(seen, "a") == [9.0, 8.0, 7.0]
    assert seen.dropped == ()


def test_the_same_row_twice_counts_once_and_is_reported() -> None:
    rows = curve(3.0, 2.0)
    seen = observe(two_runs(), history({"a": rows + rows, "b": rows}), "loss")
    assert values(seen, "a") == [3.0, 2.0]
    assert seen.dropped == (Dropped("a", "the same row twice", 2),)


def test_when_all_rows_stand_at_step_zero_their_time_is_the_order() -> None:
    logged = {
        "a": [(1.0, 0, 30), (3.0, 0, 10), (2.0, 0, 20)],
        "b": [(2.5, 0, 1), (1.5, 0, 2), (1.4, 0, 3)],
    }
    seen = observe(two_runs(), history(logged), "loss")
    assert values(seen, "a") == [3.0, 2.0, 1.0]
    assert seen.frame["step"].tolist() == [1, 2, 3, 1, 2, 3]
    assert "order in time" in seen.notes[0]


def test_without_steps_and_times_the_order_of_the_rows_is_the_order() -> None:
    frame = history({"a": [(3.0, 0, 0), (2.0, 0, 0), (1.0, 0, 0)]}).drop(columns="timestamp")
    seen = observe([Run(id="a")], frame, "loss")
    assert values(seen, "a") == [3.0, 2.0, 1.0]


def test_a_metric_axis_without_steps_is_matched_by_time() -> None:
    logged = {
        "a": {
            "loss": [(3.0, 0, 10), (2.0, 0, 20), (1.0, 0, 40)],
            "tokens": [(100.0, 0, 10), (300.0, 0, 30), (500.0, 0, 50)],
        }
    }
    seen = observe([Run(id="a")], history(logged), "loss", axes=["tokens"])
    assert seen.frame["tokens"].tolist() == [100.0, 200.0, 400.0]


def test_final_values_at_step_zero_are_not_taken_for_curves() -> None:
    seen = observe(two_runs(), history({"a": [(3.0, 0, 5)], "b": [(2.0, 0, 9)]}), "loss")
    assert [axis.name for axis in seen.axes] == ["params"]
    assert seen.dropped == ()


@pytest.mark.parametrize("column", ["run_id", "metric", "step", "value"])
def test_a_frame_that_is_no_history_is_refused(column: str) -> None:
    frame = history({"a": curve(3.0, 2.0)}).drop(columns=column)
    with pytest.raises(DataError, match="must have the columns"):
        observe(two_runs(), frame, "loss")


@pytest.mark.parametrize("step", ["first", 1.5, None, math.inf])
def test_steps_that_are_no_whole_numbers_are_refused(step: object) -> None:
    frame = history({"a": curve(3.0, 2.0)})
    frame["step"] = pd.Series([1, step], dtype=object)
    with pytest.raises(DataError, match="step of a history must be a whole number"):
        observe(two_runs(), frame, "loss")


def test_text_in_the_value_column_is_left_out_as_no_number() -> None:
    frame = history({"a": curve(3.0, 2.0), "b": curve(2.0, 1.0)}).astype({"value": object})
    frame.loc[0, "value"] = "NaN"
    assert values(observe(two_runs(), frame, "loss"), "a") == [2.0]


@pytest.mark.parametrize("option", [{"mode": "lowest"}, {"curve": "first"}])
def test_unknown_options_are_refused(option: dict[str, str]) -> None:
    with pytest.raises(DataError, match="must be one of"):
        observe(two_runs(), history({"a": curve(3.0, 2.0)}), "loss", **option)  # type: ignore[arg-type]


def test_a_metric_called_like_a_column_is_refused() -> None:
    with pytest.raises(DataError, match="may not be called"):
        observe(two_runs(), history({"a": curve(1.0)}, metric="count"), "count")


# --- curves --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "curve_kind", "expected"),
    [("min", "last", [2.5, 1.5]), ("min", "best", [2.0, 1.0]), ("max", "best", [3.0, 1.5])],
)
def test_of_a_curve_the_last_or_the_best_row_can_be_taken(
    mode: str, curve_kind: str, expected: list[float]
) -> None:
    frame = history({"a": curve(3.0, 2.0, 2.5), "b": curve(1.2, 1.0, 1.5)})
    seen = observe(two_runs(), frame, "loss", mode=mode, curve=curve_kind)  # type: ignore[arg-type]
    assert seen.frame["loss"].tolist() == expected


def test_without_an_axis_along_the_run_its_last_row_is_taken_and_said() -> None:
    frame = history({"a": curve(3.0, 2.0), "b": curve(2.0, 1.0)})
    seen = observe(two_runs(), frame, "loss", axes=["params"])
    assert seen.frame["loss"].tolist() == [2.0, 1.0]
    assert "only its last row" in seen.notes[0]


@pytest.mark.parametrize("status", ["FAILED", "KILLED", "RUNNING"])
def test_a_run_that_did_not_finish_has_no_end_at_the_scale_it_was_planned_for(status: str) -> None:
    runs = [
        Run(id=name, status=state, params={"total_tokens": tokens})
        for name, state, tokens in (
            ("a", "FINISHED", "1e8"),
            ("b", "FINISHED", "1e9"),
            ("c", status, "1e10"),
        )
    ]
    frame = history({"a": curve(3.0, 2.0), "b": curve(2.0, 1.0), "c": curve(4.0, 3.9)})
    seen = observe(runs, frame, "loss", axes=["total_tokens"])
    assert seen.frame["run_id"].tolist() == ["a", "b"]
    (lost,) = seen.dropped
    assert (lost.run_id, lost.rows) == ("c", 2)
    assert lost.reason.startswith("the run did not finish, and no axis says how far it came")


def test_where_no_run_finished_all_of_them_count() -> None:
    frame = history({"a": curve(3.0, 2.0), "b": curve(2.0, 1.0)})
    assert len(observe(two_runs(), frame, "loss", axes=["params"]).frame) == 2


def test_long_curves_become_buckets_that_count_every_row() -> None:
    steps = np.arange(1, 20_001)
    frame = pd.concat(
        pd.DataFrame(
            {
                "run_id": run,
                "metric": "loss",
                "step": steps,
                "timestamp": steps,
                "value": scale * steps**-0.25,
            }
        )
        for run, scale in (("a", 3.0), ("b", 2.0))
    )
    seen = observe(two_runs(), frame, "loss")
    assert seen.frame.groupby("run_id")["count"].sum().tolist() == [20_000, 20_000]
    assert seen.frame.groupby("run_id").size().max() <= 200
    a = seen.frame[seen.frame["run_id"] == "a"]
    np.testing.assert_allclose(a["loss"], 3.0 * a["step"] ** -0.25, rtol=1e-3)
    assert a["step"].is_monotonic_increasing


def test_a_constant_of_a_run_stays_one_to_the_digit_in_the_buckets_of_a_long_curve() -> None:
    steps = np.arange(1, 2_001)
    frame = pd.DataFrame(
        {"metric": "loss", "step": steps, "timestamp": steps, "value": 3.0 * steps**-0.25}
    )
    runs = [Run(id=f"r{n}", params={"n_params": str(n)}) for n in (4718592, 56623104, 679477248)]
    history = pd.concat(frame.assign(run_id=run.id) for run in runs)
    seen = observe(runs, history, "loss", axes=["n_params", "step"])
    assert set(seen.frame["n_params"]) == {4718592.0, 56623104.0, 679477248.0}


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True, allow_infinity=True, width=32),
            st.integers(0, 6),
            st.integers(0, 4),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_every_row_is_either_observed_or_reported(rows: list[tuple[float, int, int]]) -> None:
    logged = history({"a": rows, "b": curve(2.0, 1.0), "c": curve(3.0, 2.0, 1.0)})
    runs = [*two_runs(), Run(id="c", params={"params": "9e6"})]
    seen = observe(runs, logged, "loss", points=8)
    assert int(seen.frame["count"].sum()) + sum(each.rows for each in seen.dropped) == len(logged)
    assert np.isfinite(seen.frame[["params", "step", "loss"]].to_numpy()).all()


# --- what is told --------------------------------------------------------------------------------


def grid() -> Observations:
    runs, logged = [], {}
    for optimizer in ("adam", "<b>sgd</b> & größe"):
        for width in (64, 128, 256):
            name = f"{optimizer}-{width}"
            params = {"optimizer": optimizer, "n_params": str(12 * width**2), "lr": f"{1 / width}"}
            runs.append(Run(id=name, name=f"<script>{name}", params={**params, "seed": name}))
            logged[name] = curve(3.0, math.nan, 2.0)
    return observe(runs, history(logged), "loss")


def test_the_explanation_says_what_was_found_and_why() -> None:
    text = grid().explain()
    for part in (
        "loss: 12 observations of 6 runs",
        "n_params = param:n_params  [scale]  varies between runs from 4.915e+04",
        "Groups (2)",
        "optimizer=adam: 3 runs",
        "lr (3 values) does not split groups: follows from the axes",
        "seed (6 values) does not split groups: ignored by its name",
        "the value is NaN: 6 rows of 6 runs (adam-64, adam-128, adam-256 and 3 more)",
    ):
        assert part in text


def test_the_machine_form_is_json_and_says_the_same() -> None:
    seen = grid()
    told = json.loads(json.dumps(seen.to_dict(), allow_nan=False))
    assert told["schema"] == "unsl.observations/1"
    assert [axis["name"] for axis in told["axes"]] == ["n_params", "step"]
    assert [len(group["runs"]) for group in told["groups"]] == [3, 3]
    assert sum(each["rows"] for each in told["dropped"]) == 6
    assert {each["key"]: each["splits"] for each in told["keys"]} == {
        "optimizer": True,
        "lr": False,
        "seed": False,
    }


def test_a_group_can_be_taken_out() -> None:
    seen = grid()
    part = seen.of_group("optimizer=adam")
    assert len(part) == 6 and set(part["group"]) == {"optimizer=adam"}
    with pytest.raises(DataError, match="optimizer=adam"):
        seen.of_group("adam")


def test_groups_can_be_asked_for() -> None:
    frame = history({"a": curve(3.0, 2.0), "b": curve(2.0, 1.0)})
    runs = [Run(id=n, params={"lr": lr, "opt": "x"}) for n, lr in (("a", "1"), ("b", "2"))]
    assert len(observe(runs, frame, "loss").groups) == 2
    assert len(observe(runs, frame, "loss", group_by=[]).groups) == 1
    assert len(observe(runs, frame, "loss", group_by=["lr"]).groups) == 2
    assert len(observe(runs, frame, "loss", ignored=["lr"]).groups) == 1


def test_many_groups_of_one_run_are_pointed_out() -> None:
    runs = [Run(id=f"{i}", params={"lr": str(i)}) for i in range(1, 6)]
    seen = observe(runs, history({f"{i}": curve(3.0, 2.0) for i in range(1, 6)}), "loss")
    assert len(seen.groups) == 5
    assert "5 of 5 groups hold a single run. What splits them: lr (5 values)" in seen.notes[0]


def test_inputs_are_left_as_they_are() -> None:
    frame = history({"a": curve(3.0, math.nan), "b": curve(2.0, 1.0)})
    before = frame.copy(deep=True)
    observe(two_runs(), frame, "loss")
    pd.testing.assert_frame_equal(frame, before)
