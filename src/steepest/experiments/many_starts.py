"""Many starts on one landscape, and the share of them that reaches the global minimum (exercise 15.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optax
from numpy.typing import ArrayLike, NDArray

from steepest.descent import Descent, descend
from steepest.objectives import Objective

_ROUNDING = 1e-9
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Multistart:
    """Runs from many starts.

    Attributes:
        objective: the landscape.
        starts: where they began, shape (runs, n).
        runs: the Descent, with the axis ``start``.
        minimum: the loss that counts as the global minimum.
        stated: whether the objective states that minimum; otherwise it is the best that was found.
        reached: which runs ended there, shape (runs,).
    """

    objective: Objective
    starts: NDArray[np.float64]
    runs: Descent
    minimum: float
    stated: bool
    reached: NDArray[np.bool_]

    @property
    def fraction(self) -> float:
        """Share of the runs that reached the global minimum."""
        return float(self.reached.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval for that share among all starts of the window (Wilson 1927)."""
        count, share = len(self.reached), self.fraction
        square = _NORMAL_95**2 / count
        middle = (share + square / 2) / (1 + square)
        reach = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
        return middle - reach, middle + reach

    def __str__(self) -> str:
        low, high = self.interval
        which = "the global minimum" if self.stated else "the lowest minimum found"
        return (
            f"{int(self.reached.sum())} of {len(self.reached)} starts on {self.objective.name} reached {which}, "
            f"{self.minimum:.6g}: {self.fraction:.0%}, between {low:.0%} and {high:.0%} of all starts (95 %)"
        )


def multistart(
    objective: Objective,
    *,
    learning_rate: float | str,
    starts: int | ArrayLike = 20,
    window: Sequence[tuple[float, float]] | None = None,
    seed: int = 0,
    steps: int = 2000,
    tolerance: float = 1e-6,
    method: Any = optax.sgd,
    cluster: Any = None,
    **hyperparameters: Any,
) -> Multistart:
    """Descend from many starts and count those that reach the global minimum.

    Args:
        objective: with parameters that are a vector.
        learning_rate: of the method; ``"auto"`` where the objective states its smoothness.
        starts: how many to draw uniformly from the window, or the points themselves, shape (runs, n).
        window: (low, high) of each parameter; the objective's own by default.
        seed: of the drawing.
        steps: of each run, at most.
        tolerance: a run has reached the minimum where its loss is above it by no more than this share of the spread of
            all starts' losses.
        method: a constructor of optax.
        cluster: where the runs are sent; see :func:`steepest.descend`.
        **hyperparameters: of the method, numbers.

    Raises:
        ValueError: no window to draw from, or starts that are not points of the objective.

    Example:
        >>> import steepest as sd
        >>> found = sd.experiments.multistart(sd.landscapes.wells, learning_rate=0.02, seed=1)
        >>> len(found.reached), 0 < found.fraction < 1
        (20, True)
    """
    points = _points(objective, starts, window, seed)
    runs = descend(
        objective,
        method,
        learning_rate=learning_rate,
        start=points,
        steps=steps,
        progress=False,
        cluster=cluster,
        **hyperparameters,
    )
    if runs.axes != ("start",):
        raise ValueError(
            f"multistart has one setting for all starts, got the axes {', '.join(runs.axes)}; give numbers"
        )
    ends, begun = runs.final_loss.values, runs.loss.isel({runs.record_dimension: 0}).values
    found = float(np.nanmin(np.where(runs.verdict.values == "diverged", np.inf, ends)))
    stated = objective.minimum is not None
    minimum = float(objective.minimum) if objective.minimum is not None else found
    slack = tolerance * float(np.ptp(begun[np.isfinite(begun)])) + _ROUNDING * max(1.0, abs(minimum))
    reached = np.nan_to_num(ends, nan=np.inf) <= minimum + slack
    return Multistart(objective, points, runs, minimum, stated, reached)


def _points(objective: Objective, starts: Any, window: Any, seed: int) -> NDArray[np.float64]:
    if np.ndim(starts) == 0:
        if isinstance(starts, bool) or int(starts) != starts or starts < 1:
            raise ValueError(f"starts must be a whole number from 1 up, or points, got {starts!r}")
        return draw(objective, int(starts), window, seed)
    points = np.asarray(starts, float)
    if points.ndim != 2 or not len(points) or not np.isfinite(points).all():
        raise ValueError(f"starts must be finite points of shape (runs, n), got shape {points.shape}")
    return points


def draw(objective: Objective, count: int, window: Any, seed: int) -> NDArray[np.float64]:
    """Points drawn uniformly from a window, shape (count, n).

    Raises:
        ValueError: there is no window, or it is empty.
    """
    spans = objective.window if window is None else window
    if spans is None:
        raise ValueError(f"window is missing: {objective.name!r} has none of its own; pass window=[(low, high), ...]")
    low, high = np.asarray(spans, float).reshape(-1, 2).T
    if not (np.isfinite([low, high]).all() and (low < high).all()):
        raise ValueError(f"window must have low below high, both finite, got {window!r}")
    return np.random.default_rng(seed).uniform(low, high, size=(count, len(low)))
