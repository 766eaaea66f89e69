"""Sweeps at scale: task by task, here or on a cluster, in memory or into a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from steepest.descent.blocks import run_task
from steepest.descent.control import Control
from steepest.descent.cut import Cut, Task, cores, cut
from steepest.descent.labels import labelled
from steepest.descent.outcome import Outcome, put_together
from steepest.descent.parts import Parts
from steepest.descent.sweep import Sweep
from steepest.scale.cluster import Cluster, ClusterLost, Connection, as_cluster, connected, expected, say_local
from steepest.scale.cost import Cost, blocks_of_seconds, measure
from steepest.scale.records import Records, parts_in
from steepest.scale.specification import specification
from steepest.scale.store import Store, open_store, was_begun, writing

_STORED_SECONDS = 2.0
_SENT_SECONDS = (0.5, 10.0)
_TASKS_A_THREAD = 4
_OVERHEAD = 50
_MORE = 1.1

# Every task with its cell; tiles of blocks and of tasks; what yields (number, outcome) for some tasks, as they end.
Tasks = Sequence[tuple[int, Task]]
Tiles = tuple[list[tuple[int, ...]], list[tuple[int, ...]]]
Runner = Callable[[Records, Tasks, list[int]], Iterator[tuple[int, Outcome]]]


def execute(sweep: Sweep, control: Control, store: str | Path | None, cluster: Any) -> Callable[[], Parts]:
    """Run a sweep's tasks and return what reads the results.

    Args:
        sweep: what to run.
        control: progress and Ctrl-C.
        store: path of the store; None to keep everything in memory.
        cluster: as in :func:`steepest.descend`; None to run here.
    """
    # What is read later is read where it is now, whatever the current folder is then.
    store = None if store is None else Path(store).absolute()
    kept = None if store is None else _kept_tiles(store, sweep)
    if store is not None and kept is not None and open_store(store).finished.all():
        control.advanced(sweep.run_steps)
        return lambda: parts_in(open_store(store))
    with ExitStack() as opened:
        asked = None if cluster is None else as_cluster(cluster)
        if any(job.stream is not None for job in sweep.jobs):
            connection = None if asked is None else opened.enter_context(connected(asked))
            sweep, records = _streamed(sweep, kept, connection)
            connection = None
        else:
            connection, records = _cut_up(sweep, kept, asked, opened)
        runner: Runner = _Here(sweep, control) if connection is None else _Away(sweep, control, connection)
        if store is None:
            return _in_memory(sweep, records, runner, control)
        return _stored(sweep, records, runner, control, store)


def _cut_up(
    sweep: Sweep, kept: Tiles | None, asked: Cluster | None, opened: ExitStack
) -> tuple[Connection | None, Records]:
    """Where a sweep's tasks are run, and how they are cut: as the store has it, or by what the first block costs."""
    if kept is not None and asked is None:
        return None, Records(
            sweep, [cut(job, tile=tile) for job, tile in zip(sweep.jobs, kept[0], strict=True)], kept[1]
        )
    cuts = [cut(job) for job in sweep.jobs]
    cost = measure(sweep.jobs[0], cuts[0])
    connection = None if asked is None else _connection(asked, opened, sweep, cuts, cost)
    threads = cores() if connection is None else max(cores(), connection.threads)
    blocks = kept[0] if kept else [None] * len(sweep.jobs)
    cuts = [cut(job, threads, tile) for job, tile in zip(sweep.jobs, blocks, strict=True)]
    seconds = _STORED_SECONDS if connection is None else _sent_seconds(sweep, cuts, cost, connection)
    tiles = kept[1] if kept else _tiles(sweep, cuts, cost, seconds, cores() if connection is None else 1)
    return connection, Records(sweep, cuts, tiles)


def _streamed(sweep: Sweep, kept: Tiles | None, connection: Connection | None) -> tuple[Sweep, Records]:
    """Data larger than memory: the steps are taken here, gradients summed on the cluster if there is one."""
    client = None if connection is None else connection.client
    jobs = [replace(job, stream_client=client) if job.stream is not None else job for job in sweep.jobs]
    blocks = kept[0] if kept else [None] * len(jobs)
    cuts = [cut(job, tile=tile) for job, tile in zip(jobs, blocks, strict=True)]
    own = replace(sweep, jobs=jobs)
    return own, Records(own, cuts, kept[1] if kept else [one.tile for one in cuts])


def _stored(sweep: Sweep, records: Records, runner: Runner, control: Control, path: Path) -> Callable[[], Parts]:
    tasks = records.tasks
    with writing(path, records.contents, records.coordinates, len(tasks)) as store:
        done = store.finished
        control.advanced(sum(_run_steps(sweep, *tasks[number]) for number in np.flatnonzero(done)))
        left = [number for number in range(len(tasks)) if not done[number]]
        try:
            for number, outcome in runner(records, tasks, left):
                _write(store, records, tasks, number, outcome)
        except ClusterLost as error:
            raise ClusterLost(
                f"{error}; {int(store.finished.sum())} of {len(tasks)} tasks are in {path}, and the same call, on a "
                "cluster or without one, takes up from there"
            ) from error
    return lambda: parts_in(open_store(path))


def _in_memory(sweep: Sweep, records: Records, runner: Runner, control: Control) -> Callable[[], Parts]:
    tasks = records.tasks
    found = dict(runner(records, tasks, list(range(len(tasks)))))
    if control.interrupted.is_set():
        # What was not reached is evaluated where it starts, as in a sweep that was interrupted here.
        local = _Here(sweep, control)
        found |= {number: local.outcome(records, tasks[number]) for number in range(len(tasks)) if number not in found}
    cells = []
    for place, job in enumerate(sweep.jobs):
        own = [(task, found[number]) for number, (cell, task) in enumerate(tasks) if cell == place]
        shared = 1 if job.plan is None else len(job.seeds)
        where = [_places(task, shared) for task, _ in own]
        whole = put_together(where, [outcome for _, outcome in own], job.lanes * len(job.seeds))
        cells.append(sweep.cell(place, whole))
    return lambda: labelled(cells, sweep.layout, sweep.attributes)


