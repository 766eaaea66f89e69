"""The main job on real data: a table in, a trained model with its evidence out."""

from steepest.fit.fitting import Fit, Recipe, fit
from steepest.fit.folder import check_folder, summary, write_fit
from steepest.fit.predictor import Predictor, load_model
from steepest.fit.setup import table_risk

__all__ = ["Fit", "Predictor", "Recipe", "check_folder", "fit", "load_model", "summary", "table_risk", "write_fit"]
