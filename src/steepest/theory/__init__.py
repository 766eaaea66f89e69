"""Theory: curvature, constants, limits and rates, each a number to hold beside a run."""

from steepest.theory.bounds import (
    averaged_sgd_bound,
    convex_bound,
    momentum_bound,
    strongly_convex_bound,
    strongly_convex_sgd_bound,
)
from steepest.theory.closed_form import quadratic_descent
from steepest.theory.limits import (
    Setting,
    best_heavy_ball,
    best_learning_rate,
    best_nesterov,
    contraction_factor,
    learning_rate_limit,
    steps_to,
)

__all__ = [
    "Setting",
    "averaged_sgd_bound",
    "best_heavy_ball",
    "best_learning_rate",
    "best_nesterov",
    "contraction_factor",
    "convex_bound",
    "learning_rate_limit",
    "momentum_bound",
    "quadratic_descent",
    "steps_to",
    "strongly_convex_bound",
    "strongly_convex_sgd_bound",
]
