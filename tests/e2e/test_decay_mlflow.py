"""Ladders whose learning rate falls along the runs, on a real MLflow store.

The truth is the law with learning-rate annealing of Tissue et al. (arXiv 2408.11029): loss falls
with the area under the rate so far, and once more by what the rate has come down; a term of size is
added. No form that is fitted here knows anything of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from typer.testing import Result

from unsl_tracking.experiment import forecast_experiment, open_tracker
from unsl_tracking.runs import metrics_to_read, observe
from unsl_tracking.runs.observations import Observations

if TYPE_CHECKING:
    from tests.e2e.conftest import Store

Unsl = Callable[..., Result]
ASK = ("-e", "ladder", "-m", "loss")
PER_STEP = 1e5  # tokens
SIZES = tuple(np.geomspace(1e7, 1e9, 5).round().tolist())
LARGE = 5e9
AT = f"n_params={LARGE:.0f},tokens={20 * LARGE:.0f}"
PEAK = 1e-3


def rates(steps: int, schedule: str) -> np.ndarray:
    """The rate at every step: 2% of warm-up, then constant, cosine to 0, or down in the last 20%"""
    share = np.arange(1, steps + 1) / steps
    after = {
        "constant_with_warmup": np.ones(steps),
        "cosine": 0.5 * (1 + np.cos(np.pi * np.clip((share - 0.02) / 0.98, 0, 1))),
        "warmup_stable_decay": 1 - np.clip((share - 0.8) / 0.2, 0, 1),
    }
    found: np.ndarray = PEAK * np.minimum(1.0, share / 0.02) * after[schedule]
    return found


@lru_cache
def losses(params: float, steps: int, schedule: str) -> np.ndarray:
    rate = rates(steps, schedule)
    falls = np.maximum(-np.diff(rate, prepend=0.0), 0.0)
    annealed = np.cumsum(lfilter([1.0], [1.0, -0.995], falls))
    found: np.ndarray = 0.429 * np.cumsum(rate) ** -0.507 - 0.411 * annealed
    return 1.7 + 400 * float(params**-0.34) + found


def train(
    store: Store,
    params: float,
    ratio: float,
    schedule: str,
    *,
    until: float = 1.0,
    logs_rate: bool = True,
    worse: float = 1.0,
    **told: object,
) -> str:
    """A run of `ratio` tokens per parameter, or the first part of one that goes on."""
    steps = int(params * ratio / PER_STEP)
    at = np.unique(np.geomspace(max(steps / 50, 10), steps, 12).astype(int))
    at = at[at <= until * steps]
    noise = 1 + 0.002 * np.random.default_rng([int(params), int(ratio)]).standard_normal(at.size)
    noise *= worse
    curves = {"loss": losses(params, steps, schedule)[at - 1] * noise, "tokens": at * PER_STEP}
    if logs_rate:
        curves["lr"] = rates(steps, schedule)[at - 1]
    planned = {"n_params": params, "total_tokens": steps * PER_STEP, "lr": PEAK, **told}
    return log(store, f"{params:.0e} x {ratio:g}", planned, curves, at, finished=until == 1.0)


def log(
    store: Store,
    name: str,
    params: dict[str, object],
    curves: dict[str, np.ndarray],
    at: np.ndarray,
    *,
    finished: bool,
) -> str:
    from mlflow.entities import Metric

    run_id = store.run("ladder", name, params, [], status=None)
    for metric, values in curves.items():
        rows = zip(values.tolist(), at.tolist(), strict=True)
        store.client.log_batch(run_id, [Metric(metric, v, 1_000 + s, s) for v, s in rows])
    if finished:
        store.client.set_terminated(run_id)
    return run_id


def ladder(
    store: Store, schedule: str, ratios: Iterable[float] = (10, 20, 40), **told: Any
) -> None:
    for params in SIZES:
        for ratio in ratios:
            train(store, params, ratio, schedule, **told)


def truth(schedule: str) -> float:
    return float(losses(LARGE, int(20 * LARGE / PER_STEP), schedule)[-1])


def asked(unsl: Unsl, store: Store, *more: str) -> dict[str, Any]:
    """What is said of the large scale, in the document of the first run."""
    found = unsl("forecast", store.uri, *ASK, "--at", AT, "--json", *more)
    assert found.exit_code == 0, found.output
    document: dict[str, Any] = json.loads(found.stdout)["runs"][0]
    return document


def error(document: dict[str, Any], schedule: str) -> float:
    return abs(float(np.log(document["answers"][0]["median"] / truth(schedule))))


def codes(document: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in document["warnings"]}


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("cosine", {"logs_rate": True}),
        ("warmup_stable_decay", {"logs_rate": True}),
        ("cosine", {"logs_rate": False, "lr_scheduler_type": "cosine"}),
        ("warmup_stable_decay", {"logs_rate": False, "lr_scheduler_type": "warmup_stable_decay"}),
    ],
)
def test_where_the_rate_falls_ends_are_fitted_and_the_interval_holds_the_truth(
    store: Store, unsl: Unsl, schedule: str, told: dict[str, Any]
) -> None:
    ladder(store, schedule, **told)
    found = asked(unsl, store)
    low, high = found["answers"][0]["intervals"]["0.8"]
    assert low < truth(schedule) < high
    assert found["evidence"]["rows"] == "ends"
    assert (found["evidence"]["runs"], found["evidence"]["points"]) == (15, 15)
    (note,) = [each for each in found["evidence"]["notes"] if "learning rate falls" in each]
    assert "ends of the 15 finished runs only" in note
    assert "`--axes n_params,tokens` pools whole curves" in note


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["cosine", "warmup_stable_decay"])
def test_axes_that_are_named_pool_whole_curves_and_say_so(
    store: Store, unsl: Unsl, schedule: str
) -> None:
    ladder(store, schedule)
    found = asked(unsl, store)
    pooled = asked(unsl, store, "--axes", "n_params,tokens")
    assert pooled["evidence"]["rows"] == "curves"
    assert pooled["evidence"]["points"] == 180
    assert codes(pooled) - codes(found) >= {"curves_asked_for"}
    assert error(found, schedule) < error(pooled, schedule) / 3


@pytest.mark.slow
def test_where_the_rate_stays_up_whole_curves_are_fitted(store: Store, unsl: Unsl) -> None:
    ladder(store, "constant_with_warmup", lr_scheduler_type="constant_with_warmup")
    found = asked(unsl, store)
    assert found["evidence"]["rows"] == "curves"
    assert found["evidence"]["points"] == 180
    assert not any("learning rate" in note for note in found["evidence"]["notes"])
    assert not codes(found) & {"curves_pooled", "curves_asked_for"}
    low, high = found["answers"][0]["intervals"]["0.8"]
    assert low < truth("constant_with_warmup") < high


@pytest.mark.slow
def test_too_few_ends_are_pooled_with_a_warning_and_no_gate_decides_on_that(
    store: Store, unsl: Unsl
) -> None:
    for params in SIZES[:4]:
        train(store, params, 20, "cosine")
    found = asked(unsl, store)
    assert found["evidence"]["rows"] == "curves"
    (warning,) = [each for each in found["warnings"] if each["code"] == "curves_pooled"]
    assert warning["value"] == 4.0
    assert "the interval does not cover" in warning["message"]
    (note,) = [each for each in found["evidence"]["notes"] if "learning rate falls" in each]
    assert "4 scales are too few to fit ends alone (it takes 5" in note

    gated = unsl("gate", store.uri, *ASK, "--at", AT, "--target", "9", "--json")
    assert gated.exit_code == 20, gated.output
    (decision,) = json.loads(gated.stdout)["decisions"]
    assert "curves_pooled" in {reason["code"] for reason in decision["reasons"]}


def test_gates_and_reports_ask_the_law_that_the_forecast_asks(
    store: Store, unsl: Unsl, tmp_path: Any
) -> None:
    ladder(store, "cosine")
    forecast = asked(unsl, store)["answers"][0]["median"]
    gated = unsl("gate", store.uri, *ASK, "--at", AT, "--target", "1.9", "--json")
    (decision,) = json.loads(gated.stdout)["decisions"]
    assert decision["forecast"]["points"][0]["median"] == pytest.approx(forecast, rel=1e-9)

    page = tmp_path / "report.json"
    made = unsl("report", store.uri, *ASK, "--at", AT, "-o", str(page))
    assert made.exit_code == 0, made.output
    content = json.loads(page.read_text())
    assert content["forecast"]["answers"][0]["median"] == pytest.approx(forecast, rel=1e-9)


def test_a_run_that_goes_on_is_forecast_to_its_end_by_the_ends_of_others(store: Store) -> None:
    ladder(store, "cosine", ratios=(10, 20))
    going_on = train(store, SIZES[3], 40, "cosine", until=0.4)
    result = forecast_experiment(open_tracker(store.uri), "ladder", "loss")
    (group,) = result.groups
    (found,) = [each for each in group.runs if each.run.id == going_on]
    steps = int(SIZES[3] * 40 / PER_STEP)
    assert found.final.point == {"n_params": SIZES[3], "tokens": steps * PER_STEP}
    low, high = found.final.intervals[0.8]
    assert low < losses(SIZES[3], steps, "cosine")[-1] < high
    assert "where its own `total_tokens` says" in found.final.why
    assert "its own values so far, with the rate still up, take no part" in found.final.why
    assert any("did not finish" in why for _, why in result.dropped)


@pytest.mark.parametrize("worse", [1.0, 1.1])
def test_a_run_that_is_off_the_course_of_the_others_is_refused(store: Store, worse: float) -> None:
    ladder(store, "cosine", ratios=(10, 20))
    going_on = train(store, SIZES[3], 40, "cosine", until=0.4, worse=worse)
    result = forecast_experiment(open_tracker(store.uri), "ladder", "loss")
    (group,) = result.groups
    assert (going_on in {each.run.id for each in group.runs}) is (worse == 1.0)
    said = re.compile(r"after 3\d% of its way it is (8|9|10|11|12)% worse than finished runs were")
    assert [bool(said.match(each.reason)) for each in result.refused] == [True] * (worse > 1.0)


def test_the_curves_of_a_group_are_read_as_often_for_many_runs_that_go_on_as_for_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    of_group = Observations.of_group

    def counted(self: Observations, label: str, *, curves: bool = False) -> pd.DataFrame:
        read.append(label)
        return of_group(self, label, curves=curves)

    ladder(store, "cosine", ratios=(10, 20))
    train(store, SIZES[3], 40, "cosine", until=0.4)
    monkeypatch.setattr(Observations, "of_group", counted)
    forecast_experiment(open_tracker(store.uri), "ladder", "loss")
    for_one = len(read)
    for ratio in (36, 38):
        train(store, SIZES[3], ratio, "cosine", until=0.4)
    result = forecast_experiment(open_tracker(store.uri), "ladder", "loss")
    assert len(read) - for_one == for_one > 0
    assert len(result.groups[0].runs) + len(result.refused) == 13


def test_a_run_that_is_to_end_where_none_has_ended_is_refused(store: Store) -> None:
    for params in np.geomspace(1e7, 1e9, 6).round():
        train(store, params, 1e10 / params, "cosine")  # one length for all
    train(store, 1e8, 1e3, "cosine", until=0.05)
    result = forecast_experiment(open_tracker(store.uri), "ladder", "loss")
    (refused,) = result.refused
    assert "every finished run ended at tokens=1e10" in refused.reason
    (group,) = result.groups
    assert group.law.axes == ("n_params",)
    assert len(group.runs) == 6


def test_python_reads_the_same_ends(store: Store) -> None:
    ladder(store, "cosine")
    tracker = open_tracker(store.uri)
    runs = tracker.runs("ladder")
    history = tracker.history(runs, metrics_to_read(runs, "loss")).frame
    seen = observe(runs, history, "loss")
    (decay,) = seen.decays
    assert (decay.rows, decay.told_by, decay.scales, len(decay.ended)) == ("ends", "lr", 15, 15)
    assert len(seen.frame) == 15 < len(seen.curves)
    last = seen.curves.groupby("run_id", sort=False).tail(1).reset_index(drop=True)
    assert seen.frame.equals(last)
