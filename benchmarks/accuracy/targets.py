"""What we set out to reach, as pass or miss lines with the figures.

A target speaks of sets by domain or tag; where a run has none of them, its line is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy import report, scores
from benchmarks.accuracy.harness import Result, Score
from benchmarks.accuracy.methods import OURS, SLOW

_NORMAL_HALF_WIDTH = 0.6745  # of the 50% interval, and median absolute error, of a unit normal
_FEWEST_OF_DOMAIN = 4  # sets below which a domain's coverage is an anecdote


@dataclass(frozen=True)
class Line:
    """One target: what it asks, what was measured."""

    passed: bool
    text: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'MISS'}  {self.text}"


def check(results: Sequence[Result]) -> list[Line]:
    """Every target that these results can speak to."""
    answered = [r for r in results if _score(r) is not None]
    if not answered:
        return []
    return [
        *_curves(answered),
        *_several_axes([r for r in answered if "multi-axis" in r.problem.tags]),
        *_many_epochs(answered),
        *_downstream([r for r in answered if r.problem.domain == "c4 error"]),
        *_coverage(answered),
        *_speed(answered),
    ]


def _score(result: Result, method: str = OURS) -> Score | None:
    found = result.scores.get(method)
    return None if found is None or found.refusal else found


def _errors(results: Sequence[Result], method: str = OURS) -> np.ndarray:
    found = [_score(r, method) for r in results]
    return np.array([np.nan if s is None else s.rmsle for s in found])


def _curves(results: Sequence[Result]) -> Iterator[Line]:
    for domain, bar in (("vision", 0.027), ("language", 0.0090)):
        mine = [r for r in results if r.problem.domain == domain]
        if mine:
            mean = float(np.mean(_errors(mine)))
            yield Line(mean <= bar, f"{domain}: mean RMSLE {mean:.4f} ≤ {bar} ({len(mine)} sets)")


def _several_axes(results: Sequence[Result]) -> Iterator[Line]:
    if not results:
        return
    mine = _errors(results)
    for peer in ("CF", "CF-scipy"):
        theirs = _errors(results, peer)
        ratio = mine / theirs
        if not np.isfinite(ratio).any():
            continue
        ratio = ratio[np.isfinite(ratio)]
        geo = report.geometric_mean(ratio)
        better, worst = float((ratio < 1.0).mean()), float(ratio.max())
        head = f"several axes against {peer} ({len(ratio)} sets)"
        yield Line(geo <= 0.40, f"{head}: geometric-mean RMSLE ratio {geo:.2f} ≤ 0.40")
        yield Line(better >= 0.95, f"{head}: better on {better:.0%} ≥ 95% of sets")
        yield Line(worst <= 1.2, f"{head}: at worst {worst:.2f} ≤ 1.2 times its RMSLE")


def _many_epochs(results: Sequence[Result]) -> Iterator[Line]:
    for r in results:
        mine, theirs = _score(r), _score(r, "DC")
        if "many-epochs" in r.problem.tags and mine is not None:
            beside = f", DC here {theirs.rmsle:.3f}" if theirs else ""
            yield Line(
                mine.rmsle < 0.252, f"{r.problem.name}: RMSLE {mine.rmsle:.3f} < .252{beside}"
            )


def _downstream(results: Sequence[Result]) -> Iterator[Line]:
    for peer in ("CF", "loss-sigmoid"):
        both = [r for r in results if _score(r, peer) is not None]
        if both:
            mine, theirs = (float(np.mean(_errors(both, m))) for m in (OURS, peer))
            text = f"downstream error: mean RMSLE {mine:.4f} < {peer}'s {theirs:.4f}"
            yield Line(mine < theirs, f"{text} ({len(both)} sets)")


def _coverage(results: Sequence[Result]) -> Iterator[Line]:
    found = [(r, s) for r in results if (s := _score(r)) is not None]
    primary = [s for r, s in found if not r.problem.secondary]
    for label, chosen in (("main sets", primary), ("all sets", [s for _, s in found])):
        if not chosen or (label == "all sets" and len(chosen) == len(primary)):
            continue
        mean = report.mean_coverage(chosen)
        got = {v: float(mean[scores.LEVELS.index(v)]) for v in scores.REPORTED}
        close = all(abs(c - v) <= 0.04 for v, c in got.items())
        text = " / ".join(f"{c:.1%}" for c in got.values())
        yield Line(close, f"coverage over {len(chosen)} {label}: {text}, nominal 50 / 80 / 95 ± 4")
    by_domain: dict[str, list[float]] = {}
    for r, s in found:
        by_domain.setdefault(r.problem.domain, []).append(s.coverage[0.8])
    for domain, covered in by_domain.items():
        mean80 = float(np.mean(covered))
        note = "" if len(covered) >= _FEWEST_OF_DOMAIN else ", few sets"
        text = f"{domain}: 80% interval covers {mean80:.0%} ≥ 70% ({len(covered)} sets{note})"
        yield Line(mean80 >= 0.70, text)
    yield from _sharpness([s for _, s in found])


def _sharpness(found: Sequence[Score]) -> Iterator[Line]:
    """The 50% interval against the median absolute error.

    Where a forecast is calibrated, half of the errors lie within the 50% interval, so its width is
    twice the median absolute error: the target asks for no more than that.
    """
    error = float(np.median([s.absolute_error for s in found]))
    width = float(np.median([s.width[0.5] for s in found]))
    text = f"median width of 50% intervals {width:.4f} ≤ 2 × the median absolute error {error:.4f}"
    yield Line(width <= 2.0 * error, f"{text} (× {width / error:.2f})")
    wide = float(np.median([s.width[0.8] for s in found]))
    ideal = 2.0 * 1.2816 / _NORMAL_HALF_WIDTH * error
    text = f"median width of 80% intervals {wide:.4f} ≤ 2 × that of a normal with this error"
    yield Line(wide <= 2.0 * ideal, f"{text}, {ideal:.4f} (× {wide / ideal:.2f})")


def _speed(results: Sequence[Result]) -> Iterator[Line]:
    curves = [r for r in results if len(r.problem.axes) == 1]
    for label, chosen, bar in (
        ("a curve", curves, 0.5),
        ("several axes", [r for r in results if len(r.problem.axes) > 1], 3.0),
    ):
        if chosen:
            seconds = [s.seconds for r in chosen if (s := _score(r)) is not None]
            median = float(np.median(seconds))
            text = f"median fit of {label} {median:.2f} ≤ {bar} CPU seconds"
            yield Line(median <= bar, f"{text} (at most {max(seconds):.1f})")
    for peer in SLOW:
        ratios = [
            theirs.seconds / mine.seconds
            for r in curves
            if (mine := _score(r)) is not None and (theirs := _score(r, peer)) is not None
        ]
        if ratios:
            text = f"fit of a curve is {np.median(ratios):.0f} ≥ 10 times faster than {peer}"
            yield Line(bool(np.median(ratios) >= 10.0), f"{text} (median of {len(ratios)})")
