"""What theory says of a state, at its first start and where that run ended, and what the run showed of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.descent import Descent, Verdict
from steepest.lab.methods import METHODS, SCHEDULES
from steepest.lab.state import LEAST_RATE, MOST_RATE, State, plain
from steepest.theory import Kind, best_learning_rate, classify, contraction_factor, learning_rate_limit

_TAIL, _PEAKS = 8, 4
_AGREEING = 0.1
_AT_LIMIT, _SMALL = 1e-9, 1e-3
_KINDS = (Kind.MINIMUM, Kind.SADDLE, Kind.MAXIMUM)


def first_rate(state: State) -> float | None:
    """One over the largest curvature, of either sign, where a new problem starts and at its known minimisers."""
    points = [state.found.start, *getattr(state.found.objective, "minimisers", ())]
    found = [spectrum(state, (float(one), float(other))) for one, other in points]
    sharpest = max(abs(here[name] or 0.0) for here in found for name in ("largest", "smallest"))
    return plain(min(max(1 / sharpest, LEAST_RATE), MOST_RATE), 2) if sharpest > 0 else None


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
    answer |= {"largest": plain(largest), "smallest": plain(smallest)}
    answer["kind"] = found.kind.value if found.kind in _KINDS else None
    nesterov = METHODS[state.method].nesterov
    if nesterov is None or largest <= 0:
        return answer
    momentum = state.momentum if METHODS[state.method].momentum else 0.0
    answer["limit"] = plain(learning_rate_limit(largest, momentum, nesterov))
    if smallest > 1e-12 * largest:
        # What is best with a given momentum has no closed form.
        answer["best"] = None if momentum else plain(best_learning_rate(largest, smallest))
        if SCHEDULES[state.schedule] is None:
            factor = contraction_factor(state.learning_rate, largest, smallest, momentum, nesterov)
            answer["contraction"] = plain(factor)
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
    return plain(math.exp(slope)) if is_settled and slope < 0 else None


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
