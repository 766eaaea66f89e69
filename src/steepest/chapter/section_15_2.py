"""Section 15.2: the gradient points where the loss rises most steeply."""

from __future__ import annotations

import jax
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import steepest as sd
from steepest.chapter.report import Program
from steepest.figures.style import PALETTE, legend, style
from steepest.precision import double_precision

POINTS = {"bowl": np.array([-2.0, 1.0]), "rosenbrock": np.array([-1.5, 2.0])}
# By hand, as the chapter writes them: (2w₁, 10w₂), and the two partial derivatives of Rosenbrock's function.
GRADIENTS = {
    "bowl": np.array([2 * -2.0, 10 * 1.0]),
    "rosenbrock": np.array([-2 * (1 + 1.5) - 400 * -1.5 * (2.0 - 1.5**2), 200 * (2.0 - 1.5**2)]),
}
# Every five degrees, but not across the gradient: there the cosine is its own rounding.
ANGLES = np.radians([degrees for degrees in range(-180, 181, 5) if abs(degrees) != 90])


def programs() -> list[Program]:
    """Derivatives along 71 directions beside |g| cos θ, θ the angle from the gradient: ``steepest_ascent.png``."""
    measured, expected = {}, {}
    for name, point in POINTS.items():
        gradient = GRADIENTS[name]
        slopes = along(sd.landscapes.find(name), point, gradient)
        norm = float(np.linalg.norm(gradient))
        measured[name] = {
            "derivative by angle": slopes / norm,
            "steepest": float(slopes.max()),
            "steepest at the angle": float(ANGLES[slopes.argmax()]),
        }
        expected[name] = {
            "derivative by angle": np.cos(ANGLES),
            "steepest": norm,
            "steepest at the angle": 0.0,
        }
    return [Program("15.2 steepest ascent", {"steepest_ascent.png": figure()}, measured, book=expected)]


def along(landscape: sd.Objective, point: NDArray[np.float64], gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """The derivative of the loss along unit vectors at all angles from the gradient, by forward differentiation."""
    with double_precision():
        unit = gradient / np.linalg.norm(gradient)
        across = np.array([-unit[1], unit[0]])
        directions = np.cos(ANGLES)[:, None] * unit + np.sin(ANGLES)[:, None] * across
        return np.asarray(jax.vmap(lambda v: jax.jvp(landscape.loss, (point,), (v,))[1])(directions))


def figure() -> Figure:
    """Left the directions on the bowl, coloured by slope; right the slopes over the angle, and |g| cos θ."""
    bowl, point = sd.landscapes.bowl, POINTS["bowl"]
    gradient = GRADIENTS["bowl"]
    slopes = along(bowl, point, gradient)
    whole, (left, right) = sd.figures.sheet()
    sd.figures.contour(bowl, ax=left, title="Every direction from one point")
    with style():
        unit = gradient / np.linalg.norm(gradient)
        across = np.array([-unit[1], unit[0]])
        for angle in ANGLES[::6]:
            end = point + 1.1 * (np.cos(angle) * unit + np.sin(angle) * across)
            left.annotate("", tuple(end), tuple(point), arrowprops={"arrowstyle": "-|>", "color": "#888888"})
        for sign, shade, words in ((1, PALETTE[1], "steepest ascent, g"), (-1, PALETTE[0], "steepest descent, −g")):
            end = point + sign * 1.7 * unit
            left.annotate(
                "", tuple(end), tuple(point), arrowprops={"arrowstyle": "-|>", "color": shade, "linewidth": 3}
            )
            left.plot([], [], color=shade, linewidth=3, label=words)
        left.plot(*point, "o", color="black", markersize=7)
        legend(left)
        degrees = np.degrees(ANGLES)
        right.plot(degrees, np.linalg.norm(gradient) * np.cos(ANGLES), color="#333333", label=r"$|g|\,\cos\theta$")
        right.plot(degrees[::3], slopes[::3], "o", color=PALETTE[2], label="derivative along the direction")
        right.set(xlabel=r"angle from the gradient, $\theta$ in degrees", ylabel="slope", xticks=range(-180, 181, 60))
        right.set_title("The slope is largest along the gradient")
        legend(right)
    return whole
