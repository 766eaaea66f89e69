"""Extreme eigenvalues of a Hessian by Lanczos' method, each with the bound that its residual gives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from matfree.decomp import tridiag_sym
from numpy.typing import NDArray

from steepest.objectives import Params
from steepest.theory.hessian import linearised

_FIRST = 10
_MOST_AT_ONCE = 256
_EPSILON = float(np.finfo(float).eps)
_CLOSED = 1e-10


@dataclass(frozen=True)
class Eigenvalue:
    """An eigenvalue and how well it is known.

    Attributes:
        value: θ.
        residual: ‖Hv − θv‖ for its unit vector v: some eigenvalue of H lies within it (Parlett 1998, theorem 4.5.1).
    """

    value: float
    residual: float


@dataclass(frozen=True, eq=False)
class Ritz:
    """What a Krylov space shows.

    Attributes:
        values: all Ritz values, ascending.
        residuals: of each.
        vectors: the unit vectors of the smallest and the largest, shape (2, n).
        products: Hessian-vector products used.
        loss, gradient: at the point.
    """

    values: NDArray[np.float64]
    residuals: NDArray[np.float64]
    vectors: NDArray[np.float64]
    products: int
    loss: float
    gradient: NDArray[np.float64]

    def eigenvalue(self, place: int) -> Eigenvalue:
        """The smallest (0) or the largest (−1)."""
        return Eigenvalue(float(self.values[place]), float(self.residuals[place]))


@partial(jax.jit, static_argnames="count")
def krylov(function: Partial, params: Params, start: Any, count: int) -> tuple[Any, ...]:
    """(loss, gradient, basis (count, n), diagonal, off-diagonal, norm of the remainder) of the Hessian at params."""
    loss, gradient, product = linearised(function, params)
    found = tridiag_sym(count, materialize=False, custom_vjp=False)(product, start)
    diagonal, beside = found.J_small
    return loss, gradient, found.Q_tall, diagonal, beside, jnp.linalg.norm(found.residual)


def ritz(diagonal: Any, beside: Any, remainder: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Ritz values, their residuals, and their vectors in the basis, up to where the space closed.

    Where the next vector is all but zero the space is invariant. What Lanczos makes of it after that is rounding
    blown up to a unit vector, no longer orthogonal to the others, so the space ends there.
    """
    diagonal = np.asarray(diagonal, float)
    entries = np.append(np.asarray(beside, float), float(remainder))
    if not np.isfinite(diagonal[0]):
        return np.full(1, np.nan), np.full(1, np.nan), np.full((1, 1), np.nan)
    heights = np.maximum.accumulate(np.maximum(np.abs(diagonal), entries))
    with np.errstate(invalid="ignore"):
        closed = np.flatnonzero(~(entries > _CLOSED * heights))
    size = int(closed[0]) + 1 if len(closed) else len(diagonal)
    beyond = entries[: size - 1]
    values, vectors = np.linalg.eigh(np.diag(diagonal[:size]) + np.diag(beyond, 1) + np.diag(beyond, -1))
    rounding = len(diagonal) * _EPSILON * np.abs(values).max()
    # A length of exactly zero has become 0/0 in the entry beside the diagonal.
    last = np.nan_to_num(entries[size - 1])
    return values, np.abs(last * vectors[-1]) + rounding, vectors


def extreme(function: Partial, params: Params, size: int, tolerance: float, most_products: int, seed: int) -> Ritz:
    """Smallest and largest eigenvalue, with ever larger Krylov spaces until the largest is known to the tolerance.

    Each space starts from the two outermost vectors of the one before with a little of everything else, so that
    no product is wasted and nothing is overlooked for good.
    """
    random = np.random.default_rng(seed)
    start, used, count = random.normal(size=size), 0, min(_FIRST, size)
    while True:
        count = max(1, min(count, size, _MOST_AT_ONCE, most_products - used))
        loss, gradient, basis, *tridiagonal = krylov(function, params, start, count)
        used += count
        values, residuals, small = ritz(*tridiagonal)
        rows = np.asarray(basis)[: len(values)]
        vectors = small[:, [0, -1]].T @ rows
        found = Ritz(values, residuals, vectors, used, float(loss), np.asarray(gradient))
        largest = found.eigenvalue(-1)
        # Not residual²/gap, which is far smaller: the gap of the Ritz values hides eigenvalues that are close together.
        known = largest.residual <= tolerance * abs(largest.value)
        if not np.isfinite(values).all() or known or used >= most_products:
            return found
        start = vectors.sum(axis=0) + 0.1 * random.normal(size=size) / np.sqrt(size)
        count *= 2
