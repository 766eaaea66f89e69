"""Thousands of runs as one picture: verdicts over learning rate × momentum, and basins of attraction."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from steepest.descent import descend
from steepest.experiments import basins
from steepest.lab.methods import METHODS, SCHEDULES, method
from steepest.lab.state import LEAST_RATE, MOST_RATE, State, plain
from steepest.lab.theory import first_rate, spectrum
from steepest.theory import learning_rate_limit

_BASIN_STEPS = 500


def sweep(state: State) -> dict[str, Any]:
    """How the first start ends over learning rate × momentum, and the limit at that start."""
    here = spectrum(state, state.starts[0])
    largest = here["largest"] or 0.0
    # The middle is none that moves with the rate or the momentum that somebody turns.
    middle = 2 / largest if largest > 0 else first_rate(state) or State().learning_rate
    maps = state.found.maps
    low, high = (min(max(rate, LEAST_RATE), MOST_RATE) for rate in (middle / 300, middle * 10))
    if low == high:
        low, high = (LEAST_RATE, 1e3 * LEAST_RATE) if low == LEAST_RATE else (1e-3 * MOST_RATE, MOST_RATE)
    rates, momenta = np.geomspace(low, high, maps.rates), np.linspace(0.0, 0.98, maps.momenta)
    steps = min(state.steps, maps.steps)
    brief = {"learning_rate": rates, "momentum": momenta, "path": False, "steps": steps, "every": steps}
    # Plain descent has no momentum to vary: the map is that of heavy ball, whose lowest line it is.
    name = "heavy ball" if state.method == "gradient descent" else state.method
    made = method(name, state.schedule, state.is_noisy)
    found = descend(state.found.objective, made, start=np.array(state.starts[0]), **state.settings | brief)
    curve, nesterov = None, METHODS[name].nesterov
    if nesterov is not None and largest > 0:
        curve = [plain(learning_rate_limit(largest, float(momentum), nesterov)) for momentum in momenta]
    losses = found.final_loss.transpose("momentum", "learning_rate").values
    return {
        "method": name,
        "learning_rate": [plain(value) for value in rates],
        "momentum": [plain(value) for value in momenta],
        "verdict": found.verdict.transpose("momentum", "learning_rate").values.astype(str).tolist(),
        "final_loss": [[plain(value, 4) for value in line] for line in losses],
        "limit": curve,
        "steps": steps,
    }


def basins_of(state: State) -> dict[str, Any]:
    """Which minimiser each start of the window comes to, without noise and with all rows.

    Raises:
        ValueError: a loss without curvature, by which minima are told from other points.
    """
    steps = min(state.steps, state.found.maps.steps, _BASIN_STEPS)
    left_out = [name for name, has in (("noise", state.is_noisy), ("batches", state.batch_size)) if has]
    horizon = steps if SCHEDULES[state.schedule] is None else state.steps
    momentum = state.momentum if METHODS[state.method].momentum else 0.0
    # What a basin does not depend on is as it is in any state, so that it finds what is kept.
    kept = _basins(replace(state, starts=(), noise=0.0, batch_size=0, seed=0, steps=horizon, momentum=momentum), steps)
    without = f", without the {' and '.join(left_out)} of the runs" if left_out else ""
    return kept | {"words": f"{kept['words']}\nafter {steps} steps at most{without}"}


@lru_cache(maxsize=32)
def _basins(state: State, steps: int) -> dict[str, Any]:
    if not getattr(state.found.objective, "smooth", True):
        raise ValueError(
            f"basins are told apart by the curvature at their minima, and {state.problem} has points without any; "
            "choose a smooth landscape"
        )
    with np.errstate(invalid="ignore"):  # a formula may be flat farther away than a whole number reaches
        found = basins(
            state.found.objective,
            window=state.found.window,
            resolution=state.found.maps.basins,
            steps=steps,
            method=method(state.method, state.schedule, False),
            learning_rate=state.learning_rate,
            momentum=state.momentum,
            horizon=float(state.steps),
            noise=0.0,
        )
    points = [[plain(value + 0.0) for value in np.ravel(point.at)] for point in found.minimisers]
    legend = [
        {"basin": place, "words": f"{minimiser.kind} at ({point[0]:.4g}, {point[1]:.4g}), loss {minimiser.loss:.4g}"}
        for place, (point, minimiser) in enumerate(zip(points, found.minimisers, strict=True))
    ]
    legend += [{"basin": -1, "words": f"not settled after {steps} steps"}, {"basin": -2, "words": "diverged"}]
    return {
        "basin": found.basin.values.tolist(),
        "minimisers": points,
        "legend": legend,
        "steps": steps,
        "words": str(found),
    }
