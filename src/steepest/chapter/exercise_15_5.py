"""Exercise 15.5: the gradient of softmax and cross-entropy is ŷ − y, derived and checked."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import steepest as sd
from steepest.chapter.report import Program
from steepest.figures.style import legend, style
from steepest.precision import double_precision

CLASSES = 3
LOGITS = {
    "ordinary": np.array([2.0, -1.0, 0.5]),
    "huge": np.array([1e4, -1e4, 0.0]),
    "equal": np.zeros(3),
}


def programs() -> list[Program]:
    """The derivative in symbols, and by autodiff at several logits: ``softmax_gradient.png``."""
    measured: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    notes: tuple[str, ...] = ("the targets must add up to one: for others the gradient is ŷⱼ Σₖ yₖ − yⱼ",)
    try:
        measured["derived"] = derived()
        expected["derived"] = {"∂L/∂z[j] − (ŷ[j] − y[j])": "0 for every j"}
    except ImportError as error:
        notes = (*notes, f"the derivation was left out: {error}")
    for name, logits in LOGITS.items():
        target = np.eye(CLASSES)[1]
        measured[f"{name} logits"] = gradient(logits, target)
        shifted = np.exp(logits - logits.max())
        expected[f"{name} logits"] = shifted / shifted.sum() - target
    picture = {"softmax_gradient.png": figure()}
    return [Program("exercise 15.5 softmax gradient", picture, measured, book=expected, notes=notes)]


def derived() -> dict[str, str]:
    """The difference of the derivative and ŷ − y, simplified by sympy.

    Raises:
        ImportError: sympy is not installed.
    """
    try:
        import sympy
    except ImportError as error:
        raise ImportError(
            "exercise 15.5 derives a gradient in symbols, which needs sympy: pip install 'steepest[symbolic]'"
        ) from error
    z = sympy.symbols(f"z1:{CLASSES + 1}", real=True)
    y = [*sympy.symbols(f"y1:{CLASSES}", real=True)]
    y.append(1 - sum(y))  # targets that add up to one, which the result needs
    total = sum(sympy.exp(each) for each in z)
    loss = -sum(target * (logit - sympy.log(total)) for target, logit in zip(y, z, strict=True))
    rest = [
        sympy.simplify(sympy.diff(loss, logit) - (sympy.exp(logit) / total - target))
        for logit, target in zip(z, y, strict=True)
    ]
    return {"∂L/∂z[j] − (ŷ[j] − y[j])": "0 for every j" if all(each == 0 for each in rest) else str(rest)}


def gradient(logits: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """∂L/∂z by autodiff of the loss that steepest computes from logits."""
    with double_precision():
        return np.asarray(jax.grad(lambda z: sd.losses.softmax_cross_entropy(z[None], target[None])[0])(logits))


def figure() -> Figure:
    """Loss and derivative for two classes over the logit of the right one: the pull fades only when it is right."""
    whole, (axes,) = sd.figures.sheet((None,), (10.0, 6.5))
    grid = np.linspace(-8, 8, 161)
    slopes = np.array([gradient(np.array([each, 0.0]), np.array([1.0, 0.0]))[0] for each in grid[::8]])
    with style():
        right = 1 / (1 + np.exp(-grid))
        axes.plot(grid, -np.log(right), color="#333333", label=r"cross-entropy $-\log\,\hat y$")
        axes.plot(grid, right - 1, color="#0072B2", label=r"$\hat y - y$")
        axes.plot(grid[::8], slopes, "o", color="#D55E00", label="its derivative by autodiff")
        axes.set(xlabel="logit of the right class, beside a logit of 0", ylabel="loss, slope")
        axes.set_title("The slope of softmax and cross-entropy is the error of the prediction")
        legend(axes)
    return whole
