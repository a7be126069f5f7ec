"""From an experiment in a tracker to forecasts, over the tracker that lives in memory."""

from __future__ import annotations

import numpy as np
import pytest

from unsl_tracking.errors import AxisError, DataError, NotFound
from unsl_tracking.experiment import ExperimentForecast, forecast_experiment, guess_mode
from unsl_tracking.runs import MemoryTracker

WIDTHS = (1e4, 3e4, 1e5, 3e5)


def loss(params: float, step: float) -> float:
    return float(0.5 + 30 * params**-0.4 + 6 * step**-0.45)


def log_curve(
    tracker: MemoryTracker, run: str, params: float, last: int, metric: str = "val_loss"
) -> None:
    steps = np.unique(np.geomspace(20, last, 15).astype(int))
    rows = [(loss(params, int(step)), int(step), 1000 + int(step)) for step in steps]
    tracker.log(run, metric, rows)


def a_ladder(**same: object) -> MemoryTracker:
    """Four finished widths and one run that is still under way."""
    tracker = MemoryTracker()
    for index, params in enumerate(WIDTHS):
        run = tracker.new_run("ladder", name=f"w{index}", params={"params": params, **same})
        log_curve(tracker, run, params, 2000)
        tracker.finish(run)
    running = tracker.new_run("ladder", name="running", params={"params": 1e6, **same})
    log_curve(tracker, running, 1e6, 300)
    return tracker


def forecast(tracker: MemoryTracker, **options: object) -> ExperimentForecast:
    return forecast_experiment(tracker, "ladder", "val_loss", **options)  # type: ignore[arg-type]


# --- what is forecast ----------------------------------------------------------------------------


def test_a_running_run_is_forecast_to_the_end_of_its_finished_siblings() -> None:
    result = forecast(a_ladder())
    (group,) = result.groups
    running = next(each for each in group.runs if each.run.name == "running")
    assert running.final.point == {"params": 1e6, "step": 2000.0}
    assert running.final.why == "where the longest finished sibling ended"
    assert running.final.median == pytest.approx(loss(1e6, 2000), rel=0.05)
    assert running.final.actual is None
    assert running.last_step == 300


def test_a_running_run_is_forecast_to_where_its_own_params_say() -> None:
    tracker = MemoryTracker()
    for index, params in enumerate(WIDTHS):
        run = tracker.new_run(
            "ladder", name=f"w{index}", params={"params": params, "max_steps": 2000}
        )
        log_curve(tracker, run, params, 2000)
        tracker.finish(run)
    running = tracker.new_run("ladder", name="running", params={"params": 1e6, "max_steps": 700})
    log_curve(tracker, running, 1e6, 300)
    (group,) = forecast(tracker).groups
    found = next(each for each in group.runs if each.run.name == "running")
    assert found.final.point == {"params": 1e6, "step": 700.0}
    assert found.final.why == "where its own `max_steps` says"
    (group,) = forecast(tracker, horizon={"step": 5000}).groups
    assert {each.final.point["step"] for each in group.runs} == {5000.0}


def test_a_finished_run_is_compared_with_its_own_last_value() -> None:
    (group,) = forecast(a_ladder()).groups
    first = group.runs[0]
    assert first.final.why.startswith("where the finished run ended; its own points")
    assert first.final.actual == loss(WIDTHS[0], 2000)


def test_a_horizon_holds_for_every_run_and_is_named() -> None:
    (group,) = forecast(a_ladder(), horizon={"step": 5000}).groups
    assert {each.final.point["step"] for each in group.runs} == {5000}
    assert group.runs[0].final.why == "horizon step=5000 as asked"
    assert group.runs[0].final.actual is None


def test_a_run_beyond_all_its_siblings_ends_where_it_is() -> None:
    tracker = a_ladder()
    longest = tracker.new_run("ladder", name="longest", params={"params": 5e5})
    log_curve(tracker, longest, 5e5, 9000)
    (group,) = forecast(tracker).groups
    found = next(each for each in group.runs if each.run.name == "longest")
    assert found.final.point["step"] == 9000
    assert "beyond every finished sibling" in found.final.why


