"""Runs that were never sent: `.wandb` files, written by the real SDK, read by `wandb leet`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.offline_user import OfflineUser
from tests.integrations.wandb.user import STEP
from unsl_tracking.errors import NotFound, TrackerError, TrackerReadOnly
from unsl_tracking.experiment import open_tracker
from unsl_tracking.runs.tracker import Tracker
from unsl_tracking.testing import CursorContract, HistoryContract, UserSide
from unsl_tracking.testing.base import EXPERIMENT
from unsl_tracking.testing.cursor import steps
from unsl_wandb import OfflineTracker, WandbTracker


class TestOffline(HistoryContract, CursorContract):
    """What the protocol promises of reading; projects without runs, notes and writing are not."""

    @pytest.fixture
    def tracker(self, tmp_path: Path, environment: dict[str, str]) -> OfflineTracker:
        return OfflineTracker(tmp_path)

    @pytest.fixture
    def user(self, offline_user: OfflineUser) -> UserSide:
        return offline_user

    def test_contract_rows_added_to_a_run_that_had_ended_are_read(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        """A file that ended gets no further rows: resuming offline begins another, another run."""
        assert isinstance(user, OfflineUser)
        user.log(run_id, "loss", steps(0, 9))
        user.finish(run_id)
        time.sleep(1.1)  # folders are named by the second
        name = Path(run_id).stem.removeprefix("run-")
        again = user.new_run(EXPERIMENT, id=name, resume="allow")
        user.log(again, "loss", steps(10, 19))
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss"]).frame
        assert frame["run_id"].tolist() == [run_id] * 10 + [again] * 10
        assert frame["step"].tolist() == list(range(20))


def test_a_run_is_read_with_its_config_labels_and_end(
    offline_user: OfflineUser, tmp_path: Path
) -> None:
    path = offline_user.new_run(
        "p", name="wide", params={"width": 64, "opt": {"lr": 0.1}}, tags={"team": "vision"}
    )
    run = offline_user.open[path]
    run.config.update({"opt": {"lr": 0.2}}, allow_val_change=True)
    run.summary["n_params"] = 12_000
    run.summary.update({"unsl.verdict": "doomed", "unsl/loss/verdict": "doomed"})
    offline_user.log_rows(path, [{"loss": 2.0, "val": {"acc": 0.5}, STEP: 7}])
    offline_user.finish(path, "FAILED")
    tracker = open_tracker(f"wandb-offline://{tmp_path}")
    (found,) = tracker.runs("p")
    assert (found.id, found.name, found.status) == (path, "wide", "FAILED")
    assert found.config == {"width": 64, "opt.lr": 0.2}
    ours = {"unsl.verdict": "doomed", "unsl/loss/verdict": "doomed"}
    assert found.tags == {"team": "vision", "summary.n_params": "12000", **ours}
    assert found.metrics == {"loss": 2.0, "val.acc": 0.5, STEP: 7.0}
    assert found.metric_steps == {"loss": 7, "val.acc": 7, STEP: 7}
    assert found.started is not None and found.ended is not None and found.ended >= found.started


def test_runs_that_were_synced_and_those_that_were_not_are_found_below_a_folder(
    offline_user: OfflineUser, tmp_path: Path
) -> None:
    paths = [offline_user.new_run("p"), offline_user.new_run("q")]
    for path in paths:
        offline_user.log_rows(path, [{"loss": 1.0, STEP: 0}])
        offline_user.finish(path)
    assert OfflineTracker(tmp_path).experiments() == ["p", "q"]
    assert OfflineTracker(tmp_path).experiment is None
    assert OfflineTracker(Path(paths[1]).parent).experiment == "q"
    assert OfflineTracker(paths[0]).experiments() == ["p"]


def test_a_run_that_was_synced_reads_the_same_from_the_server(
    offline_user: OfflineUser, tmp_path: Path, tracker: WandbTracker
) -> None:
    path = offline_user.new_run("p", params={"width": 64}, tags={"team": "vision"})
    rows = [{"loss": 1 / (1 + i), STEP: 3 * i, "odd": float("nan")} for i in range(300)]
    offline_user.log_rows(path, rows)
    offline_user.finish(path)
    command = [sys.executable, "-m", "wandb", "sync", str(Path(path).parent)]
    subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=tmp_path)
    here, there = OfflineTracker(tmp_path), tracker
    frames = []
    for each in (here, there):
        (run,) = each.runs("p")
        assert (run.config, run.tags, run.status) == ({"width": 64}, {"team": "vision"}, "FINISHED")
        frame = each.history([run], ["loss", "odd", STEP]).frame
        frames.append(frame.drop(columns="run_id"))
    pd.testing.assert_frame_equal(frames[0], frames[1])
    assert len(frames[0]) == 900


def test_what_is_cut_off_is_read_as_far_as_it_goes(
    offline_user: OfflineUser, tmp_path: Path
) -> None:
    """A process was killed, or a copy of the file was made while it was written."""
    path = Path(offline_user.new_run(EXPERIMENT))
    rows = [{"loss": 1 / (1 + i), STEP: i} for i in range(400)]
    offline_user.log_rows(str(path), rows)
    offline_user.finish(str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    tracker = OfflineTracker(tmp_path)
    (run,) = tracker.runs(EXPERIMENT)
    frame = tracker.history([run], ["loss"]).frame
    assert run.status == "RUNNING"
    assert 50 < len(frame) < 400
    assert frame["step"].tolist() == list(range(len(frame)))


def test_trouble_is_told(offline_user: OfflineUser, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="path must exist"):
        OfflineTracker("wandb-offline:///no/such/folder")
    with pytest.raises(NotFound, match="must be a .wandb file"):
        OfflineTracker(tmp_path).experiments()
    path = offline_user.new_run("p")
    tracker = OfflineTracker(tmp_path)
    with pytest.raises(NotFound, match="must be of the project.*Projects here: 'p'"):
        tracker.runs("other")
    with pytest.raises(TrackerReadOnly, match="wandb sync"):
        tracker.log_metrics(path, {"unsl/loss/final": 1.0}, step=1)
    with pytest.raises(TrackerError, match="cannot be filtered"):
        tracker.runs("p", filter="{}")
    with pytest.raises(NotFound):
        tracker.read_artifact(path, "../../secret")
    Path(path).write_bytes(b"something else entirely" * 400)
    with pytest.raises(TrackerError, match="wandb leet inspect must be able to read"):
        tracker.runs("p")
