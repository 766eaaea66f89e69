"""Exercise 15.2: descent on a quadratic converges if and only if 0 < η < 2/λmax, found by dividing verdicts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import optax
from matplotlib.figure import Figure
from numpy.typing import NDArray

import steepest as sd
from steepest.chapter.report import Program
from steepest.figures.style import PALETTE, legend, style

MATRICES, SIZE, STEPS = 100, 3, 20_000
SECTIONS, ROUNDS = 32, 3
STOP = sd.Stop(gradient_norm=1e-4)
SHARES = {-0.01: "diverged", 0.0: "out of steps", 0.999: "converged", 1.0: "out of steps", 1.001: "diverged"}


def programs() -> list[Program]:
    """The threshold of 100 random matrices, from the runs of either side: ``threshold.png``."""
    quadratics = random_quadratics()
    predicted = np.array([2 / np.linalg.eigvalsh(matrix)[-1] for matrix, _ in quadratics])
    between = np.array([threshold(*one) for one in quadratics])
    held = (between[:, 0] < predicted) & (predicted < between[:, 1])
    numbers = {
        "threshold": between.mean(axis=1),
        "limits between the two sides": int(held.sum()),
        "verdicts at a share of the limit": verdicts(quadratics, predicted),
    }
    expected = {
        "threshold": predicted,
        "limits between the two sides": MATRICES,
        "verdicts at a share of the limit": {f"{share:g}": f"{MATRICES} {word}" for share, word in SHARES.items()},
    }
    # A rate a share s beyond the limit grows the error by 1 + 2s a step: 20,000 steps tell s = 3e-4 from 0.
    picture = {"threshold.png": figure(between / predicted[:, None] - 1)}
    return [
        Program("exercise 15.2 threshold", picture, numbers, book=expected, tolerance=5e-4, notes=(not_definite(),))
    ]


def random_quadratics() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Positive definite A (3, 3) with eigenvalues from 0.1 to 10, and b (3,)."""
    random = np.random.default_rng(15)
    found = []
    for _ in range(MATRICES):
        basis, _ = np.linalg.qr(random.normal(size=(SIZE, SIZE)))
        matrix = basis @ np.diag(10 ** random.uniform(-1, 1, SIZE)) @ basis.T
        found.append(((matrix + matrix.T) / 2, random.normal(size=SIZE)))
    return found


def threshold(matrix: NDArray[np.float64], linear: NDArray[np.float64]) -> tuple[float, float]:
    """The largest rate that converged and the smallest that diverged, each side divided by 32 a round.

    Both are NaN where some rate converges above one that does not, or diverges below one that does not.
    """
    quadratic = sd.landscapes.quadratic(matrix, linear)
    top = 2 * SIZE / np.trace(matrix) * 1.01  # λmax is at least the mean eigenvalue
    (low, middle), (other, high) = (0.0, top), (0.0, top)
    for _ in range(ROUNDS):
        rates = np.unique([np.linspace(low, middle, SECTIONS + 1)[1:], np.linspace(other, high, SECTIONS + 1)[1:]])
        runs = sd.descend(quadratic, optax.sgd, learning_rate=rates, steps=STEPS, every=STEPS, path=False, stop=STOP)
        converged, diverged = (runs.verdict.values == word for word in ("converged", "diverged"))
        if (np.diff(converged.astype(int)) > 0).any() or (np.diff(diverged.astype(int)) < 0).any():
            return float("nan"), float("nan")
        low, middle = max(rates[converged], default=low), min(rates[~converged])
        other, high = max(rates[~diverged], default=other), min(rates[diverged], default=high)
    return float(low), float(high)


def verdicts(
    quadratics: list[tuple[NDArray[np.float64], NDArray[np.float64]]], limits: NDArray[np.float64]
) -> dict[str, str]:
    """How many of the matrices came to which verdict, a hundredth below 0 and a thousandth around the limit."""
    seen: dict[float, Counter[str]] = {share: Counter() for share in SHARES}
    for one, limit in zip(quadratics, limits, strict=True):
        rates = limit * np.array(list(SHARES))
        runs = sd.descend(
            sd.landscapes.quadratic(*one), optax.sgd, learning_rate=rates, steps=STEPS, every=STEPS, path=False
        )
        for share, word in zip(SHARES, runs.verdict.values, strict=True):
            seen[share][str(word)] += 1
    return {
        f"{share:g}": ", ".join(f"{count} {word}" for word, count in counter.items()) for share, counter in seen.items()
    }


def not_definite() -> str:
    """What the statement leaves out: A must be positive definite."""
    saddle = sd.landscapes.quadratic(np.diag([-1.0, 2.0]))
    trough = sd.landscapes.quadratic(np.diag([0.0, 2.0]), [1.0, 0.0])
    ends = [
        sd.descend(one, optax.sgd, learning_rate=0.5, steps=2000, every=2000, path=False) for one in (saddle, trough)
    ]
    return (
        "the exercise takes A to be positive definite without saying so. Within 0 < η < 2/λmax = 1, at η = 0.5: "
        f"A = diag(−1, 2) {ends[0].verdict.item()} at step {ends[0].steps.item():,}; A = diag(0, 2) with b = (1, 0) "
        f"is {ends[1].verdict.item()} after {ends[1].steps.item():,}, at w₁ = {ends[1].params[0]:g} and moving on"
    )


def figure(sides: NDArray[np.float64]) -> Figure:
    """How far the last rate that converges and the first that diverges are from 2/λmax."""
    whole, (axes,) = sd.figures.sheet((None,), (10.0, 6.0))
    with style():
        words = ("largest rate that converged", "smallest rate that diverged")
        for side, shade, label in zip(sides.T, (PALETTE[0], PALETTE[1]), words, strict=True):
            axes.hist(side, bins=20, color=shade, edgecolor="white", label=label)
        axes.axvline(0.0, color="black", linewidth=1.2, label=r"$2/\lambda_{\max}$")
        axes.set(xlabel=r"rate, relative to $2/\lambda_{\max}$", ylabel="matrices")
        axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
        axes.set_title(f"{len(sides)} random matrices, {STEPS:,} steps: the limit lies in between")
        legend(axes)
    return whole
