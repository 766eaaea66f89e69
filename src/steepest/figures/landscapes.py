"""Pictures of an objective and of the paths on it: contour, surface, curve and panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from steepest.descent import Descent
from steepest.figures.drawing import (
    Window,
    draw_contour,
    draw_minimisers,
    draw_path,
    inside,
    objective_and_paths,
    thinned,
    title_of,
    values_on_grid,
    window_of,
)
from steepest.figures.style import MOST_IN_LEGEND, canvas, colour, each_run, labels_of, legend, style
from steepest.objectives import Objective
from steepest.precision import double_precision


def contour(
    runs: Descent | Sequence[Descent] | Objective,
    *,
    window: Window | None = None,
    labels: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The contour lines of a landscape of two parameters, and the paths of runs on it.

    A run that leaves the window is drawn as far as its edge and marked there with a cross.

    Args:
        runs: what ``descend`` returned, or a list of such, on one objective; or an objective alone.
        window: ((low, high), (low, high)); by default the objective's own, else what the paths span.
        labels: one a run.
        title: above the axes; by default the objective's name and formula.
        ax: axes to draw into.

    Raises:
        ValueError: other than two parameters, no path recorded, or no window.

    >>> import optax, steepest as sd
    >>> figure = contour(sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=[0.02, 0.08], steps=30))
    >>> len(figure.axes[0].lines) >= 2
    True
    """
    objective, paths = objective_and_paths(runs)
    extent = window_of(objective, paths, window)
    if len(extent) != 2:
        raise ValueError(f"a contour needs two parameters, got {len(extent)}; use figures.curve for one")
    with style():
        figure, axes = canvas(ax, (8.5, 7.0))
        draw_contour(axes, objective, extent)
        words = labels_of(runs, labels) if paths else []
        for place, (path, _) in enumerate(paths):
            own = words[place] if len(paths) <= MOST_IN_LEGEND else None
            draw_path(axes, path, extent, colour(place, len(paths)), own)
        draw_minimisers(axes, objective, extent)
        axes.set(xlim=extent[0], ylim=extent[1], xlabel="$w_1$", ylabel="$w_2$")
        axes.set_title(title_of(objective) if title is None else title)
        legend(axes)
    return figure


def surface(
    runs: Descent | Sequence[Descent] | Objective,
    *,
    window: Window | None = None,
    labels: Sequence[str] | None = None,
    title: str | None = None,
    view: tuple[float, float] = (38.0, -60.0),
    ax: Axes | None = None,
) -> Figure:
    """The graph of a landscape of two parameters in three dimensions, with the paths of runs lying on it.

    Args:
        runs: as in :func:`contour`.
        window: as in :func:`contour`.
        labels: one a run.
        title: above the axes.
        view: elevation and azimuth in degrees.
        ax: three-dimensional axes to draw into.

    Raises:
        ValueError: as in :func:`contour`, or ``ax`` is flat.
    """
    objective, paths = objective_and_paths(runs)
    extent = window_of(objective, paths, window)
    if len(extent) != 2:
        raise ValueError(f"a surface needs two parameters, got {len(extent)}; use figures.curve for one")
    if ax is not None and ax.name != "3d":
        raise ValueError("ax must be three-dimensional: figure.add_subplot(projection='3d')")
    with style():
        figure, flat = canvas(ax, (9.0, 7.5), projection="3d", computed_zorder=False)
        axes: Any = flat
        axes.computed_zorder = False
        grid, values = values_on_grid(objective, extent, 120)
        x, y = np.meshgrid(*grid)
        axes.plot_surface(
            x, y, values, cmap="cividis", alpha=0.75, linewidth=0, antialiased=True, rcount=100, ccount=100, zorder=1
        )
        words = labels_of(runs, labels) if paths else []
        lift = 0.01 * (np.nanmax(values) - np.nanmin(values))
        for place, (path, _) in enumerate(paths):
            shown = thinned(path[inside(path, extent)])
            with double_precision():
                height = np.asarray(jax.vmap(objective.loss)(shown)) + lift if len(shown) else np.empty(0)
            own = words[place] if len(paths) <= MOST_IN_LEGEND else None
            axes.plot(
                shown[:, 0],
                shown[:, 1],
                height,
                "o-",
                color=colour(place, len(paths)),
                markersize=3,
                label=own,
                zorder=3,
            )
        axes.set_xlabel("$w_1$", labelpad=8)
        axes.set_ylabel("$w_2$", labelpad=8)
        axes.set_zlabel("loss", labelpad=10)
        axes.set_title(title_of(objective) if title is None else title)
        axes.view_init(*view)
        if words:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=min(3, len(words)))
    return figure


