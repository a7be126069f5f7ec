"""Series straight from the `metrics` table, where MLflow opens the database in this process.

Building MLflow's objects takes several times as long as the query itself. The columns have been the
same since MLflow 1.0; where they are not, the series are read through MLflow's own methods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np

from unsl_mlflow.client import Connection
from unsl_mlflow.pages import read_pages
from unsl_mlflow.series import Rows, rows_of
from unsl_tracking.runs.series import Key

_RUNS_AT_ONCE: Final = 50
"""Bounds the memory that one answer takes, and the number of bound variables."""


def has_table(connection: Connection) -> bool:
    """True for MLflow's own database store; the one with workspaces may hide runs."""
    store = connection.store
    return type(store).__name__ == "SqlAlchemyStore" and hasattr(store, "engine")


def read_tables(connection: Connection, keys: Sequence[Key]) -> Iterator[dict[Key, Rows]]:
    """Every row of these series, some of them at a time."""
    by_metric: dict[str, list[Key]] = {}
    for key in keys:
        by_metric.setdefault(key.metric, []).append(key)
    for same in by_metric.values():
        for start in range(0, len(same), _RUNS_AT_ONCE):
            some = same[start : start + _RUNS_AT_ONCE]
            found = _read(connection, some)
            yield found or {key: read_pages(connection, key) for key in some}


def _read(connection: Connection, keys: Sequence[Key]) -> dict[Key, Rows] | None:
    """Rows of one metric of some runs. None when the database does not answer as expected."""
    import sqlalchemy as sa

    metric = keys[0].metric
    name: sa.ColumnClause[str] = sa.column("key")
    run_uuid: sa.ColumnClause[str] = sa.column("run_uuid")
    others: list[sa.ColumnClause[Any]] = [
        sa.column(c) for c in ("timestamp", "step", "value", "is_nan")
    ]
    query = (
        # Columns without types: what the driver gives is right as it is, and conversion is slow.
        sa.select(run_uuid, *others)
        .select_from(sa.table("metrics", name, run_uuid, *others))
        .where(name == metric, run_uuid.in_([key.run_id for key in keys]))
        .order_by(run_uuid)
    )
    try:
        with connection.store.engine.connect() as opened:
            answer = opened.execute(query)
            # The driver's own tuples: SQLAlchemy's rows take longer than the query.
            rows = (answer.cursor or answer).fetchall()
    except sa.exc.SQLAlchemyError:
        return None
    nothing = rows_of([], [], [])
    return {key: nothing for key in keys} | dict(_by_run(rows, metric))


def _by_run(rows: Sequence[Any], metric: str) -> Iterable[tuple[Key, Rows]]:
    for run_id, group in groupby(rows, key=itemgetter(0)):
        _, timestamp, step, value, is_nan = zip(*group, strict=True)
        values = np.where(np.asarray(is_nan, dtype=bool), np.nan, np.asarray(value, dtype=float))
        yield Key(str(run_id), metric), rows_of(timestamp, step, values)
