from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from unsl_tracking.forecast import kriging, momentum
from unsl_tracking.forecast.kriging import Ends, Known, Views, mixed
from unsl_tracking.forecast.likeness import FEWEST, by_likeness
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.momentum import Prior, by_momentum, scatter
from unsl_tracking.forecast.predictive import Predictive
from unsl_tracking.forecast.transfer import Curve, Siblings, transfer

AT = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])


def falling(by: float, start: float = 0.0) -> Curve:
    """ln y falls by `by` for every e-fold of the place."""
    return Curve(AT, start - by * np.log(AT))


def cut(curve: Curve, length: int, finished: bool | None = None) -> Curve:
    return Curve(curve.at[:length], curve.ln_y[:length], finished)


def expected(own: Curve, siblings: dict[object, Curve]) -> tuple[float, float]:
    mean, sd = Siblings(siblings, 64.0).expect(own).moments()
    return float(mean[0]), float(sd[0])


def one(value: float) -> np.ndarray:
    return np.array([value])


def test_one_known_curve_gives_the_posterior_of_two_jointly_normal_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(momentum, "PRIORS", (Prior(1.0, 2.0, 0.05, 0.0, 0.0),))
    left, slope = 1.5, -0.1
    view = Views(one(0.3), one(slope), np.zeros((1, 7)), one(math.nan))
    surprise = 0.02
    end = 0.3 + 0.65 * slope * left + surprise
    ends = mixed(by_momentum(view, left, Known(view, one(end))))
    own = float(scatter(one(slope), left)[0]) ** 2
    # Two curves that look the same: all of the shared error has the same covariance and variance.
    shared = (left + 0.2) ** 2 * 0.05**2 + (0.3 * left * slope) ** 2 + own * (2.0**2 + 1.0)
    mean = end - surprise + surprise * shared / (shared + own)
    size = surprise**2 / (shared + own)
    variance = (shared + own - shared**2 / (shared + own)) * (2.0 + size) / 3.0
    assert ends.weight @ ends.mean[:, 0] == pytest.approx(mean, rel=1e-9)
    truth = student(3.0, mean, math.sqrt(variance))
    mixture = quantiles_of(ends)
    assert mixture(0.5) == pytest.approx(truth.ppf(0.5), abs=1e-9)
    assert mixture(0.1) == pytest.approx(truth.ppf(0.1), abs=0.1 * math.sqrt(variance))


def quantiles_of(ends: kriging.Ends) -> Callable[[float], float]:
    predictive = Predictive(*ends)
    return lambda level: float(predictive.quantile(level)[0])


def test_a_level_is_the_mean_just_before_a_place_or_interpolated() -> None:
    curve = Curve(np.array([10.0, 100.0, 105.0]), np.array([1.0, 0.4, 0.2]))
    assert curve.level(105.0) == pytest.approx(0.3)
    assert curve.level(math.sqrt(1000.0)) == pytest.approx(0.7)


def test_a_slope_is_the_change_over_the_last_e_fold() -> None:
    level, slope, _ = falling(0.2).view(32.0, 1.0, math.inf)
    assert level == pytest.approx(-0.2 * math.log(32.0))
    assert slope == pytest.approx(-0.2)


def test_the_way_to_a_place_is_seen_evenly_in_its_log_and_in_itself() -> None:
    at = np.geomspace(1.0, 64.0, 2000)
    past = Curve(at, -np.log(at)).view(16.0, 1.0, math.inf).past
    stages = [1.0, 2.0, 4.0, 8.0, 4.75, 8.5, 12.25]
    # A level is the mean of the tenth before a place.
    assert past == pytest.approx([-math.log(p) for p in stages], abs=0.05)


def test_a_run_like_its_siblings_is_expected_to_end_like_them() -> None:
    siblings: dict[object, Curve] = {i: falling(0.1 + 0.001 * i) for i in range(6)}
    mean, sd = expected(cut(falling(0.102), 4), siblings)
    assert mean == pytest.approx(-0.102 * math.log(64.0), abs=0.02)
    assert sd < float(scatter(one(-0.102), math.log(8.0))[0])


