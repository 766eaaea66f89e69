"""The features of a fit: all of them in memory in the order of its parts, or made anew from the file block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from steepest.fit.columns import Columns
from steepest.fit.rows import Rows
from steepest.fit.tables import ParquetTable, Table
from steepest.streams.sources import InMemory, outline

_BLOCK = 2**22


class Features(Protocol):
    """What a risk asks of the features."""

    def x(self, part: str) -> Any:
        """Those of a part of the rows, an array or a source; parts are those of :class:`Rows`."""

    def positions(self, part: str) -> NDArray[np.intp]:
        """The rows of a part in the order in which their features come."""

    def blocks(self, part: str) -> Iterator[NDArray[np.float64]]:
        """The features of a part, a block of rows at a time."""


@dataclass(frozen=True, eq=False)
class InOrder:
    """Features in memory: rows to train first, then those to choose by, then those to test, so that a part is a view.

    Attributes:
        array: shape (rows, features).
        rows: the positions of each part.
        names: of the features.
        long: whether parts are given as sources, to be read block by block.
    """

    array: NDArray[np.float64]
    rows: Rows
    names: tuple[str, ...]
    long: bool

    def x(self, part: str) -> Any:
        """Those of a part of the rows."""
        view = self.array[self._stretch(part)]
        return InMemory(view, self.names) if self.long else view

    def positions(self, part: str) -> NDArray[np.intp]:
        """The rows of a part."""
        return self.rows.part(part)

    def blocks(self, part: str) -> Iterator[NDArray[np.float64]]:
        """The features of a part, a block of rows at a time."""
        view = self.array[self._stretch(part)]
        step = max(1, _BLOCK // max(1, view.shape[1]))
        return (view[first : first + step] for first in range(0, len(view), step))

    def _stretch(self, part: str) -> slice:
        train, choose = len(self.rows.train), len(self.rows.validation)
        return {
            "train": slice(0, train),
            "validation": slice(train, train + choose),
            "together": slice(0, train + choose),
            "test": slice(train + choose, None),
        }[part]


def in_order(table: Table, columns: Columns, rows: Rows, long: bool) -> InOrder:
    """The features of a table in memory, made column by column."""
    order = np.concatenate([rows.together, rows.test])
    features = np.empty((len(order), columns.width))
    encoders = {column.name: column for column in columns.columns}
    # Rows of the result are far apart, so a few columns are written into them together.
    together = max(1, _BLOCK // len(order))
    waiting: list[NDArray[np.float64]] = []
    place = 0
    for number, column in enumerate(table.columns(columns.names), start=1):
        encoder = encoders[str(column.name)]
        block = np.empty((len(order), encoder.width))
        encoder.write(column.iloc[order], block)
        waiting.append(block)
        width = sum(part.shape[1] for part in waiting)
        if width >= together or number == len(encoders):
            np.concatenate(waiting, axis=1, out=features[:, place : place + width])
            waiting.clear()
            place += width
    return InOrder(features, rows, tuple(columns.feature_names), long)


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """A source of features: some rows of a Parquet file, encoded when they are read.

    Attributes:
        table: the file.
        columns: from its columns to features.
        positions: of the rows, in increasing order.
        names: of the features.
    """

    table: ParquetTable
    columns: Columns
    positions: NDArray[np.intp]
    names: tuple[str, ...] | None

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, features)."""
        return (len(self.positions), self.columns.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64."""
        return np.dtype(np.float64)

    @property
    def borders(self) -> tuple[int, ...]:
        """Those of the row groups, as far as their rows are among these."""
        found = np.searchsorted(self.positions, self.table.borders)
        return tuple(sorted({0, len(self.positions), *found.tolist()}))

    def fingerprint(self) -> list[Any]:
        """Columns, shape and dtype."""
        return [self.columns.to_json(), *outline(self)]

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Features of a stretch."""
        return self.columns.encoded(self.table.rows(self.positions[first:last], self.columns.names))


@dataclass(frozen=True, eq=False)
class Streamed:
    """Features that are read from a Parquet file whenever they are asked for.

    Attributes:
        table: the file.
        columns: from its columns to features.
        rows: the positions of each part.
    """

    table: ParquetTable
    columns: Columns
    rows: Rows

    def x(self, part: str) -> Any:
        """A source of those of a part of the rows."""
        return EncodedRows(self.table, self.columns, self.positions(part), tuple(self.columns.feature_names))

    def positions(self, part: str) -> NDArray[np.intp]:
        """The rows of a part in the order of the file."""
        return np.sort(self.rows.part(part))

    def blocks(self, part: str) -> Iterator[NDArray[np.float64]]:
        """The features of a part, a block of rows at a time."""
        source = self.x(part)
        step = max(1, _BLOCK // self.columns.width)
        return (source.read(first, min(first + step, source.shape[0])) for first in range(0, source.shape[0], step))
