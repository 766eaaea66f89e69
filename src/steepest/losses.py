"""Losses: (predictions, targets) → one value a row.

Every loss returns shape (n,); the mean over rows, with weights where there are any, is taken by
:class:`steepest.EmpiricalRisk`. Shapes that do not fit are refused while tracing, because broadcasting a column of
predictions against a row of targets would give an n × n table of losses that mean nothing. Targets that a cross-entropy
has no meaning for are refused wherever their values are known: outside compiled programs.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
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
    return _over_outputs(optax.l2_loss(*_paired("mean_squared_error", predictions, targets)))


def huber(predictions: Any, targets: Any, delta: float = 1.0) -> Any:
    """Huber's loss of each row: ½ e² where |e| ≤ δ, δ (|e| − ½ δ) beyond (Huber 1964).

    Args:
        predictions: shape (n,) or (n, k), float.
        targets: the same shape.
        delta: where the parabola becomes a line, above 0 and finite, in units of the target; bind another with
            ``functools.partial``.

    Returns:
        shape (n,).

    Raises:
        ValueError: the shapes differ, or ``delta`` is not above 0 and finite.

    >>> huber(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0])).tolist()
    [0.125, 2.5]
    """
    if not 0 < delta < np.inf:
        raise ValueError(
            f"delta must be above 0 and finite, got {delta}; mean_squared_error is its limit for large delta"
        )
    return _over_outputs(optax.huber_loss(*_paired("huber", predictions, targets), delta=delta))


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
        ValueError: the shapes do not fit, or a class number is not one of 0 … k − 1.

    >>> float(softmax_cross_entropy(jnp.array([[0.0, 0.0]]), jnp.array([1]))[0])
    0.6931471824645996
    """
    predictions, targets = _as_float(predictions), jnp.asarray(targets)
    if predictions.ndim != 2:
        raise ValueError(f"softmax_cross_entropy needs logits of shape (n, k), got {predictions.shape}")
    if targets.ndim == 1 and jnp.issubdtype(targets.dtype, jnp.integer):
        if len(targets) != len(predictions):
            raise ValueError(
                f"softmax_cross_entropy needs a class for each of {len(predictions)} rows, got {len(targets)}"
            )
        _check_known("softmax_cross_entropy", "class numbers", targets, 0, predictions.shape[1] - 1)
        # optax subtracts the target's logit from the log-sum-exp: two numbers of 10⁴ would cancel all but a few digits.
        largest = jax.lax.stop_gradient(jnp.max(predictions, axis=-1, keepdims=True))
        return optax.softmax_cross_entropy_with_integer_labels(predictions - largest, targets)
    if targets.shape != predictions.shape:
        raise ValueError(
            f"softmax_cross_entropy needs int class numbers of shape ({len(predictions)},) or probabilities of shape "
            f"{predictions.shape}, got {targets.dtype} of shape {targets.shape}"
        )
    return optax.softmax_cross_entropy(predictions, targets.astype(predictions.dtype))


def binary_cross_entropy(predictions: Any, targets: Any) -> Any:
    """Cross-entropy of each row between a target in [0, 1] and the sigmoid of a logit: log(1 + eᶻ) − y z.

    Its gradient with respect to the logit is sigmoid(z) − y; stable for logits of ±10⁴.

    Args:
        predictions: logits, shape (n,) or (n, k); several outputs are added.
        targets: numbers in [0, 1], the same shape.

    Returns:
        shape (n,), in nats.

    Raises:
        ValueError: the shapes differ, or a target is not in [0, 1].

    >>> binary_cross_entropy(jnp.array([0.0, 1e4]), jnp.array([1.0, 1.0])).tolist()
    [0.6931471824645996, 0.0]
    """
    predictions, targets = _paired("binary_cross_entropy", predictions, targets)
    _check_known("binary_cross_entropy", "targets", targets, 0, 1)
    return _over_outputs(optax.sigmoid_binary_cross_entropy(predictions, targets))


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
    predictions, targets = _paired("sigmoid_squared_error", predictions, targets)
    return _over_outputs(optax.l2_loss(jax.nn.sigmoid(predictions), targets))


def _as_float(values: Any) -> Any:
    array = jnp.asarray(values)
    return array.astype(jnp.result_type(array, float))


def _paired(name: str, predictions: Any, targets: Any) -> tuple[Any, Any]:
    """Both as arrays of the predictions' precision, once their shapes are known to be equal."""
    predictions = _as_float(predictions)
    if predictions.shape != np.shape(targets):
        raise ValueError(
            f"{name} needs predictions and targets of one shape, got {predictions.shape} and {np.shape(targets)}; "
            "squeeze or reshape the targets"
        )
    return predictions, jnp.asarray(targets, predictions.dtype)


def _check_known(name: str, what: str, targets: Any, low: int, high: int) -> None:
    """Refuse values outside [low, high]; inside a compiled program there are no values yet to look at."""
    if isinstance(targets, jax.core.Tracer):
        return
    values = np.asarray(targets)
    outside = ~((values >= low) & (values <= high))
    if outside.any():
        raise ValueError(f"{name} needs {what} from {low} to {high}, got {values[outside].flat[0]}")


def _over_outputs(values: Any) -> Any:
    return values if values.ndim == 1 else jnp.sum(values, axis=tuple(range(1, values.ndim)))
