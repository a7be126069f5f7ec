"""The run that this process is logging to, as a tracker: what `RunMonitor` writes decisions into.

Nothing that is written here waits for the network: values go into the user's next row, texts into
the summary, files into the run's directory, from where wandb-core uploads them. Tables, charts and
artifacts are not made here, because they ask the server first and wait for it (19 s when it is
dead, measured with wandb 0.31.0).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from unsl_tracking.errors import TrackerError
from unsl_tracking.runs import merge_card
from unsl_tracking.runs.run import Cursor, History, Run
from unsl_tracking.runs.tracker import Progress, Tracker
from unsl_wandb.sink import Sink, sink_of

AT: Final = "at"  # the forecasts' own step axis, hidden: `unsl/<metric>/at`
_DECISION: Final = "decision.json"  # of unsl_tracking.live.writeback
_ALERTS: Final = frozenset({"doomed", "diverged"})
_TITLE: Final = 63  # characters of an alert's title
_TEXT: Final = 1000


class LiveRun:
    """Writes into one run of this process, and reads the project through W&B's API.

    `stop` is called, once and on the thread that writes, when a written decision says to stop.
    `beside` are files, by their path, that are written with every decision.
    """

    def __init__(self, run: Any, *, stop: Callable[[], object] | None = None) -> None:
        self.stop = stop
        self.beside: dict[str, Callable[[], bytes]] = {}
        self._run = run
        self._sink: Sink = sink_of(run)
        self._defined: set[str] = set()
        self._told: set[str] = set()
        self._reading: Tracker | None = None

    @property
    def uri(self) -> str:
        return f"wandb://{self._run.entity}/{self._run.project}"

    def log_metrics(self, run_id: str, values: Mapping[str, float], *, step: int) -> None:
        self._mine(run_id)
        groups: dict[str, dict[str, float]] = {}
        for name, value in values.items():
            groups.setdefault(name.rpartition("/")[0], {})[name] = float(value)
        for group, row in groups.items():
            axis = f"{group}/{AT}" if group else AT
            self._define(axis, list(row))
            self._sink.offer({**row, axis: float(step)})

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._mine(run_id)
        self._sink.describe(tags)

    def log_artifact(self, run_id: str, path: str, data: bytes) -> None:
        self._mine(run_id)
        if PurePosixPath(path).name == _DECISION:
            self._act_on(json.loads(data))
            for name, content in self.beside.items():
                self._write(name, content())
        self._write(path, data)

    def set_card(self, run_id: str, card: str) -> None:
        self._mine(run_id)
        self._run.notes = merge_card(self._run.notes or "", card)

    def experiments(self) -> list[str]:
        return self._reader().experiments()

    def runs(self, experiment: str, *, filter: str | None = None) -> list[Run]:
        return self._reader().runs(experiment, filter=filter)

    def history(
        self,
        runs: Sequence[Run],
        metrics: Sequence[str],
        *,
        since: Cursor | None = None,
        progress: Progress | None = None,
    ) -> History:
        return self._reader().history(runs, metrics, since=since, progress=progress)

    def read_artifact(self, run_id: str, path: str) -> bytes:
        return self._reader().read_artifact(run_id, path)

    def _reader(self) -> Tracker:
        """Made when first needed: it talks to the server."""
        if self._reading is None:
            from unsl_wandb.tracker import WandbTracker

            self._reading = WandbTracker(self.uri)
        return self._reading

    def _mine(self, run_id: str) -> None:
        if run_id != path_of(self._run):
            raise TrackerError(f"This writes into {path_of(self._run)} only", got=run_id)
        if self._sink.finished:
            raise TrackerError("A run that has finished is not written to", got=run_id)

    def _write(self, path: str, data: bytes) -> None:
        """A file of the run; wandb-core uploads it."""
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts:
            raise TrackerError("A file's path must stay inside its run", got=path)
        root = Path(self._run.dir)
        file = root.joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: wandb-core may read it at any time.
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        draft.write_bytes(data)
        draft.replace(file)
        self._run.save(file, base_path=root, policy="now", glob=False)

    def _define(self, axis: str, names: Sequence[str]) -> None:
        """Name the axis of our values: a user's `define_metric("*")` yields to exact names."""
        if axis not in self._defined:
            self._run.define_metric(_escaped(axis), hidden=True)
        for name in {*names} - self._defined:
            self._run.define_metric(_escaped(name), step_metric=_escaped(axis))
        self._defined |= {axis, *names}

    def _act_on(self, decision: Mapping[str, Any]) -> None:
        """Alert about a run that is lost, and stop it; each once."""
        verdict = decision["verdict"]
        if verdict in _ALERTS and verdict not in self._told:
            self._told.add(verdict)
            title = f"{decision['metric']}: {verdict}"
            if decision["dry_run"]:
                title += " (dry run)"
            self._run.alert(title[:_TITLE], str(decision["reason"])[:_TEXT], level="WARN")
        if decision["should_stop"] and (stop := self.stop) is not None:
            self.stop = None
            stop()


def path_of(run: Any) -> str:
    """`entity/project/run`, the id of a run wherever it is read or written."""
    return f"{run.entity}/{run.project}/{run.id}"


def _escaped(name: str) -> str:
    """A name as `define_metric` takes it: there a bare dot separates levels of nested values."""
    return name.replace(".", "\\.")
