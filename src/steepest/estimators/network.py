"""Training of networks: a rate from the curvature at the start, taken back whenever the loss does not go down.

Nothing guarantees a learning rate on a loss that is not convex. So it is watched: a stretch of epochs after which the
loss of all rows is no lower is undone or kept as it serves, and the rate is halved. It has converged when halving has
not helped several times in a row. That is the "bold driver" without its acceleration (Battiti 1989).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optax

from steepest import models
from steepest.descent import Stop, Verdict, descend
from steepest.estimators.advising import named_features, planned
from steepest.estimators.arguments import Settings
from steepest.estimators.rows import Rows
from steepest.estimators.trained import Trained, curve_of, ended
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
        rate: the learning rate where it is known already.
    """
    model = models.mlp(settings.hidden_layer_sizes, settings.activation, outputs)
    l2 = settings.alpha / rows.total
    x = named_features(rows.x, rows.names)
    risk = EmpiricalRisk(model, loss, x, rows.y, l2=l2, weights=rows.weights, start=start)
    begin = risk.initial(seed, _DOUBLE) if start is None else start
    plan = planned(risk, begin, settings, l2, diagnosed)
    hyperparameters = plan.hyperparameters | ({} if rate is None else {"learning_rate": rate})
    return _descended(risk, begin, hyperparameters, settings, seed, plan.diagnosis)


def _descended(
    risk: EmpiricalRisk, params: Params, hyperparameters: dict[str, Any], settings: Settings, seed: int, diagnosis: Any
) -> Trained:
    """Stretch after stretch, until the loss falls no more or the epochs are used up."""
    rate, fixed = float(hyperparameters["learning_rate"]), settings.learning_rate is not None
    steps = 1 if settings.batch_size is None else math.ceil(risk.rows / settings.batch_size)
    stretch = max(_STRETCH, math.ceil(_LEAST_STEPS / steps))
    losses: list[float] = []
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
        losses = losses or curve[:1]
        if verdict == Verdict.DIVERGED.value:
            # What came of it is of no use; the epochs have been spent all the same.
            losses += [losses[-1]] * max(1, len(curve) - 1)
            if fixed:
                break
            rate, verdict = rate / 4, Verdict.OUT_OF_STEPS.value
            continue
        fell = (losses[-1] - curve[-1]) / max(len(curve) - 1, 1)
        if curve[-1] <= losses[-1] or fixed:
            params, kept = after, curve[1:]
        else:
            kept = [losses[-1]] * (len(curve) - 1)
        losses += kept
        if verdict in (Verdict.CONVERGED.value, Verdict.INTERRUPTED.value):
            break
        idle = 0 if fell > settings.tolerance else idle + 1
        if idle == _PATIENCE:
            verdict = Verdict.CONVERGED.value
            break
        if idle and not fixed:
            rate /= 2
    return Trained(params, losses, verdict, rate, diagnosis)