def test_without_a_finished_sibling_a_run_ends_at_its_last_point() -> None:
    tracker = MemoryTracker()
    for params in WIDTHS:
        log_curve(tracker, tracker.new_run("ladder", params={"params": params}), params, 700)
    (group,) = forecast(tracker).groups
    assert group.runs[0].final.point["step"] == 700
    assert "no sibling has finished" in group.runs[0].final.why


def test_a_target_is_forecast_and_what_was_not_asked_for_is_filled_in() -> None:
    (group,) = forecast(a_ladder(), at={"params": 3e6}).groups
    assert group.target is not None
    assert group.target.point == {"params": 3e6, "step": 2000.0}
    assert group.target.why == "as asked; not asked for, so the largest observed: step=2000"
    assert group.target.median == pytest.approx(loss(3e6, 2000), rel=0.08)


def test_a_hyperparameter_that_was_not_asked_for_is_that_of_the_best_run() -> None:
    tracker = MemoryTracker()
    for params in np.geomspace(1e4, 1e7, 6):
        for lr in (1e-4, 1e-3, 1e-1):
            run = tracker.new_run("ladder", params={"params": params, "lr": lr})
            off = 1 + 0.01 * np.log(lr / 1e-3) ** 2
            tracker.log(run, "val_loss", [(loss(params, 1000) * off, 1000, 1)])
            tracker.finish(run)
    (group,) = forecast(tracker, axes=["params", "lr[hyper]"], at={"params": 1e8}).groups
    assert group.target is not None
    assert group.target.point == {"params": 1e8, "lr": 1e-3}
    assert group.target.why == "as asked; not asked for, so as in the best run: lr=0.001"
    assert group.target.median == pytest.approx(loss(1e8, 1000), rel=0.05)


def test_a_metric_in_percent_is_forecast_below_its_ceiling() -> None:
    tracker = MemoryTracker()
    for params in np.geomspace(1e4, 1e7, 8):
        run = tracker.new_run("ladder", params={"params": params})
        tracker.log(run, "acc", [(100 - 10 * loss(params, 1000), 1000, 1)])
        tracker.finish(run)
    options = {"at": {"params": 1e8}, "mode": "max"}
    (refused,) = forecast_experiment(tracker, "ladder", "acc", **options).refused  # type: ignore[arg-type]
    assert "--ceiling" in refused.reason
    result = forecast_experiment(tracker, "ladder", "acc", ceiling=100.0, **options)  # type: ignore[arg-type]
    (group,) = result.groups
    assert group.target is not None
    assert group.target.median == pytest.approx(100 - 10 * loss(1e8, 1000), rel=0.01)


def test_runs_with_one_value_each_are_forecast_at_their_own_scale() -> None:
    tracker = MemoryTracker()
    for params in np.geomspace(1e4, 1e7, 8):
        run = tracker.new_run("ladder", params={"params": params})
        tracker.log(run, "val_loss", [(loss(params, 1000), 1000, 1)])
        tracker.finish(run)
    (group,) = forecast(tracker, at={"params": 1e8}).groups
    assert group.along == ()
    assert group.runs[0].final.why == "one value per run: its own scale"
    assert next(iter(forecast(tracker).documents().values())).curve is None


def test_a_score_is_forecast_upwards() -> None:
    tracker = MemoryTracker()
    for params in np.geomspace(1e4, 1e7, 8):
        run = tracker.new_run("ladder", params={"params": params})
        tracker.log(run, "accuracy", [(0.97 - 8 * params**-0.4, 10, 1)])
        tracker.finish(run)
    result = forecast_experiment(tracker, "ladder", "accuracy", mode="max", at={"params": 1e8})
    (group,) = result.groups
    assert group.target is not None
    assert 0.94 < group.target.median < 1.0
    assert group.target.intervals[0.95][1] <= 1.0


