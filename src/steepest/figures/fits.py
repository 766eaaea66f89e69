"""Fits of a line to data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from steepest.descent import Descent
from steepest.figures.style import canvas, colour, each_run, labels_of, legend, style

_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)))


def linear_fits(
    runs: Descent | Sequence[Descent],
    x: ArrayLike,
    y: ArrayLike,
    *,
    truth: Callable[[Any], Any] | None = None,
    labels: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Data of one feature, and the line that each run of a linear regression ended with.

    Args:
        runs: descents of a risk with ``steepest.models.linear`` on one feature.
        x: the feature, shape (n,) or (n, 1).
        y: the target, shape (n,).
        truth: the function that made the data, where it is known.
        labels: one a run.
        title: above the axes.
        ax: axes to draw into.

    Raises:
        ValueError: more than one feature, or parameters other than a weight and a bias.
    """
    feature, target = np.asarray(x, float), np.asarray(y, float).ravel()
    if feature.size != target.size:
        raise ValueError(
            f"linear_fits draws one feature against one target, got shapes {feature.shape} and {np.shape(y)}"
        )
    each, words = each_run(runs), labels_of(runs, labels)
    with style():
        figure, axes = canvas(ax, (8.5, 6.0))
        axes.plot(feature.ravel(), target, "o", color="#999999", alpha=0.5, markersize=5, label="data")
        ends = np.array([feature.min(), feature.max()])
        for place, (run, own) in enumerate(zip(each, words, strict=True)):
            params = run.params
            if not isinstance(params, dict) or np.size(params.get("weight", ())) != 1:
                raise ValueError("linear_fits needs runs of models.linear on one feature, with a weight and a bias")
            line = ends * np.ravel(params["weight"]) + np.ravel(params["bias"])
            axes.plot(ends, line, color=colour(place, len(each)), linestyle=_DASHES[place % len(_DASHES)], label=own)
        if truth is not None:
            axes.plot(ends, truth(ends), color="black", linewidth=1, label="truth")
        axes.set(xlabel="$x$", ylabel="$y$", title="The lines learnt" if title is None else title)
        legend(axes)
    return figure
