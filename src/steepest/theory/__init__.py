"""Theory: curvature, constants, limits and rates, each a number to hold beside a run."""

from steepest.theory.advice import Advice, advise
from steepest.theory.along_path import sharpness
from steepest.theory.bounds import (
    averaged_sgd_bound,
    convex_bound,
    momentum_bound,
    strongly_convex_bound,
    strongly_convex_sgd_bound,
)
from steepest.theory.closed_form import quadratic_descent
from steepest.theory.comparison import Comparison, compare
from steepest.theory.convex import Convexity, convexity
from steepest.theory.critical import Critical, Kind, classify
from steepest.theory.density import SpectralDensity, spectral_density
from steepest.theory.eigenvalues import Interval, Spectrum, spectrum
from steepest.theory.global_constants import Constants, UnknownConstants, constants
from steepest.theory.hessian import hessian
from steepest.theory.lanczos import Eigenvalue
from steepest.theory.limits import (
    Setting,
    best_heavy_ball,
    best_learning_rate,
    best_nesterov,
    contraction_factor,
    learning_rate_limit,
    steps_to,
)
from steepest.theory.noise_scale import NoiseScale, gradient_noise_scale
from steepest.theory.optimum import Optimum, optimum_of
from steepest.theory.sampling import Sampling, expected_smoothness, sampling
from steepest.theory.vanishing_gradient import CriticalPoints, critical_points

__all__ = [
    "Advice",
    "Comparison",
    "Constants",
    "Convexity",
    "Critical",
    "CriticalPoints",
    "Eigenvalue",
    "Interval",
    "Kind",
    "NoiseScale",
    "Optimum",
    "Sampling",
    "Setting",
    "SpectralDensity",
    "Spectrum",
    "UnknownConstants",
    "advise",
    "averaged_sgd_bound",
    "best_heavy_ball",
    "best_learning_rate",
    "best_nesterov",
    "classify",
    "compare",
    "constants",
    "contraction_factor",
    "convex_bound",
    "convexity",
    "critical_points",
    "expected_smoothness",
    "gradient_noise_scale",
    "hessian",
    "learning_rate_limit",
    "momentum_bound",
    "optimum_of",
    "quadratic_descent",
    "sampling",
    "sharpness",
    "spectral_density",
    "spectrum",
    "steps_to",
    "strongly_convex_bound",
    "strongly_convex_sgd_bound",
]
