"""Methods compared fairly: one tuning budget for all, baselines always there, fresh seeds for the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optax
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import qmc, wilcoxon

from steepest.descent import Descent, Stop, Verdict, descend
from steepest.experiments.many_starts import draw
from steepest.objectives import Descendable, Objective

BASELINES: dict[str, tuple[Any, dict[str, Any]]] = {
    "gradient descent": (optax.sgd, {"learning_rate": (1e-5, 10.0)}),
    "momentum": (optax.sgd, {"learning_rate": (1e-5, 10.0), "momentum": [0.5, 0.8, 0.9, 0.95, 0.99]}),
}
"""What every comparison has, with the range of each hyper-parameter."""

_USUAL = {"learning_rate": (1e-5, 10.0)}
_FRESH = 1_000_000
_LEVEL = 0.05
_LEAST_SEEDS = 6  # of n seeds that all agree the signed-rank test gives 2/2ⁿ


@dataclass(frozen=True, eq=False)
class MethodComparison:
    """What each method came to with the same budget.

    Attributes:
        dataset: over ``method``, ``setting``, ``tuning_seed`` and ``seed``:

            * ``tuning``: final loss of every run of the search, infinite where it diverged;
            * ``final``: final loss of the best setting on fresh seeds;
            * ``loss``: its curves, (method, seed, step or epoch).
        settings: method → the settings tried, in order.
        best: method → the setting with the least median of ``tuning``.
        notes: what to be careful with: a best setting at the edge of its range, runs that diverged, seeds that are too
            few or change nothing.
    """

    dataset: xr.Dataset
    settings: Mapping[str, Sequence[Mapping[str, Any]]]
    best: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]

    def table(self) -> pd.DataFrame:
        """A row a method, best first: its setting, the median and quartiles over fresh seeds, and its rank.

        Methods share a rank where their paired differences over the seeds do not tell them apart (Wilcoxon's
        signed-rank test at 5 %).
        """
        final = self.dataset["final"]
        order = sorted(self.best, key=lambda label: (float(final.sel({"method": label}).median()), label))
        rows, rank, leader = [], 0, order[0]
        for place, label in enumerate(order):
            own = final.sel({"method": label}).values
            if place == 0 or _told_apart(final.sel({"method": leader}).values, own):
                rank, leader = place + 1, label
            low, middle, high = np.quantile(own, [0.25, 0.5, 0.75], method="nearest")
            tuning = self.dataset["tuning"].sel({"method": label}).values
            rows.append(
                {
                    "rank": rank,
                    "method": label,
                    "setting": ", ".join(f"{name}={_short(value)}" for name, value in self.best[label].items()),
                    "median": middle,
                    "quartile 1": low,
                    "quartile 3": high,
                    "diverged while tuned": float(np.isinf(tuning).mean()),
                }
            )
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        count = self.dataset.sizes
        head = (
            f"{count['setting']} settings a method on {count['tuning_seed']} seeds each, the best judged on "
            f"{count['seed']} fresh seeds"
        )
        table = self.table().to_string(index=False, float_format=lambda value: f"{value:.4g}")
        return "\n".join([head, table, *(f"note: {note}" for note in self.notes)])


def compare_methods(
    objective: Descendable,
    methods: Mapping[str, Any] | None = None,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: Any = None,
    budget: int = 16,
    tuning_seeds: int = 3,
    seeds: int = 10,
    seed: int = 0,
    stop: Stop | None = None,
) -> MethodComparison:
    """Compare methods after tuning each with the same number of runs; plain descent and momentum are always among them.

    Each method tries ``budget`` settings on the tuning seeds: points of a Latin hypercube over its ranges, the same
    points on every call. The setting with the least median final loss is then run on seeds that the search has not
    seen, so that no method is judged by the luck it was chosen for. A run that diverged counts as infinite loss.

    A seed sets the data order and the model's start. Where an :class:`Objective` has neither, it sets the start, drawn
    from the window.

    Args:
        objective: a Descendable.
        methods: label → an optax constructor (its learning rate is searched from 1e-5 to 10), or (constructor, ranges),
            where a range is (low, high) in the logarithm, a list of choices, or a value that stays.
        steps: updates of each run; or give ``epochs``.
        epochs: passes over the rows.
        batch_size: as in ``descend``.
        budget: settings a method may try, at least 1.
        tuning_seeds: runs of each setting.
        seeds: fresh runs of the best setting, at least 2.
        seed: of the search.
        stop: as in ``descend``.

    Returns:
        A :class:`MethodComparison`; print it, or see ``table()``.

    Raises:
        TypeError: methods that are neither constructors nor pairs.
        ValueError: a range that is not one, a number out of its range, or a label that is a baseline's.

    Example:
        >>> import optax, steepest as sd
        >>> found = sd.experiments.compare_methods(
        ...     sd.landscapes.bowl, {"adam": optax.adam}, steps=50, budget=4, tuning_seeds=2, seeds=3)
        >>> sorted(found.best)
        ['adam', 'gradient descent', 'momentum']
    """
    for name, value, least in (("budget", budget, 1), ("tuning_seeds", tuning_seeds, 1), ("seeds", seeds, 2)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number from {least} up, got {value!r}")
    searched = _searched(methods)
    runner = _Runner(objective, {"steps": steps, "epochs": epochs, "batch_size": batch_size, "stop": stop})
    settings, tuning, finals, curves, best, notes = {}, [], [], [], {}, []
    for label, (constructor, ranges) in searched.items():
        settings[label] = _settings(ranges, budget, seed)
        tried = [runner.losses(constructor, setting, range(tuning_seeds))[0] for setting in settings[label]]
        chosen = int(np.argmin(np.median(tried, axis=1)))
        best[label] = settings[label][chosen]
        final, curve = runner.losses(constructor, best[label], range(_FRESH, _FRESH + seeds))
        tuning.append(tried)
        finals.append(final)
        curves.append(curve)
        notes += _notes(label, ranges, settings[label], chosen, np.array(tried), final)
    notes += _on_seeds(np.array(finals))
    dataset = xr.Dataset(
        {
            "tuning": (("method", "setting", "tuning_seed"), np.array(tuning)),
            "final": (("method", "seed"), np.array(finals)),
        },
        coords={"method": list(searched), "tuning_seed": range(tuning_seeds), "seed": range(_FRESH, _FRESH + seeds)},
        attrs={"objective": objective.name, "budget": budget, "search_seed": seed},
    ).merge({"loss": xr.concat(curves, pd.Index(list(searched), name="method"), join="outer")})
    return MethodComparison(dataset, settings, best, tuple(notes))


def _searched(methods: Mapping[str, Any] | None) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Constructor and ranges of every method, baselines first."""
    found = dict(BASELINES)
    if methods is not None and not isinstance(methods, Mapping):
        raise TypeError(f"methods must be a dict of label → constructor or (constructor, ranges), got {methods!r}")
    for label, value in (methods or {}).items():
        if label in BASELINES:
            raise ValueError(f"methods: {label!r} is the name of a baseline, which is always there; choose another")
        constructor, ranges = value if isinstance(value, tuple) and len(value) == 2 else (value, _USUAL)
        if not callable(constructor) or not isinstance(ranges, Mapping):
            raise TypeError(f"methods[{label!r}] must be an optax constructor or (constructor, ranges), got {value!r}")
        for name, span in ranges.items():
            _check_range(label, name, span)
        found[str(label)] = (constructor, dict(ranges))
    return found


