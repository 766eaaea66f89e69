"""Descent on data larger than memory: the host reads the rows, the steps are those of any other descent.

With the full gradient each step is a pass over the stream, shared by all runs of a block. With mini-batches a few
blocks at a time are in memory, shuffled, and the compiled steps run along the batches cut from them; a record is a
pass.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from steepest.descent.control import Control
from steepest.descent.job import Job
from steepest.descent.outcome import Outcome, collected
from steepest.descent.program import Evaluation, Records
from steepest.descent.state import Program, Run, Setting
from steepest.descent.steps import batch_steps, updated
from steepest.descent.stops import RUNNING, Limits, judge, loss_limit, squared_norm
from steepest.objectives import Oracle


def run_streamed(
    job: Job, program: Program, params: Any, setting: Setting, seed: int, axes: int, control: Control
) -> Outcome:
    """Run one block to its end.

    Args:
        job: with its stream.
        program: of the block; its runs are the first axis of every array, if there is one.
        params: where the runs start.
        setting: their hyper-parameters and seeds.
        seed: of the data order.
        axes: how many axes of runs there are, 0 or 1.
        control: progress and Ctrl-C.
    """
    assert job.stream is not None
    evaluate = job.stream.evaluation(program.lanes, job.stream_client)
    run = _begun(program, params, setting)
    recorded: list[Records] = []
    step, runs = 0, max(1, np.size(setting.seed))
    buffers = _Buffers(job, seed)

    def measured(run: Run, first: bool) -> tuple[Run, Evaluation, Any]:
        loss, gradient = evaluate(jax.tree.map(np.asarray, run.params))
        extra = _extra(program, job.extra, run.params)
        judged, evaluation = _judged(program, job.limits, run, loss, gradient, extra, first)
        return judged, evaluation, (loss, gradient)

    run, evaluation, sums = measured(run, first=True)
    while step < job.steps and not control.interrupted.is_set() and np.any(np.asarray(run.code) == RUNNING):
        if step % job.every == 0:
            recorded.append(_record(evaluation, run, program))
        if job.plan is None:
            run, until = _stepped(program, run, setting, *sums, step), step + 1
        else:
            run, until = buffers.until_record(program, run, setting, step, control)
        control.advanced(runs * (until - step))
        step = until
        run, evaluation, sums = measured(run, first=False)
    done = step >= job.steps or not np.any(np.asarray(run.code) == RUNNING)
    if done:
        control.advanced(runs * (job.steps - step))
        if step < job.steps and step % job.every == 0:
            recorded.append(_record(evaluation, run, program))
    records = _stacked(recorded, evaluation, run, program, job.every)
    return collected(program, run, [records], evaluation, axes, done)


class _Buffers:
    """Where a run along shuffled batches stands in its epoch."""

    def __init__(self, job: Job, seed: int) -> None:
        self._job, self._seed = job, seed
        self._coming: Any = iter(())
        self._epoch, self._end = 0, 0
        self._now: tuple[Oracle, Any, int] | None = None

    def until_record(
        self, program: Program, run: Run, setting: Setting, step: int, control: Control
    ) -> tuple[Run, int]:
        """The runs after the steps up to the next record, or to where Ctrl-C or the end of all runs ended them."""
        job = self._job
        record = min(job.steps, (step // job.every + 1) * job.every)
        while step < record and not control.interrupted.is_set() and np.any(np.asarray(run.code) == RUNNING):
            if step >= self._end:
                self._read(step, jax.tree.leaves(run.params)[0].dtype)
            assert self._now is not None
            oracle, plan, first = self._now
            until = min(record, self._end)
            run, step = _along(program, oracle, run, setting, plan, first, step, until), until
        return run, step

    def _read(self, step: int, dtype: Any) -> None:
        job = self._job
        assert job.stream is not None
        assert job.stream.stream is not None
        assert job.plan is not None
        found = next(self._coming, None)
        if found is None:
            self._coming = job.stream.stream.buffers(self._seed, self._epoch, job.plan.width)
            self._epoch += 1
            found = next(self._coming)
        rows, plan = found
        oracle = job.stream.holding(rows, np.dtype(dtype))
        steps = np.full((-(-len(rows.x) // plan.shape[1]) + 1, plan.shape[1]), -1, np.int32)
        steps[: len(plan)] = plan
        self._now, self._end = (oracle, steps, step), step + len(plan)


@partial(jax.jit, static_argnames=("program",))
def _begun(program: Program, params: Any, setting: Setting) -> Run:
    def one(arguments: Any, rows: None, step: None) -> Run:
        start, (values, seed) = arguments
        state = program.transformation(values, seed).init(start)
        zero = jnp.zeros((), jnp.int32)
        limit = jnp.zeros((), jax.tree.leaves(start)[0].dtype)
        return Run(start, state, zero, zero, limit, None if program.average_from is None else start)

    block: Run = program.over_runs(one)((params, setting), None, None)
    return block


@partial(jax.jit, static_argnames=("program", "first"))
def _judged(
    program: Program, limits: Limits, run: Run, loss: Any, gradient: Any, extra: dict[str, Any], first: bool
) -> tuple[Run, Evaluation]:
    def one(arguments: Any, rows: None, step: None) -> tuple[Run, Evaluation]:
        run, loss, gradient, extra = arguments
        loss = loss.astype(run.limit.dtype)
        limit = loss_limit(limits, loss) if first else run.limit
        squared = squared_norm(gradient).astype(loss.dtype)
        code = jnp.where(run.code == RUNNING, judge(limits, limit, loss, squared, run.params), run.code)
        return run._replace(code=code, limit=limit), Evaluation(loss, jnp.sqrt(squared), extra)

    found: tuple[Run, Evaluation] = program.over_runs(one)((run, loss, gradient, extra), None, None)
    return found


@partial(jax.jit, static_argnames=("program",))
def _stepped(program: Program, run: Run, setting: Setting, loss: Any, gradient: Any, step: Any) -> Run:
    def one(arguments: Any, rows: None, step: Any) -> Run:
        run, setting, loss, gradient = arguments
        gradient = jax.tree.map(lambda part, like: part.astype(like.dtype), gradient, run.params)
        return updated(program, run, setting, step, (loss, gradient, _no_line_search))

    block: Run = program.over_runs(one)((run, setting, loss, gradient), None, step)
    return block


def _no_line_search(point: Any) -> Any:
    raise ValueError(
        "the method asks for the loss at other points within a step, and each would be a pass over data larger than "
        "memory; descend a sample of the rows with it, risk.sample(100_000)"
    )


@partial(jax.jit, static_argnames=("program",))
def _along(
    program: Program, oracle: Oracle, run: Run, setting: Setting, plan: Any, first: Any, step: Any, until: Any
) -> Run:
    return batch_steps(program, oracle, run, setting, plan, first, step, until)


@partial(jax.jit, static_argnames=("program",))
def _extra(program: Program, extra: dict[str, Any], params: Any) -> dict[str, Any]:
    def one(point: Any, rows: None, step: None) -> dict[str, Any]:
        return {name: jnp.asarray(function(point)) for name, function in extra.items()}

    found: dict[str, Any] = program.over_runs(one)(params, None, None)
    return found


def _record(evaluation: Evaluation, run: Run, program: Program) -> Records:
    path = jax.tree.map(np.asarray, run.params) if program.path else None
    loss, norm, extra = jax.tree.map(np.asarray, tuple(evaluation))
    return Records(loss, norm, extra, path)


def _stacked(recorded: list[Records], evaluation: Evaluation, run: Run, program: Program, every: int) -> Records:
    """Records with time first, also where there are none; NaN where a run had ended before."""
    some = recorded or [_record(evaluation, run, program)]
    places = np.arange(len(some)) * every
    ended = places.reshape(-1, *[1] * np.ndim(run.steps)) > np.asarray(run.steps)

    def stack(*leaves: Any) -> Any:
        values = np.stack(leaves)
        own = ended.reshape(ended.shape + (1,) * (values.ndim - ended.ndim))
        return np.where(own, np.nan, values)[: len(recorded)]

    stacked: Records = jax.tree.map(stack, *some)
    return stacked