def curve(
    runs: Descent | Sequence[Descent] | Objective,
    *,
    window: Window | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The graph of a landscape of one parameter, with where each run started (hollow) and ended (filled).

    Args:
        runs: as in :func:`contour`, of one parameter.
        window: ((low, high),).
        title: above the axes.
        ax: axes to draw into.

    Raises:
        ValueError: other than one parameter, no path recorded, or no window.
    """
    objective, paths = objective_and_paths(runs)
    extent = window_of(objective, paths, window)
    if len(extent) != 1:
        raise ValueError(f"a curve needs one parameter, got {len(extent)}; use figures.contour for two")
    with style():
        figure, axes = canvas(ax, (9.0, 5.5))
        (grid,), values = values_on_grid(objective, extent, 1000)
        axes.plot(grid, values, color="#7F7F7F", label="loss")
        for name, at, face in (("start", 0, "white"), ("end", -1, "#D55E00")):
            points = np.array([path[at] for path, _ in paths]).reshape(-1, 1)
            points = points[inside(points, extent)]
            with double_precision():
                height = np.asarray(jax.vmap(objective.loss)(points)) if len(points) else np.empty(0)
            if len(points):
                axes.plot(points[:, 0], height, "o", color="#D55E00", markerfacecolor=face, markersize=8, label=name)
        for minimiser in objective.minimisers:
            own = "global minimum" if minimiser == objective.minimisers[0] else None
            axes.plot(minimiser[0], objective(minimiser), "*", color="#009E73", markersize=18, zorder=1, label=own)
        axes.set(xlim=extent[0], xlabel="$w$", ylabel="loss")
        axes.set_title(title_of(objective) if title is None else title)
        legend(axes, columns=4)
    return figure


def panels(
    runs: Descent | Sequence[Descent],
    *,
    window: Window | None = None,
    titles: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """A contour a run, side by side on one scale.

    Args:
        runs: what ``descend`` returned, or a list of such, on one objective.
        window: as in :func:`contour`.
        titles: one a run; by default its label.
        title: above all of them.

    Raises:
        ValueError: as in :func:`contour`.
    """
    each = each_run(runs)
    words = labels_of(runs, titles)
    objective, paths = objective_and_paths(runs)
    extent = window_of(objective, paths, window)
    columns = min(len(each), 4)
    rows = -(-len(each) // columns)
    with style():
        figure = Figure(figsize=(5.2 * columns, 4.6 * rows + 0.8), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(each):
                axes.set_visible(False)
                continue
            draw_contour(axes, objective, extent)
            path, _ = paths[place]
            draw_path(axes, path, extent, colour(place, len(each)), None)
            axes.plot(*path[0], "o", color="black", markersize=8, label="start")
            draw_minimisers(axes, objective, extent)
            axes.set(xlim=extent[0], ylim=extent[1], title=words[place])
            axes.label_outer()
        for axes in grid[-1]:
            axes.set_xlabel("$w_1$")
        for axes in grid[:, 0]:
            axes.set_ylabel("$w_2$")
        handles, names = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(handles))
        figure.suptitle(title_of(objective) if title is None else title)
    return figure
