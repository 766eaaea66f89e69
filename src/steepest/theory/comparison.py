"""A bound laid over a measured curve, and the rate that the curve shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from steepest.objectives import Params
from steepest.theory.bounds import convex_bound, momentum_bound, strongly_convex_bound
from steepest.theory.eigenvalues import spectrum
from steepest.theory.global_constants import Constants, UnknownConstants, constants
from steepest.theory.limits import contraction_factor, learning_rate_limit
from steepest.theory.optimum import Optimum, optimum_of

_MOST_RUNS = 500
_ROUNDING = 1e3 * float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Comparison:
    r"""Theory beside measurement for every run of a descent.

    Attributes:
        dataset: over the axes of the descent, and its steps:

            * ``excess``: measured loss above the minimum, (\*axes, step);
            * ``bound``: what theory allows it to be, (\*axes, step); NaN where no bound is known;
            * ``predicted_factor``: what the excess is multiplied by a step in the long run; 1 where the bound falls
              like 1/t;
            * ``measured_factor``: the same fitted to the second half of the curve above its rounding;
            * ``measured_exponent``: p of tᵖ fitted to the same stretch;
            * ``theorem``: which bound it is;
            * ``outcome``: "holds", "violated", "diverges as predicted", or "no bound".
        optimum: the minimum that losses are counted from.
        constants: L and μ; None where only the curvature at the end of each run is known.
    """

    dataset: xr.Dataset
    optimum: Optimum
    constants: Constants | None

    @property
    def holds(self) -> bool:
        """Whether no run refutes its prediction, and at least one has a prediction to refute."""
        outcomes = set(self.dataset["outcome"].values.flat)
        return "violated" not in outcomes and outcomes != {"no bound"}

    def __str__(self) -> str:
        lines = [
            f"minimum {self.optimum.loss:.6g}: {self.optimum.why}",
            self.constants.why
            if self.constants
            else "global constants are unknown; rates are those of the curvature at the end of each run",
        ]
        for labels, run in _runs(self.dataset, self.dataset["outcome"].dims):
            where = ", ".join(f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"
                              for name, value in labels.items())  # fmt: skip
            lines.append(
                f"{where + ': ' if where else ''}{run['outcome'].item()} ({run['theorem'].item()}); factor a step "
                f"{run['predicted_factor'].item():.6g} predicted, {run['measured_factor'].item():.6g} measured; "
                f"falls like t^{run['measured_exponent'].item():.2f}"
            )
        return "\n".join(lines)


def compare(descent: Any, *, optimum: Params | None = None) -> Comparison:
    """Lay the bounds of chapter 15.8 over the measured curves of plain descent, heavy ball or Nesterov's method.

    L and μ are global constants where the loss has them (:func:`constants`), and then the bound is a theorem for the
    whole run. Elsewhere the curvature at the end of each run predicts the rate of its last stretch, without a bound.

    Args:
        descent: what ``descend`` returned for ``optax.sgd`` on all rows, one run or up to 500.
        optimum: parameters of the minimum; by default the objective's own, or found by Newton's method where the
            loss is known to be convex.

    Returns:
        A :class:`Comparison`; its ``str`` has a line a run.

    Raises:
        ValueError: another method than ``optax.sgd``, a schedule, batches, several objectives, too many runs, or a
            minimum that is unknown.

    Example:
        >>> import optax, steepest as sd
        >>> run = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=1 / 6, steps=40)
        >>> comparison = sd.theory.compare(run)
        >>> comparison.holds, round(comparison.dataset.measured_factor.item(), 6)  # (2/3)²
        (True, 0.444444)
    """
    objective = _objective(descent)
    _check_method(descent)
    known = _constants(objective)
    lowest = optimum_of(objective, optimum)
    rows = [_compared(run, objective, known, lowest) for _, run in _runs(descent, descent.axes)]
    shape = tuple(descent.dataset.sizes[name] for name in descent.axes)
    record = descent.record_dimension
    dataset = xr.Dataset(coords={name: descent.dataset[name] for name in (*descent.axes, record)})
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        dims = (*descent.axes, record) if values.ndim == 2 else descent.axes
        dataset[name] = (dims, values.reshape((*shape, *values.shape[1:])))
    return Comparison(dataset, lowest, known)


def _runs(source: Any, axes: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Labels and selection of every run of a Descent or Dataset."""
    dataset = getattr(source, "dataset", source)
    sizes = [dataset.sizes[name] for name in axes]
    if np.prod(sizes, dtype=int) > _MOST_RUNS:
        raise ValueError(f"{np.prod(sizes)} runs are more than {_MOST_RUNS} to compare; select some with sel or isel")
    for place in itertools.product(*map(range, sizes)):
        at = dict(zip(axes, place, strict=True))
        labels = {name: dataset[name].values[index].item() for name, index in at.items()}
        yield labels, source.isel(**at) if at else source


def _objective(descent: Any) -> Any:
    if not hasattr(descent, "objectives"):
        raise TypeError(f"compare takes what descend returned, got {type(descent).__name__}")
    if len(descent.objectives) != 1:
        raise ValueError("the runs are on several objectives; select one with sel(objective=...)")
    return next(iter(descent.objectives.values()))


def _check_method(descent: Any) -> None:
    attributes = descent.dataset.attrs
    if attributes.get("method") != "sgd" or "method" in descent.axes:
        raise ValueError(
            f"compare knows the bounds of optax.sgd, got the method {attributes.get('method', 'of an axis')!r}; "
            "select it with sel(method=...), or lay a function of steepest.theory over the curve yourself"
        )
    if attributes.get("batch_size") is not None or "batch_size" in descent.axes:
        raise ValueError(
            "compare knows the bounds of descent on all rows; for batches see steepest.theory.sampling and "
            "averaged_sgd_bound"
        )


