"""A run's `.wandb` file, read by W&B's own `wandb leet inspect --json`: one JSON record a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from unsl_tracking.errors import TrackerError
from unsl_wandb.failures import short
from unsl_wandb.steps import StepMetrics
from unsl_wandb.values import number

_ENDED_EARLY: Final = "incomplete .wandb file"
"""Part of what leet says at the end of a file that is written to, or whose process was killed."""


@dataclass
class Column:
    """The rows of one metric: `_step`, `_timestamp` in seconds, value."""

    count: array[int] = field(default_factory=lambda: array("q"))
    timestamp: array[float] = field(default_factory=lambda: array("d"))
    value: array[float] = field(default_factory=lambda: array("d"))


@dataclass
class OfflineFile:
    """What is in a file. `exit_code` is None where the run did not say that it ended."""

    run: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    steps: StepMetrics = field(default_factory=lambda: StepMetrics({}, {}))
    exit_code: int | None = None
    lines: int = 0
    last: float = 0.0
    """The time of the last row, in seconds since 1970."""

    def take(self, record: Mapping[str, Any]) -> None:
        """Follow one record."""
        kind = str(record.get("type"))
        content = record.get(kind)
        if not isinstance(content, Mapping):
            return
        if kind == "run":
            self.run |= content
            _merge(self.config, content.get("config"))
        elif kind == "config":
            _merge(self.config, content)
        elif kind == "summary":
            _merge(self.summary, content)
        elif kind == "metric":
            self._define(content)
        elif kind == "history":
            self._row(content.get("item") or {})
        elif kind == "exit":
            self.exit_code = int(content.get("exit_code") or 0)

    def _define(self, metric: Mapping[str, Any]) -> None:
        step = metric.get("step_metric")
        for key, found in (("name", self.steps.names), ("glob_name", self.steps.globs)):
            name = metric.get(key)
            if isinstance(name, str) and isinstance(step, str) and step:
                found[name.replace("\\.", ".")] = step.replace("\\.", ".")

    def _row(self, item: Mapping[str, Any]) -> None:
        count, at = number(item.get("_step")), number(item.get("_timestamp")) or 0.0
        self.last = max(self.last, at)
        count = self.lines if count is None else count
        self.lines += 1
        for name, each in item.items():
            value = number(each)
            if value is None or name in {"_step", "_timestamp", "_runtime"}:
                continue
            column = self.columns.setdefault(name, Column())
            column.count.append(int(count))
            column.timestamp.append(at)
            column.value.append(value)


def read_file(file: Path) -> OfflineFile:
    """Everything in a `.wandb` file, up to its end or to where its process has got.

    Raises `TrackerError` when it is no such file.
    """
    found = OfflineFile()
    for record in _records(file):
        found.take(record)
    if not found.run:
        raise TrackerError(
            "A .wandb file must begin with its run",
            got=str(file),
            next_step="A run that has just begun writes its first rows after some seconds.",
        )
    return found


def _records(file: Path) -> Iterator[dict[str, Any]]:
    # Its complaints go into a file: nobody empties a second pipe while the first one is read.
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            _command(file),
            env={**os.environ, "WANDB_ERROR_REPORTING": "false"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        with process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    yield _record(line, file)
                process.wait()
            finally:
                process.kill()  # if the reader has gone
        complaints.seek(0)
        words = complaints.read().decode(errors="replace")
    if process.returncode > 0 and _ENDED_EARLY not in words:
        rule = "wandb leet inspect must be able to read a .wandb file"
        raise TrackerError(f"{rule} ({short(words)})", got=str(file))


def _record(line: bytes, file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError as failure:
        rule = "wandb leet inspect must print JSON"
        raise TrackerError(
            rule, got=f"{short(line.decode(errors='replace'))} of {file}"
        ) from failure


def _command(file: Path) -> list[str]:
    """`wandb leet inspect --json file`: what that calls, without the second that it takes to do so.

    Neither reports anything to W&B: reading files needs no network.
    """
    try:
        from wandb.util import get_core_path

        core = [str(get_core_path()), "leet", "inspect", "--no-observability", "--json"]
        return [*core, "--run-file", str(file), str(file.parent.parent)]
    except Exception:  # these are not ways that wandb promises to keep
        return [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]


def _merge(into: dict[str, Any], change: Any) -> None:
    if not isinstance(change, Mapping):
        return
    for key in change.get("remove") or ():
        into.pop(str(key), None)
    update = change.get("update")
    into.update(update if isinstance(update, Mapping) else {})
