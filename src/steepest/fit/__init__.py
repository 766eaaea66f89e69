"""The main job on real data: a table in, a trained model with its evidence out."""

from steepest.fit.fitting import Fit, Recipe, fit
from steepest.fit.folder import check_folder, summary, write_fit
from steepest.fit.inspection import InspectedColumn, Inspection, Remark
from steepest.fit.prediction import predictions, write_predictions
from steepest.fit.predictor import Predictor, load_model
from steepest.fit.setup import inspect_table, table_risk

__all__ = [
    "Fit",
    "InspectedColumn",
    "Inspection",
    "Predictor",
    "Recipe",
    "Remark",
    "check_folder",
    "fit",
    "inspect_table",
    "load_model",
    "predictions",
    "summary",
    "table_risk",
    "write_fit",
    "write_predictions",
]
