"""Simulated gradient noise, as optax transformations to be chained in front of a method.

Chapter 15.7 draws stochastic and mini-batch descent on a bowl by adding normal noise to the exact gradient. Chained
in front of a method, the two transformations here do the same for any method and any pytree of parameters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax


class GradientNoiseState(NamedTuple):
    """State of :func:`add_gradient_noise`: the key that the next step's noise is drawn from."""

    key: Any


class NoiseSequenceState(NamedTuple):
    """State of :func:`add_noise_sequence`: the number of steps taken."""

    count: Any


def add_gradient_noise(standard_deviation: Any, seed: Any = 0) -> optax.GradientTransformation:
    """Add independent normal noise with the given standard deviation to every component of the gradient.

    Args:
        standard_deviation: of the noise, a number at least 0 in units of the gradient; may be traced.
        seed: a whole number; may be traced. A method that takes ``seed`` gets the run's own seed from ``descend``.

    Example:
        >>> import optax, steepest as sd
        >>> def noisy(learning_rate, standard_deviation, seed):
        ...     return optax.chain(sd.add_gradient_noise(standard_deviation, seed), optax.sgd(learning_rate))
        >>> runs = sd.descend(sd.landscapes.bowl, noisy, learning_rate=0.05, standard_deviation=1.0,
        ...                   seed=[0, 1], steps=60)
        >>> runs.loss.dims
        ('seed', 'step')
    """
    if isinstance(standard_deviation, int | float) and not 0 <= standard_deviation < np.inf:
        raise ValueError(f"standard_deviation must be a finite number at least 0, got {standard_deviation}")

    def init(params: optax.Params) -> GradientNoiseState:
        del params
        return GradientNoiseState(jax.random.key_data(jax.random.key(seed)))

    def update(updates: optax.Updates, state: Any, params: optax.Params | None = None) -> tuple[optax.Updates, Any]:
        del params
        next_key, key = jax.random.split(jax.random.wrap_key_data(state.key))
        leaves, structure = jax.tree.flatten(updates)
        noise = [
            standard_deviation * jax.random.normal(leaf_key, jnp.shape(leaf), jnp.result_type(leaf))
            for leaf_key, leaf in zip(jax.random.split(key, len(leaves)), leaves, strict=True)
        ]
        noisy = jax.tree.unflatten(structure, [leaf + extra for leaf, extra in zip(leaves, noise, strict=True)])
        return noisy, GradientNoiseState(jax.random.key_data(next_key))

    return optax.GradientTransformation(init, update)


def add_noise_sequence(sequence: Any) -> optax.GradientTransformation:
    """Add the given noise, one entry a step, to the gradient; past its end nothing is added.

    Args:
        sequence: a pytree like the gradient whose leaves have a leading axis of steps: shape (steps, n) for a vector
            of n parameters.

    Raises:
        ValueError: the sequence holds no step, or NaN or infinity.

    Example:
        >>> import numpy as np, optax, steepest as sd
        >>> noise = np.random.default_rng(0).normal(size=(60, 2))
        >>> method = lambda learning_rate: optax.chain(sd.add_noise_sequence(noise), optax.sgd(learning_rate))
        >>> float(sd.descend(sd.landscapes.bowl, method, learning_rate=0.05, steps=60).loss[0])
        47.25
    """
    sequence = jax.tree.map(np.asarray, sequence)
    for leaf in jax.tree.leaves(sequence):
        if leaf.ndim == 0 or leaf.shape[0] == 0:
            raise ValueError(f"sequence must have a leading axis of steps, got shape {leaf.shape}")
        if not np.all(np.isfinite(leaf)):
            raise ValueError(
                f"sequence must be finite, got NaN or infinity at step {np.argwhere(~np.isfinite(leaf))[0][0]}"
            )

    def init(params: optax.Params) -> NoiseSequenceState:
        del params
        return NoiseSequenceState(jnp.zeros((), jnp.int32))

    def update(updates: optax.Updates, state: Any, params: optax.Params | None = None) -> tuple[optax.Updates, Any]:
        del params

        def noisy(leaf: Any, noise: Any) -> Any:
            within = state.count < noise.shape[0]
            step = jnp.minimum(state.count, noise.shape[0] - 1)
            entry = jax.lax.dynamic_index_in_dim(jnp.asarray(noise, leaf.dtype), step, 0, keepdims=False)
            return leaf + jnp.where(within, entry, 0.0)

        return jax.tree.map(noisy, updates, sequence), NoiseSequenceState(state.count + 1)

    return optax.GradientTransformation(init, update)
