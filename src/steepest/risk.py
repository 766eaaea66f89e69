"""Empirical risk: the mean loss of a model over the rows of a data set (chapter 15.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from steepest import losses, models, modules
from steepest.facts import of_risk
from steepest.objectives import Oracle, Params, as_params, bound, evaluate
from steepest.precision import cast, double_precision
from steepest.rows import checked_data, checked_weights
from steepest.showing import card
from steepest.streams.evaluation import Evaluation, half_squared_norm
from steepest.streams.moments import Moments, least_squares, moments
from steepest.streams.sources import as_source
from steepest.streams.stream import Rows, Stream


@dataclass(frozen=True, eq=False)
class EmpiricalRisk:
    """The mean over rows of ``loss(model(params, x), y)``, plus an L2 term.

    The risk is Σᵢ wᵢ·lossᵢ / Σᵢ wᵢ + (l2/2)·‖weights‖², where the L2 term runs over all parameters but those named
    ``bias``. The gradient of a batch B is the mean over its rows of N·wᵢ/Σw · ∇lossᵢ plus the L2 term's, so that
    its expectation over uniformly drawn batches is the full gradient (Bottou, Curtis & Nocedal 2018, section 4).

    Args:
        model: (params, x) → predictions, first axis the rows; a :class:`steepest.models.Model` also brings a start.
            A module of Equinox or Flax NNX will do: it starts from what it holds (see ``docs/torch.md``).
        loss: (predictions, y) → one value a row, shape (n,); see :mod:`steepest.losses`.
        x: features, shape (n, ...); a DataFrame gives its column names to ``feature_names`` and to the messages. What
            need not fit in memory is read block by block: a ``numpy.memmap``, a ``zarr.Array``, a ``dask.array``, or
            :class:`steepest.streams.ParquetRows`; see ``docs/scale.md`` for what then differs.
        y: targets, shape (n, ...), of the same kinds.
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
    stream: Stream | None = field(default=None, init=False, repr=False)
    _oracles: dict[str, Oracle] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        source = as_source(self.x, "x")
        columns = getattr(self.x, "columns", None) if source is None else source.names
        if columns is not None:
            object.__setattr__(self, "feature_names", tuple(map(str, columns)))
        x = checked_data(self.x, "x") if source is None else source
        y = as_source(self.y, "y") or checked_data(self.y, "y")
        self._take(x, y)
        object.__setattr__(self, "model", modules.as_model(self.model, self.x))

    def _take(self, x: Any, y: Any) -> None:
        """Keep the data, in memory or as sources, and check what comes with them."""
        rows = x.shape[0]
        if rows != y.shape[0]:
            raise ValueError(f"x and y must have the same number of rows, got {rows} and {y.shape[0]}")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        if not isinstance(self.l2, int | float | np.number) or not 0 <= self.l2 < np.inf:
            raise ValueError(f"l2 must be a finite number at least 0, got {self.l2!r}")
        if self.weights is not None:
            object.__setattr__(self, "weights", checked_weights(self.weights, rows))
        if self.start is not None:
            object.__setattr__(self, "start", as_params(self.start, "start"))
        if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)):
            weights = None if self.weights is None else np.asarray(self.weights)
            object.__setattr__(self, "stream", Stream.of(x, y, weights))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    @property
    def by_moments(self) -> bool:
        """Whether the full risk follows from one pass over a stream: a linear model with squared error."""
        plain = self.gradient is None and self.loss is losses.mean_squared_error
        return self.stream is not None and plain and self.model is models.linear

    @cached_property
    def moments(self) -> Moments:
        """Of the stream, in one pass, once."""
        assert self.stream is not None
        return moments(self.stream)

    @property
    def part(self) -> _Part:
        """The code of the risk without its data."""
        return _Part(self.model, self.loss, self.gradient)

    def evaluation(self, lanes: bool, client: Any = None) -> Evaluation:
        """What reads the stream for the risk and its gradient; see :class:`steepest.streams.evaluation.Evaluation`."""
        assert self.stream is not None
        return Evaluation(self.stream, self.part.block_gradient, float(self.l2), lanes, client)

    def holding(self, rows: Rows, dtype: np.dtype[Any]) -> Oracle:
        """The oracle of batches drawn from rows of the stream that are in memory."""
        x, y, weights = jax.tree.map(jnp.asarray, cast(rows, dtype))
        l2 = jnp.asarray(self.l2, dtype) if self.l2 else None
        data = (x, y, None if self.weights is None else weights, l2)
        return Oracle(*(bound(_Bound(self.part, name), *data) for name in ("loss_of_all", "full", "batch")))

    def sample(self, rows: int, seed: int = 0) -> EmpiricalRisk:
        """The risk of about so many of the rows, in memory: of whole blocks drawn at random where they are streamed.

        >>> import steepest as sd
        >>> risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, np.ones((9, 1)), np.ones(9))
        >>> risk.sample(4).rows
        4
        """
        generator = np.random.default_rng(seed)
        if self.stream is None:
            chosen = np.sort(generator.permutation(self.rows)[:rows])
            kept = (self.x[chosen], self.y[chosen], None if self.weights is None else np.asarray(self.weights)[chosen])
        else:
            some = next(self.stream.buffers(seed, 0, 1))[0]
            real = np.flatnonzero(some.weights > 0)
            chosen = np.sort(generator.permutation(real)[:rows])
            kept = (some.x[chosen], some.y[chosen], None if self.weights is None else some.weights[chosen])
        return EmpiricalRisk(
            self.model, self.loss, kept[0], kept[1], l2=self.l2, weights=kept[2], start=self.start,
            gradient=self.gradient, name=f"{self.name}, {len(chosen)} rows",
        )  # fmt: skip

    def oracle(self, dtype: np.dtype[Any]) -> Oracle:
        """Loss and gradients with floating data in ``dtype``; the arrays are put on the device once.

        Of a stream they are those of a linear model with squared error, from one pass.

        Raises:
            ValueError: the data are streamed and the model is another; take a :meth:`sample`.
        """
        if self.stream is not None and dtype.name not in self._oracles:
            self._oracles[dtype.name] = self._from_moments(dtype)
        if dtype.name not in self._oracles:
            with double_precision():
                x, y, weights = jax.tree.map(jnp.asarray, cast((self.x, self.y, self.weights), dtype))
                # Without an L2 term its sum over all parameters is left out of the program, not multiplied by zero.
                data = (x, y, weights, jnp.asarray(self.l2, dtype) if self.l2 else None)
            part = self.part
            self._oracles[dtype.name] = Oracle(
                *(bound(_Bound(part, name), *data) for name in ("loss_of_all", "full", "batch"))
            )
        return self._oracles[dtype.name]

    def probe(self, dtype: np.dtype[Any]) -> Oracle:
        """The oracle of a few rows of a stream, which tells shapes and nothing else."""
        assert self.stream is not None
        x, y, _ = self.stream.example
        few = EmpiricalRisk(self.model, self.loss, x, y, l2=self.l2, gradient=self.gradient, name=self.name)
        return few.oracle(dtype)

    def _from_moments(self, dtype: np.dtype[Any]) -> Oracle:
        if not self.by_moments:
            raise ValueError(
                f"{self.name!r} has data larger than memory, which only descend reads block by block; take a sample of "
                "the rows for anything else: risk.sample(100_000)"
            )
        with double_precision():
            data = jax.tree.map(jnp.asarray, cast((self.moments.mean, self.moments.covariance), dtype))
            l2 = jnp.asarray(self.l2, dtype) if self.l2 else None
        loss = bound(least_squares, *data, l2)
        return Oracle(loss, bound(jax.value_and_grad(least_squares, argnums=3), *data, l2), None)

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
            x, y = (self.x, self.y) if self.stream is None else self.stream.example[:2]
            return jax.tree.map(np.asarray, init(jax.random.key(seed), x, y, dtype))

    def __call__(self, params: Params) -> Any:
        """The risk at params, in float64; traceable inside a JAX transformation, unless the data are streamed."""
        if self.stream is not None and not self.by_moments:
            return float(self.evaluation(lanes=False)(as_params(params, "params"))[0])
        return evaluate(self.oracle(np.dtype("float64")).loss, params)

    def _repr_html_(self) -> str:
        return card(f"Empirical risk: {self.name}", of_risk(self))


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
        return mean if l2 is None else mean + l2 * half_squared_norm(params)

    def loss_of_all(self, x: Any, y: Any, weights: Any, l2: Any, params: Params) -> Any:
        return self.weighted(x, y, None if weights is None else weights / len(x), l2, params)

    def full(self, x: Any, y: Any, weights: Any, l2: Any, params: Params) -> Any:
        return self.with_gradient(x, y, None if weights is None else weights / len(x), l2, params)

    def batch(self, x: Any, y: Any, weights: Any, l2: Any, params: Params, rows: Any) -> Any:
        if rows.shape[0] == 1:
            # One row is a slice; XLA runs it several times faster than a gather of one.
            def pick(array: Any) -> Any:
                return jax.lax.dynamic_slice_in_dim(array, rows[0], 1, 0)

            row_weights = None if weights is None else pick(weights)
            return self.with_gradient(pick(x), pick(y), row_weights, l2, params)
        there = rows >= 0
        row_weights = jnp.where(there, 1.0 if weights is None else jnp.take(weights, rows, mode="clip"), 0.0) / jnp.sum(
            there
        )
        x, y = (jnp.take(array, rows, axis=0, mode="clip") for array in (x, y))
        return self.with_gradient(x, y, row_weights, l2, params)

    @property
    def block_gradient(self) -> _Bound:
        """(x, y, weights, l2, params) → (loss, gradient) of any rows with their weights, hashable."""
        return _Bound(self, "with_gradient")

    def with_gradient(self, x: Any, y: Any, row_weights: Any, l2: Any, params: Params) -> Any:
        """Σᵢ row_weightsᵢ·lossᵢ plus the L2 term, and its gradient."""
        if self.gradient is None:
            return jax.value_and_grad(self.weighted, argnums=4)(x, y, row_weights, l2, params)
        loss = self.weighted(x, y, row_weights, l2, params)
        uniform = jnp.full(len(x), 1.0 / len(x), loss.dtype) if row_weights is None else row_weights
        gradient = self.gradient(params, x, y, uniform)
        if l2 is not None:
            gradient = jax.tree.map(jnp.add, gradient, jax.grad(lambda p: l2 * half_squared_norm(p))(params))
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
