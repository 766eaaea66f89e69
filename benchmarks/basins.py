"""Basins of attraction of Himmelblau's function: a million starts, five hundred steps each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

import steepest as sd
from benchmarks.contest import Contest, Program

LEARNING_RATE = 0.01


def contests(quick: bool = False, resolution: int = 1000, steps: int = 500) -> list[Contest]:
    """The contest."""
    count = min(resolution, 200) if quick else resolution
    minimisers = np.array(sd.landscapes.himmelblau.minimisers)

    def mapped() -> sd.experiments.Basins:
        return sd.experiments.basins(
            sd.landscapes.himmelblau, learning_rate=LEARNING_RATE, resolution=count, steps=steps
        )

    def numbered(found: sd.experiments.Basins) -> Mapping[str, NDArray[Any]]:
        """The map with the minimisers numbered as the peer does."""
        order = [int(np.linalg.norm(minimisers - np.ravel(point.at), axis=1).argmin()) for point in found.minimisers]
        return {"basin": np.array(order)[found.basin.values]}

    def looped() -> NDArray[np.int64]:
        """All starts in two arrays, updated in place."""
        line = np.linspace(-5, 5, count)
        x, y = np.meshgrid(line, line)
        one, other, part, step = (np.empty_like(x) for _ in range(4))
        for _ in range(steps):
            np.multiply(x, x, out=one)
            one += y
            one -= 11.0
            np.multiply(y, y, out=other)
            other += x
            other -= 7.0
            np.multiply(x, one, out=step)
            step *= 4.0
            np.multiply(other, 2.0, out=part)
            step += part
            step *= LEARNING_RATE
            np.multiply(y, other, out=part)
            part *= 4.0
            one *= 2.0
            part += one
            part *= LEARNING_RATE
            x -= step
            y -= part
        ends = np.stack([x, y], axis=-1)
        return np.linalg.norm(ends[..., None, :] - minimisers, axis=-1).argmin(axis=-1)

    return [
        Contest(
            title="Basins of attraction",
            task=(
                f"{count:,} × {count:,} starts on Himmelblau's function, {steps} steps of {LEARNING_RATE:g}, and "
                "which of the four minima each comes to. steepest also stops runs that have converged, tells the "
                "others apart, and finds the minima; NumPy, with all starts updated in place, is told them. "
                f"Divide {count * count:,} by the time for runs a second."
            ),
            programs=(
                Program("steepest", mapped, numbered, jax.clear_caches),
                Program("NumPy, in place", looped, lambda basin: {"basin": basin}),
            ),
            # Starts on the ridges between two valleys fall to either side by rounding.
            tolerance=1e-3,
        )
    ]
