"""Which models are equal, what their activations compute, and which are refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from steepest import models
from steepest.precision import double_precision

# For calls with what the signature does not promise to take.
mlp: Any = models.mlp

POINTS = np.linspace(-4, 4, 17)

# Written with NumPy and SciPy. JAX's gelu is the tanh form of Hendrycks & Gimpel 2016, section 2.
REFERENCES = {
    "relu": np.maximum(POINTS, 0),
    "tanh": np.tanh(POINTS),
    "logistic": special.expit(POINTS),
    "sigmoid": special.expit(POINTS),
    "gelu": 0.5 * POINTS * (1 + np.tanh(np.sqrt(2 / np.pi) * (POINTS + 0.044715 * POINTS**3))),
    "silu": POINTS * special.expit(POINTS),
    "identity": POINTS,
}


def test_every_activation_has_a_reference() -> None:
    assert set(REFERENCES) == set(models.ACTIVATIONS)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_network_of_one_unit_shows_its_activation(name: str) -> None:
    # Hidden unit g(2 x + 1), output 3 g - 5.
    params = [
        {"weight": np.array([[2.0]]), "bias": np.array([1.0])},
        {"weight": np.array([3.0]), "bias": np.array(-5.0)},
    ]
    with double_precision():
        shown = models.mlp((1,), name)(params, (POINTS[:, None] - 1) / 2)
    np.testing.assert_allclose(shown, 3 * REFERENCES[name] - 5, rtol=1e-14, atol=1e-14)


def test_equal_models_share_one_compiled_program() -> None:
    traced: list[Any] = []

    @functools.partial(jax.jit, static_argnums=0)
    def predictions(model: models.Model, params: Any, x: Any) -> Any:
        traced.append(model)
        return model(params, x)

    x = np.ones((2, 3))
    params = models.mlp((4,)).init(jax.random.key(0), x, np.zeros(2), np.dtype("float32"))
    for model in (models.mlp((4,), "relu"), mlp([4]), mlp((np.int64(4),), jax.nn.relu)):
        predictions(model, params, x)
    assert len(traced) == 1
    predictions(models.mlp((4,), "tanh"), params, x)
    assert len(traced) == 2
    assert models.mlp((4,), "sigmoid") == models.mlp((4,), "logistic")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("model", [models.linear, models.softmax, models.mlp((4,))])
def test_parameters_have_the_precision_asked_for(model: models.Model, dtype: str) -> None:
    x, y = np.ones((4, 3)), np.eye(4)
    with double_precision():
        params = model.init(jax.random.key(0), x, y, np.dtype(dtype))
        assert {np.dtype(leaf.dtype) for leaf in jax.tree.leaves(params)} == {np.dtype(dtype)}
        assert model(jax.tree.map(jnp.asarray, params), jnp.asarray(x, dtype)).dtype == np.dtype(dtype)


def test_keys_are_starts_and_the_same_key_is_the_same_start() -> None:
    def start(seed: int) -> Any:
        return models.mlp((3, 3)).init(jax.random.key(seed), np.ones((2, 3)), np.zeros(2), np.dtype("float32"))

    jax.tree.map(np.testing.assert_array_equal, start(1), start(1))
    assert not np.any(np.asarray(start(1)[0]["weight"]) == np.asarray(start(2)[0]["weight"]))
    # Layers of one shape draw from keys of their own.
    first, second, _ = start(1)
    assert first["weight"].shape == second["weight"].shape
    assert not np.any(np.asarray(first["weight"]) == np.asarray(second["weight"]))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: mlp(64), TypeError, "(64,) makes one hidden layer"),
        (lambda: mlp("64"), TypeError, "sequence of whole numbers, got '64'"),
        (lambda: models.mlp((True,)), TypeError, "whole numbers, got True"),
        (lambda: mlp(activation=3), TypeError, "or a function, got 3"),
        (lambda: models.mlp(activation="sigmod"), ValueError, "did you mean 'sigmoid'?"),
        (lambda: models.mlp(outputs=0), ValueError, "outputs must be at least 1, got 0"),
        (lambda: models.number_of_classes(np.array([0, -1])), ValueError, "from 0 up"),
        (
            lambda: models.mlp((2,)).init(jax.random.key(0), np.ones(3), np.ones(3), np.dtype("float32")),
            ValueError,
            "(rows, features) for mlp 2, got (3,)",
        ),
        (lambda: models.softmax({"weight": 1.0, "bias": 0.0}, np.ones(3)), ValueError, "(rows, features) for softmax"),
    ],
)
def test_what_is_refused(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
