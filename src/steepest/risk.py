"""Empirical risk: the mean loss of a model over the rows of a data set (chapter 15.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path
from numpy.typing import ArrayLike, NDArray

from steepest.objectives import Oracle, Params, as_params, bound, evaluate
from steepest.precision import cast, double_precision


@dataclass(frozen=True, eq=False)
class EmpiricalRisk:
    """The mean over rows of ``loss(model(params, x), y)``, plus an L2 term.

    The risk is Σᵢ wᵢ·lossᵢ / Σᵢ wᵢ + (l2/2)·‖weights‖², where the L2 term runs over all parameters but those named
    ``bias``. The gradient of a batch B is the mean over its rows of N·wᵢ/Σw · ∇lossᵢ plus the L2 term's, so that
    its expectation over uniformly drawn batches is the full gradient (Bottou, Curtis & Nocedal 2018, section 4).

    Args:
        model: (params, x) → predictions, first axis the rows; a :class:`steepest.models.Model` also brings a start.
        loss: (predictions, y) → one value a row, shape (n,); see :mod:`steepest.losses`.
        x: features, shape (n, ...); a DataFrame gives its column names to ``feature_names`` and to the messages.
        y: targets, shape (n, ...).
        l2: strength of the L2 term, a number at least 0.
        weights: how much each row counts, shape (n,), at least 0; None counts all alike.
        start: parameters to start from; None asks the model for its own.
        gradient: a hand-written gradient of the loss without its L2 term, (params, x, y, weights) → a pytree like
            params: Σᵢ weightsᵢ·∇lossᵢ over the rows it is given, whose weights sum to one for the full batch.
        name: what the risk is called in tables and figures.

    Raises:
        ValueError: no rows; x and y of different length; NaN or infinity (column and row are named); a negative
            weight or weights that sum to zero; a negative ``l2``.

    Example:
        >>> import steepest as sd
        >>> risk = EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, [[0.0], [1.0]], [1.0, 3.0])
        >>> risk({"weight": [2.0], "bias": 0.0})
        0.5
    """

    model: Callable[[Params, Any], Any]
    loss: Callable[[Any, Any], Any]
    x: Any = field(repr=False)
    y: Any = field(repr=False)
    l2: float = 0.0
    weights: ArrayLike | None = field(default=None, repr=False)
    start: Params | None = field(default=None, repr=False)
    gradient: Callable[[Params, Any, Any, Any], Params] | None = None
    name: str = "empirical risk"
    feature_names: tuple[str, ...] | None = field(default=None, init=False, repr=False)
    _oracles: dict[str, Oracle] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        columns = getattr(self.x, "columns", None)
        if columns is not None:
            object.__setattr__(self, "feature_names", tuple(map(str, columns)))
        x, y = _data(self.x, "x"), _data(self.y, "y")
        if len(x) != len(y):
            raise ValueError(f"x and y must have the same number of rows, got {len(x)} and {len(y)}")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        if not isinstance(self.l2, int | float | np.number) or not 0 <= self.l2 < np.inf:
            raise ValueError(f"l2 must be a finite number at least 0, got {self.l2!r}")
        if self.weights is not None:
            object.__setattr__(self, "weights", _row_weights(self.weights, len(x)))
        if self.start is not None:
            object.__setattr__(self, "start", as_params(self.start, "start"))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.x)

    def oracle(self, dtype: np.dtype[Any]) -> Oracle:
        """Loss and gradients with floating data in ``dtype``; the arrays are put on the device once."""
        if dtype.name not in self._oracles:
            with double_precision():
                x, y, weights = jax.tree.map(jnp.asarray, cast((self.x, self.y, self.weights), dtype))
                # Without an L2 term its sum over all parameters is left out of the program, not multiplied by zero.
                data = (x, y, weights, jnp.asarray(self.l2, dtype) if self.l2 else None)
            part = _Part(self.model, self.loss, self.gradient)
            self._oracles[dtype.name] = Oracle(
                *(bound(_Bound(part, name), *data) for name in ("loss_of_all", "full", "batch"))
            )
        return self._oracles[dtype.name]

    def initial(self, seed: int, dtype: np.dtype[Any]) -> Params:
        """The start given, else the model's own for this seed.

        Raises:
            ValueError: neither is there.
        """
        if self.start is not None:
            return cast(self.start, dtype)
        init = getattr(self.model, "init", None)
        if init is None:
            raise ValueError(
                "start is missing: the model is a plain function and has no starting parameters of its own; "
                "pass start=... to EmpiricalRisk or to descend, or use a steepest.models.Model"
            )
        with double_precision():
            return jax.tree.map(np.asarray, init(jax.random.key(seed), self.x, self.y, dtype))

    def __call__(self, params: Params) -> Any:
        """The risk at params, in float64; traceable inside a JAX transformation."""
        return evaluate(self.oracle(np.dtype("float64")).loss, params)


@dataclass(frozen=True)
class _Part:
    """The code of a risk without its data: equal parts share their compiled programs."""

    model: Callable[[Params, Any], Any]
    loss: Callable[[Any, Any], Any]
    gradient: Callable[[Params, Any, Any, Any], Params] | None

    def weighted(self, x: Any, y: Any, row_weights: Any, l2: Any, params: Params) -> Any:
        """Σᵢ row_weightsᵢ·lossᵢ plus the L2 term; without row weights the mean."""
        values = self.loss(self.model(params, x), y)
        rows = len(x)
        if values.shape != (rows,):
            raise ValueError(
                f"loss must return one value a row, shape ({rows},), got shape {values.shape}; "
                "the mean over rows is taken by EmpiricalRisk"
            )
        mean = jnp.mean(values) if row_weights is None else jnp.sum(_masked(row_weights, values))
        return mean if l2 is None else mean + l2 * _half_squared_norm(params)

    def loss_of_all(self, x: Any, y: Any, weights: Any, l2: Any, params: Params) -> Any:
        return self.weighted(x, y, None if weights is None else weights / len(x), l2, params)

    def full(self, x: Any, y: Any, weights: Any, l2: Any, params: Params) -> Any:
        return self._with_gradient(x, y, None if weights is None else weights / len(x), l2, params)

    def batch(self, x: Any, y: Any, weights: Any, l2: Any, params: Params, rows: Any) -> Any:
        if rows.shape[0] == 1:
            # One row is a slice; XLA runs it several times faster than a gather of one.
            def pick(array: Any) -> Any:
                return jax.lax.dynamic_slice_in_dim(array, rows[0], 1, 0)

            row_weights = None if weights is None else pick(weights)
            return self._with_gradient(pick(x), pick(y), row_weights, l2, params)
        there = rows >= 0
        row_weights = jnp.where(there, 1.0 if weights is None else jnp.take(weights, rows, mode="clip"), 0.0) / jnp.sum(
            there
        )
        x, y = (jnp.take(array, rows, axis=0, mode="clip") for array in (x, y))
        return self._with_gradient(x, y, row_weights, l2, params)

    def _with_gradient(self, x: Any, y: Any, row_weights: Any, l2: Any, params: Params) -> Any:
        if self.gradient is None:
            return jax.value_and_grad(self.weighted, argnums=4)(x, y, row_weights, l2, params)
        loss = self.weighted(x, y, row_weights, l2, params)
        uniform = jnp.full(len(x), 1.0 / len(x), loss.dtype) if row_weights is None else row_weights
        gradient = self.gradient(params, x, y, uniform)
        if l2 is not None:
            gradient = jax.tree.map(jnp.add, gradient, jax.grad(lambda p: l2 * _half_squared_norm(p))(params))
        return loss, gradient


@dataclass(frozen=True)
class _Bound:
    """A method of a part. Unlike Python's bound methods two of them are equal when their parts are."""

    part: _Part
    name: str

    def __call__(self, *arguments: Any) -> Any:
        return getattr(self.part, self.name)(*arguments)


