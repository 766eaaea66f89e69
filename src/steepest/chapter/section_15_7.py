"""Section 15.7: batch, stochastic and mini-batch descent; a rippled surface; noise; a sweep of learning rates."""

from __future__ import annotations

import numpy as np
import optax
from numpy.typing import NDArray

import steepest as sd
from steepest.chapter.report import Program

FREE = sd.Stop(gradient_norm=None)


def programs() -> list[Program]:
    """The section's four programs."""
    return [linear_regression(), rippled_surface(), noisy_trajectories(), sweep()]


def linear_regression() -> Program:
    """A line fitted in three ways to the same 200 rows, drawn as ``gd_comparison.png``."""
    data = sd.datasets.chapter_regression()
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, data.x, data.y)
    orders = {"single": sd.batches.explicit(data.single), "mini_batch": sd.batches.explicit(data.mini_batch, 7)}
    runs = {
        "batch": sd.descend(risk, optax.sgd, learning_rate=0.1, epochs=100, stop=FREE),
        "sgd": sd.descend(risk, optax.sgd, learning_rate=0.01, batch_size=orders["single"], epochs=100, stop=FREE),
        "mini_batch": sd.descend(
            risk, optax.sgd, learning_rate=0.05, batch_size=orders["mini_batch"], epochs=100, stop=FREE
        ),
    }
    # The chapter notes the loss before each epoch; ours also has the one after the last.
    numbers = {name: {"w": line(run), "losses": run.loss[:100].values} for name, run in runs.items()}
    design = np.column_stack([data.x, np.ones(len(data.x))])
    exact = np.linalg.lstsq(design, data.y, rcond=None)[0]
    labels = [r"full batch, $\eta$ = 0.1", r"single rows, $\eta$ = 0.01", r"batches of 32, $\eta$ = 0.05"]
    whole, (left, right) = sd.figures.sheet()
    several = list(runs.values())
    sd.figures.loss_curves(several, labels=labels, ax=left, title="Loss after each epoch")
    sd.figures.linear_fits(several, data.x, data.y, truth=lambda x: 3 * x + 2, labels=labels, ax=right)
    return Program("15.7 linear regression", {"gd_comparison.png": whole}, {**numbers, "least_squares": exact})


def line(run: sd.Descent) -> NDArray[np.float64]:
    """Slope and intercept."""
    return np.append(run.params["weight"], run.params["bias"])


def rippled_surface() -> Program:
    """Three learning rates on the rippled bowl, in three dimensions and from above: ``gd_3d_surface.png``."""
    rates = [0.01, 0.05, 0.15]
    stop = sd.Stop(gradient_norm=None, parameter_norm=50)
    runs = sd.descend(sd.landscapes.rippled_bowl, optax.sgd, learning_rate=rates, steps=100, stop=stop)
    numbers = {str(rate): end(runs.sel(learning_rate=rate)) for rate in rates}
    labels = [rf"$\eta$ = {rate}: {words}" for rate, words in zip(rates, ("slow", "good", "bold"), strict=True)]
    whole, (left, right) = sd.figures.sheet(projections=("3d", None))
    sd.figures.surface(runs, labels=labels, ax=left, title="The surface")
    sd.figures.contour(runs, labels=labels, ax=right, title="From above")
    return Program("15.7 surface", {"gd_3d_surface.png": whole}, numbers)


def end(run: sd.Descent) -> dict[str, object]:
    """Where a run ended."""
    return {"final": run.params, "loss": run.final_loss.item()}


def noisy_trajectories() -> Program:
    """The exact gradient, much noise and some noise, on the bowl: ``gd_sgd_minibatch_comparison.png``."""
    noise = np.random.RandomState(42).randn(60, 2)

    def noisy(learning_rate: float, standard_deviation: float) -> optax.GradientTransformation:
        return optax.chain(sd.add_noise_sequence(standard_deviation * noise), optax.sgd(learning_rate))

    settings = {"batch": (0.06, 0.0), "sgd": (0.04, 3.0), "mini_batch": (0.05, 1.0)}
    methods = {name: noisy(*setting) for name, setting in settings.items()}
    runs = sd.descend(sd.landscapes.bowl, methods, start=[4.0, 2.0], steps=60, stop=FREE)
    numbers = {name: runs.sel(method=name).params for name in settings}
    titles = ["exact gradient", "noise of a single sample", "noise of a mini-batch"]
    picture = sd.figures.panels(runs, titles=titles, window=((-5.5, 5.5), (-3.5, 3.5)))
    return Program("15.7 noisy trajectories", {"gd_sgd_minibatch_comparison.png": picture}, numbers)


def sweep() -> Program:
    """Five learning rates over five decades on the steep bowl: ``learning_rate_sweep.png``."""
    rates = [0.001, 0.01, 0.1, 1.0, 10.0]
    stop = sd.Stop(gradient_norm=None, target_loss=1e-4, loss_limit=1e10)
    runs = sd.descend(sd.landscapes.steep_bowl, optax.sgd, learning_rate=rates, steps=100, stop=stop)
    words = {"out of steps": "not converged"}
    numbers = {}
    for rate in rates:
        run = runs.sel(learning_rate=rate)
        verdict = run.verdict.item()
        numbers[str(rate)] = {
            "verdict": words.get(verdict, verdict),
            "steps": run.steps.item(),
            "loss": run.final_loss.item(),
        }
    whole, (left, right) = sd.figures.sheet()
    sd.figures.loss_curves(runs, ax=left, title="Loss of five learning rates")
    sd.figures.verdict_bars(runs, ax=right, title="Steps until the loss is below 0.0001")
    return Program("15.7 sweep", {"learning_rate_sweep.png": whole}, numbers)
