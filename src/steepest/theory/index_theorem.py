"""Whether any critical point of a window is missing: the index theorem (Milnor 1965, § 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.tree_util import Partial
from numpy.typing import NDArray

from steepest.objectives import Objective
from steepest.precision import double_precision
from steepest.theory.critical import Critical
from steepest.theory.hessian import value_and_gradient

MOST_POINTS = 300
"""More critical points than this are taken for a curve of them."""

_CIRCLE = 256


def checked(
    objective: Objective, spans: Sequence[tuple[float, float]], points: Sequence[Critical], resolution: int
) -> tuple[bool, str]:
    """Whether the points found account for what the gradient does, and how that was seen, in a sentence.

    Args:
        objective: of one or two parameters.
        spans: (low, high) of each.
        points: what was found within them.
        resolution: of the grid that was searched, along each parameter.
    """
    if len(points) > MOST_POINTS:
        return False, f"more than {MOST_POINTS} points: the gradient vanishes on a curve or everywhere"
    return _signs(objective, spans[0], points, resolution) if len(spans) == 1 else _turns(objective, spans, points)


def _signs(objective: Objective, span: Any, points: Sequence[Critical], resolution: int) -> tuple[bool, str]:
    """In one dimension: a point in every interval of the grid along which the slope changes its sign."""
    grid = np.linspace(span[0], span[1], 4 * resolution + 1)
    signs = np.sign(_slopes(objective, grid[:, None])[:, 0])
    changes = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    places = np.array([float(np.ravel(point.at)[0]) for point in points])
    missed = [left for left in changes if not ((places >= grid[left]) & (places <= grid[left + 1])).any()]
    if missed:
        return False, f"the slope changes its sign near {grid[missed[0]]:.6g}, where no point was found"
    return True, f"every one of {len(changes)} changes of sign of the slope has its point"


def _turns(objective: Objective, spans: Any, points: Sequence[Critical]) -> tuple[bool, str]:
    """In two dimensions: turns of the gradient along the edge against the indices of the points inside."""
    (left, right), (low, high) = spans
    corners = np.array([[left, low], [right, low], [right, high], [left, high], [left, low]])

    def edge(count: int) -> NDArray[np.float64]:
        sides = [np.linspace(corners[side], corners[side + 1], count, endpoint=False) for side in range(4)]
        return np.concatenate(sides)

    around = _turning(objective, edge)
    if around is None:
        return False, "the gradient vanishes on or beside the edge of the window, so nothing can be counted there"
    places = np.array([np.ravel(point.at) for point in points]).reshape(-1, 2)
    indices = [_index(objective, spans, places, place) for place in range(len(points))]
    if None in indices:
        return False, "points so close to one another that their indices cannot be told apart"
    total = sum(index for index in indices if index is not None)
    words = f"the gradient turns {around} times along the edge, and the indices of the points inside add up to {total}"
    return around == total, words


def _index(objective: Objective, spans: Any, places: NDArray[np.float64], place: int) -> int | None:
    """Turns of the gradient around one point, on a circle that holds no other."""
    span = min(high - low for low, high in spans)
    apart = np.linalg.norm(np.delete(places, place, axis=0) - places[place], axis=1)
    radius = min(1e-3 * span, 0.4 * apart.min(initial=np.inf))

    def circle(count: int) -> NDArray[np.float64]:
        angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
        return np.asarray(places[place] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))

    return _turning(objective, circle)


def _turning(objective: Objective, curve: Callable[[int], NDArray[np.float64]]) -> int | None:
    """Turns of the gradient along a closed curve, sampled ever more finely; None where it vanishes on it."""
    for count in (_CIRCLE, 8 * _CIRCLE, 64 * _CIRCLE):
        slopes = _slopes(objective, curve(count))
        if not np.isfinite(slopes).all() or not np.linalg.norm(slopes, axis=1).all():
            return None
        angles = np.arctan2(slopes[:, 1], slopes[:, 0])
        steps = np.angle(np.exp(1j * np.diff(np.append(angles, angles[0]))))
        if np.abs(steps).max() < np.pi / 2:
            return round(float(steps.sum()) / (2 * np.pi))
    return None


def _slopes(objective: Objective, points: NDArray[np.float64]) -> NDArray[np.float64]:
    with double_precision():
        return np.asarray(_gradients(value_and_gradient(objective, None, 0), points))


@jax.jit
def _gradients(function: Partial, points: Any) -> Any:
    return jax.lax.map(lambda at: function(at)[1], points, batch_size=4096)
