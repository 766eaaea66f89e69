"""What a target asks for: a number or a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steepest.errors import unknown_name
from steepest.fit.values import as_numbers, foreign_kinds, is_numeric

MODELS = ("linear", "softmax", "mlp")
_MOST_CLASSES = 20
_PARTS = 3


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
        codes, found = pd.factorize(column)
        return np.asarray([number[_plain(value)] for value in found], np.int64)[codes]

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
        count = f"{len(missing)} row{'s' * (len(missing) != 1)}"
        hint = "" if is_numeric(column) else "; of a CSV file NA, N/A, NULL, None, nan and empty cells read as missing"
        raise ValueError(
            f"target {target!r} is missing in {count} ({rows}); drop those rows or fill them in{hint}"
            + (", so give a class that is called so another name" if hint else "")
        )
    kinds = foreign_kinds(column)
    if kinds:
        raise ValueError(f"target {target!r} holds values of kind {', '.join(kinds)}; convert them to numbers or text")
    distinct = _distinct(column)
    if distinct == 1:
        raise ValueError(f"target {target!r} is {_plain(column.iloc[0])!r} in every row; there is nothing to learn")
    classes, why = _recognised(column, model, distinct)
    if classes is not None:
        return Task(target, classes, 0.0, 1.0, why)
    values = as_numbers(column)
    own = values if training_share is None else values[training_share]
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(own.mean()), float(own.std()) or 1.0
    if not np.isfinite([mean, scale]).all():
        raise ValueError(f"target {target!r} is too large to standardise, up to {np.abs(own).max():.3g}; rescale it")
    return Task(target, None, mean, scale, why)


def _distinct(column: pd.Series[Any]) -> int:
    """How many different values; of numbers by putting them in order, which takes less memory than a hash table."""
    if not is_numeric(column):
        return int(column.nunique())
    ordered = np.sort(as_numbers(column))
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _recognised(column: pd.Series[Any], model: str | None, distinct: int) -> tuple[tuple[Any, ...] | None, str]:
    """The classes, or None for numbers; and why."""
    numeric = is_numeric(column) and not pd.api.types.is_bool_dtype(column)
    whole = numeric and _is_whole(as_numbers(column))
    if model == "linear":
        if not numeric:
            raise ValueError(
                f"model linear needs a target of numbers, got {column.dtype} in {column.name!r}; use softmax"
            )
        return None, "regression, because the linear model was asked for"
    if model == "softmax":
        if numeric and distinct > max(_MOST_CLASSES, len(column) // 5):
            raise ValueError(
                f"model softmax needs classes, got {distinct} different numbers in {column.name!r}; use linear"
            )
        why = f"classification into {distinct} classes, because the softmax model was asked for"
    elif not numeric:
        why = f"classification into {distinct} classes, because the target is not a number"
    elif whole and distinct <= min(_MOST_CLASSES, len(column) // 2):
        why = f"classification, because the target takes only {distinct} whole numbers"
    else:
        return None, f"regression, because the target takes {distinct} different numbers"
    return _classes(column), why + _rare(column)


def _is_whole(values: NDArray[np.float64]) -> bool:
    return bool(np.all(values == np.round(values)))


def _classes(column: pd.Series[Any]) -> tuple[Any, ...]:
    """The classes in order."""
    classes = [_plain(value) for value in column.unique()]
    kinds = {type(value).__name__ for value in classes}
    if len(kinds) > 1:
        raise ValueError(
            f"target {column.name!r} holds classes of several kinds: {', '.join(sorted(kinds))}; make all of them text"
        )
    if len(classes) == len(column):
        raise ValueError(f"target {column.name!r} is different in every row; classes must be met more than once")
    return tuple(sorted(classes))


def _rare(column: pd.Series[Any]) -> str:
    """A warning about classes with fewer rows than there are parts of the table."""
    counts = column.value_counts()
    rare = [repr(_plain(value)) for value in counts.index[(counts > 0) & (counts < _PARTS)]]
    return f"; too few rows to learn, choose and test with: {', '.join(rare[:5])}" if rare else ""


def _plain(value: Any) -> Any:
    """A class as JSON can hold it."""
    return value.item() if isinstance(value, np.generic) else value
