"""Which rows of the data each step sees.

A plan answers one question, :meth:`Plan.rows`: the row numbers of any stretch of steps. It is a function of the
seed and the step alone, so that a run split into chunks, resumed, or put beside others sees the same rows.

The plans follow chapter 15.7: the full batch, the single sample drawn uniformly with replacement, and the
mini-batch. An epoch of a shuffled plan is one permutation of the rows cut into batches; the last one holds what is
left over and its gradient is the mean over the rows it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]

_DRAWS_PER_STREAM = 4096
_SHUFFLED, _WITH_REPLACEMENT = 1, 2


@runtime_checkable
class Plan(Protocol):
    """What descent asks of a batch plan."""

    @property
    def width(self) -> int:
        """Places in a batch; a place that holds -1 is empty."""

    def steps_per_epoch(self, rows: int) -> int:
        """Steps that make one pass over ``rows`` rows."""

    def rows(self, seed: int, first: int, count: int, rows: int) -> Rows:
        """Row numbers of steps ``first`` to ``first + count - 1``, shape (count, width), int32, -1 where empty."""

    def check(self, rows: int) -> None:
        """Raise ValueError where the plan does not fit data of ``rows`` rows."""


def _generator(seed: int, kind: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, kind, stream])))


@dataclass(frozen=True)
class Shuffled:
    """See :func:`shuffled`."""

    width: int

    def steps_per_epoch(self, rows: int) -> int:
        """Steps that make one pass: rows / width, rounded up."""
        return -(-rows // self.width)

    def rows(self, seed: int, first: int, count: int, rows: int) -> Rows:
        """Row numbers of a stretch of steps; see :class:`Plan`."""
        if count == 0:
            return np.empty((0, self.width), np.int32)
        per_epoch = self.steps_per_epoch(rows)
        epochs = range(first // per_epoch, (first + count - 1) // per_epoch + 1)
        order = np.full((len(epochs), per_epoch * self.width), -1, np.int32)
        for place, epoch in enumerate(epochs):
            order[place, :rows] = _generator(seed, _SHUFFLED, epoch).permutation(rows)
        skip = first - epochs[0] * per_epoch
        return order.reshape(-1, self.width)[skip : skip + count]

    def check(self, rows: int) -> None:
        """A batch cannot be larger than the data."""
        _check_width(self.width, rows)


@dataclass(frozen=True)
class WithReplacement:
    """See :func:`with_replacement`."""

    width: int

    def steps_per_epoch(self, rows: int) -> int:
        """Steps that see as many rows as there are: rows / width, rounded up."""
        return -(-rows // self.width)

    def rows(self, seed: int, first: int, count: int, rows: int) -> Rows:
        """Row numbers of a stretch of steps; see :class:`Plan`."""
        if count == 0:
            return np.empty((0, self.width), np.int32)
        streams = range(first // _DRAWS_PER_STREAM, (first + count - 1) // _DRAWS_PER_STREAM + 1)
        draws = [
            _generator(seed, _WITH_REPLACEMENT, stream).integers(
                rows, size=(_DRAWS_PER_STREAM, self.width), dtype=np.int32
            )
            for stream in streams
        ]
        skip = first - streams[0] * _DRAWS_PER_STREAM
        return np.concatenate(draws)[skip : skip + count]

    def check(self, rows: int) -> None:
        """A batch cannot be larger than the data."""
        _check_width(self.width, rows)


@dataclass(frozen=True, eq=False)
class Explicit:
    """See :func:`explicit`."""

    plan: Rows
    epoch: int | None = None

    @property
    def width(self) -> int:
        """Places in a batch."""
        return int(self.plan.shape[1])

    def steps_per_epoch(self, rows: int) -> int:
        """Steps of one pass: as given, or as many as it takes to see ``rows`` rows."""
        return self.epoch if self.epoch is not None else -(-rows // self.width)

    def rows(self, seed: int, first: int, count: int, rows: int) -> Rows:
        """Row numbers of a stretch of steps; see :class:`Plan`. The seed plays no part.

        Raises:
            ValueError: the plan ends before the last of the steps.
        """
        if first + count > len(self.plan):
            raise ValueError(
                f"batch_size: the explicit plan has {len(self.plan)} steps, the run needs {first + count}; "
                "give a longer plan or fewer steps"
            )
        return self.plan[first : first + count]

    def check(self, rows: int) -> None:
        """Row numbers must be those of the data."""
        if self.plan.max() >= rows:
            step, place = np.argwhere(self.plan >= rows)[0]
            raise ValueError(
                f"batch_size: the explicit plan asks for row {self.plan[step, place]} at step {step}, "
                f"but the data has rows 0 to {rows - 1}"
            )


def shuffled(batch_size: int) -> Shuffled:
    """Mini-batches: each epoch is one permutation of the rows, cut into batches of ``batch_size``.

    The ragged last batch is kept; its gradient is the mean over the rows it has (chapter 15.7).

    Raises:
        TypeError: the batch size is not a whole number.
        ValueError: it is below 1.

    >>> shuffled(32).steps_per_epoch(200)
    7
    >>> sorted(row for batch in shuffled(2).rows(seed=0, first=0, count=3, rows=5) for row in batch.tolist())
    [-1, 0, 1, 2, 3, 4]
    """
    return Shuffled(_positive(batch_size))


def with_replacement(batch_size: int) -> WithReplacement:
    """Batches whose rows are drawn uniformly and independently, with replacement.

    Raises:
        TypeError: the batch size is not a whole number.
        ValueError: it is below 1.

    >>> with_replacement(4).rows(seed=0, first=10, count=2, rows=100).shape
    (2, 4)
    """
    return WithReplacement(_positive(batch_size))


def single() -> WithReplacement:
    """One row a step, drawn uniformly with replacement: the stochastic gradient descent of chapter 15.7."""
    return with_replacement(1)


def explicit(plan: Sequence[Any] | NDArray[Any], steps_per_epoch: int | None = None) -> Explicit:
    """The rows of every step, written out.

    Args:
        plan: ints, shape (steps, width) or (steps,) for one row a step; -1 marks an empty place.
        steps_per_epoch: how many steps count as one epoch; by default as many as it takes to see every row once.

    Raises:
        TypeError: the plan does not hold whole numbers.
        ValueError: it is empty, has more than two dimensions, a number below -1, or a step without a row.

    >>> explicit([0, 1, 0]).rows(seed=0, first=1, count=2, rows=2).tolist()
    [[1], [0]]
    """
    array = np.asarray(plan)
    if array.dtype == object or not np.issubdtype(array.dtype, np.integer):
        raise TypeError(
            f"plan must hold whole numbers in equally long rows, got an array of {array.dtype}; pad with -1"
        )
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"plan must have shape (steps, width) and hold at least one row, got {array.shape}")
    if array.min() < -1:
        raise ValueError(f"plan must hold row numbers, or -1 for an empty place, got {array.min()}")
    if np.any(np.all(array < 0, axis=1)):
        raise ValueError(f"plan has no row at step {int(np.argmax(np.all(array < 0, axis=1)))}; every step needs one")
    if steps_per_epoch is not None:
        steps_per_epoch = _positive(steps_per_epoch, "steps_per_epoch")
    return Explicit(array.astype(np.int32), steps_per_epoch)


def as_plan(batch_size: Any) -> Plan | None:
    """The plan that a ``batch_size`` argument stands for; None is the full batch.

    1 is :func:`single`, a larger number is :func:`shuffled`, a plan is itself.

    >>> as_plan(1), as_plan(32), as_plan(None)
    (WithReplacement(width=1), Shuffled(width=32), None)
    """
    if batch_size is None or isinstance(batch_size, Plan):
        return batch_size
    size = _positive(batch_size)
    return single() if size == 1 else shuffled(size)


def _positive(value: Any, name: str = "batch_size") -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)


def _check_width(width: int, rows: int) -> None:
    if width > rows:
        raise ValueError(f"batch_size={width} is larger than the data, which has {rows} rows; None takes all of them")
