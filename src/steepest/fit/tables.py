"""A table that is read by column: in memory, or in a Parquet file of which only what is asked for is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steepest.datasets import check_file, csv_names, csv_separator, read_table, reading
from steepest.fit.values import check_names, named

_TOGETHER = 2**22
_MASKED = {
    "bool": "boolean",
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
}


class Table(Protocol):
    """What a fit asks of a table."""

    @property
    def source(self) -> str | None:
        """Its path, where it came from one."""

    @property
    def names(self) -> list[str]:
        """Of the columns, each once."""

    def __len__(self) -> int:
        """How many rows there are."""

    def columns(self, names: Sequence[str]) -> Iterator[pd.Series[Any]]:
        """Every row of each of some columns, a few columns in memory at a time."""

    def rows(self, positions: NDArray[np.intp], names: Sequence[str]) -> pd.DataFrame:
        """Some rows of some columns; positions in increasing order are read soonest."""

    def schema(self, names: Sequence[str]) -> Any:
        """The types of some columns, as Arrow has them: those of the whole table, whatever is in some of its rows."""


@dataclass(frozen=True, eq=False)
class FrameTable:
    """A table in memory.

    Args:
        data: its columns called by different strings.
        source: its path, where it came from one.
    """

    data: pd.DataFrame
    source: str | None = None

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self.data.columns)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.data)

    def columns(self, names: Sequence[str]) -> Iterator[pd.Series[Any]]:
        """Every row of each of some columns."""
        return (self.data[name] for name in names)

    def rows(self, positions: NDArray[np.intp], names: Sequence[str]) -> pd.DataFrame:
        """Some rows of some columns."""
        return self.data[list(names)].iloc[positions]

    def schema(self, names: Sequence[str]) -> Any:
        """The types of some columns.

        Raises:
            ValueError: a column holds values of several kinds, for which Arrow has no type.
        """
        import pyarrow as pa

        fields = []
        for name in names:
            try:
                fields.append(pa.Schema.from_pandas(self.data[[name]], preserve_index=False).field(0))
            except pa.ArrowException as error:
                raise ValueError(
                    f"column {name!r} has no type in Parquet: {error}; make its values of one kind, or write CSV"
                ) from error
        return pa.schema(fields)


class ParquetTable:
    """A Parquet file: columns are read when they are asked for, rows by row group.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no Parquet file, or has two columns of one name.
        PermissionError: the file may not be read.

    Example:
        >>> import tempfile
        >>> file = tempfile.mkdtemp() + "/table.parquet"
        >>> pd.DataFrame({"a": [1.0, 2.0], "b": ["u", "v"]}).to_parquet(file)
        >>> table = ParquetTable(file)
        >>> table.names, len(table), table.rows(np.array([1]), ["b"])["b"].tolist()
        (['a', 'b'], 2, ['v'])
    """

    def __init__(self, path: str | Path) -> None:
        import pyarrow as pa

        self.path = check_file(path)
        self.source: str | None = str(path)
        with reading(self.path):
            schema = self._opened().schema_arrow
            metadata = self._metadata
        stored = (schema.pandas_metadata or {}).get("index_columns", [])
        index = {name for name in stored if isinstance(name, str)}
        self._names = [name for name in schema.names if name not in index]
        check_names(self._names)
        # Decimals are read as floats.
        self.types = {
            field.name: pa.float64() if pa.types.is_decimal(field.type) else field.type
            for field in schema
            if field.name in self._names
        }
        self._texts = [
            n for n, kind in self.types.items() if pa.types.is_string(kind) or pa.types.is_large_string(kind)
        ]
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self.borders: tuple[int, ...] = tuple(np.cumsum([0, *counts]).tolist())
        self._kept: tuple[tuple[Any, ...], pd.DataFrame] | None = None

    @property
    def names(self) -> list[str]:
        """Of the columns, without those that pandas stored as an index."""
        return self._names

    def __len__(self) -> int:
        """How many rows there are."""
        return self.borders[-1]

    def columns(self, names: Sequence[str]) -> Iterator[pd.Series[Any]]:
        """Every row of each of some columns; as many are read together as make 32 MiB of float64, at least one."""
        together = max(1, _TOGETHER // max(1, len(self)))
        with reading(self.path):
            opened = self._opened(self._texts)
        for first in range(0, len(names), together):
            some = list(names[first : first + together])
            with reading(self.path):
                frame = self._frame(opened.read(columns=some), some)
            for name in some:
                yield frame[name]
            del frame

    def rows(self, positions: NDArray[np.intp], names: Sequence[str]) -> pd.DataFrame:
        """Some rows of some columns, a row group at a time; the last one is kept for the next call."""
        parts = []
        order = np.argsort(positions, kind="stable")
        ordered = positions[order]
        places = np.searchsorted(ordered, self.borders)
        for group, (begin, end) in enumerate(pairwise(places.tolist())):
            if begin < end:
                parts.append(self.group(group, names).iloc[ordered[begin:end] - self.borders[group]])
        if not parts:
            return self._frame(self.schema(names).empty_table(), names)
        found = pd.concat(parts, ignore_index=True) if len(parts) != 1 else parts[0].reset_index(drop=True)
        return found if np.array_equal(order, np.arange(len(order))) else found.iloc[np.argsort(order)]

    def schema(self, names: Sequence[str]) -> Any:
        """The types of some columns, by the file's metadata."""
        import pyarrow as pa

        return pa.schema([(name, self.types[name]) for name in names])

    def group(self, number: int, names: Sequence[str]) -> pd.DataFrame:
        """The rows of one row group."""
        wanted = (number, *names)
        kept = self._kept
        if kept is None or kept[0] != wanted:
            kept = self._kept = None
            with reading(self.path):
                table = self._opened().read_row_group(number, columns=list(names))
                kept = self._kept = wanted, self._frame(table, names)
        return kept[1]

    def group_bytes(self, names: Iterable[str]) -> int:
        """What the longest row group takes in memory, at eight bytes a value, by the file's metadata."""
        return max(end - begin for begin, end in pairwise(self.borders)) * 8 * len(list(names))

    @cached_property
    def _metadata(self) -> Any:
        import pyarrow.parquet as pq

        return pq.read_metadata(self.path)

    def _opened(self, texts: Sequence[str] = ()) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.path, metadata=self._metadata, read_dictionary=list(texts))

    def _frame(self, table: Any, names: Sequence[str]) -> pd.DataFrame:
        """As pandas has it, but for switches and whole numbers that are missing somewhere, which stay what they are."""
        import pyarrow as pa

        table = table.select(list(names))
        gaps = set()
        for place, name in enumerate(names):
            column = table.column(place)
            if pa.types.is_decimal(column.type):
                table = table.set_column(place, name, column.cast(self.types[name]))
            elif column.null_count and (pa.types.is_boolean(column.type) or pa.types.is_integer(column.type)):
                gaps.add(column.type)
        masked = {kind: pd.api.types.pandas_dtype(_MASKED[str(kind)]) for kind in gaps}
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, self_destruct=True, types_mapper=masked.get)
        for name in names if masked else ():
            kind = frame[name].dtype
            if (
                isinstance(kind, pd.api.extensions.ExtensionDtype)
                and kind in masked.values()
                and frame[name].notna().all()
            ):
                frame[name] = frame[name].to_numpy(kind.type)
        return frame


def opened_table(table: pd.DataFrame | str | Path, *, may_be_empty: bool = False) -> Table:
    """A table as a fit reads it: of a Parquet file nothing but the metadata is read yet.

    Args:
        table: a DataFrame, or the path of a CSV or Parquet file.
        may_be_empty: whether a file without rows will do.

    Raises:
        TypeError: neither a DataFrame nor a path.
        ValueError: two columns of one name; a file that cannot be read, or has no rows where it must have some.
        FileNotFoundError: there is no such file.
    """
    if not isinstance(table, str | Path):
        return FrameTable(named(table))
    if Path(table).suffix.lower() == ".parquet":
        opened = ParquetTable(table)
        if not len(opened) and not may_be_empty:
            raise ValueError(f"{table} holds no rows; a table needs at least one")
        return opened
    if may_be_empty:
        file = check_file(table)
        with reading(file):
            csv_names(file)
            head = pd.read_csv(file, nrows=1, sep=csv_separator(file))
        if head.empty:
            return FrameTable(named(head), str(table))
    return FrameTable(named(read_table(table)), str(table))
