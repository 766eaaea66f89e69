"""From the flat arrays of compiled programs to labelled ones: axes named, ends marked, cells put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from steepest.descent.axes import Axis
from steepest.descent.outcome import Outcome
from steepest.descent.result import Parts
from steepest.descent.stops import REASONS


@dataclass(frozen=True, eq=False)
class Cell:
    """The outcome of one compiled program, and how its steps count.

    Attributes:
        place: its position on each looped axis.
        every: units between records; a unit is a step, or an epoch.
        steps_per_unit: 1, or the steps of an epoch.
    """

    place: tuple[int, ...]
    outcome: Outcome
    every: int
    steps_per_unit: int

    @property
    def ends(self) -> NDArray[Any]:
        """Where each run ended, in units."""
        return np.asarray(self.outcome.steps / self.steps_per_unit)


# A cell, the values of one variable with runs last, and its dimensions.
Piece = tuple[Cell, NDArray[Any], tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Layout:
    """How cells make a grid: looped axes outside, traced ones inside each cell, ``order`` the dimensions shown."""

    looped: Sequence[Axis]
    traced: Sequence[Axis]
    order: Sequence[str]
    record: str


@cache
def _version() -> str:
    return version("steepest")


def parameter_names(tree: Any) -> list[str]:
    """A name for every number of a pytree of parameters, in the order of its leaves.

    >>> parameter_names({"weight": np.zeros(2), "bias": np.zeros(())})
    ['bias', 'weight[0]', 'weight[1]']
    >>> parameter_names(np.zeros(2))
    ['w[0]', 'w[1]']
    """
    return [
        name + (f"[{', '.join(map(str, index))}]" if index else "")
        for name, leaf in named_leaves(tree)
        for index in np.ndindex(np.shape(leaf))
    ]


def named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """(name, leaf) of every leaf; the leaf of a bare array is ``w``."""
    return [
        (jax.tree_util.keystr(path, simple=True, separator=".") or "w", leaf)
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
    ]


@dataclass(frozen=True, eq=False)
class Variables:
    """What a descent recorded, each variable on the axes of its layout.

    Attributes:
        single: name → variable, as in :attr:`Descent.dataset`.
        leaves, averages: leaf name → its values at the end of every run; the averaged iterates.
    """

    single: dict[str, xr.Variable]
    leaves: dict[str, xr.Variable]
    averages: dict[str, xr.Variable]


def labelled(cells: Sequence[Cell], layout: Layout, attributes: dict[str, Any]) -> Parts:
    """The cells as one dataset and the parameters beside it."""
    coordinate = record_coordinate(
        cells[0].every,
        max(len(cell.outcome.records["loss"]) for cell in cells),
        max(float(cell.ends.max()) for cell in cells),
    )
    names: dict[str, None] = {}
    for cell in cells:
        if cell.outcome.path is not None:
            names |= dict.fromkeys(parameter_names(one_of(cell.outcome.params)))
    variables = variables_of(cells, layout, coordinate, list(names))
    structures = np.empty(tuple(len(axis) for axis in layout.looped), object)
    for cell in cells:
        structures[cell.place] = structure_of(cell.outcome.params)
    return parts_of(variables, layout, coordinate, list(names), structures, attributes)


def variables_of(cells: Sequence[Cell], layout: Layout, coordinate: NDArray[Any], names: Sequence[str]) -> Variables:
    """Every variable of the cells, recorded at ``coordinate``, the path in columns of these ``names``."""
    variables: dict[str, list[Piece]] = {}
    leaves: dict[str, list[Piece]] = {}
    averages: dict[str, list[Piece]] = {}
    for cell in cells:
        for name, values, dims in _cell_variables(cell, coordinate, list(names), layout.record):
            variables.setdefault(name, []).append((cell, values, dims))
        _leaves(cell, cell.outcome.params, leaves)
        if cell.outcome.average is not None:
            _leaves(cell, cell.outcome.average, averages)
    return Variables(
        *({name: _grid(pieces, layout) for name, pieces in kind.items()} for kind in (variables, leaves, averages))
    )


def parts_of(
    variables: Variables,
    layout: Layout,
    coordinate: NDArray[Any],
    names: Sequence[str],
    structures: NDArray[Any],
    attributes: dict[str, Any],
) -> Parts:
    """Variables with their coordinates, as :class:`Descent` holds them."""
    inner = ("code", "final_path")
    coords: dict[str, Any] = {axis.name: axis.labels for axis in (*layout.looped, *layout.traced)}
    dataset = xr.Dataset(
        {name: variable for name, variable in variables.single.items() if name not in inner},
        coords=coords | {layout.record: coordinate} | ({"parameter": list(names)} if names else {}),
        attrs={"steepest": _version(), **attributes},
    )
    _describe(dataset, layout.record)
    looped = {axis.name: axis.labels for axis in layout.looped}
    return Parts(
        dataset,
        {name: xr.DataArray(variable, coords=coords) for name, variable in variables.leaves.items()},
        {name: xr.DataArray(variable, coords=coords) for name, variable in variables.averages.items()},
        xr.DataArray(structures, dims=list(looped), coords=looped),
    )


def one_of(params: Any) -> Any:
    """The parameters of the first run; runs are the last axis."""
    return jax.tree.map(lambda leaf: leaf[..., 0], params)


def structure_of(params: Any) -> tuple[Any, list[str]]:
    """The pytree structure of parameters, runs last, and the names their leaves have among variables."""
    return jax.tree.structure(params), [key for key, _ in _keyed(params)]


def _keyed(params: Any) -> list[tuple[str, Any]]:
    """Leaves by a name that also tells their shape, so that cells of different shapes do not share one."""
    return [(f"{name} {leaf.shape[:-1]}", leaf) for name, leaf in named_leaves(params)]


def _leaves(cell: Cell, params: Any, into: dict[str, Any]) -> None:
    for key, leaf in _keyed(params):
        dims = tuple(f"{key} axis {place}" for place in range(leaf.ndim - 1))
        into.setdefault(key, []).append((cell, leaf, (*dims, "run")))


def record_coordinate(every: int, count: int, last: float) -> NDArray[Any]:
    """The units at which anything was recorded: multiples of ``every``, and ``last``, where the longest run ended."""
    coordinate = np.arange(count) * float(every)
    coordinate = coordinate[coordinate <= last]
    if not coordinate.size or last > coordinate[-1]:
        coordinate = np.append(coordinate, last)
    whole = coordinate.astype(np.int64)
    return whole if np.array_equal(whole, coordinate) else coordinate


def _cell_variables(
    cell: Cell, coordinate: NDArray[Any], names: list[str], record: str
) -> list[tuple[str, NDArray[Any], tuple[str, ...]]]:
    """Every variable of one cell: (name, values with runs last, dimensions)."""
    outcome, end = cell.outcome, cell.ends
    reasons = [REASONS[code - 1] for code in range(1, len(REASONS) + 1)]
    place = outcome.code - 1
    found: list[tuple[str, NDArray[Any], tuple[str, ...]]] = [
        ("verdict", np.asarray([reason.verdict.value for reason in reasons])[place], ("run",)),
        ("reason", np.asarray([reason.value for reason in reasons])[place], ("run",)),
        ("steps", outcome.steps, ("run",)),
        ("code", outcome.code.astype(np.int8), ("run",)),
    ]
    for name, values in outcome.records.items():
        found.append((name, _curve(values, outcome.final[name], end, coordinate), (record, "run")))
        found.append((f"final_{name}", outcome.final[name], ("run",)))
    if outcome.path is not None:
        own = parameter_names(one_of(outcome.params))
        flat = [
            leaf.reshape(len(leaf), int(np.prod(leaf.shape[1:-1])), leaf.shape[-1])
            for leaf in jax.tree.leaves(outcome.path)
        ]
        final = [leaf.reshape(-1, leaf.shape[-1]) for leaf in jax.tree.leaves(outcome.params)]
        columns = [names.index(name) for name in own]
        path = _curve(np.concatenate(flat, axis=1), np.concatenate(final), end, coordinate)
        found.append(("path", _wider(path, columns, len(names)), (record, "parameter", "run")))
        found.append(("final_path", _wider(np.concatenate(final), columns, len(names)), ("parameter", "run")))
    return found


def _wider(values: NDArray[Any], columns: list[int], count: int) -> NDArray[Any]:
    """Values of some parameters as those of all ``count``, NaN for the others; runs last, parameters before them."""
    if columns == list(range(count)):
        return values
    wider = np.full((*values.shape[:-2], count, values.shape[-1]), np.nan, values.dtype)
    wider[..., columns, :] = values
    return wider


def _curve(recorded: NDArray[Any], final: NDArray[Any], end: NDArray[Any], coordinate: NDArray[Any]) -> NDArray[Any]:
    """Recorded values with NaN after each run's end, and the end itself where the coordinate has it."""
    curve = np.full((len(coordinate), *recorded.shape[1:]), np.nan, recorded.dtype)
    count = min(len(recorded), len(coordinate))
    curve[:count] = recorded[:count]
    after = coordinate[:, None] > end
    if after.any():
        curve[np.broadcast_to(after.reshape(len(coordinate), *[1] * (recorded.ndim - 2), -1), curve.shape)] = np.nan
    # A run's end stands where the coordinate has it, whether a record was made there or the run was cut off.
    at = np.searchsorted(coordinate, end).clip(max=len(coordinate) - 1)
    runs = np.flatnonzero(coordinate[at] == end)
    curve[at[runs], ..., runs] = np.moveaxis(final[..., runs], -1, 0)
    return curve


