"""A short run of SGD on a copy of the parameters, beside what the curvature predicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from steepest.theory.advice import Advice
from steepest.theory.limits import Setting, contraction_factor
from steepest.torch.functional import ModuleLoss
from steepest.torch.result import ModuleTrial, Recommendation

_MOST_HALVINGS = 40
_BLOWN_UP = 1e6
_ROUNDINGS = 10


def noise_allowance(rate: float, momentum: float, noise: float) -> float:
    """How far above a minimum of a quadratic steps on batches may leave the loss: η·tr C/(1 − β).

    Along an eigenvector of eigenvalue λ such steps are an autoregression of second order. With gradients of covariance
    C its variance leaves the loss on average Σ ηCᵢᵢ(1 + β)/(2 (1 − β)(2 (1 + β) − ηλᵢ)) above the minimum. Up to half
    the limit, ηλ ≤ 1 + β, that is no more than η·tr C/(2 (1 − β)). A single run may end above its average, and twice
    that is allowed.

    Args:
        rate: η.
        momentum: β.
        noise: tr C, of the gradients of batches.

    >>> noise_allowance(0.25, 0.5, 2.0)
    1.0
    """
    return rate * noise / (1 - momentum)


class FirstStep:
    """What one step of descent on all rows does to the loss: L − η|G|² + η²GᵀHG/2 but for higher orders.

    Attributes:
        value: L, the loss at the start.
        squared: |G|², of its gradient.
        noise: tr C, of the gradients of the batches there; 0 of a single one.
    """

    def __init__(self, loss: ModuleLoss, value: float, gradient: Tensor, product: Callable[[Tensor], Tensor]) -> None:
        self._loss = loss
        self.value = value
        self._gradient = gradient
        self.squared = float(gradient @ gradient)
        self.noise = _noise(loss, gradient) if len(loss.batches.parts) > 1 else 0.0
        self._curved = float(gradient @ product(gradient))

    def predicted(self, learning_rate: float) -> float:
        """By the gradient and the curvature in its direction."""
        return self.value - learning_rate * self.squared + learning_rate**2 * self._curved / 2

    def measured(self, learning_rate: float) -> float:
        """The loss after that step."""
        return self._loss.loss(self._loss.start - learning_rate * self._gradient)

    def rounding(self, smoothness: float) -> float:
        """What the loss may change by without a reason: of its own size, and of parameters on a curvature."""
        own = _ROUNDINGS * self._loss.epsilon * abs(self.value)
        return own + smoothness * (_ROUNDINGS * self._loss.epsilon * float(self._loss.start.norm())) ** 2


def _noise(loss: ModuleLoss, gradient: Tensor) -> float:
    """Mean of ‖G_b − G‖² over the batches, each with its rows."""
    found = 0.0
    for number, share, _, _ in loss.batches.weighted():
        apart = loss.gradient_of_batch(loss.start, number)[1] - gradient
        found += share * float(apart @ apart)
    return found


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
    rounding = first.rounding(advice.smoothness)
    prediction = "uncertain"
    if not first.noise and abs(first.predicted(rate) - first.value) <= rounding:
        pass  # at the minimum nothing moves, whatever the rate
    elif advice.quadratic and rate > advice.limit:
        prediction = "diverges"
    elif advice.convex and rate < advice.limit and len(loss.batches.parts) == 1:
        prediction = "goes down"
    return ModuleTrial(
        name, rate, momentum, prediction, first.value, end, len(curve), len(loss.batches.parts),
        first.predicted(rate), first.measured(rate), tuple(curve),
        rounding + noise_allowance(rate, momentum, first.noise),
    )  # fmt: skip


def recommended(name: str, loss: ModuleLoss, first: FirstStep, advice: Advice, steps: int) -> Recommendation:
    """The advice, its learning rate halved until a trial of it goes down, or no further up than its allowance.

    Where nothing guarantees the advice it is halved further, for as long as the loss then ends lower: with momentum
    the curvature at the start says little of a rate that carries on in one direction. Lower is what the smaller
    allowance of half the rate does not explain: near a minimum the noise of batches alone ends lower at any half.

    Raises:
        ValueError: no learning rate goes down.
    """
    rate = advice.setting.learning_rate
    rounding = first.rounding(advice.smoothness)
    kept: Recommendation | None = None
    for halvings in range(_MOST_HALVINGS):
        trial = tried(name, loss, first, rate, advice, steps)
        if kept is not None:
            explained = max(rounding, kept.trial.allowance - trial.allowance)
            if not trial.end_loss < kept.trial.end_loss - explained:
                return kept
        if trial.held:
            kept = Recommendation(_with_rate(advice, rate), halvings, trial)
            if advice.guarantee:
                return kept
        rate /= 2
    if kept is not None:
        return kept
    raise ValueError(
        f"no learning rate from {advice.setting.learning_rate:.3g} down to {rate:.3g} lowers the loss in {steps} "
        "steps; the parameters may stand on a kink of the loss, so start elsewhere"
    )


def without_curvature(first: FirstStep, momentum: float) -> Advice:
    """The advice where there is a slope and no curvature: a rate to try.

    A step of η along a straight line lowers the loss by η|G|², so that η = L/|G|² takes it to zero (Polyak 1987); with
    momentum the steps add up to 1/(1 − β) of that.

    Raises:
        ValueError: no slope either.
    """
    if not first.squared > 0:
        raise ValueError(
            "the loss has neither slope nor curvature at the module's parameters, so nothing tells a learning rate; "
            "start elsewhere, or look for an activation or a loss that is flat there"
        )
    # A loss of zero does not tell how far to go.
    rate = (1 - momentum) * (abs(first.value) or 1.0) / first.squared
    why = "one step along the straight line that the loss is here takes the loss to zero, and no curvature limits it"
    if momentum:
        why += "; times 1 − β for the momentum"
    setting = Setting(rate, momentum, False, 1.0)
    return Advice(setting, math.inf, 0.0, 0.0, "local", False, False, "", why)


def _with_rate(advice: Advice, rate: float) -> Advice:
    setting = advice.setting
    if not advice.smoothness:
        return replace(advice, setting=replace(setting, learning_rate=rate))
    factor = contraction_factor(rate, advice.smoothness, advice.strong_convexity, setting.momentum, setting.nesterov)
    return replace(advice, setting=replace(setting, learning_rate=rate, contraction_factor=factor))
