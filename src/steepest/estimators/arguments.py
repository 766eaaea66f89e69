"""The parameters of an estimator, made sure of when it is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from steepest.models import mlp

_MOST_IN_FULL = 100

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
    """

    hidden_layer_sizes: tuple[int, ...]
    activation: str
    alpha: float
    learning_rate: float | None
    momentum: float | None
    batch_size: int | None
    most_epochs: int
    tolerance: float


def settings_of(estimator: Any, rows: int) -> Settings:
    """What an estimator's parameters ask for on so many rows.

    Raises:
        TypeError, ValueError: a parameter of the wrong kind or out of its range.
    """
    network = mlp(estimator.hidden_layer_sizes, estimator.activation)
    linear = not network.hidden_layer_sizes
    if not isinstance(estimator.activation, str):
        raise TypeError(f"activation must be a name, so that the model can be saved, got {estimator.activation!r}")
    return Settings(
        network.hidden_layer_sizes,
        estimator.activation,
        _number("alpha", estimator.alpha),
        _automatic("learning_rate", estimator.learning_rate, None, above=True),
        _automatic("momentum", estimator.momentum, None, below=1.0),
        _batch_size(estimator.batch_size, linear, rows),
        _whole("max_iter", estimator.max_iter),
        _number("tol", estimator.tol),
    )


def _batch_size(value: Any, linear: bool, rows: int) -> int | None:
    """None for all rows: where so few rows are given, and for a linear model unless it is told otherwise."""
    if isinstance(value, str) and value == "auto":
        return None if linear or rows <= _MOST_IN_FULL else BATCH
    if value is None:
        return None
    size = _whole("batch_size", value)
    return None if size >= rows else size


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number from 1 up, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be a whole number from 1 up, got {value}")
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
