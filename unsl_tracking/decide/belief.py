"""What is believed of ln y at a target, and what observing it elsewhere would leave of the doubt.

The mixture's covariance of ln y between two points is, with weights w, Jacobians J and Laplace
covariances C of its members k,

    K(x, x′) = Σ_k w_k (J_k(x) C_k J_k(x′)ᵀ + (m_k(x) − m(x)) (m_k(x′) − m(x′))),    m = Σ_k w_k m_k

that is, what each form leaves open plus what the forms disagree about. It is an inner product of
features Φ(x), so an observation updates it as in Bayesian linear regression (Bayes linear
adjustment; Goldstein & Wooff 2007): exact for one linear member, moments only for a mixture.

What all forms get wrong is not in K. It grows with the distance beyond the data, as forecasts of
this very ladder have shown (`forecast.predictive`); a run that goes farther shortens the distance.
And what is observed at a distance tells of the law only as well as the law holds there, so the same
error counts as noise of the observation.

    variance at the target = K + max(error(distance), σ)² + unseen(distance)²
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.decide.draws import root, value_and_jacobian
from unsl_tracking.fit import Mixture
from unsl_tracking.forecast.predictive import extrapolation_error, unseen

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Belief:
    """About ln y at `target` (m,), given `mixture` and what was seen since.

    `scale` (P, P): covariance of the weights of the features, the identity before anything is seen.
    `sd` is that of a new run at the target, and `noise` the variance of a single run.
    """

    mixture: Mixture
    target: Array
    scale: Array
    reached: Mixture
    noise: float

    @classmethod
    def of(cls, mixture: Mixture, target: Array) -> Belief:
        """Before any further run."""
        size = sum(len(m.component.theta) + 1 for m in mixture.members)
        noise = float(sum(m.weight * m.component.sigma**2 for m in mixture.members))
        return cls(mixture, target, np.eye(size), mixture, noise)

    def features(self, log_x: Array) -> Array:
        """Φ (n, P) at log_x (n, m)."""
        parts, means = [], []
        for member in self.mixture.members:
            ln_y, jacobian = value_and_jacobian(member.component, log_x)
            parts.append(np.sqrt(member.weight) * (jacobian @ root(member.component.covariance)))
            means.append(ln_y)
        weight = np.array([m.weight for m in self.mixture.members])
        apart = np.stack(means, axis=1) - (np.stack(means, axis=1) @ weight)[:, None]
        return np.concatenate([*parts, apart * np.sqrt(weight)], axis=1)

    @property
    def variance(self) -> float:
        """Of ln y of a run at the target."""
        features = self.features(self.target[None])[0]
        return float(features @ self.scale @ features) + self.distance_variance(self.reached)

    def distance_variance(self, reached: Mixture) -> float:
        """The part that depends on how far the target lies beyond what was reached, and noise."""
        at = self.target[None]
        error = float(extrapolation_error(reached, at)[0])
        floors = [max(error, m.component.sigma) ** 2 * m.weight for m in self.mixture.members]
        return float(sum(floors)) + float(unseen(reached, at)[0]) ** 2

    def after(self, runs: Sequence[Array], features: Sequence[Array]) -> Array:
        """The variance (r,) at the target after each of these runs alone; see `seeing`."""
        own = self.features(self.target[None])[0]
        at_target = self.scale @ own
        left = float(own @ at_target)
        found = []
        for log_x, phi in zip(runs, features, strict=True):
            spread = phi @ self.scale @ phi.T + np.diag(self._noise_at(log_x))
            shared = phi @ at_target
            removed = float(shared @ np.linalg.solve(spread, shared))
            found.append(left - removed + self.distance_variance(extended(self.reached, log_x)))
        return np.array(found)

    def seeing(self, log_x: Array) -> Belief:
        """After a run that was observed at log_x (q, m): its points share no noise."""
        phi = self.features(log_x)
        shared = self.scale @ phi.T
        spread = phi @ shared + np.diag(self._noise_at(log_x))
        scale = self.scale - shared @ np.linalg.solve(spread, shared.T)
        return replace(self, scale=0.5 * (scale + scale.T), reached=extended(self.reached, log_x))

    def _noise_at(self, log_x: Array) -> Array:
        return self.noise + extrapolation_error(self.reached, log_x) ** 2


def extended(mixture: Mixture, log_x: Array) -> Mixture:
    """The mixture as if it had seen points (q, m): only how far the data reach changes.

    What they span stays as it is: a run at an odd corner, small or misshapen, makes the box of the
    data larger without telling more of how the law bends.
    """
    along = (log_x @ mixture.directions.T).max(axis=0)
    return replace(mixture, reached=np.maximum(mixture.reached, along))
