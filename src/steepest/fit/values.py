"""What is in one column of a table: numbers, switches, text, or something else; and as what a model takes it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = "(missing)"
"""The category of values that are not there."""


def is_numeric(column: pd.Series[Any]) -> bool:
    """Whether a column holds real numbers or switches."""
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column))


def foreign_kinds(column: pd.Series[Any]) -> list[str]:
    """The kinds of what a column holds that is neither a number, nor a switch, nor text, nor missing.

    >>> foreign_kinds(pd.Series([1, "two", None, [3]]))
    ['list']
    """
    if is_numeric(column) or _all_text(column):
        return []
    values = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.dropna()
    return sorted({type(value).__name__ for value in values if not isinstance(value, str | Real)})


def as_numbers(column: pd.Series[Any], first: int = 0) -> NDArray[np.float64]:
    """A column's values as floats, NaN where missing.

    Args:
        column: of a table, or of a stretch of its rows.
        first: number of the stretch's first row, for the messages.

    Raises:
        ValueError: something in it is not a number, or is infinite (the row is named).
    """
    column = without_decimals(column)
    numbers: NDArray[Any] = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=math.nan)
    if column.dtype.kind not in "fiub":
        wrong = np.isnan(numbers) & column.notna().to_numpy()
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"column {column.name!r} should hold numbers, got {column.iloc[row]!r} in row {first + row}"
            )
    infinite = np.isinf(numbers)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise ValueError(
            f"column {column.name!r} holds {numbers[row]} in row {first + row}; replace infinities or drop such rows"
        )
    return numbers


def as_codes(column: pd.Series[Any]) -> tuple[NDArray[np.intp], list[str]]:
    """A column's values as numbers of categories, shape (rows,), and the categories, in the order they are met.

    Missing values are a category of their own.

    >>> codes, categories = as_codes(pd.Series(["b", None, "a", "b"]))
    >>> codes.tolist(), categories
    ([0, 2, 1, 0], ['b', 'a', '(missing)'])
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = np.asarray(column.cat.codes, np.intp)
        found: Any = list(column.cat.categories)
    elif _all_text(column):
        codes, found = pd.factorize(column)
    else:
        # One and the same number to pandas: 1, 1.0 and True. As categories they are three.
        missing = column.isna().to_numpy()
        words = [None if absent else str(value) for value, absent in zip(column, missing, strict=True)]
        codes, found = pd.factorize(np.asarray(words, object))
    if not (codes < 0).any():
        return _merged(codes, [str(value) for value in found])
    return _merged(np.where(codes < 0, len(found), codes), [*(str(value) for value in found), MISSING])


def _merged(codes: NDArray[np.intp], names: list[str]) -> tuple[NDArray[np.intp], list[str]]:
    """The same with each name once."""
    if len(set(names)) == len(names):
        return codes, names
    once = list(dict.fromkeys(names))
    place = {name: number for number, name in enumerate(once)}
    return np.asarray([place[name] for name in names], np.intp)[codes], once


def as_categories(column: pd.Series[Any]) -> NDArray[Any]:
    """A column's values as strings in an object array; missing ones are a category of their own."""
    codes, names = as_codes(column)
    return np.asarray([*names, None], object)[codes]


def named(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its columns called by strings, no two the same, and decimals as floats; no others are copied.

    Raises:
        TypeError: not a DataFrame.
        ValueError: two columns of one name.
    """
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"the table must be a DataFrame, got {type(table).__name__}")
    renamed = table.copy(deep=False)
    renamed.columns = pd.Index([str(name) for name in table.columns], dtype=object)
    check_names(list(renamed.columns))
    for name in renamed.columns:
        column = without_decimals(renamed[name])
        if column.dtype != renamed[name].dtype:
            renamed[name] = column
    return renamed


def without_decimals(column: pd.Series[Any]) -> pd.Series[Any]:
    """Decimals, which is how databases hand out money, as floats; any other column as it is.

    >>> from decimal import Decimal
    >>> without_decimals(pd.Series([Decimal("1.5"), None])).tolist()
    [1.5, nan]
    """
    if not (column.dtype == object or isinstance(column.dtype, pd.ArrowDtype)) or _all_text(column):
        return column
    if pd.api.types.infer_dtype(column, skipna=True) != "decimal":
        return column
    floats = [math.nan if absent else float(value) for value, absent in zip(column, column.isna(), strict=True)]
    return pd.Series(floats, column.index, dtype=float, name=column.name)


_PLAIN = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_STYLED = re.compile(
    r"\s*[+-]?[$€£]?\s*(\d+([.,]\d+)?|\d{1,3}([,.' ]\d{3})+([.,]\d+)?)\s*(%|[$€£]|CHF|EUR|GBP|USD)?\s*"
)
_FEWEST_NUMBERS = 10
_LEAST_SHARE = 0.5
_LOOKED_AT = 1000


def numbers_in_text(names: Sequence[str], counts: Sequence[int]) -> tuple[str, str] | None:
    """What text is that holds numbers for the most part, in words that follow "it", and the remedy; None otherwise.

    Args:
        names: the different values.
        counts: how many rows each has.

    >>> numbers_in_text([*(f"{i}.5" for i in range(20)), "-"], [1] * 20 + [4])[0]
    "holds numbers in 20 of 24 values; the rest is '-'"
    """
    some = names[:: max(1, len(names) // _LOOKED_AT)]
    if sum(bool(_PLAIN.fullmatch(name) or _STYLED.fullmatch(name)) for name in some) < len(some) / 10:
        return None  # without a look at each of many texts
    plain = [bool(_PLAIN.fullmatch(name)) for name in names]
    styled = [not known and bool(_STYLED.fullmatch(name)) for name, known in zip(names, plain, strict=True)]
    rest = [name for name, one, other in zip(names, plain, styled, strict=True) if not (one or other)]
    total = sum(counts)
    count = sum(rows for rows, one, other in zip(counts, plain, styled, strict=True) if one or other)
    if len(names) - len(rest) < _FEWEST_NUMBERS or count < _LEAST_SHARE * total:
        return None
    if not rest and not any(styled) and all(name.strip().isdigit() for name in names):
        # Whole numbers kept as text are kept so on purpose: postcodes, article numbers.
        return None
    words, remedies = f"holds numbers in {count} of {total} values", []
    if any(styled):
        words += f", some written as {names[styled.index(True)]!r}"
        remedies.append("write numbers as 1234.56, without commas, spaces and signs")
    if rest:
        words += f"; the rest is {listed(rest, 3)}"
        remedies.append("replace what is no number by an empty cell")
    return words, " and ".join(remedies or ["convert it to numbers"])


def check_names(names: Sequence[str]) -> None:
    """Each name must be there once.

    Raises:
        ValueError: two columns of one name.
    """
    known: set[str] = set()
    for name in names:
        if name in known:
            raise ValueError(f"two columns of the table are called {name!r}; rename one")
        known.add(name)


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a sentence, the first few of many.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _all_text(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.api.types.infer_dtype(column.cat.categories) in ("string", "empty")
    return column.dtype.kind not in "mMc" and pd.api.types.infer_dtype(column, skipna=True) == "string"
