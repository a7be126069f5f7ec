"""Warnings as data: what a reader of a forecast must know before acting on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit import Component, Mixture
from unsl_tracking.forecast.predictive import KEPT_APART, SCHEDULE
from unsl_tracking.law import BrokenPowerLaw, evaluate

Array = NDArray[np.float64]

_FAR = 0.5  # decades beyond the largest point on an axis from which extrapolation is worth a word
_APART = 0.05  # standard deviation of ln y between members below which they agree well enough
_WEIGHTY = 0.05  # members lighter than this have no say in warnings
_SHORT = np.log(4.0)  # e-folds; less than a factor of four of scale observed
_NOISY = 0.1  # residual noise in ln y above which single points say little
_MATTERS = 0.02  # of y, by one standard deviation of what is loose
_MOST_NAMES = 4  # parameters named in a message
_FEW_BEYOND = 2  # points beyond a hyperbreak that it takes to have seen it
_FEWER = ("no observation", "a single observation")


@dataclass(frozen=True)
class ForecastWarning:
    """`code` is stable and meant for machines, `message` is a sentence for people."""

    code: str
    message: str
    axis: str | None = None
    value: float | None = None

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return asdict(self)


def about_fit(mixture: Mixture, axes: tuple[str, ...], log_x: Array) -> list[ForecastWarning]:
    """What is wrong with the data or the fit, wherever one forecasts."""
    return [
        *_short_spans(mixture, axes),
        *_noise(mixture),
        *_unidentified(mixture),
        *_unseen_breaks(mixture, log_x),
        *_schedule(mixture),
    ]


def about_points(
    mixture: Mixture, axes: tuple[str, ...], log_x: Array, mean: Array, sd: Array
) -> list[ForecastWarning]:
    """What is risky about forecasting at these points; mean and sd (k, n) are the members'."""
    return [*_extrapolation(mixture, axes, log_x), *_disagreement(mixture, mean, sd)]


def _extrapolation(
    mixture: Mixture, axes: tuple[str, ...], log_x: Array
) -> Iterator[ForecastWarning]:
    for j, axis in enumerate(axes):
        above = float((log_x[:, j] - mixture.highest[j]).max()) / np.log(10.0)
        below = float((mixture.lowest[j] - log_x[:, j]).max()) / np.log(10.0)
        decades, side = max((above, "above the largest"), (below, "below the smallest"))
        if decades > _FAR:
            yield ForecastWarning(
                "extrapolation",
                f"{axis} is forecast {decades:.1f} decades {side} value observed",
                axis,
                round(decades, 3),
            )


def _disagreement(mixture: Mixture, mean: Array, sd: Array) -> Iterator[ForecastWarning]:
    """Where members differ by more than all else that the interval is made of."""
    weight = np.array([m.weight for m in mixture.members])[:, None]
    drawn = (weight * (mean - (weight * mean).sum(axis=0)) ** 2).sum(axis=0)
    between = drawn / KEPT_APART**2  # before members were drawn together
    within = np.maximum((weight * sd**2).sum(axis=0) + drawn - between, np.finfo(float).tiny)
    apart = np.where(between > within, np.sqrt(between), 0.0)
    worst = int(np.argmax(apart))
    if apart[worst] > _APART:
        ratio = float(np.sqrt(between[worst] / within[worst]))
        yield ForecastWarning(
            "forms_disagree",
            "forms that have forecast about equally well so far scatter by "
            f"{np.expm1(apart[worst]):.0%} here, {ratio:.1f} times their own uncertainty",
            value=round(ratio, 3),
        )


def _schedule(mixture: Mixture) -> Iterator[ForecastWarning]:
    if mixture.unscheduled:
        yield ForecastWarning(
            "schedule_unknown",
            "a curve along steps does not say how its learning rate goes on; the interval is "
            f"wider by {SCHEDULE:.1%}, and a decay of it that is still to come lowers the end",
            value=SCHEDULE,
        )


