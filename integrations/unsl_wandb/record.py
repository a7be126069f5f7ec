"""What we wrote into a run: a file `unsl/record.json` of that run.

W&B's own process sends a run's whole summary, tags and config whenever one of them changes, so what
somebody else writes there is gone within seconds while the run goes on. Files and notes stay. The
history belongs to the run's process alone. So the record is a file, whatever the run's state; when
the run has ended, the latest values are also put into its summary, where they can be seen, sorted
and filtered by in W&B's tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from unsl_tracking.errors import NotFound, TrackerError, TrackerUnavailable
from unsl_wandb.client import Connection
from unsl_wandb.uris import RunPath, run_path

FILE: Final = "unsl/record.json"
OURS: Final = ("unsl/", "unsl.")
"""How names of metrics and of tags begin that we write."""
SUMMARY_STEP: Final = "unsl/step"
"""The summary's name for the step that our values belong to."""
_AT_ONCE: Final = 50
_THREADS: Final = 8


@dataclass
class Record:
    """Rows (step, timestamp in ms, value) by metric, and tags."""

    rows: dict[str, list[tuple[int, int, float]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def latest(self) -> dict[str, tuple[int, float]]:
        """Step and value of the newest row of every metric."""
        return {name: (max(rows)[0], max(rows)[2]) for name, rows in self.rows.items() if rows}

    def add(self, name: str, step: int, value: float, now: int) -> bool:
        """Add a row, unless its value is already the newest one at that step."""
        rows = self.rows.setdefault(name, [])
        here = [row for row in rows if row[0] == step]
        if here and max(here)[2] == value:
            return False
        # Two rows within a millisecond would leave open which one is the newer.
        rows.append((step, max(now, max(here)[1] + 1) if here else now, value))
        return True

    def to_json(self) -> bytes:
        """As in the file."""
        content = {"schema": "unsl_wandb/record", "schema_version": 1}
        return json.dumps(content | {"metrics": self.rows, "tags": self.tags}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Record:
        """Raises `TrackerError` for a file that is not ours; nothing in it is trusted."""
        try:
            content = json.loads(data)
            rows = {
                str(name): [(int(step), int(at), float(value)) for step, at, value in some]
                for name, some in content["metrics"].items()
            }
            tags = {str(name): str(value) for name, value in content["tags"].items()}
        except (ValueError, TypeError, KeyError, AttributeError) as failure:
            raise TrackerError(
                f"The run's file {FILE} must be one that unsl_wandb wrote",
                got=f"{type(failure).__name__}: {failure}",
                next_step="Delete the file in the run's Files tab.",
            ) from failure
        return cls(rows, tags)


def file_links(connection: Connection, runs: Sequence[RunPath], name: str) -> dict[RunPath, str]:
    """Links to a file of several runs of one project, for those that have it."""
    fields = "files(names: $names, first: 1) { edges { node { name directUrl url } } }"
    parts = [f"r{i}: run(name: $r{i}) {{ {fields} }}" for i in range(len(runs))]
    names = "".join(f", $r{i}: String!" for i in range(len(runs)))
    query = f"""query UnslFiles($entity: String!, $project: String!, $names: [String]!{names}) {{
      project(name: $project, entityName: $entity) {{ {" ".join(parts)} }}
    }}"""
    variables: dict[str, Any] = {f"r{i}": path.name for i, path in enumerate(runs)}
    variables |= {"entity": runs[0].entity, "project": runs[0].project, "names": [name]}
    data = connection.query(query, variables, f"look for {name!r} among files of runs")
    found = {}
    for i, path in enumerate(runs):
        run = (data.get("project") or {}).get(f"r{i}")
        if run is None:
            raise NotFound("The run must exist", got=str(path), next_step="List the runs.")
        for edge in (run.get("files") or {}).get("edges") or ():
            link = edge["node"].get("directUrl") or edge["node"].get("url")
            if edge["node"].get("name") == name and link:
                found[path] = str(link)
    return found


def read_records(connection: Connection, run_ids: Sequence[str]) -> dict[str, Record]:
    """The records of those runs that have one. What cannot be read is left out, but for outages.

    Reading runs must not fail because of what we once wrote into one of them.
    """
    by_project: dict[tuple[str, str], list[RunPath]] = {}
    for path in map(run_path, run_ids):
        by_project.setdefault((path.entity, path.project), []).append(path)
    links: dict[RunPath, str] = {}
    for paths in by_project.values():
        for start in range(0, len(paths), _AT_ONCE):
            links |= _links_or_none(connection, paths[start : start + _AT_ONCE])
    if not links:
        return {}
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="unsl_wandb") as pool:
        records = pool.map(lambda link: _record_or_none(connection, link), links.values())
        pairs = zip(links, records, strict=True)
        return {str(path): record for path, record in pairs if record is not None}


def _links_or_none(connection: Connection, paths: Sequence[RunPath]) -> Mapping[RunPath, str]:
    try:
        return file_links(connection, paths, FILE)
    except TrackerUnavailable:
        raise
    except TrackerError:
        return {}


def _record_or_none(connection: Connection, link: str) -> Record | None:
    try:
        return Record.from_json(connection.download(link, f"read {FILE}"))
    except TrackerUnavailable:
        raise
    except TrackerError:
        return None
