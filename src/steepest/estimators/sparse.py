"""The risk of a linear model on sparse rows, centred and scaled without being filled in."""

from __future__ import annotations

from functools import partial
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
    where = np.repeat(np.arange(x.shape[0], dtype=np.int32), np.diff(x.indptr))
    shares = np.full(x.shape[0], 1 / x.shape[0]) if rows.weights is None else rows.weights / rows.total
    largest, quadratic = curvature
    most, least = _curvatures(rows, shares)
    return Objective(
        bound(
            partial(_risk, loss),
            x.data.astype(float),
            where,
            x.indices.astype(np.int32),
            rows.y,
            shares,
            1 / rows.scaling.scale,
            rows.scaling.mean / rows.scaling.scale,
            float(l2),
        ),
        start=start,
        name="linear model on sparse rows",
        smoothness=max(largest * most + l2, largest),
        # The features are centred, so that the bias, which the L2 term does not hold, is a direction of its own.
        strong_convexity=min(largest * least + l2, largest) if quadratic else 0.0,
        quadratic=quadratic,
    )


def _risk(
    loss: Any, data: Any, where: Any, columns: Any, y: Any, shares: Any, per: Any, centre: Any, l2: Any, params: Params
) -> Any:
    weight = params["weight"]
    spread = weight * (per if weight.ndim == 1 else per[:, None])
    parts = (data if weight.ndim == 1 else data[:, None]) * spread[columns]
    products = jax.ops.segment_sum(parts, where, num_segments=len(y), indices_are_sorted=True)
    predictions = products + (params["bias"] - centre @ weight)
    return jnp.sum(shares * loss(predictions, y)) + l2 * jnp.sum(weight**2) / 2


def _curvatures(rows: Rows, shares: Floats) -> tuple[float, float]:
    """Largest and smallest eigenvalue of the features' covariance; the smallest is 0 where there are many features."""
    features, mean, scale = rows.x.shape[1], rows.scaling.mean, rows.scaling.scale

    def product(vector: Any) -> Any:
        vector = np.ravel(vector) / scale
        ahead = shares * (rows.x @ vector - mean @ vector)
        return (rows.x.T @ ahead - mean * ahead.sum()) / scale

    if features <= _DENSE:
        second = (rows.x.T @ rows.x.multiply(shares[:, None])).toarray()
        about = np.asarray(rows.x.T @ shares).ravel()
        covariance = second - np.outer(mean, about) - np.outer(about, mean) + np.outer(mean, mean)
        values = np.linalg.eigvalsh(covariance / np.outer(scale, scale))
        return max(float(values[-1]), 0.0) * (1 + _MARGIN), max(float(values[0]), 0.0)
    operator = LinearOperator((features, features), matvec=product, dtype=float)
    start = np.random.default_rng(0).normal(size=features)
    return float(eigsh(operator, k=1, which="LA", v0=start, return_eigenvectors=False)[0]) * (1 + _MARGIN), 0.0
