"""A short run of SGD on a copy of the parameters, beside what the curvature predicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from steepest.theory.advice import Advice
from steepest.theory.limits import contraction_factor
from steepest.torch.functional import ModuleLoss
from steepest.torch.result import ModuleTrial, Recommendation

_MOST_HALVINGS = 40
_BLOWN_UP = 1e6


class FirstStep:
    """What one step of descent on all rows does to the loss: L − η|G|² + η²GᵀHG/2 but for higher orders."""

    def __init__(self, loss: ModuleLoss, value: float, gradient: Tensor, product: Callable[[Tensor], Tensor]) -> None:
        self._loss = loss
        self.value = value
        self._gradient = gradient
        self._squared = float(gradient @ gradient)
        self._curved = float(gradient @ product(gradient))

    def predicted(self, learning_rate: float) -> float:
        """By the gradient and the curvature in its direction."""
        return self.value - learning_rate * self._squared + learning_rate**2 * self._curved / 2

    def measured(self, learning_rate: float) -> float:
        """The loss after that step."""
        return self._loss.loss(self._loss.start - learning_rate * self._gradient)


def tried(name: str, loss: ModuleLoss, first: FirstStep, rate: float, advice: Advice, steps: int) -> ModuleTrial:
    """SGD from the module's parameters, a batch a step, around again where they end.

    Args:
        name: what the trial is called.
        loss: of the module.
        first: what is known of the first step.
        rate: the learning rate.
        advice: whose momentum is used, and whose curvature the prediction rests on.
        steps: at most; fewer where the loss is a million times what it was.
    """
    momentum = advice.setting.momentum
    point = loss.start.clone()
    # The arithmetic of torch.optim.SGD, of which the whole vector is one parameter.
    method = torch.optim.SGD([point], lr=rate, momentum=momentum)
    curve: list[float] = []
    for step in range(steps):
        value, gradient = loss.gradient_of_batch(point, step % len(loss.batches.parts))
        curve.append(value)
        if not math.isfinite(value) or abs(value) > _BLOWN_UP * max(1.0, abs(first.value)):
            break
        point.grad = gradient
        method.step()
    end = loss.loss(point)
    prediction = "uncertain"
    if advice.quadratic and rate > advice.limit:
        prediction = "diverges"
    elif advice.convex and rate < advice.limit and len(loss.batches.parts) == 1:
        prediction = "goes down"
    return ModuleTrial(
        name, rate, momentum, prediction, first.value, end, len(curve), len(loss.batches.parts),
        first.predicted(rate), first.measured(rate), tuple(curve),
    )  # fmt: skip


def recommended(name: str, loss: ModuleLoss, first: FirstStep, advice: Advice, steps: int) -> Recommendation:
    """The advice, its learning rate halved until a trial of it goes down.

    Where nothing guarantees the advice it is halved further, for as long as the loss then ends lower: with momentum
    the curvature at the start says little of a rate that carries on in one direction.

    Raises:
        ValueError: no learning rate goes down.
    """
    rate = advice.setting.learning_rate
    kept: Recommendation | None = None
    for halvings in range(_MOST_HALVINGS):
        trial = tried(name, loss, first, rate, advice, steps)
        if kept is not None and not trial.end_loss < kept.trial.end_loss:
            return kept
        if trial.went_down:
            kept = Recommendation(_with_rate(advice, rate), halvings, trial)
            if advice.guarantee:
                return kept
        rate /= 2
    if kept is not None:
        return kept
    raise ValueError(
        f"no learning rate from {advice.setting.learning_rate:.3g} down to {rate:.3g} lowers the loss in {steps} "
        "steps; the parameters may stand at a minimum or on a kink of the loss, so start elsewhere"
    )


def _with_rate(advice: Advice, rate: float) -> Advice:
    setting = advice.setting
    factor = contraction_factor(rate, advice.smoothness, advice.strong_convexity, setting.momentum, setting.nesterov)
    return replace(advice, setting=replace(setting, learning_rate=rate, contraction_factor=factor))
