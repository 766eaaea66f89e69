"""What pictures of a landscape are drawn from: values on a grid, paths within a window, minimisers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from steepest.descent import Descent, Verdict
from steepest.figures.style import each_run
from steepest.objectives import Objective
from steepest.precision import double_precision

Window = Sequence[tuple[float, float]]
_MOST_POINTS = 600
_MOST_MARKERS = 60
_DECADES = 300.0


def values_on_grid(objective: Objective, window: Window, points: int = 200) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """The loss on a regular grid.

    Args:
        objective: of one or two parameters.
        window: (low, high) of each.
        points: along each axis.

    Returns:
        the axes, each of shape (points,), and the loss, shape (points,) or (points, points) with w₁ along columns.

    Raises:
        ValueError: the window has other than one or two dimensions.
    """
    if len(window) not in (1, 2):
        raise ValueError(
            f"a picture needs one or two parameters, got {len(window)}; fix the others in a loss of your own"
        )
    axes = [np.linspace(low, high, points) for low, high in window]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, len(axes))
    with double_precision():
        values = np.asarray(jax.jit(jax.vmap(objective.loss))(grid))
    return axes, values.reshape((points,) * len(axes))


def objective_and_paths(
    runs: Descent | Sequence[Descent] | Objective,
) -> tuple[Objective, list[tuple[NDArray[Any], Descent]]]:
    """The one objective of all runs, and each run's path (steps, parameters) as far as it went."""
    if isinstance(runs, Objective):
        return runs, []
    each = each_run(runs)
    objective = next(iter(each[0].objectives.values()))
    if any(next(iter(run.objectives.values())) is not objective for run in each):
        raise ValueError("the runs are on different objectives; draw one at a time, e.g. with sel(objective=...)")
    if not isinstance(objective, Objective):
        raise ValueError(
            f"{objective.name!r} has no landscape to draw; a picture needs an Objective of one or two parameters"
        )
    paths = []
    for run in each:
        path = np.asarray(run.path.values, float)
        paths.append((path[np.isfinite(path).all(axis=1)], run))
    return objective, paths


def window_of(objective: Objective, paths: list[tuple[NDArray[Any], Descent]], given: Window | None) -> Window:
    """The window given, else the objective's own, else what the paths span."""
    if given is not None:
        return given
    if objective.window is not None:
        return objective.window
    if not paths:
        raise ValueError(f"{objective.name!r} has no window of its own; pass window=((low, high), (low, high))")
    points = np.concatenate([path for path, run in paths if run.verdict != Verdict.DIVERGED.value] or [paths[0][0][:1]])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.15 * np.maximum(high - low, 1e-3)
    return tuple(zip((low - margin).tolist(), (high + margin).tolist(), strict=True))


def draw_contour(axes: Axes, objective: Objective, extent: Window) -> None:
    """Filled contours, at equal steps of the loss or, where it spans decades, of its logarithm."""
    grid, values = values_on_grid(objective, extent)
    lowest = np.nanmin(values)
    above = values - lowest
    # Lines at equal steps of the loss would all crowd on the walls of a valley that spans decades.
    shown = (
        np.log1p(above)
        if np.nanmax(above) > _DECADES * max(np.nanmedian(above) - np.nanmin(above), 1e-300)
        or np.nanmax(above) > _DECADES
        else above
    )
    axes.contourf(*grid, shown, levels=24, cmap="cividis", alpha=0.35)
    axes.contour(*grid, shown, levels=24, colors="#555555", linewidths=0.6, alpha=0.5)


def inside(path: NDArray[Any], extent: Window) -> NDArray[np.bool_]:
    """Which points of a path (steps, parameters) lie in the window."""
    low, high = np.array(extent).T
    return np.asarray(((path >= low) & (path <= high)).all(axis=1))


def thinned(path: NDArray[Any], most: int = _MOST_POINTS) -> NDArray[Any]:
    """At most that many points, the first and the last among them."""
    if len(path) <= most:
        return path
    places = np.unique(np.linspace(0, len(path) - 1, most).round().astype(int))
    return np.asarray(path[places])


def draw_path(axes: Axes, path: NDArray[Any], extent: Window, shade: Any, words: str | None) -> None:
    """A path; where it leaves the window for good it ends, at the edge, in a cross."""
    within = inside(path, extent)
    left = within.any() and not within[-1]
    if left:
        last = int(np.flatnonzero(within)[-1])
        path = np.vstack([path[: last + 1], crossing(path[last], path[last + 1], extent)])
    span = np.array([high - low for low, high in extent])
    reach = np.abs(path - np.mean(extent, axis=1)) <= 20 * span
    gone = np.flatnonzero(~reach.all(axis=1))
    near = path[: gone[0]] if len(gone) else path
    axes.plot(*thinned(near).T, "-", color=shade, linewidth=1.6, label=words, zorder=3)
    axes.plot(*thinned(near, _MOST_MARKERS).T, "o", color=shade, markersize=3.5, zorder=3)
    if left:
        axes.plot(*path[-1], "X", color=shade, markeredgecolor="white", markersize=12, zorder=6, clip_on=False)


def crossing(point: NDArray[Any], beyond: NDArray[Any], extent: Window) -> NDArray[Any]:
    """Where the step from a point of the window to one outside it, finite or not, crosses the edge.

    >>> crossing(np.array([0.0, 0.0]), np.array([4.0, 2.0]), ((-1, 1), (-1, 1)))
    array([1. , 0.5])
    """
    if not np.isfinite(beyond).all():
        return point
    step = beyond - point
    low, high = np.array(extent, float).T
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(step > 0, (high - point) / step, np.where(step < 0, (low - point) / step, np.inf))
    return np.asarray(point + min(1.0, float(shares.min())) * step)


def draw_minimisers(axes: Axes, objective: Objective, extent: Window) -> None:
    """Every global minimiser in the window, as a star."""
    for place, minimiser in enumerate(objective.minimisers):
        name = "global minimum" if len(objective.minimisers) == 1 else "global minima"
        if inside(np.array([minimiser]), extent)[0]:
            axes.plot(
                *minimiser, "*", color="white", markeredgecolor="black", markersize=17, zorder=5, linestyle="none",
                label=name if place == 0 else None,
            )  # fmt: skip


def title_of(objective: Objective) -> str:
    """Name and formula of an objective."""
    name = objective.name.replace("_", " ")
    return f"{name}: ${objective.formula}$" if objective.formula and len(objective.formula) < 60 else name
