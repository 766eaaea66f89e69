"""Experiments: many runs that answer one question."""

from steepest.experiments.attraction import Basins, basins
from steepest.experiments.fairness import BASELINES, MethodComparison, compare_methods
from steepest.experiments.many_starts import Multistart, multistart

__all__ = ["BASELINES", "Basins", "MethodComparison", "Multistart", "basins", "compare_methods", "multistart"]
