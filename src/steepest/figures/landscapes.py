"""Pictures of an objective and of the paths on it: contour, surface, curve and panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steepest.descent import Descent, Verdict
from steepest.figures.style import MOST_IN_LEGEND, canvas, colour, each_run, labels_of, legend, style
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
    objective, paths = _objective_and_paths(runs)
    extent = _window(objective, paths, window)
    if len(extent) != 2:
        raise ValueError(f"a contour needs two parameters, got {len(extent)}; use figures.curve for one")
    with style():
        figure, axes = canvas(ax, (8.5, 7.0))
        _draw_contour(axes, objective, extent)
        words = labels_of(runs, labels) if paths else []
        for place, (path, run) in enumerate(paths):
            own = words[place] if len(paths) <= MOST_IN_LEGEND else None
            _draw_path(axes, path, extent, run, colour(place, len(paths)), own)
        _draw_minimisers(axes, objective, extent)
        axes.set(xlim=extent[0], ylim=extent[1], xlabel="$w_1$", ylabel="$w_2$")
        axes.set_title(_title(objective) if title is None else title)
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
    objective, paths = _objective_and_paths(runs)
    extent = _window(objective, paths, window)
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
            inside = _thinned(path[_inside(path, extent)])
            with double_precision():
                height = np.asarray(jax.vmap(objective.loss)(inside)) + lift if len(inside) else np.empty(0)
            own = words[place] if len(paths) <= MOST_IN_LEGEND else None
            axes.plot(
                inside[:, 0],
                inside[:, 1],
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
        axes.set_title(_title(objective) if title is None else title)
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
    objective, paths = _objective_and_paths(runs)
    extent = _window(objective, paths, window)
    if len(extent) != 1:
        raise ValueError(f"a curve needs one parameter, got {len(extent)}; use figures.contour for two")
    with style():
        figure, axes = canvas(ax, (9.0, 5.5))
        (grid,), values = values_on_grid(objective, extent, 1000)
        axes.plot(grid, values, color="#7F7F7F", label="loss")
        for name, at, face in (("start", 0, "white"), ("end", -1, "#D55E00")):
            points = np.array([path[at] for path, _ in paths]).reshape(-1, 1)
            points = points[_inside(points, extent)]
            with double_precision():
                height = np.asarray(jax.vmap(objective.loss)(points)) if len(points) else []
            if len(points):
                axes.plot(points[:, 0], height, "o", color="#D55E00", markerfacecolor=face, markersize=8, label=name)
        for minimiser in objective.minimisers:
            own = "global minimum" if minimiser == objective.minimisers[0] else None
            axes.plot(*minimiser, objective.minimum, "*", color="#009E73", markersize=18, zorder=1, label=own)
        axes.set(xlim=extent[0], xlabel="$w$", ylabel="loss")
        axes.set_title(_title(objective) if title is None else title)
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
    objective, paths = _objective_and_paths(runs)
    extent = _window(objective, paths, window)
    columns = min(len(each), 4)
    rows = -(-len(each) // columns)
    with style():
        figure = Figure(figsize=(5.2 * columns, 4.6 * rows + 0.8), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(each):
                axes.set_visible(False)
                continue
            _draw_contour(axes, objective, extent)
            path, run = paths[place]
            _draw_path(axes, path, extent, run, colour(place, len(each)), None)
            axes.plot(*path[0], "o", color="black", markersize=8, label="start")
            _draw_minimisers(axes, objective, extent)
            axes.set(xlim=extent[0], ylim=extent[1], title=words[place])
            axes.label_outer()
        for axes in grid[-1]:
            axes.set_xlabel("$w_1$")
        for axes in grid[:, 0]:
            axes.set_ylabel("$w_2$")
        handles, names = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(handles))
        figure.suptitle(_title(objective) if title is None else title)
    return figure


def _objective_and_paths(
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


def _window(objective: Objective, paths: list[tuple[NDArray[Any], Descent]], given: Window | None) -> Window:
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


def _draw_contour(axes: Axes, objective: Objective, extent: Window) -> None:
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


def _inside(path: NDArray[Any], extent: Window) -> NDArray[np.bool_]:
    low, high = np.array(extent).T
    return np.asarray(((path >= low) & (path <= high)).all(axis=1))


def _thinned(path: NDArray[Any], most: int = _MOST_POINTS) -> NDArray[Any]:
    """At most that many points, the first and the last among them."""
    if len(path) <= most:
        return path
    return path[np.unique(np.linspace(0, len(path) - 1, most).round().astype(int))]


def _draw_path(axes: Axes, path: NDArray[Any], extent: Window, run: Descent, shade: Any, words: str | None) -> None:
    span = np.array([high - low for low, high in extent])
    reach = np.abs(path - np.mean(extent, axis=1)) <= 20 * span
    near = path[: int(np.argmin(reach.all(axis=1))) or None] if not reach.all() else path
    axes.plot(*_thinned(near).T, "-", color=shade, linewidth=1.6, label=words, zorder=3)
    axes.plot(*_thinned(near, _MOST_MARKERS).T, "o", color=shade, markersize=3.5, zorder=3)
    inside = _inside(path, extent)
    if not inside[-1] and inside.any():
        last = int(np.flatnonzero(inside)[-1])
        axes.plot(*path[last], "X", color=shade, markeredgecolor="white", markersize=12, zorder=4)


def _draw_minimisers(axes: Axes, objective: Objective, extent: Window) -> None:
    for place, minimiser in enumerate(objective.minimisers):
        name = "global minimum" if len(objective.minimisers) == 1 else "global minima"
        if _inside(np.array([minimiser]), extent)[0]:
            axes.plot(
                *minimiser, "*", color="white", markeredgecolor="black", markersize=17, zorder=5, linestyle="none",
                label=name if place == 0 else None,
            )  # fmt: skip


def _title(objective: Objective) -> str:
    name = objective.name.replace("_", " ")
    return f"{name}: ${objective.formula}$" if objective.formula and len(objective.formula) < 60 else name
