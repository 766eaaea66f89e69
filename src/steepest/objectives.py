"""What is descended: a loss, where it starts, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from steepest.facts import of_objective
from steepest.precision import cast, double_precision
from steepest.showing import card

Params = Any
"""Any pytree of arrays. A landscape's parameters are one float vector of shape (n,)."""


class Oracle(NamedTuple):
    """What a compiled program may ask of an objective; a pytree, so its data are arguments and not constants.

    Attributes:
        loss: params → scalar.
        full: params → (loss, gradient) of the whole objective.
        batch: (params, rows) → (loss, gradient) on the rows given as an int array (batch_size,), where -1
            marks an empty place; None where there are no rows to draw from.
    """

    loss: Partial
    full: Partial
    batch: Partial | None


class Descendable(Protocol):
    """What :func:`steepest.descend` needs: :class:`Objective` and :class:`EmpiricalRisk` provide it."""

    @property
    def name(self) -> str:
        """What it is called in tables and figures."""

    @property
    def rows(self) -> int | None:
        """Number of rows that batches are drawn from; None where the objective has no data."""

    def oracle(self, dtype: np.dtype[Any]) -> Oracle:
        """Loss and gradients with all floating data in ``dtype``."""

    def initial(self, seed: int, dtype: np.dtype[Any]) -> Params:
        """Where a run with this seed starts, floating leaves in ``dtype``."""

    def __call__(self, params: Params) -> Any:
        """The loss at params."""


def is_descendable(value: Any) -> bool:
    """Whether the value has what :class:`Descendable` asks for; much faster than ``isinstance`` of a protocol."""
    return hasattr(value, "oracle") and hasattr(value, "initial") and hasattr(value, "rows")


def _auto(loss: Partial, params: Params) -> Any:
    return jax.value_and_grad(loss)(params)


def _hand_written(loss: Partial, gradient: Partial, params: Params) -> Any:
    return loss(params), gradient(params)


def bound(function: Callable[..., Any], *arguments: Any) -> Partial:
    """The function with its first arguments bound, as a pytree whose leaves are those arguments."""
    return Partial(function, *arguments)  # type: ignore[no-untyped-call]


def as_partial(function: Callable[..., Any]) -> Partial:
    """The function as a pytree: a ``Partial`` keeps its array arguments as leaves, a plain function has none."""
    return function if isinstance(function, Partial) else bound(function)


