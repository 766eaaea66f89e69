"""What is done with one column: numbers are standardised, categories become indicators, learnt from training rows.

What is learnt is kept as plain numbers and strings, so that a saved model needs neither pickle nor the version it was
made with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from steepest.fit.values import MISSING, as_codes, as_numbers, is_numeric, listed


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers: ``fill`` where missing, then (value − mean) / scale."""

    name: str
    fill: float
    mean: float
    scale: float

    @property
    def width(self) -> int:
        """Features that it makes."""
        return 1

    @property
    def is_switch(self) -> bool:
        """Whether training had 0 and 1 alone: no other numbers have their mean and deviation, and these as median.

        >>> NumericColumn("a", 0.0, 0.25, 0.25**0.5 * 0.75**0.5).is_switch, NumericColumn("a", 2.0, 2.1, 0.5).is_switch
        (True, False)
        """
        variance = self.mean * (1 - self.mean)
        return self.fill in (0.0, 0.5, 1.0) and variance > 0 and math.isclose(self.scale**2, variance, rel_tol=1e-9)

    def write(self, column: pd.Series[Any], out: NDArray[np.float64], first: int = 0) -> int:
        """Write features into ``out``, shape (rows, 1).

        Args:
            column: of a table, or of a stretch of its rows.
            out: where to.
            first: number of the stretch's first row, for the messages.

        Returns:
            0: no number is unknown.

        Raises:
            ValueError: something is not a number, or is infinite.
        """
        values = as_numbers(column, first)
        values = np.where(np.isnan(values), self.fill, values)
        np.divide(values - self.mean, self.scale, out=out[:, 0])
        return 0


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of categories: one indicator each; a category never seen in training has none."""

    name: str
    categories: tuple[str, ...]

    @property
    def width(self) -> int:
        """Features that it makes."""
        return len(self.categories)

    def write(self, column: pd.Series[Any], out: NDArray[np.float64], first: int = 0) -> int:
        """Write indicators into ``out``, shape (rows, categories).

        Args:
            column: of a table, or of a stretch of its rows.
            out: where to.
            first: number of the stretch's first row.

        Returns:
            rows whose category was never seen in training.

        Raises:
            ValueError: it holds numbers, and none of the categories is one.
        """
        if is_numeric(column) and not pd.api.types.is_bool_dtype(column) and column.notna().any():
            words = pd.Series([name for name in self.categories if name != MISSING], dtype=object)
            if pd.to_numeric(words, errors="coerce").isna().all() and not words.isin(["True", "False"]).any():
                raise ValueError(
                    f"column {self.name!r} should hold categories such as {listed(words.tolist(), 3)}, got numbers"
                )
        codes, names = as_codes(column)
        place = {name: number for number, name in enumerate(self.categories)}
        if is_numeric(column):
            # Where some are missing, readers make floats of whole numbers: what was learnt as "1" comes as "1.0".
            names = [name if name in place else _whole(name) for name in names]
        places = np.asarray([place.get(name, -1) for name in names], np.intp)[codes]
        known = np.flatnonzero(places >= 0)
        out[:] = 0.0
        out[known, places[known]] = 1.0
        return len(places) - len(known)


def _whole(name: str) -> str:
    """A whole float as the whole number that it is.

    >>> [_whole(name) for name in ("2.0", "2.5", "(missing)")]
    ['2', '2.5', '(missing)']
    """
    try:
        number = float(name)
    except ValueError:
        return name
    return str(int(number)) if number.is_integer() else name


def learn_numbers(names: Sequence[str], values: NDArray[np.float64]) -> list[NumericColumn]:
    """What to do with columns of numbers: median, and mean and scale once it is filled in.

    Args:
        names: of the columns.
        values: their training rows, shape (rows, columns), NaN where missing; filled in place.

    Raises:
        ValueError: numbers too large to standardise.
    """
    medians = np.nanmedian(values, axis=0)
    for column, median in zip(values.T, medians, strict=True):
        column[np.isnan(column)] = median
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler().fit(values)
    wrong = ~(np.isfinite(scaler.mean_) & np.isfinite(scaler.scale_))
    if wrong.any():
        place = int(np.argmax(wrong))
        raise ValueError(
            f"column {names[place]!r} holds numbers too large to standardise, up to "
            f"{np.abs(values[:, place]).max():.3g}; rescale it"
        )
    return [
        NumericColumn(name, float(median), float(mean), float(scale))
        for name, median, mean, scale in zip(names, medians, scaler.mean_, scaler.scale_, strict=True)
    ]


def learn_categories(column: pd.Series[Any]) -> CategoricalColumn:
    """The categories of a column's training rows, in order."""
    codes, names = as_codes(column)
    return CategoricalColumn(str(column.name), tuple(sorted(names[code] for code in np.unique(codes))))
