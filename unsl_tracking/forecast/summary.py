"""A law in words: which forms carry it, their parameters with intervals, and its equation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from unsl_tracking.fit import Member, Mixture
from unsl_tracking.forecast.cautions import ForecastWarning
from unsl_tracking.law import (
    BrokenPowerLaw,
    Ceiling,
    Form,
    ImplicitSigmoid,
    Limit,
    RepeatedData,
    RepeatedTokens,
)

_MOST_FORMS = 6  # printed


@dataclass(frozen=True)
class LawSummary:
    """Tables and text about a law.

    `forms` has the columns form, weight, origin_error, parameters; `parameters` has form,
    parameter, meaning, estimate, lo80, hi80; `equation` is the heaviest form's.
    """

    forms: pd.DataFrame
    parameters: pd.DataFrame
    equation: str
    warnings: tuple[ForecastWarning, ...]

    def __str__(self) -> str:
        """The equation, the heaviest forms, the parameters of the heaviest, the warnings."""
        heaviest = self.parameters["form"] == self.forms["form"].iloc[0]
        parts = [
            self.equation,
            _text(self.forms.head(_MOST_FORMS)),
            _text(self.parameters[heaviest].drop(columns="form")),
        ]
        if (more := len(self.forms) - _MOST_FORMS) > 0:
            parts[1] += f"\n… and {more} more: see .forms"
        parts += [f"{w.code}: {w.message}" for w in self.warnings]
        return "\n\n".join(parts)


def _text(table: pd.DataFrame) -> str:
    return table.to_string(index=False, float_format=lambda v: f"{v:.4g}")


def summarise(mixture: Mixture, warnings: tuple[ForecastWarning, ...]) -> LawSummary:
    """Tables of a mixture's members, heaviest first."""
    forms = pd.DataFrame([_form_row(m) for m in mixture.members])
    heaviest = mixture.members[0]
    rows = [row for m in mixture.members for row in _parameter_rows(m)]
    return LawSummary(forms, pd.DataFrame(rows), equation(heaviest.rung.form), warnings)


def _label(member: Member) -> str:
    window = member.rung.window
    return member.rung.form.name + ("" if window is None else f" (last {np.exp(window):.0f}×)")


def _form_row(member: Member) -> dict[str, object]:
    return {
        "form": _label(member),
        "weight": member.weight,
        "origin_error": member.origin_error,
        "parameters": len(member.rung.form.parameters),
    }


def _parameter_rows(member: Member) -> list[dict[str, object]]:
    component = member.component
    half = float(ndtri(0.9)) * np.sqrt(np.diag(component.covariance))
    return [
        {
            "form": _label(member),
            "parameter": p.name,
            "meaning": p.meaning,
            "estimate": float(v),
            "lo80": float(v - h),
            "hi80": float(v + h),
        }
        for p, v, h in zip(component.form.parameters, component.theta, half, strict=True)
    ]


def equation(form: Form) -> str:
    """The form in plain text, e.g. `y = A1·params^-α + A2·tokens^-α + a`."""
    summed: list[str] = []
    top: list[str] = []
    ceiling = ""
    for i, term in enumerate(form.terms):
        match term:
            case BrokenPowerLaw():
                (summed if term.layer == "sum" else top).append(_power(term, i))
            case RepeatedTokens():
                seen, unique = term.axes
                summed.append(f"B{i}/D′({seen}, {unique})^β")
            case RepeatedData():
                params, seen, unique = term.axes
                summed.append(f"A/N′({params}, {unique})^α + B/D′({seen}, {unique})^β")
            case ImplicitSigmoid():
                return f"(y − a)/(M − y)^α = β·{term.axes[0]}^-c"
            case Ceiling():
                ceiling = "M"
            case Limit():
                top.append("a")
    inner = " + ".join(summed)
    inner = f"1/(1/({inner}) + 1/{ceiling})" if ceiling else inner
    return "y = " + " + ".join([inner, *top])


def _power(term: BrokenPowerLaw, index: int) -> str:
    factors = [f"{axis}^-α" for axis in term.axes]
    if term.breaks:
        factors.append("·".join(f"break{k}" for k in range(1, term.breaks + 1)))
    text = f"A{index}·" + "·".join(factors)
    return f"{text}, ending at 1/γ" if term.saturating else text
