"""What the page is told of a state: its landscape, and its runs with their theory, from the engine of the library."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.descent import Descent, descend
from steepest.lab.methods import method
from steepest.lab.problems import surface
from steepest.lab.state import State, plain
from steepest.lab.theory import first_rate, theory

GRID = 81


def landscape(state: State) -> dict[str, Any]:
    """The loss on a grid over the window, and what the problem is."""
    found = state.found
    values = surface(state.problem, state.formula, found.window, GRID)
    rows = found.objective.rows
    return {
        "window": found.window,
        "grid": [[plain(value, 5) for value in line] for line in values],
        "words": found.words,
        "rows": rows,
        "minimisers": [list(map(float, point)) for point in getattr(found.objective, "minimisers", ())],
        "start": found.start,
        "learning_rate": first_rate(state),
    }


def runs(state: State) -> dict[str, Any]:
    """Each start's path, loss curve and verdict, and the theory at the first start."""
    descent = descended(state)
    steps = descent.dataset[descent.record_dimension].values
    path, loss = descent.path.values, descent.loss.values
    found = []
    for place in range(len(state.starts)):
        there = np.flatnonzero(np.isfinite(loss[place]))
        one = descent.isel(start=place)
        found.append(
            {
                "path": [[plain(value) for value in point] for point in path[place, there]],
                "loss": [plain(value) for value in loss[place, there]],
                "step": steps[there].tolist(),
                "verdict": one.verdict.item(),
                "steps": int(one.steps.item()),
                "words": one.explain(),
            }
        )
    return {"runs": found, "theory": theory(state, descent)}


def descended(state: State) -> Descent:
    """The runs of a state: as many starts as a power of two, so that few programs are compiled."""
    starts = list(state.starts)
    padded = starts + starts[-1:] * ((1 << (len(starts) - 1).bit_length()) - len(starts))
    made = method(state.method, state.schedule, state.is_noisy)
    return descend(state.found.objective, made, start=np.array(padded), **state.settings)
