"""What a compiled program is made for, and what it advances: the state and the setting of every run of a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from steepest.objectives import Params


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


class Span(NamedTuple):
    """The steps of one call: from ``first`` to ``until``; out of steps at ``last``; a record every ``every``."""

    first: Any
    until: Any
    last: Any
    every: Any


class Setting(NamedTuple):
    """What distinguishes one run from its neighbours: hyper-parameters that are numbers, and the seed."""

    values: dict[str, Any]
    seed: Any
