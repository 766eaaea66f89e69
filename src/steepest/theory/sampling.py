"""What batches do to descent: expected smoothness, gradient noise, step size, batch size and the noise floor.

After Gower, Loizou, Qian, Sailanbayev, Shulgin & Richtárik 2019, *SGD: General Analysis and Improved Rates*, for
batches of B of n rows drawn without replacement, anew at each step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.objectives import Params
from steepest.risk import EmpiricalRisk
from steepest.theory.global_constants import constants
from steepest.theory.noise_scale import row_gradient_norms
from steepest.theory.optimum import optimum_of


def expected_smoothness(smoothness: float, largest_row_smoothness: float, rows: int, batch_size: int) -> float:
    """The smoothness E of batches: from L_max for single rows to L for all of them.

    n (B − 1)/(B (n − 1))·L + (n − B)/(B (n − 1))·L_max (Gower et al. 2019, proposition 3.8).

    Args:
        smoothness: L of the whole risk.
        largest_row_smoothness: L_max, the largest of a single row's loss.
        rows: n.
        batch_size: B, from 1 to n.

    Raises:
        ValueError: a batch size out of range.

    >>> expected_smoothness(1.0, 4.0, 10, 1), expected_smoothness(1.0, 4.0, 10, 10)
    (4.0, 1.0)
    """
    _check_batch(batch_size, rows)
    if rows == 1:
        return smoothness
    share = (rows - batch_size) / (batch_size * (rows - 1))
    return share * largest_row_smoothness + (1 - share) * smoothness


@dataclass(frozen=True, eq=False)
class Sampling:
    """What is known of a risk for descent on batches.

    Attributes:
        rows: n.
        smoothness: L of the risk.
        strong_convexity: μ of the risk, above 0.
        largest_row_smoothness: L_max of single rows.
        noise: (1/n) Σ‖∇fᵢ(w*)‖², the gradient noise at the optimum.
        optimum: w*, a pytree.

    Example:
        >>> import steepest as sd
        >>> data = sd.datasets.chapter_regression()
        >>> risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, data.x, data.y)
        >>> found = sd.theory.sampling(risk)
        >>> found.expected_smoothness(1) > found.expected_smoothness(32) > found.expected_smoothness(200)
        True
        >>> found.best_batch_size(accuracy=1e-3)
        168
    """

    rows: int
    smoothness: float
    strong_convexity: float
    largest_row_smoothness: float
    noise: float
    optimum: Params

    def expected_smoothness(self, batch_size: int) -> float:
        """See :func:`expected_smoothness`."""
        return expected_smoothness(self.smoothness, self.largest_row_smoothness, self.rows, batch_size)

    def gradient_noise(self, batch_size: int) -> float:
        """σ², the expected square of a batch's gradient at the optimum: (n − B)/(B (n − 1)) of that of single rows."""
        _check_batch(batch_size, self.rows)
        return self.noise * (self.rows - batch_size) / (batch_size * max(self.rows - 1, 1))

    def step_size(self, batch_size: int, accuracy: float | None = None) -> float:
        """The largest constant learning rate of theorem 3.1, 1/(2E); for an accuracy also at most εμ/(4σ²).

        Args:
            batch_size: B, from 1 to n.
            accuracy: ε, the expected squared distance to the optimum to be reached; None for as fast as it goes.
        """
        fast = 1 / (2 * self.expected_smoothness(batch_size))
        if accuracy is None:
            return fast
        _check_accuracy(accuracy)
        noise = self.gradient_noise(batch_size)
        return min(fast, accuracy * self.strong_convexity / (4 * noise)) if noise else fast

    def noise_floor(self, learning_rate: float, batch_size: int) -> float:
        """2ησ²/μ, what theorem 3.1 allows the expected squared distance to hover at."""
        return 2 * learning_rate * self.gradient_noise(batch_size) / self.strong_convexity

    def bound(self, steps: Any, learning_rate: float, batch_size: int, distance: float) -> Any:
        """Theorem 3.1: E‖w_t − w*‖² ≤ (1 − ημ)ᵗ ‖w₀ − w*‖² + 2ησ²/μ.

        Args:
            steps: t, a number or an array.
            learning_rate: η, at most 1/(2E).
            batch_size: B.
            distance: ‖w₀ − w*‖.

        Raises:
            ValueError: a learning rate that the theorem does not cover.
        """
        most = self.step_size(batch_size)
        if not 0 < learning_rate <= most * (1 + 1e-12):
            raise ValueError(f"learning_rate must be above 0 and at most 1/(2E) = {most:.6g}, got {learning_rate!r}")
        shrunk = (1 - learning_rate * self.strong_convexity) ** np.asarray(steps, float) * distance**2
        return shrunk + self.noise_floor(learning_rate, batch_size)

    def steps(self, batch_size: int, accuracy: float, distance: float) -> int:
        """Steps of ``step_size(batch_size, accuracy)`` until the expected squared distance is at most ``accuracy``.

        max(2E/μ, 4σ²/(εμ²))·log(2‖w₀ − w*‖²/ε), equation 14 there.
        """
        rate = self.step_size(batch_size, accuracy)
        return max(0, math.ceil(math.log(2 * distance**2 / accuracy) / (rate * self.strong_convexity)))

    def best_batch_size(self, accuracy: float) -> int:
        """The batch size with the least total work, rows times steps, to an accuracy (section 3.4 there).

        The work of the two terms of ``steps`` is linear in B, one rising and one falling: it is least where they meet.
        """
        _check_accuracy(accuracy)
        demand = 2 * self.noise / (accuracy * self.strong_convexity)
        if demand <= self.largest_row_smoothness:
            return 1
        crossing = (
            self.rows
            * (demand + self.smoothness - self.largest_row_smoothness)
            / (demand + self.rows * self.smoothness - self.largest_row_smoothness)
        )
        near = {int(np.clip(side(crossing), 1, self.rows)) for side in (math.floor, math.ceil)}
        return min(sorted(near), key=lambda size: size / self.step_size(size, accuracy))


def sampling(risk: EmpiricalRisk, *, optimum: Params | None = None) -> Sampling:
    """The constants of a strongly convex risk for descent on batches.

    Args:
        risk: with global constants (:func:`constants`) and strong convexity above 0.
        optimum: its minimiser; found by Newton's method by default.

    Raises:
        TypeError: something else than an EmpiricalRisk.
        UnknownConstants, ValueError: the constants are not known, or nothing above 0 is known of the strong convexity.
    """
    if not isinstance(risk, EmpiricalRisk):
        raise TypeError(f"sampling takes an EmpiricalRisk, got {type(risk).__name__}")
    known = constants(risk)
    if not known.strong_convexity or known.largest_row_smoothness is None:
        raise ValueError(
            f"sampling needs a strongly convex risk, and nothing above 0 is known here: {known.why}; "
            "steepest.theory.gradient_noise_scale works for any risk"
        )
    found = optimum_of(risk, optimum)
    noise = float(np.mean(row_gradient_norms(risk, found.params[0])))
    return Sampling(
        risk.rows, known.smoothness, known.strong_convexity, known.largest_row_smoothness, noise, found.params[0]
    )


def _check_batch(batch_size: int, rows: int) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or not 1 <= batch_size <= rows:
        raise ValueError(f"batch_size must be a whole number from 1 to the {rows} rows, got {batch_size!r}")


def _check_accuracy(accuracy: float) -> None:
    if not (math.isfinite(accuracy) and accuracy > 0):
        raise ValueError(f"accuracy must be a finite number above 0, got {accuracy!r}")
