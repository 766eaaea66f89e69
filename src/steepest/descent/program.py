"""The compiled loop: one program advances a block of runs by any number of steps.

A run is the triple (parameters, method state, code). One step of one run evaluates the loss and its gradient, judges
them, and takes the method's update unless the run has ended; an ended run keeps its parameters to the end. The step
is mapped over runs, and loops over steps and records stand outside of the maps, so that the runs of a block share
their data, their batches and their loop counters.

Numbers (hyper-parameters, limits, the number of steps, how often to record) are arguments. What is compiled anew is a
new shape, method, model or choice of records, all of them in :class:`Program` and in the structure of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from steepest.descent.stops import (
    CODE,
    RUNNING,
    Limits,
    Reason,
    judge,
    loss_limit,
    squared_norm,
)
from steepest.objectives import Oracle, Params


class Program(NamedTuple):
    """What a compiled program is made for; hashable.

    Attributes:
        method: constructor of the optax transformation.
        static: the hyper-parameters that are not numbers, as (name, value) pairs.
        seed_name: the method's parameter that takes the run's seed, if it has one.
        lanes: whether the arrays of a block have an axis of runs; its place is last, or first where ``leading``.
        orders: whether they have an axis of data orders (one seed each) in front of that of runs.
        leading: runs first, which suits large parameters; runs last suits small ones.
        capacity: records that one call has room for.
        path: whether the parameters are recorded.
        average_from: the step from which iterates are averaged; None for no average.
        every_step: whether each step is recorded, which spares the program an inner loop.
        plan_steps: steps whose rows one call has room for; 0 for the full batch.
    """

    method: Callable[..., optax.GradientTransformation]
    static: tuple[tuple[str, Any], ...]
    seed_name: str | None
    lanes: bool
    orders: bool
    leading: bool
    capacity: int
    path: bool
    average_from: int | None
    every_step: bool = False
    plan_steps: int = 0

    def transformation(self, settings: dict[str, Any], seed: Any) -> optax.GradientTransformationExtraArgs:
        """The method with one run's hyper-parameters."""
        given = dict(self.static) | settings
        if self.seed_name is not None:
            given[self.seed_name] = jax.random.key(seed) if self.seed_name == "key" else seed
        return optax.with_extra_args_support(self.method(**given))

    def over_runs(self, function: Callable[..., Any], order_axis: int | None = None) -> Callable[..., Any]:
        """Map a function of one run's (pytree, rows) over a block; rows differ between data orders only."""
        mapped = function
        if self.lanes:
            axis = 0 if self.leading else -1
            mapped = jax.vmap(mapped, in_axes=(axis, None), out_axes=axis)
        if self.orders:
            axis = 0 if self.leading else (-2 if self.lanes else -1)
            mapped = jax.vmap(mapped, in_axes=(axis, order_axis), out_axes=axis)
        return mapped


class Run(NamedTuple):
    """The state of one run, or of a block of them."""

    params: Params
    state: Any
    steps: Any
    code: Any
    limit: Any
    average: Params | None


class Setting(NamedTuple):
    """What distinguishes one run from its neighbours: hyper-parameters that are numbers, and the seed."""

    values: dict[str, Any]
    seed: Any


class Evaluation(NamedTuple):
    """One run measured at its present parameters."""

    loss: Any
    gradient_norm: Any
    extra: dict[str, Any]


class Records(NamedTuple):
    """What a call recorded, time first: leaves (capacity, *leaf, *runs)."""

    loss: Any
    gradient_norm: Any
    extra: dict[str, Any]
    path: Params | None


