"""Exercise 15.2: descent on a quadratic converges if and only if 0 < η < 2/λmax, found by bisection of verdicts."""

from __future__ import annotations

import numpy as np
import optax
from matplotlib.figure import Figure
from numpy.typing import NDArray

import steepest as sd
from steepest.chapter.report import Program
from steepest.figures.style import PALETTE, style

MATRICES, SIZE, STEPS = 100, 3, 20_000
SECTIONS, ROUNDS = 32, 3


def programs() -> list[Program]:
    """The threshold of 100 random matrices, measured by runs that diverge or do not: ``threshold.png``."""
    matrices = random_matrices()
    predicted = np.array([2 / np.linalg.eigvalsh(matrix)[-1] for matrix in matrices])
    measured = np.array([threshold(matrix) for matrix in matrices])
    numbers = {"threshold": measured, "thresholds found": int(np.isfinite(measured).sum())}
    # A rate a share s above the limit grows the loss by (1 + 2s)² a step: 20,000 steps tell s = 2e-4 from 0.
    return [
        Program(
            "exercise 15.2 threshold",
            {"threshold.png": figure(measured / predicted - 1)},
            numbers,
            book={"threshold": predicted, "thresholds found": MATRICES},
            tolerance=1e-3,
        )
    ]


def random_matrices() -> NDArray[np.float64]:
    """Positive definite matrices with condition numbers from 1 to 100, shape (100, 3, 3)."""
    random = np.random.default_rng(15)
    found = []
    for _ in range(MATRICES):
        basis, _ = np.linalg.qr(random.normal(size=(SIZE, SIZE)))
        matrix = basis @ np.diag(10 ** random.uniform(-1, 1, SIZE)) @ basis.T
        found.append((matrix + matrix.T) / 2)
    return np.array(found)


def threshold(matrix: NDArray[np.float64]) -> float:
    """The learning rate between the last that does not diverge and the first that does, each round 32 times closer."""
    quadratic = sd.landscapes.quadratic(matrix, start=np.ones(SIZE))
    low, high = 0.0, 4 / np.abs(matrix).sum(axis=1).max() * SIZE
    for _ in range(ROUNDS):
        rates = np.linspace(low, high, SECTIONS + 1)[1:]
        runs = sd.descend(
            quadratic, optax.sgd, learning_rate=rates, steps=STEPS, every=STEPS, path=False, progress=False
        )
        diverged = runs.verdict.values == "diverged"
        first = int(diverged.argmax())
        if not diverged[first:].all() or diverged[:first].any() or not diverged.any():
            return float("nan")
        low, high = (rates[first - 1] if first else low), rates[first]
    return float((low + high) / 2)


def figure(errors: NDArray[np.float64]) -> Figure:
    """How far each measured threshold is from 2/λmax."""
    whole, (axes,) = sd.figures.sheet((None,), (10.0, 6.0))
    with style():
        axes.hist(errors, bins=25, color=PALETTE[0], edgecolor="white")
        axes.axvline(0.0, color="black", linewidth=1.2)
        axes.set(xlabel=r"measured threshold, relative to $2/\lambda_{\max}$", ylabel="matrices")
        axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
        axes.set_title(f"{len(errors)} random matrices: where descent begins to diverge")
    return whole
