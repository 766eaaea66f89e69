"""From the flat arrays of compiled programs to labelled ones: axes named, ends marked, cells put side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from steepest.descent.axes import Axis
from steepest.descent.outcome import Outcome
from steepest.descent.parts import Made, Parts
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


# The values of one variable of a cell, runs last, made when they are asked for; and its dimensions.
Piece = tuple[Callable[[], NDArray[Any]], tuple[str, ...]]

_WORDS = {
    "loss": "loss",
    "gradient_norm": "Euclidean norm of the gradient",
    "path": "parameters",
    "verdict": "verdict",
    "reason": "reason for the end",
    "steps": "steps taken",
    "final_loss": "loss at the end",
    "final_gradient_norm": "Euclidean norm of the gradient at the end",
}
_VERDICTS = np.asarray([reason.verdict.value for reason in REASONS])
_REASONS = np.asarray([reason.value for reason in REASONS])


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
    """What a descent recorded, each variable on the axes of its layout and made when it is asked for.

    Attributes:
        single: name → variable, as in :attr:`Descent.dataset`.
        leaves, averages: leaf name → its values at the end of every run; the averaged iterates.
    """

    single: Mapping[str, xr.Variable]
    leaves: Mapping[str, xr.Variable]
    averages: Mapping[str, xr.Variable]


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
    record = layout.record

    def made(of: Callable[[Cell], dict[str, Piece]]) -> Made[xr.Variable]:
        pieces: dict[str, list[tuple[Cell, Piece]]] = {}
        for cell in cells:
            for name, piece in of(cell).items():
                pieces.setdefault(name, []).append((cell, piece))
        return Made({name: partial(_grid, own, layout) for name, own in pieces.items()})

    return Variables(
        made(lambda cell: _single(cell, coordinate, record) | _path(cell, coordinate, list(names), record)),
        made(lambda cell: _leaves(cell.outcome.params)),
        made(lambda cell: _leaves(cell.outcome.average)),
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
    axes = {axis.name: axis.labels for axis in (*layout.looped, *layout.traced)}
    recorded = xr.Variable(layout.record, coordinate, {"long_name": layout.record, "units": "1"})
    frame = xr.Dataset(
        coords={**axes, layout.record: recorded, **({"parameter": list(names)} if names else {})},
        attrs={"steepest": _version(), **attributes},
    )
    shown = [name for name in variables.single if name not in ("code", "final_path")]
    return Parts(
        frame,
        Made({name: partial(_described, variables.single, name) for name in shown}),
        variables.leaves,
        variables.averages,
        xr.Variable([axis.name for axis in layout.looped], structures),
    )


def _described(variables: Mapping[str, xr.Variable], name: str) -> xr.Variable:
    variable = variables[name]
    if name in _WORDS:
        variable.attrs.update(long_name=_WORDS[name], units="1")
    return variable


def one_of(params: Any) -> Any:
    """The parameters of the first run; runs are the last axis."""
    return jax.tree.map(lambda leaf: leaf[..., 0], params)


def structure_of(params: Any) -> tuple[Any, list[str]]:
    """The pytree structure of parameters, runs last, and the names their leaves have among variables."""
    return jax.tree.structure(params), [key for key, _ in _keyed(params)]


def _keyed(params: Any) -> list[tuple[str, Any]]:
    """Leaves by a name that also tells their shape, so that cells of different shapes do not share one."""
    return [(f"{name} {leaf.shape[:-1]}", leaf) for name, leaf in named_leaves(params)]


def _leaves(params: Any) -> dict[str, Piece]:
    """Leaves of parameters, runs last; no leaves where there are none."""
    return {
        key: (partial(np.asarray, leaf), (*(f"{key} axis {place}" for place in range(leaf.ndim - 1)), "run"))
        for key, leaf in _keyed(params)
    }


def record_coordinate(every: int, count: int, last: float) -> NDArray[Any]:
    """The units at which anything was recorded: multiples of ``every``, and ``last``, where the longest run ended."""
    coordinate = np.arange(count) * float(every)
    coordinate = coordinate[coordinate <= last]
    if not coordinate.size or last > coordinate[-1]:
        coordinate = np.append(coordinate, last)
    whole = coordinate.astype(np.int64)
    return whole if np.array_equal(whole, coordinate) else coordinate


def _single(cell: Cell, coordinate: NDArray[Any], record: str) -> dict[str, Piece]:
    """Every variable of one cell but the path, by name."""
    outcome = cell.outcome
    found: dict[str, Piece] = {
        "verdict": (lambda: _VERDICTS[outcome.code - 1], ("run",)),
        "reason": (lambda: _REASONS[outcome.code - 1], ("run",)),
        "steps": (lambda: outcome.steps, ("run",)),
        "code": (lambda: outcome.code.astype(np.int8), ("run",)),
    }
    for name, values in outcome.records.items():
        final = outcome.final[name]
        found[name] = (partial(_curve, values, final, cell, coordinate), (record, "run"))
        found[f"final_{name}"] = (partial(np.asarray, final), ("run",))
    return found


def _path(cell: Cell, coordinate: NDArray[Any], names: list[str], record: str) -> dict[str, Piece]:
    """The path of one cell, and where it ended, in columns of these names."""
    outcome = cell.outcome
    if outcome.path is None:
        return {}
    columns = [names.index(name) for name in parameter_names(one_of(outcome.params))]

    def final() -> NDArray[Any]:
        return _side_by_side([leaf.reshape(-1, leaf.shape[-1]) for leaf in jax.tree.leaves(outcome.params)])

    def path() -> NDArray[Any]:
        recorded = _side_by_side(
            [leaf.reshape(len(leaf), -1, leaf.shape[-1]) for leaf in jax.tree.leaves(outcome.path)]
        )
        return _wider(_curve(recorded, final(), cell, coordinate), columns, len(names))

    return {
        "path": (path, (record, "parameter", "run")),
        "final_path": (lambda: _wider(final(), columns, len(names)), ("parameter", "run")),
    }


def _side_by_side(leaves: list[NDArray[Any]]) -> NDArray[Any]:
    """Leaves (..., numbers, runs) as one; a single leaf as it is."""
    return leaves[0] if len(leaves) == 1 else np.concatenate(leaves, axis=-2)


def _wider(values: NDArray[Any], columns: list[int], count: int) -> NDArray[Any]:
    """Values of some parameters as those of all ``count``, NaN for the others; runs last, parameters before them."""
    if columns == list(range(count)):
        return values
    wider = np.full((*values.shape[:-2], count, values.shape[-1]), np.nan, values.dtype)
    wider[..., columns, :] = values
    return wider


def _curve(recorded: NDArray[Any], final: NDArray[Any], cell: Cell, coordinate: NDArray[Any]) -> NDArray[Any]:
    """Recorded values at the whole coordinate, NaN after each run's end; as they are where nothing is missing."""
    if len(recorded) == len(coordinate):
        return recorded
    curve = np.full((len(coordinate), *recorded.shape[1:]), np.nan, recorded.dtype)
    curve[: len(recorded)] = recorded
    # The last place of the coordinate may lie between two records: there stand the ends of the longest runs.
    at = np.searchsorted(coordinate, cell.ends).clip(max=len(coordinate) - 1)
    runs = np.flatnonzero(coordinate[at] == cell.ends)
    curve[at[runs], ..., runs] = np.moveaxis(final[..., runs], -1, 0)
    return curve


def _grid(pieces: list[tuple[Cell, Piece]], layout: Layout) -> xr.Variable:
    """One variable of all cells on the axes of the grid, axes in front."""
    traced = [axis.name for axis in layout.traced]
    shape = tuple(len(axis) for axis in layout.traced)
    found = [(cell.place, make()) for cell, (make, _) in pieces]
    dims = (*pieces[0][1][1][:-1], *traced)

    def unfolded(values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape((*values.shape[:-1], *shape))

    first = unfolded(found[0][1])
    if not layout.looped:
        whole = first
    else:
        missing = np.nan if np.issubdtype(first.dtype, np.floating) else first.flat[0]
        width = np.result_type(*(values.dtype for _, values in found))
        whole = np.full((*(len(axis) for axis in layout.looped), *first.shape), missing, width)
        for place, values in found:
            whole[place] = unfolded(values)
        dims = (*(axis.name for axis in layout.looped), *dims)
    own = [name for name in dims if name not in layout.order]
    return xr.Variable(dims, whole).transpose(*(name for name in layout.order if name in dims), *own)
