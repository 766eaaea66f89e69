"""Between tasks and the arrays of a store: what a task came to on the way in, a ``Descent``'s parts on the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from steepest.descent.axes import Axis
from steepest.descent.cut import Cut, Task
from steepest.descent.labels import (
    Cell,
    Layout,
    Variables,
    parameter_names,
    parts_of,
    record_coordinate,
    structure_of,
    variables_of,
)
from steepest.descent.outcome import Outcome
from steepest.descent.parts import Parts
from steepest.descent.stops import CODE, REASONS, Reason
from steepest.descent.sweep import Sweep
from steepest.scale.specification import specification
from steepest.scale.store import Contents, Store
from steepest.scale.trees import tree_of, words_of

_PREFIXES = {"leaves": "params", "averages": "average"}
_UNFINISHED = 0
ENDINGS = ("not finished", *(reason.value for reason in REASONS))
"""What the numbers in the array ``code`` of a store mean."""


@dataclass(frozen=True, eq=False)
class Records:
    """How a sweep lies in a store.

    Attributes:
        sweep: what is run.
        cuts: of each cell.
        task_tiles: of each cell's tasks.
    """

    sweep: Sweep
    cuts: Sequence[Cut]
    task_tiles: Sequence[tuple[int, ...]]

    @property
    def tasks(self) -> list[tuple[int, Task]]:
        """(cell, task) of every task; its place is its number."""
        return [
            (cell, task)
            for cell, (cut, tile) in enumerate(zip(self.cuts, self.task_tiles, strict=True))
            for task in cut.tasks(tile)
        ]

    @property
    def contents(self) -> Contents:
        """What a store of this sweep says of itself."""
        sweep, layout = self.sweep, self.sweep.layout
        axes = (*layout.looped, *layout.traced)
        traced = dict(zip([axis.name for axis in layout.traced], self.task_tiles[0], strict=False))
        return Contents(
            specification(sweep.grid, sweep.clock, sweep.request, sweep.jobs),
            {name: _plain(value) for name, value in sweep.attributes.items()},
            {
                "order": list(layout.order),
                "looped": [axis.name for axis in layout.looped],
                "traced": [axis.name for axis in layout.traced],
                "record": layout.record,
                "every": self._every,
                "units": list(sweep.units),
                "places": [list(place) for place in sweep.places],
                "sizes": {axis.name: len(axis) for axis in axes},
                "tiles": {**{axis.name: 1 for axis in layout.looped}, **traced},
                "blocks": [list(cut.tile) for cut in self.cuts],
                "tasks": [list(tile) for tile in self.task_tiles],
                "leaves": {_array_name(kind, key): key for kind in _PREFIXES for key in self._keys},
                "trees": [words_of(one) for one in self._starts],
                "endings": list(ENDINGS),
            },
        )

    @property
    def coordinates(self) -> dict[str, NDArray[Any]]:
        """Labels of every dimension that has some."""
        layout = self.sweep.layout
        names = {"parameter": np.asarray(self._names)} if self._names else {}
        return {axis.name: np.asarray(axis.labels) for axis in (*layout.looped, *layout.traced)} | {
            layout.record: self._planned
        } | names  # fmt: skip

    def variables(self, cell: int, task: Task, outcome: Outcome) -> tuple[dict[str, xr.Variable], dict[str, slice]]:
        """Name → array of what a task came to, and the part of each axis it stands at."""
        sweep, layout = self.sweep, self.sweep.layout
        place = sweep.places[cell]
        looped = {axis.name: slice(at, at + 1) for axis, at in zip(layout.looped, place, strict=True)}
        traced = {axis.name: slice(*span) for axis, span in zip(layout.traced, task.region, strict=False)}
        region = looped | traced
        part = Layout(
            [_part(axis, region) for axis in layout.looped],
            [_part(axis, region) for axis in layout.traced],
            layout.order,
            layout.record,
        )
        own = Cell((0,) * len(place), outcome, self._every, sweep.units[cell])
        found = variables_of([own], part, self._planned, self._names)
        kept = {name: variable for name, variable in found.single.items() if name not in ("verdict", "reason")}
        for kind, prefix in _PREFIXES.items():
            for key, variable in getattr(found, kind).items():
                array = _array_name(kind, key)
                own_dims = {dim: f"{array}.{dim.split()[-1]}" for dim in variable.dims if dim not in layout.order}
                kept[array] = xr.Variable([own_dims.get(dim, dim) for dim in variable.dims], variable.values)
                kept[array].attrs["long_name"] = f"{prefix} {key} at the end of the run"
        kept["code"].attrs["endings"] = list(ENDINGS)
        return kept, region

    @property
    def _every(self) -> int:
        return self.sweep.jobs[0].every // self.sweep.units[0]

    @property
    def _planned(self) -> NDArray[Any]:
        """Where records are made, if the longest run uses all its steps."""
        last = max(job.steps / unit for job, unit in zip(self.sweep.jobs, self.sweep.units, strict=True))
        return record_coordinate(self._every, int(last // self._every) + 1, last)

    @property
    def _starts(self) -> list[Any]:
        return [job.starts(np.asarray(0), np.asarray(0)) for job in self.sweep.jobs]

    @property
    def _keys(self) -> list[str]:
        return list(dict.fromkeys(key for one in self._starts for key in _structure(one)[1]))

    @property
    def _names(self) -> list[str]:
        if not self.sweep.jobs[0].program.path:
            return []
        return list(dict.fromkeys(name for one in self._starts for name in parameter_names(one)))


def parts_in(store: Store) -> Parts:
    """What a store holds, as a ``Descent`` does; runs that are not finished count as interrupted, at step 0.

    Curves and parameters are read from the disk when they are needed.
    """
    layout, contents = store.contents.layout, store.dataset()
    looped, traced = (
        [_axis(contents, name, kind == "traced") for name in layout[kind]] for kind in ("looped", "traced")
    )
    shown = Layout(looped, traced, layout["order"], layout["record"])
    units = np.ones([len(axis) for axis in looped])
    structures = np.empty([len(axis) for axis in looped], object)
    for place, unit, tree in zip(layout["places"], layout["units"], layout["trees"], strict=True):
        units[tuple(place)] = unit
        structures[tuple(place)] = _structure(tree_of(tree))
    if "code" not in contents:
        raise ValueError(f"{store.path} holds no finished run yet")
    variables = {str(name): array.variable for name, array in contents.data_vars.items()}
    ends = contents["steps"] / xr.DataArray(units, dims=layout["looped"])
    code = variables["code"].values
    last = float(ends.where(contents["code"] != _UNFINISHED, 0.0).max())
    coordinate = record_coordinate(layout["every"], contents.sizes[layout["record"]], last)
    single = _endings(variables["code"].dims, np.where(code == _UNFINISHED, CODE[Reason.INTERRUPTED], code))
    for name, variable in variables.items():
        if name in layout["leaves"] or name in ("code", "finished", "final_path"):
            continue
        if layout["record"] in variable.dims:
            values = _until(contents[name], contents[f"final_{name}"].where(ends == last), coordinate, shown.record)
        else:
            values = contents[name]
        dims = [dim for dim in layout["order"] if dim in variable.dims]
        single[name] = values.transpose(*dims).variable
    leaves, averages = (
        {
            key: variables[name]
            for name, key in layout["leaves"].items()
            if name in variables and name.startswith(prefix)
        }
        for prefix in _PREFIXES.values()
    )
    names = contents["parameter"].values.tolist() if "parameter" in contents.coords else []
    everything = Variables(single, leaves, averages)
    return parts_of(everything, shown, coordinate, list(map(str, names)), structures, store.contents.attributes)


def _endings(dims: Any, code: NDArray[Any]) -> dict[str, xr.Variable]:
    reasons = [REASONS[place] for place in range(len(REASONS))]
    return {
        "verdict": xr.Variable(dims, np.asarray([reason.verdict.value for reason in reasons])[code - 1]),
        "reason": xr.Variable(dims, np.asarray([reason.value for reason in reasons])[code - 1]),
    }


def _until(curve: xr.DataArray, ending: xr.DataArray, coordinate: NDArray[Any], record: str) -> xr.DataArray:
    """A curve as far as the longest run went; its end, where that lies between two records, comes last."""
    kept = int(np.isin(coordinate, curve[record].values).sum())
    before = curve.isel({record: slice(0, kept)})
    if kept == len(coordinate):
        return before
    return xr.concat([before.drop_vars(record), ending.expand_dims(record)], dim=record)


def _structure(one: Any) -> tuple[Any, list[str]]:
    """Structure and leaf names of the parameters of one run."""
    return structure_of(jax.tree.map(lambda leaf: np.asarray(leaf)[..., None], one))


def _array_name(kind: str, key: str) -> str:
    """``weight (64, 10)`` of the parameters is the array ``params.weight.64x10``."""
    name, _, shape = key.rpartition(" (")
    sizes = "x".join(part.strip() for part in shape.rstrip("),").split(",") if part.strip())
    return ".".join(part for part in (_PREFIXES[kind], name.replace("/", "_"), sizes) if part)


def _part(axis: Axis, region: Mapping[str, slice]) -> Axis:
    where = region[axis.name]
    return Axis(axis.name, axis.labels[where], axis.values[where], axis.traced)


def _axis(contents: xr.Dataset, name: str, traced: bool) -> Axis:
    labels = contents[name].values
    labels = labels if labels.dtype.kind in "fiub" else np.asarray(labels.tolist(), str)
    return Axis(name, labels, labels, traced)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
