"""A simple law inside a richer one: the same curve, said with more parameters.

Starting the richer fit there means that it can only improve on the simpler one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.law.form import BrokenPowerLaw, Form, Term

Array = NDArray[np.float64]

_ABSENT = 5.0  # e-folds below the other terms: there, but without a say


def embed(simple: Form, theta: Array, rich: Form, default: Array) -> Array | None:
    """Parameters (q,) of `rich` that give nearly the curve of `simple` at theta (p,).

    What `simple` lacks is taken from `default` (q,), with breaks that change no slope and terms
    that are small. None where a term of `simple` has no counterpart in `rich`.
    """
    if simple.axes != rich.axes:
        return None
    found = default.copy()
    free = list(range(len(rich.terms)))
    for term, where in zip(simple.terms, simple.slices, strict=True):
        match = next((i for i in free if _holds(rich.terms[i], term)), None)
        if match is None:
            return None
        free.remove(match)
        start = rich.slices[match].start
        found[start : start + where.stop - where.start] = theta[where]
        for i in range(start + where.stop - where.start, rich.slices[match].stop):
            if rich.parameters[i].kind == "slope_change":
                found[i] = 0.0
    scales = [t for t, p in zip(theta, simple.parameters, strict=True) if p.kind == "log_scale"]
    for i in free:
        for j in range(rich.slices[i].start, rich.slices[i].stop):
            if rich.parameters[j].kind == "log_scale":
                found[j] = min(scales) - _ABSENT
    return found


def _holds(rich: Term, simple: Term) -> bool:
    """Whether the rich term can say what the simple one says."""
    if isinstance(rich, BrokenPowerLaw) and isinstance(simple, BrokenPowerLaw):
        same = (rich.axes, rich.layer, rich.rising, rich.saturating)
        fits = (simple.axes, simple.layer, simple.rising, simple.saturating)
        return same == fits and rich.breaks >= simple.breaks
    return rich == simple
