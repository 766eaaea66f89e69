"""Losses: (predictions, targets) → one value a row.

Every loss returns shape (n,); the mean over rows, with weights where there are any, is taken by
:class:`steepest.EmpiricalRisk`. Shapes that do not fit are refused while tracing, because broadcasting a column of
predictions against a row of targets would give an n × n table of losses that mean nothing.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax


def mean_squared_error(predictions: Any, targets: Any) -> Any:
    """Half the squared error of each row, ½ Σₖ (ŷₖ − yₖ)², whose mean over rows is the mean squared error of 15.6.

    The factor ½ makes the gradient with respect to the prediction ŷ − y.

    Args:
        predictions: shape (n,) or (n, k), float.
        targets: the same shape.

    Returns:
        shape (n,).

    Raises:
        ValueError: the shapes differ.

    >>> mean_squared_error(jnp.array([3.0, 1.0]), jnp.array([1.0, 1.0])).tolist()
    [2.0, 0.0]
    """
    _same_shape("mean_squared_error", predictions, targets)
    return _over_outputs(optax.l2_loss(predictions, jnp.asarray(targets, predictions.dtype)))


def huber(predictions: Any, targets: Any, delta: float = 1.0) -> Any:
    """Huber's loss of each row: ½ e² where |e| ≤ δ, δ (|e| − ½ δ) beyond (Huber 1964).

    Args:
        predictions: shape (n,) or (n, k), float.
        targets: the same shape.
        delta: where the parabola becomes a line, above 0, in units of the target; bind another with
            ``functools.partial``.

    Returns:
        shape (n,).

    Raises:
        ValueError: the shapes differ, or ``delta`` is not above 0.

    >>> huber(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0])).tolist()
    [0.125, 2.5]
    """
    if not delta > 0:
        raise ValueError(f"delta must be above 0, got {delta}")
    _same_shape("huber", predictions, targets)
    return _over_outputs(optax.huber_loss(predictions, jnp.asarray(targets, predictions.dtype), delta=delta))


def softmax_cross_entropy(predictions: Any, targets: Any) -> Any:
    """Cross-entropy of each row between the targets and the softmax of the logits, −Σⱼ yⱼ log softmax(z)ⱼ (15.6).

    Its gradient with respect to the logits is softmax(z) − y. Computed from the logits with the log-sum-exp, so that
    logits of ±10⁴ give finite values and gradients.

    Args:
        predictions: logits, shape (n, k).
        targets: class numbers 0 … k − 1, ints of shape (n,); or probabilities, shape (n, k).

    Returns:
        shape (n,), in nats.

    Raises:
        ValueError: the shapes do not fit.

    >>> float(softmax_cross_entropy(jnp.array([[0.0, 0.0]]), jnp.array([1]))[0])
    0.6931471824645996
    """
    targets = jnp.asarray(targets)
    if predictions.ndim != 2:
        raise ValueError(f"softmax_cross_entropy needs logits of shape (n, k), got {predictions.shape}")
    if targets.ndim == 1 and jnp.issubdtype(targets.dtype, jnp.integer):
        if len(targets) != len(predictions):
            raise ValueError(
                f"softmax_cross_entropy needs a class for each of {len(predictions)} rows, got {len(targets)}"
            )
        return optax.softmax_cross_entropy_with_integer_labels(predictions, targets)
    if targets.shape != predictions.shape:
        raise ValueError(
            f"softmax_cross_entropy needs int class numbers of shape ({len(predictions)},) or probabilities of shape "
            f"{predictions.shape}, got {targets.dtype} of shape {targets.shape}"
        )
    # optax's own takes 0 · −inf for a target of zero at a logit that underflows; the sum is over finite terms here.
    return -jnp.sum(targets * jax.nn.log_softmax(predictions, axis=-1), axis=-1)


def binary_cross_entropy(predictions: Any, targets: Any) -> Any:
    """Cross-entropy of each row between a target in [0, 1] and the sigmoid of a logit: log(1 + eᶻ) − y z.

    Its gradient with respect to the logit is sigmoid(z) − y; stable for logits of ±10⁴.

    Args:
        predictions: logits, shape (n,) or (n, k); several outputs are added.
        targets: numbers in [0, 1], the same shape.

    Returns:
        shape (n,), in nats.

    Raises:
        ValueError: the shapes differ.

    >>> binary_cross_entropy(jnp.array([0.0, 1e4]), jnp.array([1.0, 1.0])).tolist()
    [0.6931471824645996, 0.0]
    """
    _same_shape("binary_cross_entropy", predictions, targets)
    return _over_outputs(optax.sigmoid_binary_cross_entropy(predictions, jnp.asarray(targets, predictions.dtype)))


def sigmoid_squared_error(predictions: Any, targets: Any) -> Any:
    """Half the squared error of each row between a target and the sigmoid of a logit, ½ (σ(z) − y)².

    The loss that 15.6 warns of: its gradient with respect to the logit, (σ − y) σ (1 − σ), vanishes where the
    prediction is confidently wrong.

    Args:
        predictions: logits, shape (n,) or (n, k).
        targets: the same shape.

    Returns:
        shape (n,).

    Raises:
        ValueError: the shapes differ.

    >>> sigmoid_squared_error(jnp.array([0.0]), jnp.array([1.0])).tolist()
    [0.125]
    """
    return mean_squared_error(jax.nn.sigmoid(predictions), targets)


def _same_shape(name: str, predictions: Any, targets: Any) -> None:
    if predictions.shape != jnp.shape(targets):
        raise ValueError(
            f"{name} needs predictions and targets of one shape, got {predictions.shape} and {jnp.shape(targets)}; "
            "squeeze or reshape the targets"
        )


def _over_outputs(values: Any) -> Any:
    return values if values.ndim == 1 else jnp.sum(values, axis=tuple(range(1, values.ndim)))
