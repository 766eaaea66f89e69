"""Columns of Parquet files as a source of rows, read by row group."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.streams.sources import outline


@dataclass(frozen=True, eq=False)
class ParquetRows:
    """Columns of a Parquet file, or of all Parquet files of a folder in the order of their names.

    Args:
        path: a file, or a folder of files.
        columns: names of numeric columns, shape (rows, columns); or one name, shape (rows,). None for all.

    Raises:
        FileNotFoundError: there is no such file, or no Parquet file in the folder.
        ValueError: a column that is not there, or is not numeric.

    Only the columns asked for are read, a row group at a time; the last one is kept, so that neighbouring stretches do
    not read it twice. A missing number becomes NaN.

    Example:
        >>> import tempfile, pandas as pd
        >>> file = tempfile.mkdtemp() + "/table.parquet"
        >>> pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4], "target": [5.0, 6.0]}).to_parquet(file)
        >>> ParquetRows(file, ("a", "b")).read(1, 2)
        array([[2., 4.]])
    """

    path: str | Path
    columns: str | tuple[str, ...] | None = None
    _groups: list[tuple[str, int, int]] = field(default_factory=list, init=False, repr=False)
    _kept: dict[int, NDArray[Any]] = field(default_factory=dict, init=False, repr=False)
    names: tuple[str, ...] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        place = Path(self.path)
        files = sorted(place.rglob("*.parquet")) if place.is_dir() else [place]
        if not files or not files[0].is_file():
            raise FileNotFoundError(f"{place} is neither a Parquet file nor a folder that holds some")
        schema = pq.read_schema(files[0])
        asked = tuple(schema.names) if self.columns is None else self.columns
        for name in (asked,) if isinstance(asked, str) else asked:
            if name not in schema.names:
                raise ValueError(f"columns: {place} has no column {name!r}; it has {', '.join(schema.names)}")
            kind = schema.field(name).type
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
                raise ValueError(f"columns: {name!r} must be numeric, got {kind}; encode its categories first")
        object.__setattr__(self, "columns", asked if isinstance(asked, str) else tuple(asked))
        object.__setattr__(self, "names", None if isinstance(asked, str) else tuple(asked))
        for file in files:
            metadata = pq.read_metadata(file)
            for group in range(metadata.num_row_groups):
                self._groups.append((str(file), group, metadata.row_group(group).num_rows))

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), or (rows,) of a single name."""
        rows = sum(count for _, _, count in self._groups)
        return (rows,) if isinstance(self.columns, str) else (rows, len(self.columns or ()))

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64, or int64 for a single column of whole numbers."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if isinstance(self.columns, str):
            kind = pq.read_schema(self._groups[0][0]).field(self.columns).type
            return np.dtype("int64") if pa.types.is_integer(kind) else np.dtype("float64")
        return np.dtype("float64")

    @property
    def borders(self) -> tuple[int, ...]:
        """Those of the row groups."""
        return tuple(np.cumsum([0, *(count for _, _, count in self._groups)]).tolist())

    def fingerprint(self) -> list[Any]:
        """Names of the columns, shape and dtype."""
        return [self.columns, *outline(self)]

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Rows of a stretch."""
        borders = self.borders
        parts = [np.empty((0, *self.shape[1:]), self.dtype)]
        for number, (begin, end) in enumerate(pairwise(borders)):
            if begin < last and first < end:
                parts.append(self._group(number)[max(0, first - begin) : last - begin])
        return np.concatenate(parts)

    def _group(self, number: int) -> NDArray[Any]:
        import pyarrow.parquet as pq

        if number not in self._kept:
            file, group, _ = self._groups[number]
            names = [self.columns] if isinstance(self.columns, str) else list(self.columns or ())
            with pq.ParquetFile(file) as opened:
                table = opened.read_row_group(group, columns=names)
            columns = [np.asarray(table[name].to_numpy(), self.dtype) for name in names]
            self._kept.clear()
            self._kept[number] = columns[0] if isinstance(self.columns, str) else np.stack(columns, axis=1)
        return self._kept[number]

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the rows that were kept."""
        return {**self.__dict__, "_kept": {}}
