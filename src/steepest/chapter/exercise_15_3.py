"""Exercise 15.3: a learning rate that falls by ten at epochs 50 and 80, against a constant one, on the spirals."""

from __future__ import annotations

import numpy as np
import optax
from matplotlib.figure import Figure

import steepest as sd
from steepest.chapter.report import Program

ROWS, BATCH, EPOCHS = 150, 10, 100
SEEDS = (0, 1, 2)


def programs() -> list[Program]:
    """Both from 0.1 with three seeds each: ``schedule.png``."""
    x, y = sd.datasets.spirals(rows=ROWS, arms=3, noise=0.2, seed=1)
    risk = sd.EmpiricalRisk(sd.models.mlp((16,), "tanh"), sd.losses.softmax_cross_entropy, x, y, name="spirals")
    an_epoch = sd.batches.shuffled(BATCH).steps_per_epoch(ROWS)
    decaying = optax.piecewise_constant_schedule(0.1, {50 * an_epoch: 0.1, 80 * an_epoch: 0.1})
    runs = sd.descend(
        risk, optax.sgd, learning_rate={"constant": 0.1, "decaying": decaying}, momentum=0.9, batch_size=BATCH,
        seed=list(SEEDS), epochs=EPOCHS, progress=False,
    )  # fmt: skip
    constant, other = (runs.loss.sel(learning_rate=label) for label in ("constant", "decaying"))
    late = slice(85, EPOCHS)
    roughness = [float(np.abs(curve.sel(epoch=late).diff("epoch")).mean()) for curve in (constant, other)]
    measured = {
        "rate in epochs 0, 50 and 80": [float(decaying(epoch * an_epoch + 1)) for epoch in (0, 50, 80)],
        "the same until epoch 50": str(bool(np.allclose(constant[:, :51], other[:, :51], rtol=1e-9))),
        "steadier in the end": str(roughness[1] < 0.2 * roughness[0]),
    }
    expected = {
        "rate in epochs 0, 50 and 80": [0.1, 0.01, 0.001],
        "the same until epoch 50": "True",
        "steadier in the end": "True",
    }
    # optax keeps a schedule's rates in single precision.
    return [Program("exercise 15.3 schedule", {"schedule.png": figure(runs)}, measured, book=expected, tolerance=1e-6)]


def figure(runs: sd.Descent) -> Figure:
    """Loss over epochs, a colour a schedule, a curve a seed."""
    whole, (axes,) = sd.figures.sheet((None,), (11.0, 6.5))
    labels = [f"{label}, seed {seed}" for label in ("constant", "decaying") for seed in SEEDS]
    sd.figures.loss_curves(runs, ax=axes, labels=labels, title="Spirals: 0.1 throughout, and a tenth of it twice")
    for place, curve in enumerate(axes.lines):
        curve.set_color("#0072B2" if place < len(SEEDS) else "#D55E00")
        curve.set_label(
            ("constant 0.1", "0.1, then 0.01, then 0.001")[place // len(SEEDS)] if place % len(SEEDS) == 0 else "_"
        )
        curve.set_alpha(0.8)
    for epoch in (50, 80):
        axes.axvline(epoch, color="#999999", linestyle=":", linewidth=1.2)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    return whole