def _grid(pieces: list[Piece], layout: Layout) -> xr.Variable:
    """One variable of all cells on the axes of the grid, axes in front."""
    traced = [axis.name for axis in layout.traced]
    shape = tuple(len(axis) for axis in layout.traced)
    dims = (*pieces[0][2][:-1], *traced)

    def unfolded(values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape((*values.shape[:-1], *shape))

    if not layout.looped:
        whole = unfolded(pieces[0][1])
    else:
        first = unfolded(pieces[0][1])
        missing = np.nan if np.issubdtype(first.dtype, np.floating) else first.flat[0]
        width = np.result_type(*(values.dtype for _, values, _ in pieces))
        whole = np.full((*(len(axis) for axis in layout.looped), *first.shape), missing, width)
        for cell, values, _ in pieces:
            whole[cell.place] = unfolded(values)
        dims = (*(axis.name for axis in layout.looped), *dims)
    own = [name for name in dims if name not in layout.order]
    return xr.Variable(dims, whole).transpose(*(name for name in layout.order if name in dims), *own)


def _describe(dataset: xr.Dataset, record: str) -> None:
    words = {
        "loss": "loss", "gradient_norm": "Euclidean norm of the gradient", "path": "parameters", "verdict": "verdict",
        "reason": "reason for the end", "steps": "steps taken", "final_loss": "loss at the end",
        "final_gradient_norm": "Euclidean norm of the gradient at the end", record: record,
    }  # fmt: skip
    for name, long_name in words.items():
        if name in dataset:
            dataset[name].attrs["long_name"] = long_name
            dataset[name].attrs["units"] = "1"
