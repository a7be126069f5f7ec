"""A tracker that lives in this process: for tests, examples and callbacks without a server.

The methods of `Tracker` come last; those before them are what a user's training code would do
(`new_experiment`, `new_run`, `log`, `finish`).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from unsl_tracking.errors import NotFound, TrackerError
from unsl_tracking.runs.note import merge_card
from unsl_tracking.runs.run import HISTORY_DTYPES, Cursor, History, Run, empty_history
from unsl_tracking.runs.tracker import Progress
from unsl_tracking.runs.verdict import Verdict

Row = tuple[float, int, int]
"""(value, step, timestamp in milliseconds since 1970)"""


@dataclass
class _Stored:
    """A run's mutable parts. `rows` holds one frame per call of `log`, in order of arrival."""

    run: Run
    rows: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    latest: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    note: str = ""

    def as_run(self) -> Run:
        return replace(
            self.run,
            metrics={name: value for name, (_, _, value) in self.latest.items()},
            metric_steps={name: step for name, (step, _, _) in self.latest.items()},
        )

    def history(self, metric: str) -> pd.DataFrame:
        chunks = self.rows.get(metric)
        if not chunks:
            return empty_history()
        # As trackers do: what agrees in step, timestamp and value is the same row.
        frame = pd.concat(chunks, ignore_index=True).drop_duplicates()
        self.rows[metric] = [frame]
        frame = frame.assign(run_id=self.run.id, metric=metric)[list(HISTORY_DTYPES)]
        return frame.astype(HISTORY_DTYPES)


