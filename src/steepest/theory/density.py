"""How the eigenvalues of a Hessian are spread, without knowing any of them: stochastic Lanczos quadrature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import ArrayLike, NDArray

from steepest.objectives import Params
from steepest.precision import double_precision
from steepest.theory.hessian import check_finite, hessian, subject_of, value_and_gradient
from steepest.theory.lanczos import krylov, ritz


@dataclass(frozen=True, eq=False)
class SpectralDensity:
    """A discrete measure whose moments are those of the eigenvalues: mass 1, n eigenvalues of mass 1/n each.

    Attributes:
        objective: its name.
        size: number of parameters, n.
        nodes: where there is mass, ascending, shape (k,).
        weights: how much, shape (k,), adding up to 1.
        exact: whether the nodes are all n eigenvalues themselves.
    """

    objective: str
    size: int
    nodes: NDArray[np.float64]
    weights: NDArray[np.float64]
    exact: bool

    def moment(self, power: int) -> float:
        """Estimate of tr(Hᵖ)/n."""
        return float(self.weights @ self.nodes**power)

    def share_between(self, low: float, high: float) -> float:
        """Estimate of the share of eigenvalues from low to high."""
        return float(self.weights[(self.nodes >= low) & (self.nodes <= high)].sum())

    def density(self, at: ArrayLike, width: float | None = None) -> NDArray[np.float64]:
        """The measure smoothed with a Gaussian, at the points given.

        Args:
            at: points, any shape.
            width: standard deviation of the Gaussian; a hundredth of the spread by default.

        Raises:
            ValueError: a width that is not above 0.
        """
        spread = float(np.ptp(self.nodes)) or max(abs(float(self.nodes[0])), 1.0)
        sigma = 0.01 * spread if width is None else width
        if not sigma > 0:
            raise ValueError(f"width must be above 0, got {width!r}")
        scaled = (np.asarray(at, float)[..., None] - self.nodes) / sigma
        return np.asarray(np.exp(-0.5 * scaled**2) @ self.weights / (sigma * np.sqrt(2 * np.pi)))


def spectral_density(
    objective: Any,
    at: Params | None = None,
    *,
    rows: ArrayLike | int | None = None,
    order: int = 80,
    samples: int = 8,
    dense_limit: int = 1000,
    seed: int = 0,
) -> SpectralDensity:
    """The density of the Hessian's eigenvalues at a point (Ghorbani, Krishnan & Xiao 2019).

    Each random direction gives, by Lanczos' method, a Gauss quadrature of the eigenvalues as it sees them; their mean
    has the right moments up to 2·order − 1 in expectation (Golub & Meurant 2010, chapter 6). Up to ``dense_limit``
    parameters the eigenvalues themselves are taken.

    Args:
        objective: as in :func:`steepest.theory.spectrum`.
        at: parameters; the objective's own start by default.
        rows: row numbers of a risk, or how many to draw; None for all.
        order: products a direction, at least 1.
        samples: directions, at least 1; the error falls like one over their square root.
        dense_limit: up to how many parameters the n × n matrix may be formed.
        seed: of rows and directions.

    Raises:
        TypeError, ValueError: as :func:`steepest.theory.spectrum`.

    Example:
        >>> import steepest as sd
        >>> sd.theory.spectral_density(sd.landscapes.steep_bowl).nodes.tolist()
        [2.0, 20.0]
    """
    for name, value in (("order", order), ("samples", samples)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 up, got {value!r}")
    subject, point = subject_of(objective, at)
    with double_precision():
        size = int(ravel_pytree(point)[0].size)
        if size <= dense_limit:
            values = np.linalg.eigvalsh(hessian(subject, point, rows=rows, seed=seed)[2])
            return SpectralDensity(subject.name, size, values, np.full(size, 1 / size), True)
        function = value_and_gradient(subject, rows, seed)
        random = np.random.default_rng(seed)
        nodes, weights = [], []
        for _ in range(samples):
            direction = random.normal(size=size)
            loss, gradient, _, *tridiagonal = krylov(function, point, direction, min(int(order), size))
            values, _, vectors = ritz(*tridiagonal)
            check_finite(subject.name, loss, gradient, values)
            nodes.append(values)
            weights.append(vectors[0] ** 2 / samples)
    together, masses = np.concatenate(nodes), np.concatenate(weights)
    order_of = np.argsort(together)
    return SpectralDensity(subject.name, size, together[order_of], masses[order_of], False)
