"""The minimum that losses are counted from: stated, or found to rounding where the loss is convex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize

from steepest.objectives import Params, as_params
from steepest.precision import double_precision
from steepest.theory.global_constants import UnknownConstants, constants


@dataclass(frozen=True, eq=False)
class Optimum:
    """A minimum.

    Attributes:
        params: all minimisers known, a list of pytrees.
        loss: the loss there.
        uncertainty: by how much the true minimum may lie below ``loss``; 0 where it is stated or exact.
        why: where it is from, in words.
    """

    params: tuple[Params, ...]
    loss: float
    uncertainty: float
    why: str

    def distance(self, start: Params) -> float:
        """Euclidean distance from parameters to the nearest minimiser."""
        flat = _flat(start)
        return float(min(np.linalg.norm(flat - _flat(each)) for each in self.params))


def optimum_of(objective: Any, given: Params | None = None, start: Params | None = None) -> Optimum:
    """The minimum of an objective.

    Args:
        objective: a Descendable.
        given: parameters of the minimum, taken as they are.
        start: where a search begins; by default the objective's own start.

    Returns:
        The one given; else the one the objective states; else, for a loss that :func:`constants` knows to be convex,
        the one found by Newton's method with conjugate gradients (Nocedal & Wright 2006, chapter 7).

    Raises:
        ValueError: nothing is stated and the loss is not known to be convex, so that no search can promise the minimum.
    """
    if given is not None:
        params = as_params(given, "optimum")
        return Optimum((params,), float(objective(params)), 0.0, "as given")
    stated = getattr(objective, "minimisers", ())
    if stated:
        params = tuple(np.asarray(each) for each in stated)
        return Optimum(params, float(objective.minimum), 0.0, "stated by the objective")
    try:
        known = constants(objective)
    except UnknownConstants as error:
        raise ValueError(f"the minimum of {objective.name!r} is unknown; pass optimum=params. {error}") from None
    if not known.convex:
        raise ValueError(f"{objective.name!r} is not convex, so its minimum is unknown; pass optimum=params")
    return _found(objective, known.smoothness, known.strong_convexity, start)


@jax.jit
def _value_and_gradient(oracle: Any, params: Params) -> Any:
    return oracle.full(params)


@jax.jit
def _product(oracle: Any, params: Params, direction: Params) -> Any:
    return jax.jvp(lambda at: oracle.full(at)[1], (params,), (direction,))[1]


def _found(objective: Any, smoothness: float, strong_convexity: float, start: Params | None) -> Optimum:
    """Newton's method to rounding, from the start."""
    precision = np.dtype("float64")
    with double_precision():
        oracle = objective.oracle(precision)
        begin = objective.initial(0, precision) if start is None else as_params(start, "start")
        flat, unravel = ravel_pytree(begin)

        def value(at: Any) -> Any:
            loss, gradient = _value_and_gradient(oracle, unravel(at))
            return float(loss), np.asarray(ravel_pytree(gradient)[0])

        def product(at: Any, direction: Any) -> Any:
            return np.asarray(ravel_pytree(_product(oracle, unravel(at), unravel(direction)))[0])

        found = minimize(
            value, np.asarray(flat), jac=True, hessp=product, method="trust-ncg", options={"gtol": 1e-13 * smoothness}
        )
        loss, gradient = value(found.x)
        params = jax.tree.map(np.asarray, unravel(found.x))
    norm = float(np.linalg.norm(gradient))
    gap = norm**2 / (2 * strong_convexity) if strong_convexity else norm * max(1.0, float(np.linalg.norm(found.x)))
    return Optimum((params,), loss, gap, f"found by Newton's method to a gradient norm of {norm:.2g}")


def _flat(params: Params) -> Any:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])
