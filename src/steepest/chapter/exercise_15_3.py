"""Exercise 15.3: a learning rate that falls by ten at epochs 50 and 80, against a constant one, on the spirals.

The exercise asks for it from 0.1. There the network is still on its way at epoch 50, and the fall only stops it. From
0.5 it has arrived: what is left is the noise of the batches, and the fall removes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import steepest as sd
from steepest.chapter.report import Program
from steepest.figures.style import legend, style

ROWS, BATCH, EPOCHS = 300, 10, 100
AN_EPOCH = sd.batches.shuffled(BATCH).steps_per_epoch(ROWS)
SEEDS = range(8)
RATES = (0.1, 0.5)
SHADES = {"constant": "#0072B2", "decaying": "#D55E00"}


def programs() -> list[Program]:
    """Constant and falling, from 0.1 and from 0.5, with eight seeds each: ``schedule.png``."""
    runs = {rate: trained(rate) for rate in RATES}
    measured: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    notes = []
    for rate, pair in runs.items():
        constant, decaying = (pair.loss.sel(learning_rate=label).values for label in SHADES)
        late = [float(np.abs(np.diff(curve[:, 85:], axis=1)).mean()) for curve in (constant, decaying)]
        measured[f"from {rate:g}"] = {
            "rate in epochs 0, 50 and 80": [float(schedule(rate)(epoch * AN_EPOCH + 1)) for epoch in (0, 50, 80)],
            "largest difference until epoch 50": float(np.abs(constant[:, :51] - decaying[:, :51]).max()),
            "what moves it after epoch 85": "less than a tenth of the constant rate's"
            if late[1] < late[0] / 10
            else "more",
        }
        expected[f"from {rate:g}"] = {
            "rate in epochs 0, 50 and 80": [rate, rate / 10, rate / 100],
            "largest difference until epoch 50": 0.0,
            "what moves it after epoch 85": "less than a tenth of the constant rate's",
        }
        lower = int((decaying[:, -1] < constant[:, -1]).sum())
        notes.append(
            f"from {rate:g} the falling rate ends lower than the constant one in {lower} of {len(SEEDS)} seeds: median "
            f"loss {np.median(decaying[:, -1]):.3g} against {np.median(constant[:, -1]):.3g}"
        )
    # optax keeps a schedule's rates in single precision.
    return [
        Program("exercise 15.3 schedule", {"schedule.png": figure(runs)}, measured, book=expected, tolerance=1e-6,
                notes=tuple(notes))
    ]  # fmt: skip


def schedule(rate: float) -> Any:
    """The rate over steps: a tenth of it from epoch 50, a hundredth from epoch 80."""
    return optax.piecewise_constant_schedule(rate, {50 * AN_EPOCH: 0.1, 80 * AN_EPOCH: 0.1})


def trained(rate: float) -> sd.Descent:
    """Both schedules on the same seeds: the axes learning_rate and seed."""
    x, y = sd.datasets.spirals(rows=ROWS, arms=3, noise=0.2, seed=1)
    risk = sd.EmpiricalRisk(sd.models.mlp((32, 32), "tanh"), sd.losses.softmax_cross_entropy, x, y, name="spirals")
    rates = {"constant": rate, "decaying": schedule(rate)}
    return sd.descend(
        risk, optax.sgd, learning_rate=rates, batch_size=BATCH, seed=list(SEEDS), epochs=EPOCHS, path=False,
        progress=False,
    )  # fmt: skip


def figure(runs: dict[float, sd.Descent]) -> Figure:
    """Loss over epochs from both rates: the median of the seeds, and all of them between lowest and highest."""
    whole, axes = sd.figures.sheet()
    for ax, (rate, pair) in zip(axes, runs.items(), strict=True):
        draw(ax, rate, pair)
    lows, highs = zip(*(ax.get_ylim() for ax in axes), strict=True)
    for ax in axes:
        ax.set_ylim(min(lows), max(highs))
    return whole


def draw(axes: Axes, rate: float, pair: sd.Descent) -> None:
    """One rate: a band and a median a schedule."""
    words = {"constant": f"{rate:g} throughout", "decaying": f"{rate:g}, then {rate / 10:g}, then {rate / 100:g}"}
    with style():
        for label, shade in SHADES.items():
            curve = pair.loss.sel(learning_rate=label)
            axes.fill_between(curve.epoch, curve.min("seed"), curve.max("seed"), color=shade, alpha=0.2, linewidth=0)
            axes.plot(curve.epoch, curve.median("seed"), color=shade, label=words[label])
        for epoch in (50, 80):
            axes.axvline(epoch, color="#999999", linestyle=":", linewidth=1.2)
        axes.set(xlabel="epoch", ylabel="training loss", yscale="log")
        axes.set_title(f"From {rate:g}: median and range of {len(SEEDS)} seeds")
        legend(axes, columns=2)