# --- groups --------------------------------------------------------------------------------------


def two_recipes() -> MemoryTracker:
    """A full ladder with adam, and a single point with sgd."""
    tracker = a_ladder(optimizer="adam")
    lonely = tracker.new_run("ladder", name="lonely", params={"params": 1e4, "optimizer": "sgd"})
    tracker.log(lonely, "val_loss", [(3.0, 1, 1), (2.9, 2, 2)])
    return tracker


def test_a_group_that_cannot_be_forecast_does_not_stop_the_others() -> None:
    result = forecast(two_recipes(), axes=["params", "step"])
    assert [group.key for group in result.groups] == [{"optimizer": "adam"}]
    (refused,) = result.refused
    assert refused.name == "optimizer=sgd"
    assert refused.runs == 1
    assert refused.reason


@pytest.mark.parametrize("last", [float("nan"), float("inf")])
def test_a_run_that_ended_in_no_number_is_not_forecast(last: float) -> None:
    tracker = a_ladder()
    run = tracker.new_run("ladder", name="boom", params={"params": 1e6})
    log_curve(tracker, run, 1e6, 300)
    tracker.log(run, "val_loss", [(last, 301, 1301)])
    tracker.finish(run, status="FAILED")
    result = forecast(tracker)
    (refused,) = result.refused
    assert refused.name == "boom" and f"its last val_loss is {last:g}" in refused.reason
    assert "boom" not in [each.run.name for each in result.groups[0].runs]


def test_runs_can_be_put_into_one_group() -> None:
    result = forecast(two_recipes(), axes=["params", "step"], group_by=[])
    (group,) = result.groups
    assert len(group.runs) == 6
    assert group.label == "all runs"


def test_further_keys_can_be_ignored() -> None:
    result = forecast(two_recipes(), axes=["params", "step"], ignore=["optimizer"])
    assert len(result.groups) == 1
    assert not result.refused


def test_an_axis_that_a_group_never_varied_is_not_extrapolated() -> None:
    tracker = a_ladder(optimizer="adam")
    for name in ("a", "b"):
        run = tracker.new_run("ladder", name=name, params={"params": 1e5, "optimizer": "sgd"})
        log_curve(tracker, run, 1e5, 2000)
        tracker.finish(run)
    result = forecast(tracker, axes=["params", "step"], at={"params": 1e7})
    sgd = next(group for group in result.groups if group.key == {"optimizer": "sgd"})
    assert sgd.law.axes == ("step",)
    assert sgd.target is None
    (refused,) = result.refused
    assert "params=1e5, so params=1e7 is a guess" in refused.reason


# --- what is said --------------------------------------------------------------------------------


def test_axes_come_with_the_reason_for_each() -> None:
    result = forecast(a_ladder(seed=1))
    assert list(result.axes) == ["params", "step"]
    assert "varies between runs" in result.axes["params"]
    assert "on 5 runs" in result.axes["params"]


def test_a_run_without_the_axis_is_named_and_not_dropped_in_silence() -> None:
    tracker = a_ladder()
    odd = tracker.new_run("ladder", name="odd <b>one</b>")
    log_curve(tracker, odd, 1e4, 2000)
    result = forecast(tracker, axes=["params", "step"])
    ((what, why),) = result.dropped
    assert "odd <b>one</b>" in what
    assert "params" in why


def test_values_that_are_no_numbers_are_counted() -> None:
    tracker = a_ladder()
    broken = tracker.new_run("ladder", name="broken", params={"params": 2e4})
    tracker.log(broken, "val_loss", [(float("nan"), 1, 1), (float("inf"), 2, 2), (2.0, 3, 3)])
    dropped = dict((why, what) for what, why in forecast(tracker).dropped)
    assert dropped["the value is NaN"] == "1 row of 1 run (broken)"
    assert dropped["the value is inf"] == "1 row of 1 run (broken)"