def _check_range(label: str, name: str, span: Any) -> None:
    if isinstance(span, tuple):
        numbers = len(span) == 2 and all(isinstance(end, int | float | np.number) for end in span)
        if not (numbers and 0 < span[0] < span[1] < np.inf):
            raise ValueError(f"the range of {name} of {label!r} must be (low, high) with 0 < low < high, got {span!r}")
    elif isinstance(span, list) and not span:
        raise ValueError(f"the choices of {name} of {label!r} must be at least one, got none")
    elif isinstance(span, np.ndarray):
        raise TypeError(f"the choices of {name} of {label!r} must be a list, got an array; .tolist() makes it one")


def _settings(ranges: Mapping[str, Any], budget: int, seed: int) -> list[dict[str, Any]]:
    """Points of a Latin hypercube; along a single range simply equal ratios, both ends included."""
    free = [name for name, span in ranges.items() if isinstance(span, tuple | list)]
    if len(free) == 1 and budget > 1:
        points = np.linspace(0, 1, budget)[:, None]
    else:
        points = qmc.LatinHypercube(max(1, len(free)), rng=np.random.default_rng(seed)).random(budget)
    found = []
    for point in points:
        setting = dict(ranges)
        for name, share in zip(free, point, strict=False):
            span = ranges[name]
            if isinstance(span, tuple):
                setting[name] = float(span[0] * (span[1] / span[0]) ** share)
            else:
                setting[name] = span[min(int(share * len(span)), len(span) - 1)]
        found.append(setting)
    return found


