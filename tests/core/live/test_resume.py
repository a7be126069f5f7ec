"""What stands after a resume, a step back or a fault that has passed: the curve, no verdict."""

from __future__ import annotations

import json
import math
from typing import Any

import unsl_tracking as ut

END = 1000


def loss(step: int) -> float:
    return 2.0 + 8.0 / math.sqrt(step)


def monitor(**how: Any) -> ut.RunMonitor:
    return ut.RunMonitor("loss", **{"horizon": {"step": END}, "share": 1.0, **how})


def feed(one: ut.RunMonitor, start: int, end: int) -> ut.Decision:
    for step in range(start, end, 10):
        one.log(step, loss(step))
        assert one.flush()
    return one.decision


def saved(rule: ut.StopRule) -> Any:
    """The state of a run that was found doomed."""
    with monitor(stop=rule) as one:
        assert feed(one, 10, 400).verdict == "doomed"
        return json.loads(json.dumps(one.state_dict(), allow_nan=False))


def test_a_dry_run_stays_dry_after_a_resume() -> None:
    rule = ut.StopRule(target=1.0, dry_run=True)
    with monitor(stop=rule) as one:
        one.load_state_dict(saved(rule))
        assert one.decision.dry_run and not one.decision.should_stop
        assert not one.log(400, loss(400)).should_stop
        assert feed(one, 410, 500).verdict == "doomed" and not one.decision.should_stop


def test_a_stop_from_before_a_resume_is_decided_anew() -> None:
    state = saved(ut.StopRule(target=1.0))
    with monitor(stop=ut.StopRule(target=1.0)) as same:
        same.load_state_dict(state)
        assert not same.decision.should_stop
        assert feed(same, 400, 420).should_stop  # the streak goes on
    with monitor(stop=ut.StopRule(target=3.0)) as another:
        another.load_state_dict(state)
        assert not another.log(400, loss(400)).should_stop
        assert feed(another, 410, 500).verdict == "continue"


def test_a_divergence_that_has_passed_is_not_told_for_ever() -> None:
    with monitor(stop=ut.StopRule(dry_run=True)) as one:
        feed(one, 10, 510)
        for step in (510, 511, 512):
            one.log(step, math.nan)
        assert one.flush() and one.decision.verdict == "diverged"
        for step in range(513, 521):
            one.log(step, loss(step))
        assert one._live.snapshot().at == 520
        one._live._check(False)  # as the worker does when nobody waits
        assert one.decision.verdict != "diverged"


def test_a_run_that_went_back_is_judged_where_it_is() -> None:
    with monitor() as one:
        feed(one, 10, 800)
        state = one.state_dict()
        for step in range(505, 560, 10):
            one.log(step, loss(step))
        one._live._check(False)
        assert one.decision.at == one._live.snapshot().at
        assert state["decision"]["at"] == 790
