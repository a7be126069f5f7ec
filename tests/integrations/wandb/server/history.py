"""A run's rows, as the several fields of the API hand them out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import quote

from tests.integrations.wandb.server.store import Json, Run

T = TypeVar("T")


def quoted(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def thinned(rows: Sequence[T], samples: int) -> list[T]:
    """All rows, or where there are more, as many of them, evenly spread."""
    if len(rows) <= samples:
        return list(rows)
    distance = (len(rows) - 1) / max(1, samples - 1)
    return [rows[round(i * distance)] for i in range(samples)]


def lines(run: Run, first: int | None, end: int | None, samples: int) -> list[str]:
    """Rows as they were sent, from a step on, up to but without another."""
    kept = [
        line
        for line, row in zip(run.lines, run.shown(), strict=False)
        if _within(row, first, end) and _is_live(run, row)
    ]
    return thinned(kept, samples)


def sampled(run: Run, spec: Mapping[str, Any], most: int) -> list[Json]:
    """Rows that have all the keys, and of these nothing but the keys.

    Here, other than in `lines`, the last step belongs to the window: wandb-core relies on that.
    """
    wanted = list(dict.fromkeys(spec.get("keys") or ()))
    last = spec.get("maxStep")
    kept = []
    for row in run.shown():
        if not _within(row, spec.get("minStep"), None if last is None else last + 1):
            continue
        found = [row[key] if key in row else value(row, key) for key in wanted]
        if None not in found:
            kept.append({key: as_json(each) for key, each in zip(wanted, found, strict=True)})
    return thinned(kept, min(most, spec.get("samples") or 500))


def keys(run: Run) -> Json:
    """Which keys the rows have, and how often."""
    found: dict[str, Json] = {}
    for row in run.rows():
        for key, each in flat(row):
            kind = "number" if isinstance(each, (int, float)) else "string"
            about = found.setdefault(
                key, {"typeCounts": [{"type": kind, "count": 0}], "monotonic": False}
            )
            about["typeCounts"][0]["count"] += 1
            about["previousValue"] = as_json(each)
    return {"sets": [], "keys": found, "lastStep": run.last_step}


def exports(run: Run, base: str) -> Any:
    """Where the rows lie that were exported to a parquet file."""
    if not run.exported:
        return SimpleNamespace(typename="ParquetHistory", parquetUrls=[], liveData=[])
    live = [{"_step": row["_step"]} for row in run.rows() if _is_live(run, row)]
    url = f"{base}/storage/parquet/{run.number}/{run.exported}"
    return SimpleNamespace(typename="ParquetHistory", parquetUrls=[url], liveData=live[:1])


def parquet(run: Run, rows: int) -> bytes:
    """The exported file."""
    import io

    import pyarrow
    import pyarrow.parquet

    some = [dict(flat(row)) for row in run.rows()[:rows]]
    names = sorted({k for row in some for k, each in row.items() if isinstance(each, (int, float))})
    table = pyarrow.table({name: [row.get(name) for row in some] for name in names})
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


def value(row: Mapping[str, Any], key: str) -> Any:
    """What a row has under a key, dots leading into nested values; None for nothing."""
    if key in row:
        return row[key]
    found: Any = row
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def flat(row: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Keys and values with nested keys joined by dots."""
    out: list[tuple[str, Any]] = []
    for key, each in row.items():
        if isinstance(each, Mapping) and "_type" not in each:
            out += flat(each, f"{before}{key}.")
        else:
            out.append((before + key, each))
    return out


def as_json(each: Any) -> Any:
    """Numbers that JSON does not have become the texts that the SDK reads them from."""
    if type(each) is float and not math.isfinite(each):
        return "NaN" if math.isnan(each) else "Infinity" if each > 0 else "-Infinity"
    return each


def _within(row: Mapping[str, Any], first: int | None, end: int | None) -> bool:
    step = row.get("_step", 0)
    return (first is None or step >= first) and (end is None or step < end)


def _is_live(run: Run, row: Mapping[str, Any]) -> bool:
    """A guess about the real server: the paged history has only what was not exported."""
    return not run.exported or row["_step"] > run.rows()[run.exported - 1]["_step"]
