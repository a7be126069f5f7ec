"""`python -m unsl_wandb.confirm`, which is for real servers, on ours."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.server import WandbServer


def confirm(environment: dict[str, str], project: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unsl_wandb.confirm", f"wandb://team/{project}", "--wait", "0"]
    variables = os.environ | environment
    return subprocess.run(command, env=variables, text=True, capture_output=True, timeout=120)


@pytest.mark.slow
def test_all_that_we_rely_on_holds_here_and_the_run_is_deleted(
    server: WandbServer, environment: dict[str, str]
) -> None:
    done = confirm(environment, "unsl-confirm")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all hold\n") and "FAILS" not in done.stdout
    assert server.store.projects["team", "unsl-confirm"].runs == {}


@pytest.mark.slow
def test_what_does_not_hold_is_named(server: WandbServer, environment: dict[str, str]) -> None:
    server.store.most_samples = 100
    done = confirm(environment, "unsl-confirm")
    assert done.returncode == 1
    assert "FAILS  sampledHistory with more samples than rows gives all" in done.stdout
    assert "holds  all rows are read, by the step metric" in done.stdout, "by the slower way"
