"""What a fit is given, made sure of before any work."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from steepest.errors import unknown_name
from steepest.fit.memory import check_column, check_csv
from steepest.fit.tables import Table, opened_table
from steepest.fit.values import counted

_FEWEST_ROWS = 10
_LARGEST_SEED = 2**32 - 1


def checked_table(table: pd.DataFrame | str | Path, allowed: int) -> Table:
    """The table, its columns called by different strings, with rows enough to be split.

    Args:
        table: a DataFrame, or a path.
        allowed: bytes of memory that the fit may take.

    Raises:
        TypeError: neither a DataFrame nor a path.
        ValueError: two columns of one name; too few rows; a file that cannot be read, or needs more memory.
        FileNotFoundError: there is no such file.
    """
    if isinstance(table, str | Path) and Path(table).suffix.lower() == ".csv" and Path(table).is_file():
        check_csv(Path(table), allowed)
    data = opened_table(table)
    if len(data) < _FEWEST_ROWS:
        raise ValueError(
            f"the table has {counted(len(data), 'row')}; at least {_FEWEST_ROWS} are needed to train, choose and test"
        )
    check_column(len(data), allowed)
    return data


def checked_choice(table: Table, target: str, ignore: Sequence[str], keep: Sequence[str]) -> None:
    """Columns to ignore or to keep must be in the table, and not be the target.

    Raises:
        TypeError: a single name where several are to be given.
        ValueError: no such column, with the nearest match; the target; a column in both.
    """
    for name, columns in (("ignore", ignore), ("keep", keep)):
        if isinstance(columns, str):
            raise TypeError(f"{name} must be a list of columns, got {columns!r}; write [{columns!r}]")
        for column in columns:
            if column == target:
                raise ValueError(f"{name}: {column!r} is the target; give another column")
            if column not in table.names:
                raise unknown_name(f"column in {name}", str(column), table.names)
    both = [column for column in ignore if column in keep]
    if both:
        raise ValueError(f"{both[0]!r} is both in ignore and in keep; give it once")


def check_shares(**shares: float) -> None:
    """Each share of the rows must lie between 0 and 1.

    >>> check_shares(test_size=20)
    Traceback (most recent call last):
    ValueError: test_size must lie between 0 and 1, got 20; 0.2 holds a fifth of the rows out
    """
    for name, share in shares.items():
        if not isinstance(share, Real):
            raise TypeError(f"{name} must be a number between 0 and 1, got {share!r}")
        if not 0 < share < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {share}; 0.2 holds a fifth of the rows out")


def check_split(test_size: float, validation_size: float, seed: int) -> None:
    """The shares and the seed must make a split."""
    check_shares(test_size=test_size, validation_size=validation_size)
    check_seed(seed)


def check_seed(seed: int) -> None:
    """The seed must be one that the split, the start and the batches all take."""
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(f"seed must be a whole number, got {seed!r}")
    if not 0 <= seed <= _LARGEST_SEED:
        raise ValueError(f"seed must lie between 0 and {_LARGEST_SEED}, got {seed}")


def is_automatic(learning_rate: Any, method: str | None) -> bool:
    """Whether the learning rate is left to theory.

    >>> is_automatic("auto", None), is_automatic(0.1, "adam")
    (True, False)
    >>> is_automatic("auto", "adam")
    Traceback (most recent call last):
    ValueError: learning_rate="auto" knows the method sgd, got 'adam'; leave the method out, or give learning rates
    """
    if not isinstance(learning_rate, str):
        return False
    if learning_rate != "auto":
        raise ValueError(
            f'learning_rate must be a number or a list of numbers, got {learning_rate!r}; "auto" leaves it to theory'
        )
    if method not in (None, "sgd"):
        raise ValueError(
            f'learning_rate="auto" knows the method sgd, got {method!r}; leave the method out, or give learning rates'
        )
    return True


def checked_rates(learning_rate: ArrayLike) -> NDArray[np.float64]:
    """The learning rates to try in increasing order, shape (rates,).

    >>> checked_rates([0.1, 0.01])
    array([0.01, 0.1 ])
    """
    try:
        rates: NDArray[Any] = np.atleast_1d(np.asarray(learning_rate, float))
    except (TypeError, ValueError):
        raise TypeError(f"learning_rate must be a number or a list of numbers, got {learning_rate!r}") from None
    if rates.ndim != 1 or not rates.size:
        raise ValueError(f"learning_rate must be a number or a list of at least one, got shape {rates.shape}")
    wrong = rates[~((rates > 0) & np.isfinite(rates))]
    if wrong.size:
        raise ValueError(f"learning_rate must be positive and finite, got {wrong[0]:g}")
    return np.unique(rates)
