"""``descend``: the one function that descends."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from steepest.batches import Plan
from steepest.descent.axes import (
    Axis,
    batch_axis,
    is_number,
    method_axis,
    objective_axis,
    seed_axis,
    setting_or_axis,
    start_axis,
)
from steepest.descent.blocks import Control, Job, interruptible, run_job
from steepest.descent.hyperparameters import accepted, check_names, check_values, seed_parameter, traceable
from steepest.descent.labels import Cell, Layout, labelled
from steepest.descent.program import Program
from steepest.descent.progress import reporting
from steepest.descent.result import Descent
from steepest.descent.starts import Starts, check_loss, resolve_start
from steepest.descent.stops import Stop
from steepest.objectives import Descendable, as_partial, is_descendable
from steepest.precision import check_precision, double_precision

_PATH_PARAMETERS = 16
_RECORD_BYTES = 2**28


def descend(
    objective: Descendable | Callable[[Any], Any] | Mapping[str, Any],
    method: Any,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    start: Any = None,
    seed: Any = 0,
    batch_size: Any = None,
    stop: Stop | None = None,
    every: int | None = None,
    path: bool | None = None,
    record: Mapping[str, Callable[[Any], Any]] | None = None,
    average: bool | int = False,
    dtype: str = "float64",
    progress: bool | None = None,
    **hyperparameters: Any,
) -> Descent:
    """Descend an objective with a method: one run, or a whole grid of them, compiled into one program.

    A number is a setting. A list or 1-D array is a named axis of the result, a dict of labelled values a labelled axis.
    Axes of numbers, starts and seeds run inside one compiled program; axes of methods, objectives, batch sizes,
    schedules and switches are looped, one compilation a value.

    Args:
        objective: an :class:`Objective`, an :class:`EmpiricalRisk`, or a function of the parameters (then ``start`` is
            needed).
        method: an optax constructor such as ``optax.sgd``, any callable that takes hyper-parameters and returns an
            ``optax.GradientTransformation``, or a transformation ready made.
        steps: updates a run may take, at least 1; or give ``epochs``.
        epochs: passes over the data's rows; records are then made at whole epochs.
        start: parameters to start from; by default the objective's own. One dimension more than the objective's own
            start, or a list of its pytrees, is an axis.
        seed: of the model's start, of the data order and of the method's noise.
        batch_size: rows of each step: None for all of them, 1 for single rows drawn with replacement, B for shuffled
            epochs of batches, or a plan from :mod:`steepest.batches`.
        stop: when a run ends before its steps are used up; see :class:`Stop`.
        every: steps (epochs, where those are given) between records of loss and gradient norm. By default each step;
            with batches each epoch, or a hundred times in a run shorter than one. Where that would take more than
            256 MiB it is made larger, with a warning.
        path: whether the parameters are recorded; by default where there are at most 16 and it takes no more than
            256 MiB.
        record: name → function of the parameters, recorded beside the loss; a risk on other rows, say.
        average: whether to average the iterates (Polyak & Juditsky 1992); a number is the step to begin at.
        dtype: ``"float64"`` or ``"float32"``.
        progress: whether to show a progress bar; by default on a terminal, for what takes more than a second.
        **hyperparameters: of the method. A method with a parameter ``seed`` or ``key`` is given the run's seed.

    Returns:
        A :class:`Descent`. Diverged runs are results like others. After Ctrl-C the runs that were under way are
        returned as ``interrupted``.

    Raises:
        TypeError: an argument of the wrong kind, or a hyper-parameter that is missing.
        ValueError: an argument out of its range, an unknown hyper-parameter, shapes that do not fit.

    Example:
        >>> import numpy as np, optax, steepest as sd
        >>> rates = np.array([0.05, 0.099, 0.101, 0.2])
        >>> sweep = sd.descend(sd.landscapes.steep_bowl, optax.sgd, learning_rate=rates, momentum=[0.0, 0.5], steps=2000)
        >>> sweep.verdict.sel(momentum=0.0).values.tolist()
        ['converged', 'converged', 'diverged', 'diverged']
        >>> sweep.loss.dims
        ('learning_rate', 'momentum', 'step')
    """
    precision = check_precision(dtype)
    objectives = objective_axis(objective, start)
    methods = method_axis(method)
    settings = {name: setting_or_axis(name, value) for name, value in hyperparameters.items()}
    check_names(_by_label(methods), settings, {name for name, value in settings.items() if isinstance(value, Axis)})
    first = objectives.values[0] if isinstance(objectives, Axis) else objectives
    batches = batch_axis(batch_size, first.rows)
    grid = _Grid(
        objectives, methods, settings, batches, start_axis(start, getattr(first, "start", None)), seed_axis(seed)
    )
    clock = _Clock(_count("steps", steps), _count("epochs", epochs), _count("every", every))
    request = _Request(stop or Stop(), path, _recorded(record), _average_from(average), precision)
    with double_precision():
        jobs = [(place, *_job(grid, cell, clock, request)) for place, cell in grid.cells()]
        jobs = _within_memory(jobs, clock, request)
        total = sum(float(job.lanes) * len(job.seeds) * job.steps for _, job, _ in jobs)
        with reporting(progress) as report:
            control = Control(report, total)
            with interruptible(control):
                outcomes = [(place, run_job(job, control), job, unit) for place, job, unit in jobs]
    cells = [Cell(place, outcome, job.every // unit, unit) for place, outcome, job, unit in outcomes]
    layout = Layout(grid.looped, grid.traced, (*grid.order, clock.record, "parameter"), clock.record)
    attributes = {"dtype": precision.name, **grid.attributes()}
    return Descent(lambda: labelled(cells, layout, attributes), _by_label(objectives), clock.record)


@dataclass(frozen=True)
class _Clock:
    """How long to run and how often to record, as asked."""

    steps: int | None
    epochs: int | None
    every: int | None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps=... or epochs=..., " + ("not both" if self.steps else "one of the two"))

    @property
    def record(self) -> str:
        return "step" if self.epochs is None else "epoch"

    def resolved(self, plan: Plan | None, rows: int | None) -> tuple[int, int, int]:
        """(steps, steps between records, steps a unit) for one batch plan."""
        per_epoch = 1 if plan is None or rows is None else plan.steps_per_epoch(rows)
        if self.epochs is not None:
            if rows is None:
                raise ValueError("epochs needs an objective with rows, such as an EmpiricalRisk; give steps instead")
            return self.epochs * per_epoch, (self.every or 1) * per_epoch, per_epoch
        assert self.steps is not None
        if self.every is not None or plan is None:
            return self.steps, self.every or 1, 1
        return self.steps, (per_epoch if self.steps >= per_epoch else max(1, self.steps // 100)), 1


@dataclass(frozen=True)
class _Request:
    """What each run is asked for, whatever its place in the grid."""

    stop: Stop
    path: bool | None
    record: dict[str, Any]
    average_from: int | None
    precision: np.dtype[Any]


class _Grid:
    """The axes of a call: looped outside of the compiled program or traced inside of it."""

    def __init__(
        self,
        objective: Descendable | Axis,
        method: Callable[..., Any] | Axis,
        settings: dict[str, Any],
        batches: Plan | Axis | None,
        start: Any,
        seed: int | Axis,
    ) -> None:
        self.start, self.seed = start, seed
        self.settings = settings
        outer = {"objective": objective, "method": method, "batch_size": batches}
        self._outer = outer
        named = {
            "objective": objective,
            "method": method,
            **settings,
            "batch_size": batches,
            "start": start,
            "seed": seed,
        }
        self.order = [name for name, value in named.items() if isinstance(value, Axis)]
        untraceable = self._untraceable()
        self.settings = {
            name: Axis(name, value.labels, [_plain(item) for item in value.values], traced=False)
            if name in untraceable and isinstance(value, Axis)
            else value
            for name, value in settings.items()
        }
        self.untraceable = untraceable
        axes = {**named, **self.settings}
        self.looped = [axes[name] for name in self.order if not axes[name].traced]
        self.traced = [axes[name] for name in self.order if axes[name].traced]

    def cells(self) -> list[tuple[tuple[int, ...], dict[str, Any]]]:
        """Place on the looped axes, and the value of everything that is looped or fixed there."""
        found = []
        for place in itertools.product(*(range(len(axis)) for axis in self.looped)):
            here = {axis.name: axis.values[at] for axis, at in zip(self.looped, place, strict=True)}
            fixed = {
                name: value for name, value in (self._outer | self.settings).items() if not isinstance(value, Axis)
            }
            found.append((place, fixed | here))
        return found

    def static(self, cell: dict[str, Any]) -> dict[str, Any]:
        """The hyper-parameters of a cell that the compiled program knows beforehand."""
        return {
            name: cell[name]
            for name, value in self.settings.items()
            if name in cell and (not is_number(cell[name]) or name in self.untraceable or isinstance(value, Axis))
            and accepted(cell["method"], name)
        }  # fmt: skip

    def numbers(self, cell: dict[str, Any]) -> dict[str, Any]:
        """The hyper-parameters of a cell that are arguments of the compiled program: a number or a traced axis."""
        static = self.static(cell)
        return {
            name: value
            for name, value in self.settings.items()
            if name not in static and accepted(cell["method"], name)
        }  # fmt: skip

    def _untraceable(self) -> frozenset[str]:
        """Hyper-parameters that are numbers but that some method must know beforehand."""
        found: set[str] = set()
        for method in _by_label(self._outer["method"]).values():
            own = {name: value for name, value in self.settings.items() if accepted(method, name)}
            numbers = tuple(n for n, v in own.items() if is_number(v) or (isinstance(v, Axis) and v.traced))
            rest = {n: (v.values[0] if isinstance(v, Axis) else v) for n, v in own.items() if n not in numbers}
            shapes = (jax.tree.structure(0.0), (((2,), np.dtype("float64")),))
            with double_precision():
                seed = seed_parameter(method, self.settings)
                refused = set(numbers) - traceable(method, tuple(rest.items()), numbers, shapes, seed)
                if refused or not numbers:
                    known = {n: _plain(v.values[0] if isinstance(v, Axis) else v) for n, v in own.items()}
                    check_values(method, known, shapes, seed)
                found |= refused
        return frozenset(found)

    def attributes(self) -> dict[str, Any]:
        """The settings, in words, for the dataset."""
        method, objective = self._outer["method"], self._outer["objective"]
        said = {} if isinstance(objective, Axis) else {"objective": objective.name}
        if not isinstance(method, Axis):
            said["method"] = getattr(method, "__name__", repr(method))
        plain = {name: value for name, value in self.settings.items() if not isinstance(value, Axis)}
        return said | {name: value if is_number(value) else str(value) for name, value in plain.items()}


def _job(grid: _Grid, cell: dict[str, Any], clock: _Clock, request: _Request) -> tuple[Job, int]:
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
    starts = resolve_start(objective, grid.start, np.asarray(seeds), request.precision)
    oracle = objective.oracle(request.precision)
    check_loss(objective.name, oracle, starts.one, plan is not None)
    static, numbers = grid.static(cell), grid.numbers(cell)
    if request.average_from is not None and request.average_from >= steps:
        raise ValueError(f"average={request.average_from} must be below the number of steps, {steps}")
    program = Program(
        method=method,
        static=tuple(static.items()),
        seed_name=seed_parameter(method, grid.settings),
        lanes=False,
        orders=False,
        leading=objective.rows is not None or starts.matrices,
        capacity=0,
        path=bool(request.path),
        average_from=request.average_from,
    )
    job = Job(
        program=program,
        oracle=oracle,
        extra=_extra(request.record, request.precision),
        limits=request.stop.limits(request.precision),
        starts=_lane_starts(grid, starts),
        values=_lane_values(grid, numbers, request.precision),
        lanes=int(np.prod([len(axis) for axis in grid.traced if axis.name != "seed"], dtype=np.int64)),
        seeds=np.asarray(seeds),
        plan=plan,
        rows=objective.rows,
        steps=steps,
        every=min(every, steps) if clock.epochs is None else every,
        parameters=starts.size,
    )
    return job, unit


def _lane_axes(grid: _Grid) -> list[Axis]:
    return [axis for axis in grid.traced if axis.name != "seed"]


def _lane_values(
    grid: _Grid, numbers: dict[str, Any], precision: np.dtype[Any]
) -> Callable[[NDArray[Any]], dict[str, Any]]:
    shape = tuple(len(axis) for axis in _lane_axes(grid))
    names = [axis.name for axis in _lane_axes(grid)]

    def typed(value: Any) -> NDArray[Any]:
        # A whole number too: momentum=0 and momentum=0.9 are the same program.
        return np.asarray(value, precision)

    def values(lanes: NDArray[Any]) -> dict[str, Any]:
        index = dict(zip(names, np.unravel_index(lanes, shape) if shape else (), strict=True))
        return {
            name: typed(value.values)[index[name]]
            if isinstance(value, Axis)
            else np.broadcast_to(typed(value), np.shape(lanes))
            for name, value in numbers.items()
        }

    return values


def _lane_starts(grid: _Grid, starts: Starts) -> Callable[[NDArray[Any], NDArray[Any]], Any]:
    shape = tuple(len(axis) for axis in _lane_axes(grid))
    names = [axis.name for axis in _lane_axes(grid)]

    def of(lanes: NDArray[Any], orders: NDArray[Any]) -> Any:
        point = np.unravel_index(lanes, shape)[names.index("start")] if "start" in names else np.zeros_like(lanes)
        return starts.at(point, orders)

    return of


def _within_memory(jobs: Sequence[Any], clock: _Clock, request: _Request) -> list[Any]:
    """Decide on the path, and on how often to record where the caller did not."""
    every = [place_job_unit[1].every for place_job_unit in jobs]

    def size(path: bool, factor: int) -> float:
        return sum(
            job.lanes
            * len(job.seeds)
            * (job.steps / (factor * own))
            * 8.0
            * (2 + len(job.extra) + path * job.parameters)
            for (_, job, _), own in zip(jobs, every, strict=True)
        )

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
    for place, job, unit in jobs:
        program = job.program._replace(path=path)
        kept.append((place, _replaced(job, program, min(job.every * factor, max(job.steps, unit))), unit))
    return kept


def _replaced(job: Job, program: Program, every: int) -> Job:
    from dataclasses import replace

    return replace(job, program=program, every=every)


def _extra(record: dict[str, Any], precision: np.dtype[Any]) -> dict[str, Any]:
    return {
        name: function.oracle(precision).loss if is_descendable(function) else as_partial(function)
        for name, function in record.items()
    }


def _recorded(record: Mapping[str, Any] | None) -> dict[str, Any]:
    taken = {"loss", "gradient_norm", "path", "verdict", "reason", "steps"}
    for name, function in (record or {}).items():
        if not isinstance(name, str) or name in taken or name.startswith("final_"):
            raise ValueError(
                f"record: {name!r} is not a name for something recorded; choose one other than {', '.join(sorted(taken))}"
            )
        if not callable(function):
            raise TypeError(f"record[{name!r}] must be a function of the parameters, got {type(function).__name__}")
    return dict(record or {})


def _average_from(average: bool | int) -> int | None:
    if average is False or average is None:
        return None
    if average is True:
        return 0
    if not isinstance(average, int | np.integer) or average < 0:
        raise ValueError(f"average must be True, False or the step to begin at, got {average!r}")
    return int(average)


def _count(name: str, value: int | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if not 1 <= value < 2**31:
        raise ValueError(f"{name} must be at least 1 and below 2**31, got {value}")
    return int(value)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _by_label(value: Any) -> dict[Any, Any]:
    """Label → value of an axis; a single value has the label None."""
    if isinstance(value, Axis):
        return dict(zip((str(label) for label in value.labels), value.values, strict=True))
    return {None: value}
