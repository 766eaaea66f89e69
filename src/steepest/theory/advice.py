"""What theory advises: method, learning rate and momentum for a loss, and what guarantees them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from steepest.objectives import Params
from steepest.theory.eigenvalues import Spectrum, spectrum
from steepest.theory.global_constants import Constants, UnknownConstants, constants
from steepest.theory.limits import Setting, learning_rate_limit, steps_to
from steepest.theory.sampling import expected_smoothness
from steepest.theory.settings import (
    CUSTOMARY_MOMENTUM,
    best_setting,
    rated,
    setting_for_momentum,
    setting_without_convexity,
)

# Below this share of L a smallest curvature is rounding and not curvature.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Advice:
    """A setting and where it is from.

    Attributes:
        setting: learning rate, momentum, and the contraction factor predicted.
        limit: the learning rate at which descent with this momentum stops converging; on a loss that is not quadratic
            the one of the curvature ``smoothness``.
        smoothness: L, the curvature the setting is made for.
        strong_convexity: μ; 0 where there is none to count on.
        basis: ``"global"``: L and μ hold everywhere; ``"local"``: they were measured at one point.
        convex: whether the loss is known to be convex.
        quadratic: whether the loss is a quadratic, so that limit and contraction are exact.
        guarantee: the theorem that promises convergence; empty where nothing does.
        why: one sentence.
        batch_size: rows of a step; None for all.
        schedule: what to do with the learning rate over time.
    """

    setting: Setting
    limit: float
    smoothness: float
    strong_convexity: float
    basis: str
    convex: bool
    quadratic: bool
    guarantee: str
    why: str
    batch_size: int | None = None
    schedule: str = "constant"

    @property
    def method(self) -> str:
        """The method in words."""
        if not self.setting.momentum:
            return "gradient descent"
        return "Nesterov's method" if self.setting.nesterov else "heavy ball"

    def steps(self, accuracy: float = 1e-6) -> float:
        """Steps until the distance to the minimiser is ``accuracy`` times what it was; infinite if unknown."""
        return steps_to(accuracy, self.setting.contraction_factor)


def advise(
    objective: Any,
    *,
    momentum: float | None = None,
    nesterov: bool = False,
    batch_size: int | None = None,
    start: Params | None = None,
) -> Advice:
    """The setting of ``optax.sgd`` that theory advises for an objective.

    Where L and μ are known globally (:func:`constants`), the advice comes with the theorem that guarantees it.
    Elsewhere it rests on the curvature at the start, and says so: that curvature can grow along the way.

    Args:
        objective: a Descendable.
        momentum: β to choose the learning rate for; None leaves the momentum to the advice.
        nesterov: whether that momentum is Nesterov's.
        batch_size: rows of each step; None for all of them.
        start: where the curvature is measured if it must be; by default the objective's own start.

    Raises:
        ValueError: a loss without curvature anywhere near the start, or one that is not twice differentiable.

    Example:
        >>> import steepest as sd
        >>> advice = sd.theory.advise(sd.landscapes.steep_bowl, momentum=0.0)
        >>> round(advice.setting.learning_rate * 22, 12), round(advice.limit, 12), advice.guarantee[:22]
        (2.0, 0.1, 'Nesterov 2004, theorem')
    """
    known = _known(objective)
    advice = _local(objective, start, momentum, nesterov) if known is None else _global(known, momentum, nesterov)
    return advice if batch_size is None else _with_batches(advice, objective, known, batch_size)


def _known(objective: Any) -> Constants | None:
    try:
        found = constants(objective)
    except UnknownConstants:
        return None
    return found if found.smoothness > 0 else None


def _global(known: Constants, momentum: float | None, nesterov: bool) -> Advice:
    strong = known.strong_convexity if known.strong_convexity > _NOTHING * known.smoothness else 0.0
    if known.convex:
        setting, guarantee, why = best_setting(known.smoothness, strong, known.quadratic, momentum, nesterov)
    else:
        setting, guarantee, why = setting_without_convexity(known.smoothness, momentum or 0.0, nesterov)
    return Advice(
        setting,
        learning_rate_limit(known.smoothness, setting.momentum, setting.nesterov),
        known.smoothness,
        strong,
        "global",
        known.convex,
        known.quadratic,
        guarantee,
        why,
    )


def _local(objective: Any, start: Params | None, momentum: float | None, nesterov: bool) -> Advice:
    """From the curvature at the start."""
    own = momentum if momentum is not None else (CUSTOMARY_MOMENTUM if objective.rows else 0.0)
    return advise_from(spectrum(objective, start), own, nesterov)


def advise_from(found: Spectrum, momentum: float, nesterov: bool = False, *, quadratic: bool = False) -> Advice:
    """The setting that the curvature at one point advises, of a loss of which nothing else is known.

    With ``quadratic`` the curvature is taken to be the same everywhere.

    Raises:
        ValueError: there is no curvature.

    >>> import steepest as sd
    >>> found = sd.theory.spectrum(sd.landscapes.steep_bowl)
    >>> round(advise_from(found, 0.0).setting.learning_rate, 12)  # 1/20
    0.05
    >>> round(advise_from(found, 0.0, quadratic=True).setting.learning_rate * 22, 12)  # 2/(2 + 20)
    2.0
    """
    steepness = _steepness(found)
    if steepness == 0:
        raise ValueError(
            f"{found.objective!r} has no curvature where it starts, so theory cannot tell a learning rate; start "
            "elsewhere, or give learning_rate as a number"
        )
    strong = found.smallest.value if found.smallest.value > _NOTHING * steepness else 0.0
    convex = quadratic and found.smallest.value >= -max(found.rounding, found.smallest.residual)
    if convex:
        strong = strong if found.best_learning_rate is not None else 0.0
        setting, guarantee, why = setting_for_momentum(steepness, strong, True, momentum, nesterov)
    else:
        setting, guarantee = rated(1 / steepness, steepness, strong, momentum, nesterov), ""
        why = "one over the curvature at the start, which is all that is known and can grow along the way"
    limit = learning_rate_limit(steepness, momentum, nesterov)
    return Advice(setting, limit, steepness, strong, "local", convex, quadratic, guarantee, why)


def _steepness(found: Spectrum) -> float:
    """The largest curvature in either sense, with what Lanczos may have missed of it."""
    seen = max(abs(found.largest.value), abs(found.smallest.value))
    return seen + found.largest.residual if seen else 0.0


def _with_batches(advice: Advice, objective: Any, known: Constants | None, batch_size: int) -> Advice:
    """The same for steps on batches, which are noisier: a smaller learning rate."""
    rows, momentum = objective.rows, advice.setting.momentum
    if known is None or known.largest_row_smoothness is None:
        return replace(
            advice,
            batch_size=batch_size,
            why="the rate is that of all rows, as how much the noise of batches asks for is unknown without constants",
            schedule="constant, then decay it when the loss levels off",
        )
    expected = expected_smoothness(known.smoothness, known.largest_row_smoothness, rows, batch_size)
    rate = (1 - momentum) / (2 * expected)
    guarantee = (
        "Gower et al. 2019, theorem 3.1: the squared distance to the minimiser shrinks by 1 − ημ a step, down to a "
        "floor of 2ησ²/μ"
        if advice.strong_convexity and not momentum
        else ""
    )
    return replace(
        advice,
        setting=rated(rate, known.smoothness, advice.strong_convexity, momentum, advice.setting.nesterov),
        batch_size=batch_size,
        guarantee=guarantee,
        why=f"1/(2E) with the expected smoothness E = {expected:.4g} of batches of {batch_size} rows"
        + (", times 1 − β for the momentum" if momentum else ""),
        schedule="constant down to the noise floor, then like 1/t"
        if advice.strong_convexity
        else "η/√t with averaged iterates",
    )


def finite_steps(steps: float) -> str:
    """Steps in words: a whole number with separators, or that there is no telling.

    >>> finite_steps(1234.0), finite_steps(math.inf)
    ('1,234', 'unknown')
    """
    return f"{steps:,.0f}" if math.isfinite(steps) else "unknown"
