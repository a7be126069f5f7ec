"""Laws whose parameters are given, not fitted: published ones, or what another tool has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from unsl_tracking.errors import DataError
from unsl_tracking.fit import Component, Member, Mixture, Rung
from unsl_tracking.forecast.fitted_law import FittedLaw
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.law import Form, zoo
from unsl_tracking.runs.axes import as_axes

_NO_PRIOR = 1e6  # standard deviation of every parameter: no data are looser than this
_NO_ORIGIN_ERROR = 1e-9  # ln y: a law that is given is taken at its word


def given_law(
    form: Form,
    theta: ArrayLike,
    spans: Mapping[str, tuple[float, float]],
    *,
    value: str = "loss",
    noise: float = 0.01,
    covariance: ArrayLike | None = None,
) -> FittedLaw:
    """A law of one form with these parameters; it can do all that a fitted one can but `update`.

    Args:
        form: Over its axes.
        theta: Its parameters (p,), in the order of `form.parameters`, with every axis in its own
            unit (the centre of the data is where all axes are 1).
        spans: (lowest, highest) value of every axis that the law is known for: forecasts beyond
            are wider and say so.
        value: What the metric is called.
        noise: Standard deviation of ln y of a single run.
        covariance: Of the parameters (p, p); none where absent: they are then taken as exact.

    Raises:
        DataError: numbers that are missing, too many, not finite or out of order.

    Examples:
        >>> from unsl_tracking.law import zoo
        >>> form = zoo.power_law(["params"])
        >>> [parameter.name for parameter in form.parameters]
        ['K0.beta', 'K0.alpha[params]']
        >>> known = ut.given_law(form, [np.log(8.0), 0.1], {"params": (1e6, 1e9)})
        >>> print(f"{known.predict({'params': 1e9}).median:.3f}")
        1.007
    """
    p = len(form.parameters)
    vector = np.asarray(theta, dtype=float)
    matrix = np.zeros((p, p)) if covariance is None else np.asarray(covariance, dtype=float)
    if vector.shape != (p,) or not np.isfinite(vector).all():
        raise DataError(f"{form.name} has {p} finite parameters", got=vector.tolist())
    if matrix.shape != (p, p) or not np.allclose(matrix, matrix.T):
        raise DataError(f"the covariance is a symmetric matrix, {p} by {p}", got=matrix.shape)
    if not 0.0 < noise < np.inf:
        raise DataError("noise is a positive number", got=noise)
    low, high = _logs(form.axes, spans)
    axes = as_axes(form.axes)
    scale = np.array([a.kind == "scale" for a in axes])
    directions = np.stack([scale.astype(float), *np.eye(len(axes))[scale]])
    component = Component(
        form=form,
        theta=vector,
        covariance=matrix,
        sigma=float(noise),
        centre=np.zeros(len(axes)),
        prior_sd=np.full(p, _NO_PRIOR),
        cost=0.0,
        converged=True,
    )
    mixture = Mixture(
        members=(Member(Rung(form), component, 1.0, (_NO_ORIGIN_ERROR,)),),
        horizon=1.0,
        origin_errors=(_NO_ORIGIN_ERROR,),
        highest=high,
        lowest=low,
        scale=scale,
        directions=directions,
        reached=directions @ high,
        steepness=0.0,  # the law is known: nothing about it is unseen
    )
    return FittedLaw(
        axes=axes,
        value=value,
        scale=MetricScale.for_metric("min", None, np.ones(1), value),
        run=None,
        forms=(form,),
        seed=0,
        data=pd.DataFrame({name: pd.Series(dtype=float) for name in (*form.axes, value)}),
        notes=(),
        mixture=mixture,
    )


def chinchilla_law(
    E: float,
    A: float,
    B: float,
    alpha: float,
    beta: float,
    *,
    axes: Sequence[str] = ("params", "tokens"),
    spans: Mapping[str, tuple[float, float]] | None = None,
    value: str = "loss",
    noise: float = 0.01,
) -> FittedLaw:
    """`E + A/params^alpha + B/tokens^beta` (Hoffmann et al., arXiv 2203.15556, approach 3).

    Where `spans` is absent it is that of their runs: 70M to 16B parameters, 5B to 500B tokens.

    Raises:
        DataError: E, A or B is not positive, or there are not two axes.

    Examples:
        >>> published = ut.chinchilla_law(1.69, 406.4, 410.7, 0.34, 0.28)
        >>> print(f"{published.predict({'params': 70e9, 'tokens': 1.4e12}).median:.3f}")
        1.937
    """
    if len(axes) != 2 or not min(E, A, B) > 0.0:
        raise DataError("Chinchilla's law has two axes and positive E, A and B", got=(E, A, B))
    params, tokens = axes
    known = spans or {params: (70e6, 16e9), tokens: (5e9, 500e9)}
    theta = [np.log(A), alpha, np.log(B), beta, np.log(E)]
    return given_law(zoo.chinchilla((params, tokens)), theta, known, value=value, noise=noise)


def _logs(
    axes: tuple[str, ...], spans: Mapping[str, tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray]:
    if set(spans) != set(axes):
        raise DataError(f"spans name the axes {', '.join(axes)}", got=sorted(map(str, spans)))
    ends = np.array([spans[axis] for axis in axes], dtype=float)
    if ends.shape != (len(axes), 2) or not (0.0 < ends[:, 0]).all():
        raise DataError("a span is (lowest, highest), both positive", got=dict(spans))
    if not (ends[:, 0] < ends[:, 1]).all() or not np.isfinite(ends).all():
        raise DataError("the lowest value of a span lies below its highest", got=dict(spans))
    return np.log(ends[:, 0]), np.log(ends[:, 1])
