"""A scaling law's form as data: which terms are present, over which axes, with which breaks.

A `Form` is a tuple of terms. Each term belongs to one of the layers of the Unified Neural Scaling
Law (the exact parameterisation is ours, see docs/law.md):

    y = a + Q + Σ O          a: `Limit`;  O: `BrokenPowerLaw(layer="overfit")`
    Q = 1 / (1/R + 1/M)      M: `Ceiling`
    R = Σ K                  K: `BrokenPowerLaw(layer="sum")`: overall trend, bottlenecks,
                             and the falling and rising parts of a hyperparameter
                             or `RepeatedData`, `RepeatedTokens` (Muennighoff et al.)
    or y given implicitly    `ImplicitSigmoid` (M4 of Alabdulmohsin et al.), alone in its form

Nothing is computed here (see `evaluate.py`). Parameters live in one flat vector; `Form.parameters`
says what each entry means, and its `kind` decides which prior it gets (`fit/prior.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal, get_args

from unsl_tracking.errors import DataError

Layer = Literal["sum", "overfit"]
Kind = Literal[
    "log_scale",  # ln of a term at the centre of the data
    "exponent",  # slope before the first break: d ln K / d ln x = -exponent
    "rising_exponent",  # the same, expected to be negative: K rises along this axis
    "direction",  # normal of a hyperbreak in log space
    "break_position",  # where w·z crosses into the next regime
    "slope_change",  # how much steeper the law falls past a break
    "log_sharpness",  # ln of the width of the transition, in e-folds
    "log_limit",  # ln a, the irreducible limit
    "log_ceiling",  # ln M, the error of knowing nothing
    "ceiling_exponent",  # how the ceiling moves with scale
    "log_decay",  # ln R*, the number of repetitions after which repeating decays
    "log_warp",  # ln of M4's exponent on the distance to the ceiling
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of the parameter vector: `name` is unique in its form, `meaning` is a sentence.

    `tilted` marks the parameters of a hyperbreak over several axes.
    """

    name: str
    kind: Kind
    meaning: str
    axis: str | None = None
    tilted: bool = False


