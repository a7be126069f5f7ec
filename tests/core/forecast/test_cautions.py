"""Each warning is given for data made to deserve it, and for no others."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from unsl_tracking.law import BrokenPowerLaw, Form, Limit, zoo

from .laws import codes, curve, grid, grid_law, min_law

POWER = [zoo.power_law(["step"])]


def power(n: int = 40, noise: float = 0.002, decades: float = 3.0) -> pd.DataFrame:
    """A pure power law, which a pure power law identifies."""
    step = np.logspace(2.0, 2.0 + decades, n)
    ln_noise = noise * np.random.default_rng(0).normal(size=n)
    return pd.DataFrame({"step": step, "loss": 10.0 * step**-0.3 * np.exp(ln_noise)})


def fit(table: pd.DataFrame, *forms: Form) -> ut.FittedLaw:
    return ut.fit(table, ["step"], "loss", forms=forms or POWER)


def test_clean_data_near_by_give_no_warning() -> None:
    table = power().rename(columns={"step": "tokens"})
    law = ut.fit(table, ["tokens"], "loss", forms=[zoo.power_law(["tokens"])])
    assert codes(law.predict({"tokens": 2e5})) == set()


@pytest.mark.parametrize("axis", ["step", "train/global_step", "epoch", "iteration"])
def test_a_curve_along_steps_warns_that_its_schedule_is_unknown(axis: str) -> None:
    table = power().rename(columns={"step": axis})
    assert "schedule_unknown" in codes(ut.fit(table, [axis], "loss", forms=[zoo.power_law([axis])]))


@pytest.mark.parametrize("axes", [["tokens"], ["params"], ["step", "lr"]])
def test_other_axes_and_a_learning_rate_beside_the_steps_do_not(axes: list[str]) -> None:
    table = power().rename(columns={"step": axes[0]}).assign(lr=np.linspace(1.0, 0.1, 40))
    law = ut.fit(table, axes, "loss", forms=[zoo.power_law(axes)])
    assert "schedule_unknown" not in codes(law)


def test_an_unknown_schedule_widens_what_lies_ahead_and_not_what_was_seen() -> None:
    tokens = power().rename(columns={"step": "tokens"})
    steps = fit(power())
    other = ut.fit(tokens, ["tokens"], "loss", forms=[zoo.power_law(["tokens"])])
    widths = []
    for law, axis in ((steps, "step"), (other, "tokens")):
        low, high = law.predict({axis: [1e4, 4e5]}).interval(0.8)
        widths.append(high / low)
    assert widths[0][0] == pytest.approx(widths[1][0])
    assert widths[0][1] > 1.01 * widths[1][1]


def test_extrapolation_names_the_axis_and_the_decades() -> None:
    forecast = grid_law().predict({"params": 1e12, "tokens": 1e10})
    (warning,) = [w for w in forecast.warnings if w.code == "extrapolation"]
    assert warning.axis == "params"
    assert warning.value == pytest.approx(3.0, abs=0.01)
    assert "3.0 decades" in warning.message


def test_extrapolation_below_is_told_too() -> None:
    forecast = min_law().predict({"step": 1.0})
    (warning,) = [w for w in forecast.warnings if w.code == "extrapolation"]
    assert warning.value == pytest.approx(2.0, abs=0.01)
    assert "below" in warning.message


def test_every_axis_is_told_how_far_it_is_extrapolated() -> None:
    forecast = grid_law().predict({"params": 1e11, "tokens": [1e10, 1e13]})
    told = {w.axis: w.value for w in forecast.warnings if w.code == "extrapolation"}
    assert told == pytest.approx({"params": 2.0, "tokens": 3.0}, abs=0.01)


def test_a_step_beyond_the_data_is_not_yet_worth_a_warning() -> None:
    assert "extrapolation" not in codes(grid_law().predict({"params": 3e9, "tokens": 3e10}))


def test_interpolation_is_no_extrapolation() -> None:
    assert "extrapolation" not in codes(min_law().predict({"step": [1e2, 1e3, 1e5]}))


def test_unidentified_names_the_parameters() -> None:
    # Eight noisy points over a factor of four cannot tell a limit from a slower fall.
    step = np.geomspace(1e3, 4e3, 8)
    noise = np.exp(0.03 * np.random.default_rng(1).normal(size=8))
    table = pd.DataFrame({"step": step, "loss": (1.5 + 20.0 * step**-0.45) * noise})
    law = fit(table, zoo.limited(["step"]))
    (warning,) = [w for w in law.warnings if w.code == "unidentified"]
    assert "limit.ln_a" in warning.message
    assert warning.value is not None
    assert warning.value >= 1.0


def test_loose_parameters_without_a_say_are_not_warned_about() -> None:
    law = fit(power(), zoo.bnsl("step", limit=False))  # a break that changes no slope
    assert law.mixture.members[0].component.unidentified
    assert "unidentified" not in codes(law.predict({"step": 2e5}))


def test_what_is_identified_is_not_warned_about() -> None:
    assert "unidentified" not in codes(fit(power()))


def broken_at(log_step: float) -> pd.DataFrame:
    """A sharp break from slope 0.1 to slope 0.8."""
    table = power(60)
    z = np.log(table["step"].to_numpy())
    ln_loss = -0.1 * z - 0.7 * np.maximum(z - log_step * np.log(10.0), 0.0)
    noise = 0.002 * np.random.default_rng(0).normal(size=60)
    return table.assign(loss=np.exp(ln_loss + noise))


def test_a_break_that_nothing_lies_beyond_is_warned_about() -> None:
    law = fit(broken_at(4.96), zoo.bnsl("step", 1, limit=False))
    assert "hyperbreak_unobserved" in codes(law)


def test_a_break_in_the_middle_of_the_data_is_not_warned_about() -> None:
    law = fit(broken_at(3.5), zoo.bnsl("step", 1, limit=False))
    assert "hyperbreak_unobserved" not in codes(law)


def broken_across(large_runs: int) -> ut.FittedLaw:
    """A plane on a grid of 36 points; past an oblique hyperbreak that no run is near, it is steep.

    The large runs lie three e-folds and more past it. Nothing but a break explains them.
    """
    axes = ("params", "tokens")
    form = Form("T1", axes, (BrokenPowerLaw(axes, 1),))
    factor = 100.0 * 1.5 ** np.arange(large_runs)
    large = pd.DataFrame({"params": 1e9 * factor, "tokens": 1e10 * factor})
    table = pd.concat([grid(noise=0.0), large], ignore_index=True)
    along = np.log(table["params"] * table["tokens"]) - np.log(1e9 * 1e10) - 5.0
    table["loss"] = np.exp(-0.05 * along - 0.3 * np.logaddexp(0.0, along))
    return ut.fit(table, axes, "loss", forms=[form])


def test_a_hyperbreak_on_two_axes_is_seen_from_both_sides() -> None:
    assert "hyperbreak_unobserved" not in codes(broken_across(4))


def test_a_hyperbreak_on_two_axes_with_one_run_beyond_is_warned_about() -> None:
    (warning,) = [w for w in broken_across(1).warnings if w.code == "hyperbreak_unobserved"]
    assert warning.value == 1.0


def a_limit_or_a_break(log10_step: float) -> ut.Forecast:
    """Three decades: whether the fall ends or breaks is open, and matters a decade further."""
    table = power(40, noise=0.005, decades=3.0)
    law = fit(table, zoo.limited(["step"]), zoo.bnsl("step", 1))
    return law.predict({"step": 10.0**log10_step})


def test_forms_that_part_ways_disagree() -> None:
    (warning,) = [w for w in a_limit_or_a_break(6.5).warnings if w.code == "forms_disagree"]
    assert warning.value is not None
    assert warning.value > 1.0


def test_forms_that_differ_by_less_than_their_uncertainty_agree() -> None:
    assert "forms_disagree" not in codes(a_limit_or_a_break(5.2))


def test_a_small_difference_is_no_disagreement() -> None:
    # Nearly no noise: members are so sure of themselves that half a percent is many deviations.
    law = fit(power(40, noise=1e-5), zoo.power_law(["step"]), zoo.saturating("step"))
    assert "forms_disagree" not in codes(law.predict({"step": 1e6}))


def test_one_form_cannot_disagree_with_itself() -> None:
    assert "forms_disagree" not in codes(fit(power()).predict({"step": 1e12}))


def test_a_short_span_names_the_axis_and_the_factor() -> None:
    law = fit(power(20, decades=0.5))
    (warning,) = [w for w in law.warnings if w.code == "short_span"]
    assert warning.axis == "step"
    assert warning.value == pytest.approx(10**0.5, rel=1e-3)
    assert "short_span" not in codes(fit(power(20, decades=0.7)))


def test_noisy_data_are_called_noisy() -> None:
    (warning,) = [w for w in fit(power(noise=0.3)).warnings if w.code == "noisy"]
    assert warning.value is not None
    assert 0.15 < warning.value < 0.45
    assert "noisy" not in codes(fit(power(noise=0.02)))


def test_a_forecast_repeats_what_is_wrong_with_its_law() -> None:
    law = fit(power(noise=0.3))
    assert codes(law) <= codes(law.predict({"step": 1e6}))


def test_warnings_are_data() -> None:
    for warning in fit(power(noise=0.3)).predict({"step": 1e9}).warnings:
        document = json.loads(json.dumps(warning.to_dict(), allow_nan=False))
        assert set(document) == {"code", "message", "axis", "value"}
        assert document["message"][0].isalnum()


def test_the_summary_tells_forms_parameters_and_warnings() -> None:
    law = fit(power(noise=0.3), zoo.power_law(["step"]), zoo.limited(["step"]))
    summary = law.summary()
    assert list(summary.forms.columns) == ["form", "weight", "origin_error", "parameters"]
    assert summary.forms["weight"].sum() == pytest.approx(1.0)
    assert list(summary.parameters.columns) == [
        "form",
        "parameter",
        "meaning",
        "estimate",
        "lo80",
        "hi80",
    ]
    inner = summary.parameters
    assert ((inner["lo80"] < inner["estimate"]) & (inner["estimate"] < inner["hi80"])).all()
    assert "step^-α" in summary.equation
    text = str(summary)
    assert summary.equation in text
    assert "noisy" in text


@pytest.mark.parametrize(
    "form",
    [
        zoo.saturating("step"),
        zoo.implicit("step"),
        zoo.bnsl("step", 2),
        Form("limit only", ("step",), (BrokenPowerLaw(("step",)), Limit())),
    ],
    ids=lambda form: form.name,
)
def test_every_form_has_an_equation(form: Form) -> None:
    equation = fit(curve(), form).summary().equation
    assert "step" in equation
    assert "y" in equation
