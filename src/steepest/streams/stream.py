"""A stream: features and targets that are read block by block, in order or shuffled."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from steepest.streams.sources import InMemory, Source, as_source, cuts, within

_SHUFFLED = 3
_BUFFER_BLOCKS = 4
_FINGERPRINT_ROWS = 256

Item = TypeVar("Item")


class Rows(NamedTuple):
    """Rows in memory; ``weights`` are zero for rows that only fill up a shape."""

    x: NDArray[Any]
    y: NDArray[Any]
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stream:
    """Features, targets and weights, cut into blocks.

    Attributes:
        x, y: where rows are read from.
        weights: how much each row counts, mean one; None counts all alike.
        cuts: row numbers that part the blocks.
    """

    x: Source
    y: Source
    weights: NDArray[np.float64] | None
    cuts: tuple[int, ...]

    @classmethod
    def of(cls, x: Any, y: Any, weights: NDArray[np.float64] | None) -> Stream:
        """The stream of two values, at least one of which is a source."""
        sources = [as_source(value, name) or InMemory(np.asarray(value)) for value, name in ((x, "x"), (y, "y"))]
        return cls(sources[0], sources[1], weights, cuts(sources[0], sources[1]))

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.x.shape[0]

    @property
    def block_rows(self) -> int:
        """Rows of the longest block."""
        return int(np.diff(self.cuts).max())

    def fingerprint(self) -> dict[str, Any]:
        """Words that change with the data, from a few of its rows."""
        places = sorted({0, self.rows // 2, max(0, self.rows - _FINGERPRINT_ROWS)})
        some = [self._read(place, min(place + _FINGERPRINT_ROWS, self.rows)) for place in places]
        return {
            "rows": self.rows,
            "x": np.concatenate([np.ravel(rows.x) for rows in some]),
            "y": np.concatenate([np.ravel(rows.y) for rows in some]),
            "weights": self.weights,
        }

    @cached_property
    def example(self) -> Rows:
        """The first rows; targets that are whole numbers from the smallest to the largest of all."""
        rows = self._read(0, min(2, self.rows))
        if self.y.dtype.kind in "iu" and len(self.y.shape) == 1:
            ends = [(part.min(), part.max()) for part in (self.y.read(*span) for span in self.spans)]
            lowest, highest = min(low for low, _ in ends), max(high for _, high in ends)
            return rows._replace(y=np.asarray([highest, lowest], rows.y.dtype)[: len(rows.y)])
        return rows

    def only(self, first: int, last: int) -> Stream:
        """The same stream, without what is in memory of other rows than a stretch; rows keep their numbers."""
        return replace(self, x=within(self.x, first, last), y=within(self.y, first, last))

    @property
    def spans(self) -> list[tuple[int, int]]:
        """(first, last + 1) of each block."""
        return list(zip(self.cuts, self.cuts[1:], strict=False))

    def blocks(self, spans: Iterable[tuple[int, int]] | None = None) -> Iterator[Rows]:
        """The blocks in order, all of one length; the next one is read while one is worked on."""
        length = self.block_rows
        return ahead(_filled(self._read(*span), length) for span in (self.spans if spans is None else spans))

    def buffers(self, seed: int, epoch: int, batch_size: int) -> Iterator[tuple[Rows, NDArray[np.int32]]]:
        """(rows, plan) for an epoch that sees each row once: a few blocks at a time, in shuffled order, rows shuffled.

        A plan holds the numbers of rows, within the buffer, of each batch, shape (steps, batch_size); rows that do not
        make a whole batch go into the next buffer, and into a smaller last batch at the end.
        """
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _SHUFFLED, epoch])))
        order = generator.permutation(len(self.spans))
        groups = [order[start : start + _BUFFER_BLOCKS] for start in range(0, len(order), _BUFFER_BLOCKS)]
        return ahead(self._buffers(groups, generator, batch_size))

    def _buffers(self, groups: list[Any], generator: Any, size: int) -> Iterator[tuple[Rows, NDArray[np.int32]]]:
        most = _BUFFER_BLOCKS * self.block_rows + size
        left: Rows | None = None
        for number, group in enumerate(groups):
            rows, count = self._gathered(group, left, most)
            shuffled = generator.permutation(count)
            last = number == len(groups) - 1
            steps = -(-count // size) if last else count // size
            plan = np.full((-(-most // size), size), -1, np.int32)
            used = min(count, steps * size)
            plan.reshape(-1)[:used] = shuffled[:used]
            rest = np.sort(shuffled[used:])
            left = Rows(*(column[rest] for column in rows)) if len(rest) else None
            if steps:
                yield rows, plan[:steps]

    def _gathered(self, group: Any, left: Rows | None, most: int) -> tuple[Rows, int]:
        """The rows of some blocks and those left over, in front in arrays of ``most`` rows; and how many they are."""
        rows: Rows | None = None
        count = 0
        parts = [] if left is None else [left]
        for part in itertools.chain(parts, (self._read(*self.spans[place]) for place in group)):
            if rows is None:
                # Filled from the start, for what is not used must be numbers too.
                rows = Rows(*(np.zeros((most, *column.shape[1:]), column.dtype) for column in part))
            for column, own in zip(rows, part, strict=True):
                column[count : count + len(own)] = own
            count += len(part.x)
        assert rows is not None
        return rows, count

    def _read(self, first: int, last: int) -> Rows:
        x, y = self.x.read(first, last), self.y.read(first, last)
        weights = np.ones(last - first) if self.weights is None else self.weights[first:last]
        return Rows(x.astype(float) if x.dtype == bool else x, y.astype(float) if y.dtype == bool else y, weights)


def _filled(rows: Rows, length: int) -> Rows:
    """Rows filled up with rows that count for nothing."""
    missing = length - len(rows.x)
    if not missing:
        return rows
    x, y = (np.concatenate([part, np.broadcast_to(part[:1], (missing, *part.shape[1:]))]) for part in rows[:2])
    return Rows(x, y, np.concatenate([rows.weights, np.zeros(missing)]))


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items of an iterable, each made in another thread while the one before is worked on."""
    iterator, nothing = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, nothing)
        while (item := coming.result()) is not nothing:
            coming = pool.submit(next, iterator, nothing)
            yield item  # type: ignore[misc]
