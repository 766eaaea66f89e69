"""The steps of a diagnosis of a module, once its arguments are known to be right."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from steepest.diagnosis.findings import Finding
from steepest.diagnosis.judgement import judged
from steepest.theory.advice import Advice, advise_from
from steepest.theory.eigenvalues import Spectrum
from steepest.theory.lanczos import Eigenvalue
from steepest.theory.limits import learning_rate_limit
from steepest.torch.batches import Batches, collected, data_findings
from steepest.torch.curvature import Products, hessian_products, same_elsewhere, spectrum_of
from steepest.torch.functional import ModuleLoss
from steepest.torch.noise import noise_scale_of
from steepest.torch.precision import loss_of, mean_findings, mean_over_rows
from steepest.torch.result import ModuleDiagnosis, ModuleTrial
from steepest.torch.surroundings import as_found
from steepest.torch.trial import FirstStep, recommended, tried, without_curvature

_BEYOND = 1.1
_TOLERANCE = 1e-4
_COARSEST = 0.05
_ROUNDINGS = 10
_NEGATIVE = 1e-3


def diagnosed(
    module: torch.nn.Module,
    loss_fn: Any,
    data: Any,
    learning_rate: float | None,
    momentum: float,
    mode: str,
    batch_size: int | None,
    most_rows: int,
    dtype: torch.dtype | None,
    tolerance: float | None,
    most_products: int,
    steps: int,
    seed: int,
) -> ModuleDiagnosis:
    """See :func:`steepest.torch.diagnose`."""
    with as_found(data, module, loss_fn):
        batches = collected(data, most_rows, batch_size, seed)
        loss, precision = loss_of(module, loss_fn, batches, mode, dtype, seed)
        products = hessian_products(loss)
        # Products of float32 are not exact enough for the tolerance of float64.
        fit = min(_COARSEST, max(_TOLERANCE, 1e4 * products.epsilon)) if tolerance is None else tolerance
        name = type(module).__name__
        found, gradient = spectrum_of(loss, products, fit, most_products, seed, name)
        first = FirstStep(loss, found.loss, gradient, products.at(loss.start))
        found = _without_rounding(found, loss, products)
        flat = not found.largest.value and not found.smallest.value
        quadratic = not flat and same_elsewhere(loss, products, seed)
        advice = [_advice(found, first, value, flat, quadratic) for value in (0.0, momentum)]
        plain = recommended("SGD", loss, first, advice[0], steps)
        beyond = _beyond(loss, first, advice[0], steps) if math.isfinite(advice[0].limit) else None
        noise, noise_words = noise_scale_of(loss, gradient)
        steepest = _steepest(found)
        return ModuleDiagnosis(
            f"{name} with {getattr(loss_fn, '__name__', type(loss_fn).__name__)}, {found.size:,} trainable parameters",
            _rows(loss),
            mode,
            precision,
            products.how,
            found,
            quadratic,
            plain,
            recommended(f"momentum {momentum:g}", loss, first, advice[1], steps),
            beyond,
            noise,
            noise_words,
            None if noise is None or not math.isfinite(noise.simple) else _batch_size(noise.simple, batches),
            steepest,
            None if learning_rate is None else judged(learning_rate, found, plain.advice, steepest),
            (*_curvature_findings(found, quadratic), *mean_findings(loss), *data_findings(batches)),
        )


def _without_rounding(found: Spectrum, loss: ModuleLoss, products: Products) -> Spectrum:
    """The same, with a curvature of 0 where all there is of it is less than the gradient's rounding.

    That is, over a distance as long as the parameters are. A largest one that is rounding of the smallest is 0 too.
    """
    if 0 < found.largest.value <= _ROUNDINGS * products.epsilon * abs(found.smallest.value):
        return replace(found, largest=Eigenvalue(0.0, found.largest.residual))
    largest = max(abs(found.largest.value), abs(found.smallest.value))
    if largest * max(1.0, float(loss.start.norm())) > _ROUNDINGS * products.epsilon * found.gradient_norm:
        return found
    return replace(found, largest=Eigenvalue(0.0, 0.0), smallest=Eigenvalue(0.0, 0.0), converged=True)


def _advice(found: Spectrum, first: FirstStep, momentum: float, flat: bool, quadratic: bool) -> Advice:
    if flat:
        return without_curvature(first, momentum)
    advice = advise_from(found, momentum, quadratic=quadratic)
    if found.largest.value >= abs(found.smallest.value):
        return advice
    # The rate is of the larger curvature in either sense, the limit of the largest: nothing leaves what curves down.
    if found.largest.value <= 0:
        why = "one over the size of the curvature at the start, which is negative and sets no limit"
        return replace(advice, limit=math.inf, why=why)
    return replace(advice, limit=learning_rate_limit(found.largest.value, momentum))


def _curvature_findings(found: Spectrum, quadratic: bool) -> list[Finding]:
    """That there is no minimum, or that nothing points to one."""
    smallest, largest = found.smallest.value, found.largest.value
    if smallest >= -_NEGATIVE * abs(largest) - found.smallest.residual or not (quadratic or largest <= 0):
        return []
    if quadratic:
        what = (
            f"the loss has no minimum: its curvature is {smallest:.3g} along some direction, the same at two other "
            "points, so that it falls along that direction without end"
        )
    else:
        what = f"the loss curves downwards in every direction at the start, from {smallest:.3g} to {largest:.3g}"
    remedy = (
        "check the sign of loss_fn: what is to become large has to be given with a minus, what is to become small "
        "without; the rates advised are those of a loss that falls ever faster"
    )
    return [Finding("negative curvature", what, remedy)]


def _beyond(loss: ModuleLoss, first: FirstStep, advice: Advice, steps: int) -> ModuleTrial:
    return tried("1.1 × the limit", loss, first, _BEYOND * advice.limit, advice, steps)


def _rows(loss: ModuleLoss) -> str:
    """Which rows, and what the loss of all of them is where that is not plain."""
    if len(loss.batches.parts) == 1 or mean_over_rows(loss):
        return loss.batches.words
    return (
        f"{loss.batches.words}; the loss of some batch is not the mean over its rows (class weights, targets to be "
        "ignored), so that of all rows is taken to be the mean of the batches' losses, as training has it: other "
        "batches give other numbers"
    )


def _batch_size(noise_scale: float, batches: Batches) -> int:
    """The noise scale as a whole number of rows, no more than there are."""
    return max(1, min(round(noise_scale), batches.available or round(noise_scale)))


def _steepest(found: Spectrum) -> str:
    if not found.largest.value and not found.smallest.value:
        return "no direction is curved"
    shares = {name: float((part**2).sum()) for name, part in found.leading_direction.items()}
    name = max(shares, key=shares.__getitem__)
    return f"{name} carries {shares[name] / (sum(shares.values()) or 1.0):.0%} of the direction of largest curvature"
