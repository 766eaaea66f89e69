"""Section 15.5: learning rates on the steep bowl, whose limit is 2/λmax = 0.1."""

from __future__ import annotations

import numpy as np
import optax
from matplotlib.figure import Figure
from numpy.typing import NDArray

import steepest as sd
from steepest.chapter.report import Program
from steepest.figures.style import PALETTE, legend, style

RATES = (0.005, 0.04, 0.09, 0.105)
WORDS = ("too small", "good", "fast", "too large")


def programs() -> list[Program]:
    """The chapter's four learning rates, and a fine sweep of what it says of all of them."""
    return [four_rates(), limit_and_best()]


def four_rates() -> Program:
    """Drawn as ``learning_rate_effect.png``; a run ends when its parameters leave a disc of radius 100."""
    stop = sd.Stop(gradient_norm=None, parameter_norm=100)
    sweep = sd.descend(sd.landscapes.steep_bowl, optax.sgd, learning_rate=list(RATES), steps=50, stop=stop)
    numbers = {}
    for rate in RATES:
        run = sweep.sel(learning_rate=rate)
        numbers[str(rate)] = {"steps": run.steps.item(), "final": run.params, "loss": run.final_loss.item()}
    return Program("15.5 learning rate effect", {"learning_rate_effect.png": figure(sweep)}, numbers)


def limit_and_best() -> Program:
    """The contraction of 300 learning rates, measured and predicted: ``learning_rate_limit.png``."""
    spectrum = sd.theory.spectrum(sd.landscapes.steep_bowl)
    rates = np.linspace(0.002, 0.108, 300)
    sweep = sd.descend(
        sd.landscapes.steep_bowl,
        optax.sgd,
        learning_rate=rates,
        steps=400,
        stop=sd.Stop(gradient_norm=None),
        path=False,
    )
    found = sd.theory.compare(sweep).dataset
    measured = np.sqrt(found.measured_factor.values)
    growing = rates[measured > 1].min()
    condition_number = spectrum.condition_number
    assert condition_number is not None
    numbers = {
        "limit, first rate that grows": growing,
        "best rate": rates[measured.argmin()],
        "contraction at the best rate": measured.min(),
        "condition number": condition_number.low,
        "contraction by rate": measured,
    }
    spacing = rates[1] - rates[0]
    expected = {
        "limit, first rate that grows": rates[rates > 2 / 20].min(),
        "best rate": rates[np.abs(rates - 2 / 22).argmin()],
        "contraction at the best rate": 9 / 11,
        "condition number": 10.0,
        "contraction by rate": np.maximum(np.abs(1 - 2 * rates), np.abs(1 - 20 * rates)),
    }
    picture = predicted_and_measured(rates, measured, expected["contraction by rate"], spectrum)
    # The best of the rates tried may be a neighbour of the nearest one: a spacing is 0.4 % of it.
    pictures = {"learning_rate_limit.png": picture}
    return Program("15.5 limit and best rate", pictures, numbers, book=expected, tolerance=1.2 * spacing / (2 / 22))


def predicted_and_measured(
    rates: NDArray[np.float64],
    measured: NDArray[np.float64],
    predicted: NDArray[np.float64],
    spectrum: sd.theory.Spectrum,
) -> Figure:
    """The factor a step over the learning rate, with the limit and the best rate marked."""
    whole, (axes,) = sd.figures.sheet((None,), (10.0, 6.5))
    with style():
        axes.plot(
            rates,
            predicted,
            color="#333333",
            label=r"predicted, $\max(|1-\eta\lambda_{\min}|, |1-\eta\lambda_{\max}|)$",
        )
        axes.plot(rates[::6], measured[::6], "o", color=PALETTE[0], markersize=5, label="measured")
        axes.axhline(1.0, color="#999999", linewidth=1)
        limit, best = spectrum.learning_rate_limit, spectrum.best_learning_rate
        assert best is not None
        axes.axvline(limit, color=PALETTE[1], linestyle="--", label=rf"limit $2/\lambda_{{\max}}$ = {limit:.4g}")
        axes.axvline(
            best, color=PALETTE[2], linestyle="--", label=rf"best $2/(\lambda_{{\min}}+\lambda_{{\max}})$ = {best:.4g}"
        )
        axes.set(xlabel=r"learning rate $\eta$", ylabel="distance to the minimum, factor a step")
        axes.set_title("What a learning rate does, predicted and measured")
        legend(axes, columns=2)
    return whole


def figure(sweep: sd.Descent) -> Figure:
    """The four paths, and their losses."""
    labels = [rf"$\eta$ = {rate}: {words}" for rate, words in zip(RATES, WORDS, strict=True)]
    whole, (left, right) = sd.figures.sheet()
    sd.figures.contour(sweep, ax=left, labels=labels, window=((-6, 6), (-4, 4)), title="Paths of four learning rates")
    sd.figures.loss_curves(sweep, ax=right, labels=labels, title="Loss over steps", limits=(1e-8, 1e6))
    return whole
