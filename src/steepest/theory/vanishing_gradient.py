"""Every critical point of a landscape of one or two parameters in a window (chapter 15.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from numpy.typing import NDArray

from steepest.objectives import Objective
from steepest.precision import double_precision
from steepest.theory.critical import Critical, Kind, classify
from steepest.theory.hessian import linearised, subject_of, value_and_gradient
from steepest.theory.index_theorem import MOST_POINTS, checked

if TYPE_CHECKING:
    import pandas as pd

_NEWTON_STEPS = 60
_RESOLUTIONS = {1: (512, 2048, 8192), 2: (48, 96, 192, 384)}


@dataclass(frozen=True, eq=False)
class CriticalPoints(Sequence[Critical]):
    """All critical points found in a window, lowest loss first.

    Attributes:
        objective: the landscape.
        window: (low, high) of each parameter.
        points: what was found.
        complete: whether the index theorem bears out that none is missing; see ``why``.
        why: that check in a sentence.
    """

    objective: Objective
    window: tuple[tuple[float, float], ...]
    points: tuple[Critical, ...]
    complete: bool
    why: str

    def __getitem__(self, place: Any) -> Any:
        return self.points[place]

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[Critical]:
        return iter(self.points)

    def of(self, kind: Kind | str) -> tuple[Critical, ...]:
        """Those of one kind."""
        wanted = Kind(kind)
        return tuple(point for point in self.points if point.kind is wanted)

    @property
    def minima(self) -> tuple[Critical, ...]:
        """The minima, lowest first."""
        return self.of(Kind.MINIMUM)

    @property
    def maxima(self) -> tuple[Critical, ...]:
        """The maxima, lowest first."""
        return self.of(Kind.MAXIMUM)

    @property
    def saddles(self) -> tuple[Critical, ...]:
        """The saddles, lowest first."""
        return self.of(Kind.SADDLE)

    def table(self) -> pd.DataFrame:
        """A row a point: kind, parameters, loss, gradient norm, deciding eigenvalue."""
        import pandas as pd

        names = [f"w[{place}]" for place in range(len(self.window))]
        rows = [
            {"kind": str(point.kind)}
            | dict(zip(names, np.ravel(point.at), strict=True))
            | {"loss": point.loss, "gradient_norm": point.gradient_norm, "deciding": point.deciding_eigenvalue}
            for point in self.points
        ]
        return pd.DataFrame(rows, columns=["kind", *names, "loss", "gradient_norm", "deciding"])

    def __str__(self) -> str:
        return f"{self.table().to_string(index=False)}\n{self.why}" if self.points else f"none found; {self.why}"


def critical_points(
    objective: Objective | Callable[[Any], Any], window: Sequence[tuple[float, float]] | None = None
) -> CriticalPoints:
    """Every critical point of a landscape of one or two parameters in a window.

    Newton's method for a vanishing gradient starts from every point of a grid. Whether any is missing is checked with
    the index theorem: the turns that the gradient makes along the edge of the window are the sum over the points inside
    (Milnor 1965, § 6), +1 for a minimum or maximum and −1 for a saddle; in one dimension every change of sign of
    the slope must have its point. The grid is refined until that holds. It is necessary and not sufficient: a minimum
    and a saddle missed together would cancel.

    Args:
        objective: an :class:`Objective`, or a function of a vector.
        window: (low, high) of each parameter; the objective's own by default.

    Returns:
        :class:`CriticalPoints`.

    Raises:
        ValueError: an empty window, no window, or other than one or two parameters.

    Example:
        >>> import steepest as sd
        >>> found = sd.theory.critical_points(sd.landscapes.himmelblau)
        >>> len(found.minima), len(found.saddles), len(found.maxima), found.complete
        (4, 4, 1, True)
    """
    subject = objective if isinstance(objective, Objective) else Objective(objective)
    spans = checked_window(subject, window)
    subject_of(subject, [low for low, _ in spans])
    points: tuple[Critical, ...] = ()
    complete, why = False, ""
    for resolution in _RESOLUTIONS[len(spans)]:
        with double_precision():
            found = _vanishing(subject, spans, resolution)
        points = _distinct(subject, spans, found)
        complete, why = checked(subject, spans, points, resolution)
        if complete or len(points) > MOST_POINTS:
            break
    return CriticalPoints(subject, spans, points, complete, why)


def checked_window(objective: Objective, window: Any) -> tuple[tuple[float, float], ...]:
    """The window given or the objective's own, of one or two parameters.

    Raises:
        ValueError: there is none, it is empty, or it has other dimensions.
    """
    spans = objective.window if window is None else window
    if spans is None:
        raise ValueError(f"window is missing: {objective.name!r} has none of its own; pass window=[(low, high), ...]")
    if np.ndim(spans) == 1 and len(spans) == 2:
        spans = [spans]
    array = np.asarray(spans, float)
    if array.ndim != 2 or array.shape[1] != 2 or array.shape[0] not in (1, 2):
        raise ValueError(f"window must be one or two pairs (low, high), got {window!r}")
    if not (np.isfinite(array).all() and (array[:, 0] < array[:, 1]).all()):
        raise ValueError(f"window must have low below high, both finite, got {array.tolist()}")
    return tuple((float(low), float(high)) for low, high in array)


@jax.jit
def _newton(function: Partial, starts: Any, reach: Any) -> Any:
    """Where Newton's method for a vanishing gradient ends, and the step it would still take, from every start."""

    def of_one(start: Any) -> Any:
        def move(at: Any) -> Any:
            _, gradient, product = linearised(function, at)
            matrix = jax.vmap(product)(jnp.eye(at.size))
            # Damped, so that a singular Hessian does not throw the point out of the window.
            damping = 1e-14 * jnp.sum(matrix * matrix) + 1e-290
            step = jnp.linalg.solve(matrix.T @ matrix + damping * jnp.eye(at.size), matrix.T @ gradient)
            return jnp.clip(step, -reach, reach)

        at = jax.lax.fori_loop(0, _NEWTON_STEPS, lambda _, at: at - move(at), start)
        return at, jnp.linalg.norm(move(at) / reach)

    return jax.lax.map(of_one, starts, batch_size=4096)


