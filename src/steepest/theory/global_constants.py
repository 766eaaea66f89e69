"""Smoothness and strong convexity that hold everywhere, computed from the data and not at a point."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from steepest import losses
from steepest.models import Affine
from steepest.objectives import Objective
from steepest.risk import EmpiricalRisk

_DENSE = 2000
_MARGIN = 1e-6

# The largest curvature of ½ (σ(z) − y)² over all z and y in [0, 1]: s² (1 − s)(2 − 3s) at the root of 12s² − 15s + 4.
_ROOT = (15 - math.sqrt(33)) / 24
_SIGMOID_SQUARED = _ROOT**2 * (1 - _ROOT) * (2 - 3 * _ROOT)


class UnknownConstants(ValueError):  # noqa: N818 — a statement, and a ValueError to whoever does not care which
    """No global constants are known for a loss; the message says why and what to do."""


@dataclass(frozen=True)
class Constants:
    """What bounds the curvature of a loss everywhere.

    Attributes:
        smoothness: L: the gradient changes by at most L times the distance.
        strong_convexity: μ, the least curvature anywhere; 0 where nothing above zero can be promised.
        convex: whether the loss is known to be convex.
        quadratic: whether the curvature is the same everywhere, so that L and μ are attained.
        largest_row_smoothness: the largest smoothness of any single row's loss; None without rows.
        why: where these numbers are from.
    """

    smoothness: float
    strong_convexity: float
    convex: bool
    quadratic: bool
    largest_row_smoothness: float | None
    why: str

    @property
    def condition_number(self) -> float:
        """κ = L/μ; infinite where μ is 0."""
        return self.smoothness / self.strong_convexity if self.strong_convexity else math.inf


@dataclass(frozen=True)
class _Curvature:
    """What is known of the second derivative of a loss with respect to the predictions."""

    largest: float
    least: float
    convex: bool
    why: str


_CURVATURES: dict[Callable[..., Any], _Curvature] = {
    losses.mean_squared_error: _Curvature(
        1.0, 1.0, True, "the Hessian of least squares is XᵀX/n plus the L2 term, the same everywhere"
    ),
    losses.huber: _Curvature(1.0, 0.0, True, "Huber's loss curves like half a square or not at all"),
    losses.binary_cross_entropy: _Curvature(
        0.25, 0.0, True, "logistic loss curves by σ(1 − σ) ≤ 1/4, and ever less as predictions grow"
    ),
    losses.softmax_cross_entropy: _Curvature(
        0.5, 0.0, True, "the Hessian diag(p) − ppᵀ in the logits has eigenvalues up to 1/2 (Böhning 1992)"
    ),
    losses.sigmoid_squared_error: _Curvature(
        _SIGMOID_SQUARED, 0.0, False, "the squared error of a sigmoid is not convex; its curvature is at most 0.0771"
    ),
}


def constants(objective: Any) -> Constants:
    """Smoothness L and strong convexity μ of a loss on the whole space, where they are known.

    Known are those that an :class:`Objective` states, and those of :data:`steepest.models.linear` and
    :data:`steepest.models.softmax` with squared error, Huber's loss, the cross-entropies (Böhning 1992) and the squared
    error of a sigmoid. The L2 term does not hold the bias, so it makes no strong convexity by itself; squared error has
    the smallest eigenvalue of its Hessian.

    Up to 2,000 features all eigenvalues come from a singular value decomposition of the rows; beyond, L is the largest
    found by ARPACK plus a millionth, and μ is given as 0.

    Args:
        objective: an :class:`Objective` or an :class:`EmpiricalRisk`.

    Returns:
        :class:`Constants`.

    Raises:
        UnknownConstants: a ``ValueError``: nothing is stated or known, with the reason.

    Example:
        >>> import steepest as sd
        >>> risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, [[1.0], [-1.0]], [0.0, 1.0])
        >>> found = sd.theory.constants(risk)
        >>> round(found.smoothness, 12), round(found.strong_convexity, 12), round(found.largest_row_smoothness, 12)
        (1.0, 1.0, 2.0)
    """
    if isinstance(objective, Objective):
        return _stated(objective)
    if not isinstance(objective, EmpiricalRisk):
        raise UnknownConstants(
            f"no global constants are known for {getattr(objective, 'name', type(objective).__name__)!r}; "
            "steepest.theory.spectrum gives the curvature at a point"
        )
    if not isinstance(objective.model, Affine):
        name = getattr(objective.model, "name", getattr(objective.model, "__name__", "this model"))
        raise UnknownConstants(
            f"the curvature of {name} has no bound that holds everywhere; steepest.theory.spectrum gives it at a point"
        )
    loss = objective.loss.func if isinstance(objective.loss, functools.partial) else objective.loss
    if loss not in _CURVATURES:
        raise UnknownConstants(
            f"the curvature of the loss {getattr(loss, '__name__', loss)!r} is not known; steepest.theory.spectrum "
            "gives it at a point"
        )
    return _of_affine(objective, _CURVATURES[loss])


def _stated(objective: Objective) -> Constants:
    if objective.smoothness is None:
        raise UnknownConstants(
            f"{objective.name!r} states no smoothness, and many losses have none that holds everywhere; "
            "steepest.theory.spectrum gives the curvature at a point"
        )
    convex = objective.strong_convexity is not None
    why = "stated by the objective" + (
        ", a quadratic" if objective.quadratic else "" if convex else ", which is not convex"
    )
    return Constants(
        float(objective.smoothness), float(objective.strong_convexity or 0.0), convex, objective.quadratic, None, why
    )


def _of_affine(risk: EmpiricalRisk, curvature: _Curvature) -> Constants:
    """From the singular values of the rows, with the square root of the L2 term as further rows."""
    if risk.stream is not None:
        return _of_moments(risk, curvature)
    x = np.asarray(risk.x, float)
    weights = np.ones(len(x)) if risk.weights is None else np.asarray(risk.weights, float)
    features = x.shape[1]
    if features + 1 > _DENSE:
        return _of_many_features(risk, curvature, x, weights)
    design = np.column_stack([x, np.ones(len(x))]) * np.sqrt(curvature.largest * weights / len(x))[:, None]
    if risk.l2:
        penalty = np.sqrt(risk.l2) * np.eye(features, features + 1)
        design = np.vstack([design, penalty])
    values = np.linalg.svd(design, compute_uv=False)
    rounding = max(design.shape) * np.finfo(float).eps * values[0]
    known = curvature.least and len(values) == features + 1 and values[-1] > rounding
    return Constants(
        float(values[0] ** 2),
        float(values[-1] ** 2) if known else 0.0,
        curvature.convex,
        bool(curvature.least),
        _of_rows(x, weights, curvature.largest, risk.l2),
        curvature.why,
    )


def _of_moments(risk: EmpiricalRisk, curvature: _Curvature) -> Constants:
    """From the moments of data larger than memory, in one pass."""
    found = risk.moments
    features = found.features
    mean = np.append(found.mean[:features], 1.0)
    second = np.outer(mean, mean)
    second[:features, :features] += found.covariance[:features, :features]
    hessian = curvature.largest * second + risk.l2 * np.diag(np.append(np.ones(features), 0.0))
    values = np.linalg.eigvalsh(hessian)
    known = curvature.least and values[0] > features * np.finfo(float).eps * values[-1]
    squares, weights = found.squares
    return Constants(
        float(values[-1]),
        float(values[0]) if known else 0.0,
        curvature.convex,
        bool(curvature.least),
        _of_rows(np.sqrt(squares)[:, None], weights, curvature.largest, risk.l2),
        f"{curvature.why}; from one pass over the rows",
    )


def _of_many_features(risk: EmpiricalRisk, curvature: _Curvature, x: NDArray[Any], weights: NDArray[Any]) -> Constants:
    design = np.column_stack([x, np.ones(len(x))]) * np.sqrt(curvature.largest * weights / len(x))[:, None]
    start = np.random.default_rng(0).normal(size=min(design.shape))
    largest = float(svds(design, k=1, return_singular_vectors=False, v0=start)[0]) ** 2
    return Constants(
        largest * (1 + _MARGIN) + risk.l2,
        0.0,
        curvature.convex,
        bool(curvature.least),
        _of_rows(x, weights, curvature.largest, risk.l2),
        curvature.why + "; with so many features L is an upper estimate and μ is not computed",
    )


def _of_rows(x: NDArray[Any], weights: NDArray[Any], largest: float, l2: float) -> float:
    """Largest eigenvalue of c·w·x̃x̃ᵀ + l2·diag(1, …, 1, 0) over the rows, from its 2 × 2 part along x and the bias."""
    scale, squares = largest * weights, (x**2).sum(axis=1)
    features, bias, both = scale * squares + l2, scale, scale * np.sqrt(squares)
    return float(((features + bias) / 2 + np.sqrt(((features - bias) / 2) ** 2 + both**2)).max())
