"""What a forecast says, as data. `forecast.json`, the card and the page are views of one document.

The JSON is described in docs/forecast-json.md and is strict: no NaN or Infinity literals (null
instead), keys in a fixed order, the same bytes for the same document.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from unsl_tracking.forecast import ForecastWarning

SCHEMA: Final = "unsl_tracking/forecast"
SCHEMA_VERSION: Final = 1
LEVELS: Final = (0.5, 0.8, 0.95)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning as data. `about` is the answer it belongs to, or "law"."""

    code: str
    message: str
    axis: str | None = None
    value: float | None = None
    about: str = "law"

    @property
    def sentence(self) -> str:
        """The message, and what it is about where that is one answer of several."""
        subjects = {"final": "the end of this run", "target": "the target"}
        return f"{subjects[self.about]}: {self.message}" if self.about in subjects else self.message

    @classmethod
    def of(cls, warning: ForecastWarning, about: str) -> Notice:
        """The same warning, told what it is about."""
        return cls(warning.code, warning.message, warning.axis, warning.value, about)


@dataclass(frozen=True, slots=True)
class Answer:
    """One predicted value. `name` is "final" (this run's own end) or "target" (the asked scale).

    `point` gives the value of every axis, `why` where that point comes from, `intervals` maps a
    level in (0, 1) to (low, high) in units of the metric, `actual` is the value if it is known.
    """

    name: str
    point: Mapping[str, float]
    why: str
    median: float
    intervals: Mapping[float, tuple[float, float]]
    actual: float | None = None
    warnings: tuple[Notice, ...] = ()

    def inside(self, level: float = 0.8) -> bool | None:
        """Whether the actual value lies in the interval; None while it is unknown."""
        if self.actual is None:
            return None
        low, high = self.intervals[level]
        return low <= self.actual <= high


@dataclass(frozen=True, slots=True)
class Band:
    """Median and intervals along one axis, the other axes held at `fixed`. Arrays are (n,)."""

    axis: str
    fixed: Mapping[str, float]
    x: Array
    median: Array
    intervals: Mapping[float, tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class AxisNote:
    """An axis as it was used, and why it is one."""

    name: str
    low: float
    high: float
    levels: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read, how it was grouped, what was left out and why.

    `rows`: whether the law is fitted to one value per run, or to values along the runs.
    """

    runs: int
    points: int
    axes: tuple[AxisNote, ...]
    group: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    rows: Literal["ends", "curves"] = "curves"


@dataclass(frozen=True, slots=True)
class LawNote:
    """Forms with their weights and parameters, as rows of plain values."""

    equation: str
    forms: tuple[Mapping[str, object], ...]
    parameters: tuple[Mapping[str, object], ...]


@dataclass(frozen=True, slots=True)
class RunNote:
    """The run that a document belongs to."""

    id: str
    name: str
    status: str
    last_step: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """Everything said about one run's forecast. Texts from the tracker are untrusted."""

    metric: str
    mode: str
    answers: tuple[Answer, ...]
    evidence: Evidence
    law: LawNote
    run: RunNote | None = None
    tracker: str = ""
    experiment: str = ""
    mode_why: str = ""
    warnings: tuple[Notice, ...] = ()
    curve: Band | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)

    def answer(self, name: str) -> Answer | None:
        """The answer of that name, if it was asked for."""
        return next((answer for answer in self.answers if answer.name == name), None)

    @property
    def headline(self) -> Answer:
        """What the reader came for: the target when there is one, else the run's own end."""
        return self.answer("target") or self.answers[0]

    def all_warnings(self) -> tuple[Notice, ...]:
        """The law's warnings and those of every answer, each message once."""
        seen: dict[str, Notice] = {}
        for notice in (*self.warnings, *(w for a in self.answers for w in a.warnings)):
            seen.setdefault(notice.message, notice)
        return tuple(seen.values())

    def to_dict(self) -> dict[str, object]:
        """The content of forecast.json. Non-finite numbers are None."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "metric": {"name": self.metric, "mode": self.mode, "mode_why": self.mode_why},
            "source": {"tracker": self.tracker, "experiment": self.experiment},
            "run": None if self.run is None else _run(self.run),
            "answers": [_answer(answer) for answer in self.answers],
            "warnings": [_notice(notice) for notice in self.warnings],
            "evidence": _evidence(self.evidence),
            "law": {
                "equation": self.law.equation,
                "forms": [_row(row) for row in self.law.forms],
                "parameters": [_row(row) for row in self.law.parameters],
            },
            "curve": None if self.curve is None else _band(self.curve),
            "provenance": dict(self.provenance),
        }

    def to_json(self) -> str:
        """Strict JSON text ending in a newline, the same for the same document."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=1)
        # a lone surrogate (half an emoji in a run's name) cannot be encoded as UTF-8
        return text.encode("utf-8", "replace").decode("utf-8") + "\n"


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(float(f"{value:.9g}")) for value in values]


def _cell(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return _number(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _row(row: Mapping[str, object]) -> dict[str, object]:
    return {str(name): _cell(value) for name, value in row.items()}


def _run(run: RunNote) -> dict[str, object]:
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "last_step": run.last_step,
        "url": run.url,
    }


def _notice(notice: Notice) -> dict[str, object]:
    return {
        "code": notice.code,
        "message": notice.message,
        "axis": notice.axis,
        "value": _number(notice.value),
    }


def _answer(answer: Answer) -> dict[str, object]:
    return {
        "name": answer.name,
        "point": {name: _number(value) for name, value in answer.point.items()},
        "why": answer.why,
        "median": _number(answer.median),
        "intervals": {
            f"{level:g}": [_number(low), _number(high)]
            for level, (low, high) in answer.intervals.items()
        },
        "actual": _number(answer.actual),
        "warnings": [_notice(notice) for notice in answer.warnings],
    }


def _evidence(evidence: Evidence) -> dict[str, object]:
    return {
        "runs": evidence.runs,
        "points": evidence.points,
        "rows": evidence.rows,
        "axes": [
            {
                "name": axis.name,
                "low": _number(axis.low),
                "high": _number(axis.high),
                "levels": axis.levels,
                "why": axis.why,
            }
            for axis in evidence.axes
        ],
        "group": dict(evidence.group),
        "notes": list(evidence.notes),
        "dropped": [{"what": what, "why": why} for what, why in evidence.dropped],
    }


def _band(band: Band) -> dict[str, object]:
    return {
        "axis": band.axis,
        "fixed": {name: _number(value) for name, value in band.fixed.items()},
        "x": _numbers(band.x),
        "median": _numbers(band.median),
        "intervals": {
            f"{level:g}": [_numbers(low), _numbers(high)]
            for level, (low, high) in band.intervals.items()
        },
    }
