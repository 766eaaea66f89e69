"""Sweeps: verdicts as bars and as a map, and any final value along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from steepest.descent import Descent, Verdict
from steepest.descent.showing import VERDICT_COLOURS
from steepest.figures.style import NAMES, VERDICT_MARKERS, canvas, is_logarithmic, label, legend, style

_MOST_BARS = 30


def verdict_bars(descent: Descent, *, title: str | None = None, ax: Axes | None = None) -> Figure:
    """The steps that every run of a sweep along one axis took, coloured by verdict and with the verdict in words.

    Args:
        descent: with exactly one axis, of at most 30 values.
        title: above the axes.
        ax: axes to draw into.

    Raises:
        ValueError: other than one axis, or more values than bars can show.
    """
    name = _only_axis(descent, "verdict_bars")
    count = descent.verdict.size
    if count > _MOST_BARS:
        raise ValueError(f"verdict_bars shows at most {_MOST_BARS} runs, got {count}; use figures.sweep")
    verdicts, steps = descent.verdict.values, descent.steps.values
    with style():
        figure, axes = canvas(ax, (max(7.0, 1.5 * count), 6.0))
        bars = axes.bar(
            np.arange(count), steps, color=[VERDICT_COLOURS[str(verdict)] for verdict in verdicts], edgecolor="black"
        )
        words = {
            Verdict.CONVERGED.value: "converged\nat {}",
            Verdict.DIVERGED.value: "DIVERGED\nat {}",
            Verdict.OUT_OF_STEPS.value: "not converged\nin {}",
            Verdict.INTERRUPTED.value: "interrupted\nat {}",
        }
        texts = [words[str(verdict)].format(step) for verdict, step in zip(verdicts, steps, strict=True)]
        axes.bar_label(bars, texts, padding=4, fontsize=11 if count <= 8 else 8)
        axes.set_xticks(np.arange(count), [label(name, value.item()) for value in descent.dataset[name].values])
        if count > 8:
            axes.tick_params(axis="x", rotation=60)
        axes.set(
            xlabel=NAMES.get(name, name), ylabel="steps taken", title="How each run ended" if title is None else title
        )
        axes.margins(y=0.18)
        axes.grid(axis="x", visible=False)
    return figure


def verdict_map(descent: Descent, *, title: str | None = None, ax: Axes | None = None) -> Figure:
    """How every run of a sweep along two axes ended, as a map; scales are logarithmic where the values are.

    Args:
        descent: with exactly two axes of numbers.
        title: above the axes.
        ax: axes to draw into.

    Raises:
        ValueError: other than two axes.

    >>> import numpy as np, optax, steepest as sd
    >>> sweep = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=np.geomspace(1e-3, 1, 12),
    ...                    momentum=[0.0, 0.5, 0.9], steps=100)
    >>> verdict_map(sweep).axes[0].get_xscale()
    'log'
    """
    if len(descent.axes) != 2:
        raise ValueError(
            f"a verdict map needs two axes, got {', '.join(descent.axes) or 'none'}; "
            "select one value of the others with sel, or draw verdict_bars of one"
        )
    across, up = descent.axes
    kinds = list(VERDICT_COLOURS)
    codes = np.vectorize(kinds.index)(descent.verdict.transpose(up, across).values)
    with style():
        figure, axes = canvas(ax, (9.0, 6.0))
        x, y = (_cells(descent.dataset[name].values) for name in (across, up))
        colours = ListedColormap(list(VERDICT_COLOURS.values()))
        axes.pcolormesh(x, y, codes, cmap=colours, vmin=-0.5, vmax=len(kinds) - 0.5)
        for name, scale, ticks in ((across, axes.set_xscale, axes.set_xticks), (up, axes.set_yscale, axes.set_yticks)):
            values = descent.dataset[name].values
            if is_logarithmic(values):
                scale("log")
            elif not np.issubdtype(values.dtype, np.number):
                ticks(np.arange(len(values)), values)
            elif len(values) <= 8:
                ticks(values, [f"{value:.3g}" for value in values])
        axes.set(
            xlabel=NAMES.get(across, across),
            ylabel=NAMES.get(up, up),
            title="How each run ended" if title is None else title,
        )
        axes.grid(visible=False)
        there = [kind for place, kind in enumerate(kinds) if (codes == place).any()]
        patches = [Patch(facecolor=VERDICT_COLOURS[kind], edgecolor="black", label=kind) for kind in there]
        axes.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=len(patches))
    return figure


def sweep(
    descent: Descent,
    value: str = "final_loss",
    *,
    chosen: float | None = None,
    label: str | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A final value along one axis of numbers, each run marked by how it ended.

    Runs that diverged stand as triangles on the upper edge, so that their size does not flatten the rest.

    Args:
        descent: with exactly one axis, of numbers.
        value: a variable with one number a run.
        chosen: a value of the axis to mark.
        label: of the vertical axis; by default the name of the value.
        title: above the axes.
        ax: axes to draw into.

    Raises:
        ValueError: other than one axis of numbers, or no such value.
    """
    name = _only_axis(descent, "sweep")
    coordinate = descent.dataset[name].values
    if not np.issubdtype(coordinate.dtype, np.number):
        raise ValueError(f"sweep needs an axis of numbers, got {name} with labels; use verdict_bars")
    if value not in descent.dataset or descent.dataset[value].dims != (name,):
        raise ValueError(f"value must be a variable with one number a run, got {value!r}")
    values, verdicts = descent.dataset[value].values, descent.verdict.values
    kept = (verdicts != Verdict.DIVERGED.value) & np.isfinite(values)
    with style():
        figure, axes = canvas(ax, (8.5, 6.0))
        if is_logarithmic(coordinate):
            axes.set_xscale("log")
        shown = values[kept]
        if shown.size and shown.min() > 0 and shown.max() > 5 * shown.min():
            axes.set_yscale("log")
        _mark_runs(axes, coordinate, values, verdicts, kept)
        if chosen is not None:
            axes.axvline(chosen, color="black", linestyle="--", linewidth=1.2, label=f"chosen: {chosen:.3g}", zorder=0)
        axes.set(xlabel=NAMES.get(name, name), ylabel=label or value.replace("_", " "))
        axes.set_title(
            f"{(label or value.replace('_', ' ')).capitalize()} at the end of each run" if title is None else title,
            pad=14,
        )
        legend(axes, columns=4)
    return figure


