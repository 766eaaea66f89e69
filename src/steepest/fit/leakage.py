"""Columns that already know the target: judged one at a time, on the training rows, by rules that real features pass.

A strong feature predicts well; a leak predicts almost without error. The thresholds are far out on purpose: the area of
a tumour ranks its rows as the radius does to a rank correlation of 0.9996, and is no leak by these rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from steepest.fit.recognition import Recognised
from steepest.fit.task import Task
from steepest.fit.values import as_codes, as_numbers, is_numeric

LEAST_RANK_CORRELATION = 0.9999
LEAST_SHARE_EXPLAINED = 0.9999
MOST_WRONG = 0.001

_FEWEST_ROWS = 20
_FEWEST_APART = 5
_MOST_ROWS = 20_000
_FEWEST_AT_A_BORDER = 100
_NEIGHBOURS = 10
_AS_CLOSE = 3.0


class Leaks:
    """What of a target shows in one column.

    Args:
        task: what the target asks for.
        target: its values in the training rows, as :meth:`Task.encoded` makes them.
        training: positions of the training rows; of many, 20,000 are looked at, evenly spread.

    Example:
        >>> task = Task("y", None, 0.0, 1.0, "")
        >>> y = np.random.default_rng(0).normal(size=50)
        >>> leaks = Leaks(task, y, np.arange(50))
        >>> leaks.found(pd.Series(np.exp(y), name="x"), Recognised("number", 0, 50))
        'orders the rows as the target does (rank correlation 1.0000)'
    """

    def __init__(self, task: Task, target: NDArray[Any], training: NDArray[np.intp]) -> None:
        some = np.arange(len(training))
        if len(some) > _MOST_ROWS:
            some = np.unique(np.linspace(0, len(some) - 1, _MOST_ROWS).astype(np.intp))
        self._task, self._target, self._rows = task, np.asarray(target)[some], training[some]
        # Few rows that differ from all others may fall together by chance.
        counts = np.unique(self._target, return_counts=True)[1]
        self._can_tell = len(some) >= _FEWEST_ROWS and len(some) - counts.max() >= _FEWEST_APART
        self._ranks = None if task.is_classification else rankdata(self._target)

    def found(self, column: pd.Series[Any], recognised: Recognised) -> str | None:
        """How the column gives the target away, in words that follow its name; None where it does not.

        Args:
            column: every row of it.
            recognised: what it was found to be.
        """
        if not self._can_tell or recognised.kind in ("empty", "constant", "other"):
            return None
        some = column.iloc[self._rows]
        numbers = _numbers(some)
        if numbers is not None:
            measured = self._by_class(numbers) if self._task.is_classification else self._by_rank(numbers)
            if measured is not None:
                return measured
        return self._by_category(_codes(some, numbers))

    def _by_rank(self, numbers: NDArray[np.float64]) -> str | None:
        """A monotone function of the target keeps the order of its rows."""
        there = ~np.isnan(numbers)
        if np.count_nonzero(there) < max(_FEWEST_ROWS, len(numbers) / 2):
            return None
        assert self._ranks is not None
        ranks = self._ranks if there.all() else rankdata(self._target[there])
        if np.allclose(numbers[there], self._own_units()[there], rtol=1e-12, atol=0.0):
            return "is the target itself"
        correlation = _correlation(rankdata(numbers[there]), ranks)
        if abs(correlation) < LEAST_RANK_CORRELATION:
            return None
        end = "" if correlation > 0 else ", from the other end"
        return f"orders the rows as the target does{end} (rank correlation {correlation:.4f})"

    def _own_units(self) -> NDArray[np.float64]:
        return np.asarray(self._target * self._task.scale + self._task.mean)

    def _by_class(self, numbers: NDArray[np.float64]) -> str | None:
        """Numbers that are almost one number a class, or are cut into classes at a threshold."""
        there = ~np.isnan(numbers)
        values, classes = numbers[there], self._target[there]
        counts = np.bincount(classes)
        if len(values) < max(_FEWEST_ROWS, len(numbers) / 2) or np.count_nonzero(counts) < 2:
            return None
        share = _share_explained(values, classes)
        if share >= LEAST_SHARE_EXPLAINED:
            return f"is one number a class (classes explain {100 * share:.2f} % of its variance)"
        order = np.argsort(values, kind="stable")
        borders = np.flatnonzero(np.diff(classes[order])) + 1
        if len(borders) != np.count_nonzero(counts) - 1 or counts[counts > 0].min() < _FEWEST_AT_A_BORDER:
            return None
        if all(_is_cut(values[order], border) for border in borders.tolist()):
            return "is cut into the classes at a threshold, without a gap between them"
        return None

    def _by_category(self, codes: NDArray[np.intp]) -> str | None:
        """Categories each of which has one class, or one number."""
        _, codes = np.unique(codes, return_inverse=True)
        sizes = np.bincount(codes)
        if len(sizes) < 2 or 2 * len(sizes) > len(codes):
            return None
        if self._task.is_classification:
            table = np.zeros((len(sizes), int(self._target.max()) + 1), np.int64)
            np.add.at(table, (codes, self._target), 1)
            # Judged by the other rows of its category, a row that is alone there is wrong.
            right = int(table.max(axis=1)[sizes > 1].sum())
            if right < (1 - MOST_WRONG) * len(codes):
                return None
            return f"determines the class (in {right} of {len(codes)} training rows)"
        share = _share_explained(self._target, codes)
        rows, groups = len(codes), len(sizes)
        adjusted = 1 - (1 - share) * (rows - 1) / max(1, rows - groups)
        if adjusted < LEAST_SHARE_EXPLAINED:
            return None
        return f"has one value of the target a category ({100 * adjusted:.2f} % of its variance)"


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64] | None:
    """A column's numbers, also where they are written as text; None where it holds something else."""
    if is_numeric(column):
        return as_numbers(column)
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return np.asarray(column.astype("int64").where(column.notna()), float)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    numbers = pd.to_numeric(column, errors="coerce")
    there = column.notna()
    if not there.any() or numbers[there].isna().any():
        return None
    values: NDArray[Any] = numbers.to_numpy(float, na_value=np.nan)
    return None if np.isinf(values).any() else values


def _codes(column: pd.Series[Any], numbers: NDArray[np.float64] | None) -> NDArray[np.intp]:
    """Numbers of categories; of numbers each is one, and missing is one."""
    return as_codes(column)[0] if numbers is None else np.unique(numbers, return_inverse=True)[1]


def _correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    a, b = one - one.mean(), other - other.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else 0.0


def _share_explained(values: NDArray[Any], groups: NDArray[Any]) -> float:
    """The share of the variance that lies between groups: the squared correlation ratio."""
    middle = values - values.mean()
    largest = np.abs(middle).max()
    if not largest:
        return 0.0
    middle = middle / largest
    counts = np.bincount(groups)
    means = np.bincount(groups, middle) / np.maximum(counts, 1)
    return 1.0 - float(np.sum((middle - means[groups]) ** 2) / np.sum(middle**2))


def _is_cut(ordered: NDArray[np.float64], border: int) -> bool:
    """Whether numbers lie as close on both sides of a border, and across it, as they do elsewhere.

    Classes that are apart by nature have thin tails there; a threshold goes through the midst of the numbers.
    """
    usual = np.median(np.diff(ordered))
    near = ordered[max(0, border - _NEIGHBOURS) : border + _NEIGHBOURS]
    return bool(usual > 0 and np.diff(near).mean() <= _AS_CLOSE * usual)