def _constants(objective: Any) -> Constants | None:
    try:
        return constants(objective)
    except UnknownConstants:
        return None


def _setting(run: Any, name: str, default: float) -> float:
    value = run.dataset[name].item() if name in run.dataset.coords else run.dataset.attrs.get(name, default)
    if value in (None, "None"):
        return default
    if value in ("True", "False"):
        return float(value == "True")
    if isinstance(value, str):
        raise ValueError(f"{name} must be a number for compare, got {value}; a schedule has no one rate")
    return float(value)


def _compared(run: Any, objective: Any, known: Constants | None, lowest: Optimum) -> dict[str, Any]:
    """Everything of one run, by the names of the dataset."""
    steps = run.dataset[run.record_dimension].values.astype(float)
    rate, momentum, nesterov = (_setting(run, name, 0.0) for name in ("learning_rate", "momentum", "nesterov"))
    excess = run.loss.values - lowest.loss
    floor = _ROUNDING * max(abs(lowest.loss), 1e-290) + lowest.uncertainty
    factor, exponent = _fitted(steps, excess, floor)
    measured = {"excess": excess, "measured_factor": factor, "measured_exponent": exponent}
    if known is None or not known.convex:
        predicted = _from_the_end(run, objective, rate, momentum, bool(nesterov))
        return measured | predicted | {"bound": np.full(steps.shape, np.nan)}
    radius = contraction_factor(rate, known.smoothness, known.strong_convexity, momentum, bool(nesterov))
    measured["predicted_factor"] = radius**2
    if rate >= learning_rate_limit(known.smoothness, momentum, bool(nesterov)):
        grew = excess[np.isfinite(excess)][-1] > excess[0]
        outcome = "no bound" if not known.quadratic else "diverges as predicted" if grew else "violated"
        return measured | {"bound": np.full(steps.shape, np.nan), "theorem": "above the limit", "outcome": outcome}
    distance = _distance(run, objective, lowest)
    theorem, bound = _bound(steps, rate, momentum, bool(nesterov), known, distance, excess[0])
    within = ~np.isfinite(excess) | ~np.isfinite(bound) | (excess <= bound * (1 + 1e-9) + floor)
    outcome = "no bound" if theorem == "no theorem" else "holds" if within.all() else "violated"
    return measured | {"bound": bound, "theorem": theorem, "outcome": outcome}


def _from_the_end(run: Any, objective: Any, rate: float, momentum: float, nesterov: bool) -> dict[str, Any]:
    """The rate that the curvature where a run ended predicts for its last stretch."""
    found = spectrum(objective, run.params)
    largest, smallest = found.largest.value, max(found.smallest.value, 0.0)
    if largest <= 0:
        return {"predicted_factor": np.nan, "theorem": "no curvature", "outcome": "no bound"}
    radius = contraction_factor(rate, largest, smallest, momentum, nesterov)
    return {"predicted_factor": radius**2, "theorem": "curvature at the end of the run", "outcome": "no bound"}


def _bound(
    steps: NDArray[Any], rate: float, momentum: float, nesterov: bool, known: Constants, distance: float, excess: float
) -> tuple[str, NDArray[np.float64]]:
    """The best bound that is known for this setting, and its name."""
    smoothness, strong_convexity = known.smoothness, known.strong_convexity
    if not momentum:
        slow = np.full(steps.shape, np.inf)
        if np.isfinite(distance):
            slow = convex_bound(steps, learning_rate=rate, smoothness=smoothness, distance=distance, excess=excess)
        if not strong_convexity:
            return ("convex, O(1/t)" if np.isfinite(distance) else "no theorem"), slow
        fast = strongly_convex_bound(
            steps, learning_rate=rate, smoothness=smoothness, strong_convexity=strong_convexity, excess=excess
        )
        return "strongly convex, linear", np.minimum(slow, fast)
    if known.quadratic:
        grown = momentum_bound(
            steps, learning_rate=rate, momentum=momentum, smoothness=smoothness, strong_convexity=strong_convexity,
            distance=1.0, nesterov=nesterov,
        )  # fmt: skip
        return "momentum on a quadratic", np.asarray(excess * grown**2)
    return "no theorem", np.full(steps.shape, np.nan)


def _distance(run: Any, objective: Any, lowest: Optimum) -> float:
    """From where the run started to the nearest minimiser; infinite where neither path nor start is known."""
    if "path" in run.dataset:
        return lowest.distance(run.path.values[0])
    seed = run.dataset["seed"].item() if "seed" in run.dataset.coords else 0
    start = objective.initial(seed, np.dtype("float64"))
    same = np.isclose(float(objective(start)), run.loss.values[0], rtol=1e-6, atol=0.0)
    return lowest.distance(start) if same else np.inf


def _fitted(steps: NDArray[Any], excess: NDArray[Any], floor: float) -> tuple[float, float]:
    """Factor a step and exponent of t, by least squares over the second half of what is above the rounding."""
    there = np.flatnonzero(np.isfinite(excess) & (excess > floor) & (steps > 0))
    # The first stretch that reaches the rounding ends the curve; what bounces back above it is noise.
    gaps = np.flatnonzero(np.diff(there) > 1)
    there = there[: gaps[0] + 1] if len(gaps) else there
    there = there[len(there) // 2 :]
    if len(there) < 2:
        return np.nan, np.nan
    heights = np.log(excess[there])
    slope = np.polyfit(steps[there], heights, 1)[0]
    exponent = np.polyfit(np.log(steps[there]), heights, 1)[0]
    return float(np.exp(slope)), float(exponent)
