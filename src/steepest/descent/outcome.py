"""What a block of runs came to, brought to the host and put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from steepest.descent.cut import Block, Task
from steepest.descent.state import Program, Run
from steepest.descent.stops import CODE, RUNNING, Reason
from steepest.objectives import Params


@dataclass(eq=False)
class Outcome:
    """What a job's runs came to; runs are the last axis of every array, order fastest.

    Attributes:
        records: name → (records, runs); for the path, leaves (records, *leaf, runs). A record is a multiple of
            ``every`` that some run reached. NaN after a run's end; where that is a record, its final value stands.
        final: name → (runs,).
        params, average: leaves (*leaf, runs).
        steps, code: (runs,).
    """

    records: dict[str, NDArray[Any]]
    path: Params | None
    final: dict[str, NDArray[Any]]
    params: Params
    average: Params | None
    steps: NDArray[np.int32]
    code: NDArray[np.int32]


def kept(recorded: Any, count: int, program: Program) -> Any:
    """The records that were made, on the host; a small part is copied, lest it keep the whole room in memory."""

    def kept(leaf: Any) -> NDArray[Any]:
        array = np.asarray(leaf)
        return array[:count] if 2 * count >= program.capacity else array[:count].copy()

    return jax.tree.map(kept, recorded)


def collected(program: Program, run: Run, pieces: list[Any], evaluation: Any, axes: int, done: bool) -> Outcome:
    """One block's outcome on the host, with its axes of runs made one and put last."""

    def flat(leaf: Any, front: int = 0) -> NDArray[Any]:
        array = np.asarray(leaf)
        if program.leading and axes:
            array = np.moveaxis(array, range(front, front + axes), range(-axes, 0))
        own = array.ndim - axes
        return array.reshape(*array.shape[:own], math.prod(array.shape[own:]))

    def stacked(leaves: list[Any]) -> NDArray[Any]:
        parts = [flat(leaf, 1) for leaf in leaves]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    names = list(evaluation[2])
    code = flat(run.code)
    ending = CODE[Reason.STEPS if done else Reason.INTERRUPTED]
    path = None
    if program.path:
        structure = jax.tree.structure(run.params)
        leaves = zip(*(jax.tree.leaves(records.path) for records in pieces), strict=True)
        path = jax.tree.unflatten(structure, [stacked(list(leaf)) for leaf in leaves])
    return Outcome(
        records={
            "loss": stacked([records.loss for records in pieces]),
            "gradient_norm": stacked([records.gradient_norm for records in pieces]),
            **{name: stacked([records.extra[name] for records in pieces]) for name in names},
        },
        path=path,
        final={
            "loss": flat(evaluation[0]),
            "gradient_norm": flat(evaluation[1]),
            **{name: flat(evaluation[2][name]) for name in names},
        },
        params=jax.tree.map(flat, run.params),
        average=None if run.average is None else jax.tree.map(flat, run.average),
        steps=flat(run.steps),
        code=np.where(code == RUNNING, ending, code),
    )


def _places(task: Task, lane: NDArray[Any], order: NDArray[Any]) -> slice | NDArray[Any]:
    """Where a block's runs go among those of its task; in one piece without data orders, which copies faster."""
    (first_lane, _), (first_order, last_order) = task.lanes, task.orders
    orders = last_order - first_order
    if orders == 1:
        return slice(int(lane[0]) - first_lane, int(lane[-1]) + 1 - first_lane)
    return np.ravel((lane[None, :] - first_lane) * orders + (order[:, None] - first_order))


def joined(task: Task, blocks: Sequence[Block], pieces: Sequence[Outcome], every: int) -> Outcome:
    """The outcomes of a task's blocks as one, runs in the order lane, data order; fillers dropped.

    The room for the final values is made where blocks are copied anyway, so that curves are labelled as they are.
    """
    places = [_places(task, lane, order) for lane, order in blocks]
    rows = max(int(piece.steps.max()) for piece in pieces) // every + 1
    if len(pieces) == 1 and isinstance(places[0], slice) and places[0].stop == len(pieces[0].steps):
        whole = replace(
            pieces[0],
            records={name: _longer(values, rows) for name, values in pieces[0].records.items()},
            path=jax.tree.map(lambda leaf: _longer(leaf, rows), pieces[0].path),
        )
    else:
        whole = put_together(places, pieces, task.runs, rows)
    _write_ends(whole, every)
    return whole


def _longer(recorded: NDArray[Any], rows: int) -> NDArray[Any]:
    """A copy with so many records, NaN where none was made."""
    longer = np.empty((rows, *recorded.shape[1:]), recorded.dtype)
    longer[: len(recorded)] = recorded[:rows]
    longer[len(recorded) :] = np.nan
    return longer


def _write_ends(outcome: Outcome, every: int) -> None:
    """Put the final values of every run that ended at a record there, also where it was cut off before recording."""
    runs = np.flatnonzero(outcome.steps % every == 0)
    places = outcome.steps[runs] // every

    def write(curve: NDArray[Any], final: NDArray[Any]) -> None:
        curve[places, ..., runs] = np.moveaxis(final[..., runs], -1, 0)

    for name, curve in outcome.records.items():
        write(curve, outcome.final[name])
    if outcome.path is not None:
        jax.tree.map(write, outcome.path, outcome.params)


def put_together(
    places: Sequence[slice | NDArray[Any]], pieces: Sequence[Outcome], runs: int, rows: int | None = None
) -> Outcome:
    """Outcomes as one of ``runs`` runs, each at its places; where a place stands twice, both are the same run.

    It has as many records as the longest of them, or ``rows``.
    """
    longest = rows or max(len(piece.records["loss"]) for piece in pieces)

    def whole(leaves: Any, recorded: bool) -> NDArray[Any]:
        shape = (longest, *leaves[0].shape[1:-1]) if recorded else leaves[0].shape[:-1]
        array = np.empty((*shape, runs), leaves[0].dtype)
        for place, leaf in zip(places, leaves, strict=True):
            own = leaf[:longest] if recorded else leaf
            target = array[: len(own)] if recorded else array
            target[..., place] = own[..., : place.stop - place.start] if isinstance(place, slice) else own
            if recorded:
                array[len(own) :, ..., place] = np.nan
        return array

    def trees(values: list[Any], recorded: bool = False) -> Any:
        return jax.tree.map(lambda *leaves: whole(leaves, recorded), *values)

    return Outcome(
        records=trees([piece.records for piece in pieces], recorded=True),
        path=trees([piece.path for piece in pieces], recorded=True) if pieces[0].path is not None else None,
        final=trees([piece.final for piece in pieces]),
        params=trees([piece.params for piece in pieces]),
        average=trees([piece.average for piece in pieces]) if pieces[0].average is not None else None,
        steps=whole([piece.steps for piece in pieces], False),
        code=whole([piece.code for piece in pieces], False),
    )
