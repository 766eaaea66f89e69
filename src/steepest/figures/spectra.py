"""Spectra: eigenvalues and their density, and sharpness along a path against its limit."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from steepest.figures.style import PALETTE, canvas, colour, label, legend, style
from steepest.theory import SpectralDensity, Spectrum

_MOST_RUNS = 8


def spectrum(found: Spectrum, *, learning_rate: float | None = None, ax: Axes | None = None) -> Figure:
    """All eigenvalues in order of size, or the two extremes with their residuals where no more are known.

    Args:
        found: what :func:`steepest.theory.spectrum` returned.
        learning_rate: draws the curvature at which this rate is the limit, 2/η.
        ax: axes to draw into.

    >>> import steepest as sd
    >>> figure = spectrum(sd.theory.spectrum(sd.landscapes.steep_bowl), learning_rate=0.09)
    """
    with style():
        figure, axes = canvas(ax)
        values = found.eigenvalues
        if values is None:
            values = np.array([found.smallest.value, found.largest.value])
            reach = [found.smallest.residual, found.largest.residual]
            axes.errorbar([0, found.size - 1], values, yerr=reach, fmt="o", color=PALETTE[0], capsize=6, markersize=9,
                          label="Ritz values and their residuals")  # fmt: skip
        else:
            axes.plot(np.arange(len(values)), values, "o", color=PALETTE[0], markersize=7 if len(values) < 60 else 3,
                      label="eigenvalues")  # fmt: skip
        positive = values[values > found.rounding]
        if len(positive) == len(values) and len(values) > 1 and positive.max() > 30 * positive.min():
            axes.set_yscale("log")
        elif found.largest.value > 100 * np.median(np.abs(values)) > 0:
            axes.set_yscale("symlog", linthresh=float(max(np.median(np.abs(values)), 1e-4 * found.largest.value)))
        if learning_rate is not None:
            axes.axhline(2 / learning_rate, color=PALETTE[1], linestyle="--",
                         label=rf"2/$\eta$ for {label('learning_rate', learning_rate)}")  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="eigenvalue, in order", ylabel=r"curvature $\lambda$")
        axes.set_title(f"Spectrum of {found.objective.replace('_', ' ')}, {found.size} parameters")
        legend(axes)
    return figure


def spectral_density(found: SpectralDensity, *, points: int = 1000, ax: Axes | None = None) -> Figure:
    """The density of eigenvalues on a logarithmic scale, where a few outliers stand apart from the bulk.

    Args:
        found: what :func:`steepest.theory.spectral_density` returned.
        points: at which the density is drawn.
        ax: axes to draw into.

    >>> import steepest as sd
    >>> figure = spectral_density(sd.theory.spectral_density(sd.landscapes.steep_bowl))
    """
    with style():
        figure, axes = canvas(ax, (8.5, 6.0))
        spread = float(np.ptp(found.nodes)) or 1.0
        grid = np.linspace(found.nodes[0] - 0.05 * spread, found.nodes[-1] + 0.05 * spread, points)
        density = found.density(grid)
        axes.plot(grid, density, color=PALETTE[0])
        axes.fill_between(grid, density, 1e-12, color=PALETTE[0], alpha=0.2)
        axes.set_yscale("log")
        # One eigenvalue of n is a bump of this height; anything far below is the tail of a Gaussian.
        single = 1 / (found.size * 0.01 * spread * np.sqrt(2 * np.pi))
        axes.set_ylim(0.05 * min(single, float(density.max())), 2 * float(density.max()))
        axes.set(xlabel=r"curvature $\lambda$", ylabel="density")
        how = "all eigenvalues" if found.exact else "stochastic Lanczos quadrature"
        axes.set_title(f"Spectral density of {found.objective.replace('_', ' ')}: {how}")
    return figure


def sharpness(found: xr.Dataset, *, ax: Axes | None = None) -> Figure:
    """The largest curvature at each step, and the curvature at which the learning rate is the limit.

    Args:
        found: what :func:`steepest.theory.sharpness` returned, of up to eight runs on one axis.
        ax: axes to draw into.

    Raises:
        ValueError: more runs, or more axes.

    >>> import optax, steepest as sd
    >>> run = sd.descend(sd.landscapes.rosenbrock, optax.sgd, learning_rate=1e-3, steps=100)
    >>> figure = sharpness(sd.theory.sharpness(run))
    """
    *runs, record = found["sharpness"].dims
    count = int(np.prod([found.sizes[name] for name in runs], dtype=int))
    if len(runs) > 1 or count > _MOST_RUNS:
        raise ValueError(
            f"sharpness draws up to {_MOST_RUNS} runs on one axis, got {count} on {len(runs)}; select some"
        )
    with style():
        figure, axes = canvas(ax, (8.5, 6.0))
        for place in range(count):
            one = found.isel({runs[0]: place}) if runs else found
            there = np.isfinite(one["sharpness"].values)
            words = label(str(runs[0]), one[runs[0]].item()) if runs else "sharpness"
            shade = colour(place, count)
            axes.plot(one[record].values[there], one["sharpness"].values[there], color=shade, label=words)
            if "limit" in one:
                limit = r"its limit, $2/\eta$" if count == 1 else None
                axes.axhline(float(one["limit"]), color=shade, linestyle="--", linewidth=1.2, label=limit)
        axes.set(xlabel=str(record), ylabel=r"largest curvature $\lambda_{\max}$")
        axes.set_title("Sharpness along the path" + (r" (dashed: $2/\eta$)" if "limit" in found and count > 1 else ""))
        legend(axes)
    return figure
