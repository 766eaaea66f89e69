"""Sources of rows that need not fit in memory: memory-mapped files, Zarr and Dask arrays, and arrays that do fit."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 2**25


def outline(source: Source) -> list[Any]:
    """Shape and dtype: what a specification says of a source, whose rows the stream around it looks into."""
    return [list(source.shape), str(source.dtype)]


@runtime_checkable
class Source(Protocol):
    """Rows that are read a stretch at a time; can be pickled, and opened again where they are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the columns, where they have some."""

    @property
    def borders(self) -> tuple[int, ...]:
        """Row numbers at which it is best cut, 0 and the number of rows among them."""

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Rows ``first`` to ``last`` - 1, in memory."""


@dataclass(frozen=True, eq=False)
class InMemory:
    """An array that is in memory, beside others that are not."""

    array: NDArray[Any]
    names: tuple[str, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        return self.array.dtype

    @property
    def borders(self) -> tuple[int, ...]:
        """Anywhere will do."""
        return (0, len(self.array))

    def fingerprint(self) -> list[Any]:
        """See :func:`outline`."""
        return outline(self)

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Rows of a stretch."""
        return self.array[first:last]


@dataclass(frozen=True, eq=False)
class Part:
    """A stretch of an array in memory, under the row numbers of the whole."""

    array: Any
    first: int
    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    @property
    def borders(self) -> tuple[int, ...]:
        """Anywhere will do."""
        return (0, self.shape[0])

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Rows of a stretch within the part."""
        part: NDArray[Any] = self.array[first - self.first : last - self.first]
        return part


def within(source: Source, first: int, last: int) -> Source:
    """What of a source must travel to read a stretch of its rows: of an array in memory only those."""
    return Part(source.array[first:last], first, source.shape, source.names) if isinstance(source, InMemory) else source


@dataclass(frozen=True, eq=False)
class MemoryMapped:
    """A ``numpy.memmap`` of whole rows in a file, as ``np.load(..., mmap_mode="r")`` makes it.

    Rows are copied, and the pages they were on given back to the system, so that resident memory does not grow with
    what has been read.
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    names: None = None

    @classmethod
    def of(cls, array: np.memmap[Any, Any]) -> MemoryMapped:
        """The source of a memory-mapped array or of a stretch of its rows.

        Raises:
            ValueError: its rows do not lie one after the other in the file.
        """
        if not array.flags.c_contiguous or array.filename is None:
            raise ValueError(
                f"a memory-mapped array must hold whole rows one after the other, got strides {array.strides} for "
                f"shape {array.shape}; map the file in C order and take rows with array[first:last]"
            )
        base = array
        while isinstance(base.base, np.memmap):
            base = base.base
        inside = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        return cls(str(array.filename), int(base.offset) + inside, array.shape, array.dtype)

    @property
    def borders(self) -> tuple[int, ...]:
        """Anywhere will do."""
        return (0, self.shape[0])

    def fingerprint(self) -> list[Any]:
        """See :func:`outline`."""
        return outline(self)

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Rows of a stretch."""
        row = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        begin = self.offset + first * row
        # A mapping begins at a page.
        skipped = begin % mmap.ALLOCATIONGRANULARITY
        length = (last - first) * row
        if not length:
            return np.empty((0, *self.shape[1:]), self.dtype)
        with (
            open(self.path, "rb") as file,  # noqa: PTH123 — a mapping wants the number of an open file
            mmap.mmap(file.fileno(), length + skipped, offset=begin - skipped, access=mmap.ACCESS_READ) as pages,
        ):
            flat = np.frombuffer(pages, self.dtype, (length // self.dtype.itemsize), skipped).copy()
        return flat.reshape(last - first, *self.shape[1:])


@dataclass(frozen=True, eq=False)
class Chunked:
    """An array that is cut into chunks and read by slices: a ``zarr.Array`` or a ``dask.array.Array``."""

    array: Any
    borders: tuple[int, ...]
    names: None = None

    @classmethod
    def of(cls, array: Any, name: str) -> Chunked:
        """The source of such an array.

        Raises:
            ValueError: the sizes of its chunks are not known.
        """
        if any(np.isnan(size) for size in array.shape):
            raise ValueError(f"{name} has chunks of unknown size, {array.shape}; call {name}.compute_chunk_sizes()")
        rows = int(array.shape[0])
        chunks = array.chunks[0]
        ends = np.cumsum(chunks) if isinstance(chunks, Sequence) else np.arange(chunks, rows + chunks, chunks)
        return cls(array, (0, *sorted({min(int(end), rows) for end in ends})))

    @property
    def is_dask(self) -> bool:
        """Whether it is a graph that a cluster can work off where the data lie."""
        return hasattr(self.array, "compute")

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""
        return tuple(int(size) for size in self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def fingerprint(self) -> list[Any]:
        """See :func:`outline`."""
        return outline(self)

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Rows of a stretch."""
        part = self.array[first:last]
        return np.asarray(part.compute() if self.is_dask else part)


def as_source(value: Any, name: str = "x") -> Source | None:
    """The source that a value is or stands for; None for what is an array in memory, or becomes one.

    Raises:
        ValueError: it has no rows, or cannot be read by rows.

    >>> as_source(np.zeros((3, 2))) is None
    True
    """
    home = type(value).__module__.partition(".")[0]
    if isinstance(value, np.memmap):
        source: Source = MemoryMapped.of(value)
    elif home in ("zarr", "dask") and hasattr(value, "chunks"):
        source = Chunked.of(value, name)
    elif not isinstance(value, np.ndarray) and isinstance(value, Source):
        source = value
    else:
        return None
    if not source.shape or source.shape[0] == 0:
        raise ValueError(f"{name} must have at least one row, got shape {source.shape}")
    if source.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be numeric, got {source.dtype}")
    return source


def cuts(x: Source, y: Source, block_bytes: int = _BLOCK_BYTES) -> tuple[int, ...]:
    """Row numbers, from 0 to the number of rows, that cut two sources into blocks of at most so many bytes of float64.

    Borders of ``x`` are kept where blocks between them are of fitting size; longer stretches are cut evenly, shorter
    ones put together.
    """
    rows = x.shape[0]
    width = sum(int(np.prod(source.shape[1:], dtype=np.int64)) for source in (x, y))
    most = max(1, block_bytes // (8 * width))
    found = [0]
    for border in x.borders[1:]:
        begun = found[-1]
        if border - begun > most:
            pieces = -(-(border - begun) // most)
            found.extend(begun + (border - begun) * piece // pieces for piece in range(1, pieces))
        if len(found) > 1 and border - found[-2] <= most and found[-1] in x.borders:
            found.pop()
        found.append(border)
    return tuple(found) if found[-1] == rows else (*found, rows)
