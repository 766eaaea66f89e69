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
from jax.flatten_util import ravel_pytree

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
        one_record: whether a call makes one record at most, and then steps to the next. XLA's CPU backend can make one
            kernel of a small loop at the top of a program, but not of one within another loop.
        flat: whether a run's parameters are one vector while steps are taken.
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
    one_record: bool = False
    flat: bool = False

    def transformation(self, settings: dict[str, Any], seed: Any) -> optax.GradientTransformationExtraArgs:
        """The method with one run's hyper-parameters."""
        given = dict(self.static) | settings
        if self.seed_name is not None:
            given[self.seed_name] = jax.random.key(seed) if self.seed_name == "key" else seed
        return optax.with_extra_args_support(self.method(**given))

    def over_runs(self, function: Callable[..., Any], order_axis: int | None = None) -> Callable[..., Any]:
        """Map a function of one run's (pytree, rows, step) over a block; rows differ between data orders only."""
        mapped = function
        if self.lanes:
            axis = 0 if self.leading else -1
            mapped = jax.vmap(mapped, in_axes=(axis, None, None), out_axes=axis)
        if self.orders:
            axis = 0 if self.leading else (-2 if self.lanes else -1)
            mapped = jax.vmap(mapped, in_axes=(axis, order_axis, None), out_axes=axis)
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
    shapes = jax.eval_shape(measure, run, None, None)[1]
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    records = _room(program, shapes, run.params)

    def measured_if(wanted: Any, block: Run) -> Any:
        return jax.lax.cond(wanted, lambda runs: measure(runs, None, None)[:2], lambda runs: (runs, nothing), block)

    def go_on(block: Run, start: Any, end: Any) -> Run:
        if plan is None:
            return _full_steps(program, oracle, limits, block, setting, start, end)
        return _batch_steps(program, oracle, block, setting, plan, first, start, end)

    def segment(loop: tuple[Any, Any, Run, Records]) -> tuple[Any, Any, Run, Records]:
        place, step, block, records = loop
        block, evaluation, gradient = measure(block, None, None)
        records = _write(records, place, evaluation, block.params if program.path else None)
        end = jnp.minimum(step + every, until)
        if plan is None:
            # The record has just computed what the first step needs.
            from_measured = program.over_runs(partial(_step_from_measured, program, oracle))
            block = from_measured((block, setting, evaluation.loss, gradient), None, step)
            block = block if program.every_step else go_on(block, step + 1, end)
        else:
            block = go_on(block, step, end)
        return place + 1, end, block, records

    def unfinished(loop: tuple[Any, Any, Run, Records]) -> Any:
        return (loop[1] < until) & jnp.any(loop[2].code == RUNNING)

    if program.one_record:
        run, evaluation = measured_if(first % every == 0, run)
        records = _write(records, 0, evaluation, run.params if program.path else None)
        run, step = go_on(run, first, until), until
    else:
        begun = first
        if not program.every_step:
            # A call may begin between two records.
            begun = jnp.minimum(until, -(-first // every) * every)
            run = go_on(run, first, begun)
        start = (jnp.zeros((), jnp.int32), begun, run, records)
        _, step, run, records = jax.lax.while_loop(unfinished, segment, start)
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


def _step_from_measured(
    program: Program, oracle: Oracle, arguments: tuple[Run, Setting, Any, Params], rows: None, step: Any
) -> Run:
    run, setting, loss, gradient = arguments
    return _updated(program, run, setting, step, (loss, gradient, oracle.loss))


def _full_steps(
    program: Program, oracle: Oracle, limits: Limits, run: Run, setting: Setting, start: Any, end: Any
) -> Run:
    """Steps with the full gradient, each judged before it is taken."""

    def one(arguments: tuple[Run, Setting], rows: None, step: Any) -> Run:
        run, setting = arguments
        loss, gradient = oracle.full(run.params)
        code = judge(limits, run.limit, loss, squared_norm(gradient), run.params)
        run = run._replace(code=jnp.where(run.code == RUNNING, code, run.code))
        return _updated(program, run, setting, step, (loss, gradient, oracle.loss))

    over_runs = program.over_runs(one)
    result: Run = jax.lax.fori_loop(start, end, lambda step, block: over_runs((block, setting), None, step), run)
    return result


class _Stretch(NamedTuple):
    """A run between two records of a descent on batches; ``ended``: 0 running, -1 before, else its last step + 1."""

    params: Any
    state: Any
    average: Params | None
    ended: Any


def _batch_steps(
    program: Program, oracle: Oracle, run: Run, setting: Setting, plan: Any, first: Any, start: Any, end: Any
) -> Run:
    """Steps with the gradients of batches. A batch whose loss is not finite ends its run before the step.

    The norm of each batch's gradient would cost a pass over the parameters; a loss overflows before its gradient does.
    """
    assert oracle.batch is not None
    batch, unflatten = oracle.batch, _Unflatten()

    def open_up(run: Run, rows: None, step: None) -> _Stretch:
        params = unflatten.flat(run.params) if program.flat else run.params
        return _Stretch(params, run.state, run.average, jnp.where(run.code == RUNNING, 0, -1))

    def one(arguments: tuple[_Stretch, Setting], rows: Any, step: Any) -> _Stretch:
        stretch, setting = arguments
        params = unflatten.tree(stretch.params) if program.flat else stretch.params
        loss, gradient = batch(params, rows)
        ended = jnp.where((stretch.ended == 0) & ~(jnp.abs(loss) < jnp.inf), step + 1, stretch.ended)
        first_order = (loss, gradient, lambda point: batch(point, rows)[0])
        new, state = _stepped(program, params, stretch.state, setting, first_order)
        average = _averaged(program, stretch.average, new, step + 1, ended == 0)
        kept = stretch.params
        new = unflatten.flat(new) if program.flat else new
        return _Stretch(jax.tree.map(partial(jnp.where, ended == 0), new, kept), state, average, ended)

    def body(step: Any, block: _Stretch) -> _Stretch:
        rows = jax.lax.dynamic_index_in_dim(plan, step - first, 1 if program.orders else 0, keepdims=False)
        result: _Stretch = over_runs((block, setting), rows, step)
        return result

    def close(arguments: tuple[Run, _Stretch], rows: None, step: None) -> Run:
        run, stretch = arguments
        broken, running = stretch.ended > 0, stretch.ended == 0
        code = jnp.where(broken, CODE[Reason.NON_FINITE], run.code)
        steps = jnp.where(broken, stretch.ended - 1, jnp.where(running, end, run.steps))
        params = unflatten.tree(stretch.params) if program.flat else stretch.params
        return run._replace(params=params, state=stretch.state, steps=steps, code=code, average=stretch.average)

    over_runs = program.over_runs(one, 0)
    stretch = jax.lax.fori_loop(start, end, body, program.over_runs(open_up)(run, None, None))
    closed: Run = program.over_runs(close)((run, stretch), None, None)
    return closed


class _Unflatten:
    """One run's parameters as one vector and back, so that few and small kernels make a step.

    XLA's CPU backend runs a loop body of up to eight kernels one after the other, and a larger one through a scheduler
    that costs several times what the kernels of a small model do.
    """

    def flat(self, tree: Params) -> Any:
        """The vector."""
        vector, self._tree = ravel_pytree(tree)
        return vector

    def tree(self, vector: Any) -> Params:
        """The pytree of a vector, once one has been flattened."""
        return self._tree(vector)


def _stepped(
    program: Program, params: Params, state: Any, setting: Setting, first_order: tuple[Any, Params, Callable[..., Any]]
) -> tuple[Params, Any]:
    """The method's update of one run, given (loss, gradient, loss function)."""
    loss, gradient, value_fn = first_order
    method = program.transformation(*setting)
    updates, state = method.update(gradient, state, params, value=loss, grad=gradient, value_fn=value_fn)
    return optax.apply_updates(params, updates), state


def _updated(
    program: Program, run: Run, setting: Setting, step: Any, first_order: tuple[Any, Params, Callable[..., Any]]
) -> Run:
    """One update of one run. An ended run keeps its parameters; what its method state does no longer matters."""
    new, state = _stepped(program, run.params, run.state, setting, first_order)
    going = run.code == RUNNING
    return run._replace(
        params=jax.tree.map(partial(jnp.where, going), new, run.params),
        state=state,
        steps=run.steps + going.astype(jnp.int32),
        average=_averaged(program, run.average, new, step + 1, going),
    )


def _averaged(program: Program, average: Params | None, params: Params, steps: Any, going: Any) -> Params | None:
    """The running mean of the iterates after ``steps`` steps."""
    if program.average_from is None:
        return None
    share = 1.0 / jnp.maximum(1, steps - program.average_from)
    mean = jax.tree.map(lambda old, new: old + (new - old) * share.astype(new.dtype), average, params)
    return jax.tree.map(partial(jnp.where, going), mean, average)


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
