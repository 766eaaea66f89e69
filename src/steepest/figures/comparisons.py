"""Theory over measurement, and methods beside one another."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from steepest.experiments import MethodComparison
from steepest.figures.style import PALETTE, canvas, colour, label, legend, style
from steepest.theory import Comparison

_MOST_RUNS = 8


def bounds(found: Comparison, *, title: str | None = None, ax: Axes | None = None) -> Figure:
    """The measured loss above the minimum of every run, and dashed in its colour the bound that theory gives.

    Args:
        found: what :func:`steepest.theory.compare` returned, of up to eight runs on one axis.
        title: above the axes.
        ax: axes to draw into.

    Raises:
        ValueError: more runs, or more axes.

    >>> import optax, steepest as sd
    >>> run = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=0.1, steps=40)
    >>> figure = bounds(sd.theory.compare(run))
    """
    *axis, record = found.dataset["excess"].dims
    count = int(np.prod([found.dataset.sizes[name] for name in axis], dtype=int))
    if len(axis) > 1 or count > _MOST_RUNS:
        raise ValueError(f"bounds draws up to {_MOST_RUNS} runs on one axis, got {count} on {len(axis)}; select some")
    with style():
        figure, axes = canvas(ax, (8.5, 6.0))
        for place in range(count):
            one = found.dataset.isel({axis[0]: place}) if axis else found.dataset
            words = label(str(axis[0]), one[axis[0]].item()) if axis else "measured"
            shade, steps = colour(place, count), one[record].values
            axes.plot(steps, np.where(one["excess"] > 0, one["excess"], np.nan), color=shade,
                      label=f"{words}: {one['outcome'].item()}")  # fmt: skip
            if np.isfinite(one["bound"]).any():
                axes.plot(steps, one["bound"], color=shade, linestyle="--", linewidth=1.3,
                          label="bound" if count == 1 else None)  # fmt: skip
        axes.set_yscale("log")
        axes.set(xlabel=str(record), ylabel="loss above the minimum")
        axes.set_title(title or "Measured, and (dashed) what theory allows")
        legend(axes, columns=2)
    return figure


def method_comparison(found: MethodComparison, *, title: str | None = None, ax: Axes | None = None) -> Figure:
    """The final loss of each method's best setting on every fresh seed, its median and quartiles, best on top.

    Args:
        found: what :func:`steepest.experiments.compare_methods` returned.
        title: above the axes.
        ax: axes to draw into.

    >>> import steepest as sd
    >>> figure = method_comparison(
    ...     sd.experiments.compare_methods(sd.landscapes.bowl, steps=30, budget=3, tuning_seeds=1, seeds=3))
    """
    table = found.table()
    with style():
        figure, axes = canvas(ax, (9.5, 1.6 + 0.9 * len(table)))
        everything = found.dataset["final"].values
        finite = everything[np.isfinite(everything)]
        end = float(finite.max()) * 3 if len(finite) else 1.0
        for place, row in enumerate(table.to_dict("records")):
            values = found.dataset["final"].sel({"method": row["method"]}).values
            shade, there = PALETTE[place % len(PALETTE)], np.isfinite(values)
            low, middle, high = (min(float(row[name]), end) for name in ("quartile 1", "median", "quartile 3"))
            axes.plot([low, high], [place, place], color=shade, linewidth=7, alpha=0.3, solid_capstyle="butt")
            axes.plot(values[there], np.full(there.sum(), place), "o", color=shade, markersize=6, alpha=0.7)
            axes.plot(middle, place, "|", color="black", markersize=22, markeredgewidth=2.5)
            if not there.all():
                axes.text(end, place + 0.3, f"{(~there).sum()} diverged", ha="right", color="#D55E00")
        if len(finite) and finite.min() > 0:
            axes.set_xscale("log")
        names = [f"{row['rank']}. {row['method']}\n{row['setting']}" for row in table.to_dict("records")]
        axes.set_yticks(range(len(table)), names)
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.set_xlabel("final loss on fresh seeds: each run, median, quartiles")
        count = found.dataset.sizes
        axes.set_title(title or f"Methods tuned alike: {count['setting']} settings × {count['tuning_seed']} seeds each")
    return figure
