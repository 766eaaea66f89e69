"""``descend``: the one function that descends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from steepest.descent.axes import (
    Axis,
    batch_axis,
    method_axis,
    objective_axis,
    seed_axis,
    setting_or_axis,
    start_axis,
)
from steepest.descent.blocks import run_job
from steepest.descent.control import Control, interruptible, reporting
from steepest.descent.grid import Grid, by_label
from steepest.descent.hyperparameters import check_names
from steepest.descent.job import Clock, Request, job_of, within_memory
from steepest.descent.labels import labelled
from steepest.descent.parts import Parts
from steepest.descent.result import Descent
from steepest.descent.starts import own_start
from steepest.descent.stops import Stop
from steepest.descent.sweep import Sweep
from steepest.objectives import Descendable
from steepest.precision import check_precision, double_precision


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
    store: str | Path | None = None,
    cluster: Any = None,
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
        store: a path where finished runs are kept as a Zarr store. A call with the same arguments, in this process or
            another, takes up where the last one ended, however it ended, and returns the whole; curves and parameters
            are then read from the disk when they are needed. See ``docs/scale.md``.
        cluster: a ``dask.distributed.Client``, the address of a scheduler, ``"local"`` for processes on this machine,
            or a :class:`steepest.scale.Cluster`. Where sending runs away costs more than it saves, a warning says so
            and they run here.
        **hyperparameters: of the method. A method with a parameter ``seed`` or ``key`` is given the run's seed. With
            ``optax.sgd``, ``learning_rate="auto"`` is the rate that theory advises (:func:`steepest.theory.advise`);
            where no theorem guarantees it, it is halved until a hundred steps of it go down. ``explain`` says what was
            chosen and why.

    Returns:
        A :class:`Descent`. Diverged runs are results like others. After Ctrl-C the runs that were under way are
        returned as ``interrupted``.

    Raises:
        TypeError: an argument of the wrong kind, or a hyper-parameter that is missing.
        ValueError: an argument out of its range, an unknown hyper-parameter, shapes that do not fit; a store that holds
            another sweep (the differences are named) or that another process is writing.
        OSError: the store cannot be written, or the cluster is lost; what was finished stays in the store.

    Example:
        >>> import numpy as np, optax, steepest as sd
        >>> rates = np.array([0.05, 0.099, 0.101, 0.2])
        >>> sweep = sd.descend(sd.landscapes.steep_bowl, optax.sgd, learning_rate=rates, momentum=[0, 0.5], steps=2000)
        >>> sweep.verdict.sel(momentum=0).values.tolist()
        ['converged', 'converged', 'diverged', 'diverged']
        >>> sweep.loss.dims
        ('learning_rate', 'momentum', 'step')
    """
    precision = check_precision(dtype)
    objectives = objective_axis(objective, start)
    methods = method_axis(method)
    settings = {name: setting_or_axis(name, value) for name, value in hyperparameters.items()}
    check_names(by_label(methods), settings, {name for name, value in settings.items() if isinstance(value, Axis)})
    first = objectives.values[0] if isinstance(objectives, Axis) else objectives
    batches = batch_axis(batch_size, first.rows)
    own = None if start is None else own_start(first, precision)
    chosen = None
    if isinstance(settings.get("learning_rate"), str):
        place = {"start": start, "seed": seed, "batch_size": batch_size, "dtype": dtype}
        trial = partial(descend, objective, method, **place, **_without(hyperparameters, "learning_rate"))
        chosen = _chosen(objectives, methods, settings, batches, start_axis(start, own), trial)
        settings["learning_rate"] = chosen.advice.setting.learning_rate
    grid = Grid(objectives, methods, settings, batches, start_axis(start, own), seed_axis(seed))
    clock = Clock(_count("steps", steps), _count("epochs", epochs), _count("every", every))
    request = _request(stop, path, record, average, grid, precision)
    attributes = {"dtype": precision.name, **grid.attributes()}
    if chosen is not None:
        attributes["learning_rate_chosen"] = chosen.words
    with double_precision():
        sweep = _sweep(grid, clock, request, attributes)
        with reporting(progress) as report:
            control = Control(report, sweep.run_steps)
            with interruptible(control):
                build = _run(sweep, control, store, cluster)
    return Descent(build, by_label(objectives), clock.record)


def _sweep(grid: Grid, clock: Clock, request: Request, attributes: dict[str, Any]) -> Sweep:
    jobs = [(place, *job_of(grid, cell, clock, request)) for place, cell in grid.cells()]
    places, resolved, units = zip(*within_memory(jobs, clock, request), strict=True)
    return Sweep(grid, clock, request, places, resolved, units, attributes)


def _run(sweep: Sweep, control: Control, store: Any, cluster: Any) -> Callable[[], Parts]:
    """Run a sweep here and keep it in memory, or leave both to what does so at scale."""
    if store is None and cluster is None:
        cells = [sweep.cell(number, run_job(job, control)) for number, job in enumerate(sweep.jobs)]
        return lambda: labelled(cells, sweep.layout, sweep.attributes)
    # Here and not above: Zarr and Dask are loaded where they are used.
    from steepest.scale.execution import execute

    return execute(sweep, control, store, cluster)


def _without(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}


def _chosen(
    objective: Any, method: Any, settings: dict[str, Any], batches: Any, start: Any, trial: Callable[..., Descent]
) -> Any:
    """The learning rate that theory advises for this call, which ``trial`` repeats for a few steps."""
    # Here and not above: a learning rate that is given needs none of the theory.
    from steepest.descent.automatic import TRIAL_STEPS, automatic

    short = partial(trial, steps=TRIAL_STEPS, path=False, progress=False)
    return automatic(objective, method, settings, batches, start, lambda rate: short(learning_rate=rate))


def _request(
    stop: Stop | None, path: bool | None, record: Mapping[str, Any] | None, average: bool | int, grid: Grid, dtype: Any
) -> Request:
    if stop is not None and not isinstance(stop, Stop):
        raise TypeError(f"stop must be a steepest.Stop, e.g. Stop(gradient_norm=1e-6), got {stop!r}")
    return Request(stop or Stop(), path, _recorded(record, grid.order), _average_from(average), dtype)


def _recorded(record: Mapping[str, Any] | None, axes: list[str]) -> dict[str, Any]:
    if record is not None and not isinstance(record, Mapping):
        raise TypeError(f"record must be a dict of name → function of the parameters, got {record!r}")
    taken = {"loss", "gradient_norm", "path", "verdict", "reason", "steps", "step", "epoch", "parameter", *axes}
    for name, function in (record or {}).items():
        if not isinstance(name, str) or name in taken or name.startswith("final_"):
            raise ValueError(
                f"record: {name!r} is not a name for something recorded; choose another than {', '.join(sorted(taken))}"
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
