"""``spectrum``: how curved a loss is at a point, and the learning rates that follow from it (chapter 15.5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import ArrayLike, NDArray

from steepest.objectives import Params
from steepest.precision import double_precision
from steepest.showing import card
from steepest.theory.hessian import check_finite, hessian, subject_of, value_and_gradient
from steepest.theory.lanczos import Eigenvalue, Ritz, extreme, krylov
from steepest.theory.limits import (
    Setting,
    best_heavy_ball,
    best_learning_rate,
    contraction_factor,
    learning_rate_limit,
    steps_to,
)

_EPSILON = float(np.finfo(float).eps)


class Interval(NamedTuple):
    """A number known to lie between two others; ``high`` is infinite where nothing bounds it."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The curvature of a loss at one point.

    A quantity that cannot be known is None, never a guess.

    Attributes:
        objective: its name.
        size: number of parameters, n.
        at: the point, a pytree.
        loss: there.
        gradient_norm: there.
        largest, smallest: the extreme eigenvalues of the Hessian, each with its residual bound.
        leading_direction: unit vector of the largest, a pytree like the parameters.
        eigenvalues: all of them ascending, shape (n,); None where the Hessian was never formed.
        products: Hessian-vector products used.
        converged: whether the largest reached the tolerance asked for.
    """

    objective: str
    size: int
    at: Params
    loss: float
    gradient_norm: float
    largest: Eigenvalue
    smallest: Eigenvalue
    leading_direction: Params
    eigenvalues: NDArray[np.float64] | None
    products: int
    converged: bool

    @property
    def dense(self) -> bool:
        """Whether the whole Hessian was formed, so that every eigenvalue is known to rounding."""
        return self.eigenvalues is not None

    @property
    def rounding(self) -> float:
        """What an eigenvalue must exceed to be told from zero: n·eps·max |λ|."""
        return self.size * _EPSILON * max(abs(self.largest.value), abs(self.smallest.value))

    @property
    def flat_directions(self) -> int | None:
        """Eigenvalues that are zero to rounding; None where not all are known."""
        return None if self.eigenvalues is None else int((np.abs(self.eigenvalues) <= self.rounding).sum())

    @property
    def smallest_positive(self) -> float | None:
        """The smallest eigenvalue above the rounding; None where not all are known or none is positive."""
        if self.eigenvalues is None:
            return None
        positive = self.eigenvalues[self.eigenvalues > self.rounding]
        return float(positive[0]) if len(positive) else None

    @property
    def condition_number(self) -> Interval | None:
        """κ = λmax/λmin as an interval; None where some curvature is negative.

        From the whole Hessian the ends are equal, and infinite where a direction is flat. From Lanczos the smallest
        eigenvalue converges slowly: where its residual is not far below itself, ``high`` is infinite.
        """
        low, high = self.smallest, self.largest
        if high.value <= 0 or low.value < -max(self.rounding, low.residual):
            return None
        if self.dense:
            exact = high.value / low.value if low.value > self.rounding else math.inf
            return Interval(exact, exact)
        known = low.residual <= 0.1 * low.value
        least = max(high.value, 0.0) / (low.value + low.residual) if low.value + low.residual > 0 else math.inf
        return Interval(least, (high.value + high.residual) / (low.value - low.residual) if known else math.inf)

    @property
    def learning_rate_limit(self) -> float:
        """2/λmax, above which plain descent leaves a quadratic of this curvature; infinite where none is positive."""
        return learning_rate_limit(self.largest.value) if self.largest.value > 0 else math.inf

    def momentum_limit(self, momentum: float, nesterov: bool = False) -> float:
        """The same with momentum, 2 (1 + β)/λmax for heavy ball.

        Raises:
            ValueError: the momentum is not from 0 to below 1.
        """
        if self.largest.value <= 0:
            return math.inf
        return learning_rate_limit(self.largest.value, momentum, nesterov)

    @property
    def best_learning_rate(self) -> float | None:
        """2/(λmin + λmax); None where the smallest curvature is not known to be positive."""
        ends = self._ends
        return None if ends is None else best_learning_rate(*ends)

    @property
    def contraction_factor(self) -> float | None:
        """(κ − 1)/(κ + 1), of plain descent at its best; None where the best rate is."""
        ends = self._ends
        return None if ends is None else contraction_factor(best_learning_rate(*ends), *ends)

    @property
    def heavy_ball(self) -> Setting | None:
        """The best learning rate and momentum of heavy ball; None where the smallest curvature is not known."""
        ends = self._ends
        return None if ends is None else best_heavy_ball(*ends)

    def steps_to(self, accuracy: float) -> float | None:
        """Steps of plain descent at its best until the distance has shrunk to ``accuracy`` times what it was."""
        factor = self.contraction_factor
        return None if factor is None else steps_to(accuracy, factor)

    @property
    def _ends(self) -> tuple[float, float] | None:
        condition = self.condition_number
        if condition is None or not math.isfinite(condition.high):
            return None
        return self.largest.value, min(self.smallest.value, self.largest.value)

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield (
            "largest eigenvalue",
            _shown(self.largest) + ("" if self.converged else ", not converged: give more products"),
        )
        yield "smallest eigenvalue", _shown(self.smallest)
        condition = self.condition_number
        if condition is None:
            yield "condition number", "none, as some curvature is negative" if self.largest.value > 0 else "none"
        elif math.isinf(condition.low):
            flat = f", {self.flat_directions} of {self.size} directions are flat" if self.dense else ""
            yield "condition number", f"infinite{flat}"
        elif condition.low == condition.high:
            yield "condition number", f"{condition.low:.6g}"
        elif math.isinf(condition.high):
            yield "condition number", f"at least {condition.low:.4g}; the smallest eigenvalue has not converged"
        else:
            yield "condition number", f"from {condition.low:.6g} to {condition.high:.6g}"
        yield "learning rate limit", f"{self.learning_rate_limit:.6g}"
        if self.best_learning_rate is not None:
            contracting = f"contracting by {self.contraction_factor:.6g} a step"
            yield "best learning rate", f"{self.best_learning_rate:.6g}, {contracting}"
        if self.heavy_ball is not None:
            pair = self.heavy_ball
            contracting = f"contracting by {pair.contraction_factor:.6g} a step"
            yield "best with momentum", f"{pair.learning_rate:.6g} and {pair.momentum:.6g}, {contracting}"

    def __str__(self) -> str:
        how = "from the whole Hessian" if self.dense else f"from {self.products} Hessian-vector products"
        head = f"spectrum of {self.objective}, {self.size} parameters, {how}"
        return "\n".join([head, *(f"  {name:<20}{value}" for name, value in self._rows())])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(f"Spectrum of {self.objective}, {self.size} parameters", self._rows())


def spectrum(
    objective: Any,
    at: Params | None = None,
    *,
    rows: ArrayLike | int | None = None,
    tolerance: float = 1e-6,
    dense_limit: int = 1000,
    most_products: int = 400,
    seed: int = 0,
) -> Spectrum:
    """Extreme eigenvalues of the Hessian of any loss, and the learning rates that follow from them.

    Up to ``dense_limit`` parameters the Hessian is formed. Beyond, Lanczos' method with full reorthogonalisation uses
    Hessian-vector products alone, until the largest eigenvalue is known to the tolerance. Kinks (as of relu) are not
    seen: the Hessian is that of the smooth piece the point lies on.

    Args:
        objective: an :class:`Objective`, an :class:`EmpiricalRisk`, or a function of the parameters (then ``at`` is
            needed).
        at: parameters, any pytree; the objective's own start by default.
        rows: row numbers of a risk, or how many to draw; None for all.
        tolerance: relative, of the largest eigenvalue.
        dense_limit: up to how many parameters the n × n matrix may be formed.
        most_products: where Lanczos stops, converged or not; the result says which.
        seed: of the draw of rows and of Lanczos' first vector.

    Returns:
        A :class:`Spectrum`.

    Raises:
        TypeError: the objective is neither an objective nor a function.
        ValueError: an argument out of its range, an objective that says it is not smooth, or a Hessian that is not
            finite.

    Example:
        >>> import steepest as sd
        >>> found = sd.theory.spectrum(sd.landscapes.steep_bowl)
        >>> found.learning_rate_limit, found.condition_number.low
        (0.1, 10.0)
        >>> found.steps_to(1e-6)
        69.0
    """
    if not (0 < tolerance < 1):
        raise ValueError(f"tolerance must be above 0 and below 1, got {tolerance!r}")
    for name, value, least in (("dense_limit", dense_limit, 0), ("most_products", most_products, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number from {least} up, got {value!r}")
    subject, point = subject_of(objective, at)
    with double_precision():
        flat, unravel = ravel_pytree(point)
        size = int(flat.size)
        if size <= dense_limit:
            return _from_matrix(subject.name, point, unravel, hessian(subject, point, rows=rows, seed=seed))
        space = partial(krylov, value_and_gradient(subject, rows, seed), point)
        found = extreme(space, size, tolerance, int(most_products), seed)
        check_finite(subject.name, found.loss, found.gradient, found.values)
        return _from_products(subject.name, point, unravel, found, tolerance)


def _from_matrix(name: str, point: Params, unravel: Any, parts: tuple[float, Any, Any]) -> Spectrum:
    loss, gradient, matrix = parts
    values, vectors = np.linalg.eigh(matrix)
    rounding = len(values) * _EPSILON * float(np.abs(values).max())
    largest, smallest = (Eigenvalue(float(values[place]), rounding) for place in (-1, 0))
    direction = jax.tree.map(np.asarray, unravel(vectors[:, -1]))
    norm = float(np.linalg.norm(gradient))
    return Spectrum(name, len(values), point, loss, norm, largest, smallest, direction, values, len(values), True)


def _from_products(name: str, point: Params, unravel: Any, found: Ritz, tolerance: float) -> Spectrum:
    largest, smallest = found.eigenvalue(-1), found.eigenvalue(0)
    direction = jax.tree.map(np.asarray, unravel(found.vectors[1]))
    return Spectrum(
        name,
        len(found.gradient),
        point,
        found.loss,
        float(np.linalg.norm(found.gradient)),
        largest,
        smallest,
        direction,
        None,
        found.products,
        largest.residual <= tolerance * abs(largest.value),
    )


def _shown(found: Eigenvalue) -> str:
    return f"{found.value:.8g} ± {found.residual:.1e}"
