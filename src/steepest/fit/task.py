"""What a target asks for: a number or a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steepest.errors import unknown_name
from steepest.fit.columns import as_numbers, is_numeric

MODELS = ("linear", "softmax", "mlp")
_MOST_CLASSES = 20


@dataclass(frozen=True)
class Task:
    """A target made ready for a loss.

    Attributes:
        target: name of the column.
        classes: the classes in order; None for regression.
        mean, scale: of the training targets of a regression, which is trained on (y − mean) / scale.
        why: how the task was recognised, in words.
    """

    target: str
    classes: tuple[Any, ...] | None
    mean: float
    scale: float
    why: str

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted."""
        return self.classes is not None

    def encoded(self, column: pd.Series[Any]) -> NDArray[Any]:
        """Class numbers (rows,), int; or standardised numbers (rows,), float."""
        if self.classes is None:
            return np.asarray((as_numbers(column) - self.mean) / self.scale)
        number = {value: place for place, value in enumerate(self.classes)}
        return np.asarray([number[_plain(value)] for value in column], np.int64)

    def decoded(self, predictions: NDArray[Any]) -> NDArray[Any]:
        """Classes or numbers in the target's own units, from logits (rows, classes) or predictions (rows,)."""
        if self.classes is None:
            return np.asarray(predictions * self.scale + self.mean)
        decoded: NDArray[Any] = np.asarray(self.classes)[np.argmax(predictions, axis=1)]
        return decoded


def recognise(
    table: pd.DataFrame, target: str, model: str | None, training_share: NDArray[np.intp] | None = None
) -> Task:
    """What the target column asks for.

    Args:
        table: all rows.
        target: name of the column.
        model: ``"linear"`` asks for numbers, ``"softmax"`` for classes; None and ``"mlp"`` follow the column.
        training_share: rows whose mean and scale standardise a regression; all by default.

    Raises:
        ValueError: no such column; missing or infinite targets (rows are named); a target that does not vary; text with
            a linear model.
    """
    if model is not None and model not in MODELS:
        raise unknown_name("model", model, MODELS)
    if target not in table:
        raise unknown_name("target column", target, [str(name) for name in table.columns])
    column = table[target]
    missing = np.flatnonzero(column.isna().to_numpy())
    if len(missing):
        rows = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
        raise ValueError(
            f"target {target!r} is missing in {len(missing)} rows ({rows}); drop those rows or fill them in"
        )
    if column.nunique() == 1:
        raise ValueError(f"target {target!r} is {_plain(column.iloc[0])!r} in every row; there is nothing to learn")
    classes, why = _recognised(column, model)
    if classes is not None:
        return Task(target, classes, 0.0, 1.0, why)
    values = as_numbers(column)
    if np.isinf(values).any():
        row = int(np.argmax(np.isinf(values)))
        raise ValueError(f"target {target!r} holds {values[row]} in row {row}; replace infinities or drop such rows")
    own = values if training_share is None else values[training_share]
    return Task(target, None, float(own.mean()), float(own.std()) or 1.0, why)


def _recognised(column: pd.Series[Any], model: str | None) -> tuple[tuple[Any, ...] | None, str]:
    distinct = column.nunique()
    numeric = is_numeric(column) and not pd.api.types.is_bool_dtype(column)
    if model == "linear":
        if not numeric:
            raise ValueError(
                f"model linear needs a target of numbers, got {column.dtype} in {column.name!r}; use softmax"
            )
        return None, "regression, because the linear model was asked for"
    classes = tuple(sorted((_plain(value) for value in column.unique()), key=lambda value: (str(type(value)), value)))
    if model == "softmax":
        if numeric and distinct > max(_MOST_CLASSES, len(column) // 5):
            raise ValueError(
                f"model softmax needs classes, got {distinct} different numbers in {column.name!r}; use linear"
            )
        return classes, f"classification into {distinct} classes, because the softmax model was asked for"
    if not numeric:
        return classes, f"classification into {distinct} classes, because the target is not a number"
    whole = bool(np.all(as_numbers(column) == np.round(as_numbers(column))))
    if whole and distinct <= _MOST_CLASSES:
        return classes, f"classification, because the target takes only {distinct} whole numbers"
    return None, f"regression, because the target takes {distinct} different numbers"


def _plain(value: Any) -> Any:
    """A class as JSON can hold it."""
    return value.item() if isinstance(value, np.generic) else value
