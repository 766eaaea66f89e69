"""Extreme eigenvalues of a Hessian by Lanczos' method, each with the bound that its residual gives.

One set of restarts, :func:`extreme`, serves every kind of Hessian-vector product. A product of JAX is tridiagonalised
inside one compiled program (:func:`krylov`), any other by :func:`tridiagonalised`, on NumPy's vectors or PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

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
# In units of the rounding, for products less exact than float64.
_CLOSED_ROUNDINGS = 100


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


class Krylov(NamedTuple):
    """A Krylov space of a Hessian.

    Attributes:
        loss, gradient: at the point.
        basis: orthonormal vectors, shape (count, n).
        diagonal, beside: of the tridiagonal matrix in that basis, count entries and count − 1.
        remainder: length of what the last product has outside of the space.
    """

    loss: Any
    gradient: Any
    basis: Any
    diagonal: Any
    beside: Any
    remainder: Any


@partial(jax.jit, static_argnames="count")
def krylov(function: Partial, params: Params, start: Any, count: int) -> Krylov:
    """The Krylov space of ``count`` vectors that the Hessian at params makes of a start."""
    loss, gradient, product = linearised(function, params)
    found = tridiag_sym(count, materialize=False, custom_vjp=False)(product, start)
    diagonal, beside = found.J_small
    return Krylov(loss, gradient, found.Q_tall, diagonal, beside, jnp.linalg.norm(found.residual))


def tridiagonalised(
    product: Callable[[Any], Any], start: Any, basis: Any, epsilon: float = _EPSILON
) -> tuple[list[float], list[float], float]:
    """(diagonal, beside, remainder) of a symmetric product that JAX cannot trace; the basis is filled with vectors.

    Every vector is made orthogonal to all before it, twice (Parlett 1998, section 6.9). It ends early where the space
    is invariant.

    Args:
        product: vector → vector.
        start: any vector but zero, shape (n,).
        basis: room for the vectors, shape (count, n): an array of NumPy or a tensor of PyTorch, as the start is.
        epsilon: relative rounding of the product.

    >>> matrix, basis = np.diag([1.0, 2.0, 3.0]), np.empty((3, 3))
    >>> diagonal, beside, remainder = tridiagonalised(lambda vector: matrix @ vector, np.ones(3), basis)
    >>> ritz(diagonal, beside, remainder)[0].round(12).tolist()
    [1.0, 2.0, 3.0]
    """
    diagonal: list[float] = []
    beside: list[float] = []
    height, count = 0.0, len(basis)
    basis[0] = start / float(start @ start) ** 0.5
    for place in range(count):
        vector, known = product(basis[place]), basis[: place + 1]
        along = known @ vector
        vector = vector - along @ known
        again = known @ vector
        vector = vector - again @ known
        diagonal.append(float(along[place] + again[place]))
        beside.append(float(vector @ vector) ** 0.5)
        height = max(height, abs(diagonal[-1]), beside[-1])
        # Not the other way round: what is not a number ends it too.
        if place + 1 == count or not beside[-1] > _closed(epsilon) * height:
            break
        basis[place + 1] = vector / beside[-1]
    return diagonal, beside[:-1], beside[-1]


def _closed(epsilon: float) -> float:
    """Up to which share of the matrix a remainder is rounding."""
    return max(_CLOSED, _CLOSED_ROUNDINGS * epsilon)


def ritz(
    diagonal: Any, beside: Any, remainder: Any, epsilon: float = _EPSILON
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
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
        closed = np.flatnonzero(~(entries > _closed(epsilon) * heights))
    size = int(closed[0]) + 1 if len(closed) else len(diagonal)
    beyond = entries[: size - 1]
    values, vectors = np.linalg.eigh(np.diag(diagonal[:size]) + np.diag(beyond, 1) + np.diag(beyond, -1))
    rounding = len(diagonal) * epsilon * np.abs(values).max()
    # A length of exactly zero has become 0/0 in the entry beside the diagonal.
    last = np.nan_to_num(entries[size - 1])
    return values, np.abs(last * vectors[-1]) + rounding, vectors


def extreme(
    space: Callable[[NDArray[np.float64], int], Krylov],
    size: int,
    tolerance: float,
    most_products: int,
    seed: int,
    *,
    at_once: int = _MOST_AT_ONCE,
    epsilon: float = _EPSILON,
) -> Ritz:
    """Smallest and largest eigenvalue, with ever larger Krylov spaces until the largest is known to the tolerance.

    Each space starts from the two outermost vectors of the one before with a little of everything else, so that
    no product is wasted and nothing is overlooked for good.

    Args:
        space: (start, count) → the Krylov space of at most ``count`` vectors: :func:`krylov` of a loss of JAX, or what
            is made of :func:`tridiagonalised`.
        size: n.
        tolerance: relative, of the largest eigenvalue.
        most_products: where it ends, converged or not.
        seed: of the first start.
        at_once: at most how many vectors are kept.
        epsilon: relative rounding of the products.
    """
    random = np.random.default_rng(seed)
    start, used, count = random.normal(size=size), 0, min(_FIRST, size)
    while True:
        count = max(1, min(count, size, at_once, most_products - used))
        made = space(start, count)
        used += len(made.diagonal)
        values, residuals, small = ritz(made.diagonal, made.beside, made.remainder, epsilon)
        rows = np.asarray(made.basis)[: len(values)]
        vectors = small[:, [0, -1]].T @ rows
        found = Ritz(values, residuals, vectors, used, float(made.loss), np.asarray(made.gradient))
        largest = found.eigenvalue(-1)
        # Not residual²/gap, which is far smaller: the gap of the Ritz values hides eigenvalues that are close together.
        known = largest.residual <= tolerance * abs(largest.value)
        if not np.isfinite(values).all() or known or used >= most_products:
            return found
        start = vectors.sum(axis=0) + 0.1 * random.normal(size=size) / np.sqrt(size)
        count *= 2
