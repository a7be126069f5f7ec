"""Formulas: the numbers that are shown give the values that the law gives."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from unsl_tracking.law import log_value, zoo
from unsl_tracking.report.formula import Formula, formula_of
from unsl_tracking.report.mathematics import name, negated, number, symbol


def fitted(form: ut.Form, truth: str) -> tuple[ut.FittedLaw, Formula]:
    params, tokens = (g.ravel() for g in np.meshgrid(np.geomspace(1e6, 1e9, 7), [1e8, 1e9, 1e10]))
    loss = 1.7 + 300.0 * params**-0.35 + 400.0 * tokens**-0.3
    if truth == "one axis":
        params = np.geomspace(1e3, 1e8, 30)
        loss = 0.5 + 8.0 * params**-0.1 * (1.0 + (params / 1e5) ** 2.0) ** -0.2
    table = pd.DataFrame({"params": params, "loss": loss})
    if truth != "one axis":
        table["tokens"] = tokens
    law = ut.fit(table, list(form.axes), "loss", forms=[form])
    return law, formula_of(law.mixture.members[0].component, "loss")


def by_symbol(formula: Formula) -> dict[str, float]:
    return {each.symbol.latex: each.estimate for each in formula.known}


def of_law(law: ut.FittedLaw, **at: float) -> float:
    component = law.mixture.members[0].component
    log_x = np.log([[at[axis] for axis in component.form.axes]])
    return math.exp(log_value(component.form, component.theta[None], log_x, component.centre)[0, 0])


def test_chinchillas_numbers_are_those_of_its_published_formula() -> None:
    law, formula = fitted(zoo.chinchilla(["params", "tokens"]), "several")
    p, mean = by_symbol(formula), formula.means
    x = {"params": 3e9, "tokens": 7e10}
    parts = [
        p[rf"A_{{\text{{{i}}}}}"] * (x[axis] / mean[axis]) ** -p[rf"\alpha_{{\text{{{i}}}}}"]
        for i, axis in enumerate(x, start=1)
    ]
    assert p["a"] + sum(parts) == pytest.approx(of_law(law, **x), rel=1e-9)


def test_a_break_is_told_in_the_unit_of_its_axis() -> None:
    law, formula = fitted(zoo.bnsl("params"), "one axis")
    p, x = by_symbol(formula), 4e8
    d, gamma, f = (p[rf"{s}_{{\text{{1,1}}}}"] for s in ("d", r"\gamma", "f"))
    fall = p[r"A_{\text{1}}"] * (x / formula.means["params"]) ** -p[r"\alpha_{\text{1}}"]
    bend = (1.0 + (x / d) ** (1.0 / f)) ** (-gamma * f)
    assert p["a"] + fall * bend == pytest.approx(of_law(law, params=x), rel=1e-9)


def test_an_end_of_the_fall_is_told_in_the_unit_of_its_axis() -> None:
    law, formula = fitted(zoo.saturating("params"), "one axis")
    p, x = by_symbol(formula), 4e8
    alpha = p[r"\alpha_{\text{1}}"]
    fall = p[r"A_{\text{1}}"] * (x / formula.means["params"]) ** -alpha
    end = (1.0 + x / p[r"d_{\text{1}}"]) ** alpha
    assert p["a"] + fall * end == pytest.approx(of_law(law, params=x), rel=1e-9)


def test_m4_holds_as_it_is_written() -> None:
    law, formula = fitted(zoo.implicit("params"), "one axis")
    p, x = by_symbol(formula), 4e8
    y, m = of_law(law, params=x), p["M"]
    left = (y - p["a"]) / ((p["a"] + m - y) / m) ** p[r"\alpha"]
    right = p[r"A_{\text{1}}"] * (x / formula.means["params"]) ** -p[r"c_{\text{1}}"]
    assert left == pytest.approx(right, rel=1e-6)


@pytest.mark.parametrize(
    "form",
    [
        zoo.unsl(["params", "tokens"], breaks=1),
        zoo.unsl(["params", "tokens"], breaks=0, ceiling=True),
        zoo.limited(["params", "tokens"]),
    ],
    ids=lambda form: form.name,
)
def test_every_form_is_written_in_both_languages(form: ut.Form) -> None:
    _, formula = fitted(form, "several")
    for each in (formula.symbols, formula.numbers):
        ElementTree.fromstring(each.element)
        assert each.latex.count("{") == each.latex.count("}")
    assert len(formula.known) == len(form.parameters)
    assert all(each.low <= each.estimate <= each.high for each in formula.known)


def test_a_parameter_that_nothing_identifies_does_not_overflow() -> None:
    law, _ = fitted(zoo.bnsl("params"), "one axis")
    component = law.mixture.members[0].component
    wild = type(component)(
        **{
            field: getattr(component, field)
            for field in component.__dataclass_fields__
            if field != "covariance"
        },
        covariance=np.eye(len(component.theta)) * 1e9,
    )
    assert all(math.isfinite(each.high) for each in formula_of(wild, "loss").known)


def test_numbers_are_short_and_minus_signs_cancel() -> None:
    assert number(1.4e11).latex == r"1.4 \times 10^{11}"
    assert number(-0.339).latex == "-0.339"
    assert negated(number(-0.339)).latex == "0.339"
    assert negated(symbol("α")).latex == r"- \alpha"


@pytest.mark.parametrize("nasty", ["$x$", "a_b^c", "}</math><script>", "\\input{x}", "|`*"])
def test_a_name_is_text_in_both_languages(nasty: str) -> None:
    found = name(nasty)
    assert ElementTree.fromstring(found.mathml).text == nasty
    inside = found.latex.removeprefix(r"\text{").removesuffix("}").replace(r"\_", "")
    assert not set(inside) & set("\\{}$^_<>|`*")
