"""Ten thousand learning rates on the steep bowl, each with a verdict, its exact step and its curves."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from numpy.typing import NDArray

import steepest as sd
from benchmarks.contest import Contest, Program, Results

START = (4.0, 2.5)
EVERY = 10
# The default of steepest: 10⁶ times the loss at the start.
LOSS_LIMIT = 1e6 * (START[0] ** 2 + 10 * START[1] ** 2)
VERDICTS = np.array(["out of steps", "converged", "diverged"])


class Sweep(NamedTuple):
    """What a program of this contest returns; a code is a place in ``VERDICTS``.

    Attributes:
        loss, gradient_norm: (records, runs), NaN after a run's end.
        final_loss, final_gradient_norm: (runs,).
        steps, code: (runs,).
    """

    loss: NDArray[np.float64]
    gradient_norm: NDArray[np.float64]
    final_loss: NDArray[np.float64]
    final_gradient_norm: NDArray[np.float64]
    steps: NDArray[Any]
    code: NDArray[Any]


def contests(quick: bool = False, runs: int = 10_000, steps: int = 1_000) -> list[Contest]:
    """The sweep where some runs end early, and the one where none does; ``steps`` is a multiple of ten."""
    runs = runs // 10 if quick else runs
    with_ends = np.geomspace(1e-4, 1.0, runs)
    without_ends = np.geomspace(1e-4, 0.099, runs)
    task = (
        f"{runs:,} learning rates × at most {steps:,} steps of gradient descent on w₁² + 10 w₂²: verdict and exact "
        f"step of each run (judged at each step), loss and gradient norm every {EVERY} steps and at the end."
    )
    return [
        _contest("Sweep, half of the runs end early", f"{task} Rates from 1e-4 to 1.", with_ends, steps, 1e-8),
        _contest(
            "Sweep, no run ends early", f"{task} Rates from 1e-4 to 0.099, no tolerance.", without_ends, steps, None
        ),
    ]


def _contest(title: str, task: str, rates: NDArray[np.float64], steps: int, tolerance: float | None) -> Contest:
    squared = -1.0 if tolerance is None else tolerance**2

    def descended() -> sd.Descent:
        return sd.descend(
            sd.landscapes.steep_bowl,
            optax.sgd,
            learning_rate=rates,
            steps=steps,
            every=EVERY,
            path=False,
            stop=sd.Stop(gradient_norm=tolerance),
        )

    programs = [
        Program("steepest, all labelled arrays built", lambda: descended().dataset, _of_dataset, jax.clear_caches),
        Program("steepest, nothing read", descended, lambda sweep: _of_dataset(sweep.dataset), jax.clear_caches),
        Program("NumPy, all runs at once", lambda: vectorised(rates, steps, squared), _of_sweep, aim=2.0),
    ]
    if importlib.util.find_spec("numba") is not None:
        from benchmarks import sweep_numba

        for name, function, aim in (
            ("numba, parallel, run by run", sweep_numba.run_by_run, 0.5),
            ("numba, parallel, sixteen runs abreast", sweep_numba.abreast, None),
        ):
            programs.append(_numba_program(name, function, aim, (rates, steps, EVERY, squared, LOSS_LIMIT, *START)))
    return Contest(title, task, tuple(programs), tolerance=1e-10)


def _numba_program(name: str, function: Callable[..., Any], aim: float | None, arguments: tuple[Any, ...]) -> Program:
    from benchmarks import sweep_numba

    compiled = [sweep_numba.compiled(function)]

    def forget() -> None:
        compiled[0] = sweep_numba.compiled(function)

    return Program(name, lambda: Sweep(*compiled[0](*arguments)), _of_sweep, forget, aim)


def _of_dataset(dataset: Any) -> Results:
    curves = {name: dataset[name].transpose("step", "learning_rate").values for name in ("loss", "gradient_norm")}
    single = {name: dataset[name].values for name in ("final_loss", "final_gradient_norm", "steps", "verdict")}
    # Relative to the largest number of a diverging run nothing of the others would be seen.
    return {name: _logarithm(values) for name, values in (curves | single).items()}


def _of_sweep(sweep: Sweep) -> Results:
    fields = sweep._asdict()
    fields["verdict"] = VERDICTS[fields.pop("code")]
    return {name: _logarithm(values) for name, values in fields.items()}


def _logarithm(values: NDArray[Any]) -> NDArray[Any]:
    return np.log(values) if np.issubdtype(values.dtype, np.floating) else values


def vectorised(rates: NDArray[np.float64], steps: int, squared_tolerance: float) -> Sweep:
    """All runs in step, with arrays that are allocated once and operations in place.

    A run that ended is frozen by a learning rate of zero, which costs nothing at the steps where no run ends.
    """
    runs = len(rates)
    loss, gradient_norm = np.empty((2, steps // EVERY + 1, runs))
    end, code = np.full(runs, steps), np.zeros(runs, np.int8)
    rate, running = rates.copy(), np.ones(runs, bool)
    x, y = np.full(runs, START[0]), np.full(runs, START[1])
    gradient_x, gradient_y, value, squared, product = np.empty((5, runs))
    above, ends = np.empty((2, runs), bool)
    for step in range(steps + 1):
        np.multiply(x, 2.0, out=gradient_x)
        np.multiply(y, 20.0, out=gradient_y)
        # Half of w · ∇L is the loss of a quadratic with its minimum at zero.
        np.multiply(x, gradient_x, out=value)
        np.multiply(y, gradient_y, out=product)
        np.add(value, product, out=value)
        np.multiply(value, 0.5, out=value)
        np.multiply(gradient_x, gradient_x, out=squared)
        np.multiply(gradient_y, gradient_y, out=product)
        np.add(squared, product, out=squared)
        if step % EVERY == 0:
            loss[step // EVERY] = value
            np.sqrt(squared, out=gradient_norm[step // EVERY])
        # A loss that is not finite compares as neither; it needs a rate so large that the limit is passed before.
        np.less_equal(squared, squared_tolerance, out=ends)
        np.greater(value, LOSS_LIMIT, out=above)
        np.logical_or(ends, above, out=ends)
        np.logical_and(ends, running, out=ends)
        if ends.any():
            end[ends], code[ends] = step, np.where(above[ends], 2, 1)
            rate[ends], running[ends] = 0.0, False
            if not running.any():
                break
        if step < steps:
            np.multiply(gradient_x, rate, out=gradient_x)
            np.subtract(x, gradient_x, out=x)
            np.multiply(gradient_y, rate, out=gradient_y)
            np.subtract(y, gradient_y, out=y)
    after = EVERY * np.arange(len(loss))[:, None] > end
    loss[after] = gradient_norm[after] = np.nan
    return Sweep(loss, gradient_norm, value, np.sqrt(squared), end, code)
