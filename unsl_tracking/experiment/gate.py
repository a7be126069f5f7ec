"""A gate over an experiment: read the runs, fit the recipe's law, decide for every metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd

from unsl_tracking._version import __version__
from unsl_tracking.decide import GateDecision, NextRuns, Reason, gate, next_runs
from unsl_tracking.decide.cost import check_names as check_cost
from unsl_tracking.decide.gate import GateVerdict, begin_by_size
from unsl_tracking.decide.policy import GatePolicy, MetricRule, overall
from unsl_tracking.errors import DataError, TooLittleEvidence
from unsl_tracking.experiment.account import cautions_on, left_out, notes_on
from unsl_tracking.experiment.coarse import coarse
from unsl_tracking.experiment.mode import Mode, guess_mode
from unsl_tracking.experiment.reading import (
    Progress,
    check_names,
    read_observations,
    read_runs,
)
from unsl_tracking.experiment.target import target_point
from unsl_tracking.forecast import FittedLaw
from unsl_tracking.forecast.fitting import Prepared, prepare
from unsl_tracking.report import numbers
from unsl_tracking.runs import Run, Tracker
from unsl_tracking.runs.axes import Axis, as_axes
from unsl_tracking.runs.grouping import Group
from unsl_tracking.runs.observations import Observations

SCHEMA: Final = "unsl_tracking/gate"
SCHEMA_VERSION: Final = 1
_RUN: Final = "run_id"
# Points of a ladder in all, and of a run at least: a gate fits its law five times. On 40 runs of
# 500 rows the forecast from 200 points was that from 2600 to an eighth of its interval, which was
# as wide to a tenth, in a quarter of the time (docs/gate.md).
_POINTS: Final = 200
_FEWEST_POINTS: Final = 5


@dataclass(frozen=True, slots=True)
class MetricGate:
    """The decision about one metric. `bar` says what its target is."""

    decision: GateDecision
    bar: str
    why_mode: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentGate:
    """Decisions about the metrics of one recipe (group of runs), and the verdict of them all.

    `runs` are those of the recipe; `notes` and `dropped` say how they were read.
    """

    tracker: str
    experiment: str
    recipe: Mapping[str, str]
    metrics: tuple[MetricGate, ...]
    runs: tuple[Run, ...]
    seed: int
    notes: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()

    @property
    def verdict(self) -> GateVerdict:
        """NO-GO if any metric's is, GO if all are, UNDECIDED otherwise."""
        return overall([each.decision.verdict for each in self.metrics])

    def to_dict(self) -> dict[str, object]:
        """Strict JSON values, the same for the same runs; docs/gate.md describes them."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "tracker": self.tracker,
            "experiment": self.experiment,
            "recipe": dict(self.recipe),
            "runs": len(self.runs),
            "decisions": [{**each.decision.to_dict(), "bar": each.bar} for each in self.metrics],
            "notes": list(self.notes),
            "dropped": [{"what": what, "why": why} for what, why in self.dropped],
            "provenance": {"unsl_tracking": __version__, "seed": self.seed},
        }


def gate_experiment(
    tracker: Tracker,
    policy: GatePolicy,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    pool: Executor | None = None,
) -> ExperimentGate:
    """Ask the policy's questions of an experiment; nothing is written (see `write_gate`).

    `pool` is where the past is replayed, several replays at a time.

    Raises:
        NotFound: no such experiment or metric, or no runs.
        DataError: the policy asks for nothing, or the runs form several recipes and it names none.
        TrackerError: the tracker fails.
    """
    experiment, axes = _checked(policy)
    names = [rule.metric for rule in policy.metrics]
    runs = read_runs(tracker, experiment, names, policy.filter)
    by_id = {run.id: run for run in runs}
    found: list[MetricGate] = []
    groups: list[Group] = []
    accounts: dict[str, None] = {}
    dropped: dict[tuple[str, str], None] = {}
    for rule in policy.metrics:
        mode, why = (rule.mode, "") if rule.mode else guess_mode(rule.metric)
        seen = read_observations(
            tracker,
            runs,
            rule.metric,
            axes=axes,
            group_by=policy.group,
            ignore=policy.ignore,
            mode=mode,
            ceiling=rule.ceiling,
            progress=progress,
        )
        check_names(seen, policy.at, "The target")
        # Now: only some verdicts need the cost, and a slip in it must not show in those alone.
        check_cost(policy.cost, [*(axis.name for axis in seen.axes), *policy.given])
        group = _recipe(seen, policy.recipe)
        accounts |= dict.fromkeys(notes_on(seen))
        dropped |= dict.fromkeys(left_out(seen, by_id))
        decision, bar = _decide(seen, group, policy, rule, mode, seed, progress, pool)
        found.append(MetricGate(decision, bar, why))
        groups.append(group)
    return ExperimentGate(
        tracker=tracker.uri,
        experiment=experiment,
        recipe=groups[0].key,
        metrics=tuple(found),
        runs=tuple(by_id[each] for each in groups[0].runs),
        seed=seed,
        notes=tuple(accounts),
        dropped=tuple(dropped),
    )


def _checked(policy: GatePolicy) -> tuple[str, tuple[Axis, ...] | None]:
    for name, value in (
        ("an experiment", policy.experiment),
        ("a metric with a target", policy.metrics),
        ("a scale to ask about", policy.at),
    ):
        if not value:
            raise DataError(f"a gate needs {name}", got=value, next_step="docs/gate.md shows how.")
    assert policy.experiment is not None
    return policy.experiment, None if policy.axes is None else as_axes(policy.axes)


def _recipe(seen: Observations, asked: Mapping[str, str]) -> Group:
    """The one group that the gate is about."""
    matching = [
        group
        for group in seen.groups
        if all(group.key.get(name) == value for name, value in asked.items())
    ]
    several = [group for group in matching if len(group.runs) > 1] or matching
    if len(several) == 1:
        return several[0]
    listed = "; ".join(f"{g.label} ({numbers.plural(len(g.runs), 'run')})" for g in seen.groups[:8])
    if not matching:
        raise DataError(
            "the recipe must be one of the groups that the runs form",
            got=dict(asked),
            next_step=f"Groups: {listed}.",
        )
    raise DataError(
        "a gate is about one recipe: one group of runs that differ in scale only",
        got=listed,
        next_step="Choose one with --recipe NAME=VALUE or --filter, or pool them with --group ''.",
    )


def _decide(
    seen: Observations,
    group: Group,
    policy: GatePolicy,
    rule: MetricRule,
    mode: Mode,
    seed: int,
    progress: Progress | None,
    pool: Executor | None,
) -> tuple[GateDecision, str]:
    """The decision about one metric, and what its bar is."""
    tell = progress or (lambda stage, done, total: None)
    frame = seen.of_group(group.label)
    best = _best(seen.of_group(group.label, curves=True), seen.metric, mode)
    bar, what = rule.bar(best, mode)
    confidence = policy.confidence if rule.confidence is None else rule.confidence
    varying = [axis for axis in seen.axes if frame[axis.name].nunique() > 1]
    fixed = {a.name: float(frame[a.name].iloc[0]) for a in seen.axes if a not in varying}
    refusal = _never_varied(policy.at, fixed)
    if refusal is None:
        try:
            ready = _prepared(frame, varying, seen, rule.ceiling, seed)
        except TooLittleEvidence as error:
            text = f"there is too little evidence: {str(error).rstrip('.')}"
            refusal = Reason("too_little_evidence", text)
    if refusal is not None:
        undecided = GateDecision(
            "UNDECIDED", seen.metric, mode, bar, dict(policy.at), confidence, (refusal,)
        )
        return undecided, what
    tell("replaying the past", 0, 1)
    replaying = begin_by_size(ready.history, pool)  # elsewhere, while the law is fitted here
    law = ready.fitted().add_warnings(cautions_on(seen, group.label))
    point, _ = target_point(law, policy.at)
    tested = None if replaying is None else replaying.finish()
    tell("replaying the past", 1, 1)
    decision = gate(
        law,
        point,
        bar,
        confidence=confidence,
        max_decades=policy.max_decades,
        required_coverage=policy.required_coverage,
        tested=tested,
    )
    if decision.verdict == "UNDECIDED":
        tell("looking for runs that decide it", 0, 1)
        numbers = {**fixed, **policy.given}  # a cost may name an axis that did not vary
        decision = replace(decision, next_runs=_runs_to_decide(law, point, policy.cost, numbers))
    return decision, what


def _runs_to_decide(
    law: FittedLaw, at: Mapping[str, float], cost: str | None, given: Mapping[str, float]
) -> NextRuns | None:
    """The runs that would narrow the forecast most; without a cost, that of a run is its size."""
    axes = [axis for axis, scale in zip(law.axes, law.mixture.scale, strict=True) if scale]
    size = " * ".join(axis if axis.isidentifier() else f"`{axis}`" for axis in axes)
    try:
        return next_runs(law, target=at, cost=cost or size, given=given)
    except DataError:
        if cost is not None:
            raise
        return None  # nothing smaller than the target could be trained


def _prepared(
    frame: pd.DataFrame,
    axes: Sequence[Axis],
    seen: Observations,
    ceiling: float | None,
    seed: int,
) -> Prepared:
    if not axes:
        raise TooLittleEvidence(
            "An axis must vary within a group",
            got=f"the same scale on all {len(frame)} observations",
            known={"observations": len(frame)},
            next_step="Add runs of other scales, or group by fewer keys.",
        )
    points = max(_FEWEST_POINTS, _POINTS // frame[_RUN].nunique())
    names = [axis.name for axis in axes]
    few = coarse(frame, names, seen.metric, _RUN, mode=seen.mode, points=points)
    return prepare(few, axes, seen.metric, mode=seen.mode, run=_RUN, ceiling=ceiling, seed=seed)


def _never_varied(at: Mapping[str, float], fixed: Mapping[str, float]) -> Reason | None:
    for name, value in fixed.items():
        if name in at and at[name] != value:
            text = (
                f"every run has {name}={numbers.scale(value)}, so what happens at "
                f"{name}={numbers.scale(at[name])} cannot be known"
            )
            return Reason("never_varied", text, at[name], value)
    return None


def _best(frame: pd.DataFrame, metric: str, mode: Mode) -> float:
    """Where the best run so far stands: the best of the runs' last values."""
    last = frame.sort_values("step", kind="stable").groupby(_RUN, sort=False)[metric].last()
    return float(last.min() if mode == "min" else last.max())
