"""Formulas that are written twice: as MathML for a page and as LaTeX for markdown.

    row(name("loss"), operator("="), power(symbol("x"), number(-0.34))).mathml

Every browser of today draws MathML by itself, so a page needs no script for it. Names may come
from runs: they are text in either language, never markup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

_GREEK = {
    "α": r"\alpha",
    "β": r"\beta",
    "γ": r"\gamma",
    "δ": r"\delta",
    "·": r"\cdot",
    "−": "-",
    "x̄": r"\bar{x}",
}
_LATEX_SPECIAL = re.compile(r"([\\{}$&#%_^~<>|`*\[\]!])")


@dataclass(frozen=True, slots=True)
class Math:
    """One expression in both languages."""

    mathml: str
    latex: str

    @property
    def element(self) -> str:
        """A `<math>` element of its own line."""
        return f'<math display="block"><mrow>{self.mathml}</mrow></math>'

    @property
    def inline(self) -> str:
        """A `<math>` element within a line."""
        return f"<math><mrow>{self.mathml}</mrow></math>"


def row(*parts: Math) -> Math:
    """One after the other."""
    return Math(
        "<mrow>" + "".join(part.mathml for part in parts) + "</mrow>",
        " ".join(part.latex for part in parts),
    )


def symbol(text: str, below: str = "") -> Math:
    """A letter, with an index below it where one is given."""
    letter = Math(f"<mi>{escape(text)}</mi>", _GREEK.get(text, text))
    if not below:
        return letter
    return Math(
        f"<msub>{letter.mathml}<mtext>{escape(below)}</mtext></msub>",
        rf"{letter.latex}_{{\text{{{_plain(below)}}}}}",
    )


def name(text: str) -> Math:
    """The name of an axis or a metric."""
    line = " ".join(text.split())[:60]
    return Math(f"<mtext>{escape(line)}</mtext>", rf"\text{{{_plain(line)}}}")


def number(value: float) -> Math:
    """Three digits; powers of ten from a million and below a thousandth."""
    text = f"{value:.3g}"
    mantissa, _, exponent = text.partition("e")
    minus = "−" if mantissa.startswith("-") else ""
    digits = mantissa.lstrip("-")
    plain = Math(f"<mn>{minus}{digits}</mn>", f"{'-' if minus else ''}{digits}")
    if not exponent:
        return plain
    ten = f"<msup><mn>10</mn><mn>{int(exponent)}</mn></msup>"
    return Math(
        f"<mrow>{plain.mathml}<mo>×</mo>{ten}</mrow>",
        rf"{plain.latex} \times 10^{{{int(exponent)}}}",
    )


def operator(text: str) -> Math:
    """`=`, `+`, `−`, `·`."""
    return Math(f"<mo>{escape(text)}</mo>", _GREEK.get(text, text))


def negated(part: Math) -> Math:
    """Minus the part, for an exponent; two minus signs are none."""
    if part.mathml.startswith("<mn>−"):
        return Math(part.mathml.replace("−", "", 1), part.latex.removeprefix("-"))
    return row(operator("−"), part)


def lines(left: Math, parts: list[Math]) -> Math:
    """`left =` and a sum, a line per summand."""
    rows = []
    for number, part in enumerate(parts):
        first, sign = (left.mathml, "=") if number == 0 else ("", "+")
        rows.append(
            f'<mtr><mtd style="text-align:right">{first}</mtd>'
            f'<mtd style="text-align:left"><mo form="infix">{sign}</mo>{part.mathml}</mtd></mtr>'
        )
    latex = r" \\ ".join(
        f"{left.latex if i == 0 else ''} &{'=' if i == 0 else '+'} {part.latex}"
        for i, part in enumerate(parts)
    )
    return Math(f"<mtable>{''.join(rows)}</mtable>", rf"\begin{{aligned}} {latex} \end{{aligned}}")


def power(base: Math, exponent: Math) -> Math:
    """The base to the power of the exponent."""
    return Math(
        f"<msup><mrow>{base.mathml}</mrow><mrow>{exponent.mathml}</mrow></msup>",
        f"{base.latex}^{{{exponent.latex}}}",
    )


def fraction(above: Math, below: Math) -> Math:
    """One above the other."""
    return Math(
        f"<mfrac><mrow>{above.mathml}</mrow><mrow>{below.mathml}</mrow></mfrac>",
        rf"\frac{{{above.latex}}}{{{below.latex}}}",
    )


def brackets(inside: Math) -> Math:
    """Round brackets that grow with what they hold."""
    return Math(
        f"<mrow><mo>(</mo>{inside.mathml}<mo>)</mo></mrow>", rf"\left({inside.latex}\right)"
    )


def joined(parts: list[Math], by: str) -> Math:
    """The parts with an operator between them."""
    found: list[Math] = []
    for part in parts:
        found += [operator(by), part] if found else [part]
    return row(*found)


def _plain(text: str) -> str:
    """Text for LaTeX's `text`: only what needs no markup of LaTeX, markdown or HTML."""
    return _LATEX_SPECIAL.sub(lambda found: {"_": r"\_"}.get(found[0], " "), text)
