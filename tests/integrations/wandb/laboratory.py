"""Runs `training.py` against a server, with and without the plugin, and compares the runs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.server.store import ENTITY, Run
from tests.waiting import until

PROGRAM = Path(__file__).with_name("training.py")
OURS = "unsl"
CLOCK = frozenset({"_timestamp", "_runtime"})
_LIMIT = 300.0  # seconds; the machine may be very busy, and pytest ends a test after 600

Json = dict[str, Any]


class Program:
    """A process and all that it starts, ended by `with`."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self._place = folder / f"output-{time.monotonic_ns()}.txt"
        self._output = self._place.open("wb")
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_LIMIT)
        self._output.close()

    @property
    def output(self) -> str:
        """All that it printed."""
        return self._place.read_text(errors="replace")


class Training:
    """One training process. Ended, with its wandb-core, by `with`."""

    def __init__(self, server: WandbServer, folder: Path, run_id: str, **spec: Any) -> None:
        self.server, self.run_id = server, run_id
        self.folder = folder / f"{run_id}-{time.monotonic_ns()}"
        self.folder.mkdir(parents=True)
        variables: Json = spec.pop("environment", {})
        init = {"id": run_id, **spec.pop("init", {})}
        told = {"style": "auto", "rows": 60, "plugin": True, **spec, "init": init}
        told["folder"] = str(self.folder)
        (self.folder / "spec.json").write_text(json.dumps(told))
        keep = ("PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "LANG")
        keep = ("PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "LANG")
        self.environment = {
            **{name: os.environ[name] for name in keep if name in os.environ},
            **server.environment(self.folder),
            "OPENBLAS_NUM_THREADS": "1",
            **variables,
        }
        self._output = (self.folder / "output.txt").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, self.folder / "spec.json", self.folder / "result.json"],
            cwd=self.folder,
            env=self.environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(_LIMIT)
        self._output.close()

    @property
    def output(self) -> str:
        """All that it printed."""
        return (self.folder / "output.txt").read_text(errors="replace")

    def wait(self, code: int | None = 0) -> Json:
        """Wait for its end; what it wrote as its result."""
        found = self.process.wait(_LIMIT)
        assert code is None or found == code, self.output
        result = self.folder / "result.json"
        return json.loads(result.read_text()) if result.exists() else {}

    def reach(self, row: int) -> Path:
        """Wait until it stands at this row; it goes on when the file returned is removed."""
        place = self.folder / f"station-{row}"
        until(lambda: place.exists() or self.process.poll() is not None, _LIMIT)
        assert place.exists(), self.output
        return place

    def sync(self) -> None:
        """What a user does with a run that was logged offline."""
        (found,) = (self.folder / "wandb").glob("offline-run-*")
        command = [sys.executable, "-m", "wandb", "sync", str(found)]
        environment = {**self.environment, "WANDB_MODE": "online"}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def started(self) -> bool:
        """Whether the server has heard of the run."""
        with self.server.store.lock:
            return any(run.name == self.run_id for run in self.server.store.all_runs())

    @property
    def run(self) -> Run:
        """What the server has of the run."""
        return self.server.run(f"{ENTITY}/live/{self.run_id}")


def processes_of(folder: Path) -> list[str]:
    """Programs that run with this folder in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in (process / "environ").read_text(errors="replace"):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue  # ended, or somebody else's
    return found


def train(server: WandbServer, folder: Path, run_id: str, **spec: Any) -> tuple[Run, Json]:
    """Run a whole training; the run on the server, and the result."""
    with Training(server, folder, run_id, **spec) as training:
        result = training.wait()
        return training.run, result


def users(row: Json) -> Json:
    """The user's part of a row or summary; the clock's values only as being there."""
    return {
        key: ... if key in CLOCK else value
        for key, value in row.items()
        if not key.startswith(OURS) and key != "_wandb"
    }


def users_rows(run: Run) -> list[Json]:
    """The user's part of every row, in the order of the server."""
    return [users(row) for row in run.rows()]


def ours(run: Run) -> list[tuple[int, Json]]:
    """Our part of the rows that have one, with the row's step."""
    found = []
    for row in run.rows():
        mine = {key: value for key, value in row.items() if key.startswith(OURS)}
        if mine:
            found.append((row["_step"], mine))
    return found


def decision_of(run: Run) -> Json:
    """The decision that was written last, from the run's files."""
    (found,) = [data for name, data in run.files.items() if name.endswith("decision.json")]
    return dict(json.loads(found))


def users_config(run: Run) -> Json:
    """The config without what W&B keeps about itself."""
    return {key: value for key, value in run.config.items() if key != "_wandb"}
