"""The catalogue of landscapes: test functions with what is known of them.

Each is an :class:`steepest.Objective` with a start, a window for pictures, its source and all its known global
minimisers; a test proves every minimiser that is stated. Those that exist in any dimension say so:
``landscapes.rastrigin.in_dimensions(10)``.

>>> find("himmelblau").minimisers[0]
(3.0, 2.0)
"""

from __future__ import annotations

from steepest.errors import unknown_name
from steepest.landscapes.classic import (
    ackley,
    beale,
    booth,
    goldstein_price,
    griewank,
    himmelblau,
    matyas,
    rastrigin,
    rosenbrock,
    styblinski_tang,
    three_hump_camel,
)
from steepest.landscapes.quadratic import bowl, quadratic, saddle, steep_bowl
from steepest.landscapes.rugged import plateau, rippled_bowl, wells
from steepest.objectives import Objective

CATALOGUE: dict[str, Objective] = {
    landscape.name: landscape
    for landscape in (
        bowl, steep_bowl, rosenbrock, rippled_bowl, plateau, saddle, wells, himmelblau, beale, booth, styblinski_tang,
        rastrigin, ackley, griewank, matyas, three_hump_camel, goldstein_price,
    )
}  # fmt: skip
"""Every landscape by its name."""

__all__ = [
    "CATALOGUE", "ackley", "beale", "booth", "bowl", "find", "goldstein_price", "griewank", "himmelblau", "matyas",
    "plateau", "quadratic", "rastrigin", "rippled_bowl", "rosenbrock", "saddle", "steep_bowl", "styblinski_tang",
    "three_hump_camel", "wells",
]  # fmt: skip


def find(name: str) -> Objective:
    """The landscape of this name.

    Raises:
        ValueError: there is none, with the nearest match.
    """
    if name not in CATALOGUE:
        raise unknown_name("landscape", name, CATALOGUE)
    return CATALOGUE[name]
