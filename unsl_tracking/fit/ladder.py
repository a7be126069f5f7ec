"""The ladder of forms: which laws are worth trying on these axes with this many points.

From the simplest up, as DESIGN section 3 lays down: structures are searched, not guessed. On one
axis the best of the published univariate laws compete; on several, Chinchilla's sum of bottlenecks,
an overall trend with and without hyperbreaks, and both together. Opposing terms join where a
hyperparameter or repeated data varies. On several axes a form is tried when there are
more points than `_POINTS_PER` per parameter. Shares are prior weights, measured on development
tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from unsl_tracking.law import BrokenPowerLaw, Form, Limit, RepeatedData, RepeatedTokens, zoo
from unsl_tracking.law.form import Term

_POINTS_PER = 1.0  # points per parameter below which a form is not tried; the prior does the rest


@dataclass(frozen=True)
class Roles:
    """What the axes are: names in the order of the columns.

    `repeated` is (tokens seen, unique tokens) where data are repeated, else None. `unscheduled`
    marks a curve along the steps of a run whose learning rate may still change.
    """

    scale: tuple[str, ...]
    hyper: tuple[str, ...] = ()
    repeated: tuple[str, str] | None = None
    unscheduled: bool = False

    @property
    def axes(self) -> tuple[str, ...]:
        """All axes, scale axes first."""
        return (*self.scale, *self.hyper)


@dataclass(frozen=True)
class Rung:
    """A form, its prior share, and how much of the data it sees.

    `window` keeps the points within that many e-folds of size of the largest (None: all of them):
    far below the target, curves obey laws that have ended since.
    """

    form: Form
    share: float = 1.0
    window: float | None = None


def ladder(roles: Roles, n_points: int) -> list[Rung]:
    """The rungs to fit to `n_points` points."""
    if roles.hyper:
        rungs = _with_hyperparameters(roles)
    elif roles.repeated is not None:
        rungs = _repeated(roles.axes, roles.repeated)
    elif len(roles.scale) == 1:
        return _one_axis(roles.scale[0], n_points)
    else:
        rungs = _several_axes(roles.scale)
    affordable = [r for r in rungs if n_points > _POINTS_PER * len(r.form.parameters)]
    return affordable or rungs[:1]


_WINDOWS: tuple[float | None, ...] = (None, 3.0, 2.0, 1.4)


def _one_axis(axis: str, n_points: int) -> list[Rung]:
    # Shares as measured on development curves: M2 is too optimistic, M3 the least biased. All of
    # them are tried even on five points: where the data are silent the prior speaks.
    forms = [
        (zoo.limited([axis]), 0.2),
        (zoo.saturating(axis), 3.0),
        (zoo.implicit(axis), 1.0),
        (zoo.bnsl(axis, 1), 1.0),
    ]
    rungs = [Rung(form, share, window) for form, share in forms for window in _WINDOWS]
    rungs.append(Rung(zoo.power_law([axis]), 0.5))  # the only one that ends nowhere
    twice_broken = zoo.bnsl(axis, 2)  # falls, rises and falls again: double descent
    return [*rungs, Rung(twice_broken)] if n_points >= len(twice_broken.parameters) else rungs


def _several_axes(axes: tuple[str, ...]) -> list[Rung]:
    forms = [
        (zoo.chinchilla(axes), 0.5),
        (zoo.unsl(axes, breaks=0, ceiling=False, name="UNSL0"), 1.0),
        (zoo.unsl(axes, breaks=0, name="UNSL0+M"), 3.0),
        (zoo.unsl(axes, breaks=1, ceiling=False, name="UNSL1"), 0.5),
        (zoo.unsl(axes, breaks=1, name="UNSL1+M"), 0.5),
        (zoo.unsl(axes, breaks=2, ceiling=False, name="UNSL2"), 1.0),
        (Form("T2", axes, (BrokenPowerLaw(axes, 2), Limit())), 1.0),
    ]
    return [Rung(form, share, window) for form, share in forms for window in (None, 4.0)]


def _repeated(axes: tuple[str, ...], repeated: tuple[str, str]) -> list[Rung]:
    seen, unique = repeated
    others = tuple(a for a in axes if a not in repeated)
    overfit = BrokenPowerLaw(axes, layer="overfit", rising=(*others, seen))
    single: tuple[Term, ...] = tuple(BrokenPowerLaw((a,)) for a in (*others, seen))
    trend = BrokenPowerLaw((*others, seen))
    # Forms that know what repeating does carry more: no origin can show it before it happens.
    rungs = [
        Rung(Form("CF", axes, (*single, Limit())), 0.3),
        Rung(Form("CF+O", axes, (*single, overfit, Limit())), 0.5),
        Rung(Form("UNSL0+O", axes, (trend, *single, overfit, Limit()))),
        Rung(Form("T1", axes, (BrokenPowerLaw(axes, 1), Limit())), 0.3),
        Rung(Form("T2", axes, (BrokenPowerLaw(axes, 2), Limit())), 0.3),
    ]
    if len(others) == 1:
        data = RepeatedData((others[0], seen, unique))
        rungs += [
            Rung(Form("DC", axes, (data, Limit())), 3.0),
            Rung(Form("DC+O", axes, (data, overfit, Limit())), 6.0),
        ]
    else:
        decaying: tuple[Term, ...] = (
            *(BrokenPowerLaw((a,)) for a in others),
            RepeatedTokens((seen, unique)),
        )
        rungs += [
            Rung(Form("DC", axes, (*decaying, Limit())), 3.0),
            Rung(Form("DC+O", axes, (*decaying, overfit, Limit())), 6.0),
        ]
    return rungs


def _with_hyperparameters(roles: Roles) -> list[Rung]:
    axes, hyper = roles.axes, roles.hyper
    plain: tuple[Term, ...] = tuple(BrokenPowerLaw((a,)) for a in roles.scale)
    opposing: list[Term] = []
    for h in hyper:
        opposing += [BrokenPowerLaw((h,)), BrokenPowerLaw((h,), rising=(h,))]
    return [
        Rung(Form("CF+flat", axes, (*plain, Limit()))),
        Rung(Form("CF+U", axes, (*plain, *opposing, Limit()))),
        Rung(zoo.unsl(axes, breaks=0, trend=False, hyper=hyper, ceiling=False, name="UNSL0+U")),
        Rung(zoo.unsl(axes, breaks=1, hyper=hyper, ceiling=False, name="UNSL1+U")),
    ]
