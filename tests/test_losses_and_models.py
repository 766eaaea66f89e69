"""Losses by their closed forms (chapter 15.6, exercise 15.5), and models by theirs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest import losses, models
from steepest.descent import descend
from steepest.precision import double_precision
from steepest.risk import EmpiricalRisk

numbers = st.lists(st.floats(-50, 50), min_size=3, max_size=3)


def gradient(loss, predictions, targets):
    with double_precision():
        return np.asarray(jax.grad(lambda p: jnp.sum(loss(p, targets)))(jnp.asarray(predictions, float)))


@given(numbers, numbers)
@settings(max_examples=25, deadline=None)
def test_gradient_of_the_mean_squared_error_is_prediction_minus_target(predictions, targets):
    np.testing.assert_allclose(
        gradient(losses.mean_squared_error, predictions, np.array(targets)), np.subtract(predictions, targets)
    )


@given(numbers, st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_gradient_of_softmax_cross_entropy_is_probability_minus_target(logits, label):
    with double_precision():
        expected = np.asarray(jax.nn.softmax(jnp.asarray(logits, float))) - np.eye(3)[label]
    by_label = gradient(losses.softmax_cross_entropy, [logits], np.array([label]))
    by_row = gradient(losses.softmax_cross_entropy, [logits], np.eye(3)[[label]])
    np.testing.assert_allclose(by_label[0], expected, atol=1e-14)
    np.testing.assert_allclose(by_row[0], expected, atol=1e-14)


@given(st.floats(-30, 30), st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_gradient_of_binary_cross_entropy_is_probability_minus_target(logit, target):
    np.testing.assert_allclose(
        gradient(losses.binary_cross_entropy, [logit], np.array([target]))[0],
        1 / (1 + np.exp(-logit)) - target,
        atol=1e-14,
    )


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_losses_of_extreme_logits_are_exact(logit):
    with double_precision():
        logits = jnp.array([[logit, 0.0]])
        # log(1 + e^-|z|) is 0 here: the loss is the gap between the largest logit and the target's.
        assert losses.softmax_cross_entropy(logits, np.array([0]))[0] == max(0.0, -logit)
        assert losses.softmax_cross_entropy(logits, np.array([[1.0, 0.0]]))[0] == max(0.0, -logit)
        assert losses.binary_cross_entropy(jnp.array([logit]), np.array([1.0]))[0] == max(0.0, -logit)
    certain = float(logit > 0)
    assert gradient(losses.softmax_cross_entropy, [[logit, 0.0]], np.array([0]))[0].tolist() == [
        certain - 1,
        1 - certain,
    ]
    assert gradient(losses.binary_cross_entropy, [logit], np.array([1.0])).tolist() == [certain - 1]


def test_confidently_wrong_squared_error_has_no_gradient_and_cross_entropy_has():
    # Chapter 15.6: at z = -10 with target 1, sigma = 4.54e-5: (sigma - 1) sigma (1 - sigma) against sigma - 1.
    sigma = 1 / (1 + np.exp(10.0))
    squared = gradient(losses.sigmoid_squared_error, [-10.0], np.array([1.0]))[0]
    assert squared == pytest.approx((sigma - 1) * sigma * (1 - sigma))
    assert gradient(losses.binary_cross_entropy, [-10.0], np.array([1.0]))[0] == pytest.approx(sigma - 1)
    assert abs(squared) < 1e-4


@given(st.floats(-20, 20), st.floats(0.1, 5))
@settings(max_examples=25, deadline=None)
def test_huber_has_a_gradient_of_at_most_delta(error, delta):
    slope = gradient(lambda p, t: losses.huber(p, t, delta), [error], np.array([0.0]))[0]
    assert slope == pytest.approx(np.clip(error, -delta, delta))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: losses.mean_squared_error(jnp.ones((3, 1)), np.ones(3)), "got (3, 1) and (3,)"),
        (lambda: losses.softmax_cross_entropy(jnp.ones(3), np.ones(3, int)), "logits of shape (n, k)"),
        (lambda: losses.softmax_cross_entropy(jnp.ones((3, 2)), np.ones(3)), "int class numbers of shape (3,)"),
        (lambda: losses.softmax_cross_entropy(jnp.ones((3, 2)), np.ones(2, int)), "each of 3 rows, got 2"),
        (lambda: losses.huber(jnp.ones(3), np.ones(3), 0.0), "delta must be above 0"),
        (lambda: models.mlp((0,)), "hidden_layer_sizes must be at least 1"),
        (lambda: models.mlp((2.5,)), "whole numbers, got 2.5"),
        (lambda: models.mlp(activation="tan"), "did you mean 'tanh'"),
        (lambda: models.number_of_classes(np.array([0.5])), "int class numbers"),
        (lambda: models.linear({"weight": 1.0, "bias": 0.0}, np.ones(3)), "(rows, features) for linear, got (3,)"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert words in str(caught.value)


def start(model, x, y):
    with double_precision():
        return jax.tree.map(np.asarray, model.init(jax.random.key(0), x, y, np.dtype("float64")))


@pytest.mark.parametrize(
    ("model", "y", "shape"),
    [
        (models.linear, np.zeros(5), (5,)),
        (models.linear, np.zeros((5, 2)), (5, 2)),
        (models.softmax, np.array([0, 1, 2, 0, 1]), (5, 3)),
        (models.softmax, np.eye(5), (5, 5)),
        (models.mlp((4,)), np.zeros(5), (5,)),
        (models.mlp((4, 3), "tanh"), np.zeros((5, 2)), (5, 2)),
        (models.mlp((4,)), np.array([0, 1, 2, 0, 1]), (5, 3)),
        (models.mlp((4,), outputs=1), np.array([0, 1, 1, 0, 1]), (5, 1)),
        (models.mlp(()), np.zeros(5), (5,)),
    ],
)
def test_predictions_have_the_shape_of_the_targets(model, y, shape):
    x = np.ones((5, 3))
    params = start(model, x, y)
    assert model(jax.tree.map(jnp.asarray, params), x).shape == shape
    hash(model)


@pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 300), ("tanh", 2 / 500)])
def test_initial_weights_have_the_published_variance(activation, variance):
    # He et al. 2015: 2/fan_in; Glorot & Bengio 2010: 2/(fan_in + fan_out). 60,000 draws: 1.5 % is 3 standard errors.
    params = start(models.mlp((200,), activation), np.ones((2, 300)), np.zeros(2))
    assert params[0]["weight"].var() == pytest.approx(variance, rel=0.015)
    assert (params[0]["bias"] == 0).all()


def test_a_perceptron_of_linear_units_is_a_linear_model():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(20, 3)), generator.normal(size=20)
    params = start(models.mlp((4,), "identity"), x, y)
    weight = params[0]["weight"] @ params[1]["weight"]
    with double_precision():
        np.testing.assert_allclose(models.mlp((4,), "identity")(params, x), x @ weight, rtol=1e-12)


def test_seeds_are_starts_of_a_network():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(30, 3)), generator.integers(2, size=30)
    risk = EmpiricalRisk(models.mlp((8,)), losses.softmax_cross_entropy, x, y)
    runs = descend(risk, optax.sgd, learning_rate=[0.1, 0.5], seed=[0, 1, 2], steps=20)
    assert runs.params[0]["weight"].shape == (2, 3, 3, 8)
    assert len(np.unique(runs.loss.isel(learning_rate=0, step=0))) == 3
    alone = descend(risk, optax.sgd, learning_rate=0.5, seed=2, steps=20)
    np.testing.assert_allclose(runs.sel(learning_rate=0.5, seed=2).loss, alone.loss, rtol=1e-12)
