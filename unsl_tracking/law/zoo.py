"""Named forms: the published special cases, the ablations, and what the ladder of forms is made of.

    power_law        y = β x^-α                                       M1
    limited          y = a + β x^-α                                   M2
    saturating       y = a + β (1/x + γ)^α                            M3
    implicit         (y − a)/(M − y)^α = β x^-c                       M4
    bnsl             y = a + β x^-α Π (1 + (x/d_k)^(1/f_k))^(-γ_k f_k)   arXiv 2210.14891
    chinchilla (CF)  y = a + Σ_j A_j x_j^-α_j                         arXiv 2203.15556, approach 3
    muennighoff (DC) Chinchilla with decaying repetitions             arXiv 2305.16264
    unsl             all layers (docs/law.md)                        after arXiv 2605.26248
    A1, A2, A3       unsl without hyperbreaks, without bottlenecks, without the overall trend

M1-M4 are named as in arXiv 2209.06640. The ablations remove one layer each; the names are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from unsl_tracking.errors import DataError
from unsl_tracking.law.form import (
    BrokenPowerLaw,
    Ceiling,
    Form,
    ImplicitSigmoid,
    Limit,
    RepeatedData,
    Term,
)


def power_law(axes: Sequence[str]) -> Form:
    """M1 on one axis; a plane in log space on several."""
    return Form("M1", tuple(axes), (BrokenPowerLaw(tuple(axes)),))


def limited(axes: Sequence[str]) -> Form:
    """M2: a power law above an irreducible limit."""
    return Form("M2", tuple(axes), (BrokenPowerLaw(tuple(axes)), Limit()))


def saturating(axis: str) -> Form:
    """M3: a power law that ends."""
    return Form("M3", (axis,), (BrokenPowerLaw((axis,), saturating=True), Limit()))


def implicit(axis: str) -> Form:
    """M4: a sigmoid between a ceiling and a limit."""
    return Form("M4", (axis,), (ImplicitSigmoid((axis,)),))


def bnsl(axis: str, breaks: int = 1, *, limit: bool = True) -> Form:
    """A smoothly broken power law on one axis with `breaks` breaks."""
    terms: tuple[Term, ...] = (BrokenPowerLaw((axis,), breaks),)
    return Form(f"BNSL{breaks}", (axis,), (*terms, Limit()) if limit else terms)


def chinchilla(axes: Sequence[str]) -> Form:
    """CF: one bottleneck per axis above a limit."""
    return Form("CF", tuple(axes), (*(BrokenPowerLaw((a,)) for a in axes), Limit()))


def muennighoff(params: str, tokens: str, unique_tokens: str) -> Form:
    """DC: repeated data and excess parameters are worth less and less."""
    axes = (params, tokens, unique_tokens)
    return Form("DC", axes, (RepeatedData(axes), Limit()))


def unsl(
    axes: Sequence[str],
    *,
    breaks: int = 1,
    trend: bool = True,
    bottlenecks: Sequence[Sequence[str]] | None = None,
    ceiling: bool = True,
    limit: bool = True,
    hyper: Sequence[str] = (),
    overfit: tuple[Sequence[str], Sequence[str]] | None = None,
    name: str | None = None,
) -> Form:
    """The unified law.

    Args:
        axes: every axis, scale axes first, hyperparameters included.
        breaks: hyperbreaks of the overall trend.
        trend: whether K over all scale axes is present.
        bottlenecks: subsets U of the axes; None means every single scale axis.
        ceiling: whether there is a misperformance limit M.
        limit: whether there is an irreducible limit a.
        hyper: the axes that have an optimum: each gets a falling and a rising power law, both of
            which depend on scale too, so that the optimum moves with scale.
        overfit: (rising axes, falling axes) of the opposing force of overfitting.
        name: what the form is called; built from its parts where absent.

    Raises:
        DataError: no term is left, or a name in `hyper`, `bottlenecks` or `overfit` is no axis.
    """
    unknown = [h for h in hyper if h not in axes]
    if unknown:
        raise DataError(f"every hyperparameter is one of the axes {tuple(axes)}", got=unknown)
    scale = tuple(a for a in axes if a not in hyper)
    terms: list[Term] = []
    if trend and scale:
        terms.append(BrokenPowerLaw(scale, breaks))
    subsets = [(a,) for a in scale] if bottlenecks is None else [tuple(u) for u in bottlenecks]
    if not (trend and len(scale) == 1 and bottlenecks is None):
        terms += [BrokenPowerLaw(u) for u in subsets]
    for h in hyper:
        terms += [BrokenPowerLaw((h, *scale)), BrokenPowerLaw((h, *scale), rising=(h,))]
    if overfit is not None:
        rising, falling = map(tuple, overfit)
        terms.append(BrokenPowerLaw((*rising, *falling), layer="overfit", rising=rising))
    if ceiling:
        terms.append(Ceiling())
    if limit:
        terms.append(Limit())
    if not terms:
        raise DataError("a law has at least one term", got=axes)
    return Form(name or _describe(terms), tuple(axes), tuple(terms))


def ablations(axes: Sequence[str], *, breaks: int = 1) -> dict[str, Form]:
    """UNSL with one layer removed: A1 no hyperbreaks, A2 no bottlenecks, A3 no overall trend."""
    return {
        "A1": unsl(axes, breaks=0, name="A1"),
        "A2": unsl(axes, breaks=breaks, bottlenecks=(), name="A2"),
        "A3": unsl(axes, trend=False, name="A3"),
    }


def _describe(terms: Sequence[Term]) -> str:
    """A name that lists the parts: UNSL(trend+1 break, 2 bottlenecks, ceiling)."""
    parts: list[str] = []
    sums = [t for t in terms if isinstance(t, BrokenPowerLaw) and t.layer == "sum"]
    breaks = sum(t.breaks for t in sums)
    if breaks:
        parts.append(f"{breaks} break{'s' if breaks > 1 else ''}")
    parts.append(f"{len(sums)} term{'s' if len(sums) > 1 else ''}")
    if any(isinstance(t, BrokenPowerLaw) and t.layer == "overfit" for t in terms):
        parts.append("overfit")
    parts += ["ceiling"] if any(isinstance(t, Ceiling) for t in terms) else []
    parts += ["limit"] if any(isinstance(t, Limit) for t in terms) else []
    return f"UNSL({', '.join(parts)})"
