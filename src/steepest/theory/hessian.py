"""Second derivatives of any objective: products with a vector, never a matrix unless it is small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial
from numpy.typing import ArrayLike

from steepest.objectives import Descendable, Objective, Params, as_params, bound, is_descendable, same_structure
from steepest.precision import cast, double_precision

_PRODUCTS_AT_ONCE = 64
_FLOAT64 = np.dtype("float64")


def subject_of(objective: Any, at: Params | None) -> tuple[Descendable, Params]:
    """An objective and float64 parameters of it, from what a caller gave.

    Args:
        objective: a Descendable, or a function of the parameters (then ``at`` is needed).
        at: parameters; None for the objective's own start.

    Raises:
        TypeError: neither an objective nor a function.
        ValueError: there are no parameters, they do not fit the objective, or it says that it is not smooth.
    """
    if not is_descendable(objective):
        if not callable(objective):
            raise TypeError(
                f"objective must be an Objective, an EmpiricalRisk or a function of the parameters, "
                f"got {type(objective).__name__}"
            )
        if at is None:
            raise ValueError("at is missing: a plain function has no point of its own; pass at=[...]")
        objective = Objective(objective, name=getattr(objective, "__name__", "objective"))
    if not getattr(objective, "smooth", True):
        raise ValueError(
            f"{objective.name!r} has points without a derivative, so its curvature says nothing of descent; "
            "smooth it first, e.g. |w| as sqrt(w² + ε²)"
        )
    with double_precision():
        own = None if at is not None and getattr(objective, "start", 0) is None else _own(objective, at is None)
        point = own if at is None else cast(as_params(at, "at"), _FLOAT64)
    if own is not None and (not same_structure(point, own) or _shapes(point) != _shapes(own)):
        raise ValueError(f"at must have shapes {_shapes(own)} for {objective.name!r}, got {_shapes(point)}")
    return objective, point


def _own(objective: Descendable, needed: bool) -> Params | None:
    try:
        return objective.initial(0, _FLOAT64)
    except ValueError:
        if needed:
            raise
        return None


def _shapes(params: Params) -> Any:
    return jax.tree.map(np.shape, params)


def _of_all(full: Any, params: Params) -> Any:
    return full(params)


def _of_rows(batch: Any, rows: Any, params: Params) -> Any:
    return batch(params, rows)


def value_and_gradient(objective: Descendable, rows: ArrayLike | int | None, seed: int) -> Partial:
    """What gives (loss, gradient) at params in float64, on all rows or some, as a pytree whose leaves are the data.

    Args:
        objective: a Descendable.
        rows: row numbers, or how many to draw without replacement; None for all of them.
        seed: of the draw.

    Raises:
        ValueError: rows of an objective without rows, or row numbers out of range.
    """
    oracle = objective.oracle(_FLOAT64)
    if rows is None:
        return bound(_of_all, oracle.full)
    if oracle.batch is None or objective.rows is None:
        raise ValueError(f"rows must be None for {objective.name!r}, which has no rows")
    if np.ndim(rows) == 0:
        count = int(rows)  # type: ignore[arg-type]
        if not 1 <= count <= objective.rows:
            raise ValueError(f"rows must be from 1 to {objective.rows}, got {rows!r}")
        chosen = np.random.default_rng(seed).choice(objective.rows, count, replace=False)
    else:
        chosen = np.asarray(rows)
        if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer) or not chosen.size:
            raise ValueError("rows must be a number of rows or a list of row numbers")
        if chosen.min() < 0 or chosen.max() >= objective.rows:
            raise ValueError(
                f"row numbers must be from 0 to {objective.rows - 1}, got {chosen.min()} to {chosen.max()}"
            )
    return bound(_of_rows, oracle.batch, jnp.asarray(chosen, jnp.int32))


def linearised(function: Partial, params: Params) -> tuple[Any, Any, Callable[[Any], Any]]:
    """(loss, gradient, product) at params, all on flat vectors; call it inside a compiled program.

    The gradient is linearised once: what it shares between products is computed once and not in each.
    """
    flat, unravel = ravel_pytree(params)

    def gradient(vector: Any) -> Any:
        loss, found = function(unravel(vector))
        return ravel_pytree(found)[0], loss

    found, product, loss = jax.linearize(gradient, flat, has_aux=True)
    return loss, found, product


@jax.jit
def _dense(function: Partial, params: Params) -> tuple[Any, Any, Any]:
    loss, gradient, product = linearised(function, params)
    rows = jax.lax.map(product, jnp.eye(gradient.size), batch_size=_PRODUCTS_AT_ONCE)
    return loss, gradient, (rows + rows.T) / 2


def hessian(
    objective: Any, at: Params | None = None, *, rows: ArrayLike | int | None = None, seed: int = 0
) -> tuple[float, Any, Any]:
    """Loss, gradient (n,) and Hessian (n, n) at a point, flat in the order of ``jax.flatten_util.ravel_pytree``.

    For small n; :func:`steepest.theory.spectrum` needs no matrix.

    Args:
        objective: a Descendable, or a function of the parameters (then ``at`` is needed).
        at: parameters; None for the objective's own start.
        rows: row numbers, or how many to draw; None for all rows.
        seed: of the draw.

    Raises:
        TypeError, ValueError: what is wrong with the arguments, or a Hessian that is not finite.

    Example:
        >>> import steepest as sd
        >>> sd.theory.hessian(sd.landscapes.bowl, [1.0, 1.0])[2].tolist()
        [[2.0, 0.0], [0.0, 10.0]]
    """
    subject, point = subject_of(objective, at)
    with double_precision():
        loss, gradient, matrix = (np.asarray(part) for part in _dense(value_and_gradient(subject, rows, seed), point))
    check_finite(subject.name, loss, gradient, matrix)
    return float(loss), gradient, matrix


def check_finite(name: str, loss: Any, gradient: Any, curvature: Any) -> None:
    """Refuse what is not finite, naming what it is."""
    for what, values in (("loss", loss), ("gradient", gradient), ("Hessian", curvature)):
        if not np.isfinite(values).all():
            remedy = (
                "look for NaN or infinity in the data and the parameters, or start elsewhere"
                if what == "loss"
                else "the loss must be twice differentiable there, so start elsewhere or smooth it"
            )
            raise ValueError(f"the {what} of {name!r} is not finite at this point; {remedy}")
