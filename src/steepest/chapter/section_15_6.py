"""Section 15.6: the gradients of the losses, and why cross-entropy learns where squared error does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from numpy.typing import NDArray

import steepest as sd
from steepest.chapter.report import Program
from steepest.figures.style import style
from steepest.precision import double_precision

PREDICTIONS, TARGETS = np.array([2.5, -1.0, 0.3]), np.array([3.0, -1.0, 2.0])
LOGITS, CLASS = np.array([2.0, -1.0, 0.5]), 2
WRONG = -8.0  # the logit of a prediction that is confidently wrong: the target is 1
FREE = sd.Stop(gradient_norm=None)


def programs() -> list[Program]:
    """Every gradient by autodiff beside its closed form; drawn as ``loss_gradients.png``."""
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum()
    target = np.eye(3)[CLASS]
    sigma = 1 / (1 + np.exp(-WRONG))
    closed = {
        "mean squared error by prediction": PREDICTIONS - TARGETS,
        "cross-entropy by probability": -target / probabilities,
        "softmax and cross-entropy by logit": probabilities - target,
        "sigmoid and squared error by logit": (sigma - 1) * sigma * (1 - sigma),
        "sigmoid and cross-entropy by logit": sigma - 1,
    }
    ours = {
        "mean squared error by prediction": gradient(sd.losses.mean_squared_error, PREDICTIONS, TARGETS),
        "cross-entropy by probability": gradient(cross_entropy_of_probabilities, probabilities, target),
        "softmax and cross-entropy by logit": gradient(
            sd.losses.softmax_cross_entropy, LOGITS[None], np.array([CLASS])
        )[0],
        "sigmoid and squared error by logit": gradient(sd.losses.sigmoid_squared_error, np.array([WRONG]), np.ones(1))[
            0
        ],
        "sigmoid and cross-entropy by logit": gradient(sd.losses.binary_cross_entropy, np.array([WRONG]), np.ones(1))[
            0
        ],
    }
    return [Program("15.6 losses", {"loss_gradients.png": figure()}, ours, book=closed)]


def cross_entropy_of_probabilities(probabilities: Any, target: Any) -> Any:
    """−Σ y log ŷ, as a function of the probabilities themselves."""
    return -jnp.sum(target * jnp.log(probabilities))


def gradient(loss: Callable[[Any, Any], Any], predictions: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """The gradient of the summed loss with respect to the predictions, by autodiff in float64."""
    with double_precision():
        return np.asarray(jax.grad(lambda p: jnp.sum(loss(p, targets)))(jnp.asarray(predictions)))


def loss_of_one(loss: Callable[[Any, Any], Any], w: Any) -> Any:
    """The loss of a single example with target 1, as a function of its logit."""
    return loss(w, jnp.ones(1))[0]


def figure() -> Figure:
    """How steep both losses are over the logit, and descent on one confidently wrong prediction."""
    pairs = (("squared error", sd.losses.sigmoid_squared_error), ("cross-entropy", sd.losses.binary_cross_entropy))
    examples = [sd.Objective(partial(loss_of_one, loss), start=[WRONG], name=name) for name, loss in pairs]
    runs = [sd.descend(example, optax.sgd, learning_rate=1.0, steps=200, stop=FREE) for example in examples]
    logits = np.linspace(-10, 10, 401)
    with style():
        whole, (left, right) = sd.figures.sheet(size=(15, 6))
        for (name, loss), run, shade in zip(pairs, runs, ("#D55E00", "#0072B2"), strict=True):
            left.plot(
                logits, np.abs(gradient(loss, logits, np.ones_like(logits))), color=shade, label=f"sigmoid and {name}"
            )
            probability = 1 / (1 + np.exp(-run.path.values[:, 0]))
            right.plot(run.dataset.step, probability, color=shade, label=f"sigmoid and {name}")
        left.axvspan(-10, -4, color="#999999", alpha=0.15)
        left.text(-7, 0.5, "confidently\nwrong", ha="center", color="#555555")
        left.set(
            xlabel="logit $z$ (the target is 1)",
            ylabel=r"$|\partial L / \partial z|$",
            title="How much a step can learn",
        )
        right.set(xlabel="step", ylabel="probability given to the truth", ylim=(-0.02, 1.02))
        right.set_title(f"Descent from $z$ = {WRONG:g} with $\\eta$ = 1")
        for axes in (left, right):
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    return whole
