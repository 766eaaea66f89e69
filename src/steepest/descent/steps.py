"""Steps: with the full gradient, each judged before it is taken, and with the gradients of batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from steepest.descent.state import Program, Run, Setting
from steepest.descent.stops import CODE, RUNNING, Limits, Reason, judge, squared_norm
from steepest.objectives import Oracle, Params


def steps_between(
    program: Program, oracle: Oracle, limits: Limits, setting: Setting, plan: Any, first: Any
) -> Callable[[Run, Any, Any], Run]:
    """What takes a block of runs from one step to another: with the full gradient, or along a plan of batches."""

    def go_on(block: Run, start: Any, end: Any) -> Run:
        if plan is None:
            return full_steps(program, oracle, limits, block, setting, start, end)
        return batch_steps(program, oracle, block, setting, plan, first, start, end)

    return go_on


def step_from_measured(
    program: Program, oracle: Oracle, arguments: tuple[Run, Setting, Any, Params], rows: None, step: Any
) -> Run:
    """The step of one run whose loss and gradient are already known."""
    run, setting, loss, gradient = arguments
    return updated(program, run, setting, step, (loss, gradient, oracle.loss))


def full_steps(
    program: Program, oracle: Oracle, limits: Limits, run: Run, setting: Setting, start: Any, end: Any
) -> Run:
    """Steps with the full gradient, each judged before it is taken."""

    def one(arguments: tuple[Run, Setting], rows: None, step: Any) -> Run:
        run, setting = arguments
        loss, gradient = oracle.full(run.params)
        code = judge(limits, run.limit, loss, squared_norm(gradient), run.params)
        run = run._replace(code=jnp.where(run.code == RUNNING, code, run.code))
        return updated(program, run, setting, step, (loss, gradient, oracle.loss))

    over_runs = program.over_runs(one)
    result: Run = jax.lax.fori_loop(start, end, lambda step, block: over_runs((block, setting), None, step), run)
    return result


class _Stretch(NamedTuple):
    """A run between two records of a descent on batches; ``ended``: 0 running, -1 before, else its last step + 1."""

    params: Any
    state: Any
    average: Params | None
    ended: Any


def batch_steps(
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


def updated(
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