@partial(jax.jit, static_argnames=("program",))
def begin(program: Program, oracle: Oracle, limits: Limits, params: Params, setting: Setting) -> Run:
    """The block of runs at step 0."""

    def one(arguments: tuple[Params, Setting], rows: None) -> Run:
        start, (values, seed) = arguments
        state = program.transformation(values, seed).init(start)
        zero = jnp.zeros((), jnp.int32)
        average = None if program.average_from is None else start
        return Run(start, state, zero, zero, loss_limit(limits, oracle.loss(start)), average)

    block: Run = program.over_runs(one)((params, setting), None)
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
    first: Any,
    until: Any,
    last: Any,
    every: Any,
) -> tuple[Run, Records, Evaluation, Any]:
    """Advance a block from step ``first`` to step ``until``, recording at multiples of ``every``.

    Args:
        program: what is compiled.
        oracle: of the objective.
        extra: name → function of the params, recorded beside the loss.
        limits: when a run ends.
        run: the block at step ``first``.
        setting: hyper-parameters and seeds of the block.
        plan: rows of each step from ``first``: int32 (steps, width), with data orders (orders, steps, width); None for
            the full batch.
        first: the step the block is at.
        until: the step to stop at, at most ``capacity`` records later.
        last: the step at which runs are out of steps.
        every: steps between records.

    Returns:
        the block, the records, its evaluation where it now stands (zeros unless nothing runs on), and the step reached.
    """
    measure = program.over_runs(partial(_measure, program, oracle, extra, limits))
    from_measured = program.over_runs(partial(_step_from_measured, program, oracle))
    full_step = program.over_runs(partial(_full_step, program, oracle, limits))
    batch_step = program.over_runs(partial(_batch_step, program, oracle), 0)

    def advance_one(step: Any, block: Run) -> Run:
        if plan is None:
            return full_step((block, setting), None)  # type: ignore[no-any-return]
        rows = jax.lax.dynamic_index_in_dim(plan, step - first, 1 if program.orders else 0, keepdims=False)
        return batch_step((block, setting), rows)  # type: ignore[no-any-return]

    def segment(loop: tuple[Any, Any, Run, Records]) -> tuple[Any, Any, Run, Records]:
        place, step, block, records = loop
        block, evaluation, gradient = measure(block, None)
        records = _write(records, place, evaluation, block.params if program.path else None)
        end = jnp.minimum(step + every, until)
        if plan is None:
            # The record has just computed what the first step needs.
            block = from_measured((block, setting, evaluation.loss, gradient), None)
            if not program.every_step:
                block = jax.lax.fori_loop(step + 1, end, advance_one, block)
        else:
            block = jax.lax.fori_loop(step, end, advance_one, block)
        return place + 1, end, block, records

    if not program.every_step:
        # A call may begin between two records.
        begun = jnp.minimum(until, -(-first // every) * every)
        run = jax.lax.fori_loop(first, begun, advance_one, run)
    else:
        begun = first

    def unfinished(loop: tuple[Any, Any, Run, Records]) -> Any:
        return (loop[1] < until) & jnp.any(loop[2].code == RUNNING)

    shapes = jax.eval_shape(measure, run, None)[1]
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    start = (jnp.zeros((), jnp.int32), begun, run, _room(program, shapes, run.params))
    _, step, run, records = jax.lax.while_loop(unfinished, segment, start)
    ended = (step >= last) | ~jnp.any(run.code == RUNNING)
    run, evaluation = jax.lax.cond(ended, lambda block: measure(block, None)[:2], lambda block: (block, nothing), run)
    return run, records, evaluation, step


def _measure(
    program: Program, oracle: Oracle, extra: dict[str, Any], limits: Limits, run: Run, rows: None
) -> tuple[Run, Evaluation, Params]:
    loss, gradient = oracle.full(run.params)
    squared = squared_norm(gradient)
    code = jnp.where(run.code == RUNNING, judge(limits, run.limit, loss, squared, run.params), run.code)
    more = {name: jnp.asarray(function(run.params), loss.dtype) for name, function in extra.items()}
    return run._replace(code=code), Evaluation(loss, jnp.sqrt(squared), more), gradient


def _step_from_measured(
    program: Program, oracle: Oracle, arguments: tuple[Run, Setting, Any, Params], rows: None
) -> Run:
    run, setting, loss, gradient = arguments
    return _update(program, run, setting, loss, gradient, oracle.loss)


def _full_step(program: Program, oracle: Oracle, limits: Limits, arguments: tuple[Run, Setting], rows: None) -> Run:
    run, setting = arguments
    loss, gradient = oracle.full(run.params)
    code = judge(limits, run.limit, loss, squared_norm(gradient), run.params)
    code = jnp.where(run.code == RUNNING, code, run.code)
    return _update(program, run._replace(code=code), setting, loss, gradient, oracle.loss)


def _batch_step(program: Program, oracle: Oracle, arguments: tuple[Run, Setting], rows: Any) -> Run:
    run, setting = arguments
    assert oracle.batch is not None
    batch = oracle.batch
    loss, gradient = batch(run.params, rows)
    # The norm of each batch's gradient would cost a pass over the parameters; the loss overflows before the gradient.
    code = jnp.where((run.code == RUNNING) & ~(jnp.abs(loss) < jnp.inf), CODE[Reason.NON_FINITE], run.code)
    return _update(program, run._replace(code=code), setting, loss, gradient, lambda params: batch(params, rows)[0])


def _update(
    program: Program, run: Run, setting: Setting, loss: Any, gradient: Params, value_fn: Callable[..., Any]
) -> Run:
    """One update of one run. An ended run keeps its parameters; what its method state does no longer matters."""
    method = program.transformation(*setting)
    updates, state = method.update(gradient, run.state, run.params, value=loss, grad=gradient, value_fn=value_fn)
    going = run.code == RUNNING
    params = jax.tree.map(partial(jnp.where, going), optax.apply_updates(run.params, updates), run.params)
    steps = run.steps + going.astype(jnp.int32)
    average = run.average
    if program.average_from is not None:
        share = 1.0 / jnp.maximum(1, steps - program.average_from)
        mean = jax.tree.map(lambda old, new: old + (new - old) * share.astype(new.dtype), average, params)
        average = jax.tree.map(partial(jnp.where, going), mean, average)
    return run._replace(params=params, state=state, steps=steps, average=average)


def _room(program: Program, evaluation: Evaluation, params: Params) -> Records:
    def room(leaf: Any) -> Any:
        return jnp.zeros((program.capacity, *leaf.shape), leaf.dtype)

    path = jax.tree.map(room, params) if program.path else None
    return Records(room(evaluation.loss), room(evaluation.gradient_norm), jax.tree.map(room, evaluation.extra), path)


def _write(records: Records, place: Any, evaluation: Evaluation, params: Params | None) -> Records:
    def write(room: Any, value: Any) -> Any:
        return jax.lax.dynamic_update_index_in_dim(room, value, place, 0)

    written: Records = jax.tree.map(
        write, records, Records(evaluation.loss, evaluation.gradient_norm, evaluation.extra, params)
    )
    return written
