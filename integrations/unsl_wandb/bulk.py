"""Many histories in one request.

`sampledHistory` gives the rows that have all the keys asked for, thinned out when there are more
than `samples`. We ask for more samples than there are rows, and count what comes (see `history`).
Several runs share a request as several fields of one query; a long history is several windows of
steps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Final, NamedTuple

from unsl_tracking.errors import NotFound
from unsl_wandb.client import Connection
from unsl_wandb.uris import RunPath

THREADS: Final = 4
_ROWS: Final = 50_000
"""Rows that one request asks for at most, as far as one knows before: about 5 MB of JSON."""
_RUNS: Final = 25
_SPARE: Final = 10_000
"""Further samples, for rows that come while we read."""


class Ask(NamedTuple):
    """The rows of a run with a key, for each of the keys from a `_step` on.

    `rows` is how many one expects of each, `last` the highest `_step` known.
    """

    path: RunPath
    first: Mapping[str, int]
    rows: int
    last: int

    @property
    def keys(self) -> list[str]:
        """What is asked for."""
        return list(self.first)


class Window(NamedTuple):
    """A part of what is asked for: from `first` up to (and perhaps with) `end`; None: no end."""

    ask: Ask
    first: int
    end: int | None
    rows: int


class Answer(NamedTuple):
    """Rows per key, as they came, and the number of rows in the whole history at that time."""

    ask: Ask
    rows: dict[str, list[dict[str, Any]]]
    lines: int


def read_bulk(connection: Connection, asks: Sequence[Ask]) -> Iterator[Answer]:
    """All answers, each as soon as it is whole."""
    windows = [window for ask in asks for window in windows_of(ask)]
    missing = {id(ask): len(list(windows_of(ask))) for ask in asks}
    partial = {id(ask): Answer(ask, {key: [] for key in ask.keys}, 0) for ask in asks}
    requests = list(_requests(windows))
    with ThreadPoolExecutor(THREADS, thread_name_prefix="unsl_wandb") as pool:
        jobs = [pool.submit(_read, connection, some) for some in requests]
        try:
            for job in as_completed(jobs):
                for window, rows, lines in job.result():
                    place = id(window.ask)
                    answer = partial[place]
                    for key in window.ask.keys:
                        answer.rows[key].extend(rows[key])
                    partial[place] = answer._replace(lines=max(lines, answer.lines))
                    missing[place] -= 1
                    if not missing[place]:
                        yield partial.pop(place)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def windows_of(ask: Ask) -> Iterator[Window]:
    """One window, or for a long history several of about as many rows each."""
    parts = max(1, math.ceil(ask.rows * len(ask.keys) / _ROWS))
    begin = min(ask.first.values())
    span = max(ask.last + 1 - begin, 0)
    parts = min(parts, max(span, 1))
    edges = [begin + span * i // parts for i in range(parts)]
    for i, first in enumerate(edges):
        end = edges[i + 1] if i + 1 < parts else None
        yield Window(ask, first, end, math.ceil(ask.rows / parts))


def _requests(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Windows of one project, put together as long as an answer stays handy."""
    some: list[Window] = []
    rows = 0
    for window in windows:
        more = window.rows * len(window.ask.keys)
        other = some and some[0].ask.path[:2] != window.ask.path[:2]
        if some and (other or len(some) >= _RUNS or rows + more > _ROWS):
            yield some
            some, rows = [], 0
        some.append(window)
        rows += more
    if some:
        yield some


def _read(
    connection: Connection, windows: Sequence[Window]
) -> list[tuple[Window, dict[str, list[dict[str, Any]]], int]]:
    """One request."""
    parts: list[str] = []
    names: list[str] = []
    variables: dict[str, Any] = {}
    for i, window in enumerate(windows):
        names.append(f"$n{i}: String!, $s{i}: [JSONString!]!")
        parts.append(f"r{i}: run(name: $n{i}) {{ historyLineCount sampledHistory(specs: $s{i}) }}")
        variables[f"n{i}"] = window.ask.path.name
        variables[f"s{i}"] = [json.dumps(spec) for spec in _specs(window)]
    query = f"""query UnslHistories($entity: String!, $project: String!, {", ".join(names)}) {{
      project(name: $project, entityName: $entity) {{ {" ".join(parts)} }}
    }}"""
    path = windows[0].ask.path
    variables |= {"entity": path.entity, "project": path.project}
    data = connection.query(query, variables, f"read histories of {path.project!r}")
    found = data.get("project") or {}
    result = []
    for i, window in enumerate(windows):
        run = found.get(f"r{i}")
        if run is None:
            got, next_step = str(window.ask.path), "It was deleted: list the runs again."
            raise NotFound("The run to read must exist", got=got, next_step=next_step)
        rows = dict(zip(window.ask.keys, run["sampledHistory"], strict=True))
        result.append((window, rows, int(run.get("historyLineCount") or 0)))
    return result


def _specs(window: Window) -> Iterator[dict[str, Any]]:
    """What to sample. Rows without a metric are left out by the server, so each is asked alone."""
    for key, first in window.ask.first.items():
        spec: dict[str, Any] = {
            "keys": ["_step", "_timestamp", key],
            "samples": 2 * window.rows + _SPARE,
        }
        if max(first, window.first) > 0:
            spec["minStep"] = max(first, window.first)
        if window.end is not None:
            spec["maxStep"] = window.end
        yield spec
