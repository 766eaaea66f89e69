"""Learning rates from curvature: the limit, the best setting, and how fast each contracts (chapter 15.5).

Everything here is a closed form in two numbers, the largest curvature L (``smoothness``) and the smallest μ
(``strong_convexity``): exact on a quadratic whose Hessian has its eigenvalues in [μ, L].

One step of descent with momentum multiplies the error along an eigenvector of eigenvalue λ by a 2 × 2 matrix, whose
spectral radius says how fast that error shrinks in the long run. With the conventions of ``optax.sgd``

* heavy ball has the characteristic polynomial z² − (1 + β − ηλ) z + β,
* Nesterov's method z² − (1 + β)(1 − ηλ) z + β (1 − ηλ).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """A learning rate and a momentum, and how fast they contract.

    Attributes:
        learning_rate: η.
        momentum: β of ``optax.sgd``.
        nesterov: whether ``optax.sgd`` is to be called with ``nesterov=True``.
        contraction_factor: what the distance to the minimiser is multiplied by a step, in the long run.
    """

    learning_rate: float
    momentum: float
    nesterov: bool
    contraction_factor: float


def learning_rate_limit(smoothness: float, momentum: float = 0.0, nesterov: bool = False) -> float:
    """The learning rate at which descent on a quadratic stops converging.

    2/L without momentum (chapter 15.5), 2 (1 + β)/L for heavy ball (Polyak 1964), 2 (1 + β)/((1 + 2β) L) for
    Nesterov's method, where the root that leaves the unit circle first leaves it at −1.

    Args:
        smoothness: L, the largest eigenvalue of the Hessian, above 0.
        momentum: β, from 0 to below 1.
        nesterov: whether the momentum is Nesterov's.

    Raises:
        ValueError: a number out of its range.

    >>> learning_rate_limit(20.0), learning_rate_limit(20.0, momentum=0.9)
    (0.1, 0.19)
    """
    _check(smoothness, None, momentum)
    return 2 * (1 + momentum) / (((1 + 2 * momentum) if nesterov else 1.0) * smoothness)


def best_learning_rate(smoothness: float, strong_convexity: float) -> float:
    """2/(L + μ), with which plain descent contracts by (κ − 1)/(κ + 1) a step (chapter 15.5).

    Nothing contracts the worst direction faster on quadratics with eigenvalues in [μ, L], nor on any L-smooth,
    μ-strongly convex loss (Nesterov 2004, theorem 2.1.15).

    Raises:
        ValueError: μ is not above 0 or L is below μ.

    >>> best_learning_rate(20.0, 2.0)
    0.09090909090909091
    """
    _check(smoothness, strong_convexity, 0.0)
    return 2 / (smoothness + strong_convexity)


def contraction_factor(
    learning_rate: float,
    smoothness: float,
    strong_convexity: float,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> float:
    """What the distance to the minimiser is multiplied by a step, in the long run and in the worst direction.

    The largest spectral radius over all eigenvalues in [μ, L]. It is taken at an end of the interval, because each
    radius first falls and then rises with λ. Below 1 descent converges, above 1 it diverges.

    Args:
        learning_rate: η, above 0.
        smoothness: L.
        strong_convexity: μ, from 0 to L.
        momentum: β, from 0 to below 1.
        nesterov: whether the momentum is Nesterov's.

    Raises:
        ValueError: a number out of its range.

    >>> round(contraction_factor(2 / 22, 20.0, 2.0), 12)  # (κ − 1)/(κ + 1) = 9/11 with κ = 10
    0.818181818182
    """
    _check(smoothness, strong_convexity, momentum, allow_zero=True)
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate must be a finite number above 0, got {learning_rate!r}")
    fast = _radius(learning_rate * smoothness, momentum, nesterov)
    # A direction without curvature stays where it is; the formula would say so but for its rounding.
    slow = _radius(learning_rate * strong_convexity, momentum, nesterov) if strong_convexity else 1.0
    return max(slow, fast)


def _radius(product: float, momentum: float, nesterov: bool) -> float:
    """Spectral radius of one step along an eigenvector, from ηλ."""
    if not momentum:
        return abs(1 - product)
    remaining = 1 - product
    total, determinant = (
        ((1 + momentum) * remaining, momentum * remaining) if nesterov else (1 + momentum - product, momentum)
    )
    discriminant = total * total - 4 * determinant
    return math.sqrt(determinant) if discriminant <= 0 else (abs(total) + math.sqrt(discriminant)) / 2


def best_heavy_ball(smoothness: float, strong_convexity: float) -> Setting:
    """The best learning rate and momentum of heavy ball on a quadratic (Polyak 1964).

    η = 4/(√L + √μ)², β = ((√κ − 1)/(√κ + 1))², contracting by √β a step: √κ takes the place of κ. On a loss that
    is not quadratic this pair need not converge (Lessard, Recht & Packard 2016, section 4.6).

    Raises:
        ValueError: μ is not above 0 or L is below μ.

    >>> setting = best_heavy_ball(100.0, 1.0)
    >>> round(setting.learning_rate * 121, 12), round(setting.momentum * 121, 12)
    (4.0, 81.0)
    """
    _check(smoothness, strong_convexity, 0.0)
    large, small = math.sqrt(smoothness), math.sqrt(strong_convexity)
    factor = (large - small) / (large + small)
    return Setting(4 / (large + small) ** 2, factor * factor, False, factor)


def best_nesterov(smoothness: float, strong_convexity: float) -> Setting:
    """Nesterov's method with the setting that every L-smooth, μ-strongly convex loss allows.

    η = 1/L and β = (√κ − 1)/(√κ + 1): the loss above the minimum shrinks at least by 1 − 1/√κ a step, the distance
    by its square root (Nesterov 2004, theorem 2.2.3).

    Raises:
        ValueError: μ is not above 0 or L is below μ.

    >>> round(best_nesterov(100.0, 1.0).momentum * 11, 12)
    9.0
    """
    _check(smoothness, strong_convexity, 0.0)
    root = math.sqrt(smoothness / strong_convexity)
    return Setting(1 / smoothness, (root - 1) / (root + 1), True, math.sqrt(1 - 1 / root))


def steps_to(accuracy: float, contraction_factor: float) -> float:
    """Steps until the distance to the minimiser has shrunk to ``accuracy`` times what it was.

    log(accuracy)/log(factor), rounded up; infinite where nothing contracts.

    Args:
        accuracy: above 0 and below 1.
        contraction_factor: at least 0.

    Raises:
        ValueError: a number out of its range.

    >>> steps_to(1e-6, 9 / 11)
    69.0
    """
    if not 0 < accuracy < 1:
        raise ValueError(f"accuracy must be above 0 and below 1, got {accuracy!r}; 1e-6 is a millionth of the distance")
    if not contraction_factor >= 0:
        raise ValueError(f"contraction_factor must be at least 0, got {contraction_factor!r}")
    if contraction_factor >= 1:
        return math.inf
    if contraction_factor == 0:
        return 1.0
    # The quotient of two logarithms may exceed a whole number by its rounding alone.
    return float(max(1, math.ceil(math.log(accuracy) / math.log(contraction_factor) - 1e-9)))


def _check(smoothness: float, strong_convexity: float | None, momentum: float, *, allow_zero: bool = False) -> None:
    if not (math.isfinite(smoothness) and smoothness > 0):
        raise ValueError(f"smoothness must be a finite number above 0, got {smoothness!r}")
    if strong_convexity is not None:
        least = "from 0" if allow_zero else "above 0 and"
        if not (0 <= strong_convexity <= smoothness) or (strong_convexity == 0 and not allow_zero):
            raise ValueError(
                f"strong_convexity must be {least} up to the smoothness {smoothness:g}, got {strong_convexity!r}"
            )
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be from 0 to below 1, got {momentum!r}")
