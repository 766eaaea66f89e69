"""Section 15.3: the descent update on a bowl and on Rosenbrock's valley."""

from __future__ import annotations

import optax
from matplotlib.figure import Figure

import steepest as sd
from steepest.chapter.report import Program

FREE = sd.Stop(gradient_norm=None)


def programs() -> list[Program]:
    """Descent on the two landscapes, drawn side by side as ``gradient_descent_2d.png``."""
    bowl = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=0.08, steps=30, stop=FREE)
    valley = sd.descend(sd.landscapes.rosenbrock, clipped_descent, learning_rate=0.001, steps=5000, stop=FREE)
    return [
        Program("15.3 quadratic", {"gradient_descent_2d.png": figure(bowl, valley)}, numbers(bowl)),
        Program("15.3 rosenbrock", {}, numbers(valley)),
    ]


def clipped_descent(learning_rate: float) -> optax.GradientTransformation:
    """Plain descent whose gradient is clipped to ±10 in each component, as the steep walls of the valley need."""
    return optax.chain(optax.clip(10.0), optax.sgd(learning_rate))


def numbers(run: sd.Descent) -> dict[str, object]:
    """Where a run ended, at full precision and as the chapter prints it."""
    (w1, w2), loss = run.params, run.final_loss.item()
    printed = f"final point = ({w1:.4f}, {w2:.4f}), loss = {loss:.6f}"
    return {"final": run.params, "loss": loss, "printed": printed}


def figure(bowl: sd.Descent, valley: sd.Descent) -> Figure:
    """Both paths on their contours."""
    whole, (left, right) = sd.figures.sheet()
    sd.figures.contour(bowl, ax=left)
    sd.figures.contour(valley, ax=right)
    return whole
