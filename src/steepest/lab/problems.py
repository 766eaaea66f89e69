"""What can be descended in the lab: losses of two parameters, whether a landscape, a formula, or a model on data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from steepest import datasets, losses, models
from steepest.descent import descend
from steepest.errors import unknown_name
from steepest.lab.formula import objective_of, size_of
from steepest.landscapes import CATALOGUE
from steepest.precision import double_precision
from steepest.risk import EmpiricalRisk
from steepest.theory import spectrum

Window = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Fineness:
    """How fine the maps of a problem are drawn, and how many steps their runs take at most.

    Attributes:
        rates: learning rates of the verdict map.
        momenta: its momenta.
        basins: starts along a side of the basins.
        steps: of every run of a map.
    """

    rates: int = 48
    momenta: int = 20
    basins: int = 60
    steps: int = 20_000


_FORMULA_WORK = 800_000
COARSE = Fineness(24, 8, 16, 200)
"""For losses of which one step takes so long that thousands of runs of thousands of steps take minutes."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A loss of a vector of two parameters.

    Attributes:
        name: by which :func:`problem` finds it.
        objective: an :class:`steepest.Objective` or an :class:`steepest.EmpiricalRisk`.
        window: (low, high) of each parameter, for pictures.
        start: where descent starts unless told otherwise.
        words: what the loss and its two parameters are.
        table: its data; None where there are none.
        maps: how fine they are.
    """

    name: str
    objective: Any
    window: Window
    start: tuple[float, float]
    words: str
    table: pd.DataFrame | None = None
    maps: Fineness = Fineness()


@lru_cache(maxsize=64)
def problem(name: str, formula: str = "") -> Problem:
    """A problem by its name.

    Args:
        name: of a landscape (``"rosenbrock"``), ``"formula"``, or a data problem: ``"regression"``, ``"spirals"``,
            ``"digits"``.
        formula: in w1 and w2, for ``"formula"``.

    Raises:
        ValueError: an unknown name, or a formula that cannot be read.

    >>> problem("regression").objective.rows
    200
    >>> problem("formula", "w1^2 + w2^2").objective([1.0, 2.0])
    5.0
    """
    if name == "formula":
        made = objective_of(formula)
        # A long formula takes longer a step: its maps end in seconds all the same.
        maps = Fineness(steps=min(Fineness.steps, _FORMULA_WORK // size_of(formula)))
        return Problem(name, made, _square(made.window), _pair(made.start), f"typed: {formula}", maps=maps)
    if name in DATA:
        return _with_data(name)
    if name not in LANDSCAPES:
        raise unknown_name("problem", name, ["formula", *DATA, *LANDSCAPES])
    landscape = CATALOGUE[name]
    return Problem(name, landscape, _square(landscape.window), _pair(landscape.start), landscape.source)


@cache
def _with_data(name: str) -> Problem:
    # Some train a network first, which formulas that come and go must not have done again.
    return DATA[name]()


def _square(window: Any) -> Window:
    (a, b), (c, d) = window
    return (float(a), float(b)), (float(c), float(d))


def _pair(start: Any) -> tuple[float, float]:
    one, other = np.asarray(start, float)
    return float(one), float(other)


def line(w: Any, x: Any) -> Any:
    """w₁ x + w₂, for x of shape (rows, 1)."""
    return w[0] * x[:, 0] + w[1]


def _regression() -> Problem:
    data = datasets.chapter_regression()
    risk = EmpiricalRisk(line, losses.mean_squared_error, data.x, data.y, start=[-1.0, -2.0], name="regression")
    words = "the chapter's 200 rows, y = 3x + 2 and noise; w1 is the slope, w2 the intercept"
    table = pd.DataFrame({"x": data.x[:, 0], "y": data.y})
    return Problem("regression", risk, ((-2.0, 7.0), (-3.0, 6.0)), (-1.0, -2.0), words, table)


def in_plane(network: Any, origin: NDArray[Any], across: NDArray[Any], up: NDArray[Any], unravel: Any) -> Any:
    """A model of two parameters: the network at origin + w₁ across + w₂ up."""

    def model(w: Any, x: Any) -> Any:
        return network(unravel(origin + w[0] * across + w[1] * up), x)

    return model


def _spirals() -> Problem:
    x, y = datasets.spirals(rows=240, arms=3, noise=0.1, seed=0)
    network = models.mlp((8,), "tanh")
    whole = EmpiricalRisk(network, losses.softmax_cross_entropy, x, y, name="spirals")
    trained = descend(whole, optax.adam, learning_rate=0.05, steps=1500, every=1500, progress=False).params
    model = _plane(whole, network, trained)
    risk = EmpiricalRisk(model, losses.softmax_cross_entropy, x, y, start=[-0.5, 1.0], name="spirals")
    words = (
        "a network of 8 tanh units on three spirals, in the plane through its start (0, 0), its trained weights (1, 0) "
        "and the direction of the largest curvature there"
    )
    table = pd.DataFrame({"x": x[:, 0], "y": x[:, 1], "class": y})
    return Problem("spirals", risk, ((-1.0, 2.0), (-1.5, 1.5)), (-0.5, 1.0), words, table, COARSE)


def _plane(whole: EmpiricalRisk, network: Any, trained: Any) -> Any:
    """The model in the plane of start, end, and the sharpest direction at the end (orthogonal, as long)."""
    with double_precision():
        found = spectrum(whole, trained)
        origin, unravel = ravel_pytree(whole.initial(0, np.dtype("float64")))
        end, _ = ravel_pytree(jax.tree.map(jnp.asarray, trained))
        sharp, _ = ravel_pytree(jax.tree.map(jnp.asarray, found.leading_direction))
    across = np.asarray(end - origin)
    up = np.asarray(sharp) - across * (np.asarray(sharp) @ across) / (across @ across)
    up *= np.linalg.norm(across) / np.linalg.norm(up)
    return in_plane(network, np.asarray(origin), across, up, unravel)


def scores_in_plane(w: Any, x: Any) -> Any:
    """Logits w₁ a + w₂ b of rows that hold (a, b) one after the other."""
    across, up = jnp.split(x, 2, axis=1)
    return w[0] * across + w[1] * up


def _digits() -> Problem:
    # Every sixth row: a thousand steps on all of them take longer than a hand on a slider waits.
    frame = datasets.bundled("digits").iloc[::6].reset_index(drop=True)
    x = frame.drop(columns="target").to_numpy(float) / 16
    y = frame["target"].to_numpy().astype(int)
    whole = EmpiricalRisk(models.softmax, losses.softmax_cross_entropy, x, y, l2=1e-3, name="digits")
    trained = descend(whole, optax.sgd, learning_rate="auto", steps=400, every=400, progress=False).params
    found = spectrum(whole)
    across, up = np.asarray(trained["weight"]), np.asarray(found.leading_direction["weight"])
    up = up - across * np.sum(up * across) / np.sum(across * across)
    up *= np.linalg.norm(across) / np.linalg.norm(up)
    # A model that is linear has logits linear in w, so that the pixels are needed once.
    logits = np.concatenate([x @ across + np.asarray(trained["bias"]), x @ up], axis=1)
    risk = EmpiricalRisk(scores_in_plane, losses.softmax_cross_entropy, logits, y, start=[-0.2, 0.1], name="digits")
    words = (
        "softmax regression on every sixth of 1,797 digits, in the plane through zero, its trained weights (1, 0) and "
        "the direction of the largest curvature at zero"
    )
    return Problem("digits", risk, ((-1.0, 3.0), (-1.5, 1.5)), (-0.2, 0.1), words, frame, COARSE)


LANDSCAPES = tuple(name for name, landscape in CATALOGUE.items() if np.asarray(landscape.start).size == 2)
"""Names of the landscapes of two parameters."""

DATA: dict[str, Callable[[], Problem]] = {"regression": _regression, "spirals": _spirals, "digits": _digits}
"""Name → what makes a problem with data."""


@lru_cache(maxsize=32)
def surface(name: str, formula: str, window: Window, points: int) -> NDArray[np.float64]:
    """The loss on a grid, shape (points, points): rows are w₂ from low to high, columns w₁."""
    found = problem(name, formula)
    axes = [np.linspace(low, high, points) for low, high in window]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    with double_precision():
        loss = found.objective.oracle(np.dtype("float64")).loss
        return np.asarray(_on_grid(loss, jnp.asarray(grid)), float).reshape(points, points)


@jax.jit
def _on_grid(loss: Any, grid: Any) -> Any:
    # A few hundred points at a time, for each of them may go through all rows of a table.
    return jax.lax.map(loss, grid, batch_size=256)
