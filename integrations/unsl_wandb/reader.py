"""Projects and their runs, as they are listed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import quote

from unsl_tracking.errors import NotFound, TrackerError
from unsl_tracking.runs.run import Run
from unsl_wandb.client import Connection
from unsl_wandb.described import FIELDS, WandbRun, as_run
from unsl_wandb.failures import NotUnderstood
from unsl_wandb.home import NAME, is_ours
from unsl_wandb.record import Record, read_records
from unsl_wandb.uris import RunPath, run_path

_PAGE: Final = 100
"""Runs asked for at once; each brings its whole config and summary."""
_MAX_NAMES: Final = 12
_FILTER_HELP: Final = (
    'Write it as W&B does, for example: {"config.optimizer": "adam", "state": "finished"}'
)
_RUNS: Final = f"""
query UnslRuns($entity: String!, $project: String!, $filters: JSONString, $first: Int!,
    $after: String) {{
  project(name: $project, entityName: $entity) {{
    runs(filters: $filters, first: $first, after: $after, order: "+created_at") {{
      edges {{ node {{ {FIELDS} }} }}
      pageInfo {{ endCursor hasNextPage }}
    }}
  }}
}}"""
_PROJECTS: Final = """
query UnslProjects($entity: String!, $first: Int!, $after: String) {
  models(entityName: $entity, first: $first, after: $after) {
    edges { node { name } }
    pageInfo { endCursor hasNextPage }
  }
}"""


def list_projects(connection: Connection) -> list[str]:
    """Names of the entity's projects, or the one that the address names."""
    if connection.place.project:
        return [connection.place.project]
    doing = f"list the projects of {connection.entity!r}"
    variables = {"entity": connection.entity}
    found = _pages(connection, _PROJECTS, variables, doing, lambda data: data.get("models"))
    return list(dict.fromkeys(str(node["name"]) for node in found))


def list_runs(connection: Connection, experiment: str, filter: str | None) -> list[Run]:
    """All runs of a project, oldest first. `experiment` is its name, or entity/project."""
    entity, slash, project = experiment.rpartition("/")
    entity = entity if slash else connection.entity
    variables = {"entity": entity, "project": project, "filters": _filters(filter)}
    doing = f"list the runs of project {project!r}"

    def runs_of(data: Mapping[str, Any]) -> Any:
        if data.get("project") is None:
            raise _no_such_project(connection, entity, project)
        return data["project"]["runs"]

    try:
        nodes = list(_pages(connection, _RUNS, variables, doing, runs_of))
    except NotUnderstood as failure:
        if filter:
            rule = f"The filter must be one that W&B understands ({failure.got})"
            raise TrackerError(rule, got=filter, next_step=_FILTER_HELP) from failure
        raise
    # A run that moves between pages while we read is kept once.
    by_name = {str(node["name"]): node for node in nodes}
    if is_ours(NAME, (by_name.get(NAME) or {}).get("jobType")):
        del by_name[NAME]
    listed = [as_run(connection, entity, project, node) for node in by_name.values()]
    return sorted(_with_records(connection, listed), key=lambda run: run.started or 0)


def read_run(connection: Connection, run_id: str) -> WandbRun:
    """The run as it is listed, without our record. Raises `NotFound`."""
    path = run_path(run_id)
    node = run_node(connection, path, FIELDS)
    return as_run(connection, path.entity, path.project, node)


def run_node(connection: Connection, path: RunPath, fields: str) -> dict[str, Any]:
    """Some fields of one run. Raises `NotFound`."""
    query = f"""query UnslRun($entity: String!, $project: String!, $run: String!) {{
      project(name: $project, entityName: $entity) {{ run(name: $run) {{ {fields} }} }}
    }}"""
    variables = {"entity": path.entity, "project": path.project, "run": path.name}
    data = connection.query(query, variables, f"read run {path.name!r}")
    node = (data.get("project") or {}).get("run")
    if node is None:
        next_step = f"List the runs of the project: wandb://{path.entity}/{path.project}"
        raise NotFound("The run must exist", got=str(path), next_step=next_step)
    return dict(node)


def _with_records(connection: Connection, runs: list[WandbRun]) -> list[Run]:
    """Runs that go on, with what we wrote into them; of ended ones the summary tells it."""
    going = [run.id for run in runs if not run.finished]
    records = read_records(connection, going) if going else {}
    return [_with_record(run, records.get(run.id)) for run in runs]


def _with_record(run: WandbRun, record: Record | None) -> WandbRun:
    if record is None:
        return run
    latest = record.latest()
    return replace(
        run,
        tags={**run.tags, **record.tags},
        metrics={**run.metrics, **{name: value for name, (_, value) in latest.items()}},
        metric_steps={**run.metric_steps, **{name: step for name, (step, _) in latest.items()}},
    )


def _filters(text: str | None) -> str:
    if not text:
        return "{}"
    try:
        content = json.loads(text)
    except ValueError as failure:
        rule = f"A filter of W&B runs must be JSON ({failure})"
        raise TrackerError(rule, got=text, next_step=_FILTER_HELP) from failure
    if not isinstance(content, dict):
        raise TrackerError(
            "A filter of W&B runs must be an object", got=text, next_step=_FILTER_HELP
        )
    return json.dumps(content)


def _pages(
    connection: Connection, query: str, variables: Mapping[str, Any], doing: str, part: Any
) -> Iterator[dict[str, Any]]:
    """The nodes of all pages of the connection that `part` finds in the data."""
    after = None
    while True:
        data = connection.query(query, {**variables, "first": _PAGE, "after": after}, doing)
        page = part(data) or {}
        yield from (edge["node"] for edge in page.get("edges") or ())
        info = page.get("pageInfo") or {}
        if not info.get("hasNextPage") or info.get("endCursor") in (None, after):
            return
        after = info["endCursor"]


def _no_such_project(connection: Connection, entity: str, project: str) -> NotFound:
    variables = {"entity": entity}
    doing = f"list the projects of {entity!r}"
    found = _pages(connection, _PROJECTS, variables, doing, lambda data: data.get("models"))
    names = list(dict.fromkeys(str(node["name"]) for node in found))
    near = get_close_matches(project, names, n=3, cutoff=0.5)
    if near:
        hint = f"Near to it: {', '.join(map(repr, near))}."
    elif names:
        rest = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        hint = f"Projects there: {', '.join(map(repr, names[:_MAX_NAMES]))}{rest}."
    else:
        hint = f"The entity {entity!r} has no project that this key may see."
    where = f"{connection.server}/{quote(entity)}"
    return NotFound(f"The project must exist at {where}", got=project, next_step=hint)
