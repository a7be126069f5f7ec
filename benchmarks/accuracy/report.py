"""Results as figures per set and per domain, in markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.accuracy import scores, widths
from benchmarks.accuracy.harness import Result, Score
from benchmarks.accuracy.methods import NAMES, OURS, SINGLE

_PER_CENT = "{:.0%}".format


def by_set(results: Sequence[Result]) -> pd.DataFrame:
    """A row per set: a column of RMSLE per method, which was best, our mean of ln ŷ − ln y."""
    rows = []
    for r in results:
        errors = {m: s.rmsle for m, s in r.scores.items() if not s.refusal}
        p = r.problem
        row: dict[str, object] = {"source": p.source, "domain": p.domain, "set": p.name}
        row |= {"train": len(p.train), "test": len(p.test)}
        row["bias"] = r.scores[OURS].bias if OURS in r.scores else np.nan
        row |= {m: errors.get(m, np.nan) for m in NAMES if any(m in q.scores for q in results)}
        rows.append(row | {"best": min(errors, key=lambda m: errors[m], default="")})
    return pd.DataFrame(rows)


def by_domain(results: Sequence[Result]) -> dict[str, pd.DataFrame]:
    """Per domain, in order of appearance, a table with a row per method."""
    domains = list(dict.fromkeys(r.problem.domain for r in results))
    return {d: summary([r for r in results if r.problem.domain == d]) for d in domains}


def summary(results: Sequence[Result]) -> pd.DataFrame:
    """A row per method over these sets; every set counts the same, however many points it has.

    `best`: share of the sets where the method has the smallest RMSLE; the average of ours competes,
    its single best form does not (it would win with our own fit).
    """
    names = [m for m in NAMES if any(m in r.scores for r in results)]
    return pd.DataFrame([_row(m, results) for m in names]).set_index("method")


def _row(method: str, results: Sequence[Result]) -> dict[str, object]:
    mine = [r.scores[method] for r in results if method in r.scores]
    good = [s for s in mine if not s.refusal]
    sure = [s for s in good if s.has_interval]
    errors = np.array([s.rmsle for s in good])
    row: dict[str, object] = {"method": method, "sets": len(good), "refused": len(mine) - len(good)}
    row |= {"mean": _mean(errors), "median": _median(errors), "geo": geometric_mean(errors)}
    row["best"] = "" if method == SINGLE else _best_share(method, results)
    row["log score"] = _mean([s.log_score for s in sure])
    row["CRPS"] = _mean([s.crps for s in sure])
    coverage = mean_coverage(sure)
    for level in scores.REPORTED:
        row[f"in {level:.0%}"] = coverage[scores.LEVELS.index(level)]
    for level in scores.REPORTED:
        row[f"width {level:.0%}"] = _median([s.width[level] for s in sure])
    row["MSCE"] = scores.calibration_error(coverage) if sure else np.nan
    row["s/fit"] = _median([s.seconds for s in good])
    return row


def mean_coverage(found: Sequence[Score]) -> widths.Array:
    """Coverage (levels,) averaged over sets."""
    if not found:
        return np.full(len(scores.LEVELS), np.nan)
    each = np.array([[s.coverage[v] for v in scores.LEVELS] for s in found])
    return np.asarray(each.mean(axis=0), dtype=float)


def geometric_mean(errors: Sequence[float] | widths.Array) -> float:
    """Of RMSLE; NaN without any."""
    return float(np.exp(np.mean(np.log(np.maximum(errors, 1e-9))))) if len(errors) else np.nan


def _best_share(method: str, results: Sequence[Result]) -> float:
    wins = 0
    for r in results:
        errors = {m: s.rmsle for m, s in r.scores.items() if not s.refusal and m != SINGLE}
        wins += bool(errors) and min(errors, key=lambda m: errors[m]) == method
    return wins / len(results)


def _mean(values: Sequence[float] | widths.Array) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _median(values: Sequence[float] | widths.Array) -> float:
    return float(np.median(values)) if len(values) else np.nan


def loso(results: Sequence[Result]) -> pd.DataFrame:
    """Coverage by source, with the width refitted without it."""
    sets = [
        widths.Coverage(r.problem.source, _kind(r), r.coverage_by_width)
        for r in results
        if r.coverage_by_width
    ]
    return widths.coverage_by_source(sets)


def _kind(result: Result) -> str:
    return "curves" if len(result.problem.axes) == 1 else "several axes"


def table(frame: pd.DataFrame) -> str:
    """A markdown table; text from tables is escaped."""
    shown = frame.reset_index() if frame.index.name else frame
    head = [str(c) for c in shown.columns]
    rows = shown.astype(object).to_numpy().tolist()
    body = [[_cell(c, v) for c, v in zip(head, row, strict=True)] for row in rows]
    size = [max(len(line[j]) for line in [head, *body]) for j in range(len(head))]
    lines = [head, ["-" * n for n in size], *body]
    return "\n".join(
        "| " + " | ".join(c.ljust(n) for c, n in zip(line, size, strict=True)) + " |"
        for line in lines
    )


def _cell(column: str, value: object) -> str:
    if isinstance(value, float):
        if not np.isfinite(value):
            return ""
        if column.startswith("in ") or column == "best" or column[:1].isdigit():
            return _PER_CENT(value)
        if column in ("log score", "factor", "s/fit"):
            return f"{value:.2f}"
        return f"{value:.4f}" if abs(value) < 10 else f"{value:.3g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def to_json(results: Sequence[Result]) -> list[dict[str, object]]:
    """Every figure of every set."""
    return [
        {
            "source": r.problem.source,
            "domain": r.problem.domain,
            "set": r.problem.name,
            "axes": list(r.problem.axes),
            "train": len(r.problem.train),
            "test": len(r.problem.test),
            "secondary": r.problem.secondary,
            "methods": {m: s.to_dict() for m, s in r.scores.items()},
        }
        for r in results
    ]
