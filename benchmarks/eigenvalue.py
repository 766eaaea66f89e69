"""The largest Hessian eigenvalue of a network: Lanczos against power iteration by double backward."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

import steepest as sd
from benchmarks.contest import Contest, Program

TOLERANCE = 1e-4
_MOST_PRODUCTS = 1000


def digits(hidden: int) -> sd.EmpiricalRisk:
    table = sd.datasets.bundled("digits")
    x, y = table.drop(columns="target").to_numpy(float) / 16, table["target"].to_numpy(int)
    return sd.EmpiricalRisk(sd.models.mlp((hidden, hidden)), sd.losses.softmax_cross_entropy, x, y)


def contests(quick: bool = False, hidden: int = 256) -> list[Contest]:
    """The contest, with PyTorch where it is installed."""
    risk = digits(64 if quick else hidden)
    params = risk.initial(0, np.dtype("float64"))
    size = sum(leaf.size for leaf in jax.tree.leaves(params))

    def lanczos() -> float:
        return sd.theory.spectrum(risk, params, tolerance=TOLERANCE, dense_limit=0).largest.value

    def value(found: float) -> Mapping[str, NDArray[Any]]:
        return {"eigenvalue": np.array([found])}

    programs = [Program("steepest, Lanczos", lanczos, value, jax.clear_caches)]
    if importlib.util.find_spec("torch") is not None:
        from benchmarks.eigenvalue_torch import lanczos as lanczos_on_torch
        from benchmarks.eigenvalue_torch import power_iteration

        task = (risk.x, risk.y, params, TOLERANCE, _MOST_PRODUCTS)
        programs.append(Program("steepest.torch, Lanczos on products of PyTorch", lanczos_on_torch(*task), value))
        programs.append(
            Program(
                "PyTorch, power iteration by double backward",
                power_iteration(*task),
                value,
                aim=5.0,
            )
        )
    missing = "" if len(programs) > 1 else " PyTorch is not installed, so there is no peer: pip install torch."
    return [
        Contest(
            title="Largest Hessian eigenvalue of a network",
            task=(
                f"An mlp of {size:,} parameters on scikit-learn's digits (1,797 rows), float64, at its start. steepest "
                f"stops when the eigenvalue is known to {TOLERANCE:g} by its residual; power iteration, the way "
                "PyHessian does it, keeps the graph of the gradient and stops when two values in a row differ by less "
                f"than {TOLERANCE:g}.{missing}"
            ),
            programs=tuple(programs),
            # The change from one product to the next is less than what is still missing.
            tolerance=1e-2,
        )
    ]
