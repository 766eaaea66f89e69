"""The rates of chapter 15.8 as bounds: how high the loss can still be after t steps.

Each takes the steps as a number or an array and returns bounds of the same shape. They are upper bounds for every loss
that fulfils the assumptions named, so a run above one of them refutes an assumption.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steepest.theory.limits import contraction_factor


def convex_bound(
    steps: ArrayLike, *, learning_rate: float, smoothness: float, distance: float, excess: float | None = None
) -> NDArray[np.float64]:
    """Loss above the minimum on an L-smooth convex loss: the O(1/t) of chapter 15.8.

    ‖w₀ − w*‖²/(2ηt) for η ≤ 1/L (Beck & Teboulle 2009, theorem 3.1). With ``excess`` = f(w₀) − f* given, also
    2 (f₀ − f*) D²/(2D² + t η (2 − Lη)(f₀ − f*)), which holds for all η < 2/L (Nesterov 2004, theorem 2.1.13); the
    smaller of the two.

    Args:
        steps: t, from 0.
        learning_rate: η, above 0 and below 2/L.
        smoothness: L.
        distance: D = ‖w₀ − w*‖.
        excess: f(w₀) − f*; needed for η > 1/L.

    Returns:
        shape of ``steps``; at t = 0 the excess, or infinity where it is not given.

    Raises:
        ValueError: the learning rate allows no bound, or a number is out of its range.

    >>> convex_bound([1, 10], learning_rate=0.1, smoothness=10.0, distance=1.0).tolist()
    [5.0, 0.5]
    """
    count = _steps(steps)
    _positive(learning_rate=learning_rate, smoothness=smoothness)
    _not_negative(distance=distance)
    product = learning_rate * smoothness
    if product >= 2 or (product > 1 and excess is None):
        allowed = "1/L unless excess is given" if excess is None else "below 2/L"
        raise ValueError(
            f"learning_rate {learning_rate:g} is above what a bound is known for: {allowed}, L = {smoothness:g}"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        short = distance**2 / (2 * learning_rate * count) if product <= 1 else np.full(count.shape, np.inf)
    if excess is None:
        return np.where(count == 0, np.inf, short)
    _not_negative(excess=excess)
    denominator = 2 * distance**2 + count * learning_rate * (2 - product) * excess
    wide = np.divide(2 * excess * distance**2, denominator, out=np.zeros(count.shape), where=denominator > 0)
    return np.where(count == 0, excess, np.minimum(short, wide))


def strongly_convex_bound(
    steps: ArrayLike, *, learning_rate: float, smoothness: float, strong_convexity: float, excess: float
) -> NDArray[np.float64]:
    """Loss above the minimum on an L-smooth, μ-strongly convex loss: linear convergence (chapter 15.8).

    ρ²ᵗ (f₀ − f*) with ρ = max(|1 − ημ|, |1 − ηL|), for 0 < η < 2/L; no smaller factor holds for all such losses
    (Taylor, Hendrickx & Glineur 2018, theorem 3.3; on a quadratic it is elementary).

    Args:
        steps: t, from 0.
        learning_rate: η.
        smoothness: L.
        strong_convexity: μ, from 0 to L; with 0 the bound does not fall.
        excess: f(w₀) − f*.

    Raises:
        ValueError: a number is out of its range, or η is not below 2/L.

    >>> strongly_convex_bound([0, 1], learning_rate=1.0, smoothness=1.0, strong_convexity=0.5, excess=8.0).tolist()
    [8.0, 2.0]
    """
    count = _steps(steps)
    _not_negative(excess=excess)
    factor = contraction_factor(learning_rate, smoothness, strong_convexity)
    if learning_rate * smoothness >= 2:
        raise ValueError(f"learning_rate must be below 2/L = {2 / smoothness:g} for a bound, got {learning_rate:g}")
    return np.asarray(factor ** (2 * count) * excess)


def momentum_bound(
    steps: ArrayLike,
    *,
    learning_rate: float,
    momentum: float,
    smoothness: float,
    strong_convexity: float,
    distance: float,
    nesterov: bool = False,
) -> NDArray[np.float64]:
    """Distance to the minimiser of a quadratic with heavy ball or Nesterov's method, from rest.

    (r + t (r + β)) rᵗ⁻¹ D, where r is the largest spectral radius of a step over eigenvalues in [μ, L] (Polyak 1964
    gives the rate r). Along an eigenvector the error after t steps is z₁ᵗ + (p₁ − z₁)(z₁ᵗ − z₂ᵗ)/(z₁ − z₂) times
    what it was, with the roots z₁, z₂ of the characteristic polynomial and p₁ − z₁ = z₂ − β for both methods; the
    bound takes it term by term. The factor that grows with t is what a double root costs, and the best pair has two.

    Args:
        steps: t, from 0.
        learning_rate: η.
        momentum: β, from 0 to below 1.
        smoothness: L.
        strong_convexity: μ, from 0 to L.
        distance: D = ‖w₀ − w*‖. The excess of loss is bounded with the square of the factor.
        nesterov: whether the momentum is Nesterov's.

    Raises:
        ValueError: a number is out of its range.

    >>> momentum_bound([0, 1], learning_rate=1, momentum=0, smoothness=1, strong_convexity=0.5, distance=3).tolist()
    [3.0, 3.0]
    """
    count = _steps(steps)
    _not_negative(distance=distance)
    radius = contraction_factor(learning_rate, smoothness, strong_convexity, momentum, nesterov)
    later = np.maximum(count, 1.0)
    return np.where(count == 0, distance, (radius + later * (radius + momentum)) * radius ** (later - 1) * distance)


def averaged_sgd_bound(
    steps: ArrayLike, *, learning_rate: float, distance: float, gradient_bound: float
) -> NDArray[np.float64]:
    """Expected loss above the minimum of the average iterate of SGD with η₀/√t: the O(1/√t) of chapter 15.8.

    (D²/(2η₀) + η₀G²)/√T on a convex loss, for the plain average of the T iterates at which gradients were taken
    (Zinkevich 2003, theorem 1, and Jensen's inequality). Nothing need be smooth.

    Args:
        steps: T, from 1.
        learning_rate: η₀; the t-th step, from t = 1, has η₀/√t.
        distance: D, at least ‖wₜ − w*‖ for every iterate.
        gradient_bound: G, with E‖gₜ‖² ≤ G² for every stochastic gradient.

    Raises:
        ValueError: a number is out of its range.

    >>> averaged_sgd_bound([1, 4], learning_rate=1.0, distance=2.0, gradient_bound=1.0).tolist()
    [3.0, 1.5]
    """
    count = _steps(steps, least=1)
    _positive(learning_rate=learning_rate)
    _not_negative(distance=distance, gradient_bound=gradient_bound)
    return np.asarray((distance**2 / (2 * learning_rate) + learning_rate * gradient_bound**2) / np.sqrt(count))


def strongly_convex_sgd_bound(
    steps: ArrayLike, *, strong_convexity: float, gradient_bound: float
) -> NDArray[np.float64]:
    """Expected squared distance to the minimiser of SGD with 1/(μt): the O(1/t) of chapter 15.8.

    4G²/(μ²T) after T steps on a μ-strongly convex loss (Rakhlin, Shamir & Sridharan 2012, lemma 1).

    Args:
        steps: T, from 1; the t-th step, from t = 1, has the learning rate 1/(μt).
        strong_convexity: μ, above 0.
        gradient_bound: G, with E‖gₜ‖² ≤ G² for every stochastic gradient.

    Raises:
        ValueError: a number is out of its range.

    >>> strongly_convex_sgd_bound([1, 100], strong_convexity=2.0, gradient_bound=10.0).tolist()
    [100.0, 1.0]
    """
    count = _steps(steps, least=1)
    _positive(strong_convexity=strong_convexity)
    _not_negative(gradient_bound=gradient_bound)
    return np.asarray(4 * gradient_bound**2 / (strong_convexity**2 * count))


def _steps(steps: ArrayLike, least: int = 0) -> NDArray[np.float64]:
    count = np.asarray(steps, float)
    if count.size and not count.min() >= least:
        raise ValueError(f"steps must be from {least} up, got {count.min():g}")
    return count


def _positive(**numbers: Any) -> None:
    for name, value in numbers.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a finite number above 0, got {value!r}")


def _not_negative(**numbers: Any) -> None:
    for name, value in numbers.items():
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be a finite number from 0 up, got {value!r}")
