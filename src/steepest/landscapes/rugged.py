"""Landscapes that are not bowls: the chapter's rippled surface, a plateau, and a line with several wells."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from steepest.objectives import Objective

_RIPPLE = (0.24324546199725122, -0.1500624066688317)

rippled_bowl = Objective(
    lambda w: w[0] ** 2 + 3 * w[1] ** 2 + 0.5 * jnp.sin(3 * w[0]) * jnp.sin(3 * w[1]),
    start=[2.5, 1.5],
    name="rippled_bowl",
    formula=r"w_1^2 + 3 w_2^2 + \frac{1}{2} \sin 3w_1 \sin 3w_2",
    # The origin is a saddle: its Hessian [[2, 4.5], [4.5, 6]] has a negative determinant.
    minimisers=(_RIPPLE, (-_RIPPLE[0], -_RIPPLE[1])),
    minimum=-0.01832158592116974,
    window=((-3.0, 3.0), (-2.0, 2.0)),
    source="Gradient Descent Foundations, section 15.7, whose figure marks the origin instead",
    # The bowl's largest curvature 6 and the ripple's 4.5 meet where sin 3w₁ = 1 and sin 3w₂ = −1.
    smoothness=10.5,
)

plateau = Objective(
    lambda w: 1 - jnp.exp(-0.5 * (w[0] ** 2 + w[1] ** 2)),
    start=[3.0, 2.0],
    name="plateau",
    formula=r"1 - e^{-\|w\|^2/2}",
    minimisers=((0.0, 0.0),),
    minimum=0.0,
    window=((-5.0, 5.0), (-5.0, 5.0)),
    source="an inverted Gaussian: flat away from its one minimum (chapter 15.4)",
    # Curvatures exp(−r²/2) across and (1 − r²) exp(−r²/2) along the radius: largest at the minimum.
    smoothness=1.0,
)

_WELL = -0.5122140283561128
_WELL_DEPTH = -0.9731804794973067


def _wells(w: Any) -> Any:
    x = w[0]
    return 0.1 * x**2 + jnp.sin(3 * x)


wells = Objective(
    _wells,
    start=[3.0],
    name="wells",
    formula=r"\frac{1}{10} w^2 + \sin 3w",
    minimisers=((_WELL,),),
    minimum=_WELL_DEPTH,
    window=((-6.0, 6.0),),
    source="a one-dimensional function with several minima, for exercise 15.4",
    # 0.2 − 9 sin 3w.
    smoothness=9.2,
)
