"""The sweep of ten thousand learning rates against optimistix and torch.func, which batch whole runs too."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

import steepest as sd
from benchmarks.contest import Contest, Program, Results

START = (4.0, 2.5)
TOLERANCE = 1e-8
# Rates below 2 / 20 do not diverge on w₁² + 10 w₂².
STABLE = 0.1


def bowl(w: Any) -> Any:
    return w[0] ** 2 + 10 * w[1] ** 2


def contests(quick: bool = False, runs: int = 10_000, steps: int = 1_000) -> list[Contest]:
    """The contest, with optimistix and PyTorch where they are installed."""
    rates = np.geomspace(1e-4, 1.0, runs // 10 if quick else runs)

    def descended() -> tuple[NDArray[Any], NDArray[Any]]:
        descent = sd.descend(
            sd.landscapes.steep_bowl,
            optax.sgd,
            learning_rate=rates,
            steps=steps,
            every=steps,
            path=False,
            stop=sd.Stop(gradient_norm=TOLERANCE),
        )
        return np.asarray(descent.params), descent.dataset["verdict"].values

    def ours(found: tuple[NDArray[Any], NDArray[Any]]) -> Results:
        return _compared(rates, found[0], found[1] == "converged")

    def theirs(w: NDArray[Any]) -> Results:
        return _compared(rates, w, _arrived(w))

    programs = [Program("steepest, all labelled arrays built", descended, ours, jax.clear_caches)]
    missing = []
    if importlib.util.find_spec("optimistix") is not None:
        minimised = optimistix_minimise(rates, steps)
        programs.append(
            Program(
                "optimistix.minimise under jax.vmap and jax.jit",
                lambda: minimised()[0],
                theirs,
                jax.clear_caches,
                aim=3.0,
            )
        )
    else:
        missing.append("optimistix")
    if importlib.util.find_spec("torch") is not None:
        programs.append(Program("PyTorch, torch.vmap of torch.func.grad", torch_descent(rates, steps), theirs, aim=3.0))
    else:
        missing.append("torch")
    return [
        Contest(
            title="Sweep without curves, against other libraries that batch runs",
            task=(
                f"{len(rates):,} learning rates from 1e-4 to 1 × at most {steps:,} steps of gradient descent on "
                "w₁² + 10 w₂², float64. steepest judges every run at each step (gradient norm, loss limit) and gives "
                "final loss, exact step, verdict and reason. optimistix gives final parameters, a number of steps "
                "and whether its own tolerance was met; PyTorch gives final parameters only. "
                f"optimistix stops one step after the gradient norm falls below {TOLERANCE:g} (its tolerance, set for "
                "each rate, is on the length of a step) and has no loss limit; PyTorch takes all steps and judges "
                "nothing. Compared are: which runs converged, and the final parameters for rates below "
                f"{STABLE:g}, where no run diverges; a run whose gradient norm is at most {TOLERANCE:g} counts as "
                "being at the minimum, because the programs go on for different times from there."
                + "".join(f" {name} is not installed and takes no part: pip install {name}." for name in missing)
            ),
            programs=tuple(programs),
            tolerance=1e-10,
        )
    ]


def _arrived(w: NDArray[Any]) -> NDArray[np.bool_]:
    with np.errstate(over="ignore", invalid="ignore"):
        arrived: NDArray[np.bool_] = np.hypot(2 * w[:, 0], 20 * w[:, 1]) <= TOLERANCE
    return arrived


def _compared(rates: NDArray[np.float64], w: NDArray[Any], converged: NDArray[Any]) -> Results:
    return {"converged": converged, "w": np.where(_arrived(w)[:, None], 0.0, w)[rates < STABLE]}


def optimistix_minimise(rates: NDArray[np.float64], steps: int) -> Callable[[], tuple[NDArray[Any], NDArray[Any]]]:
    """A function that finds the final parameters and the number of rounds of each run.

    optimistix looks at the start in the first of its rounds and moves from the second on. It ends when a step, which is
    the learning rate times the gradient before it, is shorter than its absolute tolerance, and the loss changes less.
    """
    import optimistix

    def minimise(rate: Any) -> Any:
        solver = optimistix.GradientDescent(rate, rtol=0.0, atol=rate * TOLERANCE, norm=optimistix.two_norm)
        start = jnp.array(START)
        found = optimistix.minimise(lambda w, _: bowl(w), solver, start, max_steps=steps + 1, throw=False)
        return found.value, found.stats["num_steps"]

    swept = jax.jit(jax.vmap(minimise))

    def run() -> tuple[NDArray[Any], NDArray[Any]]:
        with jax.enable_x64(True):
            w, rounds = swept(jnp.asarray(rates))
        return np.asarray(w), np.asarray(rounds)

    return run


def torch_descent(rates: NDArray[np.float64], steps: int) -> Callable[[], NDArray[Any]]:
    """A function that finds the parameters after all steps; gradients by torch.func need no recorded graph outside."""
    import torch

    gradient = torch.vmap(torch.func.grad(bowl))
    start, rate = torch.tensor(START, dtype=torch.float64), torch.tensor(rates)[:, None]

    def run() -> NDArray[Any]:
        w = start.repeat(len(rates), 1)
        with torch.no_grad():
            for _ in range(steps):
                w -= rate * gradient(w)
        return w.numpy()

    return run
