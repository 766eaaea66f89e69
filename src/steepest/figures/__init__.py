"""Figures: one function a picture, each takes what ``descend`` returned or an objective, and returns a Figure."""

from steepest.figures.animation import animate
from steepest.figures.curves import learning_curves, loss_curves
from steepest.figures.fits import linear_fits
from steepest.figures.landscapes import contour, curve, panels, surface
from steepest.figures.style import save, sheet
from steepest.figures.sweeps import sweep, verdict_bars, verdict_map

__all__ = [
    "animate",
    "contour",
    "curve",
    "learning_curves",
    "linear_fits",
    "loss_curves",
    "panels",
    "save",
    "sheet",
    "surface",
    "sweep",
    "verdict_bars",
    "verdict_map",
]
