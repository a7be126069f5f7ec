"""A program that is watched as a whole, as `unsl_tracking.attach` does it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.laboratory import decision_of, train, users_rows
from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.training import loss_at

RUN = "team/live/run"


@pytest.mark.slow
def test_runs_of_a_watched_program_are_told_and_written_into(
    server: WandbServer, tmp_path: Path
) -> None:
    how = {"style": "auto", "rows": 40, "plugin": False}
    run, result = train(server, tmp_path, "run", **how, observe=True)
    plain, _ = train(server, tmp_path, "plain", **how)
    assert users_rows(run) == users_rows(plain)
    (first, opened, *rest, end) = result["watched"]
    assert opened == ["open", RUN, "live"]
    assert [first, *rest] == [[RUN, i, loss_at(i)] for i in range(40)]
    assert end == ["ended", RUN]
    assert decision_of(run)["at"] == 39
    assert run.summary["unsl/loss/at"] == 39


@pytest.mark.slow
def test_attach_forecasts_the_runs_of_a_program_that_stays_as_it_is(
    server: WandbServer, tmp_path: Path
) -> None:
    how = {"style": "auto", "rows": 40, "plugin": False}
    run, _ = train(server, tmp_path, "run", **how, attach_all=True)
    plain, _ = train(server, tmp_path, "plain", **how)
    assert users_rows(run) == users_rows(plain)
    assert decision_of(run)["at"] == 39
    assert run.summary["unsl/loss/at"] == 39


def test_a_program_that_has_not_imported_wandb_is_left_alone() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from unsl_wandb.observe import observe; "
        "assert observe(object(), load=False) is None; "
        "from unsl_wandb.active import active_run; assert active_run() is None; "
        "assert 'wandb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