def _short_spans(mixture: Mixture, axes: tuple[str, ...]) -> Iterator[ForecastWarning]:
    for j, axis in enumerate(axes):
        span = float(mixture.highest[j] - mixture.lowest[j])
        if mixture.scale[j] and span < _SHORT:
            yield ForecastWarning(
                "short_span",
                f"{axis} was observed over a factor of {np.exp(span):.1f} only",
                axis,
                round(float(np.exp(span)), 3),
            )


def _noise(mixture: Mixture) -> Iterator[ForecastWarning]:
    sigma = mixture.members[0].component.sigma
    if sigma > _NOISY:
        yield ForecastWarning(
            "noisy", f"single observations scatter by {np.expm1(sigma):.0%}", value=round(sigma, 4)
        )


def _unidentified(mixture: Mixture) -> Iterator[ForecastWarning]:
    """Of the heaviest form, what matters a decade beyond the data and only the prior decides.

    A parameter of a term that is small everywhere may be loose without anybody having to care.
    """
    member = mixture.members[0]
    component = member.component
    ahead = mixture.highest + np.log(10.0) * mixture.scale
    _, jac = evaluate(component.form, component.theta[None], ahead[None], component.centre)
    names = component.unidentified
    loose = np.array([p.name in names for p in component.form.parameters])
    # Together, for many are loose only in directions that cancel.
    say = np.sqrt(
        max(jac[0, 0, loose] @ component.covariance[np.ix_(loose, loose)] @ jac[0, 0, loose], 0.0)
    )
    if say > _MATTERS:
        yield ForecastWarning(
            "unidentified",
            f"the data do not identify {_listed(names)} of {member.rung.form.name}; "
            "the prior decides",
            value=float(len(names)),
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _unseen_breaks(mixture: Mixture, log_x: Array) -> Iterator[ForecastWarning]:
    for member in mixture.members:
        if member.weight < _WEIGHTY:
            continue
        component = member.component
        for term, where in zip(component.form.terms, component.form.slices, strict=True):
            if not isinstance(term, BrokenPowerLaw) or not term.breaks:
                continue
            beyond = _fewest_beyond(term, component.theta[where], component, log_x)
            if beyond < _FEW_BEYOND:
                yield ForecastWarning(
                    "hyperbreak_unobserved",
                    f"{component.form.name} has a hyperbreak with {_FEWER[beyond]} on one side; "
                    "the law past it is a guess",
                    value=float(beyond),
                )
                return


def _fewest_beyond(term: BrokenPowerLaw, theta: Array, component: Component, log_x: Array) -> int:
    """The smallest number of points on either side of any hyperbreak of the term."""
    fewest = len(log_x)
    for past in _past_breaks(term, theta, component, log_x):
        fewest = min(fewest, int(past.sum()), int((~past).sum()))
    return fewest


def weight_past_unseen_breaks(mixture: Mixture, log_x: Array, at: Array) -> float:
    """Weight of the members for which `at` (m,) lies past a hyperbreak that the data have not seen.

    That is: on a side of it where at most one of the observations log_x (n, m) lies. What such a
    member says there is a guess.
    """
    return float(sum(m.weight for m in mixture.members if _guesses(m.component, log_x, at)))


def _guesses(component: Component, log_x: Array, at: Array) -> bool:
    everything = np.vstack([log_x, at])
    for term, where in zip(component.form.terms, component.form.slices, strict=True):
        if not isinstance(term, BrokenPowerLaw) or not term.breaks:
            continue
        for past in _past_breaks(term, component.theta[where], component, everything):
            if (past[:-1] == past[-1]).sum() < _FEW_BEYOND:
                return True
    return False


def _past_breaks(
    term: BrokenPowerLaw, theta: Array, component: Component, log_x: Array
) -> Iterator[NDArray[np.bool_]]:
    """Per hyperbreak of the term, which of the points (n,) lie past it."""
    columns = [component.form.axes.index(a) for a in term.axes]
    z = (log_x - component.centre)[:, columns]
    m = len(columns)
    at = 1 + m
    for _ in range(term.breaks):
        along = z @ theta[at : at + m] if m > 1 else z[:, 0]
        at += m if m > 1 else 0
        yield along > theta[at]
        at += 3