def _places(task: Task, orders: int) -> Any:
    """Where a task's runs stand among those of its cell."""
    if orders == 1:
        return slice(*task.lanes)
    return np.ravel(np.arange(*task.lanes)[:, None] * orders + np.arange(*task.orders))


class _Here:
    """Runs tasks one after the other on this machine; ends early after Ctrl-C."""

    def __init__(self, sweep: Sweep, control: Control) -> None:
        self._sweep, self._control = sweep, control

    def __call__(self, records: Records, tasks: Tasks, numbers: list[int]) -> Iterator[tuple[int, Outcome]]:
        for number in numbers:
            outcome = self.outcome(records, tasks[number])
            if self._control.interrupted.is_set():
                return
            yield number, outcome

    def outcome(self, records: Records, numbered: tuple[int, Task]) -> Outcome:
        """What one task comes to."""
        cell, task = numbered
        return run_task(self._sweep.jobs[cell], records.cuts[cell].program, task, self._control)


class _Away:
    """Sends tasks to a cluster."""

    def __init__(self, sweep: Sweep, control: Control, connection: Connection) -> None:
        self._sweep, self._control, self._connection = sweep, control, connection

    def __call__(self, records: Records, tasks: Tasks, numbers: list[int]) -> Iterator[tuple[int, Outcome]]:
        # Here and not above: a store needs no Dask.
        from steepest.scale.away import Sender
        from steepest.scale.travel import packed

        @cache
        def payload(cell: int) -> tuple[str, bytes]:
            return packed(self._sweep.jobs[cell], records.cuts[cell].program)

        def load(number: int) -> tuple[str, bytes, Task]:
            cell, task = tasks[number]
            return (*payload(cell), task)

        for number, outcome in Sender(self._connection.client, load, self._control).finished(numbers):
            self._control.advanced(_run_steps(self._sweep, *tasks[number]))
            yield number, outcome


def _run_steps(sweep: Sweep, cell: int, task: Task) -> float:
    return float(task.runs) * sweep.jobs[cell].steps


def _write(store: Store, records: Records, tasks: Tasks, number: int, outcome: Outcome) -> None:
    try:
        store.write(number, *records.variables(*tasks[number], outcome))
    except OSError as error:
        raise type(error)(
            error.errno,
            f"the store cannot be written ({error.strerror or error}); {int(store.finished.sum())} of {len(tasks)} "
            "tasks are kept in it, and the same call takes up from there once it can be",
            str(store.path),
        ) from error


def _kept_tiles(path: Path, sweep: Sweep) -> Tiles | None:
    """The tiles of blocks and tasks that a store of this sweep was begun with; another sweep's is refused."""
    if not was_begun(path):
        return None
    store = open_store(path)
    store.check_same(specification(sweep.grid, sweep.clock, sweep.request, sweep.jobs))
    blocks, tasks = ([tuple(tile) for tile in store.contents.layout[name]] for name in ("blocks", "tasks"))
    return blocks, tasks


def _tiles(sweep: Sweep, cuts: Sequence[Cut], cost: Cost, seconds: float, together: int) -> list[tuple[int, ...]]:
    """Of each cell, the tile of tasks that take about so long with so many blocks at a time."""
    return [
        one.task_tile(blocks_of_seconds(seconds, job, one, cost.block_seconds(job, one), together))
        for job, one in zip(sweep.jobs, cuts, strict=True)
    ]


def _sent_seconds(sweep: Sweep, cuts: Sequence[Cut], cost: Cost, connection: Connection) -> float:
    """How long a task that is sent should take: a few for each thread, each much longer than sending it takes."""
    share = cost.seconds(sweep, cuts) / (_TASKS_A_THREAD * connection.threads)
    low, high = _SENT_SECONDS
    return float(np.clip(share, min(low, _OVERHEAD * connection.task_seconds), high))


def _connection(asked: Cluster, opened: ExitStack, sweep: Sweep, cuts: Sequence[Cut], cost: Cost) -> Connection | None:
    """A connection to the cluster that was asked for; None where it does not pay."""
    foreseen = expected(asked)
    if foreseen is not None and not asked.always and not _pays(sweep, cuts, cost, foreseen):
        return None
    connection = opened.enter_context(connected(asked))
    return connection if asked.always or foreseen or _pays(sweep, cuts, cost, connection) else None


def _pays(sweep: Sweep, cuts: Sequence[Cut], cost: Cost, connection: Connection) -> bool:
    """Whether a cluster takes no more than a tenth longer than this machine; if it would, a warning says so."""
    work, cells = cost.seconds(sweep, cuts), len(sweep.jobs)
    here = work / cores() + (cells - 1) * cost.compile_seconds
    tasks = sum(one.count for one in cuts)
    numbers = sum(
        job.lanes
        * len(job.seeds)
        * (job.records * (2 + len(job.extra) + job.program.path * job.parameters) + job.parameters)
        for job in sweep.jobs
    )
    away = (
        connection.start_seconds
        + work / connection.threads
        + -(-cells // connection.threads) * cost.compile_seconds
        + min(tasks, _TASKS_A_THREAD * connection.threads) * connection.task_seconds
        + 8 * numbers * connection.byte_seconds
    )
    if away <= _MORE * here:
        return True
    say_local(sum(job.lanes * len(job.seeds) for job in sweep.jobs), away, here, connection.threads)
    return False
