"""`OfflineTracker`: runs in `.wandb` files on this machine, without a server."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import unquote

import numpy as np

from unsl_tracking.errors import NotFound, TrackerError, TrackerReadOnly
from unsl_tracking.runs.run import Cursor, History, Run
from unsl_tracking.runs.series import Key
from unsl_tracking.runs.tracker import Progress
from unsl_wandb.client import require_wandb
from unsl_wandb.leet import Column, OfflineFile, read_file
from unsl_wandb.record import OURS
from unsl_wandb.series import Rows, Series, steps_of, to_frame
from unsl_wandb.values import as_text, config_of, flat, milliseconds, number

require_wandb()

_THREADS: Final = 4
_QUIET: Final = 300.0
"""Seconds without a row after which a run that did not say it ended is taken for dead: W&B's server
calls it crashed after as long. A file is written every 15 seconds
(`x_transaction_log_flush_interval`)."""


class _Seen(NamedTuple):
    """A file as it was when it was read."""

    size: int
    changed: int
    content: OfflineFile


class OfflineCursor(Cursor):
    """A `Cursor` that also knows how long each run's file was."""

    sizes: Mapping[str, tuple[int, bool]]


class OfflineTracker:
    """Reads `offline-run-*` and `run-*` folders through `wandb leet inspect`. Writes nothing.

    `address` is `wandb-offline:///path` or a path: a file, a run's folder, a `wandb` folder or one
    above it. An experiment is a project; a run's id is the path of its file. A file that grows is
    read again, whole.

    Raises:
        MissingDependency: wandb is not installed.
        NotFound: there is no such path.
        TrackerReadOnly: by everything that writes.
    """

    def __init__(self, address: str | Path | None = None) -> None:
        text = os.fspath(address) if address is not None else os.environ.get("WANDB_DIR", ".")
        if text.startswith("wandb-offline:"):
            text = unquote(text.removeprefix("wandb-offline:"))
            text = text.removeprefix("//") or "."
        self._path = Path(text).expanduser()
        if not self._path.exists():
            next_step = "Write wandb-offline:///path/of/wandb, with three slashes."
            raise NotFound("The path must exist", got=text, next_step=next_step)
        self._seen: dict[Path, _Seen] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"OfflineTracker({self.uri!r})"

    @property
    def uri(self) -> str:
        """The address."""
        return f"wandb-offline://{self._path.absolute()}"

    @property
    def experiment(self) -> str | None:
        """The project, where all runs are of one."""
        names = self.experiments()
        return names[0] if len(names) == 1 else None

    def experiments(self) -> list[str]:
        """Names of the projects of the runs here."""
        return sorted({_project(each) for each in self._read().values()})

    def runs(self, experiment: str, *, filter: str | None = None) -> list[Run]:
        """Runs of a project, oldest first. There is no language of filters for files."""
        if filter:
            rule = "Offline runs cannot be filtered"
            raise TrackerError(rule, got=filter, next_step="Name a folder with fewer runs.")
        found = self._read()
        names = sorted({_project(each) for each in found.values()})
        if experiment not in names:
            next_step = f"Projects here: {', '.join(map(repr, names)) or 'none'}."
            raise NotFound("A run here must be of the project", got=experiment, next_step=next_step)
        runs = [_as_run(file, each) for file, each in found.items() if _project(each) == experiment]
        return sorted(runs, key=lambda run: run.started or 0)

    def history(
        self,
        runs: Sequence[Run],
        metrics: Sequence[str],
        *,
        since: Cursor | None = None,
        progress: Progress | None = None,
    ) -> History:
        """Every row of these metrics; with `since`, all of the runs whose files have grown."""
        sizes = dict(since.sizes) if isinstance(since, OfflineCursor) else {}
        steps = dict(since.steps) if since else {}
        wanted = tuple(dict.fromkeys(metrics))
        parts: dict[Key, Series] = {}
        for done, run in enumerate(runs, start=1):
            now = (self._file(Path(run.id)).size, run.finished)
            if sizes.get(run.id) != now:
                parts |= _series(run.id, self._file(Path(run.id)).content, wanted)
                sizes[run.id] = now
            if progress:
                progress(done, len(runs))
        for key, series in parts.items():
            if len(series.step):
                last = int(series.step.max())
                steps[key.run_id] = max(last, steps.get(key.run_id, last))
        ended = {run.id for run in runs if run.finished}
        complete = (set(since.complete if since else ()) - {run.id for run in runs}) | ended
        cursor = OfflineCursor(steps, frozenset(complete))
        cursor.sizes = sizes
        return History(to_frame(parts), cursor)

    def log_metrics(self, run_id: str, values: Mapping[str, float], *, step: int) -> None:
        self._refuse(run_id)

    def log_artifact(self, run_id: str, path: str, data: bytes) -> None:
        self._refuse(run_id)

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """A file below the run's `files` folder."""
        folder = (Path(run_id).parent / "files").resolve()
        file = (folder / path).resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            raise NotFound(f"The file must be among those of run {run_id!r}", got=path)
        return file.read_bytes()

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._refuse(run_id)

    def set_card(self, run_id: str, card: str) -> None:
        self._refuse(run_id)

    def _refuse(self, run_id: str) -> NoReturn:
        raise TrackerReadOnly(
            "Forecasts are written into runs on a server",
            got=run_id,
            next_step="Run `wandb sync` first, then forecast wandb://entity/project --write.",
        )

    def _files(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        return sorted(self._path.rglob("run-*.wandb"))

    def _read(self) -> dict[Path, OfflineFile]:
        """All files, read again where they have changed."""
        files = self._files()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="unsl_wandb") as pool:
            seen = list(pool.map(self._file_or_none, files))
        found = {file: each.content for file, each in zip(files, seen, strict=True) if each}
        if not found:
            next_step = "Point to a folder that holds offline-run-… folders."
            raise NotFound("There must be a .wandb file", got=str(self._path), next_step=next_step)
        return found

    def _file_or_none(self, file: Path) -> _Seen | None:
        try:
            return self._file(file)
        except TrackerError:
            if file.stat().st_size <= _HEADER:  # begun, and nothing flushed yet
                return None
            raise

    def _file(self, file: Path) -> _Seen:
        about = file.stat()
        known = self._seen.get(file)
        if known is None or (known.size, known.changed) != (about.st_size, about.st_mtime_ns):
            known = _Seen(about.st_size, about.st_mtime_ns, read_file(file))
            with self._lock:
                self._seen[file] = known
        return known


