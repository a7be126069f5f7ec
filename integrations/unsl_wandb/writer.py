"""Forecasts into runs of other people, without touching what their own process sends."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from unsl_tracking.errors import NotFound, TrackerError
from unsl_tracking.runs.note import merge_card
from unsl_wandb.client import Connection
from unsl_wandb.reader import run_node
from unsl_wandb.record import FILE, SUMMARY_STEP, Record, file_links
from unsl_wandb.uris import RunPath, run_path
from unsl_wandb.values import parsed

_GOES_ON: Final = frozenset({"running", "pending", "preempting"})
_REMEMBERED: Final = 30.0
"""Seconds for which our own last record of a run is taken for the present one: metrics and tags are
written one after the other, and each would read it again."""
_UPSERT: Final = """
mutation UnslUpdate($id: String!, $notes: String, $summary: JSONString) {
  upsertBucket(input: {id: $id, notes: $notes, summaryMetrics: $summary}) { bucket { id } }
}"""
_CREATE: Final = """
mutation UnslCreateFile($entity: String!, $project: String!, $run: String!, $files: [String!]!) {
  createRunFiles(
    input: {entityName: $entity, projectName: $project, runName: $run, files: $files}
  ) { runID uploadHeaders files { name uploadUrl } }
}"""
_UPLOADED: Final = """
mutation UnslUploaded($entity: String!, $project: String!, $run: String!, $files: [String!]!) {
  markRunFilesUploaded(
    input: {entityName: $entity, projectName: $project, runName: $run, files: $files}
  ) { success }
}"""


def write_metrics(
    connection: Connection, run_id: str, values: Mapping[str, float], step: int
) -> None:
    """Add a row for each value, unless it is already the newest one of that metric at that step."""
    unfit = {name: value for name, value in values.items() if not math.isfinite(value)}
    if unfit:
        raise TrackerError("Only finite values may be written as metrics", got=unfit)
    path = run_path(run_id)
    record = _record(connection, path)
    now = time.time_ns() // 1_000_000
    changed = [record.add(name, step, float(value), now) for name, value in values.items()]
    _save(connection, path, record, changed=any(changed))


def write_tags(connection: Connection, run_id: str, tags: Mapping[str, str]) -> None:
    """Set these tags of ours; the others, and the user's labels, stay."""
    path = run_path(run_id)
    record = _record(connection, path)
    after = record.tags | {name: str(value) for name, value in tags.items()}
    changed = after != record.tags
    record.tags = after
    _save(connection, path, record, changed=changed)


def write_card(connection: Connection, run_id: str, card: str) -> None:
    """Put the card into the run's notes. The user's text is kept."""
    path = run_path(run_id)
    node = run_node(connection, path, "id notes")
    notes = str(node.get("notes") or "")
    merged = merge_card(notes, card)
    if merged != notes:
        variables = {"id": node["id"], "notes": merged}
        doing = f"write the notes of run {path.name!r}"
        connection.query(_UPSERT, variables, doing, writing=True)


def write_file(connection: Connection, run_id: str, path: str, data: bytes) -> None:
    """Write a file of the run; what was there under that path is replaced."""
    inside, run = path_inside(path), run_path(run_id)
    variables = {"entity": run.entity, "project": run.project, "run": run.name, "files": [inside]}
    doing = f"write {inside!r} into run {run.name!r}"
    answer = connection.query(_CREATE, variables, doing, writing=True)
    made = answer.get("createRunFiles") or {}
    if not made.get("runID") or not made.get("files"):  # what it says of a run that is not there
        raise NotFound("The run to write into must exist", got=run_id)
    headers = dict(header.split(":", 1) for header in made.get("uploadHeaders") or ())
    connection.upload(str(made["files"][0]["uploadUrl"]), data, headers, doing)
    if connection.has_feature("MARK_RUN_FILES_UPLOADED"):
        # Servers that do not watch their storage learn of the file this way, as from the SDK.
        connection.query(_UPLOADED, variables, doing, writing=True)


def read_file(connection: Connection, run_id: str, path: str) -> bytes:
    """The content of a file of the run. Raises `NotFound` when it has no such file."""
    inside, run = path_inside(path), run_path(run_id)
    link = file_links(connection, [run], inside).get(run)
    if link is None:
        files = "files(first: 50) { edges { node { name } } }"
        edges = (run_node(connection, run, files).get("files") or {}).get("edges") or ()
        there = ", ".join(str(edge["node"]["name"]) for edge in edges) or "none"
        rule = f"The file must be among those of run {run_id!r}"
        raise NotFound(rule, got=path, next_step=f"Files there: {there}.")
    return connection.download(link, f"read {inside!r} of run {run.name!r}")


def path_inside(path: str) -> str:
    """The path, if it stays inside the run."""
    inside = PurePosixPath(path)
    if not inside.name or inside.is_absolute() or ".." in inside.parts or "\\" in path:
        raise TrackerError(
            "An artifact's path must stay inside its run",
            got=path,
            next_step="Use folder/name.ext, without a leading slash and without `..`.",
        )
    return str(inside)


def _record(connection: Connection, path: RunPath) -> Record:
    """What we wrote before. Raises `NotFound` when there is no such run."""
    known, at = connection.records.get(path, (b"", -math.inf))
    if time.monotonic() - at < _REMEMBERED:
        return Record.from_json(known)
    link = file_links(connection, [path], FILE).get(path)
    return Record.from_json(connection.download(link, f"read {FILE}")) if link else Record()


def _save(connection: Connection, path: RunPath, record: Record, *, changed: bool) -> None:
    if changed:
        data = record.to_json()
        write_file(connection, str(path), FILE, data)
        connection.records[path] = data, time.monotonic()
    _into_summary(connection, path, record)


def _into_summary(connection: Connection, path: RunPath, record: Record) -> None:
    """Show the latest values in the summary, once the run's own process no longer writes it."""
    node = run_node(connection, path, "id state summaryMetrics")
    if node.get("state") in _GOES_ON:
        return
    summary = parsed(node.get("summaryMetrics"))
    latest = record.latest()
    shown: dict[str, object] = {name: value for name, (_, value) in latest.items()}
    shown |= record.tags
    if latest:
        shown[SUMMARY_STEP] = max(step for step, _ in latest.values())
    if all(summary.get(name) == value for name, value in shown.items()):
        return
    variables = {"id": node["id"], "summary": json.dumps({**summary, **shown})}
    doing = f"write into the summary of run {path.name!r}"
    connection.query(_UPSERT, variables, doing, writing=True)
