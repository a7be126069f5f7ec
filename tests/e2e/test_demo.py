"""The demo in a small size: real networks, real MLflow, forecasts that come before training."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from unsl_tracking.demo import pool
from unsl_tracking.demo.corpus import VOCABULARY, load_corpus
from unsl_tracking.demo.network import Settings, _gradients, _initial, _loss, train
from unsl_tracking.demo.plan import evaluation_steps, full_plan
from unsl_tracking.demo.pool import train_all
from unsl_tracking.demo.store import DemoStore
from unsl_tracking.errors import DataError

pytest.importorskip("mlflow")


def unsl_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unsl_tracking.cli", "demo", "--quick", "--dir", str(folder)],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_demo_forecasts_first_and_trains_then(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    done = unsl_demo(tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    assert "mlflow ui --backend-store-uri sqlite:///" in done.stdout
    assert "inside" in done.stdout or "outside" in done.stdout

    client = MlflowClient(f"sqlite:///{tmp_path / 'demo' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("unsl-demo")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 13
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all("unsl/val_loss/final" in run.data.metrics for run in runs)

    largest = max(runs, key=lambda run: int(run.data.params["params"]))
    forecast = client.get_metric_history(largest.info.run_id, "unsl/val_loss/final")
    losses = client.get_metric_history(largest.info.run_id, "val_loss")
    assert len(forecast) == 1
    assert forecast[0].timestamp <= min(metric.timestamp for metric in losses)
    written = json.loads(
        (tmp_path / "demo" / "unsl-demo-forecasts-before-training.json").read_text()
    )
    assert written["forecasts"][0]["median"] == forecast[0].value


def test_a_second_demo_in_a_folder_gets_an_experiment_of_its_own(tmp_path: Path) -> None:
    first = DemoStore(tmp_path)
    assert first.new_experiment("unsl-demo") == "unsl-demo"
    assert first.new_experiment("unsl-demo") == "unsl-demo-2"
    assert DemoStore(tmp_path).new_experiment("unsl-demo") == "unsl-demo-3"


def test_training_that_is_cut_short_leaves_no_process_behind() -> None:
    settings = [Settings(width=8, train_chars=50_000, steps=100_000)] * 3
    results = train_all(settings, processes=2)
    next(results)
    results.close()
    assert threading.active_count() == 1 or not any(
        "_feed" in thread.name for thread in threading.enumerate()
    )


def test_whatever_goes_wrong_with_a_training_process_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def strange(*_: object) -> None:
        raise KeyError("value")

    monkeypatch.setattr(pool, "_one_run", strange)
    with pytest.raises(KeyError):
        next(train_all([Settings(width=8, train_chars=50_000, steps=10)], processes=1))


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(DataError, match="--dir"):
        DemoStore(taken)


def test_the_text_is_the_same_every_time_and_never_shared_with_the_validation() -> None:
    text, validation = load_corpus()
    again, _ = load_corpus()
    assert (text == again).all()
    assert text.max() < VOCABULARY
    assert text.size > 3_000_000  # what the largest run learns from
    assert not np.shares_memory(text[:0], validation)


def test_a_library_without_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="standard library"):
        load_corpus(tmp_path)


def test_the_gradients_are_those_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    weights = [w.astype(np.float64) for w in _initial(5, rng)]
    x = rng.integers(0, VOCABULARY, (7, 10)).astype(np.uint8)
    y = rng.integers(0, VOCABULARY, 7).astype(np.uint8)
    gradients = _gradients(weights, x, y)  # type: ignore[arg-type]
    for table, gradient in zip(weights, gradients, strict=True):
        places = rng.integers(0, table.size, 5)
        if table.ndim == 2 and table.shape[1] == 16:  # only rows of characters that occur
            places = x[0, :5].astype(int) * 16
        for place in places:
            flat, step = table.reshape(-1), 1e-6
            before = flat[place]
            flat[place] = before + step
            up = _loss(weights, x, y)  # type: ignore[arg-type]
            flat[place] = before - step
            down = _loss(weights, x, y)  # type: ignore[arg-type]
            flat[place] = before
            assert gradient.reshape(-1)[place] == pytest.approx(
                (up - down) / (2 * step), rel=1e-4, abs=1e-7
            )


def test_training_is_the_same_for_the_same_seed_and_learns() -> None:
    text, validation = load_corpus()
    settings = Settings(width=8, train_chars=50_000, steps=80)
    marks = frozenset({20, 80})
    one = list(train(settings, text, validation, marks))
    assert one == list(train(settings, text, validation, marks))
    assert one[1][1] < one[0][1] < 5
    other = Settings(width=8, train_chars=50_000, steps=80, seed=1)
    assert one != list(train(other, text, validation, marks))


def test_the_plan_has_three_axes_and_about_twenty_runs() -> None:
    plan = full_plan()
    assert len(plan.ladder) == 20
    for name in ("width", "train_chars", "steps"):
        assert len({getattr(settings, name) for settings in plan.ladder}) >= 4
        assert max(getattr(s, name) for s in plan.larger) > max(
            getattr(s, name) for s in plan.ladder
        )


def test_a_run_is_always_evaluated_at_its_end() -> None:
    for steps in (200, 999, 4000):
        assert max(evaluation_steps(steps)) == steps
