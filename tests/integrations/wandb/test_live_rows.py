"""What the user logs arrives as if we were not there, and our values beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.laboratory import (
    Training,
    decision_of,
    ours,
    train,
    users,
    users_config,
    users_rows,
)
from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.training import random_calls
from unsl_wandb.rows import RowJoin, Steps

STYLES = ["auto", "explicit", "define_metric", "commit_false"]
STOP = {"target": 0.5, "dry_run": True}
FIVE = {f"unsl/loss/{name}" for name in ("at", "final", "final_lo80", "final_hi80", "p_doomed")}

pytestmark = pytest.mark.slow  # each trains in processes of its own


@pytest.mark.parametrize("style", [*STYLES, "random1", "random2"])
def test_no_row_step_or_summary_of_the_user_changes(
    server: WandbServer, tmp_path: Path, style: str
) -> None:
    how: dict[str, Any] = {"style": style, "rows": 120, "flush_every": 40, "attach": {"stop": STOP}}
    with (
        Training(server, tmp_path, "plain", **how, plugin=False) as without,
        Training(server, tmp_path, "run", **how) as training,
    ):
        alone, result = without.wait(), training.wait()
        plain, run = without.run, training.run
    assert users_rows(run) == users_rows(plain)
    assert len(run.rows()) > 50
    assert users(run.summary) == users(plain.summary)
    assert users_config(run) == users_config(plain)
    assert run.tags == plain.tags and run.notes == plain.notes
    assert run.state == plain.state == "finished"
    assert result["errors"] == {}
    assert result["first_step"] == alone["first_step"] == 0
    assert len(ours(run)) >= 2
    for step, values in ours(run):
        assert values.keys() == FIVE
        assert values["unsl/loss/at"] <= step  # a forecast from what was seen before this row
        assert values["unsl/loss/final_lo80"] < values["unsl/loss/final_hi80"]


def test_forecasts_have_an_own_hidden_step_axis_even_under_a_users_wildcard(
    server: WandbServer, tmp_path: Path
) -> None:
    run, _ = train(server, tmp_path, "run", style="define_metric", rows=60)
    metrics = run.config["_wandb"]["value"]["m"]
    names = [metric.get("1") or metric.get("2") for metric in metrics]
    axis = names.index("unsl/loss/at") + 1
    assert metrics[axis - 1]["6"] == [
        3,
        2,
    ]  # hidden; what the numbers mean is in the SDK's protocol
    for name in ("final", "final_lo80", "final_hi80"):
        assert metrics[names.index(f"unsl/loss/{name}")]["5"] == axis
    assert "*" in names and "epoch" in names


@pytest.mark.parametrize("end", ["finish", "with", "exit"])
@pytest.mark.parametrize("style", ["auto", "explicit"])
def test_the_last_forecast_is_there_however_the_run_ends(
    server: WandbServer, tmp_path: Path, end: str, style: str
) -> None:
    rows = 45
    run, result = train(server, tmp_path, "run", style=style, rows=rows, end=end, flush_every=1000)
    last = run.rows()[-1]["_step"]
    assert len(run.rows()) == rows
    assert run.summary["unsl/loss/at"] == last
    assert run.summary["unsl.verdict"] == "continue (dry run)"
    assert decision_of(run)["schema"] == "unsl.decision/1"
    if style == "explicit":  # its last row was still open
        assert ours(run)[-1][0] == last
    if end != "exit":
        assert result["threads"] == [False, False]


def test_a_script_that_breaks_leaves_its_last_forecast_and_its_exit_code(
    server: WandbServer, tmp_path: Path
) -> None:
    with Training(server, tmp_path, "run", rows=45, end="raise") as training:
        training.wait(1)
        run = training.run
    assert "training broke" in training.output
    assert len(run.rows()) == 45
    assert run.summary["unsl/loss/at"] == 44
    assert (run.state, run.exit_code) == ("failed", 1)


def test_the_place_on_another_axis_is_what_the_user_logs_in_the_row(
    server: WandbServer, tmp_path: Path
) -> None:
    run, result = train(
        server,
        tmp_path,
        "run",
        style="define_metric",
        rows=60,
        attach={"horizon": {"epoch": 50.0}},
    )
    assert result["errors"] == {}
    assert result["at"] == pytest.approx(5.9)
    assert run.summary["unsl/loss/at"] == 118  # the row of W&B in which the last loss was logged


def test_an_axis_that_is_never_logged_is_told_once(server: WandbServer, tmp_path: Path) -> None:
    how = {"horizon": {"tokens": 1e9}}
    with Training(server, tmp_path, "run", rows=30, attach=how) as training:
        result = training.wait()
    assert training.output.count("loss was logged before tokens was") == 1
    assert result["verdict"] == "waiting"
    assert len(training.run.rows()) == 30


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_steps_are_counted_as_wandb_core_counts_them(
    server: WandbServer, tmp_path: Path, seed: int
) -> None:
    run, _ = train(server, tmp_path, "run", style=f"random{seed}", rows=300, plugin=False)
    steps, join = Steps(), RowJoin("loss")
    rows: dict[int, dict[str, object]] = {}
    seen = []
    for data, step, commit in random_calls(seed)[:300]:
        call = steps.take(step, commit)
        if call.step is not None:  # even an empty call makes a row
            rows.setdefault(call.step, {}).update(data)
        seen += [(each.step, each.value) for each in join.take(data, call)]
    seen += [(each.step, each.value) for each in join.end()]
    written = {row["_step"]: row for row in run.rows()}
    assert rows == {
        step: {k: v for k, v in row.items() if k[0] != "_"} for step, row in written.items()
    }
    assert dict(seen) == {step: row["loss"] for step, row in written.items() if "loss" in row}
