"""`unsl allocate` and `unsl next-runs`: what they print and refuse, over a tracker of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.plugins import install
from unsl_tracking.cli.app import app
from unsl_tracking.experiment import tracker_plugins

PLUGIN = """
import numpy as np
from unsl_tracking.runs import MemoryTracker

class Rungs(MemoryTracker):
    def __init__(self, uri="rungs:"):
        super().__init__(uri)
        rng = np.random.default_rng(0)
        for params in np.geomspace(1e7, 1e9, 5):
            for ratio in (5, 20, 80):
                values = {"params": params, "tokens": params * ratio, "gpus": 8}
                run = self.new_run("ladder", name="[red]run[/]", params=values)
                loss = 1.7 + 400 * params**-0.34 + 410 * (params * ratio) ** -0.28
                self.log(run, "val_loss", [(float(loss * np.exp(0.003 * rng.normal())), 1, 1)])
                self.log(run, "tokens_per_second", [(8e14 / (6 * params), 1, 1)])
                self.finish(run)
"""
RUNGS = ("rungs", "-e", "ladder", "-m", "val_loss", "--axes", "params,tokens")
ALLOCATE = ("allocate", *RUNGS, "--budget", "1e22", "--cost", "6*params*tokens")
NEXT = ("next-runs", *RUNGS, "--at", "params=1e10,tokens=200G", "--cost", "6*params*tokens")


@pytest.fixture(autouse=True)
def rungs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tracker plugin `rungs`."""
    points = "[unsl_tracking.trackers]\nrungs = rungs_tracker:Rungs\n"
    install(tmp_path, "rungs_tracker", PLUGIN, points, "rungs")
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("rungs_tracker", None)
    tracker_plugins.cache_clear()
    yield
    tracker_plugins.cache_clear()


def unsl(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def answers(*arguments: str) -> list[dict[str, Any]]:
    """The groups' answers with --json."""
    result = unsl(*arguments, "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["schema_version"] == 1
    return [group["answer"] for group in content["groups"]]


def test_a_budget_is_split_on_the_terminal() -> None:
    result = unsl(*ALLOCATE)
    assert result.exit_code == 0
    assert "1e22 of 1e22 (6*params*tokens)" in result.stdout
    for word in ("params", "tokens", "80% interval", "loses at most 0.5%", "grows as budget^"):
        assert word in result.stdout


def test_gpu_hours_and_inference_are_costs_that_the_runs_know() -> None:
    # 8e14 FLOP/s: 1e22 FLOPs are 3472 hours of all GPUs, whatever the size.
    (flops,) = answers(*ALLOCATE)
    hours = str(1e22 / 8e14 / 3600 * 8)
    text = "tokens / tokens_per_second / 3600 * gpus"
    (timed,) = answers("allocate", *RUNGS, "--budget", hours, "--cost", text)
    for one, other in zip(flops["axes"], timed["axes"], strict=True):
        assert one["value"] == pytest.approx(other["value"], rel=1e-3)
    (served,) = answers(*ALLOCATE, "--inference", "2*params*served", "--given", "served=5e11")
    assert served["axes"][0]["value"] < flops["axes"][0]["value"]
    assert served["cost"]["inference"] > 0


def test_limits_of_a_split_are_read_from_the_command_line() -> None:
    limits = ("--choose", "params=1e9:2e9:3e9", "--multiple", "tokens=524288")
    (built,) = answers(*ALLOCATE, *limits)
    params, tokens = (axis["value"] for axis in built["axes"])
    assert params in (pytest.approx(1e9), pytest.approx(2e9), pytest.approx(3e9))
    assert tokens / 524288 == pytest.approx(round(tokens / 524288), abs=1e-6)
    (held,) = answers(*ALLOCATE, "--fix", "params=2e9")
    assert held["axes"][0]["role"] == "fixed"
    (bound,) = answers(*ALLOCATE, "--bounds", "params=1e8:1e9")
    assert bound["axes"][0]["at_bound"] is True


def test_next_runs_are_listed_with_what_they_are_expected_to_tell() -> None:
    result = unsl(*NEXT, "--target", "2.13")
    assert result.exit_code == 0
    assert "expected 80% interval" in result.stdout
    assert "whether it beats 2.13 with 90% confidence" in result.stdout.replace("\n", " ")
    (plan,) = answers(*NEXT)
    assert plan["target"] == {"params": 1e10, "tokens": 2e11}
    assert plan["total_cost"] <= 0.1 * 6 * 1e10 * 2e11
    assert plan["runs"] and plan["runs"][0]["width"] < 1.0


def test_candidates_come_from_a_file(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("name,params,tokens,hours\na,3e9,3e10,100\nb,1e9,6e10,50\n")
    command = (*NEXT[:-1], "hours", "--candidates", str(table), "--budget", "1000")
    (plan,) = answers(*command)
    assert {row["name"] for row in plan["runs"]} <= {"a", "b"}
    assert plan["runs"][-1]["total_cost"] <= 150


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ((*ALLOCATE[:-1], "6*params*"), 2, "must come at character"),
        ((*ALLOCATE[:-1], "6*parms*tokens"), 1, "Near it: params"),
        ((*ALLOCATE, "--budget", "lots"), 2, "--budget must be a positive number"),
        ((*ALLOCATE, "--bounds", "params=1e9"), 2, "--bounds takes a lowest and a highest"),
        ((*ALLOCATE, "--choose", "params"), 2, "--choose must be"),
        ((*ALLOCATE, "--mode", "most"), 2, "--mode must be min or max"),
        ((*ALLOCATE, "--budget", "1e9"), 1, "must afford the smallest run"),
        ((*NEXT, "--confidence", "0.2"), 2, "--confidence must lie"),
        ((*NEXT, "--candidates", "nowhere.csv"), 2, "--candidates must be a CSV file"),
        ((*NEXT, "--at", "lr=1"), 1, "may name the axes in use"),
    ],
)
def test_mistakes_are_one_line_and_a_status(
    command: tuple[str, ...], status: int, message: str
) -> None:
    result = unsl(*command)
    assert result.exit_code == status
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


# --- a reader who goes away ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("gate", *RUNGS, "--at", "params=2e9,tokens=4e10", "--target", "1.0"), 10),
        (("gate", *RUNGS, "--at", "params=2e9,tokens=4e10", "--target", "1.0", "--json"), 10),
        (("forecast", *RUNGS), 0),
        (("forecast", *RUNGS, "--json"), 0),
    ],
)
def test_a_reader_who_goes_away_changes_no_exit_status(
    command: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    found = subprocess.run(
        [sys.executable, "-m", "unsl_tracking.cli", *command],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writes)
    assert (found.returncode, found.stderr) == (status, "")
