"""From a table's columns to standardised features, and back from plain JSON.

What is learnt from the training rows (medians, means, scales, categories) comes from scikit-learn's transformers and is
kept as plain numbers and strings, so that a saved model needs neither pickle nor the version it was made with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MISSING = "(missing)"
_MOST_CATEGORIES = 200


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers: ``fill`` where missing, then (value − mean) / scale."""

    name: str
    fill: float
    mean: float
    scale: float

    def encoded(self, column: pd.Series[Any]) -> NDArray[np.float64]:
        """Shape (rows, 1)."""
        values = as_numbers(column)
        standardised = (np.where(np.isnan(values), self.fill, values) - self.mean) / self.scale
        return np.asarray(standardised)[:, None]


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of categories: one indicator each; a category never seen in training has none."""

    name: str
    categories: tuple[str, ...]

    def encoded(self, column: pd.Series[Any]) -> NDArray[np.float64]:
        """Shape (rows, categories)."""
        values = as_categories(column)
        return np.asarray(values[:, None] == np.asarray(self.categories, object)[None, :], float)


@dataclass(frozen=True)
class Columns:
    """The feature columns of a table, in order.

    Attributes:
        columns: what is done with each column that is used.
        dropped: column → why it is not used.
    """

    columns: tuple[NumericColumn | CategoricalColumn, ...]
    dropped: dict[str, str]

    @property
    def feature_names(self) -> list[str]:
        """One name a feature; an indicator is ``column=category``."""
        names = []
        for column in self.columns:
            if isinstance(column, NumericColumn):
                names.append(column.name)
            else:
                names.extend(f"{column.name}={category}" for category in column.categories)
        return names

    def encoded(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Features of shape (rows, features).

        Raises:
            TypeError: not a DataFrame.
            ValueError: a column is not there or there twice, or one of numbers holds something else.
        """
        table = named(table)
        missing = [column.name for column in self.columns if column.name not in table]
        if missing:
            raise ValueError(f"the table lacks {_listed(missing)}; it has {_listed(list(table.columns))}")
        return np.concatenate([column.encoded(table[column.name]) for column in self.columns], axis=1)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings; :meth:`from_json` takes them back."""
        kinds = {NumericColumn: "numeric", CategoricalColumn: "categorical"}
        return {
            "columns": [{"kind": kinds[type(column)], **asdict(column)} for column in self.columns],
            "dropped": self.dropped,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Columns:
        """The columns that :meth:`to_json` described."""
        found: list[NumericColumn | CategoricalColumn] = []
        for entry in data["columns"]:
            if entry["kind"] == "numeric":
                found.append(NumericColumn(entry["name"], entry["fill"], entry["mean"], entry["scale"]))
            else:
                found.append(CategoricalColumn(entry["name"], tuple(entry["categories"])))
        return Columns(tuple(found), dict(data["dropped"]))


def learn_columns(table: pd.DataFrame, training: NDArray[np.intp]) -> Columns:
    """What to do with every column of a table without its target, learnt from the training rows alone.

    Raises:
        ValueError: infinity or something too large in a column; no column is left.
    """
    table = named(table)
    used: list[NumericColumn | CategoricalColumn] = []
    dropped: dict[str, str] = {}
    for name in table.columns:
        column = table[name]
        rows = column.iloc[training]
        reason = _unusable(column, rows)
        if reason is not None:
            dropped[name] = reason
        elif is_numeric(column):
            used.append(_numeric(name, column, training))
        else:
            encoder = OneHotEncoder(handle_unknown="ignore").fit(as_categories(rows)[:, None])
            used.append(CategoricalColumn(name, tuple(str(value) for value in encoder.categories_[0])))
    if not used:
        reasons = "; ".join(f"{name} {why}" for name, why in dropped.items())
        raise ValueError(f"no column is left to learn from: {reasons or 'the table has only its target'}")
    return Columns(tuple(used), dropped)


def _numeric(name: str, column: pd.Series[Any], training: NDArray[np.intp]) -> NumericColumn:
    values = as_numbers(column)[training, None]
    imputer = SimpleImputer(strategy="median").fit(values)
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler().fit(imputer.transform(values))
    if not np.isfinite([scaler.mean_[0], scaler.scale_[0]]).all():
        largest = np.nanmax(np.abs(values))
        raise ValueError(f"column {name!r} holds numbers too large to standardise, up to {largest:.3g}; rescale it")
    return NumericColumn(name, float(imputer.statistics_[0]), float(scaler.mean_[0]), float(scaler.scale_[0]))


def is_numeric(column: pd.Series[Any]) -> bool:
    """Whether a column holds real numbers or switches."""
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column))


def foreign_kinds(column: pd.Series[Any]) -> list[str]:
    """The kinds of what a column holds that is neither a number, nor a switch, nor text, nor missing.

    >>> foreign_kinds(pd.Series([1, "two", None, [3]]))
    ['list']
    """
    if is_numeric(column):
        return []
    return sorted({type(value).__name__ for value in column.dropna() if not isinstance(value, str | Real)})


def as_numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """A column's values as floats, NaN where missing.

    Raises:
        ValueError: something in it is not a number, or is infinite (the row is named).
    """
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=math.nan)
    wrong = np.isnan(numbers) & column.notna().to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"column {column.name!r} should hold numbers, got {column.iloc[row]!r} in row {row}")
    infinite = np.isinf(numbers)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise ValueError(
            f"column {column.name!r} holds {numbers[row]} in row {row}; replace infinities or drop such rows"
        )
    return numbers


def named(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its columns called by strings, no two the same.

    Raises:
        TypeError: not a DataFrame.
        ValueError: two columns of one name.
    """
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"the table must be a DataFrame, got {type(table).__name__}")
    renamed = table.set_axis([str(name) for name in table.columns], axis=1)
    twice = renamed.columns[renamed.columns.duplicated()]
    if len(twice):
        raise ValueError(f"two columns of the table are called {twice[0]!r}; rename one")
    return renamed


def as_categories(column: pd.Series[Any]) -> NDArray[Any]:
    """A column's values as strings in an object array; missing ones are a category of their own."""
    return np.asarray(
        [MISSING if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)], object
    )


def _unusable(column: pd.Series[Any], rows: pd.Series[Any]) -> str | None:
    """Why a column is of no use, or None."""
    if rows.isna().all():
        return "is empty in the training rows"
    foreign = foreign_kinds(column)
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return "holds dates; derive numbers from them (year, weekday) to use it"
    if foreign:
        return f"holds values of kind {', '.join(foreign)}; convert them to numbers or text to use it"
    distinct = rows.nunique(dropna=False)
    if distinct == 1:
        return "is constant in the training rows"
    if is_numeric(column):
        return None
    if distinct == len(rows):
        return "is different in every row, as an identifier is"
    if distinct > _MOST_CATEGORIES:
        return f"has {distinct} categories, more than {_MOST_CATEGORIES}"
    return None


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
