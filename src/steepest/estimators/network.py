"""Training of networks: a rate from the curvature at the start, taken back whenever the loss does not go down.

Nothing guarantees a learning rate on a loss that is not convex. So it is watched: a stretch of epochs after which the
loss of all rows is no lower is undone, and the rate is halved. It has converged when halving has not helped several
times in a row. That is the "bold driver" without its acceleration (Battiti 1989). A rate that was given is never
changed: what is kept is the least loss that a stretch of it ended at.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optax

from steepest import models
from steepest.descent import Stop, Verdict, descend
from steepest.estimators.advising import named_features, network_hyperparameters, planned
from steepest.estimators.arguments import Settings
from steepest.estimators.rows import Rows
from steepest.estimators.trained import Trained, blew_up, curve_of, ended, of_nothing
from steepest.objectives import Params
from steepest.risk import EmpiricalRisk

_DOUBLE = np.dtype("float64")
_STRETCH = 10
_LEAST_STEPS = 100
_PATIENCE = 4


def train_network(
    rows: Rows, loss: Any, outputs: int | None, settings: Settings, start: Params | None, seed: int,
    *, diagnosed: bool = True, rate: float | None = None,
) -> Trained:  # fmt: skip
    """Descend the risk of a multilayer perceptron.

    Args:
        rows: features, standardised already, and targets as the loss takes them.
        loss: squared error or softmax cross-entropy.
        outputs: width of the last layer; None for one number a row.
        settings: of the estimator.
        start: parameters to begin from; None draws them.
        seed: of the parameters and the batches.
        diagnosed: whether the diagnosis is wanted.
        rate: the learning rate where it is known already; nothing is diagnosed then.
    """
    model = models.mlp(settings.hidden_layer_sizes, settings.activation, outputs)
    l2 = rows.l2(settings.alpha)
    x = named_features(rows.x, rows.names)
    risk = EmpiricalRisk(model, loss, x, rows.y, l2=l2, weights=rows.weights, start=start)
    begin = risk.initial(seed, _DOUBLE) if start is None else start
    if rate is not None:
        return _descended(risk, begin, network_hyperparameters(settings, rate), settings, seed, None)
    plan = planned(risk, begin, settings, l2, diagnosed)
    return _descended(risk, begin, plan.hyperparameters, settings, seed, plan.diagnosis)


def _descended(
    risk: EmpiricalRisk, params: Params, hyperparameters: dict[str, Any], settings: Settings, seed: int, diagnosis: Any
) -> Trained:
    """Stretch after stretch, until the loss falls no more or the epochs are used up."""
    rate, fixed = float(hyperparameters["learning_rate"]), settings.learning_rate is not None
    steps = 1 if settings.batch_size is None else math.ceil(risk.rows / settings.batch_size)
    stretch = max(_STRETCH, math.ceil(_LEAST_STEPS / steps))
    losses: list[float] = []
    kept, least = params, math.inf
    idle, verdict = 0, Verdict.OUT_OF_STEPS.value
    while (left := settings.most_epochs - max(len(losses) - 1, 0)) > 0:
        run = descend(
            risk,
            optax.sgd,
            start=params,
            seed=seed + len(losses),
            epochs=min(stretch, left),
            batch_size=settings.batch_size,
            stop=Stop(gradient_norm=settings.tolerance * 1e-2),
            every=1,
            path=False,
            progress=False,
            **(hyperparameters | {"learning_rate": rate}),
        )
        after, verdict = ended(run)
        curve = curve_of(run)
        if not losses:
            losses, least = curve[:1], curve[0]
        if fixed and settings.once and blew_up(curve, of_nothing(risk, params)):
            verdict = Verdict.DIVERGED.value
        diverged = verdict == Verdict.DIVERGED.value
        lower = not diverged and (curve[-1] <= least or (fixed and settings.once))
        if lower:
            kept, least = after, curve[-1]
        # A rate that was given is gone on with, whatever comes of it; from any other one goes back to the least loss.
        params = after if fixed else kept
        losses += curve[1:] if fixed or lower else [least] * max(1, len(curve) - 1)
        if verdict in (Verdict.CONVERGED.value, Verdict.INTERRUPTED.value) or (fixed and diverged):
            break
        if diverged:
            rate, verdict = rate / 4, Verdict.OUT_OF_STEPS.value
            continue
        changed = (max(curve) - min(curve) if fixed else curve[0] - curve[-1]) / max(len(curve) - 1, 1)
        idle = 0 if changed > settings.tolerance else idle + 1
        if idle == _PATIENCE:
            verdict = Verdict.CONVERGED.value
            break
        if idle and not fixed:
            rate /= 2
    return Trained(kept, losses, least, verdict, rate, diagnosis)