_HEADER: Final = 4096  # bytes; a file without its run's record is shorter


def _project(file: OfflineFile) -> str:
    return str(file.run.get("project") or "uncategorized")


def _as_run(file: Path, found: OfflineFile) -> Run:
    about, config = found.run, config_of(found.config)
    started = milliseconds(about.get("start_time"))
    changed = round(file.stat().st_mtime * 1000)
    status = "RUNNING"
    if found.exit_code is not None:
        status = "FINISHED" if found.exit_code == 0 else "FAILED"
    elif _is_quiet(file):
        status = "FAILED"
    metrics = {name: column.value[-1] for name, column in found.columns.items()}
    steps = {}
    for name, column in found.columns.items():
        counter = found.columns.get(found.steps.of(name) or "")
        step = counter.value[-1] if counter else float(column.count[-1])
        steps[name] = int(step) if step.is_integer() else int(column.count[-1])
    return Run(
        id=str(file),
        name=str(about.get("display_name") or about.get("run_id") or file.stem),
        experiment=_project(found),
        status=status,
        params={key: as_text(value) for key, value in config.items()},
        tags=_tags(about, found),
        config=config,
        metrics=metrics,
        metric_steps=steps,
        started=started,
        ended=max(changed, started or 0) if status != "RUNNING" else None,
    )


def _tags(about: Mapping[str, Any], found: OfflineFile) -> dict[str, str]:
    tags = {}
    for label in about.get("tags") or ():
        name, colon, value = str(label).partition(":")
        tags[name if colon else str(label)] = value
    for name, key in (("group", "run_group"), ("job_type", "job_type"), ("sweep", "sweep_id")):
        if about.get(key):
            tags[f"wandb.{name}"] = str(about[key])
    for key, value in flat(found.summary).items():
        if key not in found.columns and not key.startswith("_"):
            if key.startswith(OURS) and isinstance(value, str):
                tags[key] = value
            elif isinstance(value, str) or number(value) is not None:
                tags[f"summary.{key}"] = str(value)
    return tags


def _is_quiet(file: Path) -> bool:
    import time

    return time.time() - file.stat().st_mtime > _QUIET


def _series(run_id: str, found: OfflineFile, metrics: Sequence[str]) -> dict[Key, Series]:
    counter = found.steps.common([metric for metric in metrics if metric in found.columns])
    counted = _rows(found.columns.get(counter or "", Column()))
    parts = {}
    for metric in metrics:
        if metric in found.columns:
            rows = _rows(found.columns[metric])
            step = steps_of(rows, counted, None) if counter else rows.at
            parts[Key(run_id, metric)] = Series(step, rows.timestamp, rows.value)
    return parts


def _rows(column: Column) -> Rows:
    timestamp = np.rint(np.array(column.timestamp) * 1000).astype(np.int64)
    return Rows(np.array(column.count, dtype=np.int64), timestamp, np.array(column.value))
