"""Rows on their way into a descent: features and targets on scales that descent likes, and back again.

Every feature is given mean 0 and deviation 1 before it is descended, which is a change of coordinates and no change of
the model: coefficients are handed out on the scale of the table. Sparse rows are centred without being filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scaling:
    """(value − mean) / scale, a column at a time.

    Attributes:
        mean: shape (columns,).
        scale: shape (columns,), above 0.
    """

    mean: Floats
    scale: Floats

    def applied(self, values: Floats) -> Floats:
        """Values of shape (rows, columns) on the scale of the descent."""
        return np.asarray((values - self.mean) / self.scale)


@dataclass(frozen=True, eq=False)
class Rows:
    """What is descended.

    Attributes:
        x: features as they came, shape (rows, features), an array or a CSR matrix.
        y: targets as the loss takes them.
        weights: of the rows, shape (rows,); None for all alike.
        scaling: of the features.
        names: of the features; None where they have none.
    """

    x: Any
    y: NDArray[Any]
    weights: Floats | None
    scaling: Scaling
    names: tuple[str, ...] | None

    @property
    def total(self) -> float:
        """Σ weights: the number of rows that these count for."""
        return float(len(self.y)) if self.weights is None else float(self.weights.sum())

    @property
    def sparse(self) -> bool:
        """Whether the features are a sparse matrix."""
        return bool(issparse(self.x))


def seen(scaler: StandardScaler | None, values: Any, weights: Floats | None) -> StandardScaler:
    """The scaler after these rows, those of before counted in; a new one where there is none yet."""
    if scaler is None:
        scaler = StandardScaler(with_mean=not issparse(values))
    return scaler.partial_fit(values, sample_weight=weights)


def scaling_of(scaler: StandardScaler, standardise: bool) -> Scaling:
    """What a scaler has learnt. Without ``standardise`` columns keep their scale and are only centred.

    Centring changes no linear model whose bias the L2 term does not hold, and it makes the bias a direction of its own.
    """
    mean = np.asarray(scaler.mean_, float)
    return Scaling(mean, np.asarray(scaler.scale_, float) if standardise else np.ones_like(mean))
