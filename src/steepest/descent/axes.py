"""Settings and axes: how the arguments of ``descend`` span a grid of runs.

A number is a setting. A list or 1-D array is an axis, a dict of labelled values a labelled axis. An axis of numbers is
*traced*: all its values run in one compiled program. An axis whose values change shapes or code (methods, objectives,
batch plans, schedules, switches) is *looped*: one compilation a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax
from numpy.typing import NDArray

from steepest.batches import Plan, as_plan
from steepest.objectives import (
    Descendable,
    Objective,
    Params,
    as_params,
    is_descendable,
    same_structure,
)


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a grid of runs.

    Attributes:
        name: the dimension's name in the result.
        labels: its coordinate, shape (n,).
        values: what each label stands for; an array where ``traced``.
        traced: whether all values share one program.
    """

    name: str
    labels: NDArray[Any]
    values: Sequence[Any] | NDArray[Any]
    traced: bool

    def __len__(self) -> int:
        return len(self.labels)


def is_number(value: Any) -> bool:
    """A real number, also a 0-d array; not a switch.

    >>> is_number(0.1), is_number(np.float64(2)), is_number(True), is_number(None)
    (True, True, False, False)
    """
    if isinstance(value, bool | np.bool_):
        return False
    if isinstance(value, int | float | np.integer | np.floating):
        return True
    return isinstance(value, np.ndarray | jax.Array) and value.ndim == 0 and value.dtype.kind in "iuf"


def setting_or_axis(name: str, value: Any) -> Any | Axis:
    """A hyper-parameter's value as it is, or the axis that a list, 1-D array or dict stands for.

    Raises:
        ValueError: the axis is empty, has more than one dimension, holds NaN or infinity, or mixes numbers with
            other things without labels.
    """
    if isinstance(value, Mapping):
        return labelled_axis(name, value)
    if isinstance(value, str | bytes) or not (
        isinstance(value, Sequence | np.ndarray | jax.Array) or hasattr(value, "__array__")
    ):
        return _finite(name, value) if is_number(value) else value
    if np.ndim(value) == 0 and not isinstance(value, Sequence):
        return _finite(name, value) if is_number(value) else value
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.size and value.dtype.kind in "fiu":
        return Axis(name, value, _all_finite(name, value), traced=True)
    values = list(value)
    if not values:
        raise ValueError(f"{name} is an empty axis; give at least one value")
    if all(is_number(item) for item in values):
        array = np.asarray([_finite(name, item) for item in values])
        return Axis(name, array, array, traced=True)
    if any(
        np.ndim(item) > 0 for item in values if isinstance(item, Sequence | np.ndarray) and not isinstance(item, str)
    ):
        raise ValueError(f"{name} must be a number, a list, a 1-D array or a dict, got {np.ndim(value)} dimensions")
    if all(item is None or isinstance(item, str | bool | np.bool_) or is_number(item) for item in values):
        return Axis(name, np.asarray([str(item) for item in values]), values, traced=False)
    raise ValueError(
        f"{name} holds values without a label of their own, {[type(item).__name__ for item in values]}; "
        f"give a dict, e.g. {name}={{'constant': 0.1, 'decaying': schedule}}"
    )


def labelled_axis(name: str, values: Mapping[Any, Any]) -> Axis:
    """The axis of a dict: its keys are the labels; traced where every value is a number."""
    if not values:
        raise ValueError(f"{name} is an empty axis; give at least one labelled value")
    labels = np.asarray([str(label) for label in values])
    if len(set(labels.tolist())) < len(labels):
        raise ValueError(f"{name} has two labels that read the same: {', '.join(labels.tolist())}")
    if all(is_number(value) for value in values.values()):
        return Axis(name, labels, np.asarray([_finite(name, value) for value in values.values()]), traced=True)
    return Axis(name, labels, list(values.values()), traced=False)


def objective_axis(objective: Any, start: Any) -> Descendable | Axis:
    """An objective, or an axis of labelled ones; plain functions are wrapped."""
    if isinstance(objective, Mapping):
        axis = labelled_axis("objective", objective)
        return Axis("objective", axis.labels, [_objective(value, start) for value in axis.values], traced=False)
    return _objective(objective, start)


