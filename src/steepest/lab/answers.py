"""What the page is told: the landscape, the runs and the theory of a state, from the engine of the library."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.descent import Descent, Verdict, descend
from steepest.experiments import basins
from steepest.lab.methods import METHODS, SCHEDULES, method
from steepest.lab.problems import surface
from steepest.lab.state import LEAST_RATE, MOST_RATE, State
from steepest.theory import Kind, best_learning_rate, classify, contraction_factor, learning_rate_limit

GRID = 81
_BASIN_STEPS = 500
_TAIL, _PEAKS = 8, 4
_AGREEING = 0.1
_AT_LIMIT, _SMALL = 1e-9, 1e-3
_KINDS = (Kind.MINIMUM, Kind.SADDLE, Kind.MAXIMUM)


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
    sharpest = max(abs(here[name] or 0.0) for here in found for name in ("largest", "smallest"))
    return _plain(min(max(1 / sharpest, LEAST_RATE), MOST_RATE), 2) if sharpest > 0 else None


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
                "path": [[_plain(value) for value in point] for point in path[place, there]],
                "loss": [_plain(value) for value in loss[place, there]],
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


def theory(state: State, descent: Descent) -> dict[str, Any]:
    """The spectrum at the first start and where its run ended, what follows from each, and what was measured."""
    here = spectrum(state, state.starts[0])
    end = np.asarray(descent.params)[0]
    ended = descent.isel(start=0)
    near = None
    if np.isfinite(end).all() and ended.verdict.item() != Verdict.DIVERGED.value:
        near = spectrum(state, (float(end[0]), float(end[1])))
    norms, measured = ended.gradient_norm.values, None
    is_small = ended.final_gradient_norm.item() <= _SMALL * norms[0]
    if near is not None and (near["kind"] or is_small) and _is_exact(state):
        measured = decay(descent.dataset[descent.record_dimension].values, norms)
    words = [
        f"The first run: {ended.explain()}.",
        *_at_start(state, here, near),
        *_at_end(state, near, measured, ended),
    ]
    return {"start": here, "end": near, "measured": measured, "words": words}


def spectrum(state: State, at: tuple[float, float]) -> dict[str, Any]:
    """Curvatures at a point, what it is, and limit, best rate and contraction that follow for the state's method."""
    names = ("largest", "smallest", "limit", "best", "contraction", "kind")
    answer: dict[str, Any] = {"at": at} | dict.fromkeys(names)
    try:
        found = classify(state.found.objective, np.array(at))
    except ValueError as error:
        return answer | {"error": str(error)}
    smallest, largest = map(float, found.eigenvalues[[0, -1]])
    answer |= {"largest": _plain(largest), "smallest": _plain(smallest)}
    answer["kind"] = found.kind.value if found.kind in _KINDS else None
    nesterov = METHODS[state.method].nesterov
    if nesterov is None or largest <= 0:
        return answer
    momentum = state.momentum if METHODS[state.method].momentum else 0.0
    answer["limit"] = _plain(learning_rate_limit(largest, momentum, nesterov))
    if smallest > 1e-12 * largest:
        # What is best with a given momentum has no closed form.
        answer["best"] = None if momentum else _plain(best_learning_rate(largest, smallest))
        if SCHEDULES[state.schedule] is None:
            factor = contraction_factor(state.learning_rate, largest, smallest, momentum, nesterov)
            answer["contraction"] = _plain(factor)
    return answer


