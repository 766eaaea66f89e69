"""Loss curves: of descents, and of training against validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from steepest.descent import Descent, Verdict
from steepest.figures.style import (
    MOST_IN_LEGEND,
    NAMES,
    canvas,
    colour,
    each_run,
    is_logarithmic,
    labels_of,
    legend,
    style,
)


def loss_curves(
    runs: Descent | Sequence[Descent],
    *,
    value: str = "loss",
    labels: Sequence[str] | None = None,
    title: str | None = None,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The loss of every run over its steps or epochs; where a run diverged its curve ends in a cross.

    The loss is on a logarithmic scale where it is positive and spans more than a decade.

    Args:
        runs: what ``descend`` returned, or a list of such.
        value: what to draw: ``"loss"``, ``"gradient_norm"`` or anything recorded.
        labels: one a run.
        title: above the axes.
        limits: (lowest, highest) value shown.
        ax: axes to draw into.

    Raises:
        ValueError: nothing of that name was recorded.

    >>> import optax, steepest as sd
    >>> figure = loss_curves(sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=[0.02, 0.3], steps=30))
    >>> figure.axes[0].get_yscale()
    'log'
    """
    each = each_run(runs)
    words = labels_of(runs, labels)
    dimension = each[0].record_dimension
    with style():
        figure, axes = canvas(ax, (8.5, 6.0))
        seen = []
        for place, (run, own) in enumerate(zip(each, words, strict=True)):
            x, y = _curve(run, value)
            seen.append(y)
            shade = colour(place, len(each))
            axes.plot(x, y, color=shade, label=own if len(each) <= MOST_IN_LEGEND else None)
            if run.verdict == Verdict.DIVERGED.value and len(x):
                axes.plot(x[-1], y[-1], "X", color=shade, markersize=11, markeredgecolor="white")
        together = np.concatenate(seen)
        together = together[np.isfinite(together)]
        if together.size and together.min() > 0 and together.max() > 10 * together.min():
            axes.set_yscale("log")
        axes.set(xlabel=dimension, ylabel=value.replace("_", " "))
        if limits is not None:
            axes.set_ylim(limits)
        axes.set_title(f"{value.replace('_', ' ').capitalize()} over {dimension}s" if title is None else title)
        if len(each) > MOST_IN_LEGEND:
            _colour_bar(figure, axes, runs)
        legend(axes)
    return figure


def learning_curves(chosen: Descent, training: Descent | None = None, *, ax: Axes | None = None) -> Figure:
    """Training and validation loss of one run, and the loss of the final training beside them.

    Args:
        chosen: one run with ``validation_loss`` recorded.
        training: the run on all rows that are not held out for the test.
        ax: axes to draw into.

    Raises:
        ValueError: several runs, or no validation loss.
    """
    if chosen.verdict.size != 1:
        raise ValueError(f"learning curves are of one run, got {chosen.verdict.size}; select one with sel")
    with style():
        figure, axes = canvas(ax, (8.5, 6.0))
        for value, shade, dashes, words in (
            ("loss", "#0072B2", "-", "training rows"),
            ("validation_loss", "#D55E00", "-", "validation rows"),
        ):
            axes.plot(*_curve(chosen, value), color=shade, linestyle=dashes, label=words)
        if training is not None:
            axes.plot(*_curve(training, "loss"), color="#000000", linestyle=":", label="both, the final training")
        lines = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
        lines = lines[np.isfinite(lines)]
        if lines.min() > 0 and lines.max() > 10 * lines.min():
            axes.set_yscale("log")
        axes.set(xlabel=chosen.record_dimension, ylabel="loss", title="Loss of the chosen learning rate")
        legend(axes)
    return figure


def _curve(run: Descent, value: str) -> tuple[Any, Any]:
    if value not in run.dataset or run.record_dimension not in run.dataset[value].dims:
        curves = [str(name) for name, found in run.dataset.data_vars.items() if found.dims == (run.record_dimension,)]
        raise ValueError(f"value must be something recorded, one of {', '.join(curves)}; got {value!r}")
    y = run.dataset[value].values
    x = run.dataset[run.record_dimension].values
    there = ~np.isnan(y)
    return x[there], y[there]


def _colour_bar(figure: Figure, axes: Axes, runs: Descent | Sequence[Descent]) -> None:
    """Where a legend would be too long, a scale of the one numeric axis that tells the runs apart."""
    if not isinstance(runs, Descent) or len(runs.axes) != 1:
        return
    name = runs.axes[0]
    coordinate = runs.dataset[name].values
    if not np.issubdtype(coordinate.dtype, np.number):
        return
    kind = mpl.colors.LogNorm if is_logarithmic(coordinate) else mpl.colors.Normalize
    shades = mpl.colors.LinearSegmentedColormap.from_list("runs", mpl.colormaps["plasma"](np.linspace(0, 0.9, 64)))
    scale = mpl.cm.ScalarMappable(kind(coordinate.min(), coordinate.max()), shades)
    figure.colorbar(scale, ax=axes, label=NAMES.get(name, name))
