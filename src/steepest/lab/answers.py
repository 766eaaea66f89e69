"""What the page is told: the landscape, the runs and the theory of a state, from the engine of the library."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.descent import Descent, Stop, Verdict, descend
from steepest.experiments import basins
from steepest.lab.methods import method
from steepest.lab.problems import surface
from steepest.lab.state import LEAST_RATE, MOST_RATE, State
from steepest.theory import best_learning_rate, contraction_factor, learning_rate_limit
from steepest.theory import spectrum as spectrum_at

GRID = 81
_SHOWN = 1000
_BASIN_STEPS = 500
_TAIL = 8
_WITH_THEORY = {"gradient descent": (False, False), "heavy ball": (True, False), "nesterov": (True, True)}


def landscape(state: State) -> dict[str, Any]:
    """The loss on a grid over the window, and what the problem is."""
    found = state.found
    values = surface(state.problem, state.formula, found.window, GRID)
    rows = found.objective.rows
    return {
        "window": found.window,
        "grid": [[_plain(value, 5) for value in line] for line in values],
        "words": found.words,
        "rows": rows,
        "minimisers": [list(map(float, point)) for point in getattr(found.objective, "minimisers", ())],
        "start": found.start,
        "learning_rate": first_rate(state),
    }


def first_rate(state: State) -> float | None:
    """One over the largest curvature, of either sign, where a new problem starts and at its known minimisers."""
    points = [state.found.start, *getattr(state.found.objective, "minimisers", ())]
    found = [spectrum(state, (float(one), float(other))) for one, other in points]
    sharpest = max(abs(here.get(name) or 0.0) for here in found for name in ("largest", "smallest"))
    return _plain(min(max(1 / sharpest, LEAST_RATE), MOST_RATE), 2) if sharpest > 0 else None


def runs(state: State) -> dict[str, Any]:
    """Each start's path, loss curve and verdict, and the theory at the first start."""
    descent = descended(state)
    steps = descent.dataset[descent.record_dimension].values
    path, loss = descent.path.values, descent.loss.values
    found = []
    for place in range(len(state.starts)):
        there = np.flatnonzero(np.isfinite(loss[place]))
        kept = _thinned(there)
        one = descent.isel(start=place)
        found.append(
            {
                "path": [[_plain(value) for value in point] for point in path[place, kept]],
                "loss": [_plain(value) for value in loss[place, kept]],
                "step": steps[kept].tolist(),
                "verdict": one.verdict.item(),
                "steps": int(one.steps.item()),
                "words": one.explain(),
            }
        )
    return {"runs": found, "theory": theory(state, descent)}


def descended(state: State, **changed: Any) -> Descent:
    """The runs of a state: as many starts as a power of two, so that few programs are compiled."""
    starts = list(state.starts)
    padded = starts + starts[-1:] * ((1 << (len(starts) - 1).bit_length()) - len(starts))
    return descend(
        state.found.objective,
        method(state.method, state.schedule, state.is_noisy),
        start=np.array(padded),
        **settings(state) | changed,
    )


