"""What the losses owe to numbers that are large, whole, or have no meaning; their closed forms are in the next file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from steepest import losses
from steepest.precision import double_precision

# Multiples of 1/1024 plus a whole number below 2^14 are exact in float64, so that nothing but the loss rounds; whole
# logits are exact in float32 too.
fractions = st.lists(st.integers(-20_000, 20_000), min_size=4, max_size=4).map(lambda parts: np.array([parts]) / 1024)
wholes = st.lists(st.integers(-30, 30), min_size=4, max_size=4).map(lambda parts: np.array([parts]))
offsets = st.integers(-10_000, 10_000)


@given(fractions, st.integers(0, 3), offsets)
@settings(max_examples=15)
def test_a_number_added_to_every_logit_changes_nothing(logits: NDArray[np.float64], label: int, offset: int) -> None:
    for targets in (np.array([label]), np.eye(4)[[label]]):
        with double_precision():
            alone = jax.value_and_grad(lambda z, y=targets: losses.softmax_cross_entropy(z, y)[0])(jnp.asarray(logits))
            moved = jax.value_and_grad(lambda z, y=targets: losses.softmax_cross_entropy(z, y)[0])(
                jnp.asarray(logits + offset)
            )
        assert float(alone[0]) == float(moved[0])
        np.testing.assert_array_equal(alone[1], moved[1])


@given(wholes, st.integers(0, 3), offsets)
@settings(max_examples=40)
def test_single_precision_keeps_its_digits_at_large_logits(
    logits: NDArray[np.float64], label: int, offset: int
) -> None:
    # log Σ exp in float64 on the logits without their offset; at 10⁴ two neighbouring float32 lie 0.001 apart.
    expected = np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[0, label]
    value = losses.softmax_cross_entropy(jnp.asarray(logits + offset, jnp.float32), np.array([label]))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)


@given(fractions, st.integers(0, 3))
@settings(max_examples=20)
def test_class_numbers_and_one_hot_rows_are_one_loss(logits: NDArray[np.float64], label: int) -> None:
    with double_precision():
        by_label = losses.softmax_cross_entropy(jnp.asarray(logits), np.array([label]))
        by_row = losses.softmax_cross_entropy(jnp.asarray(logits), np.eye(4)[[label]])
    np.testing.assert_allclose(by_label, by_row, rtol=1e-14)


@given(st.integers(-20_000, 20_000).map(lambda part: part / 1024))
@settings(max_examples=20)
def test_two_classes_are_a_sigmoid(logit: float) -> None:
    # softmax of (0, z) is (1 - sigmoid(z), sigmoid(z)).
    with double_precision():
        two = losses.softmax_cross_entropy(jnp.array([[0.0, logit]]), np.array([1]))
        one = losses.binary_cross_entropy(jnp.array([logit]), np.array([1.0]))
    np.testing.assert_allclose(two, one, rtol=1e-13, atol=1e-15)


def test_outputs_of_a_row_are_added_and_rows_are_not() -> None:
    predictions, targets = np.arange(6.0).reshape(3, 2), np.zeros((3, 2))
    with double_precision():
        # Halves of 0 + 1, 4 + 9 and 16 + 25.
        assert losses.mean_squared_error(predictions, targets).tolist() == [0.5, 6.5, 20.5]
        by_column = [losses.huber(predictions[:, k], targets[:, k]) for k in range(2)]
        np.testing.assert_allclose(losses.huber(predictions, targets), sum(by_column), rtol=1e-15)


@pytest.mark.parametrize("predictions", [[1, 2], np.array([1, 2]), jnp.array([1.0, 2.0], jnp.float32)])
def test_lists_and_whole_numbers_are_numbers(predictions: Any) -> None:
    # A target must not be rounded to the predictions' integers: ½ · (½)² each.
    assert losses.mean_squared_error(predictions, [0.5, 1.5]).tolist() == [0.125, 0.125]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: losses.softmax_cross_entropy(np.zeros((2, 3)), np.array([0, 3])),
            "class numbers from 0 to 2, got 3",
        ),
        (
            lambda: losses.softmax_cross_entropy(np.zeros((2, 3)), np.array([-1, 0])),
            "class numbers from 0 to 2, got -1",
        ),
        (lambda: losses.binary_cross_entropy(np.zeros(2), np.array([-1.0, 1.0])), "targets from 0 to 1, got -1.0"),
        (lambda: losses.binary_cross_entropy(np.zeros(2), np.array([np.nan, 1.0])), "targets from 0 to 1, got nan"),
        (lambda: losses.binary_cross_entropy(np.zeros(2), np.ones((2, 1))), "binary_cross_entropy needs predictions"),
        (lambda: losses.sigmoid_squared_error(np.zeros(2), np.ones((2, 1))), "sigmoid_squared_error needs predictions"),
        (lambda: losses.huber(np.zeros(2), np.ones((2, 1))), "huber needs predictions"),
        (lambda: losses.huber(np.zeros(2), np.ones(2), np.inf), "above 0 and finite, got inf"),
        (lambda: losses.softmax_cross_entropy(np.zeros((2, 3)), np.zeros((2, 1), int)), "got int32 of shape (2, 1)"),
    ],
)
def test_what_is_refused(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        call()
    assert words in str(caught.value)


def test_shapes_are_refused_while_tracing() -> None:
    with pytest.raises(ValueError, match=r"got \(3, 1\) and \(3,\); squeeze"):
        jax.eval_shape(losses.mean_squared_error, np.ones((3, 1)), np.ones(3))
