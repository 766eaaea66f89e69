"""The compiled loop: one program advances a block of runs by any number of steps.

A run is the triple (parameters, method state, code). One step of one run evaluates the loss and its gradient, judges
them, and takes the method's update unless the run has ended; an ended run keeps its parameters to the end. The step
is mapped over runs, and loops over steps and records stand outside of the maps, so that the runs of a block share
their data, their batches and their loop counters.

Numbers (hyper-parameters, limits, the number of steps, how often to record) are arguments. What is compiled anew is a
new shape, method, model or choice of records, all of them in :class:`Program` and in the structure of its arguments.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from steepest.descent.state import Program, Run, Setting, Span
from steepest.descent.steps import step_from_measured, steps_between
from steepest.descent.stops import RUNNING, Limits, judge, loss_limit, squared_norm
from steepest.objectives import Oracle, Params


class Evaluation(NamedTuple):
    """One run measured at its present parameters."""

    loss: Any
    gradient_norm: Any
    extra: dict[str, Any]


class Records(NamedTuple):
    """What a call recorded, time first: leaves (capacity, *leaf, *runs); NaN where a run had ended before."""

    loss: Any
    gradient_norm: Any
    extra: dict[str, Any]
    path: Params | None


@partial(jax.jit, static_argnames=("program",))
def begin(program: Program, oracle: Oracle, limits: Limits, params: Params, setting: Setting) -> Run:
    """The block of runs at step 0."""

    def one(arguments: tuple[Params, Setting], rows: None, step: None) -> Run:
        start, (values, seed) = arguments
        state = program.transformation(values, seed).init(start)
        zero = jnp.zeros((), jnp.int32)
        average = None if program.average_from is None else start
        return Run(start, state, zero, zero, loss_limit(limits, oracle.loss(start)), average)

    block: Run = program.over_runs(one)((params, setting), None, None)
    return block


@partial(jax.jit, static_argnames=("program",))
def advance(
    program: Program,
    oracle: Oracle,
    extra: dict[str, Any],
    limits: Limits,
    run: Run,
    setting: Setting,
    plan: Any,
    span: Span,
) -> tuple[Run, Records, Evaluation, Any]:
    """Advance a block from one step to another, recording at multiples of ``span.every``.

    Args:
        program: what is compiled.
        oracle: of the objective.
        extra: name → function of the params, recorded beside the loss.
        limits: when a run ends.
        run: the block at step ``span.first``.
        setting: hyper-parameters and seeds of the block.
        plan: rows of each step from ``span.first``: int32 (steps, width), with data orders (orders, steps, width);
            None for the full batch.
        span: which steps; ``until`` is at most ``capacity`` records after ``first``.

    Returns:
        the block, the records, its evaluation where it now stands (zeros unless nothing runs on), and the step reached.
    """
    first, until, last, every = span
    measure = program.over_runs(partial(_measure, program, oracle, extra, limits))
    shapes = jax.eval_shape(measure, run, None, None)[1]
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    records = _room(program, shapes, run.params)

    def measured_if(wanted: Any, block: Run) -> Any:
        return jax.lax.cond(wanted, lambda runs: measure(runs, None, None)[:2], lambda runs: (runs, nothing), block)

    shown = program.over_runs(partial(_shown, program))
    go_on = steps_between(program, oracle, limits, setting, plan, first)

    def segment(loop: tuple[Any, Any, Run, Records]) -> tuple[Any, Any, Run, Records]:
        place, step, before, records = loop
        block, evaluation, gradient = measure(before, None, None)
        records = _write(records, place, shown((before, evaluation), None, None))
        end = jnp.minimum(step + every, until)
        if plan is None:
            # The record has just computed what the first step needs.
            from_measured = program.over_runs(partial(step_from_measured, program, oracle))
            block = from_measured((block, setting, evaluation.loss, gradient), None, step)
            block = block if program.every_step else go_on(block, step + 1, end)
        else:
            block = go_on(block, step, end)
        return place + 1, end, block, records

    def unfinished(loop: tuple[Any, Any, Run, Records]) -> Any:
        return (loop[1] < until) & jnp.any(loop[2].code == RUNNING)

    if program.one_record:
        measured, evaluation = measured_if(first % every == 0, run)
        records = _write(records, 0, shown((run, evaluation), None, None))
        run, step = go_on(measured, first, until), until
    else:
        # A call may begin between two records.
        begun = first if program.every_step else jnp.minimum(until, -(-first // every) * every)
        run = run if program.every_step else go_on(run, first, begun)
        _, step, run, records = jax.lax.while_loop(unfinished, segment, (jnp.int32(0), begun, run, records))
    run, evaluation = measured_if((step >= last) | ~jnp.any(run.code == RUNNING), run)
    return run, records, evaluation, step


def _measure(
    program: Program, oracle: Oracle, extra: dict[str, Any], limits: Limits, run: Run, rows: None, step: None
) -> tuple[Run, Evaluation, Params]:
    loss, gradient = oracle.full(run.params)
    squared = squared_norm(gradient)
    code = jnp.where(run.code == RUNNING, judge(limits, run.limit, loss, squared, run.params), run.code)
    more = {name: jnp.asarray(function(run.params), loss.dtype) for name, function in extra.items()}
    return run._replace(code=code), Evaluation(loss, jnp.sqrt(squared), more), gradient


def _room(program: Program, evaluation: Evaluation, params: Params) -> Records:
    def room(leaf: Any) -> Any:
        return jnp.zeros((program.capacity, *leaf.shape), leaf.dtype)

    path = jax.tree.map(room, params) if program.path else None
    return Records(room(evaluation.loss), room(evaluation.gradient_norm), jax.tree.map(room, evaluation.extra), path)


def _shown(program: Program, arguments: tuple[Run, Evaluation], rows: None, step: None) -> Records:
    """What is recorded of one run: NaN where it had ended before."""
    run, (loss, gradient_norm, extra) = arguments
    record = Records(loss, gradient_norm, extra, run.params if program.path else None)
    shown: Records = jax.tree.map(lambda leaf: jnp.where(run.code == RUNNING, leaf, jnp.nan), record)
    return shown


def _write(records: Records, place: Any, record: Records) -> Records:
    def write(room: Any, value: Any) -> Any:
        return jax.lax.dynamic_update_index_in_dim(room, value, place, 0)

    written: Records = jax.tree.map(write, records, record)
    return written
