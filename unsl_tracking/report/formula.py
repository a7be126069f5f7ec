"""A fitted form as mathematics, with symbols and with its numbers, and what each symbol is.

Logs and centred axes are for computing; here parameters are in the units of the metric and of the
axes. With the data's geometric mean x̄ of an axis (docs/law.md has the same in logs):

    K = A Π (x_j/x̄_j)^−α_j Π_k (1 + (x/d_k)^(1/f_k))^(−γ_k f_k)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from unsl_tracking.fit import Component
from unsl_tracking.law import (
    BrokenPowerLaw,
    Ceiling,
    ImplicitSigmoid,
    Limit,
    RepeatedData,
    RepeatedTokens,
)
from unsl_tracking.law.form import Parameter, Term
from unsl_tracking.report.mathematics import (
    Math,
    brackets,
    fraction,
    joined,
    lines,
    name,
    negated,
    number,
    operator,
    power,
    row,
    symbol,
)

_HALF = float(ndtri(0.9))  # of the 80% interval
_MOST = 700.0  # of an exponent: a parameter that nothing identifies must not overflow
_LOGS = ("log_scale", "log_limit", "log_ceiling", "log_sharpness", "log_decay", "log_warp")


@dataclass(frozen=True, slots=True)
class Known:
    """A parameter in natural units: its symbol, what it is, estimate and 80% interval."""

    symbol: Math
    meaning: str
    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Formula:
    """`symbols` and `numbers` are the same equation; `known` its parameters, in order.

    `means` gives x̄, the geometric mean of the data, by axis.
    """

    symbols: Math
    numbers: Math
    known: tuple[Known, ...]
    means: Mapping[str, float]


def formula_of(component: Component, metric: str, ceiling: float | None = None) -> Formula:
    """The formula of a fitted form; `ceiling` is the best value of a metric to maximise."""
    known = _known(component)
    left = name(metric)
    if ceiling is not None:
        left = row(number(ceiling), operator("−"), left)
    means = {
        axis: math.exp(c) for axis, c in zip(component.form.axes, component.centre, strict=True)
    }
    return Formula(
        _equation(component, left, [each.symbol for each in known], symbols=True),
        _equation(component, left, [number(each.estimate) for each in known], symbols=False),
        known,
        means,
    )


def _known(component: Component) -> tuple[Known, ...]:
    half = _HALF * np.sqrt(np.diag(component.covariance))
    found = []
    for index, (term, where) in enumerate(
        zip(component.form.terms, component.form.slices, strict=True), start=1
    ):
        for i in range(where.start, where.stop):
            parameter = component.form.parameters[i]
            value, spread = float(component.theta[i]), float(half[i])
            ends = (value, value - spread, value + spread)
            shift = _shift(term, parameter, component)
            if parameter.kind in _LOGS or parameter.kind == "break_position":
                ends = tuple(_exp(end + shift) for end in ends)  # type: ignore[assignment]
            found.append(Known(_symbol(term, parameter, index), _meaning(term, parameter), *ends))
    return tuple(found)


def _exp(value: float) -> float:
    return math.exp(min(max(value, -_MOST), _MOST))


def _shift(term: Term, parameter: Parameter, component: Component) -> float:
    """Breaks on one axis are told in the axis' own unit, not from the middle of the data."""
    if parameter.kind != "break_position" or len(term.axes) != 1:
        return 0.0
    return float(component.centre[component.form.axes.index(term.axes[0])])


def _symbol(term: Term, parameter: Parameter, index: int) -> Math:
    last = parameter.name.rpartition(".")[2]
    letter, axis = last.partition("[")[0], parameter.axis or ""
    order = "".join(c for c in letter if c.isdigit())
    tail = f"{index},{order}" if order else f"{index}"
    match parameter.kind:
        case "log_limit":
            return symbol("a")
        case "log_ceiling":
            return symbol("M")
        case "log_scale":
            return symbol({"ln_B": "B"}.get(letter, "A"), str(index))
        case "ceiling_exponent":
            return symbol("α", f"M,{axis}")
        case "exponent" | "rising_exponent":
            greek = {"beta": "β", "c": "c"}.get(letter, "α")
            return symbol(greek, f"{index},{axis}" if len(term.axes) > 1 else str(index))
        case "direction":
            return symbol("w", f"{tail},{axis}")
        case "break_position":
            return symbol("d", tail)
        case "slope_change":
            return symbol("γ", tail)
        case "log_sharpness":
            return symbol("f", tail)
        case "log_decay":
            return symbol("R", letter.removeprefix("ln_R"))
        case _:
            return symbol("α")