def _only_axis(descent: Descent, figure: str) -> str:
    if len(descent.axes) != 1:
        raise ValueError(
            f"{figure} needs a descent with one axis, got {', '.join(descent.axes) or 'a single run'}; "
            "select one value of the others with sel"
        )
    return descent.axes[0]


def _cells(values: NDArray[Any]) -> NDArray[Any]:
    """Edges halfway between neighbours, by ratio where the values are spaced by ratios."""
    if not np.issubdtype(values.dtype, np.number):
        return np.arange(len(values) + 1) - 0.5
    logarithmic = is_logarithmic(values)
    at = np.log(values.astype(float)) if logarithmic else values.astype(float)
    if len(at) == 1:
        return np.asarray(at[0] + np.array([-0.5, 0.5]))
    middle = (at[1:] + at[:-1]) / 2
    edges = np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])
    return np.asarray(np.exp(edges) if logarithmic else edges)


def _mark_runs(
    axes: Axes, coordinate: NDArray[Any], values: NDArray[Any], verdicts: NDArray[Any], kept: NDArray[np.bool_]
) -> None:
    """A mark a run by its verdict; those that are not kept, on the upper edge."""
    axes.plot(coordinate[kept], values[kept], "-", color="#999999", linewidth=1, zorder=1)
    for kind, shade in VERDICT_COLOURS.items():
        here = kept & (verdicts == kind)
        if here.any():
            axes.plot(
                coordinate[here],
                values[here],
                VERDICT_MARKERS[kind],
                color=shade,
                markersize=9,
                markeredgecolor="black",
                label=kind,
            )
    if not kept.all():
        lost = Verdict.DIVERGED.value
        axes.plot(
            coordinate[~kept],
            np.ones((~kept).sum()),
            VERDICT_MARKERS[lost],
            color=VERDICT_COLOURS[lost],
            markersize=9,
            markeredgecolor="black",
            label=lost,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )
