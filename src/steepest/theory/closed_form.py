"""Descent on a quadratic in closed form: where it is after any number of steps, without taking them.

Along an eigenvector of the Hessian, a step of ``optax.sgd`` is one affine map of (w, v), the error and the velocity.
Its t-th power is found by repeated squaring: 10⁹ steps cost thirty products.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def quadratic_descent(
    A: ArrayLike,
    b: ArrayLike | None = None,
    *,
    start: ArrayLike,
    learning_rate: float,
    steps: ArrayLike,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> NDArray[np.float64]:
    """The parameters of descent on ½ wᵀA w − bᵀw after the steps given, as ``optax.sgd`` would take them.

    Without momentum and with A invertible this is w* + (I − ηA)ᵗ (w₀ − w*) (exercise 15.2). Any symmetric A will do:
    a negative eigenvalue runs away, a zero one with b across it drifts.

    Args:
        A: symmetric matrix, shape (n, n).
        b: shape (n,); zero by default.
        start: shape (n,).
        learning_rate: η, finite.
        steps: a whole number from 0, or an array of such of any shape.
        momentum: β; the velocity starts at zero.
        nesterov: as in ``optax.sgd``.

    Returns:
        shape ``(*steps.shape, n)``, float64; infinite where it overflows.

    Raises:
        TypeError: steps are not whole numbers.
        ValueError: A is not a symmetric square matrix, b or start do not fit it, a number is not finite, or steps are
            below 0.

    >>> quadratic_descent([[2.0, 0.0], [0.0, 10.0]], start=[4.0, 2.5], learning_rate=0.08, steps=[0, 30]).round(4)
    array([[4.    , 2.5   ],
           [0.0214, 0.    ]])
    """
    matrix, linear, point, count = _checked(A, b, start, steps)
    if not (np.isfinite(learning_rate) and np.isfinite(momentum)):
        raise ValueError(f"learning_rate and momentum must be finite, got {learning_rate!r} and {momentum!r}")
    eigenvalues, basis = np.linalg.eigh(matrix)
    rotated = np.stack([basis.T @ point, np.zeros(len(point)), np.ones(len(point))], axis=-1)
    step = _one_step(eigenvalues, basis.T @ linear, learning_rate, momentum, nesterov)
    with np.errstate(over="ignore", invalid="ignore"):
        errors = np.einsum("tnij,nj->tni", _powers(step, count.ravel()), rotated)[..., 0]
        found = errors @ basis.T
    found = np.where(np.isnan(found), np.inf, found)
    return np.asarray(found.reshape(*count.shape, len(point)))


def _one_step(
    eigenvalues: NDArray[Any], linear: NDArray[Any], learning_rate: float, momentum: float, nesterov: bool
) -> NDArray[np.float64]:
    """The map of (w, v, 1) along each eigenvector, shape (n, 3, 3)."""
    one, none = np.ones_like(eigenvalues), np.zeros_like(eigenvalues)
    gradient = np.stack([eigenvalues, none, -linear], axis=-1)
    velocity = gradient + momentum * np.stack([none, one, none], axis=-1)
    update = gradient + momentum * velocity if nesterov else velocity
    here = np.stack([one, none, none], axis=-1)
    constant = np.stack([none, none, one], axis=-1)
    return np.stack([here - learning_rate * update, velocity, constant], axis=1)


def _powers(matrices: NDArray[Any], exponents: NDArray[np.int64]) -> NDArray[np.float64]:
    """Every matrix to every power, shape (powers, n, 3, 3), by repeated squaring."""
    found = np.broadcast_to(np.eye(3), (len(exponents), *matrices.shape)).copy()
    square, left = matrices, exponents.copy()
    while left.any():
        odd = left % 2 == 1
        found[odd] = square @ found[odd]
        square, left = square @ square, left // 2
    return found


def _checked(A: ArrayLike, b: Any, start: ArrayLike, steps: ArrayLike) -> tuple[NDArray[Any], ...]:
    matrix = np.asarray(A, float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"A must be a square matrix, got shape {matrix.shape}")
    if not np.allclose(matrix, matrix.T, rtol=1e-10, atol=1e-12 * np.abs(matrix).max()):
        raise ValueError("A must be symmetric; (A + A.T) / 2 gives the same quadratic")
    point = np.asarray(start, float)
    linear = np.zeros(len(matrix)) if b is None else np.asarray(b, float)
    for name, vector in (("start", point), ("b", linear)):
        if vector.shape != (len(matrix),):
            raise ValueError(f"{name} must have shape ({len(matrix)},) to fit A, got {vector.shape}")
    if not all(np.isfinite(array).all() for array in (matrix, linear, point)):
        raise ValueError("A, b and start must be finite")
    count = np.asarray(steps)
    if not np.issubdtype(count.dtype, np.integer):
        raise TypeError(f"steps must be whole numbers, got {steps!r}")
    if count.size and count.min() < 0:
        raise ValueError(f"steps must be from 0 up, got {count.min()}")
    return matrix, linear, point, count.astype(np.int64)
