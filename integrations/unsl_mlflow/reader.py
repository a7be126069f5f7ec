"""Experiments and runs."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import quote

from unsl_mlflow.client import Connection
from unsl_mlflow.uris import is_http, without_credentials
from unsl_tracking.errors import NotFound, TrackerError
from unsl_tracking.runs.run import Run

_PAGE: Final = 1000
"""Runs or experiments asked for at once; a run brings all its params, tags and latest metrics."""
_MAX_NAMES: Final = 12
_FILTER_HELP: Final = (
    "Write it as MLflow does, for example: params.optimizer = 'adam' and metrics.val_loss < 3"
)


def as_logged(value: float) -> float:
    """Undo what MLflow's databases do to infinity: they keep ±1.797e308, the largest double."""
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else value


def list_experiments(connection: Connection) -> list[str]:
    """Names of the experiments that are not deleted, oldest first."""
    with connection.calling("list experiments"):
        found = list(_experiments(connection))
    return [str(experiment.name) for experiment in found]


def list_runs(connection: Connection, experiment: str, filter: str | None) -> list[Run]:
    """Runs that are not deleted, oldest first. `experiment` is a name or, failing that, an id."""
    found = find_experiment(connection, experiment)
    with connection.calling(f"list the runs of experiment {experiment!r}"):
        try:
            entities = _search_runs(connection, str(found.experiment_id), filter or "")
        except Exception as failure:
            if filter and getattr(failure, "error_code", "") == "INVALID_PARAMETER_VALUE":
                raise TrackerError(
                    f"The filter must be one that MLflow understands ({failure})",
                    got=filter,
                    next_step=_FILTER_HELP,
                ) from failure
            raise
    runs = [_as_run(entity, str(found.name), connection.uri) for entity in entities]
    return sorted(runs, key=lambda run: run.started or 0)


def _experiments(connection: Connection) -> Iterator[Any]:
    token = None
    while True:
        page = connection.store.search_experiments(
            max_results=_PAGE, order_by=["creation_time ASC"], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def find_experiment(connection: Connection, wanted: str) -> Any:
    """The experiment of that name or, failing that, id. Raises `NotFound`."""
    with connection.calling(f"look for experiment {wanted!r}"):
        found = connection.store.get_experiment_by_name(wanted)
        if found is None and wanted.isdecimal():
            try:
                found = connection.store.get_experiment(wanted)
            except Exception as failure:
                if getattr(failure, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                    raise
    if found is None:
        raise _no_such_experiment(connection, wanted)
    if found.lifecycle_stage == "deleted":
        raise NotFound(
            "The experiment must not be deleted",
            got=wanted,
            next_step=f"Restore it: mlflow experiments restore -x {found.experiment_id}",
        )
    return found


def _no_such_experiment(connection: Connection, wanted: str) -> NotFound:
    names = list_experiments(connection)
    by_lower_case = {name.lower(): name for name in reversed(names)}
    near = get_close_matches(wanted.lower(), by_lower_case, n=3, cutoff=0.5)
    if near:
        hint = f"Near to it: {', '.join(repr(by_lower_case[name]) for name in near)}."
    elif names:
        rest = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        hint = f"Experiments there: {', '.join(map(repr, names[:_MAX_NAMES]))}{rest}."
    else:
        hint = "There are no experiments at all."
    return NotFound(f"The experiment must exist at {connection.shown}", got=wanted, next_step=hint)


def _search_runs(connection: Connection, experiment_id: str, filter: str) -> list[Any]:
    """All pages. A run that moves between pages while we read is kept once."""
    from mlflow.entities import ViewType

    found: dict[str, Any] = {}
    token = None
    while True:
        page = connection.store.search_runs(
            experiment_ids=[experiment_id],
            filter_string=filter,
            run_view_type=ViewType.ACTIVE_ONLY,
            max_results=_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        found.update((run.info.run_id, run) for run in page)
        token = page.token
        if not token:
            return list(found.values())


def _as_run(entity: Any, experiment: str, uri: str) -> Run:
    info, data = entity.info, entity.data
    # The public `metrics` has the values only; the objects behind it also know the steps.
    latest = getattr(data, "_metric_objs", None) or []
    return Run(
        id=info.run_id,
        name=info.run_name or "",
        experiment=experiment,
        status=info.status,
        params=dict(data.params),
        tags={key: value or "" for key, value in data.tags.items()},
        metrics={name: as_logged(value) for name, value in data.metrics.items()},
        metric_steps={metric.key: metric.step for metric in latest},
        started=info.start_time,
        ended=info.end_time,
        url=_page_of(uri, info.experiment_id, info.run_id),
    )


def _page_of(uri: str, experiment_id: str, run_id: str) -> str | None:
    if not is_http(uri):
        return None
    base = without_credentials(uri).rstrip("/")
    return f"{base}/#/experiments/{quote(str(experiment_id))}/runs/{quote(run_id)}"
