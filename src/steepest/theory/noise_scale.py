"""The gradient noise scale: about how many rows a batch may have before more of them are wasted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from steepest.objectives import Params
from steepest.precision import double_precision
from steepest.risk import EmpiricalRisk
from steepest.theory.hessian import subject_of

_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class NoiseScale:
    """The noise of single rows' gradients beside the gradient.

    Attributes:
        squared_gradient_norm: |G|², of all rows.
        trace: tr Σ = (1/n) Σ‖∇fᵢ − G‖².
        simple: B_simple = tr Σ/|G|², in rows; infinite where the gradient is zero.
        noise: B_noise = tr(HΣ)/(GᵀHG), in rows; None where it was not asked for, NaN where GᵀHG is not positive.
    """

    squared_gradient_norm: float
    trace: float
    simple: float
    noise: float | None


def gradient_noise_scale(risk: EmpiricalRisk, at: Params | None = None, *, curvature: bool = False) -> NoiseScale:
    """The gradient noise scale of any risk at a point (McCandlish, Kaplan, Amodei & OpenAI Dota Team 2018).

    Batches much smaller than it are noise for the most part, much larger ones hardly better than half as large.
    Exact, from every row's own gradient (their equations 2.8 and 2.9), and never more than 256 of them at once.

    Args:
        risk: any EmpiricalRisk.
        at: parameters; the risk's own start by default.
        curvature: whether to weigh with the Hessian too, which takes one Hessian-vector product a row.

    Raises:
        TypeError: something else than an EmpiricalRisk.
        ValueError: parameters that do not fit.

    Example:
        >>> import steepest as sd
        >>> data = sd.datasets.chapter_regression()
        >>> risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, data.x, data.y)
        >>> round(sd.theory.gradient_noise_scale(risk).simple, 1)
        2.5
    """
    if not isinstance(risk, EmpiricalRisk):
        raise TypeError(f"gradient_noise_scale takes an EmpiricalRisk, got {type(risk).__name__}")
    _, point = subject_of(risk, at)
    with double_precision():
        oracle = risk.oracle(np.dtype("float64"))
        squared = float(_squared(_gradient(oracle, point)))
        trace = max(0.0, float(np.mean(row_gradient_norms(risk, point))) - squared)
        noise = None
        if curvature:
            whole, rows = (float(part) for part in _curved(oracle, point, jnp.arange(risk.rows)))
            noise = (rows - whole) / whole if whole > 0 else math.nan
    return NoiseScale(squared, trace, trace / squared if squared else math.inf, noise)


def row_gradient_norms(risk: EmpiricalRisk, at: Params) -> NDArray[np.float64]:
    """‖∇fᵢ‖² of every row, shape (n,), where the risk is the mean of fᵢ."""
    with double_precision():
        return np.asarray(_norms(risk.oracle(np.dtype("float64")), at, jnp.arange(risk.rows)))


def _squared(tree: Any) -> Any:
    return sum(jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(tree))


@jax.jit
def _gradient(oracle: Any, params: Params) -> Any:
    return oracle.full(params)[1]


@jax.jit
def _norms(oracle: Any, params: Params, rows: Any) -> Any:
    def of_one(row: Any) -> Any:
        return _squared(oracle.batch(params, row[None])[1])

    return jax.lax.map(of_one, rows, batch_size=_ROWS_AT_ONCE)


@jax.jit
def _curved(oracle: Any, params: Params, rows: Any) -> tuple[Any, Any]:
    """GᵀHG, and the mean over rows of gᵀHg."""
    gradient, product = jax.linearize(lambda at: oracle.full(at)[1], params)

    def form(direction: Any) -> Any:
        pairs = zip(jax.tree.leaves(direction), jax.tree.leaves(product(direction)), strict=True)
        return sum(jnp.sum(one * other) for one, other in pairs)

    def of_one(row: Any) -> Any:
        return form(oracle.batch(params, row[None])[1])

    return form(gradient), jnp.mean(jax.lax.map(of_one, rows, batch_size=_ROWS_AT_ONCE))
