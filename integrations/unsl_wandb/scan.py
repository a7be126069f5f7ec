"""The SDK's own way to a whole history: exported rows from parquet files, the others page by page.

Slower, one run at a time, and the one that W&B documents as complete; we take it where counting
says that the fast way left rows out. Never with the SDK's cache, which it keeps by file number and
does not look at again: with it, rows of a run that grew are missing (seen with wandb 0.31.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from unsl_tracking.errors import TrackerError
from unsl_wandb.client import Connection
from unsl_wandb.failures import short
from unsl_wandb.uris import RunPath
from unsl_wandb.values import flat

_ROWS: Final = 2000
"""Rows of a page, about; pages are counted in steps, of which there may be many more than rows."""


def scan(connection: Connection, path: RunPath, metrics: Sequence[str]) -> tuple[list[Any], int]:
    """Every row of the run, with nothing but what we need of it, and their number."""
    rows = []
    wanted = {"_step", "_timestamp", *metrics}
    doing = f"scan the history of run {path.name!r}"
    try:
        run = connection.sdk_api().run(str(path))
        lines, last = int(run._attrs.get("historyLineCount") or 1), int(run.lastHistoryStep)
        page = max(1000, (last + 1) * _ROWS // max(lines, 1))
        for row in run.scan_history(page_size=page, use_cache=False):
            whole = {**flat(row), **row}
            rows.append({key: value for key, value in whole.items() if key in wanted})
    except Exception as failure:
        # The SDK tells an outage from a bad key, or from anything else, only by its words. Asking
        # the server ourselves tells: an outage or a bad key is raised from here.
        connection.query("query { viewer { id } }", {}, doing)
        raise TrackerError(
            f"W&B at {connection.server} must be able to {doing}", got=short(failure)
        ) from failure
    return rows, len(rows)