def test_progress_tells_what_is_being_done() -> None:
    seen: list[tuple[str, int, int]] = []
    forecast(a_ladder(), progress=lambda *told: seen.append(told))
    assert ("reading runs", 5, 5) in seen
    assert seen[-1] == ("fitting groups", 1, 1)


def test_the_same_runs_give_the_same_documents() -> None:
    tracker = a_ladder()
    one, two = forecast(tracker).documents(), forecast(tracker).documents()
    assert list(one) == list(two)
    assert [each.to_json() for each in one.values()] == [each.to_json() for each in two.values()]


# --- what is refused -----------------------------------------------------------------------------


def test_an_unknown_metric_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="Metrics there: val_loss"):
        forecast_experiment(a_ladder(), "ladder", "val_los")


def test_of_hundreds_of_metrics_the_nearest_come_first() -> None:
    tracker = a_ladder()
    run = tracker.runs("ladder")[0].id
    for layer in range(300):
        tracker.log(run, f"grad/layer{layer}", [(1.0, 1, 1)])
    with pytest.raises(NotFound, match=r"Metrics there: val_loss, .* and 281 more"):
        forecast_experiment(tracker, "ladder", "val_los")


def test_an_empty_experiment_says_so() -> None:
    tracker = MemoryTracker()
    tracker.new_experiment("ladder")
    with pytest.raises(NotFound, match="must have runs, but got \"none in 'ladder'\""):
        forecast(tracker)


def test_a_filter_that_matches_nothing_is_named() -> None:
    with pytest.raises(NotFound, match="match 'zzz'"):
        forecast(a_ladder(), filter="zzz")


def test_an_unknown_experiment_is_not_found() -> None:
    with pytest.raises(NotFound):
        forecast_experiment(a_ladder(), "leiter", "val_loss")


@pytest.mark.parametrize("what", ["at", "horizon"])
def test_a_point_may_only_name_axes_in_use(what: str) -> None:
    with pytest.raises(AxisError, match="may name the axes in use: params, step"):
        forecast(a_ladder(), **{what: {"tokens": 1e9}})


def test_a_point_with_a_misspelt_axis_is_answered_with_the_near_one() -> None:
    with pytest.raises(AxisError, match=r"but got 'param'\. Near it: params\.$"):
        forecast(a_ladder(), at={"param": 1e9})


def test_a_point_that_names_another_number_of_the_runs_says_how_it_becomes_an_axis() -> None:
    tracker = MemoryTracker()
    for params in WIDTHS:
        run = tracker.new_run("ladder", params={"params": params, "lr": params**-0.5})
        log_curve(tracker, run, params, 2000)
        tracker.finish(run)
    with pytest.raises(AxisError, match="ask for it: --axes params,step,lr"):
        forecast(tracker, at={"lr": 1e-3})


def test_an_axis_that_is_the_same_everywhere_is_refused() -> None:
    with pytest.raises(DataError, match="depth"):
        forecast(a_ladder(depth=4), axes=["depth", "step"])


# --- mode ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        ("val_loss", "min"),
        ("eval/accuracy", "max"),
        ("valAcc", "max"),
        ("f1_macro", "max"),
        ("test.BLEU", "max"),
        ("roc_auc", "max"),
        ("acc_loss", "min"),
        ("perplexity", "min"),
        ("top1_error", "min"),
        ("val/mse", "min"),
        ("hidden_accident", "min"),
        ("whatever", "min"),
    ],
)
def test_the_mode_is_guessed_from_telling_words_only(metric: str, mode: str) -> None:
    assert guess_mode(metric)[0] == mode


def test_a_guess_without_a_telling_word_says_so() -> None:
    assert "does not tell" in guess_mode("whatever")[1]
    assert "'acc'" in guess_mode("val_acc")[1]
