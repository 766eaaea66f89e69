"""Quadratics: the chapter's two bowls, a saddle, and the general ½ wᵀA w − bᵀw."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
from jax.tree_util import Partial
from numpy.typing import ArrayLike, NDArray

from steepest.objectives import Objective, bound

_CHAPTER = "Gradient Descent Foundations"

bowl = Objective(
    lambda w: w[0] ** 2 + 5 * w[1] ** 2,
    start=[4.0, 2.5],
    name="bowl",
    formula=r"w_1^2 + 5 w_2^2",
    minimisers=((0.0, 0.0),),
    minimum=0.0,
    window=((-5.0, 5.0), (-3.0, 3.0)),
    source=f"{_CHAPTER}, section 15.3",
    smoothness=10.0,
    strong_convexity=2.0,
    quadratic=True,
)

steep_bowl = Objective(
    lambda w: w[0] ** 2 + 10 * w[1] ** 2,
    start=[4.0, 2.5],
    name="steep_bowl",
    formula=r"w_1^2 + 10 w_2^2",
    minimisers=((0.0, 0.0),),
    minimum=0.0,
    window=((-5.0, 5.0), (-3.0, 3.0)),
    source=f"{_CHAPTER}, sections 15.5 and 15.7",
    smoothness=20.0,
    strong_convexity=2.0,
    quadratic=True,
)

saddle = Objective(
    lambda w: w[0] ** 2 - w[1] ** 2,
    start=[2.0, 1e-3],
    name="saddle",
    formula=r"w_1^2 - w_2^2",
    window=((-3.0, 3.0), (-3.0, 3.0)),
    source="the hyperbolic paraboloid; unbounded below, its one critical point is a saddle",
    smoothness=2.0,
    quadratic=True,
)


def _quadratic(matrix: Any, linear: Any, w: Any) -> Any:
    return 0.5 * w @ (matrix @ w) - linear @ w


def quadratic(A: ArrayLike, b: ArrayLike | None = None, start: ArrayLike | None = None) -> Objective:
    """The quadratic ½ wᵀA w − bᵀw of exercise 15.2.

    Its matrix and vector are arguments of the compiled program: another A of the same size compiles nothing.

    Args:
        A: a symmetric matrix, shape (n, n).
        b: shape (n,); zero by default.
        start: shape (n,); all ones by default.

    Returns:
        An objective that states its minimiser A⁻¹b where A is positive definite, and none elsewhere; with its
        smoothness and, where A has no negative eigenvalue, its strong convexity.

    Raises:
        TypeError: A, b or start holds something other than real numbers.
        ValueError: A is not a finite symmetric square matrix, or b or start do not fit it.

    >>> quadratic([[2.0, 0.0], [0.0, 4.0]], [2.0, 4.0]).minimisers
    ((1.0, 1.0),)
    """
    matrix = _real("A", A)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"A must be a square matrix, got shape {matrix.shape}")
    if not np.allclose(matrix, matrix.T, rtol=1e-10, atol=1e-12 * np.abs(matrix).max()):
        raise ValueError("A must be symmetric; (A + A.T) / 2 gives the same quadratic")
    size = len(matrix)
    linear = _vector("b", b, np.zeros(size))
    point = _vector("start", start, np.ones(size))
    eigenvalues = np.linalg.eigvalsh(matrix)
    largest = float(np.abs(eigenvalues).max())
    rounding = size * np.finfo(float).eps * largest
    minimisers: tuple[tuple[float, ...], ...] = ()
    minimum = None
    if eigenvalues[0] > 1e-12 * max(abs(eigenvalues[-1]), abs(eigenvalues[0])):
        solution = np.linalg.solve(matrix, linear)
        minimisers, minimum = (tuple(solution.tolist()),), float(-0.5 * linear @ solution)
    loss: Partial = bound(_quadratic, matrix, linear)
    return Objective(
        loss,
        start=point,
        name="quadratic",
        formula=r"\frac{1}{2} w^\top A w - b^\top w",
        minimisers=minimisers,
        minimum=minimum,
        source=f"{_CHAPTER}, section 15.5 and exercise 15.2",
        smoothness=largest,
        # A smallest eigenvalue within the rounding of zero is zero.
        strong_convexity=None if eigenvalues[0] < -rounding else float(max(eigenvalues[0], 0.0)),
        quadratic=True,
    )


def _vector(name: str, given: ArrayLike | None, default: Any) -> Any:
    if given is None:
        return default
    vector = _real(name, given)
    if vector.shape != default.shape:
        raise ValueError(f"{name} must have shape {default.shape} to fit A, got shape {vector.shape}")
    return vector


def _real(name: str, given: ArrayLike) -> NDArray[np.float64]:
    """The numbers as a finite float64 array."""
    try:
        values = np.asarray(given)
        if np.iscomplexobj(values):
            raise TypeError
        array = values.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must hold real numbers in rows of one length, got {reprlib.repr(given)}") from None
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)].flat[0]} in it")
    return array
