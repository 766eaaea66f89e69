"""How the runs of a job are cut: into blocks, which one call of a compiled program advances, and tasks of some blocks.

The traced axes of a cell make a box of runs. Blocks and tasks are boxes within it that are whole along the last axes,
a slice of one axis, and one place of those before, so that each is one stretch of lane numbers and one region of a
labelled array. The size of a block bounds memory and keeps the state of small problems within a core's cache; a task
is what is written to a store, or sent to a cluster, at once.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from steepest.descent.job import Job
from steepest.descent.state import Program

# The lane numbers and data-order numbers of a block's runs.
Block = tuple[NDArray[Any], NDArray[Any]]

_ROOM_BYTES = 2**26
_CACHED_LANES = 1024
_CACHED_NUMBERS = 2**15
_LEAST_LANES = 512
_BLOCK_NUMBERS = 2**24
_ACCELERATOR_LANES = 2**18
_SHORTEST_PLAN = 256
_USUAL_RECORDS = 1024
_SMALL_BYTES = 2**20
_LONG_STRETCH = 64
_FLAT_PARAMETERS = 4096


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


@dataclass(frozen=True)
class Task:
    """A box of runs that is run, stored or sent at once.

    Attributes:
        shape: of all runs, as in :class:`Cut`.
        tile: of a block.
        region: along each traced axis of the cell, in the order of the axes, the (first, last + 1) of the box.
    """

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    region: tuple[tuple[int, int], ...]

    @property
    def lanes(self) -> tuple[int, int]:
        """(first, last + 1) of its lane numbers, which are consecutive."""
        first, last = (self._lane([span[end] - end for span in self.region]) for end in (0, 1))
        return first, last + 1

    @property
    def orders(self) -> tuple[int, int]:
        """The same of its data orders."""
        return self.region[-1]

    @property
    def runs(self) -> int:
        """How many runs it holds."""
        return math.prod(last - first for first, last in self.region)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What it is run in; made anew each time, for the numbers of all runs would fill memory."""
        boxes = itertools.product(*_starts(tuple(b - a for a, b in self.region), self.tile))
        return tuple(self._block(tuple(a + at for (a, _), at in zip(self.region, box, strict=True))) for box in boxes)

    def _block(self, corner: tuple[int, ...]) -> Block:
        """The lane and order numbers of a block; one at an edge is filled up by repeating its last number."""
        ends = [min(start + size, total) - 1 for start, size, total in zip(corner, self.tile, self.shape, strict=True)]
        first = self._lane(corner)
        return (
            np.minimum(np.arange(first, first + math.prod(self.tile[:-1])), self._lane(ends)),
            np.minimum(np.arange(corner[-1], corner[-1] + self.tile[-1]), ends[-1]),
        )

    def _lane(self, place: Sequence[int]) -> int:
        """The number of the lane at a place; its last entry, the data order, plays no part."""
        return int(np.ravel_multi_index(list(place[:-1]), self.shape[:-1])) if len(place) > 1 else 0


