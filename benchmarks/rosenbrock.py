"""The chapter's second program (15.3): one run in two dimensions, where overhead is everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import optax
from numpy.typing import NDArray

import steepest as sd
from benchmarks.contest import Contest, Program

LEARNING_RATE = 0.001
CLIP = 10.0


def clipped_sgd(learning_rate: Any) -> optax.GradientTransformation:
    return optax.chain(optax.clip(CLIP), optax.sgd(learning_rate))


def contests(quick: bool = False, steps: int = 5_000) -> list[Contest]:
    """The contest; it takes no less time when it is quick."""

    def descended() -> sd.Descent:
        return sd.descend(sd.landscapes.rosenbrock, clipped_sgd, learning_rate=LEARNING_RATE, steps=steps, path=True)

    def looped() -> NDArray[np.float64]:
        w = np.array([-1.5, 2.0])
        trajectory = [w]
        for _ in range(steps):
            beyond = w[1] - w[0] ** 2
            gradient = np.array([-2 * (1 - w[0]) - 400 * w[0] * beyond, 200 * beyond])
            w = w - LEARNING_RATE * np.clip(gradient, -CLIP, CLIP)
            trajectory.append(w)
        return np.array(trajectory)

    def trajectory(values: NDArray[np.float64]) -> Mapping[str, NDArray[Any]]:
        return {"trajectory": values}

    return [
        Contest(
            title="Rosenbrock, one run",
            task=(
                f"The program of 15.3: {steps:,} steps from (−1.5, 2) with learning rate {LEARNING_RATE} and the "
                f"gradient clipped to ±{CLIP:g}, trajectory kept. steepest also keeps loss and gradient norm of each "
                "step and gives a verdict; its labelled arrays are built when they are read, so it is timed with and "
                "without reading them."
            ),
            programs=(
                Program(
                    "steepest, trajectory read",
                    lambda: descended().path.values,
                    trajectory,
                    jax.clear_caches,
                ),
                Program(
                    "steepest, all labelled arrays built",
                    lambda: descended().dataset,
                    lambda dataset: trajectory(dataset["path"].values),
                    jax.clear_caches,
                ),
                Program(
                    "steepest, nothing read",
                    descended,
                    lambda run: trajectory(run.path.values),
                    jax.clear_caches,
                ),
                Program("NumPy loop", looped, trajectory, aim=50.0),
            ),
            # 5,000 steps in another order of operations.
            tolerance=1e-10,
        )
    ]
