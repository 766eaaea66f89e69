"""Section 15.5: four learning rates on the steep bowl, whose limit is 2/λmax = 0.1."""

from __future__ import annotations

import optax
from matplotlib.figure import Figure

import steepest as sd
from steepest.chapter.report import Program

RATES = (0.005, 0.04, 0.09, 0.105)
WORDS = ("too small", "good", "fast", "too large")


def programs() -> list[Program]:
    """One sweep, drawn as ``learning_rate_effect.png``; a run ends when its parameters leave a disc of radius 100."""
    stop = sd.Stop(gradient_norm=None, parameter_norm=100)
    sweep = sd.descend(sd.landscapes.steep_bowl, optax.sgd, learning_rate=list(RATES), steps=50, stop=stop)
    numbers = {}
    for rate in RATES:
        run = sweep.sel(learning_rate=rate)
        numbers[str(rate)] = {"steps": run.steps.item(), "final": run.params, "loss": run.final_loss.item()}
    return [Program("15.5 learning rate effect", {"learning_rate_effect.png": figure(sweep)}, numbers)]


def figure(sweep: sd.Descent) -> Figure:
    """The four paths, and their losses."""
    labels = [rf"$\eta$ = {rate}: {words}" for rate, words in zip(RATES, WORDS, strict=True)]
    whole, (left, right) = sd.figures.sheet()
    sd.figures.contour(sweep, ax=left, labels=labels, window=((-6, 6), (-4, 4)), title="Paths of four learning rates")
    sd.figures.loss_curves(sweep, ax=right, labels=labels, title="Loss over steps", limits=(1e-8, 1e6))
    return whole
