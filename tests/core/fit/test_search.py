"""The ladder and the mixture: what is tried, how it is weighed."""

from __future__ import annotations

import numpy as np
import pytest

from unsl_tracking.fit import Mixture, Roles, Rung, ladder, search
from unsl_tracking.law import Form, zoo

from .synthetic import drawn_from, typical

AXES = ("params", "tokens")
ROLES = [
    Roles(("params",)),
    Roles(AXES),
    Roles(("params", "tokens", "width", "depth")),
    Roles(AXES, hyper=("lr",)),
    Roles(("params",), hyper=("lr", "batch_size")),
    Roles(("params", "tokens", "unique"), repeated=("tokens", "unique")),
    Roles(("tokens", "unique"), repeated=("tokens", "unique")),
]


def mixture_of(form: Form, noise: float = 0.02) -> Mixture:
    return search(drawn_from(form, typical(form), n=40, noise=noise), Roles(form.axes))


@pytest.mark.parametrize("roles", ROLES, ids=str)
@pytest.mark.parametrize("n", [1, 5, 12, 40, 1500])
def test_there_is_always_a_form_to_try_over_the_axes(roles: Roles, n: int) -> None:
    rungs = ladder(roles, n)
    assert rungs
    assert all(rung.form.axes == roles.axes and rung.share > 0.0 for rung in rungs)
    assert len({(r.form, r.window) for r in rungs}) == len(rungs)


@pytest.mark.parametrize("roles", ROLES, ids=str)
def test_more_points_never_allow_fewer_forms(roles: Roles) -> None:
    counts = [len(ladder(roles, n)) for n in (5, 10, 20, 40, 80)]
    assert counts == sorted(counts)


@pytest.mark.parametrize(
    "form", [zoo.bnsl("params", 1), zoo.chinchilla(AXES)], ids=lambda form: form.name
)
def test_weights_sum_to_one_and_fall(form: Form) -> None:
    weights = [m.weight for m in mixture_of(form).members]
    assert sum(weights) == pytest.approx(1.0, abs=1e-12)
    assert weights == sorted(weights, reverse=True)
    assert min(weights) > 0.0


def test_without_origins_the_given_form_carries_everything() -> None:
    form = zoo.power_law(["params"])
    mixture = search(drawn_from(form, typical(form), n=5), Roles(form.axes), rungs=[Rung(form)])
    assert [m.weight for m in mixture.members] == [1.0]


def test_a_form_that_cannot_follow_the_data_weighs_less_than_one_that_can() -> None:
    straight, broken = zoo.power_law(["params"]), zoo.bnsl("params", 1)
    theta = np.array([0.5, 0.1, -1.0, 0.6, -1.5, -4.0])  # a clear break, next to no limit
    table = drawn_from(broken, theta, n=60, noise=0.005)
    mixture = search(table, Roles(("params",)), rungs=[Rung(straight), Rung(broken)])
    assert mixture.members[0].rung.form == broken
    assert mixture.members[0].weight > 0.8


def test_the_same_seed_gives_the_same_mixture() -> None:
    first, second = (mixture_of(zoo.limited(["params"])) for _ in range(2))
    assert [m.weight for m in first.members] == [m.weight for m in second.members]
    for one, other in zip(first.members, second.members, strict=True):
        np.testing.assert_array_equal(one.component.theta, other.component.theta)


def test_the_mixture_knows_the_range_of_its_points() -> None:
    form = zoo.chinchilla(AXES)
    table = drawn_from(form, typical(form), n=30)
    mixture = search(table, Roles(form.axes), rungs=[Rung(form)])
    np.testing.assert_array_equal(mixture.highest, table.log_x.max(axis=0))
    np.testing.assert_array_equal(mixture.lowest, table.log_x.min(axis=0))
