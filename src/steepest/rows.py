"""Rows of data on their way in: numeric, finite, weighted, or refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def checked_data(values: Any, name: str) -> NDArray[Any]:
    """A finite numeric array with at least one row; column names of a DataFrame go into the message."""
    columns = list(getattr(values, "columns", []))
    array = np.asarray(values)
    if array.ndim == 0 or array.shape[0] == 0:
        raise ValueError(f"{name} must have at least one row, got shape {array.shape}")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        try:
            array = array.astype(float)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be numeric, got {array.dtype}; encode its categories first") from None
    if np.issubdtype(array.dtype, np.floating) and not np.all(np.isfinite(array)):
        place = np.argwhere(~np.isfinite(array))[0]
        column = "" if array.ndim == 1 else f" column {columns[place[1]]!r}," if columns else f" column {place[1]},"
        raise ValueError(
            f"{name} must be finite, got {array[tuple(place)]} in{column} row {place[0]}; "
            "drop such rows or fill them in first"
        )
    return array.astype(float) if array.dtype == bool else array


def checked_weights(weights: Any, rows: int) -> NDArray[np.float64]:
    """Weights scaled to a mean of one."""
    array = np.asarray(weights, float)
    if array.shape != (rows,):
        raise ValueError(f"weights must have shape ({rows},), one a row, got {array.shape}")
    if not np.all(np.isfinite(array)) or np.any(array < 0) or array.sum() == 0:
        raise ValueError("weights must be finite, at least 0 and not all zero")
    return np.asarray(array / array.mean())
