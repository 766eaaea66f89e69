"""When a run ends, and why: the limits it is given, and the verdict and reason it gets.

An ending is data, never an exception. Convergence is judged by the full gradient or by a stated loss of the
parameters just reached, never by the size of a step: a run whose learning rate is too small takes small steps far
from any minimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_RELATIVE_LOSS_LIMIT = 1e6
_DEFAULT_TOLERANCE = {"float64": 1e-8, "float32": 1e-4}


class Verdict(StrEnum):
    """How a run ended. Members compare equal to their strings, also within arrays.

    >>> Verdict.CONVERGED == "converged"
    True
    """

    CONVERGED = "converged"
    DIVERGED = "diverged"
    OUT_OF_STEPS = "out of steps"
    INTERRUPTED = "interrupted"


class Reason(StrEnum):
    """Which measure ended a run; ``.verdict`` is the verdict that follows from it.

    >>> Reason.LOSS_LIMIT.verdict.value
    'diverged'
    """

    GRADIENT_NORM = "the gradient norm fell to its tolerance"
    TARGET_LOSS = "the loss fell to its target"
    LOSS_LIMIT = "the loss rose above its limit"
    PARAMETER_NORM = "the parameter norm rose above its limit"
    NON_FINITE = "the loss or its gradient was no longer finite"
    STEPS = "the steps were used up"
    INTERRUPTED = "the run was interrupted"

    @property
    def verdict(self) -> Verdict:
        """The verdict that this reason gives."""
        if self in (Reason.GRADIENT_NORM, Reason.TARGET_LOSS):
            return Verdict.CONVERGED
        if self is Reason.STEPS:
            return Verdict.OUT_OF_STEPS
        return Verdict.INTERRUPTED if self is Reason.INTERRUPTED else Verdict.DIVERGED


# A run's code inside the compiled program: 0 while it runs, else its place here plus one.
REASONS = (
    Reason.GRADIENT_NORM,
    Reason.TARGET_LOSS,
    Reason.LOSS_LIMIT,
    Reason.PARAMETER_NORM,
    Reason.NON_FINITE,
    Reason.STEPS,
    Reason.INTERRUPTED,
)
RUNNING = 0
CODE = {reason: place + 1 for place, reason in enumerate(REASONS)}


@dataclass(frozen=True)
class Stop:
    """The limits that end a run before its steps are used up.

    Args:
        gradient_norm: converged once the Euclidean norm of the full gradient is at most this. By default 1e-8 in
            float64 and 1e-4 in float32; None never stops a run for it.
        target_loss: converged once the loss is at most this; None for no target.
        loss_limit: diverged once the loss is above this; by default 10⁶ · max(1, |loss at the start|).
            ``math.inf`` leaves only the loss that is not finite.
        parameter_norm: diverged once the Euclidean norm of the parameters is above this; None for no limit.

    Norms are compared by their squares, so a gradient norm above 1e154 (1e19 in float32) counts as not finite, and one
    below 1e-162 (1e-23) as zero.

    A loss or gradient that is not finite always ends a run as diverged. With mini-batches the full loss and gradient
    are known where they are recorded, and these limits are checked there; a batch whose loss is not finite ends
    the run at that step.

    Raises:
        TypeError: a limit is not a number.
        ValueError: a limit is NaN, or a norm is negative.

    >>> Stop(target_loss=1e-4, loss_limit=1e10).target_loss
    0.0001
    """

    gradient_norm: float | str | None = "default"
    target_loss: float | None = None
    loss_limit: float | None = None
    parameter_norm: float | None = None

    def __post_init__(self) -> None:
        for name in ("gradient_norm", "target_loss", "loss_limit", "parameter_norm"):
            value = getattr(self, name)
            if value is None or (name == "gradient_norm" and value == "default"):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float | np.number):
                raise TypeError(f"{name} must be a number or None, got {value!r}")
            if np.isnan(value) or (name in ("gradient_norm", "parameter_norm") and value < 0):
                raise ValueError(f"{name} must be a number{' at least 0' if 'norm' in name else ''}, got {value}")

    def limits(self, dtype: np.dtype[Any]) -> Limits:
        """The limits as numbers a compiled program takes, so that changing one compiles nothing."""
        tolerance = _DEFAULT_TOLERANCE[dtype.name] if isinstance(self.gradient_norm, str) else self.gradient_norm
        return Limits(
            squared_gradient_norm=dtype.type(-1.0) if tolerance is None else _squared(tolerance, dtype),
            target_loss=None if self.target_loss is None else dtype.type(self.target_loss),
            loss=None if self.loss_limit is None else dtype.type(self.loss_limit),
            squared_parameter_norm=None if self.parameter_norm is None else _squared(self.parameter_norm, dtype),
        )


def _squared(norm: float, dtype: np.dtype[Any]) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        return np.square(np.float64(norm)).astype(dtype)


class Limits(NamedTuple):
    """A :class:`Stop` in numbers; None where a check is left out of the program."""

    squared_gradient_norm: Any
    target_loss: Any
    loss: Any
    squared_parameter_norm: Any


def squared_norm(tree: Any) -> Any:
    """Σ of the squares of all entries of a pytree, a scalar."""
    return sum((jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(tree)), start=0.0)


def loss_limit(limits: Limits, start_loss: Any) -> Any:
    """The loss above which one run counts as diverged, given its loss at the start."""
    if limits.loss is not None:
        return jnp.broadcast_to(limits.loss, jnp.shape(start_loss))
    return _RELATIVE_LOSS_LIMIT * jnp.maximum(1.0, jnp.abs(start_loss))


def judge(limits: Limits, limit: Any, loss: Any, squared_gradient: Any, params: Any) -> Any:
    """The code of one run at params: 0 to go on, else of the reason to stop; divergence outranks convergence."""
    code = jnp.where(squared_gradient <= limits.squared_gradient_norm, CODE[Reason.GRADIENT_NORM], RUNNING)
    if limits.target_loss is not None:
        code = jnp.where(loss <= limits.target_loss, CODE[Reason.TARGET_LOSS], code)
    if limits.squared_parameter_norm is not None:
        outside = squared_norm(params) > limits.squared_parameter_norm
        code = jnp.where(outside, CODE[Reason.PARAMETER_NORM], code)
    code = jnp.where(loss > limit, CODE[Reason.LOSS_LIMIT], code)
    finite = (jnp.abs(loss) < jnp.inf) & (squared_gradient < jnp.inf)
    return jnp.where(finite, code, CODE[Reason.NON_FINITE]).astype(jnp.int32)
