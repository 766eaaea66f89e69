"""Training of linear models: coefficients in, coefficients out, on the scale of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import optax

from steepest import losses, models
from steepest.descent import Stop, Verdict, descend
from steepest.estimators.advising import named_features, planned
from steepest.estimators.arguments import Settings
from steepest.estimators.rows import Floats, Rows, Scaling
from steepest.estimators.sparse import sparse_risk
from steepest.estimators.trained import Trained, blew_up, curve_of, ended, of_nothing
from steepest.objectives import Descendable, Params
from steepest.risk import EmpiricalRisk

_CURVATURE = {
    losses.mean_squared_error: (1.0, True),
    losses.binary_cross_entropy: (0.25, False),
    losses.softmax_cross_entropy: (0.5, False),
}
"""Largest second derivative of each loss, and whether it is that everywhere; see ``theory/global_constants.py``."""


@dataclass(frozen=True, eq=False)
class Line:
    """An affine function of the features, on the scale of the table.

    Attributes:
        coefficients: shape (features,) or (features, outputs).
        intercept: shape () or (outputs,).
    """

    coefficients: Floats
    intercept: Floats

    def inside(self, scaling: Scaling) -> Params:
        """The same function of standardised features, as parameters of a model."""
        scale = scaling.scale if self.coefficients.ndim == 1 else scaling.scale[:, None]
        return {"weight": self.coefficients * scale, "bias": self.intercept + scaling.mean @ self.coefficients}

    @staticmethod
    def outside(params: Params, scaling: Scaling) -> Line:
        """The function on the scale of the table that parameters of a model stand for."""
        weight = np.asarray(params["weight"])
        coefficients = weight / (scaling.scale if weight.ndim == 1 else scaling.scale[:, None])
        return Line(coefficients, np.asarray(params["bias"] - scaling.mean @ coefficients))

    @staticmethod
    def flat(features: int, outputs: tuple[int, ...]) -> Line:
        """Zero everywhere."""
        return Line(np.zeros((features, *outputs)), np.zeros(outputs))


def train_line(rows: Rows, loss: Any, settings: Settings, start: Line, seed: int, *, diagnosed: bool = True) -> Trained:
    """Descend the risk of a linear model from ``start``, in full batches unless batches are asked for.

    Args:
        rows: features, and targets as the loss takes them.
        loss: one of squared error and the two cross-entropies.
        settings: of the estimator.
        start: where to begin.
        seed: of the batches.
        diagnosed: whether the diagnosis is wanted.
    """
    begin = start.inside(rows.scaling)
    l2 = rows.l2(settings.alpha)
    objective = _objective(rows, loss, l2, begin)
    plan = planned(objective, begin, settings, l2, diagnosed)
    if settings.batch_size is None:
        length: dict[str, Any] = {"steps": settings.most_epochs}
    else:
        length = {"epochs": settings.most_epochs, "batch_size": settings.batch_size}
    run = descend(
        objective,
        optax.sgd,
        start=begin,
        seed=seed,
        stop=Stop(gradient_norm=settings.tolerance),
        every=1,
        path=False,
        progress=False,
        **length,
        **plan.hyperparameters,
    )
    params, verdict = ended(run)
    curve = curve_of(run)
    rate = float(plan.hyperparameters["learning_rate"])
    if settings.once and blew_up(curve, of_nothing(objective, begin)):
        verdict = Verdict.DIVERGED.value
    if verdict == Verdict.DIVERGED.value:
        return Trained(begin, curve, curve[0], verdict, rate, plan.diagnosis)
    return Trained(params, curve, curve[-1], verdict, rate, plan.diagnosis)


def _objective(rows: Rows, loss: Any, l2: float, start: Params) -> Descendable:
    if rows.sparse:
        return sparse_risk(rows, loss, l2, start, _CURVATURE[loss])
    model = models.softmax if loss is losses.softmax_cross_entropy else models.linear
    x = named_features(rows.scaling.applied(rows.x), rows.names)
    return EmpiricalRisk(model, loss, x, rows.y, l2=l2, weights=rows.weights, start=start, name="linear model")
