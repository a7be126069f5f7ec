"""The methods: ours and the baselines, all answering the same question about the same problem.

Published forms run through `ut.fit(forms=[form])`, so that they get our solver, prior and error
model: what differs is the law. `reference.py` has independent implementations beside them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unsl_tracking as ut
from benchmarks.accuracy import reference, reference_curves
from benchmarks.accuracy.tables import VALUE, Problem
from unsl_tracking.fit import Mixture
from unsl_tracking.forecast.predictive import Predictive, predictive
from unsl_tracking.law import Form, zoo
from unsl_tracking.runs.names import family_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """ln of the forecast (n,), its distribution where the method has one, CPU seconds of the fit.

    `refusal` says why there is no forecast; then the rest is empty.
    """

    ln_y: Array
    distribution: Predictive | None
    seconds: float
    law: ut.FittedLaw | None = None
    refusal: str = ""


NOT_APPLICABLE = None
Method = Callable[[Problem], Answer | None]


def answer(method: Method, problem: Problem) -> Answer | None:
    """Run a method; a refusal is an answer, and so is a failure of a baseline."""
    try:
        return method(problem)
    except ut.UnslError as error:
        return Answer(np.array([]), None, 0.0, refusal=f"{type(error).__name__}: {error}")
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        return Answer(np.array([]), None, 0.0, refusal=f"failed: {type(error).__name__}: {error}")


def distribution_of(mixture: Mixture, problem: Problem) -> Predictive:
    """The predictive distribution of ln y at the problem's test points."""
    return predictive(mixture, problem.log_x(problem.test))


def _fit(problem: Problem, forms: Sequence[Form] | None = None) -> tuple[ut.FittedLaw, float]:
    begun = time.process_time()
    law = ut.fit(problem.train, axes=list(problem.axes), value=VALUE, forms=forms)
    return law, time.process_time() - begun


def _answer(mixture: Mixture, law: ut.FittedLaw, problem: Problem, seconds: float) -> Answer:
    distribution = distribution_of(mixture, problem)
    return Answer(distribution.quantile(0.5), distribution, seconds, law)


def ours(problem: Problem) -> Answer:
    """`ut.fit` as a user calls it."""
    law, seconds = _fit(problem)
    return _answer(law.mixture, law, problem, seconds)


def heaviest(found: Answer, problem: Problem) -> Answer | None:
    """The same fit without averaging: the form that did best at the rolling origins, alone."""
    if found.law is None:
        return found
    mixture = found.law.mixture
    alone = replace(mixture, members=(replace(mixture.members[0], weight=1.0),))
    return replace(_answer(alone, found.law, problem, found.seconds), law=None)


def fixed(make: Callable[[Problem], Form | None]) -> Method:
    """A method that fits one form, or does not apply where `make` gives none."""

    def run(problem: Problem) -> Answer | None:
        form = make(problem)
        if form is None:
            return NOT_APPLICABLE
        law, seconds = _fit(problem, [form])
        return _answer(law.mixture, law, problem, seconds)

    return run


def points_only(predict: Callable[[Problem], Array | None]) -> Method:
    """A method without intervals."""

    def run(problem: Problem) -> Answer | None:
        begun = time.process_time()
        ln_y = predict(problem)
        if ln_y is None:
            return NOT_APPLICABLE
        return Answer(ln_y, None, time.process_time() - begun)

    return run


def _hyper(problem: Problem) -> tuple[str, ...]:
    return tuple(a for a in problem.axes if a not in problem.scale)


def _unsl(problem: Problem, name: str, **options: Any) -> Form:
    return zoo.unsl(problem.axes, name=name, hyper=_hyper(problem), **options)


def _repeated(problem: Problem) -> Form | None:
    by_family = {family_of(a): a for a in problem.axes}
    if len(problem.axes) != 3 or set(by_family) != {"size", "progress", "data"}:
        return None
    names = (by_family["size"], by_family["progress"], by_family["data"])
    return zoo.muennighoff(*names) if names == problem.axes else None


def _one_axis(make: Callable[[str], Form]) -> Callable[[Problem], Form | None]:
    return lambda problem: make(problem.axes[0]) if len(problem.axes) == 1 else None


OURS = "ours"
SINGLE = "unsl-single"
METHODS: dict[str, Method] = {
    OURS: ours,
    "UNSL1": fixed(lambda p: _unsl(p, "UNSL1", breaks=1)),
    "A1": fixed(lambda p: _unsl(p, "A1", breaks=0)),
    "A2": fixed(lambda p: _unsl(p, "A2", breaks=1, bottlenecks=())),
    "A3": fixed(lambda p: _unsl(p, "A3", trend=False)),
    "CF": fixed(lambda p: zoo.chinchilla(p.axes)),
    "DC": fixed(_repeated),
    "BNSL": fixed(_one_axis(zoo.bnsl)),
    "M2": fixed(lambda p: zoo.limited(p.axes)),
    "M4": fixed(_one_axis(zoo.implicit)),
    "CF-scipy": points_only(reference.chinchilla),
    "loss-sigmoid": points_only(reference.sigmoid_of_loss),
    "naive": points_only(reference.last_value),
}
ALL = (OURS, SINGLE, *list(METHODS)[1:])
"""What runs unless told otherwise, in the order of the report."""

SLOW: dict[str, Method] = {
    "M4-published": points_only(reference_curves.m4),
    "BNSL-published": points_only(reference_curves.bnsl),
}
METHODS |= SLOW
NAMES = (*ALL, *SLOW)
