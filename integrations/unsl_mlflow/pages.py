"""One series at a time: `get-history`, slower, with pages, and whole on every store."""

from __future__ import annotations

from typing import Any, Final

from mlflow.utils.search_utils import SearchUtils

from unsl_mlflow.client import Connection
from unsl_mlflow.series import Mark, Rows, continues, rows_of
from unsl_tracking.errors import NotFound, TrackerError, TrackerUnavailable
from unsl_tracking.runs.series import Key

_PAGE: Final = 25_000  # mlflow/store/tracking/__init__.py: GET_METRIC_HISTORY_MAX_RESULTS


def read_pages(connection: Connection, key: Key, *, offset: int = 0) -> Rows:
    """Every row of a series from the given place on, in MLflow's order."""
    token = SearchUtils.create_page_token(offset) if offset else None
    found: list[Any] = []
    try:
        with connection.calling(f"read {key.metric!r} of run {key.run_id!r}"):
            while True:
                page = connection.store.get_metric_history(
                    run_id=key.run_id, metric_key=key.metric, max_results=_PAGE, page_token=token
                )
                found += page
                token = page.token
                if not token:
                    break
    except NotFound:
        # Folders of files say this of a metric that the run never logged; databases do not.
        with connection.calling(f"read run {key.run_id!r}"):
            connection.store.get_run(key.run_id)
    return rows_of(
        [metric.timestamp for metric in found],
        [metric.step for metric in found],
        [metric.value for metric in found],
    )


def read_tail(connection: Connection, key: Key, mark: Mark) -> Rows | None:
    """The row last read and those after it; None when rows were put in before it.

    None also where the store has no pages that begin at a row (folders of files): read it whole.
    """
    try:
        rows = read_pages(connection, key, offset=mark.rows - 1)
    except TrackerUnavailable:
        raise
    except TrackerError:
        return None
    return rows if continues(rows, mark) else None
