"""What an objective and a risk say of themselves in a notebook, name by name; what is not known is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from steepest.showing import called, formula, number, vector

_NAMES = 8


def of_objective(objective: Any) -> Iterator[tuple[str, Any]]:
    """The facts of a :class:`steepest.Objective`."""
    if objective.formula:
        yield "formula", formula(objective.formula)
    if objective.start is not None:
        leaves = jax.tree.leaves(objective.start)
        yield "start", vector(leaves[0]) if len(leaves) == 1 else f"{sum(map(np.size, leaves)):,} parameters"
    if objective.minimisers:
        points = ", ".join(vector(point) for point in objective.minimisers[:4])
        count = len(objective.minimisers)
        yield "minimisers", points + (f", … {count} in all" if count > 4 else "")
    if objective.minimum is not None:
        yield "minimum", number(objective.minimum)
    if objective.smoothness is not None:
        least = objective.strong_convexity
        convex = "not known to be convex" if least is None else f"strong convexity μ = {number(least)}"
        kind = "; a quadratic" if objective.quadratic else ""
        yield "curvature", f"smoothness L = {number(objective.smoothness)}, {convex}{kind}"
    if not objective.smooth:
        yield "derivative", "not everywhere"
    if objective.window is not None:
        yield "window", " × ".join(f"[{low:g}, {high:g}]" for low, high in objective.window)
    if objective.gradient is not None:
        yield "gradient", f"by hand, {called(objective.gradient)}"
    if objective.source:
        yield "source", objective.source


def of_risk(risk: Any) -> Iterator[tuple[str, Any]]:
    """The facts of a :class:`steepest.EmpiricalRisk`; nothing is computed for them."""
    row = r"\ell\big(f(x_i; w), y_i\big)"
    mean = rf"\frac{{1}}{{n}} \sum_i {row}"
    if risk.weights is not None:
        mean = rf"\frac{{\sum_i \omega_i\, {row}}}{{\sum_i \omega_i}}"
    yield "formula", formula(mean + (r" + \frac{\alpha}{2} \lVert w \rVert^2" if risk.l2 else ""))
    yield "model", called(risk.model)
    yield "loss", called(risk.loss)
    weighted = " with weights" if risk.weights is not None else ""
    yield "rows", f"{risk.rows:,}{weighted}{', read block by block' if risk.stream is not None else ''}"
    names = risk.feature_names or ()
    shown = ", ".join(names[:_NAMES]) + (", …" if len(names) > _NAMES else "")
    yield "features", (_shape(risk.x) or "1") + (f": {shown}" if shown else "")
    yield "targets", f"{_shape(risk.y)} a row" if _shape(risk.y) else "one a row"
    if risk.l2:
        yield "L2 term", f"α = {number(risk.l2)}"


def _shape(rows: Any) -> str:
    """The shape of one row, or nothing where it is a number."""
    return " × ".join(f"{size:,}" for size in rows.shape[1:])
