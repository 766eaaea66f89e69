"""The grid of runs that a call of ``descend`` spans: looped axes outside of compiled programs, traced ones inside."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from steepest.batches import Plan
from steepest.descent.axes import Axis, is_number
from steepest.descent.hyperparameters import (
    accepted,
    check_values,
    name_of,
    seed_parameter,
    traceable,
)
from steepest.objectives import Descendable
from steepest.precision import double_precision


class Grid:
    """The axes of a call: looped outside of the compiled program or traced inside of it."""

    def __init__(
        self,
        objective: Descendable | Axis,
        method: Callable[..., Any] | Axis,
        settings: dict[str, Any],
        batches: Plan | Axis | None,
        start: Any,
        seed: int | Axis,
    ) -> None:
        self.start, self.seed = start, seed
        self.settings = settings
        outer: dict[str, Any] = {"objective": objective, "method": method, "batch_size": batches}
        self.outer = outer
        named = {
            "objective": objective,
            "method": method,
            **settings,
            "batch_size": batches,
            "start": start,
            "seed": seed,
        }
        self.order = [name for name, value in named.items() if isinstance(value, Axis)]
        untraceable = self._untraceable()
        self.settings = {
            name: Axis(name, value.labels, [_plain(item) for item in value.values], traced=False)
            if name in untraceable and isinstance(value, Axis)
            else value
            for name, value in settings.items()
        }
        self.untraceable = untraceable
        axes = {**named, **self.settings}
        self.looped = [axes[name] for name in self.order if not axes[name].traced]
        self.traced = [axes[name] for name in self.order if axes[name].traced]

    def cells(self) -> list[tuple[tuple[int, ...], dict[str, Any]]]:
        """Place on the looped axes, and the value of everything that is looped or fixed there."""
        found = []
        for place in itertools.product(*(range(len(axis)) for axis in self.looped)):
            here = {axis.name: axis.values[at] for axis, at in zip(self.looped, place, strict=True)}
            fixed = {name: value for name, value in (self.outer | self.settings).items() if not isinstance(value, Axis)}
            found.append((place, fixed | here))
        return found

    def static(self, cell: dict[str, Any]) -> dict[str, Any]:
        """The hyper-parameters of a cell that the compiled program knows beforehand."""
        return {
            name: cell[name]
            for name, value in self.settings.items()
            if name in cell and (not is_number(cell[name]) or name in self.untraceable or isinstance(value, Axis))
            and accepted(cell["method"], name)
        }  # fmt: skip

    def numbers(self, cell: dict[str, Any]) -> dict[str, Any]:
        """The hyper-parameters of a cell that are arguments of the compiled program: a number or a traced axis."""
        static = self.static(cell)
        return {
            name: value
            for name, value in self.settings.items()
            if name not in static and accepted(cell["method"], name)
        }  # fmt: skip

    def _untraceable(self) -> frozenset[str]:
        """Hyper-parameters that are numbers but that some method must know beforehand."""
        found: set[str] = set()
        for method in by_label(self.outer["method"]).values():
            own = {name: value for name, value in self.settings.items() if accepted(method, name)}
            numbers = tuple(n for n, v in own.items() if is_number(v) or (isinstance(v, Axis) and v.traced))
            rest = {n: (v.values[0] if isinstance(v, Axis) else v) for n, v in own.items() if n not in numbers}
            shapes = (jax.tree.structure(0.0), (((2,), np.dtype("float64")),))
            with double_precision():
                seed = seed_parameter(method, self.settings)
                refused = set(numbers) - traceable(method, tuple(rest.items()), numbers, shapes, seed)
                if refused or not numbers:
                    known = {n: _plain(v.values[0] if isinstance(v, Axis) else v) for n, v in own.items()}
                    check_values(method, known, shapes, seed)
                found |= refused
        return frozenset(found)

    def attributes(self) -> dict[str, Any]:
        """The settings, in words, for the dataset."""
        method, objective = self.outer["method"], self.outer["objective"]
        said = {} if isinstance(objective, Axis) else {"objective": objective.name}
        if not isinstance(method, Axis):
            said["method"] = name_of(method)
        batches = self.outer["batch_size"]
        if batches is not None and not isinstance(batches, Axis):
            said["batch_size"] = batches.width
        plain = {name: value for name, value in self.settings.items() if not isinstance(value, Axis)}
        return said | {name: value if is_number(value) else str(value) for name, value in plain.items()}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def by_label(value: Any) -> dict[Any, Any]:
    """Label → value of an axis; a single value has the label None."""
    if isinstance(value, Axis):
        return dict(zip((str(label) for label in value.labels), value.values, strict=True))
    return {None: value}