def decay(steps: NDArray[np.int64], norms: NDArray[np.float64]) -> float | None:
    """What a gradient norm is multiplied by a step towards the end; None where that has not settled.

    The slope of its logarithm over the last half of the run, or of the peaks there, where momentum makes it swing.

    >>> steps = np.arange(200)
    >>> round(decay(steps, 0.9**steps * (1.1 + np.cos(0.3 * steps))), 3)
    0.9
    """
    there = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    there = there[len(there) // 2 :]
    if len(there) < _TAIL:
        return None
    at, heights = steps[there].astype(float), np.log(norms[there])
    if (np.diff(heights) >= 0).any():
        peaks = 1 + np.flatnonzero((heights[1:-1] >= heights[:-2]) & (heights[1:-1] > heights[2:]))
        at, heights = at[peaks], heights[peaks]
    if len(at) < _PEAKS:
        return None
    middle = len(at) // 2
    slope, early, late = (
        _slope(at[part], heights[part]) for part in (slice(None), slice(middle + 1), slice(middle, None))
    )
    is_settled = abs(early - late) <= _AGREEING * abs(slope)
    return _plain(math.exp(slope)) if is_settled and slope < 0 else None


def _slope(at: NDArray[np.float64], heights: NDArray[np.float64]) -> float:
    return float(np.polyfit(at - at.mean(), heights, 1)[0])


def _is_exact(state: State) -> bool:
    """Whether each step is the same function of where the run is."""
    return SCHEDULES[state.schedule] is None and not state.is_noisy and not state.batch_size


def _at_start(state: State, here: dict[str, Any], near: dict[str, Any] | None) -> list[str]:
    limit = here["limit"]
    if "error" in here:
        return [here["error"]]
    if METHODS[state.method].nesterov is None:
        return [f"For {state.method} there is no such limit; the curvature is that of the loss all the same."]
    if limit is None:
        there = f"; where the run ended the limit is {near['limit']:.4g}" if near and near["limit"] else ""
        return [f"At the start no direction curves upwards, so that the curvature there gives no limit{there}."]
    ratio = state.learning_rate / limit
    if abs(ratio - 1) < _AT_LIMIT:
        side = "at the limit: near the start the steepest direction neither grows nor shrinks"
    elif ratio > 1:
        side = "beyond the limit: near the start the steepest direction grows"
    else:
        side = "below the limit: near the start every direction that curves upwards shrinks"
    which = {"constant": "", "warm-up": ", that the schedule rises to,"}.get(
        state.schedule, ", that the schedule begins with,"
    )
    rate = f"The learning rate {state.learning_rate:.4g}{which}"
    return [f"{rate} is {ratio:.3g} times the limit {limit:.4g} at the start, {side}."]


def _at_end(state: State, near: dict[str, Any] | None, measured: float | None, ended: Descent) -> list[str]:
    if near is None:
        return []
    sentences = []
    has_converged = ended.verdict.item() == Verdict.CONVERGED.value
    limit = near["limit"]
    if has_converged and near["kind"] in (Kind.SADDLE, Kind.MAXIMUM):
        sentences.append(
            f"It converged at a {near['kind']}: beside it the loss is lower, and a run from there leaves it."
        )
    elif not has_converged and _is_exact(state) and limit and state.learning_rate > (1 - _AT_LIMIT) * limit:
        sentences.append(
            f"It does not settle: the learning rate is not below the limit {limit:.4g} where it ended, so that "
            "steps do not shrink there."
        )
    if measured is not None and near["contraction"] is not None:
        sentences.append(
            f"Where it ended, a step multiplies the distance by {near['contraction']:.6g} in theory, in the direction "
            f"that shrinks least; measured, it multiplied the gradient by {measured:.6g}."
        )
    elif near["contraction"] is not None and not _is_exact(state):
        sentences.append("What is random about its steps keeps it from settling, so that no contraction is measured.")
    return sentences


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
        curve = [_plain(learning_rate_limit(largest, float(momentum), nesterov)) for momentum in momenta]
    losses = found.final_loss.transpose("momentum", "learning_rate").values
    return {
        "method": name,
        "learning_rate": [_plain(value) for value in rates],
        "momentum": [_plain(value) for value in momenta],
        "verdict": found.verdict.transpose("momentum", "learning_rate").values.astype(str).tolist(),
        "final_loss": [[_plain(value, 4) for value in line] for line in losses],
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
    points = [[_plain(value) for value in np.ravel(point.at)] for point in found.minimisers]
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


def _plain(value: Any, digits: int = 8) -> float | None:
    """A number that JSON can hold, in so many digits; None where it is not finite."""
    number = float(value)
    return float(f"{number:.{digits}g}") if math.isfinite(number) else None
