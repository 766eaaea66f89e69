"""Sharpness along a path: the extreme curvatures at every recorded step of a descent."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial
from matfree.decomp import tridiag_sym
from numpy.typing import ArrayLike, NDArray

from steepest.objectives import Params
from steepest.precision import double_precision
from steepest.theory.hessian import linearised, value_and_gradient
from steepest.theory.limits import learning_rate_limit

_MOST_POINTS = 100_000
_DENSE = 64
_EPSILON = float(np.finfo(float).eps)


def sharpness(
    descent: Any, *, every: int = 1, rows: ArrayLike | int | None = None, products: int = 40, seed: int = 0
) -> xr.Dataset:
    """The largest and smallest Hessian eigenvalue at the recorded steps of every run.

    On a network trained with a constant learning rate the sharpness tends to rise until it hovers at the limit, the
    edge of stability (Cohen et al. 2021); beside it stands that limit, 2/η and its counterpart with momentum.

    Args:
        descent: what ``descend(..., path=True)`` returned; its loss must be one objective's.
        every: take each record that is a multiple of this.
        rows: row numbers of a risk, or how many to draw; None for all.
        products: Hessian-vector products a point beyond 64 parameters; up to 64 the Hessian is formed.
        seed: of the draw of rows and of Lanczos' first vector.

    Returns:
        A dataset over the axes of the descent and its steps: ``sharpness`` (λmax), ``smallest`` (λmin), ``residual`` of
        the sharpness (an eigenvalue lies within it), and ``limit``, λ at which the run's learning rate is the limit,
        where the method is ``optax.sgd`` with numbers. NaN after a run's end.

    Raises:
        TypeError: something else than a Descent.
        ValueError: the path was not recorded, there are several objectives, or more than 100,000 points.

    Example:
        >>> import optax, steepest as sd
        >>> run = sd.descend(sd.landscapes.rosenbrock, optax.sgd, learning_rate=1e-3, steps=100)
        >>> found = sd.theory.sharpness(run, every=50)
        >>> found.sharpness.dims, found.limit.item()
        (('step',), 2000.0)
    """
    if not hasattr(descent, "objectives"):
        raise TypeError(f"sharpness takes what descend returned, got {type(descent).__name__}")
    if len(descent.objectives) != 1:
        raise ValueError("the runs are on several objectives; select one with sel(objective=...)")
    if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
        raise ValueError(f"every must be a whole number from 1 up, got {every!r}")
    objective = next(iter(descent.objectives.values()))
    record = descent.record_dimension
    path = descent.path.isel({record: slice(None, None, int(every))}).transpose(*descent.axes, record, "parameter")
    shape = path.shape[:-1]
    points = path.values.reshape(-1, path.shape[-1]).astype(float)
    there = np.isfinite(points).all(axis=1)
    if there.sum() > _MOST_POINTS:
        raise ValueError(f"{there.sum()} points are more than {_MOST_POINTS}; raise every or select some runs")
    found = np.full((3, len(points)), np.nan)
    found[:, there] = _at_points(objective, _template(descent), points[there], rows, products, seed)
    dims = (*descent.axes, record)
    dataset = xr.Dataset(coords={name: path.coords[name] for name in dims})
    for name, values in zip(("sharpness", "smallest", "residual"), found, strict=True):
        dataset[name] = (dims, values.reshape(shape))
    limit = _limit(descent)
    return dataset if limit is None else dataset.assign(limit=limit)


def _template(descent: Any) -> Params:
    """Parameters of one run, for their structure."""
    one = descent.isel(**dict.fromkeys(descent.axes, 0)) if descent.axes else descent
    return one.params


def _at_points(
    objective: Any, template: Params, points: NDArray[Any], rows: Any, products: int, seed: int
) -> NDArray[np.float64]:
    """Sharpness, smallest and residual at flat points, shape (3, points)."""
    with double_precision():
        flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: np.asarray(leaf, float), template))
        function = value_and_gradient(objective, rows, seed)
        size = flat.size
        each = jax.vmap(unravel)(jnp.asarray(points))
        if size <= _DENSE:
            values = np.asarray(_eigenvalues(function, each))
            return np.stack([values[:, -1], values[:, 0], size * _EPSILON * np.abs(values).max(axis=1)])
        start = np.random.default_rng(seed).normal(size=size)
        return np.stack([np.asarray(part) for part in _ends(function, each, start, min(products, size))])


@jax.jit
def _eigenvalues(function: Partial, points: Params) -> Any:
    def of_one(point: Params) -> Any:
        _, gradient, product = linearised(function, point)
        matrix = jax.vmap(product)(jnp.eye(gradient.size))
        return jnp.linalg.eigvalsh((matrix + matrix.T) / 2)

    return jax.lax.map(of_one, points, batch_size=256)


@partial(jax.jit, static_argnames="count")
def _ends(function: Partial, points: Params, start: Any, count: int) -> Any:
    def of_one(point: Params) -> Any:
        _, _, product = linearised(function, point)
        found = tridiag_sym(count, custom_vjp=False)(product, start)
        values, vectors = jnp.linalg.eigh(found.J_small)
        rounding = count * _EPSILON * jnp.max(jnp.abs(values))
        return values[-1], values[0], jnp.linalg.norm(found.residual) * jnp.abs(vectors[-1, -1]) + rounding

    return jax.lax.map(of_one, points)


def _limit(descent: Any) -> xr.DataArray | None:
    """The sharpness at which each run's learning rate is the limit; None where the theory of sgd does not apply."""
    attributes, coordinates = descent.dataset.attrs, descent.dataset.coords
    if attributes.get("method") != "sgd":
        return None
    parts = {}
    for name, default in (("learning_rate", None), ("momentum", 0.0), ("nesterov", False)):
        value = coordinates[name] if name in coordinates else attributes.get(name, default)
        if isinstance(value, str) or value is None:
            value = {"True": True, "None": 0.0, "False": False}.get(str(value))
        if value is None:
            return None
        parts[name] = value if isinstance(value, xr.DataArray) else xr.DataArray(value)
    rate, momentum, nesterov = xr.broadcast(*parts.values())
    # 2 (1 + β)/(η …) is the limit of η with η and λ exchanged.
    values = np.vectorize(learning_rate_limit, otypes=[float])(rate, momentum, nesterov)
    return rate.copy(data=values)