class MemoryTracker:
    """The `Tracker` protocol over dictionaries. Safe to use from several threads.

    `filter` of `runs` is a pattern for run names (`"width-*"`). Identical rows collapse into one.
    """

    def __init__(self, uri: str = "memory:") -> None:
        self._uri = uri
        self._experiments: dict[str, list[str]] = {}
        self._runs: dict[str, _Stored] = {}
        self._experiment_tags: dict[str, dict[str, str]] = {}
        self._models: dict[str, list[str]] = {}  # the run of each version, by name
        self._aliases: dict[str, dict[str, int]] = {}
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    # --- what training code does -----------------------------------------------------------------

    def new_experiment(self, name: str) -> None:
        """Create an experiment; nothing happens when there is one of that name."""
        with self._lock:
            self._experiments.setdefault(name, [])

    def new_run(
        self,
        experiment: str,
        *,
        name: str = "",
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, object] | None = None,
        started: int | None = None,
    ) -> str:
        """Start a run (and its experiment) and return its id. Params become text, as in MLflow."""
        with self._lock:
            self.new_experiment(experiment)
            run = Run(
                id=f"run-{next(self._ids):06d}",
                name=name,
                experiment=experiment,
                status="RUNNING",
                params={key: str(value) for key, value in (params or {}).items()},
                tags=dict(tags or {}),
                config=dict(config or {}),
                started=_now() if started is None else started,
            )
            self._runs[run.id] = _Stored(run)
            self._experiments[experiment].append(run.id)
            return run.id

    def log(self, run_id: str, metric: str, rows: Iterable[Row]) -> None:
        """Log rows (value, step, timestamp) in any order; NaN and ±inf are kept as they are."""
        columns = list(zip(*rows, strict=True))
        if not columns:
            return
        value = np.asarray(columns[0], dtype=np.float64)
        step, timestamp = (np.asarray(column, dtype=np.int64) for column in columns[1:])
        last = int(np.lexsort((np.arange(step.size), timestamp, step))[-1])
        newest = (int(step[last]), int(timestamp[last]), float(value[last]))
        with self._lock:
            stored = self._stored(run_id)
            frame = pd.DataFrame({"step": step, "timestamp": timestamp, "value": value})
            stored.rows.setdefault(metric, []).append(frame)
            known = stored.latest.get(metric)
            if known is None or newest[:2] >= known[:2]:
                stored.latest[metric] = newest

    def finish(self, run_id: str, status: str = "FINISHED", *, ended: int | None = None) -> None:
        """End a run with a status; `finish(run_id, "RUNNING")` resumes it."""
        with self._lock:
            stored = self._stored(run_id)
            ended = (_now() if ended is None else ended) if status != "RUNNING" else None
            stored.run = replace(stored.run, status=status, ended=ended)

    def delete(self, run_id: str) -> None:
        """Delete a run: `runs` lists it no more."""
        with self._lock:
            self._experiments[self._stored(run_id).run.experiment].remove(run_id)
            del self._runs[run_id]

    def read_note(self, run_id: str) -> str:
        """The run's note in markdown, our card included."""
        return self._stored(run_id).note

    def write_note(self, run_id: str, text: str) -> None:
        """Replace the run's note, as its owner may."""
        self._stored(run_id).note = text

    def files(self, run_id: str) -> list[str]:
        """Paths of the run's artifacts."""
        return sorted(self._stored(run_id).files)

    def register_model(self, name: str, run_id: str) -> int:
        """A new version of a model, produced by a run; returns its number."""
        with self._lock:
            self._models.setdefault(name, []).append(self._stored(run_id).run.id)
            return len(self._models[name])

    def model_aliases(self, name: str) -> dict[str, int]:
        """The model's aliases and the versions that they stand for."""
        return dict(self._aliases.get(name, {}))

    def experiment_tags(self, experiment: str) -> dict[str, str]:
        """The experiment's own tags."""
        return dict(self._experiment_tags.get(experiment, {}))

    # --- the protocol ----------------------------------------------------------------------------

    @property
    def uri(self) -> str:
        return self._uri

    def experiments(self) -> list[str]:
        return list(self._experiments)

    def runs(self, experiment: str, *, filter: str | None = None) -> list[Run]:
        with self._lock:
            if experiment not in self._experiments:
                raise NotFound(
                    "The experiment must exist",
                    got=experiment,
                    next_step=f"Experiments here: {', '.join(self._experiments) or 'none'}.",
                )
            runs = [self._runs[run_id].as_run() for run_id in self._experiments[experiment]]
        kept = [run for run in runs if filter is None or fnmatchcase(run.name, filter)]
        return sorted(kept, key=lambda run: run.started or 0)

    def history(
        self,
        runs: Sequence[Run],
        metrics: Sequence[str],
        *,
        since: Cursor | None = None,
        progress: Progress | None = None,
    ) -> History:
        steps = dict(since.steps) if since else {}
        complete = set(since.complete) if since else set()
        frames = []
        for number, run in enumerate(runs, start=1):
            with self._lock:
                stored = self._stored(run.id)
                last = max((step for step, _, _ in stored.latest.values()), default=-1)
                # A run still being written is read whole: rows come late and at earlier steps,
                # and reading memory costs little.
                if not (run.id in complete and stored.run.finished and last == steps.get(run.id)):
                    frames += [stored.history(metric) for metric in dict.fromkeys(metrics)]
                steps[run.id] = last
                (complete.add if stored.run.finished else complete.discard)(run.id)
            if progress:
                progress(number, len(runs))
        frames = [frame for frame in frames if len(frame)]
        frame = pd.concat(frames, ignore_index=True) if frames else empty_history()
        order = ["run_id", "metric", "timestamp", "step"]
        frame = frame.sort_values(order, kind="stable", ignore_index=True)
        return History(frame, Cursor(steps, frozenset(complete)))

    def log_metrics(self, run_id: str, values: Mapping[str, float], *, step: int) -> None:
        unfit = {name: value for name, value in values.items() if not isfinite(value)}
        if unfit:
            raise TrackerError("Only finite values may be written as metrics", got=unfit)
        with self._lock:
            stored = self._stored(run_id)
            for name, value in values.items():
                rows = stored.history(name)
                rows = rows[rows["step"] == step].sort_values("timestamp")
                if len(rows) and rows["value"].iloc[-1] == value:
                    continue  # already said
                # Two writes within a millisecond would leave open which one is the newer.
                after = int(rows["timestamp"].max()) + 1 if len(rows) else 0
                self.log(run_id, name, [(value, step, max(_now(), after))])

    def log_artifact(self, run_id: str, path: str, data: bytes) -> None:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts:
            raise TrackerError("An artifact's path must stay inside its run", got=path)
        self._stored(run_id).files[str(PurePosixPath(path))] = bytes(data)

    def read_artifact(self, run_id: str, path: str) -> bytes:
        files = self._stored(run_id).files
        if path not in files:
            raise NotFound(
                "The artifact must exist",
                got=path,
                next_step=f"Artifacts of {run_id}: {', '.join(sorted(files)) or 'none'}.",
            )
        return files[path]

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        with self._lock:
            stored = self._stored(run_id)
            stored.run = replace(stored.run, tags={**stored.run.tags, **tags})

    def set_card(self, run_id: str, card: str) -> None:
        with self._lock:
            stored = self._stored(run_id)
            stored.note = merge_card(stored.note, card)

    def set_verdict(
        self, experiment: str, run_ids: Sequence[str], verdict: Verdict
    ) -> tuple[str, ...]:
        with self._lock:
            self.runs(experiment)  # raises where there is none
            self._experiment_tags.setdefault(experiment, {}).update(verdict.tags)
            marked = [experiment]
            for name, runs in sorted(self._models.items()):
                versions = [number for number, run in enumerate(runs, 1) if run in run_ids]
                if versions:
                    aliases = self._aliases.setdefault(name, {})
                    for alias in verdict.other_aliases:
                        aliases.pop(alias, None)
                    aliases[verdict.alias] = versions[-1]
                    marked.append(f"{name}:{versions[-1]}")
            return tuple(marked)

    def _stored(self, run_id: str) -> _Stored:
        try:
            return self._runs[run_id]
        except KeyError:
            raise NotFound(
                "The run must exist", got=run_id, next_step="List them with `runs(experiment)`."
            ) from None


def _now() -> int:
    return time.time_ns() // 1_000_000
