"""Exercise 15.1: descent with momentum, on the bowl and where it pays."""

from __future__ import annotations

from typing import Any

import numpy as np
import optax
from matplotlib.figure import Figure

import steepest as sd
from steepest.chapter.report import Program

RATE, MOMENTUM, STEPS = 0.08, 0.9, 60
CONDITION_NUMBERS = (5, 30, 45, 100, 1000)


def programs() -> list[Program]:
    """With β = 0.9 and without on the chapter's bowl, beside the closed form: ``momentum.png``."""
    free = sd.Stop(gradient_norm=None)
    runs = sd.descend(
        sd.landscapes.bowl, optax.sgd, learning_rate=RATE, momentum=[0.0, MOMENTUM], steps=STEPS, stop=free
    )
    measured: dict[str, dict[str, Any]] = {}
    expected: dict[str, dict[str, Any]] = {}
    for momentum in (0.0, MOMENTUM):
        name = f"momentum {momentum}"
        path = runs.path.sel(momentum=momentum).values
        exact = sd.theory.quadratic_descent(
            np.diag([2.0, 10.0]), start=[4.0, 2.5], learning_rate=RATE, steps=np.arange(STEPS + 1), momentum=momentum
        )
        measured[name] = {"within 1e-12 of the closed form": str(bool(np.abs(path - exact).max() < 1e-12))}
        expected[name] = {"within 1e-12 of the closed form": "True"}
        measured[name]["at step 10"] = path[10]
        expected[name]["at step 10"] = exact[10]
    # At a condition number of 100 momentum pays: steps to a millionth of the distance, each method at its best.
    best = sd.theory.best_heavy_ball(100.0, 1.0)
    valley = sd.landscapes.quadratic(np.diag([1.0, 100.0]))
    settings = {"plain": (2 / 101, 0.0), "heavy ball": (best.learning_rate, best.momentum)}
    factors = {}
    for label, (rate, momentum) in settings.items():
        run = sd.descend(valley, optax.sgd, learning_rate=rate, momentum=momentum, steps=400, stop=free)
        distance = np.linalg.norm(run.path.values, axis=1)
        factors[label] = float((distance[400] / distance[200]) ** (1 / 200))
    pays = Program("exercise 15.1 where momentum pays", {}, {"factor a step": factors},
                   book={"factor a step": {"plain": 99 / 101, "heavy ball": 9 / 11}}, tolerance=5e-3)  # fmt: skip
    drawn = {"momentum.png": figure(runs)}
    return [Program("exercise 15.1 momentum", drawn, measured, book=expected, notes=(where_it_pays(),)), pays]


def where_it_pays() -> str:
    """Steps that β = 0.9 and plain descent need at several condition numbers, and the one where they change places."""
    # With β fixed every rate from (1 − √β)²/μ to (1 + √β)²/L contracts by √β; plain descent at its best rate by
    # (κ − 1)/(κ + 1). The two are equal at κ = (1 + √β)/(1 − √β).
    root = MOMENTUM**0.5
    crossing, stop, counts = (1 + root) / (1 - root), sd.Stop(gradient_norm=1e-9), []
    for number in CONDITION_NUMBERS:
        valley = sd.landscapes.quadratic(np.diag([1.0, float(number)]))
        steps = [
            sd.descend(valley, optax.sgd, learning_rate=rate, momentum=momentum, steps=20_000, every=20_000, stop=stop,
                       path=False).steps.item()
            for rate, momentum in ((2 / (1 + number), 0.0), ((1 - MOMENTUM) / number**0.5, MOMENTUM))
        ]  # fmt: skip
        counts.append(f"{number}: {steps[0]:,} against {steps[1]:,}")
    return (
        f"on the chapter's bowl, whose condition number is 5, momentum 0.9 is slower than none; theory has it pay "
        f"above {crossing:.0f}. Steps without and with it, both at their best rates, at condition {'; '.join(counts)}"
    )


def figure(runs: sd.Descent) -> Figure:
    """The two paths, and their losses."""
    labels = ["without momentum", rf"momentum $\beta$ = {MOMENTUM}"]
    whole, (left, right) = sd.figures.sheet()
    sd.figures.contour(runs, ax=left, labels=labels, title=f"60 steps on the bowl, learning rate {RATE}")
    sd.figures.loss_curves(runs, ax=right, labels=labels, title="On a bowl as round as this, momentum swings")
    return whole
