"""Is a hand-written gradient right? Compared with autodiff, component by component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from steepest.objectives import Descendable, Params, as_params, same_structure
from steepest.precision import double_precision


@dataclass(frozen=True)
class GradientCheck:
    """What :func:`check_gradient` found; true in a condition when the two gradients agree.

    Attributes:
        agrees: no component differs by more than the tolerance.
        worst: name of the component that differs most, e.g. ``w[1]`` or ``weight[3]``.
        given: the hand-written gradient's value there.
        autodiff: what autodiff says there.
        difference: |given - autodiff| / max(1, |autodiff|) there.
        tolerance: the largest difference that counts as agreement.
    """

    agrees: bool
    worst: str
    given: float
    autodiff: float
    difference: float
    tolerance: float

    def __bool__(self) -> bool:
        return self.agrees

    def __str__(self) -> str:
        verdict = "agrees with" if self.agrees else "differs from"
        return (
            f"the gradient given {verdict} autodiff: the worst component is {self.worst}, "
            f"{self.given:.6g} given and {self.autodiff:.6g} by autodiff"
        )


def check_gradient(objective: Descendable, at: Params | None = None, *, tolerance: float = 1e-6) -> GradientCheck:
    """Compare an objective's hand-written gradient with autodiff, in float64.

    Args:
        objective: an Objective or EmpiricalRisk that was given a ``gradient``.
        at: where to compare; by default a point a little off the start, where nothing vanishes by symmetry.
        tolerance: the largest relative difference that counts as agreement, of a component of magnitude above one;
            absolute below.

    Raises:
        ValueError: the objective has no hand-written gradient, or the gradient's structure or shapes are not those of
            the parameters.

    Example:
        >>> import jax.numpy as jnp, steepest as sd
        >>> wrong = sd.Objective(lambda w: w[0] ** 2 + 5 * w[1] ** 2, start=[4.0, 2.5],
        ...                      gradient=lambda w: jnp.array([2 * w[0], 5 * w[1]]))
        >>> print(check_gradient(wrong, at=[1.0, 1.0]))
        the gradient given differs from autodiff: the worst component is w[1], 5 given and 10 by autodiff
    """
    if getattr(objective, "gradient", None) is None:
        raise ValueError(f"{objective.name!r} has no hand-written gradient to check; it is differentiated by autodiff")
    double = np.dtype("float64")
    if at is None:
        generator = np.random.default_rng(0)
        point = jax.tree.map(
            lambda leaf: np.asarray(leaf, float) + 0.1 * generator.normal(size=np.shape(leaf)),
            objective.initial(0, double),
        )
    else:
        point = jax.tree.map(lambda leaf: np.asarray(leaf, float), as_params(at, "at"))
    oracle = objective.oracle(double)
    with double_precision():
        params = jax.tree.map(jnp.asarray, point)
        given = jax.tree.map(np.asarray, oracle.full(params)[1])
        automatic = jax.tree.map(np.asarray, jax.grad(oracle.loss)(params))
    if not same_structure(given, automatic):
        raise ValueError(
            f"gradient must return a pytree like the parameters, {jax.tree.structure(automatic)}, "
            f"got {jax.tree.structure(given)}"
        )
    return _compare(given, automatic, tolerance)


def _compare(given: Any, automatic: Any, tolerance: float) -> GradientCheck:
    worst = GradientCheck(True, "", 0.0, 0.0, -1.0, tolerance)
    for (path, reference), value in zip(
        jax.tree_util.tree_flatten_with_path(automatic)[0], jax.tree.leaves(given), strict=True
    ):
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "w"
        if np.shape(value) != reference.shape:
            raise ValueError(f"gradient of {name} must have shape {reference.shape}, got {np.shape(value)}")
        gap = np.abs(value - reference) / np.maximum(1.0, np.abs(reference))
        gap = np.where(np.isnan(gap), np.inf, gap)
        place = np.unravel_index(np.argmax(gap), gap.shape) if gap.size else ()
        if gap.size and gap[place] > worst.difference:
            component = name + (f"[{', '.join(str(index) for index in place)}]" if place else "")
            worst = GradientCheck(
                bool(gap[place] <= tolerance),
                component,
                float(value[place]),
                float(reference[place]),
                float(gap[place]),
                tolerance,
            )
    return worst