def _meaning(term: Term, parameter: Parameter) -> str:
    over = " and ".join(term.axes)
    match parameter.kind:
        case "log_limit":
            return "the limit: what no amount of scale removes"
        case "log_ceiling":
            what = "above the limit" if isinstance(term, ImplicitSigmoid) else "in all"
            return f"the ceiling, {what}: what knowing nothing scores"
        case "log_scale" if isinstance(term, BrokenPowerLaw) and term.layer == "overfit":
            return f"overfitting over {over}, at x̄"
        case "log_scale":
            return f"what scale in {over} can still remove, at x̄"
        case "exponent" | "rising_exponent":
            return f"exponent: how fast that falls with {parameter.axis}"
        case "break_position":
            unit = f", in {over}" if len(term.axes) == 1 else ", in multiples of x̄"
            return f"where the exponent changes{unit}"
        case "slope_change":
            return "by how much the exponent changes there"
        case "log_sharpness":
            return "how gradual the change is, in e-folds"
        case "direction":
            return f"weight of {parameter.axis} in where the exponent changes"
        case "log_decay":
            return parameter.meaning.removeprefix("ln of ")
        case "log_warp":
            return "exponent on the distance to the ceiling"
        case _:
            return parameter.meaning


def _equation(component: Component, left: Math, values: list[Math], *, symbols: bool) -> Math:
    summed: list[Math] = []
    top: list[Math] = []
    ceiling: Math | None = None
    means = dict(zip(component.form.axes, component.centre, strict=True))
    for term, where in zip(component.form.terms, component.form.slices, strict=True):
        own = values[where]
        match term:
            case BrokenPowerLaw():
                bases = {a: _base(a, None if symbols else means[a]) for a in term.axes}
                (summed if term.layer == "sum" else top).append(_power_law(term, own, bases))
            case RepeatedTokens() | RepeatedData():
                summed += _repeated(term, own)
            case ImplicitSigmoid():
                scale, c, a, m, warp = own
                base = _base(term.axes[0], None if symbols else means[term.axes[0]])
                top_of = brackets(row(a, operator("+"), m, operator("−"), left))
                share = row(left, operator("−"), a)
                right = row(scale, power(base, negated(c)))
                bottom = power(_ratio(top_of, m), warp)
                return row(fraction(share, bottom), operator("="), right)
            case Ceiling():
                ceiling = own[0]
                for axis, exponent in zip(term.axes, own[1:], strict=True):
                    base = _base(axis, None if symbols else means[axis])
                    ceiling = row(ceiling, power(base, negated(exponent)))
            case Limit():
                top.append(own[0])
    if ceiling is not None:
        one = number(1.0)
        inner = joined(summed, "+")
        below = row(fraction(one, inner), operator("+"), fraction(one, ceiling))
        summed = [fraction(one, below)]
    return lines(left, [*top[::-1], *summed])


def _base(axis: str, centre: float | None) -> Math:
    """x/x̄ of an axis, in symbols or with the number."""
    mean = symbol("x̄", axis) if centre is None else number(math.exp(float(centre)))
    return _ratio(name(axis), mean)


def _ratio(above: Math, below: Math) -> Math:
    """(above/below) on one line: brackets that grow need a font that not every machine has."""
    return brackets(row(above, operator("/"), below))


def _power_law(term: BrokenPowerLaw, own: list[Math], bases: Mapping[str, Math]) -> Math:
    m = len(term.axes)
    parts = [own[0]]
    for axis, exponent in zip(term.axes, own[1 : 1 + m], strict=True):
        parts.append(power(bases[axis], negated(exponent)))
    at = 1 + m
    one, plus = number(1.0), operator("+")
    for _ in range(term.breaks):
        where = name(term.axes[0])
        if m > 1:
            tilts = own[at : at + m]
            where = row(*(power(bases[a], w) for a, w in zip(term.axes, tilts, strict=True)))
            at += m
        position, change, width = own[at : at + 3]
        at += 3
        past = power(_ratio(where, position), row(one, operator("/"), width))
        bend = power(brackets(row(one, plus, past)), row(negated(change), operator("·"), width))
        parts.append(bend)
    if term.saturating:
        past = row(name(term.axes[0]), operator("/"), own[at])
        parts.append(power(brackets(row(one, plus, past)), own[1]))
    return row(*parts)


def _repeated(term: RepeatedTokens | RepeatedData, own: list[Math]) -> list[Math]:
    """Muennighoff's effective data D′ and parameters N′ (docs/law.md), as symbols."""
    if isinstance(term, RepeatedTokens):
        return [row(own[0], power(symbol("D′"), negated(own[1])))]
    return [
        row(own[0], power(symbol("N′"), negated(own[1]))),
        row(own[2], power(symbol("D′"), negated(own[3]))),
    ]
