"""The classic test functions of global optimisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from steepest.objectives import Objective

_SURVEY = "collected in M. Jamil & X.-S. Yang, Int. J. Math. Modelling and Numerical Optimisation 4 (2013) 150-194"


def _in_any_dimension(
    loss: Callable[[Any], Any],
    *,
    name: str,
    formula: str,
    at: float,
    value: Callable[[int], float],
    span: tuple[float, float],
    window: tuple[tuple[float, float], ...] | None = None,
    start: Callable[[int], list[float]],
    source: str,
    smooth: bool = True,
    least: int = 1,
) -> Objective:
    """The two-dimensional objective of a function whose one global minimiser is (at, …, at) in every dimension."""

    def in_dimensions(dimensions: int) -> Objective:
        """The function of ``dimensions`` parameters.

        Raises:
            ValueError: too few dimensions.
        """
        whole = isinstance(dimensions, int | np.integer) and not isinstance(dimensions, bool)
        if not whole or dimensions < least:
            raise ValueError(f"dimensions must be a whole number from {least} up for {name}, got {dimensions!r}")
        dimensions = int(dimensions)
        return Objective(
            loss,
            start=start(dimensions),
            name=name if dimensions == 2 else f"{name} in {dimensions} dimensions",
            formula=formula,
            minimisers=((at,) * dimensions,),
            minimum=value(dimensions),
            window=window if window is not None and dimensions == 2 else (span,) * dimensions,
            source=source,
            smooth=smooth,
            in_dimensions=in_dimensions,
        )

    return in_dimensions(2)


rosenbrock = _in_any_dimension(
    lambda w: jnp.sum((1 - w[:-1]) ** 2 + 100 * (w[1:] - w[:-1] ** 2) ** 2),
    name="rosenbrock",
    formula=r"\sum_i [(1 - w_i)^2 + 100 (w_{i+1} - w_i^2)^2]",
    at=1.0,
    value=lambda n: 0.0,
    span=(-2.0, 3.0),
    window=((-2.0, 2.0), (-1.0, 3.0)),
    start=lambda n: [-1.5 if i % 2 == 0 else 2.0 for i in range(n)],
    source="H. H. Rosenbrock, The Computer Journal 3 (1960) 175-184; start as in Gradient Descent Foundations, 15.3",
    least=2,
)

rastrigin = _in_any_dimension(
    lambda w: jnp.sum(w**2 - 10 * jnp.cos(2 * jnp.pi * w) + 10),
    name="rastrigin",
    formula=r"\sum_i (w_i^2 - 10 \cos 2\pi w_i + 10)",
    at=0.0,
    value=lambda n: 0.0,
    span=(-5.12, 5.12),
    start=lambda n: [3.7 if i % 2 == 0 else -2.2 for i in range(n)],
    source="L. A. Rastrigin, Systems of Extremal Control, Nauka, Moscow 1974",
)


def _ackley(w: Any) -> Any:
    mean_square = jnp.mean(w**2)
    # The root has no derivative at the minimiser; taken of 1 there, its gradient is zero instead of NaN.
    distance = jnp.where(mean_square > 0, jnp.sqrt(jnp.where(mean_square > 0, mean_square, 1.0)), 0.0)
    return -20 * jnp.exp(-0.2 * distance) - jnp.exp(jnp.mean(jnp.cos(2 * jnp.pi * w))) + 20 + math.e


ackley = _in_any_dimension(
    _ackley,
    name="ackley",
    formula=r"-20 e^{-\|w\| / (5 \sqrt{n})} - e^{\frac{1}{n} \sum_i \cos 2\pi w_i} + 20 + e",
    at=0.0,
    value=lambda n: 0.0,
    span=(-5.0, 5.0),
    start=lambda n: [3.3 if i % 2 == 0 else 2.4 for i in range(n)],
    source="D. H. Ackley, A Connectionist Machine for Genetic Hillclimbing, Kluwer 1987",
    smooth=False,
)


def _griewank(w: Any) -> Any:
    # In the precision of w: NumPy's own float64 would carry the whole loss into float64.
    roots = np.sqrt(np.arange(1, len(w) + 1)).astype(w.dtype)
    return jnp.sum(w**2) / 4000 - jnp.prod(jnp.cos(w / roots)) + 1


griewank = _in_any_dimension(
    _griewank,
    name="griewank",
    formula=r"\frac{1}{4000} \sum_i w_i^2 - \prod_i \cos(w_i / \sqrt{i}) + 1",
    at=0.0,
    value=lambda n: 0.0,
    span=(-10.0, 10.0),
    start=lambda n: [7.0 if i % 2 == 0 else -6.0 for i in range(n)],
    source="A. O. Griewank, J. Optimization Theory and Applications 34 (1981) 11-39",
)

_STYBLINSKI = -2.903534027771177

styblinski_tang = _in_any_dimension(
    lambda w: 0.5 * jnp.sum(w**4 - 16 * w**2 + 5 * w),
    name="styblinski_tang",
    formula=r"\frac{1}{2} \sum_i (w_i^4 - 16 w_i^2 + 5 w_i)",
    at=_STYBLINSKI,
    value=lambda n: n * -39.16616570377141,
    span=(-5.0, 5.0),
    start=lambda n: [0.0 if i % 2 == 0 else 4.5 for i in range(n)],
    source="M. A. Styblinski & T.-S. Tang, Neural Networks 3 (1990) 467-483",
)

himmelblau = Objective(
    lambda w: (w[0] ** 2 + w[1] - 11) ** 2 + (w[0] + w[1] ** 2 - 7) ** 2,
    start=[0.0, 0.0],
    name="himmelblau",
    formula=r"(w_1^2 + w_2 - 11)^2 + (w_1 + w_2^2 - 7)^2",
    minimisers=(
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.2831859912861696),
        (3.5844283403304917, -1.848126526964404),
    ),
    minimum=0.0,
    window=((-5.0, 5.0), (-5.0, 5.0)),
    source="D. M. Himmelblau, Applied Nonlinear Programming, McGraw-Hill 1972",
)

beale = Objective(
    lambda w: (
        (1.5 - w[0] + w[0] * w[1]) ** 2 + (2.25 - w[0] + w[0] * w[1] ** 2) ** 2 + (2.625 - w[0] + w[0] * w[1] ** 3) ** 2
    ),
    start=[1.0, 1.0],
    name="beale",
    formula=r"(1.5 - w_1 + w_1 w_2)^2 + (2.25 - w_1 + w_1 w_2^2)^2 + (2.625 - w_1 + w_1 w_2^3)^2",
    minimisers=((3.0, 0.5),),
    minimum=0.0,
    window=((-4.5, 4.5), (-4.5, 4.5)),
    source=_SURVEY,
)

booth = Objective(
    lambda w: (w[0] + 2 * w[1] - 7) ** 2 + (2 * w[0] + w[1] - 5) ** 2,
    start=[-8.0, 6.0],
    name="booth",
    formula=r"(w_1 + 2 w_2 - 7)^2 + (2 w_1 + w_2 - 5)^2",
    minimisers=((1.0, 3.0),),
    minimum=0.0,
    window=((-10.0, 10.0), (-10.0, 10.0)),
    source=_SURVEY,
)

matyas = Objective(
    lambda w: 0.26 * (w[0] ** 2 + w[1] ** 2) - 0.48 * w[0] * w[1],
    start=[-8.0, 3.0],
    name="matyas",
    formula=r"0.26 (w_1^2 + w_2^2) - 0.48 w_1 w_2",
    minimisers=((0.0, 0.0),),
    minimum=0.0,
    window=((-10.0, 10.0), (-10.0, 10.0)),
    source=_SURVEY,
)

three_hump_camel = Objective(
    lambda w: 2 * w[0] ** 2 - 1.05 * w[0] ** 4 + w[0] ** 6 / 6 + w[0] * w[1] + w[1] ** 2,
    start=[-1.9, -1.5],
    name="three_hump_camel",
    formula=r"2 w_1^2 - 1.05 w_1^4 + \frac{1}{6} w_1^6 + w_1 w_2 + w_2^2",
    minimisers=((0.0, 0.0),),
    minimum=0.0,
    window=((-2.5, 2.5), (-2.5, 2.5)),
    source=_SURVEY,
)


def _goldstein_price(w: Any) -> Any:
    x, y = w[0], w[1]
    one = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)
    other = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    return one * other


goldstein_price = Objective(
    _goldstein_price,
    start=[-1.0, 1.0],
    name="goldstein_price",
    formula=(
        r"(1 + (w_1 + w_2 + 1)^2 (19 - 14 w_1 + 3 w_1^2 - 14 w_2 + 6 w_1 w_2 + 3 w_2^2))"
        r"(30 + (2 w_1 - 3 w_2)^2 (18 - 32 w_1 + 12 w_1^2 + 48 w_2 - 36 w_1 w_2 + 27 w_2^2))"
    ),
    minimisers=((0.0, -1.0),),
    minimum=3.0,
    window=((-2.0, 2.0), (-3.0, 1.0)),
    source="A. A. Goldstein & J. F. Price, Mathematics of Computation 25 (1971) 569-574",
)
