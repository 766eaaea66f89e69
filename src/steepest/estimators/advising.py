"""The learning rate and momentum of a training, and the diagnosis that says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optax
import pandas as pd

from steepest.descent import descend
from steepest.descent.automatic import TRIAL_STEPS, Settled, settled
from steepest.diagnosis import Diagnosis
from steepest.diagnosis.before import feature_names, in_words, known_constants
from steepest.diagnosis.findings import data_findings, steepest_part
from steepest.diagnosis.judgement import judged
from steepest.diagnosis.trial import as_settings
from steepest.estimators.arguments import Settings
from steepest.objectives import Descendable, Params
from steepest.risk import EmpiricalRisk
from steepest.theory.advice import Advice, advise
from steepest.theory.eigenvalues import spectrum
from steepest.theory.global_constants import Constants

_SAMPLE_ROWS = 5_000
_WHOLE_HESSIAN = 100
_ACCURACY = 1e-6
_NETWORK_MOMENTUM = 0.9


@dataclass(frozen=True, eq=False)
class Plan:
    """How to train.

    Attributes:
        advice: what theory says, its learning rate tried where nothing guarantees it.
        hyperparameters: of ``optax.sgd``: those of the advice, or the user's in their place.
        diagnosis: what is known before the first step.
    """

    advice: Advice
    hyperparameters: dict[str, Any]
    diagnosis: Diagnosis | None


def planned(objective: Descendable, start: Params, settings: Settings, l2: float, diagnosed: bool) -> Plan:
    """The learning rate and momentum that suit an objective, from where it starts.

    Args:
        objective: what is trained.
        start: where.
        settings: the user's.
        l2: strength of the L2 term.
        diagnosed: whether the spectrum and the findings are wanted too.
    """
    subject = objective
    if isinstance(objective, EmpiricalRisk) and objective.rows > _SAMPLE_ROWS and settings.hidden_layer_sizes:
        subject = objective.sample(_SAMPLE_ROWS)
    known, why_not = known_constants(subject)
    advice = _advice(subject, start, settings, known, l2)
    chosen = Settled(advice, 0)
    if settings.learning_rate is None:
        chosen = settled(advice, _attempt(subject, start, advice))
    setting = chosen.advice.setting
    hyperparameters = as_settings(setting)
    if settings.learning_rate is not None:
        hyperparameters["learning_rate"] = settings.learning_rate
    diagnosis = _diagnosis(subject, start, settings, known, why_not, chosen) if diagnosed else None
    return Plan(chosen.advice, hyperparameters, diagnosis)


def _advice(objective: Descendable, start: Params, settings: Settings, known: Constants | None, l2: float) -> Advice:
    if known is None:
        momentum = _network_momentum(settings)
        return advise(objective, momentum=momentum, nesterov=momentum > 0, start=start)
    if settings.batch_size is not None:
        return advise(objective, momentum=settings.momentum or 0.0, nesterov=False, batch_size=settings.batch_size)
    if settings.momentum is not None:
        return advise(objective, momentum=settings.momentum, nesterov=settings.momentum > 0)
    if known.quadratic and known.strong_convexity:
        # Heavy ball is the faster one, and rises first: it must have the time to come down again.
        fastest = advise(objective)
        if fastest.steps(_ACCURACY) <= settings.most_epochs:
            return fastest
    return advise(objective, momentum=_look_ahead(known, l2, settings.most_epochs), nesterov=True)


def network_hyperparameters(settings: Settings, rate: float) -> dict[str, Any]:
    """What ``optax.sgd`` takes for a network, at a learning rate that is known already."""
    momentum = _network_momentum(settings)
    return {"learning_rate": rate, "momentum": momentum, "nesterov": momentum > 0}


def _network_momentum(settings: Settings) -> float:
    # Nothing is known of a network beyond its start, and Nesterov's look-ahead is the steadier momentum.
    return _NETWORK_MOMENTUM if settings.momentum is None else settings.momentum


def _look_ahead(known: Constants, l2: float, steps: int) -> float:
    """Nesterov's momentum for the curvature that counts within so many steps.

    That is the smallest known one, of the L2 term where there is no other; but no flatter than can be descended in the
    time, because a momentum made for flatter directions swings through the steeper ones until after the end.
    """
    smallest = max(known.strong_convexity, l2) / known.smoothness
    root = float(np.sqrt(max(smallest, (2 / steps) ** 2)))
    return max(0.0, (1 - root) / (1 + root))


def _attempt(objective: Descendable, start: Params, advice: Advice) -> Callable[[float], Any]:
    def attempt(rate: float) -> Any:
        hyperparameters = as_settings(replace(advice.setting, learning_rate=rate))
        return descend(
            objective, optax.sgd, steps=TRIAL_STEPS, start=start, path=False, progress=False, **hyperparameters
        )

    return attempt


def _diagnosis(
    objective: Descendable, start: Params, settings: Settings, known: Constants | None, why_not: str, chosen: Settled
) -> Diagnosis:
    before = spectrum(objective, start, dense_limit=_WHOLE_HESSIAN, tolerance=1e-3)
    names = feature_names(objective)
    steepest = steepest_part(before.leading_direction, names)
    judgement = None
    if settings.learning_rate is not None:
        plain = advise(objective, momentum=0.0, start=start)
        judgement = judged(settings.learning_rate, before, plain, steepest)
    findings = (
        data_findings(objective.sample(_SAMPLE_ROWS), names or ()) if isinstance(objective, EmpiricalRisk) else []
    )
    return Diagnosis(
        in_words(objective, before.size),
        before,
        None,
        known,
        why_not,
        chosen.advice,
        chosen,
        None,
        (),
        judgement,
        tuple(findings),
        steepest,
    )


def named_features(x: Any, names: tuple[str, ...] | None) -> Any:
    """Features with their names, where they have any."""
    return x if names is None else pd.DataFrame(x, columns=list(names))
