"""The host's side of descent: runs cut into blocks, blocks into chunks of steps, with control in between.

Blocks are advanced by one thread a core, or a device: XLA releases the
interpreter lock, so no global setting is needed to use them all. Between chunks the host stores what was recorded,
reports progress and listens for Ctrl-C.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from steepest.descent.control import Control
from steepest.descent.cut import Block, Task, cores, cut
from steepest.descent.job import Job
from steepest.descent.outcome import Outcome, collected, joined, kept
from steepest.descent.program import advance, begin
from steepest.descent.state import Program, Setting, Span
from steepest.descent.stops import RUNNING
from steepest.descent.streamed import run_streamed
from steepest.precision import double_precision

_SECONDS_PER_CHUNK = 0.2
_FIRST_CHUNK_WORK = 2_000_000


def run_job(job: Job, control: Control, workers: int | None = None) -> Outcome:
    """Run every block of a job and put the pieces together."""
    blocks = cut(job, workers)
    (everything,) = blocks.tasks()
    return run_task(job, blocks.program, everything, control)


def run_task(job: Job, program: Program, task: Task, control: Control, threads: int | None = None) -> Outcome:
    """Run the blocks of a task, one thread a core or device unless told how many, and put the pieces together."""
    devices = jax.local_devices()
    # The rows of a stream pass through memory once for each thread that reads them.
    threads = 1 if job.stream is not None else threads or (cores() if devices[0].platform == "cpu" else len(devices))

    def work(numbered: tuple[int, Block]) -> Outcome:
        place, block = numbered
        with double_precision(), jax.default_device(devices[place % len(devices)]):
            return _run_block(job, program, *block, control)

    blocks = task.blocks
    if len(blocks) == 1:
        pieces = [_run_block(job, program, *blocks[0], control)]
    elif threads == 1:
        pieces = list(map(work, enumerate(blocks)))
    else:
        with ThreadPoolExecutor(threads) as pool:
            pieces = list(pool.map(work, enumerate(blocks)))
    return joined(task, blocks, pieces, job.every)


def _grid(program: Program, lane: NDArray[Any], order: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lane and order numbers of a block's runs, in the shape its arrays have."""
    if program.orders:
        shape = (len(order), len(lane)) if program.lanes else (len(order),)
        orders = order[:, None] if program.lanes else order
        return np.broadcast_to(lane, shape) if program.lanes else np.repeat(lane, len(order)), np.broadcast_to(
            orders, shape
        )
    return (lane, np.full(len(lane), order[0])) if program.lanes else (lane[0], order[0])


def _placed_runs(
    job: Job, program: Program, lane: NDArray[Any], order: NDArray[Any]
) -> tuple[NDArray[Any], Any, Setting]:
    """Lane numbers of a block's runs, where they start and what distinguishes them."""
    lanes, orders = _grid(program, lane, order)
    if job.plan is None:
        lanes, orders = np.divmod(lanes, len(job.seeds))
    params = _placed(program, job.starts(lanes, orders), np.ndim(lanes))
    return lanes, params, Setting(job.values(lanes), job.seeds[orders])


class Advance:
    """A block of runs, at step 0 when made, and then wherever it was taken.

    Attributes:
        run: the state of its runs.
        runs: how many there are.
        axes: how many axes of runs its arrays have.
    """

    def __init__(self, job: Job, program: Program, lane: NDArray[Any], order: NDArray[Any]) -> None:
        self._job, self._program, self._order = job, program, order
        lanes, params, self._setting = _placed_runs(job, program, lane, order)
        self.runs, self.axes = np.size(lanes), np.ndim(lanes)
        self.run = begin(program, job.oracle, job.limits, params, self._setting)

    def __call__(self, step: int, until: int, last: int) -> tuple[Any, Any, int]:
        """Take the runs from one step to another: (what was recorded, their evaluation, the step reached)."""
        job = self._job
        plan = None if job.plan is None else _plan(job, self._program, self._order, step, until)
        span = Span(np.int32(step), np.int32(until), np.int32(last), np.int32(job.every))
        self.run, recorded, evaluation, reached = advance(
            self._program, job.oracle, job.extra, job.limits, self.run, self._setting, plan, span
        )
        return recorded, evaluation, int(reached)


def _run_block(job: Job, program: Program, lane: NDArray[Any], order: NDArray[Any], control: Control) -> Outcome:
    if job.stream is not None:
        lanes, params, setting = _placed_runs(job, program, lane, order)
        return run_streamed(job, program, params, setting, int(job.seeds[order[0]]), np.ndim(lanes), control)
    block = Advance(job, program, lane, order)
    pieces: list[Any] = []
    step, chunk, done = 0, _first_chunk(job, block.runs), False
    while not done and not control.interrupted.is_set():
        until = _until(job, program, step, chunk)
        began = time.perf_counter()
        recorded, evaluation, now = block(step, until, job.steps)
        elapsed = time.perf_counter() - began
        pieces.append(kept(recorded, _records(now, job.every) - _records(step, job.every), program))
        done = now >= job.steps or bool(np.all(np.asarray(block.run.code) != RUNNING))
        control.advanced(block.runs * ((job.steps if done else now) - step))
        chunk = int(min(8 * (until - step), max(1.0, (until - step) * _SECONDS_PER_CHUNK / max(elapsed, 1e-6))))
        step = now
    if not done:
        # No step is left to take, so the same program only evaluates where the runs now stand.
        recorded, evaluation, _ = block(step, step, step)
        pieces.append(kept(recorded, 0, program))
    return collected(program, block.run, pieces, evaluation, block.axes, done)


def _records(step: int, every: int) -> int:
    """Records made before a step."""
    return -(-step // every)


def _until(job: Job, program: Program, step: int, chunk: int) -> int:
    """The step to which the next call goes: a chunk's length, or as far as there is room for records and rows."""
    if program.one_record:
        room = (step // job.every + 1) * job.every
    else:
        room = (_records(step, job.every) + program.capacity) * job.every
    rows = step + program.plan_steps if job.plan is not None else job.steps
    return min(job.steps, step + chunk, room, rows)


def _first_chunk(job: Job, runs: int) -> int:
    """Steps of the first chunk: small problems get all their steps in one call, large ones a taste."""
    work = runs * max(1, job.parameters)
    if job.rows is not None:
        work *= job.rows if job.plan is None else job.plan.width
    return max(1, _FIRST_CHUNK_WORK // work)


def _plan(job: Job, program: Program, order: NDArray[Any], first: int, until: int) -> NDArray[np.int32]:
    """Rows of the steps first … until - 1, filled up to the shape that was compiled."""
    assert job.plan is not None
    assert job.rows is not None
    room = program.plan_steps
    plans = []
    for seed in job.seeds[order]:
        rows = job.plan.rows(int(seed), first, until - first, job.rows)
        plans.append(np.pad(rows, ((0, room - len(rows)), (0, 0)), constant_values=-1))
    return np.stack(plans) if program.orders else plans[0]


def _placed(program: Program, tree: Any, axes: int) -> Any:
    """Leaves with the axes of runs in front, moved to where the program has them."""
    if program.leading or axes == 0:
        return tree
    return jax.tree.map(lambda leaf: np.ascontiguousarray(_last(leaf, axes)), tree)


def _last(leaf: NDArray[Any], axes: int) -> NDArray[Any]:
    return np.moveaxis(leaf, range(axes), range(-axes, 0))
