"""Basins of attraction: which minimiser each start of a grid comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optax
import xarray as xr
from numpy.typing import NDArray

from steepest.descent import Stop, Verdict, descend
from steepest.objectives import Objective
from steepest.theory import Critical, Kind, classify
from steepest.theory.vanishing_gradient import checked_window, polished

UNSETTLED, DIVERGED = -1, -2
_CELL = 1e-3
_NEAR = 1e-2
_MOST_MINIMISERS = 200


@dataclass(frozen=True, eq=False)
class Basins:
    """Where each start of a grid came to.

    Attributes:
        objective: the landscape.
        dataset: over the grid, dimensions named after the parameters: ``basin``, the number of the minimiser (the place
            in ``minimisers``), −1 where the run had not settled, −2 where it diverged; and ``steps``, when it ended.
        minimisers: the points that runs settled at, lowest loss first.
    """

    objective: Objective
    dataset: xr.Dataset
    minimisers: tuple[Critical, ...]

    @property
    def basin(self) -> xr.DataArray:
        """The number of the minimiser each start came to."""
        return self.dataset["basin"]

    @property
    def fractions(self) -> dict[int, float]:
        """Share of the starts that came to each minimiser, and of those unsettled (−1) and diverged (−2)."""
        numbers, counts = np.unique(self.basin.values, return_counts=True)
        return {int(number): float(count) / self.basin.size for number, count in zip(numbers, counts, strict=True)}

    def __str__(self) -> str:
        shares = self.fractions
        lines = [f"{self.basin.size:,} starts on {self.objective.name}"]
        for place, point in enumerate(self.minimisers):
            where = ", ".join(f"{value:.6g}" for value in np.ravel(point.at))
            share = f"{shares.get(place, 0):.2%}"
            lines.append(f"  {place}: {share} came to ({where}), a {point.kind}, loss {point.loss:.6g}")
        for number, words in ((UNSETTLED, "had not settled"), (DIVERGED, "diverged")):
            if number in shares:
                lines.append(f"  {shares[number]:.2%} {words}")
        return "\n".join(lines)


def basins(
    objective: Objective,
    *,
    learning_rate: float | str,
    window: Sequence[tuple[float, float]] | None = None,
    resolution: int | tuple[int, int] = 200,
    steps: int = 500,
    method: Any = optax.sgd,
    gradient_norm: float = 1e-3,
    cluster: Any = None,
    **hyperparameters: Any,
) -> Basins:
    """Descend from every point of a grid and tell which minimiser each run comes to.

    All starts run in one compiled program. A run has settled where its gradient norm has fallen to ``gradient_norm``;
    the ends are gathered, and each place where some gathered is followed to its critical point by Newton's method.

    Args:
        objective: of one or two parameters.
        learning_rate: of the method; ``"auto"`` where the objective states its smoothness.
        window: (low, high) of each parameter; the objective's own by default.
        resolution: starts along each parameter, or (of the first, of the second).
        steps: of each run, at most.
        method: a constructor of optax.
        gradient_norm: at which a run has settled.
        cluster: where the runs are sent; see :func:`steepest.descend`.
        **hyperparameters: of the method, numbers.

    Returns:
        :class:`Basins`.

    Raises:
        ValueError: an empty window, more than two parameters, a resolution below 2, a hyper-parameter that is an axis.

    Example:
        >>> import steepest as sd
        >>> found = sd.experiments.basins(sd.landscapes.himmelblau, learning_rate=0.01, resolution=40)
        >>> len(found.minimisers), sorted(found.basin.sizes.items())
        (4, [('w[0]', 40), ('w[1]', 40)])
    """
    spans = checked_window(objective, window)
    counts = [resolution] * len(spans) if isinstance(resolution, int | np.integer) else list(resolution)
    if len(counts) != len(spans) or any(isinstance(n, bool) or int(n) != n or n < 2 for n in counts):
        raise ValueError(f"resolution must be a whole number from 2 up, or one for each parameter, got {resolution!r}")
    axes = [np.linspace(low, high, int(count)) for (low, high), count in zip(spans, counts, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(spans))
    runs = descend(
        objective, method, learning_rate=learning_rate, start=points, steps=steps, every=steps, path=False,
        stop=Stop(gradient_norm=min(1e-8, gradient_norm)), progress=False, cluster=cluster, **hyperparameters,
    )  # fmt: skip
    if runs.axes != ("start",):
        raise ValueError(f"basins has one setting for all starts, got the axes {', '.join(runs.axes)}; give numbers")
    ends = np.asarray(runs.params)
    diverged = runs.verdict.values == Verdict.DIVERGED.value
    settled = ~diverged & (runs.final_gradient_norm.values <= gradient_norm)
    span = np.array([high - low for low, high in spans])
    minimisers = _gathered(objective, ends[settled], span)
    basin = np.full(len(points), UNSETTLED, np.int32)
    basin[settled] = _nearest(ends[settled], minimisers, span)
    basin[diverged] = DIVERGED
    names = [f"w[{place}]" for place in range(len(spans))]
    # Rows of a picture are the second parameter.
    dims, shape = tuple(reversed(names)), tuple(len(axis) for axis in axes)
    dataset = xr.Dataset(
        {name: (dims, values.reshape(shape).T) for name, values in (("basin", basin), ("steps", runs.steps.values))},
        coords=dict(zip(names, axes, strict=True)),
        attrs={**runs.dataset.attrs, "gradient_norm": gradient_norm, "most_steps": steps},
    )
    return Basins(objective, dataset, minimisers)


def _gathered(objective: Objective, ends: NDArray[np.float64], span: NDArray[np.float64]) -> tuple[Critical, ...]:
    """The critical points that ends lie around, lowest loss first."""
    if not len(ends):
        return ()
    cells = np.round(ends / (_CELL * span)).astype(np.int64)
    keys = cells[:, 0] * 2**31 + (cells[:, 1] if ends.shape[1] == 2 else 0)
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    found: list[Critical] = []
    left = first[np.argsort(-counts, kind="stable")]
    while len(left) and len(found) < _MOST_MINIMISERS:
        point = classify(objective, polished(objective, ends[left[0]], span))
        at = np.ravel(point.at)
        if point.kind is Kind.NOT_CRITICAL or (np.abs(at - ends[left[0]]) > _NEAR * span).any():
            left = left[1:]
            continue
        if not any((np.abs(np.ravel(other.at) - at) < _CELL * span).all() for other in found):
            found.append(point)
        left = left[1:][(np.abs(ends[left[1:]] - at) > _NEAR * span).any(axis=1)]
    return tuple(sorted(found, key=lambda point: point.loss))


def _nearest(
    ends: NDArray[np.float64], minimisers: tuple[Critical, ...], span: NDArray[np.float64]
) -> NDArray[np.int32]:
    """The number of the minimiser each end is near; −1 where it is near none."""
    number = np.full(len(ends), UNSETTLED, np.int32)
    closest = np.full(len(ends), _NEAR)
    for place, point in enumerate(minimisers):
        distance = (np.abs(ends - np.ravel(point.at)) / span).max(axis=1)
        number = np.where(distance < closest, np.int32(place), number)
        closest = np.minimum(closest, distance)
    return number
