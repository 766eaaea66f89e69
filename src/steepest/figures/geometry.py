"""Landscapes marked: critical points, basins of attraction, and where many starts come to."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from steepest.experiments import Basins, Multistart
from steepest.figures.drawing import Window, draw_contour, title_of, values_on_grid
from steepest.figures.style import PALETTE, canvas, legend, style
from steepest.objectives import Objective
from steepest.theory import CriticalPoints, Kind

_MARKS = {
    Kind.MINIMUM: ("*", "#009E73", 17),
    Kind.MAXIMUM: ("^", "#D55E00", 12),
    Kind.SADDLE: ("X", "#CC79A7", 12),
    Kind.DEGENERATE: ("s", "#E69F00", 10),
}
_PLURALS = {
    Kind.MINIMUM: "minima",
    Kind.MAXIMUM: "maxima",
    Kind.SADDLE: "saddles",
    Kind.DEGENERATE: "degenerate points",
}
_DIVERGED, _UNSETTLED = "#404040", "#BBBBBB"


def critical_points(found: CriticalPoints, *, title: str | None = None, ax: Axes | None = None) -> Figure:
    """A landscape with every critical point marked for what it is.

    Args:
        found: what :func:`steepest.theory.critical_points` returned.
        title: above the axes.
        ax: axes to draw into.

    >>> import steepest as sd
    >>> figure = critical_points(sd.theory.critical_points(sd.landscapes.rippled_bowl))
    """
    with style():
        figure, axes = canvas(ax)
        flat = len(found.window) == 1
        _draw_landscape(axes, found.objective, found.window)
        for kind, (marker, shade, size) in _MARKS.items():
            points = found.of(kind)
            if points:
                places = np.array([np.ravel(point.at) for point in points])
                heights = [[point.loss for point in points]] if flat else []
                words = (
                    f"{len(points)} {_PLURALS[kind]}" if len(points) > 1 else f"one {kind}".replace("one de", "a de")
                )
                axes.plot(*places.T, *heights, marker, color=shade, markeredgecolor="black", markersize=size,
                          linestyle="none", label=words, zorder=5)  # fmt: skip
        axes.set_title(title or f"Critical points of {title_of(found.objective)}", pad=14)
        legend(axes)
    return figure


def basins(found: Basins, *, title: str | None = None, ax: Axes | None = None) -> Figure:
    """A map of which minimiser each start comes to, over the contours of the loss.

    Args:
        found: what :func:`steepest.experiments.basins` returned.
        title: above the axes.
        ax: axes to draw into.

    >>> import steepest as sd
    >>> figure = basins(sd.experiments.basins(sd.landscapes.himmelblau, learning_rate=0.01, resolution=50))
    """
    shades = [PALETTE[place % 6] if len(found.minimisers) <= 6 else mpl.colormaps["tab20"](place % 20)
              for place in range(len(found.minimisers))]  # fmt: skip
    names = list(reversed(found.basin.dims))
    window = tuple((float(found.basin[name].min()), float(found.basin[name].max())) for name in names)
    with style():
        figure, axes = canvas(ax)
        palette = ListedColormap([_DIVERGED, _UNSETTLED, *shades])
        limits: dict[str, Any] = {"vmin": -2.5, "vmax": len(shades) - 0.5}
        if len(names) == 2:
            axes.pcolormesh(*(found.basin[name] for name in names), found.basin.values, cmap=palette, shading="nearest",
                            alpha=0.75, rasterized=True, **limits)  # fmt: skip
            _draw_lines(axes, found.objective, window)
        else:
            _draw_landscape(axes, found.objective, window)
            low, high = axes.get_ylim()
            axes.pcolormesh(found.basin[names[0]], [low, high], np.tile(found.basin.values, (2, 1)), cmap=palette,
                            shading="nearest", alpha=0.35, zorder=0, **limits)  # fmt: skip
            axes.set_ylim(low, high)
        for place, point in enumerate(found.minimisers):
            at = np.ravel(point.at)
            if all(start <= value <= end for value, (start, end) in zip(at, window, strict=True)):
                axes.plot(*at, *([point.loss] if len(names) == 1 else []), "*", color=shades[place],
                          markeredgecolor="black", markersize=17, zorder=5)  # fmt: skip
        axes.set_title(title or f"Basins of attraction of {found.objective.name.replace('_', ' ')}")
        _basin_legend(axes, found, shades)
    return figure


def multistart(found: Multistart, *, title: str | None = None, ax: Axes | None = None) -> Figure:
    """Starts and ends of many runs on a landscape of one or two parameters.

    Args:
        found: what :func:`steepest.experiments.multistart` returned.
        title: above the axes.
        ax: axes to draw into.

    Raises:
        ValueError: a landscape of more parameters.

    >>> import steepest as sd
    >>> figure = multistart(sd.experiments.multistart(sd.landscapes.wells, learning_rate=0.02))
    """
    dimensions = found.starts.shape[1]
    if dimensions > 2:
        raise ValueError(f"a picture needs one or two parameters, got {dimensions}")
    ends = np.asarray(found.runs.params)
    seen = np.concatenate([found.starts, ends[np.isfinite(ends).all(axis=1)]])
    own = found.objective.window or tuple(zip(seen.min(axis=0), seen.max(axis=0), strict=True))
    with style():
        figure, axes = canvas(ax, (9.0, 6.0))
        _draw_landscape(axes, found.objective, own)
        for reached, shade, words in ((True, "#009E73", "in the global minimum"), (False, "#D55E00", "elsewhere")):
            chosen = found.reached == reached
            if not chosen.any():
                continue
            for start, end in zip(found.starts[chosen], ends[chosen], strict=True):
                _arrow(axes, found.objective, start, end, shade)
            places = found.starts[chosen]
            heights = [[found.objective(point) for point in places]] if dimensions == 1 else []
            axes.plot(*places.T, *heights, "o", color=shade, markersize=8, markeredgecolor="white",
                      label=f"{int(chosen.sum())} starts that end {words}", zorder=4)  # fmt: skip
        axes.set_title(title or f"{len(found.reached)} starts on {title_of(found.objective)}", pad=14)
        legend(axes)
    return figure


def _arrow(axes: Axes, objective: Objective, start: Any, end: Any, shade: str) -> None:
    one, other = ((point[0], objective(point)) if len(point) == 1 else tuple(point) for point in (start, end))
    bend = "arc3,rad=0.15" if len(start) == 1 else "arc3"
    axes.annotate("", other, one, zorder=3,
                  arrowprops={"arrowstyle": "-|>", "color": shade, "alpha": 0.6, "connectionstyle": bend})  # fmt: skip


def _draw_landscape(axes: Axes, objective: Objective, window: Window) -> None:
    """The curve of one parameter or the contours of two, with names on the axes."""
    if len(window) == 1:
        (grid,), values = values_on_grid(objective, window, 800)
        axes.plot(grid, values, color="#333333", linewidth=1.8)
        axes.set(xlabel="$w$", ylabel="loss")
    else:
        draw_contour(axes, objective, window)
        axes.set(xlabel="$w_1$", ylabel="$w_2$", xlim=window[0], ylim=window[1])


def _draw_lines(axes: Axes, objective: Objective, window: Window) -> None:
    """Contour lines alone, at equal steps of the logarithm."""
    grid, values = values_on_grid(objective, window)
    axes.contour(*grid, np.log1p(values - values.min()), levels=18, colors="black", linewidths=0.5, alpha=0.4)
    axes.set(xlabel="$w_1$", ylabel="$w_2$", xlim=window[0], ylim=window[1])
    axes.grid(False)


def _basin_legend(axes: Axes, found: Basins, shades: list[Any]) -> None:
    shares = found.fractions
    handles = []
    for place, point in enumerate(found.minimisers[:8]):
        where = ", ".join(f"{value:.3g}" for value in np.ravel(point.at))
        handles.append(Patch(color=shades[place], alpha=0.75, label=f"to ({where}): {shares.get(place, 0):.1%}"))
    for number, shade, words in ((-1, _UNSETTLED, "not settled"), (-2, _DIVERGED, "diverged")):
        if number in shares:
            handles.append(Patch(color=shade, label=f"{words}: {shares[number]:.1%}"))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=min(3, len(handles)))
