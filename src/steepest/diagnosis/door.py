"""``diagnose``: what to know of a loss before descending it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import optax

from steepest.descent import descend
from steepest.descent.automatic import TRIAL_STEPS, settled
from steepest.descent.axes import Axis, objective_axis
from steepest.diagnosis.before import feature_names, in_words, known_constants
from steepest.diagnosis.findings import data_findings, landscape_findings, steepest_part
from steepest.diagnosis.judgement import judged
from steepest.diagnosis.result import Diagnosis
from steepest.diagnosis.trial import Trial, as_settings, tried
from steepest.objectives import Descendable, Params, as_params
from steepest.risk import EmpiricalRisk
from steepest.theory.advice import Advice, advise
from steepest.theory.eigenvalues import spectrum
from steepest.theory.global_constants import Constants
from steepest.theory.noise_scale import gradient_noise_scale
from steepest.theory.sampling import sampling

_MOST_STEPS = 2000
_SAMPLE_ROWS = 20_000
_BEYOND = 1.1
_BATCH_ACCURACY = 1e-3


def diagnose(
    objective: Any,
    *,
    start: Params | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    steps: int = _MOST_STEPS,
    cluster: Any = None,
) -> Diagnosis:
    """What learning rate a loss allows, why, and whether a short run bears it out.

    Where the loss is, its curvature, the limits that follow, the method, learning rate, momentum, batch size and
    schedule that theory advises with the steps it predicts; then the advice and 1.1 × its limit are run, each beside
    its prediction. Everything depends on the arguments alone: the same call gives the same numbers.

    Data larger than memory are diagnosed on a sample of 20,000 rows, but for a linear model with squared error, whose
    curvature follows from one pass over all of them.

    Args:
        objective: an :class:`Objective`, an :class:`EmpiricalRisk`, or a function of the parameters (then ``start`` is
            needed).
        start: where descent would start; by default the objective's own.
        learning_rate: one of your own to be judged.
        seed: of the model's start.
        steps: at most how many steps the trial of the advice takes.
        cluster: where trials are run; see :func:`steepest.descend`.

    Returns:
        A :class:`Diagnosis`; print it, or take ``diagnosis.settings`` into ``descend``.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: an argument out of its range, or a loss without finite second derivatives at the start.

    Example:
        >>> import optax, steepest as sd
        >>> diagnosis = sd.diagnose(sd.landscapes.steep_bowl, learning_rate=0.105)
        >>> diagnosis.judgement.verdict, round(diagnosis.judgement.growth, 4)
        ('at the edge', 1.21)
        >>> sd.descend(sd.landscapes.steep_bowl, optax.sgd, steps=200, **diagnosis.settings).verdict.item()
        'converged'
    """
    subject = objective_axis(objective, start)
    if isinstance(subject, Axis):
        raise TypeError("diagnose takes one objective, got a dict of them; diagnose each by itself")
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise ValueError(f"steps must be a whole number from 1 up, got {steps!r}")
    if isinstance(subject, EmpiricalRisk) and subject.stream is not None and not subject.by_moments:
        subject = subject.sample(_SAMPLE_ROWS, seed)
    data = subject.sample(_SAMPLE_ROWS, seed) if isinstance(subject, EmpiricalRisk) and subject.stream else subject
    point = subject.initial(seed, np.dtype("float64")) if start is None else as_params(start, "start")
    names = feature_names(subject)
    before = spectrum(subject, point)
    known, why_not = known_constants(subject)
    place = {"start": point, "seed": seed, "cluster": cluster}
    chosen = settled(advise(subject, start=point), lambda rate: _attempt(subject, rate, place))
    advice = chosen.advice
    plain = advise(subject, momentum=0.0, start=point)
    steepest = steepest_part(before.leading_direction, names)
    trials = _trials(subject, advice, int(steps), place)
    after = _end(subject, trials[0])
    findings = data_findings(data, names or ()) if isinstance(data, EmpiricalRisk) else []
    return Diagnosis(
        in_words(subject, before.size),
        before,
        after,
        known,
        why_not,
        advice,
        chosen,
        _batches(data, known, advice, point),
        trials,
        None if learning_rate is None else judged(learning_rate, before, plain, steepest),
        tuple(findings + landscape_findings(before, after, trials[0].run)),
        steepest,
    )


def _attempt(objective: Descendable, rate: float, place: Mapping[str, Any]) -> Any:
    advice = advise(objective, start=place["start"])
    setting = replace(advice.setting, learning_rate=rate)
    return descend(objective, optax.sgd, steps=TRIAL_STEPS, progress=False, **place, **as_settings(setting))


def _trials(objective: Descendable, advice: Advice, most: int, place: Mapping[str, Any]) -> tuple[Trial, ...]:
    """The advice, and the same momentum with 1.1 times its limit."""
    predicted = advice.steps(1e-8)
    enough = most if not math.isfinite(predicted) else int(min(most, max(TRIAL_STEPS, 2 * predicted)))
    beyond = replace(advice.setting, learning_rate=_BEYOND * advice.limit)
    return (
        tried("the advice", objective, advice.setting, advice, enough, place),
        tried("1.1 × the limit", objective, beyond, advice, most, place),
    )


def _end(objective: Descendable, trial: Trial) -> Any:
    """Curvature where the trial ended; None where it went beyond all numbers."""
    try:
        return spectrum(objective, trial.run.params)
    except ValueError:
        return None


def _batches(objective: Descendable, known: Constants | None, advice: Advice, start: Params) -> Advice | None:
    """A batch size, and the learning rate that goes with it."""
    if not isinstance(objective, EmpiricalRisk) or objective.rows < 2:
        return None
    if known is not None and known.strong_convexity > 0 and known.convex:
        found = sampling(objective)
        squared = sum(
            float(np.sum((one - other) ** 2))
            for one, other in zip(jax.tree.leaves(start), jax.tree.leaves(found.optimum), strict=True)
        )
        if not squared:
            return None
        return advise(objective, momentum=0.0, batch_size=found.best_batch_size(_BATCH_ACCURACY * squared))
    scale = gradient_noise_scale(objective, start).simple
    if not math.isfinite(scale):
        return None
    size = int(np.clip(round(scale), 1, objective.rows))
    advice = advise(objective, momentum=0.0, batch_size=size, start=start)
    noted = f"{size} rows is the gradient noise scale at the start (McCandlish et al. 2018); {advice.why}"
    return replace(advice, why=noted)