@dataclass(frozen=True)
class Cut:
    """How a job is cut into blocks; what is compiled follows from it.

    Attributes:
        shape: runs along each traced axis; data orders last, where batches are drawn, else only lanes.
        tile: of a block along each of these.
        program: what is compiled for such blocks.
    """

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    program: Program

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return math.prod(-(-total // size) for total, size in zip(self.shape, self.tile, strict=True))

    def tasks(self, tile: tuple[int, ...] | None = None) -> list[Task]:
        """The tasks of this tile, a multiple of a block's; by default one that holds everything."""
        tile = tile or self.shape
        return [self._task(corner, tile) for corner in itertools.product(*_starts(self.shape, tile))]

    def task_tile(self, blocks: int) -> tuple[int, ...]:
        """The tile of tasks of about so many blocks, and of one at least."""
        tile, left = list(self.tile), max(1, blocks)
        # Data orders share their rows with no other lane, so they are put together first.
        places = [len(tile) - 1, *range(len(tile) - 2, -1, -1)] if tile else []
        for place in places:
            most = -(-self.shape[place] // tile[place])
            # Along the axis that is cut tasks are of like size.
            taken = -(-most // -(-most // min(left, most)))
            tile[place] = min(self.shape[place], tile[place] * taken)
            if tile[place] < self.shape[place]:
                break
            left = max(1, left // most)
        return tuple(tile)

    def _task(self, corner: tuple[int, ...], tile: tuple[int, ...]) -> Task:
        region = tuple(
            (start, min(start + size, total)) for start, size, total in zip(corner, tile, self.shape, strict=True)
        )
        return Task(self.shape, self.tile, region)


def cut(job: Job, workers: int | None = None, tile: tuple[int, ...] | None = None) -> Cut:
    """Blocks of one shape for a job.

    Args:
        job: what is run.
        workers: threads or devices that are to have work; by default those of this machine.
        tile: of a block, where it has been chosen before.
    """
    devices = jax.local_devices()
    on_cpu = devices[0].platform == "cpu"
    workers = workers or (cores() if on_cpu else len(devices))
    shape = (*job.shape, *((len(job.seeds), 1) if job.plan is None else (len(job.seeds),)))
    if tile is None:
        size = _lanes(job, math.prod(shape[:-1]), workers, on_cpu)
        tile = _box(shape[:-1], size)
        width = 1
        if job.plan is not None and job.stream is None:
            most = max(1, _most(job, on_cpu) // math.prod(tile))
            width = max(1, min(shape[-1], most, _ROOM_BYTES // (4 * _SHORTEST_PLAN * job.plan.width)))
        tile = (*tile, width)
    return Cut(shape, tile, _compiled(job, math.prod(tile[:-1]), tile[-1]))


def _starts(shape: tuple[int, ...], tile: tuple[int, ...]) -> list[range]:
    return [range(0, total, size) for total, size in zip(shape, tile, strict=True)]


def _box(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The box of at most ``size`` places that is whole along the last axes and a slice of one."""
    box, whole = [1] * len(shape), 1
    for axis in reversed(range(len(shape))):
        parts = -(-shape[axis] // max(1, min(shape[axis], size // whole)))
        box[axis] = -(-shape[axis] // parts)
        if parts > 1:
            break
        whole *= shape[axis]
    return tuple(box)


def _most(job: Job, on_cpu: bool) -> int:
    """Runs of a block at most."""
    most = max(1, _BLOCK_NUMBERS // max(1, job.parameters))
    if not on_cpu:
        return min(most, _ACCELERATOR_LANES)
    if job.rows is None:
        return min(most, max(64, 2 * _CACHED_LANES // max(2, job.parameters)))
    # Predictions of every lane on all rows stand in memory together.
    return min(most, max(1, 4 * _BLOCK_NUMBERS // max(1, job.rows)), max(1, _CACHED_NUMBERS // max(1, job.parameters)))


def _lanes(job: Job, lanes: int, workers: int, on_cpu: bool) -> int:
    """Lanes of a block."""
    if job.stream is not None:
        # A pass over the rows serves all runs.
        return lanes
    count = -(-lanes // _most(job, on_cpu))
    if lanes >= workers * (_LEAST_LANES if job.rows is None else 4):
        count = -(-count // workers) * workers
    return -(-lanes // count)


def _compiled(job: Job, size: int, width: int) -> Program:
    """What is compiled for blocks of ``size`` lanes and ``width`` data orders."""
    per_record = size * width * np.dtype("float64").itemsize * (2 + len(job.extra) + job.program.path * job.parameters)
    # Room for a thousand records costs small blocks nothing, and spares a compilation when the steps change.
    room = max(1, min(job.records, _ROOM_BYTES // per_record), min(_USUAL_RECORDS, _SMALL_BYTES // per_record))
    plan_steps = 0
    one_record = job.plan is not None and job.every >= _LONG_STRETCH
    room = 1 if one_record else room
    if job.plan is not None:
        most_steps = max(_SHORTEST_PLAN, _ROOM_BYTES // (4 * width * job.plan.width))
        plan_steps = min(1 << (job.steps - 1).bit_length(), most_steps)
    return job.program._replace(
        lanes=size > 1,
        orders=width > 1,
        capacity=1 << (room - 1).bit_length(),
        every_step=job.every == 1,
        plan_steps=plan_steps,
        one_record=one_record,
        flat=job.plan is not None and size * width == 1 and job.parameters <= _FLAT_PARAMETERS,
    )