def settings(state: State) -> dict[str, Any]:
    """What :func:`steepest.descend` is called with besides the objective, the method and the starts."""
    return {
        "learning_rate": state.learning_rate,
        "momentum": state.momentum,
        "horizon": float(state.steps),
        "noise": state.noise,
        "seed": state.seed,
        "steps": state.steps,
        "batch_size": state.batch_size or None,
        "every": max(1, -(-state.steps // _SHOWN)),
        "path": True,
        "stop": Stop(parameter_norm=1e12),
        "progress": False,
    }


def theory(state: State, descent: Descent) -> dict[str, Any]:
    """The spectrum at the first start and where its run ended, and what follows from each."""
    here = spectrum(state, state.starts[0])
    end = np.asarray(descent.params)[0]
    ended = descent.isel(start=0)
    near = None
    if np.isfinite(end).all() and ended.verdict.item() != Verdict.DIVERGED.value:
        near = spectrum(state, (float(end[0]), float(end[1])))
    measured = _measured(ended.gradient_norm.values, descent.dataset[descent.record_dimension].values)
    return {
        "start": here,
        "end": near,
        "measured": measured,
        "words": _words(state, here, near, measured, ended),
    }


def spectrum(state: State, at: tuple[float, float]) -> dict[str, Any]:
    """Curvatures at a point, and limit, best rate and contraction that follow for the state's method."""
    try:
        found = spectrum_at(state.found.objective, np.array(at))
    except ValueError as error:
        return {"at": at, "error": str(error)}
    largest, smallest = found.largest.value, found.smallest.value
    answer: dict[str, Any] = {"at": at, "largest": _plain(largest), "smallest": _plain(smallest)}
    known = _WITH_THEORY.get(state.method)
    if known is None or largest <= 0:
        return answer
    momentum, nesterov = (state.momentum if known[0] else 0.0), known[1]
    answer["limit"] = _plain(learning_rate_limit(largest, momentum, nesterov))
    if smallest > 1e-12 * largest:
        answer["best"] = _plain(best_learning_rate(largest, smallest))
        answer["contraction"] = _plain(contraction_factor(state.learning_rate, largest, smallest, momentum, nesterov))
    return answer


def _measured(gradient_norm: NDArray[np.float64], steps: NDArray[np.int64]) -> float | None:
    """What the gradient norm was multiplied by a step, over the last half of the run."""
    there = np.flatnonzero(np.isfinite(gradient_norm) & (gradient_norm > 0))
    if len(there) < _TAIL:
        return None
    first, last = there[len(there) // 2], there[-1]
    ratio = math.log(gradient_norm[last] / gradient_norm[first]) / float(steps[last] - steps[first])
    return _plain(math.exp(ratio))


def _words(
    state: State, here: dict[str, Any], near: dict[str, Any] | None, measured: float | None, ended: Descent
) -> list[str]:
    sentences = [f"The first run: {ended.explain()}."]
    if "error" in here:
        return [*sentences, here["error"]]
    limit = here.get("limit")
    if state.method not in _WITH_THEORY:
        sentences.append(f"For {state.method} there is no such limit; the curvature is that of the loss all the same.")
    elif limit is None:
        sentences.append("At the start no direction curves upwards, so that no learning rate is too large there.")
    else:
        ratio = state.learning_rate / limit
        side = (
            "beyond the limit: near the start the steepest direction grows"
            if ratio > 1
            else "below the limit: near the start every direction that curves upwards shrinks"
        )
        sentences.append(
            f"The learning rate {state.learning_rate:.4g} is {ratio:.3g} times the limit {limit:.4g} at the start, "
            f"{side}."
        )
    if near and measured is not None and "contraction" in near and ended.verdict.item() != Verdict.DIVERGED.value:
        exact = state.schedule == "constant" and not state.is_noisy and not state.batch_size
        about = "" if exact else " (of a constant rate without noise)"
        sentences.append(
            f"Where it ended, a step multiplies the distance by {near['contraction']:.6g} in theory{about}; "
            f"measured, it multiplied the gradient by {measured:.6g}."
        )
    return sentences


def sweep(state: State) -> dict[str, Any]:
    """How the first start ends over learning rate × momentum, and the limit at that start."""
    here = spectrum(state, state.starts[0])
    middle = here.get("limit") or state.learning_rate
    low = max(1e-12, min(middle, state.learning_rate) / 300)
    maps = state.found.maps
    rates = np.geomspace(low, max(middle, state.learning_rate) * 10, maps.rates)
    momenta = np.linspace(0.0, 0.98, maps.momenta)
    steps = min(state.steps, maps.steps)
    brief = {"learning_rate": rates, "momentum": momenta, "path": False, "steps": steps, "every": steps}
    # Plain descent has no momentum to vary: the map is that of heavy ball, whose lowest line it is.
    name = "heavy ball" if state.method == "gradient descent" else state.method
    found = descend(
        state.found.objective,
        method(name, state.schedule, state.is_noisy),
        start=np.array(state.starts[0]),
        **settings(state) | brief,
    )
    verdicts = found.verdict.transpose("momentum", "learning_rate").values
    curve = None
    if name in _WITH_THEORY and here.get("largest", 0) > 0:
        nesterov = _WITH_THEORY[name][1]
        curve = [_plain(learning_rate_limit(here["largest"], float(momentum), nesterov)) for momentum in momenta]
    return {
        "method": name,
        "learning_rate": [_plain(value) for value in rates],
        "momentum": [_plain(value) for value in momenta],
        "verdict": verdicts.astype(str).tolist(),
        "final_loss": [
            [_plain(value, 4) for value in line]
            for line in found.final_loss.transpose("momentum", "learning_rate").values
        ],
        "limit": curve,
        "steps": steps,
    }


@lru_cache(maxsize=32)
def basins_of(state: State) -> dict[str, Any]:
    """Which minimiser each start of the window comes to."""
    found = basins(
        state.found.objective,
        window=state.found.window,
        resolution=state.found.maps.basins,
        steps=min(state.steps, state.found.maps.steps, _BASIN_STEPS),
        method=method(state.method, state.schedule, False),
        learning_rate=state.learning_rate,
        momentum=state.momentum,
        horizon=float(state.steps),
        noise=0.0,
    )
    return {
        "basin": found.basin.values.tolist(),
        "minimisers": [[_plain(value) for value in np.ravel(point.at)] for point in found.minimisers],
        "words": str(found),
    }


def _thinned(there: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most so many of some places, the first and the last among them."""
    if len(there) <= _SHOWN:
        return there
    kept: NDArray[np.intp] = there[np.unique(np.linspace(0, len(there) - 1, _SHOWN).astype(int))]
    return kept


def _plain(value: Any, digits: int = 8) -> float | None:
    """A number that JSON can hold, in so many digits; None where it is not finite."""
    number = float(value)
    return float(f"{number:.{digits}g}") if math.isfinite(number) else None
