"""Section 15.4: convex and not convex, and every critical point of the rippled surface for what it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

import steepest as sd
from steepest.chapter.report import Program
from steepest.figures.style import PALETTE, legend, style


def programs() -> list[Program]:
    """Witnesses against convexity, and critical points counted: ``convexity.png`` and ``critical_points.png``."""
    rippled = sd.theory.critical_points(sd.landscapes.rippled_bowl)
    measured = {"convexity": verdicts(), "rippled surface": counted(rippled)}
    expected = {
        "convexity": {
            "linear regression": "not violated",
            "bowl": "not violated",
            "rippled surface": "violated",
            "wells": "violated",
        },
        "rippled surface": {
            "minima": 2,
            "saddles": 1,
            "maxima": 0,
            "complete": "True",
            "the origin is a": "saddle",
            "determinant at the origin": 2 * 6 - 4.5**2,  # diagonal 2 and 6, beside it 4.5
            "loss at the minima": sd.landscapes.rippled_bowl.minimum,
            "minimum": np.abs(sd.landscapes.rippled_bowl.minimisers[0]),
        },
    }
    note = (
        "the chapter's figure of 15.7 marks the origin of the rippled surface as its global minimum; it is a saddle, "
        f"where the loss is 0 and the Hessian has the determinant −8.25, and the minima are at ±(0.2432, −0.1501) with "
        f"the loss {rippled.minima[0].loss:.6f}, as the chapter's own runs end there"
    )
    pictures = {"convexity.png": chords(), "critical_points.png": points(rippled)}
    return [Program("15.4 convexity", pictures, measured, book=expected, notes=(note,))]


def verdicts() -> dict[str, str]:
    """Whether a witness against convexity was found."""
    data = sd.datasets.chapter_regression()
    losses = {
        "linear regression": sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, data.x, data.y),
        "bowl": sd.landscapes.bowl,
        "rippled surface": sd.landscapes.rippled_bowl,
        "wells": sd.landscapes.wells,
    }
    tried = {name: sd.theory.convexity(loss) for name, loss in losses.items()}
    return {name: "violated" if found.violated else "not violated" for name, found in tried.items()}


def counted(rippled: sd.theory.CriticalPoints) -> dict[str, Any]:
    """What the critical points of the rippled surface are."""
    origin = sd.theory.classify(sd.landscapes.rippled_bowl, [0.0, 0.0])
    return {
        "minima": len(rippled.minima),
        "saddles": len(rippled.saddles),
        "maxima": len(rippled.maxima),
        "complete": str(rippled.complete),
        "the origin is a": str(origin.kind),
        "determinant at the origin": float(np.prod(origin.eigenvalues)),
        "loss at the minima": rippled.minima[0].loss,
        "minimum": np.abs(rippled.minima[0].at),
    }


def chords() -> Figure:
    """A chord above a convex curve, and a witness below which a curve is not convex."""
    whole, axes = sd.figures.sheet()
    convex = sd.Objective(lambda w: w[0] ** 2 / 4, start=[0.0], window=((-6.0, 6.0),), name="a parabola")
    for place, (objective, (one, other)) in enumerate([(convex, (-4.0, 5.0)), (sd.landscapes.wells, (-0.512, 1.537))]):
        ax = axes[place]
        sd.figures.curve(objective, ax=ax, title=("Convex: chords lie above", "Not convex: a chord below")[place])
        with style():
            heights = [objective([one]), objective([other])]
            ax.plot([one, other], heights, "o-", color=PALETTE[1], label="chord", zorder=5)
            middle = (one + other) / 2
            ax.plot([middle] * 2, [objective([middle]), sum(heights) / 2], ":", color=PALETTE[0], linewidth=2.5,
                    label="from the chord to the loss")  # fmt: skip
            legend(ax)
    return whole


def points(rippled: sd.theory.CriticalPoints) -> Figure:
    """Critical points of the two landscapes of the chapter that are not convex."""
    whole, (left, right) = sd.figures.sheet()
    sd.figures.critical_points(rippled, ax=left, title="The rippled surface: the origin is a saddle")
    sd.figures.critical_points(sd.theory.critical_points(sd.landscapes.wells), ax=right, title="A line with six minima")
    return whole
