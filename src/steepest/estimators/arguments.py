"""The parameters of an estimator, made sure of when it is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from steepest.models import mlp

_MOST_IN_FULL = 100

LARGEST_SEED = 2**31 - 1

BATCH = 32
"""Rows of a step where nothing else is asked for and not all of them are taken."""


@dataclass(frozen=True)
class Settings:
    """The parameters of an estimator with every ``"auto"`` but those that theory settles replaced.

    Attributes:
        hidden_layer_sizes: empty for a linear model.
        activation: of the hidden layers, by name.
        alpha: strength of the L2 term on the sum of the losses.
        learning_rate: None for the one that theory advises.
        momentum: None for the one that theory advises.
        batch_size: rows a step; None for all of them.
        most_epochs: passes over the rows at most.
        tolerance: at which training has converged.
        once: whether this is one epoch of ``partial_fit``.
    """

    hidden_layer_sizes: tuple[int, ...]
    activation: str
    alpha: float
    learning_rate: float | None
    momentum: float | None
    batch_size: int | None
    most_epochs: int
    tolerance: float
    once: bool = False

    def for_once(self, batch_size: Any, rows: int, sparse: bool) -> Settings:
        """The same for a single epoch, in batches also where a fit takes all rows: one step of it would be little."""
        batches = isinstance(batch_size, str) and rows > BATCH and not sparse
        return replace(self, most_epochs=1, batch_size=BATCH if batches else self.batch_size, once=True)


class Architecture(NamedTuple):
    """What was fitted, whatever the parameters say since.

    Attributes:
        hidden_layer_sizes: empty for a linear model.
        activation: of the hidden layers, by name.
        standardise: whether features were given deviation 1.
    """

    hidden_layer_sizes: tuple[int, ...]
    activation: str
    standardise: bool

    @property
    def linear(self) -> bool:
        """Whether there is no hidden layer."""
        return not self.hidden_layer_sizes

    @property
    def network(self) -> tuple[tuple[int, ...], str]:
        """Sizes and activation."""
        return self.hidden_layer_sizes, self.activation

    def check_same(self, asked: Architecture) -> None:
        """Refuse to go on with another model than there is.

        Raises:
            ValueError: what has changed.
        """
        for name, before, now in zip(self._fields, self, asked, strict=True):
            if before != now and not (name == "activation" and asked.linear):
                raise ValueError(
                    f"{name} was {before!r} in the last fit and is {now!r} now; partial_fit and warm_start go on from "
                    "what there is, so set it back, or begin anew with sklearn.base.clone"
                )


def settings_of(estimator: Any, rows: int, sparse: bool) -> Settings:
    """What an estimator's parameters ask for on so many rows.

    Raises:
        TypeError, ValueError: a parameter of the wrong kind or out of its range.
    """
    network = mlp(estimator.hidden_layer_sizes, estimator.activation)
    linear = not network.hidden_layer_sizes
    if not isinstance(estimator.activation, str):
        raise TypeError(f"activation must be a name, so that the model can be saved, got {estimator.activation!r}")
    if not isinstance(estimator.standardise, bool | np.bool_):
        raise TypeError(f"standardise must be True or False, got {estimator.standardise!r}")
    return Settings(
        network.hidden_layer_sizes,
        estimator.activation,
        _number("alpha", estimator.alpha),
        _automatic("learning_rate", estimator.learning_rate, None, above=True),
        _automatic("momentum", estimator.momentum, None, below=1.0),
        _batch_size(estimator.batch_size, linear, rows, sparse),
        _whole("max_iter", estimator.max_iter),
        _number("tol", estimator.tol),
    )


def drawn_seed(random_state: Any) -> int:
    """A seed below 2³¹ − 1, drawn from what stands for randomness in scikit-learn.

    Raises:
        ValueError: it does not.
    """
    try:
        return int(check_random_state(random_state).randint(LARGEST_SEED))
    except ValueError:
        raise ValueError(
            f"random_state must be None, a whole number from 0 to 2**32 - 1 or a numpy.random.RandomState, got "
            f"{random_state!r}"
        ) from None


def _batch_size(value: Any, linear: bool, rows: int, sparse: bool) -> int | None:
    """None for all rows: where so few rows are given, and for a linear model unless it is told otherwise."""
    if isinstance(value, str) and value == "auto":
        return None if linear or rows <= _MOST_IN_FULL else BATCH
    if value is None:
        return None
    size = _whole("batch_size", value, ', None for all, or "auto"')
    if sparse and size < rows:
        raise ValueError(
            f'batch_size must be None or "auto" for sparse rows, all of which are taken in each step, got {size}; '
            "give fewer rows at a time to partial_fit instead"
        )
    return None if size >= rows else size


def _whole(name: str, value: Any, other: str = "") -> int:
    """A whole number from 1 up; ``other`` is what else is allowed, in words."""
    message = f"{name} must be a whole number from 1 up{other}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(message)
    if value < 1:
        raise ValueError(message)
    return int(value)


def _automatic(name: str, value: Any, automatic: Any, *, above: bool = False, below: float = np.inf) -> Any:
    """A number, or what stands for ``"auto"``."""
    if isinstance(value, str) and value == "auto":
        return automatic
    return _number(name, value, ', or "auto"', above=above, below=below)


def _number(name: str, value: Any, other: str = "", *, above: bool = False, below: float = np.inf) -> float:
    """A number from 0 up (``above``: not 0) and below ``below``; ``other`` is what else is allowed, in words."""
    end = f" and below {below:g}" if np.isfinite(below) else ""
    message = f"{name} must be a number {'above 0' if above else 'from 0 up'}{end}{other}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(message)
    number = float(value)
    if not 0 <= number < below or (above and number == 0):
        raise ValueError(message)
    return number
