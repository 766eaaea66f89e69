"""The job that one cell of a grid is for the machine: one compiled program and the runs it advances."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.batches import Plan, Shuffled
from steepest.descent.axes import Axis
from steepest.descent.grid import Grid
from steepest.descent.hyperparameters import seed_parameter
from steepest.descent.starts import Starts, check_loss, check_records, resolve_start
from steepest.descent.state import Program
from steepest.descent.stops import Limits, Stop
from steepest.objectives import Oracle, Params, as_partial, is_descendable

_PATH_PARAMETERS = 16
_RECORD_BYTES = 2**28


@dataclass(frozen=True)
class Clock:
    """How long to run and how often to record, as asked."""

    steps: int | None
    epochs: int | None
    every: int | None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps=... or epochs=..., " + ("not both" if self.steps else "one of the two"))

    @property
    def record(self) -> str:
        """Name of the dimension of records."""
        return "step" if self.epochs is None else "epoch"

    def resolved(self, plan: Plan | None, rows: int | None) -> tuple[int, int, int]:
        """(steps, steps between records, steps a unit) for one batch plan."""
        per_epoch = 1 if plan is None or rows is None else plan.steps_per_epoch(rows)
        if self.epochs is not None:
            if rows is None:
                raise ValueError("epochs needs an objective with rows, such as an EmpiricalRisk; give steps instead")
            if self.epochs * per_epoch >= 2**31:
                raise ValueError(
                    f"epochs={self.epochs} of {rows} rows are {self.epochs * per_epoch} steps at this batch size; "
                    "a run takes fewer than 2**31"
                )
            return self.epochs * per_epoch, (self.every or 1) * per_epoch, per_epoch
        assert self.steps is not None
        if self.every is not None or plan is None:
            return self.steps, self.every or 1, 1
        return self.steps, (per_epoch if self.steps >= per_epoch else max(1, self.steps // 100)), 1


@dataclass(frozen=True)
class Request:
    """What each run is asked for, whatever its place in the grid."""

    stop: Stop
    path: bool | None
    record: dict[str, Any]
    average_from: int | None
    precision: np.dtype[Any]


@dataclass(frozen=True)
class Job:
    """The runs of one compiled program: a grid of lanes × data orders.

    Attributes:
        program: what to compile, but for what follows from the size of a block.
        oracle, extra, limits: of the objective, what else to record, when to stop.
        starts: lane, order → where they start: leaves (lanes, *leaf) for arrays of lane and order numbers.
        values: the same for the hyper-parameters.
        shape: lanes along each traced axis but the seed's.
        seeds: seed of each order.
        plan: the batches; None for the full batch.
        rows: of the data.
        steps: a run's steps at most.
        every: steps between records.
        parameters: numbers in one run's parameters.
        stream: the risk whose rows the host reads; None where a compiled program sees all data.
        stream_client: of Dask, to have stretches of them summed where the data lie.
    """

    program: Program
    oracle: Oracle
    extra: dict[str, Any]
    limits: Limits
    starts: Callable[[NDArray[Any], NDArray[Any]], Params]
    values: Callable[[NDArray[Any]], dict[str, Any]]
    shape: tuple[int, ...]
    seeds: NDArray[np.int64]
    plan: Plan | None
    rows: int | None
    steps: int
    every: int
    parameters: int
    stream: Any = None
    stream_client: Any = None

    @property
    def lanes(self) -> int:
        """How many lanes there are."""
        return math.prod(self.shape)

    @property
    def records(self) -> int:
        """Records of a run that uses all its steps, its end not counted."""
        return -(-self.steps // self.every)


def job_of(grid: Grid, cell: dict[str, Any], clock: Clock, request: Request) -> tuple[Job, int]:
    """The compiled program of one cell and its runs; and the steps of a unit of its records."""
    objective, method, plan = cell["objective"], cell["method"], cell["batch_size"]
    if plan is not None:
        if objective.rows is None:
            raise ValueError(
                f"batch_size needs an objective with rows, such as an EmpiricalRisk; {objective.name!r} has none"
            )
        plan.check(objective.rows)
    steps, every, unit = clock.resolved(plan, objective.rows)
    seeds = grid.seed.values if isinstance(grid.seed, Axis) else np.asarray([grid.seed], np.int64)
    streamed, by_rows = _streams(objective, plan)
    starts = resolve_start(objective, grid.start, np.asarray(seeds), request.precision)
    oracle = objective.probe(request.precision) if by_rows else objective.oracle(request.precision)
    check_loss(objective.name, oracle, starts.one, plan is not None)
    extra = _extra(request.record, request.precision)
    check_records(extra, starts.one)
    static, numbers = grid.static(cell), grid.numbers(cell)
    if request.average_from is not None and request.average_from >= steps:
        raise ValueError(f"average={request.average_from} must be below the number of steps, {steps}")
    program = Program(
        method=method,
        static=tuple(static.items()),
        seed_name=seed_parameter(method, grid.settings),
        lanes=False,
        orders=False,
        leading=(objective.rows is not None and (by_rows or not streamed)) or starts.matrices,
        capacity=0,
        path=bool(request.path),
        average_from=request.average_from,
    )
    job = Job(
        program=program,
        oracle=oracle,
        extra=extra,
        limits=request.stop.limits(request.precision),
        starts=_lane_starts(grid, starts),
        values=_lane_values(grid, numbers, request.precision),
        shape=tuple(len(axis) for axis in _lane_axes(grid)),
        seeds=np.asarray(seeds),
        plan=plan,
        # A least-squares risk that follows from its moments is a function of the parameters alone.
        rows=objective.rows if by_rows or not streamed else None,
        steps=steps,
        every=min(every, steps) if clock.epochs is None else every,
        parameters=starts.size,
        stream=objective if by_rows else None,
    )
    return job, unit


def _streams(objective: Any, plan: Plan | None) -> tuple[bool, bool]:
    """Whether an objective has data larger than memory, and whether the host must read them for each step."""
    streamed = getattr(objective, "stream", None) is not None
    if streamed and plan is not None and not isinstance(plan, Shuffled):
        raise ValueError(
            "batch_size: data larger than memory are read in shuffled blocks, so batches are shuffled ones; rows drawn "
            "with replacement would read a block each. Give a batch_size from 2 up, or batches.shuffled(1)"
        )
    return streamed, streamed and not (plan is None and objective.by_moments)


def _lane_axes(grid: Grid) -> list[Axis]:
    return [axis for axis in grid.traced if axis.name != "seed"]


def _lane_values(
    grid: Grid, numbers: dict[str, Any], precision: np.dtype[Any]
) -> Callable[[NDArray[Any]], dict[str, Any]]:
    shape = tuple(len(axis) for axis in _lane_axes(grid))
    names = [axis.name for axis in _lane_axes(grid)]

    # Whole numbers become floats too: momentum=0 and momentum=0.9 are the same program.
    on_axis = {name: np.asarray(value.values, precision) for name, value in numbers.items() if isinstance(value, Axis)}
    fixed = {name: np.asarray(value, precision) for name, value in numbers.items() if not isinstance(value, Axis)}

    def values(lanes: NDArray[Any]) -> dict[str, Any]:
        index = dict(zip(names, np.unravel_index(lanes, shape) if shape else (), strict=True))
        constant = {name: np.broadcast_to(value, np.shape(lanes)) for name, value in fixed.items()}
        return constant | {name: value[index[name]] for name, value in on_axis.items()}

    return values


def _lane_starts(grid: Grid, starts: Starts) -> Callable[[NDArray[Any], NDArray[Any]], Any]:
    shape = tuple(len(axis) for axis in _lane_axes(grid))
    names = [axis.name for axis in _lane_axes(grid)]

    def of(lanes: NDArray[Any], orders: NDArray[Any]) -> Any:
        point = np.unravel_index(lanes, shape)[names.index("start")] if "start" in names else np.zeros_like(lanes)
        return starts.at(point, orders)

    return of


def within_memory(jobs: Sequence[Any], clock: Clock, request: Request) -> list[Any]:
    """Decide on the path, and on how often to record where the caller did not."""
    every = [place_job_unit[1].every for place_job_unit in jobs]
    if clock.epochs is None:
        # One axis of steps for all cells: as seldom as the one that is recorded most seldom.
        every = [max(every)] * len(every)

    def size(path: bool, factor: int) -> float:
        runs = (job.lanes * len(job.seeds) * (2 + len(job.extra) + path * job.parameters) for _, job, _ in jobs)
        records = (job.steps / (factor * own) for (_, job, _), own in zip(jobs, every, strict=True))
        return float(sum(8.0 * one * each for one, each in zip(runs, records, strict=True)))

    few = all(job.parameters <= _PATH_PARAMETERS for _, job, _ in jobs)
    path = request.path if request.path is not None else few and size(True, 1) <= _RECORD_BYTES
    factor = 1
    if clock.every is None and size(path, 1) > _RECORD_BYTES:
        factor = int(np.ceil(size(path, 1) / _RECORD_BYTES))
        warnings.warn(
            f"recording every {clock.record} would take {size(path, 1) / 2**30:.1f} GiB, so every "
            f"{factor * every[0]} steps are recorded; pass every=... to choose",
            stacklevel=3,
        )
    kept = []
    for (place, job, unit), own in zip(jobs, every, strict=True):
        program = job.program._replace(path=path)
        kept.append((place, replace(job, program=program, every=min(own * factor, max(job.steps, unit))), unit))
    return kept


def _extra(record: dict[str, Any], precision: np.dtype[Any]) -> dict[str, Any]:
    return {
        name: function.oracle(precision).loss if is_descendable(function) else as_partial(function)
        for name, function in record.items()
    }