@dataclass(frozen=True, slots=True)
class BrokenPowerLaw:
    """`ln K = β − Σ α_j z_j − Σ_k γ_k f_k softplus((w_k·z − δ_k)/f_k)` over `axes`.

    With one axis the direction `w` is 1 and this is BNSL (arXiv 2210.14891, eq. 1).
    `rising` names the axes along which K is expected to grow (hyperparameters past their optimum,
    epochs). `saturating` ties the last slope to zero with sharpness 1: `(1/x + γ)^α`, M3.

    Raises:
        DataError: no axes, an axis twice, `rising` beyond `axes`, breaks below zero, an unknown
            layer, or `saturating` with more than one axis or with breaks.
    """

    axes: tuple[str, ...]
    breaks: int = 0
    layer: Layer = "sum"
    rising: tuple[str, ...] = ()
    saturating: bool = False

    def __post_init__(self) -> None:
        _check_axes("broken power law", self.axes)
        if not self.axes:
            raise DataError("a broken power law has at least one axis", got=self.axes)
        _check_axes("term's rising part", self.rising)
        if any(axis not in self.axes for axis in self.rising):
            raise DataError(f"rising axes are among the term's {self.axes}", got=self.rising)
        if type(self.breaks) is not int or self.breaks < 0:
            raise DataError("the number of breaks is an integer ≥ 0", got=self.breaks)
        if self.layer not in get_args(Layer):
            raise DataError(f"a layer is one of {get_args(Layer)}", got=self.layer)
        if not isinstance(self.saturating, bool):
            raise DataError("saturating is true or false", got=self.saturating)
        if self.saturating and (len(self.axes) > 1 or self.breaks):
            raise DataError("a saturating power law has one axis and no breaks", got=self)

    def parameters(self, label: str) -> tuple[Parameter, ...]:
        """What each parameter of this term means, in order; names start with `label`."""
        found = [Parameter(f"{label}.beta", "log_scale", "ln of the term at the data's centre")]
        for axis in self.axes:
            kind: Kind = "rising_exponent" if axis in self.rising else "exponent"
            found.append(Parameter(f"{label}.alpha[{axis}]", kind, f"falls as {axis}^-alpha", axis))
        tilted = len(self.axes) > 1
        for k in range(1, self.breaks + 1):
            if tilted:
                found += [
                    Parameter(f"{label}.w{k}[{axis}]", "direction", "tilt of the hyperbreak", axis)
                    for axis in self.axes
                ]
            found += [
                Parameter(f"{label}.delta{k}", "break_position", "where the hyperbreak lies"),
                Parameter(
                    f"{label}.gamma{k}",
                    "slope_change",
                    "how much steeper past the break",
                    tilted=tilted,
                ),
                Parameter(
                    f"{label}.ln_f{k}",
                    "log_sharpness",
                    "ln width of the transition",
                    tilted=tilted,
                ),
            ]
        if self.saturating:
            found.append(Parameter(f"{label}.delta", "break_position", "where the fall ends"))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The misperformance limit M, what knowing nothing scores: constant or a power law."""

    axes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_axes("ceiling", self.axes)

    def parameters(self, label: str) -> tuple[Parameter, ...]:
        """What each parameter of this term means, in order; names start with `label`."""
        top = Parameter(f"{label}.ln_M", "log_ceiling", "ln of the score of knowing nothing")
        return (
            top,
            *(
                Parameter(f"{label}.alpha[{axis}]", "ceiling_exponent", "moves the ceiling", axis)
                for axis in self.axes
            ),
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """The irreducible limit a ≥ 0."""

    @property
    def axes(self) -> tuple[str, ...]:
        """None: the limit is the same everywhere."""
        return ()

    def parameters(self, label: str) -> tuple[Parameter, ...]:
        """What each parameter of this term means, in order; names start with `label`."""
        return (Parameter(f"{label}.ln_a", "log_limit", "ln of what no scale removes"),)


@dataclass(frozen=True, slots=True)
class RepeatedTokens:
    """The data half of `RepeatedData` alone, B/D'^β: a bottleneck whose repetitions decay.

    `axes` are (tokens seen, unique tokens), in the same unit.
    """

    axes: tuple[str, str]

    def __post_init__(self) -> None:
        _check_axes("repeated tokens", self.axes, count=2)

    def parameters(self, label: str) -> tuple[Parameter, ...]:
        """What each parameter of this term means, in order; names start with `label`."""
        tokens, _ = self.axes
        return (
            Parameter(f"{label}.ln_B", "log_scale", "ln of the data bottleneck"),
            Parameter(f"{label}.beta", "exponent", f"falls as {tokens}^-beta", tokens),
            Parameter(f"{label}.ln_RD", "log_decay", "ln of useful repetitions of the data"),
        )


@dataclass(frozen=True, slots=True)
class RepeatedData:
    """Muennighoff et al. (arXiv 2305.16264, eqs. 5-7): A/N'^α + B/D'^β with decaying repetitions.

    `axes` are (parameters, tokens seen, unique tokens). D' = U + U·R_D*(1 − exp(−(D/U − 1)/R_D*)),
    and N' likewise with U_N, the parameters that are compute-optimal for U unique tokens.
    """

    axes: tuple[str, str, str]

    def __post_init__(self) -> None:
        _check_axes("repeated data", self.axes, count=3)

    def parameters(self, label: str) -> tuple[Parameter, ...]:
        """What each parameter of this term means, in order; names start with `label`."""
        params, tokens, _ = self.axes
        return (
            Parameter(f"{label}.ln_A", "log_scale", "ln of the parameter bottleneck"),
            Parameter(f"{label}.alpha", "exponent", f"falls as {params}^-alpha", params),
            Parameter(f"{label}.ln_B", "log_scale", "ln of the data bottleneck"),
            Parameter(f"{label}.beta", "exponent", f"falls as {tokens}^-beta", tokens),
            Parameter(f"{label}.ln_RD", "log_decay", "ln of useful repetitions of the data"),
            Parameter(f"{label}.ln_RN", "log_decay", "ln of useful excess of parameters"),
        )


@dataclass(frozen=True, slots=True)
class ImplicitSigmoid:
    """M4 of Alabdulmohsin et al. (arXiv 2209.06640): (y − a)/(M − y)^α = β x^−c."""

    axes: tuple[str]

    def __post_init__(self) -> None:
        _check_axes("implicit sigmoid", self.axes, count=1)

    def parameters(self, label: str) -> tuple[Parameter, ...]:
        """What each parameter of this term means, in order; names start with `label`."""
        (axis,) = self.axes
        return (
            Parameter(f"{label}.beta", "log_scale", "ln of the fall at the data's centre"),
            Parameter(f"{label}.c", "exponent", f"falls as {axis}^-c", axis),
            Parameter(f"{label}.ln_a", "log_limit", "ln of what no scale removes"),
            Parameter(f"{label}.ln_M", "log_ceiling", "ln of the score of knowing nothing"),
            Parameter(f"{label}.ln_warp", "log_warp", "ln of the exponent on M − y"),
        )


Term = BrokenPowerLaw | Ceiling | Limit | RepeatedTokens | RepeatedData | ImplicitSigmoid
_TERM_TYPES = {cls.__name__: cls for cls in get_args(Term)}


@dataclass(frozen=True)
class Form:
    """A named tuple of terms over `axes` (the order of the columns of x).

    Raises:
        DataError: a term names an axis that the form lacks, or the terms do not make a law.
    """

    name: str
    axes: tuple[str, ...]
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        _check_axes("form", self.axes)
        for term in self.terms:
            missing = [axis for axis in term.axes if axis not in self.axes]
            if missing:
                raise DataError(f"the axes of a term are among the form's {self.axes}", got=missing)
        sums = [t for t in self.terms if isinstance(t, BrokenPowerLaw) and t.layer == "sum"]
        others = [
            t for t in self.terms if isinstance(t, RepeatedTokens | RepeatedData | ImplicitSigmoid)
        ]
        if not sums and not others:
            raise DataError("a form has at least one term in its sum R", got=self.name)
        if any(isinstance(t, ImplicitSigmoid) for t in others) and len(self.terms) > 1:
            raise DataError("an implicit sigmoid stands alone in its form", got=self.name)
        for unique in (Ceiling, Limit):
            if sum(isinstance(t, unique) for t in self.terms) > 1:
                raise DataError(f"a form has at most one {unique.__name__}", got=self.name)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What each entry of the parameter vector means, in order."""
        return tuple(p for i, t in enumerate(self.terms) for p in t.parameters(_label(t, i)))

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each term's parameters lie in the vector."""
        found, start = [], 0
        for i, term in enumerate(self.terms):
            stop = start + len(term.parameters(_label(term, i)))
            found.append(slice(start, stop))
            start = stop
        return tuple(found)

    @property
    def breaks(self) -> int:
        """Number of hyperbreaks in all terms."""
        return sum(t.breaks for t in self.terms if isinstance(t, BrokenPowerLaw))

    def to_dict(self) -> dict[str, object]:
        """The form as JSON-able data; `from_dict` reads it back."""
        terms: list[dict[str, object]] = []
        for term in self.terms:
            values = {f.name: getattr(term, f.name) for f in fields(term)}
            lists = {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}
            terms.append({"term": type(term).__name__} | lists)
        return {"name": self.name, "axes": list(self.axes), "terms": terms}

    @classmethod
    def from_dict(cls, data: object) -> Form:
        """Read a form from data; unknown terms and fields are refused."""
        if not isinstance(data, Mapping) or set(data) != {"name", "axes", "terms"}:
            raise _not_a_form(data)
        name, axes, terms = data["name"], data["axes"], data["terms"]
        if not (isinstance(name, str) and isinstance(axes, list) and isinstance(terms, list)):
            raise _not_a_form(data)
        return cls(name, tuple(axes), tuple(map(_term_from_dict, terms)))