def is_concrete(params: Params) -> bool:
    """Whether parameters are numbers, and not those of a JAX transformation in the making."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(params))


def evaluate(loss: Callable[[Params], Any], params: Params) -> Any:
    """The loss at params: traced as it is inside a transformation, in float64 and as a float outside of one."""
    if not is_concrete(params):
        return loss(params)
    with double_precision():
        double = cast(as_params(params, "params"), np.dtype("float64"))
        return float(loss(jax.tree.map(jnp.asarray, double)))


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss of its parameters alone, where descent starts, and what is known of it.

    Args:
        loss: a JAX-traceable function of one pytree that returns a scalar. Arrays that it should not be
            compiled with as constants are bound with ``jax.tree_util.Partial(function, *arrays)``.
        start: the parameters descent begins at, unless told otherwise; a list of numbers is a vector.
        gradient: a hand-written gradient, params → a pytree like params, used in place of autodiff;
            :func:`check_gradient` compares the two.
        name: what the objective is called in tables and figures.
        formula: the loss in words of mathematics (LaTeX without dollars).
        minimisers: all known global minimisers, each a tuple of n numbers; empty where none is stated.
        minimum: the loss at the minimisers; None where none is stated.
        window: for each parameter the (low, high) that pictures show; None where there is no usual one.
        source: where the function was published or where this definition is taken from.
        smooth: False where the loss has points without a derivative (at a minimiser, say).
        smoothness: L, the largest |curvature| anywhere, where there is one and it is known.
        strong_convexity: μ, the smallest curvature anywhere, of a loss that is known to be convex; 0 where it is no
            more than that; None where it is not convex or not known to be.
        quadratic: whether the curvature is the same everywhere.
        in_dimensions: for a function that exists in any dimension, n → the Objective in n dimensions.

    Example:
        >>> bowl = Objective(lambda w: w[0] ** 2 + 5 * w[1] ** 2, start=[4.0, 2.5], name="bowl")
        >>> bowl([1.0, 1.0])
        6.0
    """

    loss: Callable[[Params], Any]
    start: Params | None = None
    gradient: Callable[[Params], Params] | None = None
    name: str = "objective"
    formula: str = ""
    minimisers: tuple[tuple[float, ...], ...] = ()
    minimum: float | None = None
    window: tuple[tuple[float, float], ...] | None = None
    source: str = ""
    smooth: bool = True
    smoothness: float | None = None
    strong_convexity: float | None = None
    quadratic: bool = False
    in_dimensions: Callable[[int], Objective] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not callable(self.loss):
            raise TypeError(
                f"loss must be a function of the parameters, got {type(self.loss).__name__}; "
                "pass e.g. lambda w: w[0] ** 2 + 5 * w[1] ** 2"
            )
        if self.gradient is not None and not callable(self.gradient):
            raise TypeError(
                f"gradient must be a function of the parameters or None, got {type(self.gradient).__name__}"
            )
        if self.start is not None:
            object.__setattr__(self, "start", as_params(self.start, "start"))
        self._check_constants()

    def _check_constants(self) -> None:
        for name in ("smoothness", "strong_convexity"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float | np.number) and 0 <= value < np.inf):
                raise ValueError(f"{name} must be a finite number from 0 up or None, got {value!r}")
        if self.strong_convexity is not None and (self.smoothness or 0.0) < self.strong_convexity:
            raise ValueError(
                f"strong_convexity must be at most the smoothness {self.smoothness}, got {self.strong_convexity}"
            )

    @property
    def rows(self) -> None:
        """None: there is no data to draw batches from."""

    def oracle(self, dtype: np.dtype[Any]) -> Oracle:
        """See :class:`Descendable`."""
        loss = cast(as_partial(self.loss), dtype)
        if self.gradient is None:
            return Oracle(loss, bound(_auto, loss), None)
        return Oracle(loss, bound(_hand_written, loss, cast(as_partial(self.gradient), dtype)), None)

    def initial(self, seed: int, dtype: np.dtype[Any]) -> Params:
        """The start, whatever the seed.

        Raises:
            ValueError: the objective has no start.
        """
        if self.start is None:
            raise ValueError(f"start is missing: {self.name!r} has no starting point of its own; pass start=[...]")
        return cast(self.start, dtype)

    def __call__(self, params: Params) -> Any:
        """The loss at params, in float64; traceable inside a JAX transformation.

        Raises:
            ValueError: parameters of another shape than the objective's own start; indices past the end of a vector
                would be read as its last entry.
        """
        if self.start is not None and is_concrete(params):
            given, own = (jax.tree.map(np.shape, tree) for tree in (as_params(params, "params"), self.start))
            if given != own:
                remedy = "; in_dimensions(n) gives it in n dimensions" if self.in_dimensions is not None else ""
                raise ValueError(f"params of {self.name!r} must have shape {own}, got {given}{remedy}")
        return evaluate(self.loss, params)

    def _repr_html_(self) -> str:
        return card(f"Objective: {self.name}", of_objective(self))


def same_structure(one: Params, other: Params) -> bool:
    """Whether two pytrees have the same structure, whatever their leaves."""
    return bool(jax.tree.structure(one) == jax.tree.structure(other))  # type: ignore[operator]


def as_params(value: Any, argument: str) -> Params:
    """Parameters from a number, a list of numbers, an array or any pytree of arrays, as finite float arrays.

    Raises:
        TypeError: a leaf is not numeric.
        ValueError: a leaf holds NaN or infinity.
    """
    if isinstance(value, list | tuple | int | float | np.ndarray):
        try:
            value = np.asarray(value, float)
        except (TypeError, ValueError):
            if not isinstance(value, list | tuple):
                raise TypeError(f"{argument} must hold numbers, got {value!r}") from None

    def leaf(path: Any, item: Any) -> Any:
        where = argument + jax.tree_util.keystr(path)
        try:
            array = np.asarray(item)
            array = array if np.issubdtype(array.dtype, np.floating) else array.astype(float)
        except (TypeError, ValueError):
            raise TypeError(f"{where} must hold numbers, got {item!r}") from None
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{where} must be finite, got {array[~np.isfinite(array)].flat[0]} in it")
        return array

    return jax.tree_util.tree_map_with_path(leaf, value, is_leaf=_is_list_of_numbers)


def _is_list_of_numbers(value: Any) -> bool:
    """Whether a list within a pytree is meant as an array; a list of layers is not."""
    if not isinstance(value, list):
        return False
    try:
        return bool(np.asarray(value).dtype.kind in "fiub")
    except ValueError:
        return False
