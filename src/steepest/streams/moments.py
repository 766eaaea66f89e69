"""Means and covariances of a stream in one pass, and the least-squares risk that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from steepest.streams.stream import Stream


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted moments of features and targets together.

    Attributes:
        mean: shape (d + k,), features before targets.
        covariance: Σ wᵢ (zᵢ − mean)(zᵢ − mean)ᵀ / Σ wᵢ, shape (d + k, d + k).
        squares: (largest of wᵢ‖xᵢ‖², the weight of that row, its ‖xᵢ‖), where the weights' mean is one.
        features: d.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    squares: tuple[NDArray[np.float64], NDArray[np.float64]]
    features: int


def moments(stream: Stream) -> Moments:
    """The moments of a stream, in one pass over its rows.

    Sums are taken about the mean of the first block, which loses no digits to a mean far from zero (Chan, Golub &
    LeVeque 1983).

    Raises:
        ValueError: a number that is not finite, with its row.
    """
    shift = total = products = None
    weight_sum = 0.0
    corners: list[tuple[float, float]] = []
    for (begun, _), rows in zip(stream.spans, stream.blocks(), strict=True):
        real = rows.weights > 0
        z = np.column_stack([np.reshape(part, (len(part), -1)) for part in rows[:2]]).astype(float)
        z, weights = (z, rows.weights) if real.all() else (z[real], rows.weights[real])
        if not np.isfinite(z.sum()) and not np.isfinite(z).all():
            place, column = np.argwhere(~np.isfinite(z))[0]
            where = f"row {begun + np.flatnonzero(real)[place]}, column {column}"
            raise ValueError(f"x and y must be finite, got {z[place, column]} in {where} (targets after features)")
        shift = z.mean(axis=0) if shift is None else shift
        corners.append(_largest(z[:, : _features(stream)], weights))
        z -= shift
        scaled = z if stream.weights is None else z * np.sqrt(weights)[:, None]
        products = scaled.T @ scaled if products is None else products + scaled.T @ scaled
        part = weights @ z
        total = part if total is None else total + part
        weight_sum += weights.sum()
    assert shift is not None
    assert products is not None
    assert total is not None
    offset = total / weight_sum
    norms, weights = (np.asarray(values) for values in zip(*corners, strict=True))
    return Moments(
        shift + offset, products / weight_sum - np.outer(offset, offset), (norms, weights), _features(stream)
    )


def _features(stream: Stream) -> int:
    return int(np.prod(stream.x.shape[1:], dtype=np.int64))


def _largest(x: NDArray[Any], weights: NDArray[Any]) -> tuple[float, float]:
    """(‖x‖², weight) of the row of a block whose weighted squared norm is largest."""
    squares = np.einsum("ij,ij->i", x, x)
    place = int(np.argmax(weights * (squares + 1.0)))
    return float(squares[place]), float(weights[place])


def least_squares(mean: Any, covariance: Any, l2: Any, params: Any) -> Any:
    """½ Σ wᵢ‖xᵢW + b − yᵢ‖² / Σ wᵢ + (l2/2)‖W‖² from the moments; traceable.

    Args:
        mean: of :class:`Moments`.
        covariance: of :class:`Moments`.
        l2: strength of the L2 term; None for none.
        params: ``weight`` (d,) or (d, k) and ``bias`` () or (k,).
    """
    weight = params["weight"]
    features = weight.shape[0]
    weight = weight.reshape(features, -1)
    bias = jnp.reshape(params["bias"], (-1,))
    # Columns of (W; −1): what the residual is of features and targets together.
    both = jnp.concatenate([weight, -jnp.eye(weight.shape[1], dtype=weight.dtype)])
    middle = mean @ both + bias
    risk = 0.5 * (jnp.sum(middle**2) + jnp.sum(both * (covariance @ both)))
    return risk if l2 is None else risk + 0.5 * l2 * jnp.sum(weight**2)
