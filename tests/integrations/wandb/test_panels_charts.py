"""The charts' specs, drawn by Vega-Lite from a real forecast, and what they need of a panel."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("wandb")
pytest.importorskip("vl_convert")
pytest.importorskip("matplotlib")

import vl_convert
from matplotlib.image import imread

from tests.integrations.wandb.forecasts import AT, METRIC, PARAMS, backtest, curve, forecast
from unsl_tracking.decide import StopRule
from unsl_tracking.experiment import answer_at, forecast_experiment
from unsl_tracking.live import RunMonitor
from unsl_tracking.runs.memory import MemoryTracker
from unsl_wandb.chart_rows import Chart, curves_chart, law_chart, outcomes_chart
from unsl_wandb.presets import SPECS, load

SIZE = (560, 320)
KEEP = os.environ.get("UNSL_KEEP_CHARTS")  # a folder for the pictures, to look at them


def draw(spec: str, chart: dict[str, Any], tmp_path: Path) -> np.ndarray[Any, Any]:
    """The picture's pixels (height, width, 4), 0 to 1; Vega-Lite's warnings are failures."""
    data = vl_convert.vegalite_to_png(chart, scale=1.3, allowed_base_urls=[])
    path = Path(KEEP or tmp_path) / f"wandb-{spec}.png"
    path.write_bytes(data)
    pixels: np.ndarray[Any, Any] = imread(path)
    return pixels


def share_of(pixels: np.ndarray[Any, Any], colour: str) -> float:
    """How many of the pixels have this colour (#rrggbb), about."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return float((np.abs(pixels[..., :3] - wanted).max(axis=-1) < 0.06).mean())


def filled(chart: Chart) -> dict[str, Any]:
    spec = load(chart.spec).filled(chart.fields, chart.strings, chart.rows)
    return spec | dict(zip(("width", "height"), SIZE, strict=True))


@pytest.fixture(scope="module")
def law() -> Chart:
    result = forecast()
    return law_chart(result, result.groups[0])


def test_the_scaling_law_is_drawn_with_its_runs_band_and_target(law: Chart, tmp_path: Path) -> None:
    pixels = draw("scaling-law", filled(law), tmp_path)
    assert pixels.shape[1] > SIZE[0]
    assert share_of(pixels, "#3b5bdb") > 0.001  # the law
    assert share_of(pixels, "#e8590c") > 0.0001  # the forecast at the target


def test_a_law_of_one_axis_is_drawn(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    for params in (1e5, 2e5, 3e5, 6e5, 1e6, 2e6, 3e6, 6e6):
        run = tracker.new_run("one", name=f"model {params:g}", params={"params": params})
        tracker.log(run, METRIC, [(noisy(params, 2000.0), 0, 0)])
        tracker.finish(run)
    result = forecast_experiment(tracker, "one", METRIC, axes=["params"], at={"params": 1e8})
    (group,) = result.groups
    assert curves_chart(result, group) is None
    chart = law_chart(result, group)
    draw("one-axis", filled(chart), tmp_path)
    named = {row["name"] for row in chart.rows if row["part"] == "run"}
    assert named >= {"model 100000", "model 6e+06"}


def test_the_laws_table_says_what_the_law_says(law: Chart) -> None:
    rows = pd.DataFrame(law.rows)
    (target,) = rows[rows["part"] == "target"].to_dict("records")
    answer = answer_at(forecast().groups[0].law, "target", AT, "")
    assert (target["x"], target["y"]) == (AT["params"], answer.median)
    assert (target["low80"], target["high80"]) == answer.intervals[0.8]
    runs = rows[rows["part"] == "run"]
    assert sorted(runs["x"]) == sorted(PARAMS)
    assert set(runs["y"]) == {
        curve(params, 200 if params == PARAMS[-1] else 2000)[-1][METRIC] for params in PARAMS
    }
    band = rows[rows["part"] == "law"]
    assert band["x"].max() >= AT["params"] and band["x"].is_monotonic_increasing
    inside = ["low95", "low80", "y", "high80", "high95"]
    assert (np.diff(band[inside].to_numpy(dtype=float), axis=1) >= 0).all()


def test_curves_are_drawn_out_to_their_ends(tmp_path: Path) -> None:
    result = forecast()
    chart = curves_chart(result, result.groups[0])
    assert chart is not None
    draw("run-curves", filled(chart), tmp_path)
    rows = pd.DataFrame(chart.rows)
    ends = rows[rows["part"] == "end"]
    assert len(ends) == len(PARAMS) and set(ends["x"]) == {2000.0}
    seen = rows[rows["part"] == "seen"].groupby("run")["x"].max()
    assert sorted(seen) == [200.0, 2000.0, 2000.0, 2000.0, 2000.0]


@pytest.mark.slow
def test_outcomes_are_drawn_by_whether_the_interval_held_them(tmp_path: Path) -> None:
    tested = backtest().groups[0]
    chart = outcomes_chart(forecast(), tested.label, tested.backtest)
    draw("predicted-actual", filled(chart), tmp_path)
    for row in chart.rows:
        low, actual, high = (float(str(row[name])) for name in ("low", "actual", "high"))
        assert (row["outcome"] == "held") == (low <= actual <= high)
    assert {row["actual"] for row in chart.rows} <= {
        curve(params, 2000)[-1][METRIC] for params in PARAMS
    }


@pytest.mark.slow
def test_a_live_runs_forecasts_are_drawn_over_its_steps(tmp_path: Path) -> None:
    """As `attach` logs them: from a monitor that sees a run go on."""
    rows = live_rows()
    assert len(rows) > 5
    for spec, fields in (
        ("final-over-steps", {"predicted": "final", "low": "final_lo80", "high": "final_hi80"}),
        ("doomed-over-steps", {"doomed": "p_doomed"}),
    ):
        at = {"x": "at", "run": "name"}
        strings = dict.fromkeys(load(spec).places("string"), METRIC)
        strings |= {"title": f"{METRIC}, {spec}", "x-title": "step", "subtitle": "of a live run"}
        chart = load(spec).filled(at | fields, strings, rows)
        pixels = draw(spec, chart | {"width": SIZE[0], "height": SIZE[1]}, tmp_path)
        assert share_of(pixels, "#4c78a8") > 0.001  # Vega's first colour: the line


def noisy(params: float, step: float) -> float:
    off = np.random.default_rng([int(params), int(step)]).normal(1, 0.005)
    return float(off * (0.5 + 30 * params**-0.4 + 6 * step**-0.45))


def live_rows() -> list[dict[str, object]]:
    """What monitors of two runs write while those go on, by step."""
    tracker = MemoryTracker()
    rows: list[dict[str, object]] = []
    names = ("final", "final_lo80", "final_hi80", "p_doomed")
    for params in (1e5, 3e6):
        run_id = tracker.new_run("live", name=f"model {params:g}")
        rule = StopRule(target=0.85, confidence=0.95)
        live: dict[str, Any] = {"tracker": tracker, "run_id": run_id, "share": 1.0}
        with RunMonitor(METRIC, horizon={"step": 2000}, stop=rule, **live) as monitor:
            for step in np.unique(np.geomspace(20, 2000, 24).round()):
                monitor.log(step, noisy(params, float(step)))
                monitor.flush()
        run = next(each for each in tracker.runs("live") if each.id == run_id)
        frame = tracker.history([run], [f"unsl/{METRIC}/{name}" for name in names]).frame
        for step, at in frame.groupby("step"):
            told = {
                metric.rpartition("/")[2]: v for metric, v in zip(at.metric, at.value, strict=True)
            }
            if set(told) == set(names):
                rows.append({"name": run.name, "at": step, **told})
    return rows


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_is_data_without_any_address_but_its_schemas(spec: str) -> None:
    content = json.loads(load(spec).text)
    assert content.pop("$schema").startswith("https://vega.github.io/schema/vega-lite/")
    assert content["data"] == {"name": "wandb"}
    assert "http" not in json.dumps(content)


@pytest.mark.parametrize("spec", SPECS)
def test_what_a_run_is_called_cannot_break_a_spec(spec: str) -> None:
    preset = load(spec)
    fields = dict.fromkeys(preset.places("field"), "a")
    strings = dict.fromkeys(preset.places("string"), "\"}], 'x\\ ${field:x} <b>\n")
    drawn = preset.filled(fields, strings, [])
    assert drawn["title"]["text"] == strings["title"]
