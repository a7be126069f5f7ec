"""Laws with known parameters, for tests of decisions whose answer has a closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import unsl_tracking as ut
from unsl_tracking.forecast.given import chinchilla_law, given_law
from unsl_tracking.law import BrokenPowerLaw, Form, Limit, zoo

AXES = ("params", "tokens")
SPANS = {"params": (1e7, 1e9), "tokens": (1e8, 1e11)}
COST = "6*params*tokens"


class Chinchilla(NamedTuple):
    """E + A/N^alpha + B/D^beta."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def law(self) -> ut.FittedLaw:
        """The law itself."""
        return chinchilla_law(*self)

    def loss(self, params: float, tokens: float) -> float:
        """At one point."""
        return float(self.E + self.A * params**-self.alpha + self.B * tokens**-self.beta)

    def optimum(self, flops: float) -> tuple[float, float]:
        """Parameters and tokens for a budget of 6·N·D (arXiv 2203.15556, eq. 4)."""
        total = self.alpha + self.beta
        g = (self.alpha * self.A / (self.beta * self.B)) ** (1.0 / total)
        params = g * (flops / 6.0) ** (self.beta / total)
        return params, flops / 6.0 / params


ROUNDED = Chinchilla(1.69, 406.4, 410.7, 0.34, 0.28)  # arXiv 2203.15556, approach 3, as printed
UNROUNDED = Chinchilla(1.6934, 406.4, 410.7, 0.3392, 0.2849)  # the same in the paper's source
REPLICATED = Chinchilla(1.8172, 482.01, 2085.43, 0.3478, 0.3658)  # arXiv 2404.10102


def uncertain_chinchilla(sd_of_ln_a: float) -> ut.FittedLaw:
    """The rounded fit with nothing uncertain but ln A."""
    covariance = np.zeros((5, 5))
    covariance[0, 0] = sd_of_ln_a**2
    theta = [np.log(406.4), 0.34, np.log(410.7), 0.28, np.log(1.69)]
    return given_law(zoo.chinchilla(AXES), theta, SPANS, covariance=covariance)


def line(sd: float = 0.05, noise: float = 0.02, top: float = 1e9) -> ut.FittedLaw:
    """ln loss = 1 − 0.1 ln params, known over a long span, with independent parameters."""
    covariance = np.diag([sd**2, (0.1 * sd) ** 2])
    return given_law(
        zoo.power_law(["params"]),
        [1.0, 0.1],
        {"params": (1.0, top)},
        noise=noise,
        covariance=covariance,
    )


def with_learning_rate() -> ut.FittedLaw:
    """1 + 50 N^−0.3 + 60 D^−0.3 + 0.0002 lr^−0.5 N^−0.1 + 3 lr^0.8."""
    axes = ("params", "tokens", "lr")
    terms = (
        BrokenPowerLaw(("params",)),
        BrokenPowerLaw(("tokens",)),
        BrokenPowerLaw(("lr", "params")),
        BrokenPowerLaw(("lr",), rising=("lr",)),
        Limit(),
    )
    theta = [
        *(np.log(50.0), 0.3),
        *(np.log(60.0), 0.3),
        *(np.log(2e-4), 0.5, 0.1),
        *(np.log(3.0), -0.8),
        0.0,
    ]
    spans = SPANS | {"lr": (1e-5, 1e-1)}
    return given_law(Form("U", axes, terms), theta, spans)


def overfitting() -> ut.FittedLaw:
    """1 + 50 N^−0.3 + 60 D^−0.3 + 1e-6 D^0.5."""
    terms = (
        BrokenPowerLaw(("params",)),
        BrokenPowerLaw(("tokens",)),
        BrokenPowerLaw(("tokens",), layer="overfit", rising=("tokens",)),
        Limit(),
    )
    theta = [np.log(50.0), 0.3, np.log(60.0), 0.3, np.log(1e-6), -0.5, 0.0]
    return given_law(Form("overfits", AXES, terms), theta, SPANS)