@dataclass(frozen=True)
class _Runner:
    """Runs of one objective, all for as long and in the same batches."""

    objective: Descendable
    options: dict[str, Any]

    def losses(
        self, constructor: Any, setting: Mapping[str, Any], seeds: Sequence[int]
    ) -> tuple[NDArray[np.float64], xr.DataArray]:
        """Final loss of every seed, infinite where it diverged, and the curves."""
        runs = self._runs(constructor, setting, list(seeds))
        final = np.where(runs.verdict.values == Verdict.DIVERGED.value, np.inf, runs.final_loss.values)
        curves = runs.loss.rename(start="seed") if "start" in runs.axes else runs.loss
        curves = curves.reset_coords(drop=True).assign_coords(seed=list(seeds))
        return final, curves.transpose("seed", ...)

    def _runs(self, constructor: Any, setting: Mapping[str, Any], seeds: list[int]) -> Descent:
        options = {name: value for name, value in self.options.items() if value is not None}
        if isinstance(self.objective, Objective) and self.objective.window is not None:
            points = np.concatenate([draw(self.objective, 1, None, seed) for seed in seeds])
            return descend(self.objective, constructor, start=points, path=False, progress=False, **options, **setting)
        return descend(self.objective, constructor, seed=seeds, path=False, progress=False, **options, **setting)


def _notes(
    label: str,
    ranges: Mapping[str, Any],
    settings: Sequence[Mapping[str, Any]],
    chosen: int,
    tried: NDArray[np.float64],
    final: NDArray[np.float64],
) -> list[str]:
    found = []
    for name, span in ranges.items():
        if not isinstance(span, tuple) or len(settings) < 3:
            continue
        ordered = sorted(setting[name] for setting in settings)
        if settings[chosen][name] in (ordered[0], ordered[-1]):
            found.append(
                f"the best {name} of {label} is at the edge of what was tried, {_short(settings[chosen][name])}"
            )
    if np.isinf(tried).all():
        found.append(f"every run of {label} diverged")
    elif np.isinf(final).any():
        found.append(
            f"the best setting of {label} diverged on {int(np.isinf(final).sum())} of {len(final)} fresh seeds"
        )
    return found


def _on_seeds(finals: NDArray[np.float64]) -> list[str]:
    """What the seeds cannot tell."""
    if (finals == finals[:, :1]).all():
        same = "the seeds change nothing here: every run of a setting is the same run, so that ranks hold for this one"
        return [f"{same} start alone; give the objective a window, or batches, for them to vary"]
    if finals.shape[1] < _LEAST_SEEDS:
        return [f"{finals.shape[1]} seeds are too few to tell methods apart at 5 %; that takes {_LEAST_SEEDS}"]
    return []


def _told_apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether paired losses differ at 5 %; runs that both diverged are equal."""
    both = np.isinf(one) & np.isinf(other)
    difference = np.where(both, 0.0, np.clip(one, None, 1e300) - np.clip(other, None, 1e300))
    if not difference.any():
        return False
    return bool(wilcoxon(difference, zero_method="zsplit", method="exact").pvalue < _LEVEL)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