def _objective(value: Any, start: Any) -> Descendable:
    if is_descendable(value):
        return value  # type: ignore[no-any-return]
    if not callable(value):
        raise TypeError(
            f"objective must be an Objective, an EmpiricalRisk, a function of the parameters or a dict of these, "
            f"got {type(value).__name__}"
        )
    if start is None:
        raise ValueError(
            "start is missing: a plain function has no starting point; pass start=[...] or make it an Objective"
        )
    return Objective(value, name=getattr(value, "__name__", "objective"))


def method_axis(method: Any) -> Callable[..., Any] | Axis:
    """A method, or an axis of labelled ones; a ready transformation becomes a constructor without arguments."""
    if isinstance(method, Mapping):
        axis = labelled_axis("method", method)
        return Axis("method", axis.labels, [_method(value) for value in axis.values], traced=False)
    return _method(method)


def _method(value: Any) -> Callable[..., Any]:
    if isinstance(value, optax.GradientTransformation):
        return Ready(value)
    if not callable(value):
        raise TypeError(
            "method must be an optax constructor such as optax.sgd, an optax.GradientTransformation "
            f"or a dict of these, got {value!r}"
        )
    return value  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Ready:
    """A transformation that is already made, as a constructor without hyper-parameters."""

    transformation: optax.GradientTransformation
    __name__ = "ready-made transformation"

    def __call__(self) -> optax.GradientTransformation:
        """The transformation."""
        return self.transformation


def batch_axis(batch_size: Any, rows: int | None) -> Plan | Axis | None:
    """A batch plan, or an axis of them; on the axis the full batch is labelled with the number of rows."""
    if isinstance(batch_size, Mapping):
        axis = labelled_axis("batch_size", batch_size)
        return Axis("batch_size", axis.labels, [as_plan(value) for value in axis.values], traced=False)
    if isinstance(batch_size, Sequence | np.ndarray) and not isinstance(batch_size, str):
        if len(batch_size) == 0:
            raise ValueError("batch_size is an empty axis; give at least one value")
        if any(isinstance(value, Plan) for value in batch_size):
            raise ValueError("batch_size: plans have no label of their own; give a dict label → plan")
        labels = np.asarray([rows if value is None else value for value in batch_size])
        return Axis("batch_size", labels, [as_plan(value) for value in batch_size], traced=False)
    return as_plan(batch_size)


def seed_axis(seed: Any) -> int | Axis:
    """A seed, or an axis of them."""
    if isinstance(seed, range | Sequence | np.ndarray) and not isinstance(seed, str):
        if len(seed) == 0:
            raise ValueError("seed is an empty axis; give at least one seed")
        seeds = np.asarray([_seed(value) for value in seed], np.int64)
        return Axis("seed", seeds, seeds, traced=True)
    return _seed(seed)


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"seed must be a whole number or a list of them, got {value!r}")
    if not 0 <= value < 2**31:
        raise ValueError(f"seed must lie in 0 to 2**31 - 1, got {value}")
    return int(value)


def start_axis(start: Any, own: Params | None) -> Params | Axis | None:
    """A start, or an axis of several; ``own`` is the objective's start, whose structure tells the two apart."""
    if start is None:
        return None
    if isinstance(start, Mapping):
        if own is not None and same_structure(start, own):
            return as_params(start, "start")
        if own is None and not all(np.ndim(value) == 1 for value in start.values()):
            return as_params(start, "start")
        labels = np.asarray([str(label) for label in start])
        return Axis(
            "start", labels, [as_params(value, f"start[{label!r}]") for label, value in start.items()], traced=True
        )
    if own is not None and not isinstance(own, np.ndarray | jax.Array):
        if isinstance(start, list) and start and same_structure(start[0], own):
            return Axis("start", np.arange(len(start)), [as_params(value, "start") for value in start], traced=True)
        return as_params(start, "start")
    point = as_params(start, "start")
    dimensions = 1 if own is None else np.ndim(own)
    if isinstance(point, np.ndarray) and point.ndim == dimensions + 1:
        if len(point) == 0:
            raise ValueError("start is an empty axis; give at least one point")
        return Axis("start", np.arange(len(point)), point, traced=True)
    return point


def _all_finite(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]} in it")
    return array


def _finite(name: str, value: Any) -> Any:
    number = value.item() if hasattr(value, "item") else value
    if not np.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number
