"""Finding the scaling axes of an experiment, and saying why each candidate is one or is not.

A candidate is anything with numbers: params, config values and tags of the runs, the step, and
other metrics. They are looked at in the order of `_ORDER`, the more telling names first, and each
is chosen unless one of `_RULES` speaks against it, in the order in which they stand there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.runs.axes import PLACES, RESERVED, Axis, Place
from unsl_tracking.runs.names import Family, Kind, family_of, kind_of, plain_name, rank_in_family
from unsl_tracking.runs.table import Column, Table

MOST_AXES: Final = 4
LEAST_SPAN: Final = 2.0  # largest over smallest value
SAME_WITHIN: Final = 0.02  # of ln(value): 2% is what rounding does to widths and steps
SAME_SHARE: Final = 0.05  # or this share of the standard deviation of ln(value)
_PLANNED: Final = "the planned length of a run"
_SAMPLE: Final = 64  # rows looked at per run

_ORDER: Final[tuple[Family, ...]] = (
    "size", "progress", "repeats", "data", "shape", "other", "compute", "hyper", "clock",
)  # fmt: skip
_COURSE: Final[frozenset[Family]] = frozenset({"progress", "repeats"})
_SCALES: Final[frozenset[Family]] = _COURSE | {"size", "data", "compute"}


@dataclass(frozen=True, slots=True)
class Detection:
    """A candidate for an axis, and the verdict on it.

    `low` and `high` are its least and largest positive values, `runs_with` counts the runs that
    have a number for it. `explained` is true for what the chosen axes already tell: such a param
    does not split groups.
    """

    name: str
    chosen: bool
    reason: str
    low: float
    high: float
    runs_with: int
    source: str = ""
    kind: Kind = "scale"
    explained: bool = False

    @property
    def planned(self) -> bool:
        """Whether it is a param that says how long runs were to be."""
        return self.reason.startswith(_PLANNED)

    @property
    def axis(self) -> Axis:
        """The axis that this candidate would be."""
        return Axis(self.name, self.source or None, self.kind)


@dataclass(frozen=True, slots=True)
class _Candidate:
    detection: Detection
    family: Family
    place: Place | None  # None for arithmetic
    values: NDArray[np.float64]  # of the sampled rows
    along: bool  # varies within a run


@dataclass(slots=True)
class _Search:
    """What the rules look at. `table` is a sample, `run` (s,) the run of each of its rows."""

    table: Table
    ignored: Sequence[str]
    run: NDArray[np.intp]
    curves: bool  # some run has several rows
    chosen: list[_Candidate] = field(default_factory=list)


_Verdict = tuple[str, bool]
"""Why a candidate is no axis, and whether the chosen axes explain it."""


def detect_axes(
    table: Table, ignored: Sequence[str], *, named: Sequence[Axis] = ()
) -> tuple[Detection, ...]:
    """All candidates with a verdict, the chosen ones first.

    With `named` axes these are the chosen ones and no other is; what they explain is still said.
    """
    whole, table = table, table.sample(_SAMPLE)
    run = table.rows.run
    search = _Search(table, ignored, run, curves=bool((np.diff(run) == 0).any()))
    search.chosen = [_named(axis, search) for axis in named]
    sources = {each.detection.source for each in search.chosen}
    refused: list[Detection] = []
    for candidate in sorted(_candidates(search), key=_importance):
        if candidate.detection.source in sources:
            continue
        reason, explained = _verdict(candidate, search)
        if not reason and named:
            reason = "not asked for"
        if reason:
            refused.append(replace(candidate.detection, reason=reason, explained=explained))
        else:
            search.chosen.append(_choose(candidate, whole))
    return (*(each.detection for each in search.chosen), *refused)


def is_ignored(key: str, ignored: Sequence[str]) -> bool:
    """True when a pattern matches the key in lower case, or its plain name (see `names`)."""
    lower, plain = key.lower(), plain_name(key)
    return any(fnmatchcase(lower, each) or fnmatchcase(plain, each) for each in ignored)


# --- gathering -----------------------------------------------------------------------------------


def _candidates(search: _Search) -> Iterator[_Candidate]:
    table, names = search.table, set[str]()
    params = set(table.keys("param"))
    for place in PLACES:
        for key in table.keys(place):
            if place == "config" and key in params:
                continue  # a tracker that keeps types has it in both places
            name, source = (key, f"{place}:{key}") if key else ("step", "step")
            if name == table.metric or (key and is_ignored(key, search.ignored)):
                continue
            column = table.column(place, key)
            values = column.values
            finite = np.isfinite(values)
            if not finite.any():
                continue
            if name in names or name in RESERVED:
                name = source
            candidate = _candidate(name, source, place, values, search)
            if _is_worth_a_word(candidate, search):
                names.add(name)
                yield candidate


def _named(axis: Axis, search: _Search) -> _Candidate:
    column: Column = search.table.axis(axis)
    place: Place | None = None
    source = axis.source or axis.name
    if axis.expression() is None:
        place, key = search.table.find(source)
        source = f"{place}:{key}" if key else "step"
    values = column.values
    candidate = _candidate(axis.name, source, place, values, search)
    told = replace(candidate.detection, chosen=True, reason="asked for", kind=axis.kind)
    return replace(candidate, detection=told)


def _candidate(
    name: str,
    source: str,
    place: Place | None,
    values: NDArray[np.float64],
    search: _Search,
) -> _Candidate:
    low, high = _range(values)
    with_number = np.unique(search.run[np.isfinite(values)]).size
    detection = Detection(name, False, "", low, high, with_number, source, kind_of(name))
    both = np.isfinite(values[1:]) & np.isfinite(values[:-1])
    along = bool((both & (np.diff(search.run) == 0) & (values[1:] != values[:-1])).any())
    family: Family = family_of(name)
    if family == "progress" and place in {"param", "config", "tag"} and not search.curves:
        family = "data"  # without curves, planned tokens are how much data there was
    return _Candidate(detection, family, place, values, along)


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """The least and the largest positive value; NaN without any."""
    positive = values[np.isfinite(values) & (values > 0)]
    return (float(positive.min()), float(positive.max())) if positive.size else (np.nan, np.nan)


def _is_worth_a_word(candidate: _Candidate, search: _Search) -> bool:
    """False for constants and metrics that nobody would take for an axis: most there are."""
    finite = np.isfinite(candidate.values)
    values, run = candidate.values[finite], search.run[finite]
    tells_scale = candidate.family in _SCALES
    if candidate.place == "metric":
        falls = ((values[1:] < values[:-1]) & (np.diff(run) == 0)).any()
        return not falls and (candidate.along or tells_scale)
    return tells_scale or bool(values.min() < values.max())


def _importance(candidate: _Candidate) -> tuple[int, bool, int]:
    rank = rank_in_family(candidate.detection.name)
    return _ORDER.index(candidate.family), not candidate.along, rank


def _choose(candidate: _Candidate, whole: Table) -> _Candidate:
    """The chosen candidate; the range that is told is that of all rows, not of the sample."""
    told = candidate.detection
    low, high = _range(whole.axis(told.axis).values)
    told = replace(told, low=low, high=high)
    over = "along the runs" if candidate.along else "between runs"
    reason = f"varies {over} from {told.low:.4g} to {told.high:.4g}"
    return replace(candidate, detection=replace(told, chosen=True, reason=reason))


# --- judging -------------------------------------------------------------------------------------


def _verdict(candidate: _Candidate, search: _Search) -> _Verdict:
    """The first objection, or ("", False)."""
    for rule in _RULES:
        reason, explained = rule(candidate, search)
        if reason:
            return reason, explained
    return "", False


def _is_time(candidate: _Candidate, search: _Search) -> _Verdict:
    timed = candidate.family == "clock"
    return ("time depends on the machine, not only on the recipe" if timed else "", False)


def _is_rare(candidate: _Candidate, search: _Search) -> _Verdict:
    runs = np.unique(search.run).size
    have = candidate.detection.runs_with
    return (f"only {have} of {runs} runs have a number for it" if 2 * have < runs else "", False)


def _has_no_logarithm(candidate: _Candidate, search: _Search) -> _Verdict:
    values = candidate.values
    zero = not (values > 0).any() if candidate.along else (values <= 0).any()
    return ("has values of 0 or below, and an axis needs their logarithm" if zero else "", False)


def _varies_little(candidate: _Candidate, search: _Search) -> _Verdict:
    told = candidate.detection
    if told.low == told.high:
        return f"is {told.low:.4g} throughout", False
    if told.high / LEAST_SPAN < told.low:
        reason = f"varies only from {told.low:.4g} to {told.high:.4g}, less than a factor of two"
        return reason, False
    return "", False


def _is_planned_length(candidate: _Candidate, search: _Search) -> _Verdict:
    """A budget (`max_steps`) that says where runs end, when curves say how far they have come."""
    if candidate.family not in _COURSE or candidate.along or not search.curves:
        return "", False
    course = next((each for each in search.chosen if each.along), None)
    steps = search.table.rows.step.astype(np.float64)
    along = steps if course is None else course.values
    last = np.flatnonzero(np.diff(search.run, append=-1))
    ended = np.array([search.table.runs[search.run[i]].finished for i in last])
    last = last[ended] if ended.sum() >= 2 else last
    plan, end = candidate.values[last], along[last]
    fit = np.isfinite(plan) & np.isfinite(end) & (plan > 0) & (end > 0)
    if fit.sum() < 2:
        return "", False
    x, y = np.log(end[fit]), np.log(plan[fit])
    same_ends, same_plans = bool(np.ptp(x) < 1e-9), bool(np.ptp(y) < 1e-9)
    # All that ended had one plan and kept to it, and another plan is of runs that go on. Otherwise
    # half a correlation is enough: the length also depends on batch sizes and data sets.
    kept = same_ends and same_plans and ended.sum() >= 2
    if not kept and (same_ends or same_plans or np.corrcoef(x, y)[0, 1] < 0.5):
        return "", False
    told = course.detection.name if course else "step"
    return f"{_PLANNED}; `{told}` says how far the run has come", True


def _is_second_course(candidate: _Candidate, search: _Search) -> _Verdict:
    """Tokens, samples, steps and epochs all say how far a run has come: one of them is enough."""
    first = next((each for each in search.chosen if each.along), None)
    if first is None or not candidate.along or candidate.family == "compute":
        return "", False
    return f"says how far a run has come, as `{first.detection.name}` does", True


def _is_no_course(candidate: _Candidate, search: _Search) -> _Verdict:
    """A metric counts as an axis by itself only when its name says that it measures progress."""
    if candidate.place != "metric" or candidate.family in _SCALES:
        return "", False
    return "a metric whose name says nothing of scale; name it to use it", False


def _is_shape_of_size(candidate: _Candidate, search: _Search) -> _Verdict:
    size = next((each for each in search.chosen if each.family == "size"), None)
    if candidate.family != "shape" or size is None:
        return "", False
    return f"a side of the model whose size is `{size.detection.name}`", True


def _is_second_size(candidate: _Candidate, search: _Search) -> _Verdict:
    size = next((each for each in search.chosen if each.family == "size"), None)
    told = candidate.detection
    if candidate.family != "size" or size is None or told.low == told.high:
        return "", False
    return f"another count of the size that `{size.detection.name}` is", True


def _is_hyper(candidate: _Candidate, search: _Search) -> _Verdict:
    hyper = candidate.detection.kind == "hyper"
    return ("a hyperparameter; name it to model it" if hyper else "", False)


def _is_told_already(candidate: _Candidate, search: _Search) -> _Verdict:
    """A power law in the chosen axes that fits as well as rounding allows (flops = 6 N D)."""
    told = np.column_stack([np.ones(candidate.values.size), *(c.values for c in search.chosen)])
    fit = np.isfinite(told).all(axis=1) & (told > 0).all(axis=1) & (candidate.values > 0)
    if not search.chosen or not fit.any():
        return "", False
    y, x = np.log(candidate.values[fit]), np.log(told[fit])
    x[:, 0] = 1.0
    x[:, 1:] -= x[:, 1:].mean(axis=0)
    powers = np.linalg.lstsq(x, y, rcond=1e-9)[0]
    error = float(np.sqrt(np.mean((y - x @ powers) ** 2)))
    if error > max(SAME_WITHIN, SAME_SHARE * float(y.std())):
        return "", False
    parts = [
        f"{each.detection.name}^{power:.2g}"
        for each, power in zip(search.chosen, powers[1:], strict=True)
        if abs(power) > 0.05
    ]
    return f"goes with {' × '.join(parts) or 'the others'} (within {error:.1%})", True


def _has_two_values(candidate: _Candidate, search: _Search) -> _Verdict:
    """Of a name that tells nothing, two values are more likely a switch than a scale."""
    distinct = np.unique(candidate.values[np.isfinite(candidate.values)]).size
    if candidate.family != "other" or distinct > 2:
        return "", False
    return "has two values only, and its name says nothing of scale", False


def _is_one_too_many(candidate: _Candidate, search: _Search) -> _Verdict:
    full = len(search.chosen) >= MOST_AXES
    return (f"{MOST_AXES} axes are chosen already; name it to use it" if full else "", False)


_RULES: Final[tuple[Callable[[_Candidate, _Search], _Verdict], ...]] = (
    _is_time,
    _is_no_course,
    # What the axes explain comes before what is too little to be an axis: it need not split groups.
    _is_planned_length,
    _is_second_course,
    _is_shape_of_size,
    _is_second_size,
    _is_rare,
    _has_no_logarithm,
    _varies_little,
    _is_hyper,
    _is_told_already,
    _has_two_values,
    _is_one_too_many,
)
