"""Exercise 15.4: twenty starts on a line with several minima, and the share that finds the lowest."""

from __future__ import annotations

import numpy as np

import steepest as sd
from steepest.chapter.report import Program

STARTS, SEED = 20, 4


def programs() -> list[Program]:
    """Where each start comes to, beside the interval between the maxima: ``starts.png`` and ``basins.png``."""
    wells = sd.landscapes.wells
    found = sd.experiments.multistart(wells, learning_rate=0.05, starts=STARTS, seed=SEED)
    maxima = sorted(float(point.at[0]) for point in sd.theory.critical_points(wells).maxima)
    lowest = wells.minimisers[0][0]
    left, right = max(edge for edge in maxima if edge < lowest), min(edge for edge in maxima if edge > lowest)
    inside = (found.starts[:, 0] > left) & (found.starts[:, 0] < right)
    map_of_all = sd.experiments.basins(wells, learning_rate=0.05, resolution=2001, steps=3000)
    measured = {
        "fraction of 20 starts": found.fraction,
        "starts that reach it": np.flatnonzero(found.reached),
        "fraction of 2,001 starts": map_of_all.fractions[0],
        "minima reached": len({int(number) for number in np.unique(map_of_all.basin.values) if number >= 0}),
    }
    # Below 1/L no run leaves its valley, so a start reaches the minimum between whose maxima it lies; one valley more
    # has its minimum beyond the left edge of the window.
    grid = np.linspace(-6, 6, 2001)
    expected = {
        "fraction of 20 starts": float(inside.mean()),
        "starts that reach it": np.flatnonzero(inside),
        "fraction of 2,001 starts": float(((grid > left) & (grid < right)).mean()),
        "minima reached": len(maxima) + 1,
    }
    pictures = {
        "starts.png": sd.figures.multistart(
            found, title=f"{STARTS} starts: {found.fraction:.0%} find the global minimum"
        ),
        "basins.png": sd.figures.basins(map_of_all, title="Which minimum each start comes to"),
    }
    return [Program("exercise 15.4 many starts", pictures, measured, book=expected)]
