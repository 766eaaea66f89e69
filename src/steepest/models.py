"""Models: how features become predictions, and the parameters to start from.

A model is a function (params, x) → predictions with an ``init`` beside it. Any other function will do for
:class:`steepest.EmpiricalRisk`, with a ``start`` of the caller's, and so will a module of Equinox or Flax NNX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from steepest.errors import unknown_name
from steepest.modules import ModuleModel, equinox, nnx
from steepest.objectives import Params

__all__ = [
    "ACTIVATIONS",
    "Affine",
    "Model",
    "ModuleModel",
    "MultilayerPerceptron",
    "equinox",
    "linear",
    "mlp",
    "nnx",
    "number_of_classes",
    "softmax",
]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "logistic": jax.nn.sigmoid,
    "sigmoid": jax.nn.sigmoid,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "identity": lambda x: x,
}
"""The activations that have a name; ``"logistic"`` and ``"sigmoid"`` are two names of one."""


class Model(Protocol):
    """A model that knows where to start: :data:`linear`, :data:`softmax` and what :func:`mlp` returns.

    Models that are equal and hash alike share their compiled programs.
    """

    @property
    def name(self) -> str:
        """What the model is called."""

    def __call__(self, params: Params, x: Any) -> Any:
        """Predictions, first axis the rows, for features x of shape (n, d)."""

    def init(self, key: Any, x: Any, y: Any, dtype: np.dtype[Any]) -> Params:
        """Parameters to start from, drawn with a JAX PRNG key; x and y give the sizes."""


@dataclass(frozen=True)
class Affine:
    """x W + b. See :data:`linear` and :data:`softmax`.

    Attributes:
        name: what the model is called.
        classes: whether the outputs are the logits of classes, whatever the targets' dtype.
    """

    name: str
    classes: bool

    def __call__(self, params: Params, x: Any) -> Any:
        """Predictions, shape (n,) or (n, k), for features of shape (n, d)."""
        _check_features(self.name, x)
        return x @ params["weight"] + params["bias"]

    def init(self, key: Any, x: Any, y: Any, dtype: np.dtype[Any]) -> Params:
        """Zeros: ``weight`` (d,) and ``bias`` () for one output, (d, k) and (k,) for k.

        The key plays no part: the risk of an affine model with these losses is convex, so no symmetry needs breaking.
        """
        _check_features(self.name, x)
        outputs = (number_of_classes(y),) if self.classes else np.shape(y)[1:]
        return {"weight": np.zeros((x.shape[1], *outputs), dtype), "bias": np.zeros(outputs, dtype)}


linear = Affine("linear", classes=False)
"""Linear regression: predictions x·w + b, shape (n,) for targets (n,), (n, k) for targets (n, k)."""

softmax = Affine("softmax", classes=True)
"""Softmax regression: logits x W + b, shape (n, k), for int targets 0 … k − 1 or one-hot rows (n, k)."""


@dataclass(frozen=True)
class MultilayerPerceptron:
    """See :func:`mlp`."""

    hidden_layer_sizes: tuple[int, ...]
    activation: Callable[[Any], Any]
    outputs: int | None
    rectified: bool

    @property
    def name(self) -> str:
        """What the model is called."""
        return f"mlp {'-'.join(map(str, self.hidden_layer_sizes))}"

    def __call__(self, params: Params, x: Any) -> Any:
        """Predictions for features of shape (n, d): (n,) where the last layer is a vector, else (n, k)."""
        _check_features(self.name, x)
        for layer in params[:-1]:
            x = self.activation(x @ layer["weight"] + layer["bias"])
        return x @ params[-1]["weight"] + params[-1]["bias"]

    def init(self, key: Any, x: Any, y: Any, dtype: np.dtype[Any]) -> Params:
        """A list of layers ``{"weight": (fan_in, fan_out), "bias": (fan_out,)}``, biases zero.

        Weights are uniform with variance 2/fan_in before a rectifier (He et al. 2015, eq. 10) and 2/(fan_in + fan_out)
        before anything else (Glorot & Bengio 2010, eq. 16).
        """
        _check_features(self.name, x)
        last = self._output_shape(y)
        widths = [x.shape[1], *self.hidden_layer_sizes]
        layers = []
        for place, fan_in in enumerate(widths):
            shape = widths[place + 1 : place + 2] or list(last)
            fan_out = shape[0] if shape else 1
            hidden = place < len(self.hidden_layer_sizes)
            variance = 2 / fan_in if hidden and self.rectified else 2 / (fan_in + fan_out)
            bound = np.sqrt(3 * variance)
            key, own = jax.random.split(key)
            weight = jax.random.uniform(own, (fan_in, *shape), dtype, -bound, bound)
            layers.append({"weight": weight, "bias": jnp.zeros(tuple(shape), dtype)})
        return layers

    def _output_shape(self, y: Any) -> tuple[int, ...]:
        if self.outputs is not None:
            return (self.outputs,)
        if np.ndim(y) == 1 and np.issubdtype(np.asarray(y).dtype, np.integer):
            return (number_of_classes(y),)
        return tuple(np.shape(y)[1:])


def mlp(
    hidden_layer_sizes: tuple[int, ...] = (64,),
    activation: str | Callable[[Any], Any] = "relu",
    outputs: int | None = None,
) -> MultilayerPerceptron:
    """A multilayer perceptron.

    Args:
        hidden_layer_sizes: units of each hidden layer, each at least 1; empty for none.
        activation: ``"relu"``, ``"tanh"``, ``"logistic"`` (also ``"sigmoid"``), ``"gelu"``, ``"silu"``, ``"identity"``
            or a function.
        outputs: width of the last layer. By default it follows the targets: int class numbers give one logit a class,
            (n,) floats one number a row, (n, k) targets k.

    Raises:
        TypeError: a size is not a whole number, the sizes are not a sequence, or the activation is neither a name nor a
            function.
        ValueError: a size or ``outputs`` is below 1, or the activation is unknown.

    >>> mlp((32, 16), "tanh") == mlp((32, 16), "tanh")
    True
    >>> mlp(activation="rely")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: unknown activation 'rely': did you mean 'relu'? Allowed: gelu, identity, ...
    """
    if isinstance(hidden_layer_sizes, str) or not isinstance(hidden_layer_sizes, Iterable):
        raise TypeError(
            f"hidden_layer_sizes must be a sequence of whole numbers, got {hidden_layer_sizes!r}; "
            "(64,) makes one hidden layer of 64 units"
        )
    sizes = tuple(_width("hidden_layer_sizes", size) for size in hidden_layer_sizes)
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise unknown_name("activation", activation, ACTIVATIONS)
        function = ACTIVATIONS[activation]
    elif callable(activation):
        function = activation
    else:
        raise TypeError(f"activation must be one of {', '.join(sorted(ACTIVATIONS))} or a function, got {activation!r}")
    width = None if outputs is None else _width("outputs", outputs)
    return MultilayerPerceptron(sizes, function, width, function in (jax.nn.relu, jax.nn.gelu, jax.nn.silu))


def number_of_classes(y: Any) -> int:
    """Classes of int targets 0 … k − 1 (shape (n,)), or the width of one-hot targets (n, k).

    Raises:
        ValueError: targets (n,) that are not whole numbers from 0 up.

    >>> number_of_classes(np.array([0, 2, 1]))
    3
    """
    array = np.asarray(y)
    if array.ndim == 2:
        return int(array.shape[1])
    if not np.issubdtype(array.dtype, np.integer) or array.min() < 0:
        raise ValueError(
            f"y must hold int class numbers from 0 up, or one-hot rows, got {array.dtype} from {array.min()}; "
            "sklearn.preprocessing.LabelEncoder numbers classes"
        )
    return int(array.max()) + 1


def _width(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must hold whole numbers, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)


def _check_features(name: str, x: Any) -> None:
    if x.ndim != 2:
        raise ValueError(
            f"x must have shape (rows, features) for {name}, got {x.shape}; reshape(-1, 1) makes one feature"
        )
