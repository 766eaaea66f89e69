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

_LARGEST = 1e140
"""The square of which can be summed over as many rows as there may be."""


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
        counted: how many rows the L2 term is held against: these, or all those seen so far.
    """

    x: Any
    y: NDArray[Any]
    weights: Floats | None
    scaling: Scaling
    names: tuple[str, ...] | None
    counted: float

    @property
    def total(self) -> float:
        """Σ weights: the number of rows that these count for."""
        return float(len(self.y)) if self.weights is None else float(self.weights.sum())

    def l2(self, alpha: float) -> float:
        """The strength of the L2 term on the mean loss that ``alpha`` is on the sum of the losses."""
        return alpha / self.counted

    @property
    def sparse(self) -> bool:
        """Whether the features are a sparse matrix."""
        return bool(issparse(self.x))


def check_size(what: str, values: Any, names: tuple[str, ...] | None = None) -> None:
    """Refuse numbers whose squares cannot be summed.

    Args:
        what: the argument.
        values: finite numbers, shape (rows,) or (rows, columns).
        names: of the columns.

    Raises:
        ValueError: which column it is, and what to do.
    """
    largest = np.atleast_1d(_largest(values))
    place = int(largest.argmax())
    if largest[place] <= _LARGEST:
        return
    column = what if np.ndim(values) < 2 else f"column {names[place] if names else place} of {what}"
    raise ValueError(
        f"{column} is too large to standardise, up to {largest[place]:.3g}; divide it by {largest[place]:.0e}"
    )


def _largest(values: Any) -> Floats:
    """The largest of each column, whatever its sign."""
    if issparse(values):
        return np.asarray(abs(values).max(axis=0).toarray()).ravel()
    return np.asarray(np.maximum(np.max(values, axis=0), -np.min(values, axis=0)))


def seen(scaler: StandardScaler | None, values: Any, weights: Floats | None) -> StandardScaler:
    """The scaler after these rows, those of before counted in; a new one where there is none yet."""
    if scaler is None:
        # Its means are used here and never by itself, which could not centre sparse rows.
        scaler = StandardScaler(with_mean=False)
    return scaler.partial_fit(values, sample_weight=weights)


def rows_seen(scaler: StandardScaler) -> float:
    """How many rows a scaler has learnt from, each as often as it weighs."""
    return float(np.max(scaler.n_samples_seen_))


def scaling_of(scaler: StandardScaler, standardise: bool) -> Scaling:
    """What a scaler has learnt. Without ``standardise`` columns keep their scale and are only centred.

    Centring changes no linear model whose bias the L2 term does not hold, and it makes the bias a direction of its own.
    """
    mean = np.asarray(scaler.mean_, float)
    return Scaling(mean, np.asarray(scaler.scale_, float) if standardise else np.ones_like(mean))
