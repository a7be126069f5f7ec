"""Of groups whose learning rate falls along the runs, the ends of finished runs only.

A value on the way is worse than that of a run that ends there, and a law over both is of neither:
on ladders with cosine, linear and warmup-stable-decay schedules its forecast of ten times the scale
was off by 1 to 13%, that of a law over the ends alone by 0.6 to 5%, on five ends or twelve
(docs/limits.md has the figures, `tests/e2e/test_decay_mlflow.py` such a ladder).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.runs.decay import Sign, falls_in
from unsl_tracking.runs.grouping import Group
from unsl_tracking.runs.numbers import read_number
from unsl_tracking.runs.planned import SAME_FACTOR
from unsl_tracking.runs.rows import Losses, Rows
from unsl_tracking.runs.run import Run
from unsl_tracking.runs.stopped import was_stopped

FEWEST_ENDS: Final = 5
"""At different scales, one axis spanning a factor of two: what `ut.fit` asks for."""
_SPAN: Final = float(np.log(2.0))  # e-folds
_WORSE: Final = "a value on the way is worse than that of a run that ends there"
_LOW: Final = 0.2  # of the highest rate: most schedules end at a tenth or at nothing
_MOST_GROUPS: Final = 3  # named in a note


@dataclass(frozen=True, slots=True)
class Decay:
    """A group whose learning rate falls along the runs, and which of their rows are fitted.

    `told_by` is what says that it falls. `ended` names the runs that came to their end, at so many
    different `scales`. `rows` is "ends" where these ends are all that is fitted; "curves" where
    they are too few, or where somebody named the axes (`asked`).
    """

    group: str
    told_by: str
    ended: tuple[str, ...]
    scales: int
    rows: Literal["ends", "curves"]
    asked: bool

    @property
    def warning(self) -> str:
        """What a forecast from whole curves does not cover; empty where ends are fitted."""
        if self.rows == "ends":
            return ""
        return (
            f"the learning rate falls along the runs ({self.told_by}), {_WORSE}, and whole curves"
            f" are pooled{', as the axes ask for' if self.asked else ''}; the interval does not"
            " cover what that does"
        )


def find_decays(
    rows: Rows,
    columns: Mapping[str, NDArray[np.float64]],
    groups: Sequence[Group],
    told: Mapping[str, Sign],
    lengths: Sequence[str],
    *,
    asked: bool,
) -> tuple[Decay, ...]:
    """The groups whose learning rate falls.

    Args:
        rows: Of the metric, by run and step.
        columns: The axes, shape (n,) each.
        groups: Of the runs that have rows.
        told: What runs say of their learning rate.
        lengths: Params that may say how long runs were to be.
        asked: Whether somebody named the axes, so that whole curves are fitted.
    """
    decays = []
    at = np.flatnonzero(np.diff(rows.run, append=-1))
    x = np.column_stack([columns[name][at] for name in columns])
    place = {rows.runs[run].id: number for number, run in enumerate(rows.run[at].tolist())}
    reached = np.column_stack([rows.step[at].astype(np.float64), x])
    by_id = {run.id: run for run in rows.runs}
    for group in groups:
        members = [by_id[each] for each in group.runs]
        told_by = falls_in(members, told)
        if not told_by:
            continue
        over = [run for run in members if run.status == "FINISHED"]
        short = _short_of_plan(over, lengths, reached[[place[run.id] for run in over]])
        short = {run for run in short if not _came_down(told.get(run))}
        up = {run.id for run in over if run.id in told and not told[run.id].falls}
        stopped = {run.id for run in over if was_stopped(run.tags) and not _fell(told.get(run.id))}
        ended = tuple(run.id for run in over if run.id not in short | up | stopped)
        scales = np.unique(np.log(x[[place[run] for run in ended]]).round(9), axis=0)
        enough = len(scales) >= FEWEST_ENDS and bool((np.ptp(scales, axis=0) >= _SPAN).any())
        kind: Literal["ends", "curves"] = "ends" if enough and not asked else "curves"
        decays.append(Decay(group.label, told_by, ended, len(scales), kind, asked))
    return tuple(decays)


def _fell(sign: Sign | None) -> bool:
    """Whether the rate was seen to fall: a run that was to be stopped went on to its end."""
    return sign is not None and sign.fell_to is not None and sign.falls


def _came_down(sign: Sign | None) -> bool:
    """Whether the logged rate ended so low that its run did, whatever params say of lengths."""
    return sign is not None and sign.fell_to is not None and sign.fell_to <= _LOW


def only_ends(frame: pd.DataFrame, decays: Sequence[Decay]) -> pd.DataFrame:
    """The rows to fit of a frame by group, run and step, which has the last row of every run."""
    fitted = {run for each in decays for run in each.ended if each.rows == "ends"}
    groups = {each.group for each in decays if each.rows == "ends"}
    if not groups:
        return frame
    last = ~frame["run_id"].duplicated(keep="last")
    end = last & frame["run_id"].isin(fitted)
    return frame[end | ~frame["group"].isin(groups)].reset_index(drop=True)


def note_left_out(
    rows: Rows, groups: Sequence[Group], decays: Sequence[Decay], losses: Losses
) -> None:
    """Note the rows of runs that take no part in the fit of their group."""
    ends = {each.group: each.ended for each in decays if each.rows == "ends"}
    out = {run for g in groups if g.label in ends for run in {*g.runs}.difference(ends[g.label])}
    for finished, why in ((False, "did not finish"), (True, "ended before its rate had fallen")):
        which = [
            index
            for index, run in enumerate(rows.runs)
            if run.id in out and (run.status == "FINISHED") is finished
        ]
        lost = np.isin(rows.run, which)
        losses.rows(
            rows.run, lost, f"the run {why}, and of runs whose rate falls only ends are fitted"
        )


def notes_on_decays(
    decays: Sequence[Decay],
    groups: int,
    fixed: Sequence[str],
    along: Sequence[str],
    planned: Sequence[str],
) -> list[str]:
    """What was fitted of groups whose learning rate falls, and how to have it otherwise.

    `fixed` and `along` are the axes in use, `planned` params that say how long runs were to be.
    """
    notes = []
    if ended := [each for each in decays if each.rows == "ends"]:
        runs = sum(len(each.ended) for each in ended)
        notes.append(
            f"{_falls(ended, groups)}, and {_WORSE}: the law is fitted to the ends of the {runs}"
            f" finished runs only. `--axes {','.join([*fixed, *along])}` pools whole curves"
        )
    if few := [each for each in decays if each.rows == "curves" and not each.asked]:
        most = max(each.scales for each in few)
        notes.append(
            f"{_falls(few, groups)}, and {_WORSE}. Finished runs that end at {most} scales"
            f" are too few to fit ends alone (it takes {FEWEST_ENDS}, on an axis over a factor of"
            " two), so whole curves are pooled: intervals do not cover what that does"
        )
    if asked := [each for each in decays if each.asked]:
        how = f"`--axes {','.join([*fixed, *planned[:1]])}` fits"
        how = how if planned else "Axes that are left to be found fit"
        notes.append(
            f"{_falls(asked, groups)}, and {_WORSE}; whole curves are pooled, as the axes that were"
            f" named ask for: intervals do not cover what that does. {how} the ends of finished"
            " runs only"
        )
    return notes


def _falls(decays: Sequence[Decay], groups: int) -> str:
    named = "; ".join(each.group for each in decays[:_MOST_GROUPS])
    more = len(decays) - _MOST_GROUPS
    within = f" of {named}{f' and {more} more groups' if more > 0 else ''}" if groups > 1 else ""
    return f"The learning rate falls along the runs{within} (`{decays[0].told_by}`)"


def _short_of_plan(
    runs: Sequence[Run], lengths: Sequence[str], reached: NDArray[np.float64]
) -> set[str]:
    """Runs that ended before the others, in units of what was planned for them.

    `reached` (runs, k) says where they ended in several units; of these and of the params, the pair
    counts that most runs agree on. A param with one value must be that place itself (`max_steps`):
    runs over data of other sizes end elsewhere after as many epochs.
    """
    most, found = len(runs) // 2, np.zeros(len(runs), dtype=bool)
    for key in lengths:
        plans = [read_number(run.params.get(key, run.config.get(key))) for run in runs]
        plan = np.array([np.nan if each is None or each <= 0 else each for each in plans])
        several = np.unique(plan[np.isfinite(plan)]).size > 1
        with np.errstate(over="ignore"):
            shares = (reached / plan[:, None]).T
        for share in shares if np.isfinite(plan).any() else ():
            usual = float(np.nanmedian(share))
            if not several and not 1 / SAME_FACTOR < usual < SAME_FACTOR:
                continue
            kept = int(((share > usual / SAME_FACTOR) & (share < usual * SAME_FACTOR)).sum())
            if kept > most:
                most, found = kept, share < usual / SAME_FACTOR
    return {run.id for run, short in zip(runs, found, strict=True) if short}
