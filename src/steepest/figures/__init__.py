"""Figures: one function a picture, each takes what ``descend`` returned or an objective, and returns a Figure."""

from steepest.figures.animation import animate
from steepest.figures.comparisons import bounds, method_comparison
from steepest.figures.curves import learning_curves, loss_curves
from steepest.figures.fits import linear_fits
from steepest.figures.geometry import basins, critical_points, multistart
from steepest.figures.landscapes import contour, curve, panels, surface
from steepest.figures.spectra import sharpness, spectral_density, spectrum
from steepest.figures.style import save, sheet
from steepest.figures.sweeps import sweep, verdict_bars, verdict_map

__all__ = [
    "animate",
    "basins",
    "bounds",
    "contour",
    "critical_points",
    "curve",
    "learning_curves",
    "linear_fits",
    "loss_curves",
    "method_comparison",
    "multistart",
    "panels",
    "save",
    "sharpness",
    "sheet",
    "spectral_density",
    "spectrum",
    "surface",
    "sweep",
    "verdict_bars",
    "verdict_map",
]
