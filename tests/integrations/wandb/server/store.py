"""What the server keeps: projects, runs, their rows and files. It outlives `kill` and `start`."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integrations.wandb.server.artifacts import Artifact, Collection
    from tests.integrations.wandb.server.sweeps import Sweep

ENTITY = "team"
"""Whose runs these are, unless a request says otherwise."""

Json = dict[str, Any]


def now() -> str:
    """The time as the server writes it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_id(kind: str, number: object) -> str:
    """An opaque id."""
    return base64.b64encode(f"{kind}:v1:{number}".encode()).decode()


@dataclass
class Run:
    """A run and everything that its process has sent."""

    project: Project
    name: str
    number: int
    display_name: str = ""
    config: Json = field(default_factory=dict)
    """As the SDK sends it: `{key: {"value": …, "desc": …}}`."""
    summary: Json = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    """The history, one JSON object per row, as sent."""
    events: list[str] = field(default_factory=list)
    output: dict[int, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    notes: str | None = None
    description: str | None = None
    group: str | None = None
    job_type: str | None = None
    commit: str | None = None
    sweep: str | None = None
    state: str = "running"
    exit_code: int | None = None
    stopped: bool = False
    created: str = field(default_factory=now)
    heartbeat: str = field(default_factory=now)
    files: dict[str, bytes] = field(default_factory=dict)
    used: list[Artifact] = field(default_factory=list)
    logged: list[Artifact] = field(default_factory=list)
    exported: int = 0
    """So many first rows are only in the exported parquet file, not in the live history."""
    lost: int = 0
    """So many last rows are counted, and never handed out."""
    _rows: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        """What the API calls the storage id."""
        return make_id("Run", self.number)

    def rows(self) -> list[Json]:
        """The history as sent, parsed once."""
        if len(self._rows) > len(self.lines):
            self._rows = []
        for line in self.lines[len(self._rows) :]:
            self._rows.append(json.loads(line))
        return self._rows

    def shown(self) -> list[Json]:
        """The rows that are handed out."""
        rows = self.rows()
        return rows[: len(rows) - self.lost]

    def write_lines(self, offset: int, lines: Sequence[str]) -> None:
        """Put rows at their place; a client that repeats a request changes nothing."""
        self.lines[offset : offset + len(lines)] = lines
        del self._rows[offset:]

    @property
    def last_step(self) -> int:
        """The highest `_step`; -1 where there is none."""
        return max((row.get("_step", -1) for row in self.rows()), default=-1)


@dataclass
class Project:
    """A project of an entity. `views` belong to the workspace pages."""

    entity: str
    name: str
    number: int
    created: str = field(default_factory=now)
    runs: dict[str, Run] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)
    views: dict[str, Json] = field(default_factory=dict)


class Store:
    """All projects. Hold `lock` while reading or changing anything in it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.projects: dict[tuple[str, str], Project] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.client_ids: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.charts: dict[str, Json] = {}
        self.alerts: list[Json] = []
        self.sweeps: dict[str, Sweep] = {}
        self.features: set[str] = {"MARK_RUN_FILES_UPLOADED"}
        self.most_samples = 10**9
        """More rows than this are never in a sample, whatever was asked for."""
        self.numbers = itertools.count(1)

    def project(self, entity: str | None, name: str | None) -> Project | None:
        """The project, if there is one."""
        return self.projects.get((entity or ENTITY, name or "uncategorized"))

    def make_project(self, entity: str | None, name: str | None) -> Project:
        """The project, made where there was none."""
        key = (entity or ENTITY, name or "uncategorized")
        if key not in self.projects:
            self.projects[key] = Project(*key, number=next(self.numbers))
        return self.projects[key]

    def make_run(self, project: Project, name: str) -> Run:
        """The run, made where there was none."""
        if name not in project.runs:
            project.runs[name] = Run(project, name, next(self.numbers), display_name=name)
        return project.runs[name]

    def all_runs(self) -> Iterator[Run]:
        """Runs of all projects."""
        for project in self.projects.values():
            yield from project.runs.values()

    def run_by_id(self, storage_id: str) -> Run:
        """Raises `LookupError` as an error for the client."""
        for run in self.all_runs():
            if run.id == storage_id:
                return run
        raise LookupError(f"could not find run {storage_id}")

    def find_run(self, path: str) -> Run:
        """The run at `entity/project/name` (for tests)."""
        entity, project, name = path.split("/")
        return self.projects[entity, project].runs[name]


def receive(run: Run, sent: Mapping[str, Any], *, shared: bool = False) -> Json:
    """Take one file_stream request and answer it. `shared`: several writers, we count the rows."""
    run.heartbeat = now()
    for name, chunk in (sent.get("files") or {}).items():
        offset, content = int(chunk.get("offset", 0)), list(chunk["content"])
        if name == "wandb-history.jsonl":
            if shared:
                offset = len(run.lines)
                content = _numbered(content, offset)
            run.write_lines(offset, content)
        elif name == "wandb-summary.json" and content:
            summary = json.loads(content[-1])
            run.summary = {**run.summary, **summary} if shared else summary
        elif name == "wandb-events.jsonl":
            run.events[offset : offset + len(content)] = content
        elif name == "output.log":
            run.output.update(enumerate(content, start=offset))
    if sent.get("complete"):
        run.exit_code = sent.get("exitcode")
        ended_badly = "killed" if run.stopped else "failed"
        run.state = "finished" if run.exit_code == 0 else ended_badly
    else:
        run.state = "preempting" if sent.get("preempting") else "running"
    answer: Json = {"exitcode": None, "limits": {}}
    return answer | ({"stopped": True} if run.stopped else {})


def _numbered(lines: Sequence[str], first: int) -> list[str]:
    return [json.dumps(json.loads(line) | {"_step": first + i}) for i, line in enumerate(lines)]
