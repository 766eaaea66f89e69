"""``learning_rate="auto"``: the rate that theory advises, tried where nothing guarantees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optax

from steepest.batches import Plan
from steepest.descent.axes import Axis, is_number
from steepest.descent.hyperparameters import name_of
from steepest.objectives import Descendable
from steepest.theory.advice import Advice, advise
from steepest.theory.limits import contraction_factor

TRIAL_STEPS = 100
_MOST_HALVINGS = 40


@dataclass(frozen=True)
class Settled:
    """Advice whose learning rate has been tried, unless a theorem made that needless.

    Attributes:
        advice: with the learning rate that stood.
        halvings: how often the first one was halved until a short trial went down.
    """

    advice: Advice
    halvings: int

    @property
    def words(self) -> str:
        """What was chosen and why, in a sentence or two."""
        rate = self.advice.setting.learning_rate
        chosen = f"learning rate {rate:.6g} chosen: {self.advice.why}"
        if self.advice.guarantee:
            return f"{chosen}; {self.advice.guarantee}"
        return f"{chosen}; {self.tried}"

    @property
    def tried(self) -> str:
        """What the trial showed, where nothing guarantees the rate."""
        tried = f"halved {self.halvings} times until" if self.halvings else "kept because"
        return f"{tried} {TRIAL_STEPS} steps of it went down; nothing guarantees what comes after"


def settled(advice: Advice, attempt: Callable[[float], Any]) -> Settled:
    """The advice, its learning rate halved until a short trial neither diverges nor ends above its start.

    Args:
        advice: what theory says.
        attempt: learning rate → a Descent of one or several runs of :data:`TRIAL_STEPS` steps.

    Raises:
        ValueError: no learning rate goes down.
    """
    if advice.guarantee:
        return Settled(advice, 0)
    rate = advice.setting.learning_rate
    for halvings in range(_MOST_HALVINGS):
        if _went_down(attempt(rate)):
            return Settled(_with_rate(advice, rate), halvings)
        rate /= 2
    raise ValueError(
        f"no learning rate from {advice.setting.learning_rate:.3g} down to {rate:.3g} lowers the loss; check the "
        "gradient with steepest.check_gradient, or start elsewhere"
    )


def _went_down(trial: Any) -> bool:
    start, end = trial.loss.isel({trial.record_dimension: 0}).values, trial.final_loss.values
    # A run that leaves for a plateau far above its start has converged too.
    return bool(np.all((trial.verdict.values != "diverged") & (end <= start)))


def _with_rate(advice: Advice, rate: float) -> Advice:
    setting = advice.setting
    factor = contraction_factor(rate, advice.smoothness, advice.strong_convexity, setting.momentum, setting.nesterov)
    return replace(advice, setting=replace(setting, learning_rate=rate, contraction_factor=factor))


def automatic(
    objective: Descendable | Axis,
    method: Any,
    settings: dict[str, Any],
    batches: Plan | Axis | None,
    start: Any,
    attempt: Callable[[float], Any],
) -> Settled:
    """The learning rate for a call of ``descend`` with ``learning_rate="auto"``.

    Args:
        objective: of that call, once read.
        method: of that call.
        settings: its hyper-parameters, ``learning_rate`` among them.
        batches: its batch plan.
        start: where it starts; None for the objective's own start.
        attempt: learning rate → the Descent of a short trial of the same call.

    Raises:
        ValueError: another word than ``"auto"``, another method than ``optax.sgd``, or an axis along which the best
            learning rate would differ.
    """
    if settings["learning_rate"] != "auto":
        raise ValueError(
            f'learning_rate must be a number, a list, a schedule or "auto", got {settings["learning_rate"]!r}'
        )
    if method is not optax.sgd:
        name = "several methods" if isinstance(method, Axis) else name_of(method)
        raise ValueError(
            f'learning_rate="auto" knows optax.sgd, whose limit follows from the curvature, got {name}; '
            "give the learning rate of other methods as a number or a list"
        )
    momentum = settings.get("momentum")
    axes = {"objective": objective, "batch_size": batches, "momentum": momentum}
    for name, value in axes.items():
        if isinstance(value, Axis):
            raise _differs(name)
    if momentum is not None and not (is_number(momentum) and 0 <= float(momentum) < 1):
        raise ValueError(f'momentum must be from 0 to below 1 for learning_rate="auto", got {momentum!r}')
    assert not isinstance(objective, Axis)
    assert not isinstance(batches, Axis)
    advice = advise(
        objective,
        momentum=0.0 if momentum is None else float(momentum),
        nesterov=bool(settings.get("nesterov", False)),
        batch_size=None if batches is None else batches.width,
        start=None if isinstance(start, Axis) else start,
    )
    if advice.basis == "local" and isinstance(start, Axis):
        raise _differs("start")
    return settled(advice, attempt)


def _differs(name: str) -> ValueError:
    return ValueError(
        f'learning_rate="auto" chooses one rate, and {name} is an axis along which it would differ; '
        "descend its values one by one"
    )
