"""Where each run of a sweep starts: from the argument, from the objective, or from the model and the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from steepest.descent.axes import Axis
from steepest.objectives import Descendable, Oracle, Params, same_structure
from steepest.precision import abstract, cast


@dataclass(frozen=True, eq=False)
class Starts:
    """Starting parameters by point and by seed.

    Attributes:
        points: leaves (points, seeds, *leaf); either of the first two is 1 where nothing depends on it.
    """

    points: Params

    @property
    def size(self) -> int:
        """Numbers in one run's parameters."""
        return sum(int(np.prod(leaf.shape[2:])) for leaf in jax.tree.leaves(self.points))

    @property
    def one(self) -> Params:
        """The first of the starts."""
        return jax.tree.map(lambda leaf: leaf[0, 0], self.points)

    @property
    def matrices(self) -> bool:
        """Whether there are several matrices, as in a network; products of two of them want the runs in front."""
        return bool(sum(leaf.ndim >= 4 for leaf in jax.tree.leaves(self.points)) > 1)

    def at(self, point: NDArray[Any], seed: NDArray[Any]) -> Params:
        """The starts of these points and seeds (positions), axes of runs in front."""

        def pick(leaf: NDArray[Any]) -> NDArray[Any]:
            if leaf.shape[:2] == (1, 1):
                return np.broadcast_to(leaf[0, 0], (*np.shape(point), *leaf.shape[2:]))
            return np.asarray(leaf[point if leaf.shape[0] > 1 else 0, seed if leaf.shape[1] > 1 else 0])

        return jax.tree.map(pick, self.points)


def resolve_start(objective: Descendable, start: Any, seeds: NDArray[Any], dtype: np.dtype[Any]) -> Starts:
    """The starting parameters of a sweep on one objective.

    Raises:
        ValueError: a start does not have the structure or the shapes of the objective's own parameters, or there is no
            start at all.
    """
    if start is None:
        depends_on_seed = getattr(objective, "start", None) is None
        each = [objective.initial(int(seed), dtype) for seed in (seeds if depends_on_seed else seeds[:1])]
        return Starts(jax.tree.map(lambda *leaves: np.stack(leaves)[None], *each))
    own = own_start(objective, dtype)
    if isinstance(start, Axis) and isinstance(start.values, np.ndarray):
        # A million points are one array; they are alike, so the first speaks for all.
        _check(objective, start.values[0], start.values[0] if own is None else own)
        return Starts(cast(start.values, dtype)[:, None])
    points = list(start.values) if isinstance(start, Axis) else [start]
    for point in points:
        _check(objective, point, points[0] if own is None else own)
    return Starts(jax.tree.map(lambda *leaves: np.stack(leaves)[:, None], *[cast(point, dtype) for point in points]))


def own_start(objective: Descendable, dtype: np.dtype[Any]) -> Params | None:
    """The objective's own parameters, given or its model's; None where there are none."""
    try:
        return objective.initial(0, dtype)
    except ValueError:
        return None


def _check(objective: Descendable, point: Params, own: Params) -> None:
    if not same_structure(point, own):
        raise ValueError(
            f"start must have the structure of the parameters of {objective.name!r}, "
            f"{jax.tree.map(np.shape, own)}, got {jax.tree.map(np.shape, point)}"
        )
    for given, expected in zip(jax.tree.leaves(point), jax.tree.leaves(own), strict=True):
        if np.shape(given) != np.shape(expected):
            anywhere = getattr(objective, "in_dimensions", None)
            remedy = "; for another dimension descend objective.in_dimensions(n)" if anywhere else ""
            raise ValueError(
                f"start must have shape {np.shape(expected)} for {objective.name!r}, got {np.shape(given)}{remedy}"
            )


def check_loss(name: str, oracle: Oracle, params: Params, batches: bool) -> None:
    """The loss must be a differentiable scalar at parameters of these shapes.

    Raises:
        ValueError: it is not, in the words of what went wrong.
    """
    leaves, structure = jax.tree.flatten((oracle, params))
    error = _loss_error(
        structure,
        tuple((np.shape(leaf), leaf.dtype if hasattr(leaf, "dtype") else np.result_type(leaf)) for leaf in leaves),
        batches,
    )
    if error is not None:
        shapes = jax.tree.map(np.shape, params)
        raise ValueError(f"{name!r} cannot be evaluated at parameters of shape {shapes}: {error}")


def check_records(extra: Mapping[str, Any], params: Params) -> None:
    """Whatever is recorded beside the loss must be a scalar at parameters of these shapes.

    Raises:
        ValueError: one is not.
    """
    for name, function in extra.items():
        try:
            shape = getattr(jax.eval_shape(lambda at, point: at(point), function, params), "shape", None)
        except Exception as error:
            raise ValueError(f"record[{name!r}] cannot be evaluated: {str(error).splitlines()[0]}") from error
        if shape != ():
            raise ValueError(f"record[{name!r}] must return one number, got shape {shape}")


@lru_cache(maxsize=512)
def _loss_error(structure: Any, shapes: tuple[Any, ...], batches: bool) -> str | None:
    oracle, params = jax.tree.unflatten(structure, [abstract(*each) for each in shapes])
    try:
        loss = jax.eval_shape(lambda at, point: at.loss(point), oracle, params)
        if getattr(loss, "shape", None) != ():
            return f"the loss must be a scalar, got shape {getattr(loss, 'shape', type(loss).__name__)}"
        if not np.issubdtype(loss.dtype, np.floating):
            return f"the loss must be a real number, got {loss.dtype}"
        gradient = jax.eval_shape(lambda at, point: at.full(point), oracle, params)[1]
        if not same_structure(gradient, params):
            return "the gradient given is not a pytree like the parameters"
        for place, (one, other) in enumerate(zip(jax.tree.leaves(gradient), jax.tree.leaves(params), strict=True)):
            if one.shape != other.shape:
                return (
                    f"the gradient given has shape {one.shape} where the parameters have {other.shape} (leaf {place})"
                )
        if batches:
            rows = abstract((2,), np.dtype("int32"))
            jax.eval_shape(lambda at, point, some: at.batch(point, some), oracle, params, rows)
    except jax.errors.ConcretizationTypeError:
        return "it turns a traced value into a Python number or condition; use jax.numpy, e.g. jnp.where for an if"
    except Exception as error:  # noqa: BLE001 (whatever a loss of the caller's raises)
        return str(error).splitlines()[0]
    return None
