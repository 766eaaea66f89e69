"""The risk of a linear model on sparse rows, centred and scaled without being filled in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from steepest.estimators.rows import Floats, Rows
from steepest.objectives import Objective, Params, bound

_DENSE = 1000
_MARGIN = 1e-6


def sparse_risk(rows: Rows, loss: Any, l2: float, start: Params, curvature: tuple[float, bool]) -> Objective:
    """The same function of the same parameters as an EmpiricalRisk of the standardised rows.

    Args:
        rows: with a CSR matrix of features.
        loss: (predictions, targets) → one value a row.
        l2: strength of the L2 term.
        start: ``{"weight": ..., "bias": ...}``.
        curvature: the largest second derivative of the loss, and whether it is that everywhere.
    """
    x = rows.x.tocsr()
    shares = np.full(x.shape[0], 1 / x.shape[0]) if rows.weights is None else rows.weights / rows.total
    largest, quadratic = curvature
    most, least = _curvatures(rows, shares, largest, l2)
    return Objective(
        bound(
            _risk_of(loss),
            *_padded(x),
            rows.y,
            shares,
            1 / rows.scaling.scale,
            rows.scaling.mean / rows.scaling.scale,
            float(l2),
        ),
        start=start,
        name="linear model on sparse rows",
        smoothness=most,
        strong_convexity=least if quadratic else 0.0,
        quadratic=quadratic,
    )


def _padded(x: Any) -> tuple[Floats, Any, Any]:
    """(values, row of each, column of each), filled up with zeros at the end.

    To one of eight lengths between two powers of two, so that parts of a table, which hold a different number of values
    each, need few programs.
    """
    held = x.nnz
    unit = 1 << max(0, held.bit_length() - 4)
    more = -held % unit
    where = np.repeat(np.arange(x.shape[0], dtype=np.int32), np.diff(x.indptr))
    return (
        np.pad(x.data.astype(float), (0, more)),
        np.pad(where, (0, more), constant_values=x.shape[0] - 1),
        np.pad(x.indices.astype(np.int32), (0, more)),
    )


@cache
def _risk_of(loss: Any) -> Callable[..., Any]:
    """The mean loss with its L2 term; the same function for the same loss, so that JAX knows it again."""

    def risk(
        data: Any, where: Any, columns: Any, y: Any, shares: Any, per: Any, centre: Any, l2: Any, params: Params
    ) -> Any:
        weight = params["weight"]
        spread = weight * (per if weight.ndim == 1 else per[:, None])
        parts = (data if weight.ndim == 1 else data[:, None]) * spread[columns]
        products = jax.ops.segment_sum(parts, where, num_segments=len(y), indices_are_sorted=True)
        predictions = products + (params["bias"] - centre @ weight)
        return jnp.sum(shares * loss(predictions, y)) + l2 * jnp.sum(weight**2) / 2

    return risk


def _curvatures(rows: Rows, shares: Floats, largest: float, l2: float) -> tuple[float, float]:
    """Largest and smallest eigenvalue of a bound on the Hessian; the smallest is 0 where there are many features.

    Of features with a one for the bias, which the L2 term does not hold. Where the features are centred about the mean
    of these very rows the bias is a direction of its own; where rows have been seen before it is not.
    """
    features, mean, scale = rows.x.shape[1], rows.scaling.mean, rows.scaling.scale
    about = (np.asarray(rows.x.T @ shares).ravel() - mean) / scale
    if features <= _DENSE:
        second = (rows.x.T @ rows.x.multiply(shares[:, None])).toarray()
        first = np.asarray(rows.x.T @ shares).ravel()
        moments = second - np.outer(mean, first) - np.outer(first, mean) + np.outer(mean, mean)
        hessian = np.block([[moments / np.outer(scale, scale), about[:, None]], [about[None, :], np.ones((1, 1))]])
        hessian = largest * hessian + l2 * np.diag(np.append(np.ones(features), 0.0))
        values = np.linalg.eigvalsh(hessian)
        return max(float(values[-1]), 0.0) * (1 + _MARGIN), max(float(values[0]), 0.0)

    def product(vector: Any) -> Any:
        vector = np.ravel(vector)
        weight, bias = vector[:-1] / scale, vector[-1]
        ahead = shares * (rows.x @ weight - mean @ weight + bias)
        total = ahead.sum()
        of_weight = largest * (rows.x.T @ ahead - mean * total) / scale + l2 * vector[:-1]
        return np.append(of_weight, largest * total)

    operator = LinearOperator((features + 1, features + 1), matvec=product, dtype=float)
    start = np.random.default_rng(0).normal(size=features + 1)
    return float(eigsh(operator, k=1, which="LA", v0=start, return_eigenvectors=False)[0]) * (1 + _MARGIN), 0.0
