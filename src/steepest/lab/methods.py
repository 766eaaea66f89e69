"""The methods of the lab: momentum, schedule and noise around a few constructors of optax, all numbers traced."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from steepest.errors import unknown_name
from steepest.noise import add_gradient_noise


class Method(NamedTuple):
    """A method of the lab.

    Attributes:
        constructor: (learning rate, momentum) → transformation.
        written: how a program says it, where neither schedule nor noise is around it; None where only :func:`method`
            gives momentum that meaning.
        momentum: whether it has any.
        nesterov: whether that is Nesterov's; None where theory has no limit for the method.
    """

    constructor: Callable[[Any, Any], optax.GradientTransformation]
    written: str | None
    momentum: bool
    nesterov: bool | None


METHODS = {
    "gradient descent": Method(lambda rate, momentum: optax.sgd(rate), "optax.sgd", False, False),
    "heavy ball": Method(optax.sgd, "optax.sgd", True, False),
    "nesterov": Method(
        lambda rate, momentum: optax.sgd(rate, momentum, nesterov=True),
        "functools.partial(optax.sgd, nesterov=True)",
        True,
        True,
    ),
    "adam": Method(lambda rate, momentum: optax.adam(rate, b1=momentum), None, True, None),
    "rmsprop": Method(lambda rate, momentum: optax.rmsprop(rate, momentum=momentum), None, True, None),
}
"""By name; the momentum of Adam is its b1."""

SCHEDULES: dict[str, Callable[[Any], Any] | None] = {
    "constant": None,
    "cosine": optax.cosine_decay_schedule(1.0, 1.0),
    "exponential": optax.exponential_decay(1.0, 1, 0.01),
    "1/t": lambda share: 1 / (1 + 10 * share),
    "warm-up": lambda share: jnp.minimum(1.0, 10 * share + 1e-3),
}
"""Name → factor of the learning rate, by the share of the steps that are done."""


@lru_cache(maxsize=64)
def method(name: str, schedule: str = "constant", noisy: bool = False) -> Callable[..., optax.GradientTransformation]:
    """A constructor for :func:`steepest.descend`; the same arguments give the same one, so that nothing is recompiled.

    Args:
        name: ``"gradient descent"``, ``"heavy ball"``, ``"nesterov"``, ``"adam"`` or ``"rmsprop"``.
        schedule: ``"constant"``, ``"cosine"``, ``"exponential"`` (to a hundredth), ``"1/t"`` or ``"warm-up"``.
        noisy: whether Gaussian noise is added to each gradient.

    Returns:
        (learning_rate, momentum, horizon, noise, seed) → transformation; ``horizon`` is the number of steps that the
        schedule is spread over, ``noise`` the standard deviation.

    Raises:
        ValueError: an unknown name.

    >>> import steepest as sd
    >>> made = method("heavy ball", "cosine")
    >>> setting = {"learning_rate": 0.05, "momentum": 0.5, "horizon": 200.0, "noise": 0.0}
    >>> sd.descend(sd.landscapes.bowl, made, steps=200, **setting).verdict.item()
    'converged'
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    if schedule not in SCHEDULES:
        raise unknown_name("schedule", schedule, SCHEDULES)
    constructor, factor = METHODS[name].constructor, SCHEDULES[schedule]

    def made(learning_rate: Any, momentum: Any, horizon: Any, noise: Any, seed: Any) -> optax.GradientTransformation:
        rate = learning_rate if factor is None else lambda step: learning_rate * factor(step / horizon)
        core = constructor(rate, momentum)
        return optax.chain(add_gradient_noise(noise, seed), core) if noisy else core

    return made
