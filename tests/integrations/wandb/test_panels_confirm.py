"""`python -m unsl_wandb.confirm_panels`, which is for real servers, on ours."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("wandb")
pytest.importorskip("wandb_workspaces")

from tests.integrations.wandb.server import WandbServer


@pytest.mark.slow
def test_all_that_panels_rely_on_holds_here(
    server: WandbServer, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "unsl_wandb.confirm_panels", "wandb://team/unsl-confirm"]
    variables = os.environ | environment
    done = subprocess.run(command, env=variables, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all hold\n") and "FAILS" not in done.stdout
    assert f"{server.uri}/team/unsl-confirm?nw=unslforecast" in done.stdout
