"""Estimators in scikit-learn's terms, whose learning rate is chosen by theory."""

from steepest.estimators.classification import DescentClassifier
from steepest.estimators.regression import DescentRegressor
from steepest.estimators.saving import load_estimator, save_estimator

__all__ = ["DescentClassifier", "DescentRegressor", "load_estimator", "save_estimator"]