def test_siblings_that_all_fall_at_the_end_teach_that_this_one_will() -> None:
    ln_y = np.where(AT < 64.0, -0.02 * np.log(AT), -1.0)
    siblings: dict[object, Curve] = {i: Curve(AT, ln_y + 0.01 * i) for i in range(6)}
    mean, _ = expected(cut(Curve(AT, ln_y + 0.025), 4), siblings)
    assert mean == pytest.approx(-0.975, abs=0.05)


def test_more_siblings_make_a_forecast_surer() -> None:
    rng = np.random.default_rng(0)
    curves: dict[object, Curve] = {i: falling(0.1 + 0.01 * rng.normal()) for i in range(20)}
    own = cut(falling(0.1), 4)
    few = expected(own, {0: curves[0], 1: curves[1]})[1]
    many = expected(own, curves)[1]
    assert many < few


def test_a_stopped_sibling_tells_nothing_of_where_others_end() -> None:
    # Its end is missing for reasons that are in its curve; guesses in its place bred more stops.
    finished: dict[object, Curve] = {i: falling(0.1 + 0.002 * i) for i in range(3)}
    stopped: dict[object, Curve] = {9: cut(falling(0.08), 5), 10: cut(falling(0.1), 4)}
    own = cut(falling(0.09), 3)
    assert expected(own, {**finished, **stopped}) == expected(own, finished)


def test_stopped_runs_lower_what_one_more_run_is_worth() -> None:
    # Of five runs the best is one in five; of nine, four of them stopped high above, one in nine.
    finished: dict[object, Curve] = {i: falling(0.1 + 0.01 * i) for i in range(5)}
    stopped: dict[object, Curve] = {9 + i: cut(falling(0.01), 6) for i in range(4)}
    few = Siblings(finished, 64.0).gain_of_another()
    many = Siblings({**finished, **stopped}, 64.0).gain_of_another()
    assert few is not None and many is not None and many < few


def test_what_has_been_worked_out_before_gives_the_same_forecast() -> None:
    first: dict[object, Curve] = {i: falling(0.1 + 0.01 * i) for i in range(4)}
    second: dict[object, Curve] = {**first, 7: falling(0.3), 8: cut(falling(0.05), 4)}
    grown = Siblings(second, 64.0, Siblings(first, 64.0))
    fresh = Siblings(second, 64.0)
    own = cut(falling(0.12), 3)
    assert grown.expect(own).mean == pytest.approx(fresh.expect(own).mean, rel=1e-12)
    assert grown.gain_of_another() == pytest.approx(fresh.gain_of_another(), rel=1e-12)


def likeness_alone(known: list[Curve], own: Curve) -> Ends:
    seen = [curve.view(16.0, 1.0, math.inf) for curve in (*known, own)]
    level, slope, past = (np.array(part) for part in zip(*seen, strict=True))
    views = Views(level, slope, past, np.full(len(seen), np.nan))
    first = Views(*(part[:-1] for part in views))
    ends = np.array([curve.ln_y[-1] for curve in known])
    asked = Views(*(part[-1:] for part in views))
    return mixed(by_likeness(asked, Known(first, ends)))


def pair(way: float, end: float) -> Curve:
    """A curve that came by `way` up to 16 and went from there to `end`."""
    return Curve(AT, np.append(-way * np.log(AT[:-1]), end))


def test_a_run_that_came_like_one_sibling_ends_like_that_one() -> None:
    known = [pair(0.1 + 0.02 * i, end) for i, end in enumerate((-1.0, -0.5, -0.9, -0.6, -0.8))]
    for i, curve in enumerate(known):
        median = quantiles_of(likeness_alone(known, cut(pair(0.1 + 0.02 * i + 1e-4, 0.0), 5)))(0.5)
        assert median == pytest.approx(curve.ln_y[-1], abs=0.08)


@given(st.integers(8, 40), st.integers(0, 10**6))
def test_of_runs_that_look_alike_about_one_in_all_of_them_beats_the_best(
    count: int, seed: int
) -> None:
    # Nothing but chance tells them apart, and ends crowd above a limit: a fair chance is 1/(n + 1).
    rng = np.random.default_rng(seed)
    ends = np.log(0.5 + rng.exponential(0.05, count))
    known = [pair(0.1 + 1e-3 * rng.normal(), end) for end in ends]
    found = likeness_alone(known, cut(pair(0.1, 0.0), 5))
    chance = Predictive(*found).cdf(np.array([ends.min()]))[0]
    assert 0.05 / count < chance < 6.0 / count


