"""What a gate asks, as data: read from a mapping (a TOML table), checked before anything is read.

    [gate]
    experiment = "ladder"
    at = { params = 7e9, tokens = "140B" }
    confidence = 0.9

    [gate.metrics.val_loss]
    target = 2.10

    [gate.metrics.toxicity]
    may_regress = false

docs/gate.md lists the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from unsl_tracking.decide.cost import check_cost
from unsl_tracking.decide.gate import GateVerdict, check_rule
from unsl_tracking.errors import DataError
from unsl_tracking.runs.expression import near_names
from unsl_tracking.runs.numbers import read_number

Mode = Literal["min", "max"]
_MODES: Final = ("min", "max")
_METRICS: Final = "metrics"


@dataclass(frozen=True, slots=True)
class MetricRule:
    """What is asked of one metric.

    It must beat `target`; or, where `may_regress` is False, be no worse at the target scale than
    the best run so far, give or take a share `tolerance` of it; or both. `confidence` overrides the
    policy's. `mode` None is guessed from the name; `ceiling` None is 1, for a metric to maximise.
    """

    metric: str
    target: float | None = None
    may_regress: bool = True
    tolerance: float = 0.0
    confidence: float | None = None
    mode: Mode | None = None
    ceiling: float | None = None

    def __post_init__(self) -> None:
        where = f"of the metric {self.metric!r}"
        if self.target is None and self.may_regress:
            raise DataError(
                "a metric is given a target or may_regress = false",
                got=f"neither for {self.metric!r}",
            )
        check_rule(0.0 if self.target is None else self.target, self.confidence or 0.9)
        if not 0.0 <= self.tolerance < 1.0:
            raise DataError(f"the tolerance {where} is 0 or more and below 1", got=self.tolerance)
        if self.tolerance and self.may_regress:
            raise DataError(f"the tolerance {where} needs may_regress = false", got=self.tolerance)

    def bar(self, best: float, mode: Mode) -> tuple[float, str]:
        """The value to beat and what it is, given where the best run so far ended."""
        worse = best * (1.0 + self.tolerance) if mode == "min" else best * (1.0 - self.tolerance)
        if self.may_regress:
            assert self.target is not None
            return self.target, "the target"
        known = "the best run so far"
        known += f", give or take {self.tolerance:.3g} of it" if self.tolerance else ""
        if self.target is None or (worse < self.target if mode == "min" else worse > self.target):
            return worse, known
        return self.target, "the target"


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """Everything a gate can be told; what is None or empty is left to defaults or to the caller.

    `at`: the target scale by axis. `recipe`: which group of runs, by the values that set it apart.
    `cost`: what a run costs, as arithmetic over axes (`6*params*tokens`) and the numbers `given`.
    `required_coverage`: the share of past outcomes that 80% intervals must have held. The rest says
    which runs are read.
    """

    metrics: tuple[MetricRule, ...] = ()
    at: Mapping[str, float] = field(default_factory=dict)
    confidence: float = 0.9
    max_decades: float | None = None
    required_coverage: float | None = None
    cost: str | None = None
    given: Mapping[str, float] = field(default_factory=dict)
    tracker: str | None = None
    experiment: str | None = None
    axes: tuple[str, ...] | None = None
    group: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    filter: str | None = None
    recipe: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_rule(0.0, self.confidence, self.max_decades, self.required_coverage)
        check_cost(self.cost, self.given)

    @classmethod
    def read(cls, table: Mapping[str, Any], source: str = "the policy") -> GatePolicy:
        """From the table `gate` of a file; `source` names the file in errors.

        Raises:
            DataError: an unknown key, or a value of the wrong kind.
        """
        values = _read(table, _POLICY, f"{source}, [gate]")
        metrics = values.pop(_METRICS, {})
        rules = []
        for name, given in metrics.items():
            place = f"{source}, [gate.metrics.{name}]"
            if not isinstance(given, Mapping):
                raise DataError(f"{place} is a table", got=given)
            rules.append(MetricRule(metric=name, **_read(given, _METRIC, place)))
        return cls(metrics=tuple(rules), **values)


def overall(verdicts: list[GateVerdict]) -> GateVerdict:
    """One verdict of several: NO-GO if any is, GO if all are, UNDECIDED otherwise."""
    if "NO-GO" in verdicts:
        return "NO-GO"
    return "GO" if verdicts and set(verdicts) == {"GO"} else "UNDECIDED"


def _read(
    table: Mapping[str, Any], known: Mapping[str, Callable[[Any, str], Any]], place: str
) -> dict[str, Any]:
    for name in table:
        if name not in known:
            raise DataError(
                f"{place} holds known keys only", got=name, next_step=near_names(name, known)
            )
    return {name: known[name](value, f"{place}: {name}") for name, value in table.items()}


def _number(value: Any, place: str) -> float:
    number = None if isinstance(value, bool) else read_number(value)
    if number is None:
        raise DataError(f"{place} is a number", got=value)
    return number


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{place} is a text", got=value)
    return value


def _bool(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise DataError(f"{place} is true or false", got=value)
    return value


def _mode(value: Any, place: str) -> str:
    if value not in _MODES:
        raise DataError(f"{place} is min or max", got=value)
    return str(value)


def _texts(value: Any, place: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise DataError(f"{place} is a list of texts", got=value)
    return tuple(_text(each, place) for each in value)


def _table(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError(f"{place} is a table", got=value)
    return value


def _point(value: Any, place: str) -> dict[str, float]:
    point = {str(k): _number(v, f"{place}.{k}") for k, v in _table(value, place).items()}
    for name, number in point.items():
        if number <= 0.0:
            raise DataError(f"{place}.{name} is above 0", got=number)
    return point


def _labels(value: Any, place: str) -> dict[str, str]:
    return {str(k): str(v) for k, v in _table(value, place).items()}


_METRIC: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "target": _number,
    "may_regress": _bool,
    "tolerance": _number,
    "confidence": _number,
    "mode": _mode,
    "ceiling": _number,
}
_POLICY: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    _METRICS: _table,
    "at": _point,
    "confidence": _number,
    "max_decades": _number,
    "required_coverage": _number,
    "cost": _text,
    "given": _point,
    "tracker": _text,
    "experiment": _text,
    "axes": _texts,
    "group": _texts,
    "ignore": _texts,
    "filter": _text,
    "recipe": _labels,
}
