"""A saved model on a table of any length: read by block, predicted, and written by block."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from steepest.errors import unknown_name
from steepest.fit.columns import Columns
from steepest.fit.encoders import NumericColumn
from steepest.fit.predictor import Predictor
from steepest.fit.tables import Table, opened_table
from steepest.fit.values import as_numbers

_BLOCK = 2**22
_MOST_ROWS = 2**17
_NONE = "no block of predictions came, so that no columns are known; a table without rows is a block as well"


def predictions(
    predictor: Predictor,
    table: pd.DataFrame | str | Path,
    *,
    carry: Sequence[str] = (),
    unknown: dict[str, int] | None = None,
    empty: dict[str, int] | None = None,
    beyond: dict[str, int] | None = None,
) -> Predictions:
    """Predictions of a model for every row of a table, a block of rows at a time, in the order of the table.

    Args:
        predictor: the model.
        table: a DataFrame, or the path of a CSV or Parquet file; of a Parquet file only the columns used are read.
        carry: columns of the table that are put in front, such as what names the row.
        unknown: column → rows whose category the model has never seen; counted up.
        empty: column → rows without a value; counted up.
        beyond: column → rows with another number than 0 and 1, where training had those alone; counted up.

    Returns:
        an iterator over tables: the columns carried, ``predicted_TARGET``, and for classes ``probability_CLASS`` of
        each. Of a table without rows there is one, without rows.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: columns that the model uses are not there or hold something else, each named; before the first
            block where their names tell.

    Example:
        >>> from steepest import datasets
        >>> from steepest.fit import fit
        >>> iris = datasets.bundled("iris")
        >>> fitted = fit(iris, "target", epochs=50, learning_rate=0.1)
        >>> found = next(predictions(fitted.predictor, iris.drop(columns="target")))
        >>> list(found), len(found)
        (['predicted_target', 'probability_setosa', 'probability_versicolor', 'probability_virginica'], 150)
    """
    opened = opened_table(table, may_be_empty=True)
    predictor.columns.check(opened.names)
    for name in carry:
        if name not in opened.names:
            raise unknown_name("column to carry", name, opened.names)
    _check_names(predictor, carry)
    counts = ({} if found is None else found for found in (unknown, empty, beyond))
    return Predictions(predictor, opened, tuple(dict.fromkeys(carry)), *counts)


@dataclass(eq=False)
class Predictions(Iterator[pd.DataFrame]):
    """What :func:`predictions` returns: blocks of predictions, and the types of their columns.

    Attributes:
        predictor: the model.
        table: what it is asked about.
        carry: columns of the table that are put in front.
        unknown: column → rows so far whose category the model has never seen.
        empty: column → rows so far without a value.
        beyond: column → rows so far with another number than 0 and 1, where training had those alone.
    """

    predictor: Predictor
    table: Table
    carry: tuple[str, ...]
    unknown: dict[str, int]
    empty: dict[str, int]
    beyond: dict[str, int]
    _blocks: Iterator[pd.DataFrame] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._blocks = _blocks(self)

    def __next__(self) -> pd.DataFrame:
        """The next block."""
        return next(self._blocks)

    def schema(self) -> Any:
        """The types of the columns, as Arrow has them; what is carried keeps its type whatever is in some of its rows.

        Raises:
            ValueError: a column that is carried holds values of several kinds.
        """
        import pyarrow as pa

        classes = self.predictor.task.classes
        found = pa.float64() if classes is None else pa.array(list(classes)).type
        shares = [(name, pa.float64()) for name in _probabilities(self.predictor)]
        return pa.schema([*self.table.schema(self.carry), (_predicted(self.predictor), found), *shares])


def _blocks(asked: Predictions) -> Iterator[pd.DataFrame]:
    predictor, table, carry = asked.predictor, asked.table, asked.carry
    columns = predictor.columns
    wanted = [name for name in table.names if name in {*columns.names, *carry}]
    step = max(1, min(_MOST_ROWS, _BLOCK // max(1, columns.width)))
    for first in range(0, max(1, len(table)), step):
        rows = table.rows(np.arange(first, min(first + step, len(table))), wanted)
        outputs = predictor.outputs_of(columns.encoded(rows, first, asked.unknown))
        _count(columns, rows, asked)
        found: dict[str, Any] = {name: rows[name].array for name in carry}
        found[_predicted(predictor)] = predictor.task.decoded(outputs)
        if predictor.task.is_classification:
            shares = predictor.probabilities_of(outputs)
            found |= dict(zip(_probabilities(predictor), shares.T, strict=True))
        yield pd.DataFrame(found)


def _count(columns: Columns, rows: pd.DataFrame, asked: Predictions) -> None:
    """What looks odd in some rows, counted up: no value, and another number than a switch has."""
    for column in columns.columns:
        values = rows[column.name]
        missing = int(values.isna().sum())
        if missing:
            asked.empty[column.name] = asked.empty.get(column.name, 0) + missing
        if isinstance(column, NumericColumn) and column.is_switch:
            numbers = as_numbers(values)
            other = int(np.count_nonzero(~(np.isnan(numbers) | np.isin(numbers, (0.0, 1.0)))))
            if other:
                asked.beyond[column.name] = asked.beyond.get(column.name, 0) + other


def _predicted(predictor: Predictor) -> str:
    return f"predicted_{predictor.task.target}"


def _probabilities(predictor: Predictor) -> list[str]:
    return [f"probability_{name}" for name in predictor.task.classes or ()]


def _check_names(predictor: Predictor, carry: Sequence[str]) -> None:
    taken = {_predicted(predictor), *_probabilities(predictor)}
    for name in carry:
        if name in taken:
            raise ValueError(f"{name!r} cannot be carried, as the predictions are called so; rename it in the table")


def write_predictions(blocks: Iterator[pd.DataFrame], to: Path | TextIO) -> int:
    """Write predictions block by block: to a ``.csv`` or ``.parquet`` file, or as CSV to a stream.

    A file appears once it is complete; where something fails on the way, what was there before is still there. Of a
    table without rows it has the columns and no rows.

    Args:
        blocks: what :func:`predictions` returned, or other tables with the same columns each; at least one.
        to: where to.

    Returns:
        how many rows were written.

    Raises:
        ValueError: as :func:`predictions`; not a single block.
        OSError: the file cannot be written.
    """
    if not isinstance(to, Path):
        return _as_csv(blocks, to)
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(f".{to.name}.{os.getpid()}.partial")
    try:
        if to.suffix.lower() == ".parquet":
            count = _as_parquet(blocks, partial)
        else:
            with partial.open("w", encoding="utf-8", newline="") as stream:
                count = _as_csv(blocks, stream)
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _as_csv(blocks: Iterator[pd.DataFrame], stream: TextIO) -> int:
    count, begun = 0, False
    for block in blocks:
        block.to_csv(stream, index=False, header=not begun)
        count, begun = count + len(block), True
    if not begun:
        raise ValueError(_NONE)
    return count


def _as_parquet(blocks: Iterator[pd.DataFrame], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, writer = 0, None
    schema = blocks.schema() if isinstance(blocks, Predictions) else None
    try:
        for block in blocks:
            # Without what pandas would note of the first block's types, which may not be those of the next ones.
            table = pa.Table.from_pandas(block, schema=schema, preserve_index=False).replace_schema_metadata()
            if writer is None:
                schema = table.schema
                writer = pq.ParquetWriter(path, schema)
            writer.write_table(table)
            count += len(block)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise ValueError(_NONE)
    return count