def test_a_run_ends_like_another_one_of_the_same_recipe() -> None:
    rng = np.random.default_rng(1)
    recipes: list[dict[str, float | str]] = [
        {"lr": 0.1 * (1 + i % 5), "opt": "adam" if i % 2 else "sgd"} for i in range(10)
    ]
    ends = [-0.4 - 0.1 * ((7 * i) % 10) for i in range(10)]
    curves: dict[object, Curve] = {  # two runs of each recipe show that recipes matter
        i: pair(0.1 + 0.002 * float(rng.normal()), ends[i % 10])._replace(settings=recipes[i % 10])
        for i in range(20)
    }
    own = cut(pair(0.1, 0.0), 4)
    blind = expected(own, curves)
    for recipe, end in zip(recipes, ends, strict=True):
        mean, sd = expected(own._replace(settings=recipe), curves)
        assert mean == pytest.approx(end, abs=0.1)
        assert sd < 0.9 * blind[1]


def test_settings_that_every_run_has_of_its_own_change_nothing() -> None:
    rng = np.random.default_rng(2)
    curves: dict[object, Curve] = {i: falling(0.1 + 0.02 * float(rng.normal())) for i in range(30)}
    told: dict[object, Curve] = {
        i: curve._replace(settings={"lr": 0.1 * number})
        for number, (i, curve) in enumerate(curves.items())
    }
    own = cut(falling(0.12), 4)
    assert expected(own._replace(settings={"lr": 7.0}), told) == expected(own, curves)


def test_one_known_end_tells_nothing_by_likeness() -> None:
    view = Views(one(0.3), one(-0.1), np.zeros((1, 7)), one(math.nan))
    assert FEWEST == 2 and by_likeness(view, Known(view, one(0.1))) == []


def test_another_run_gains_what_the_last_of_exchangeable_runs_did() -> None:
    # Logs of exponential numbers: the least of n is on average ln n below one of them.
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        ends = np.log(rng.exponential(1.0, 40)) - 3.0
        group: dict[object, Curve] = {i: pair(0.1, end) for i, end in enumerate(ends)}
        gain = Siblings(group, 64.0).gain_of_another()
        assert gain is not None
        found.append(gain)
    assert np.mean(found) == pytest.approx(math.log(41 / 40), rel=0.15)
    assert Siblings({0: pair(0.1, -1.0)}, 64.0).gain_of_another() is None


def test_without_a_finished_sibling_there_is_no_forecast() -> None:
    own, end = cut(falling(0.1), 3), pd.DataFrame({"step": [64.0]})
    siblings = Siblings({1: cut(falling(0.1), 5)}, 64.0)
    assert transfer(own, siblings, end, MetricScale("min"), "loss") is None


@pytest.mark.parametrize("said", [None, False, True])
def test_whether_a_sibling_has_finished_is_told_or_seen_from_the_horizon(said: bool | None) -> None:
    whole, short = Curve(AT, -0.1 * np.log(AT), said), cut(falling(0.1), 5, said)
    assert whole.has_ended(64.0) is (said is not False)
    assert short.has_ended(64.0) is (said is True)


@given(
    st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=12),
    st.floats(-0.5, 0.5),
    st.floats(-3.0, 3.0),
    st.integers(2, 6),
)
def test_adding_a_constant_to_all_curves_adds_it_to_the_forecast(
    slopes: list[float], own_slope: float, shift: float, length: int
) -> None:
    def both(by: float) -> tuple[Curve, Curve]:
        curve = falling(by)
        return curve, Curve(AT, curve.ln_y + shift)

    plain: dict[object, Curve] = {i: both(s)[0] for i, s in enumerate(slopes)}
    moved: dict[object, Curve] = {i: both(s)[1] for i, s in enumerate(slopes)}
    mean, sd = expected(cut(both(own_slope)[0], length), plain)
    other, other_sd = expected(cut(both(own_slope)[1], length), moved)
    assert math.isfinite(mean) and sd > 0.0
    assert other == pytest.approx(mean + shift, abs=1e-6)
    assert other_sd == pytest.approx(sd, rel=1e-6)