def _term_from_dict(data: object) -> Term:
    if not isinstance(data, Mapping):
        raise _not_a_form(data)
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
    kind = values.pop("term", None)
    if not isinstance(kind, str) or kind not in _TERM_TYPES:
        raise DataError(f"a term is one of {sorted(_TERM_TYPES)}", got=kind)
    try:
        term: Term = _TERM_TYPES[kind](**values)
        return term
    except TypeError as error:  # a field too many or too few
        raise _not_a_form(data) from error


def _not_a_form(got: object) -> DataError:
    rule = "a form is {name, axes: […], terms: [{term, …}]}"
    return DataError(rule, got=got, next_step="Write it with Form.to_dict.")


def _check_axes(of: str, axes: object, *, count: int | None = None) -> None:
    """Refuse axes that are not a tuple of distinct, non-empty names (`count` of them)."""
    if not isinstance(axes, tuple) or not all(isinstance(a, str) and a for a in axes):
        raise DataError(f"the axes of a {of} are a tuple of names", got=axes)
    if len(set(axes)) < len(axes):
        raise DataError(f"the axes of a {of} are distinct", got=axes)
    if count is not None and len(axes) != count:
        raise DataError(f"a {of} term has {count} axes", got=axes)


def _label(term: Term, index: int) -> str:
    """A short name for a term that is unique within its form."""
    match term:
        case Ceiling():
            return "ceiling"
        case Limit():
            return "limit"
        case BrokenPowerLaw(layer="overfit"):
            return f"O{index}"
        case _:
            return f"K{index}"