def _vanishing(objective: Objective, spans: Any, resolution: int) -> NDArray[np.float64]:
    """Ends of Newton's method within the window, shape (ends, n)."""
    low, high = np.array(spans).T
    axes = [np.linspace(start, end, resolution) for start, end in spans]
    starts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(spans))
    reach = (high - low) / 20
    ends, still = (np.asarray(part) for part in _newton(value_and_gradient(objective, None, 0), starts, reach))
    slack = 1e-9 * (high - low)
    return np.asarray(ends[(still < 1e-3) & ((ends >= low - slack) & (ends <= high + slack)).all(axis=1)])


def polished(objective: Objective, near: NDArray[np.float64], span: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where Newton's method for a vanishing gradient goes from a point near a critical one.

    Args:
        objective: the landscape.
        near: the point, shape (n,).
        span: widths of the window, shape (n,); no step is longer than a twentieth of it.
    """
    with double_precision():
        ends, _ = _newton(value_and_gradient(objective, None, 0), near[None], span / 20)
    return np.asarray(np.asarray(ends)[0])


def _distinct(objective: Objective, spans: Any, ends: NDArray[np.float64]) -> tuple[Critical, ...]:
    """One critical point for each cluster of ends, lowest loss first."""
    span = np.array([high - low for low, high in spans])
    left, kept = ends, list[Critical]()
    while len(left) and len(kept) <= MOST_POINTS:
        close = (np.abs(left - left[0]) < 1e-6 * span).all(axis=1)
        found = classify(objective, left[close][0])
        if found.kind is not Kind.NOT_CRITICAL:
            # Newton's method creeps towards a degenerate point, and stops on every side of it.
            wide = 1e-3 if found.kind is Kind.DEGENERATE else 1e-6
            near = (np.abs(left - left[0]) < wide * span).all(axis=1)
            best = min((classify(objective, end) for end in left[near][:20]), key=lambda one: one.gradient_norm)
            kept.append(best)
            left = left[~near]
        else:
            left = left[~close]
    return tuple(sorted(kept, key=lambda point: point.loss))