def _masked(weights: Any, values: Any) -> Any:
    # 0 · inf is NaN: an empty place must not spoil the sum of the others.
    return jnp.where(weights > 0, weights * values, 0.0)


def _half_squared_norm(params: Params) -> Any:
    leaves = [leaf for path, leaf in tree_flatten_with_path(params)[0] if keystr(path[-1:], simple=True) != "bias"]
    return 0.5 * sum((jnp.sum(leaf * leaf) for leaf in leaves), start=0.0)


def _data(values: Any, name: str) -> NDArray[Any]:
    """A finite numeric array with at least one row; column names of a DataFrame go into the message."""
    columns = list(getattr(values, "columns", []))
    array = np.asarray(values)
    if array.ndim == 0 or array.shape[0] == 0:
        raise ValueError(f"{name} must have at least one row, got shape {array.shape}")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        try:
            array = array.astype(float)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be numeric, got {array.dtype}; encode its categories first") from None
    if np.issubdtype(array.dtype, np.floating) and not np.all(np.isfinite(array)):
        place = np.argwhere(~np.isfinite(array))[0]
        column = "" if array.ndim == 1 else f" column {columns[place[1]]!r}," if columns else f" column {place[1]},"
        raise ValueError(
            f"{name} must be finite, got {array[tuple(place)]} in{column} row {place[0]}; "
            "drop such rows or fill them in first"
        )
    return array.astype(float) if array.dtype == bool else array


def _row_weights(weights: Any, rows: int) -> NDArray[np.float64]:
    """Weights scaled to a mean of one."""
    array = np.asarray(weights, float)
    if array.shape != (rows,):
        raise ValueError(f"weights must have shape ({rows},), one a row, got {array.shape}")
    if not np.all(np.isfinite(array)) or np.any(array < 0) or array.sum() == 0:
        raise ValueError("weights must be finite, at least 0 and not all zero")
    return np.asarray(array / array.mean())
