"""The steps of a diagnosis of a module, once its arguments are known to be right."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from steepest.diagnosis.judgement import judged
from steepest.theory.advice import Advice, advise_from
from steepest.theory.eigenvalues import Spectrum
from steepest.theory.lanczos import Eigenvalue
from steepest.torch.batches import Batches, collected
from steepest.torch.curvature import Products, hessian_products, same_elsewhere, spectrum_of
from steepest.torch.functional import ModuleLoss
from steepest.torch.noise import noise_scale_of
from steepest.torch.precision import loss_of, mean_over_rows
from steepest.torch.result import ModuleDiagnosis, ModuleTrial
from steepest.torch.surroundings import as_found
from steepest.torch.trial import FirstStep, recommended, tried, without_curvature

_BEYOND = 1.1
_TOLERANCE = 1e-4
_COARSEST = 0.05
_ROUNDINGS = 10


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
        with_momentum = recommended(f"momentum {momentum:g}", loss, first, advice[1], steps)
        beyond = None if flat else _beyond(loss, first, advice[0], steps)
        noise, noise_words = noise_scale_of(loss, gradient)
        steepest = "no direction is curved" if flat else _steepest(found)
        return ModuleDiagnosis(
            f"{name} with {getattr(loss_fn, '__name__', type(loss_fn).__name__)}, {found.size:,} trainable parameters",
            _rows(loss),
            mode,
            precision,
            products.how,
            found,
            quadratic,
            plain,
            with_momentum,
            beyond,
            noise,
            noise_words,
            None if noise is None or not math.isfinite(noise.simple) else _batch_size(noise.simple, batches),
            steepest,
            None if learning_rate is None else judged(learning_rate, found, plain.advice, steepest),
        )


def _without_rounding(found: Spectrum, loss: ModuleLoss, products: Products) -> Spectrum:
    """The same, with a curvature of 0 where all there is of it is less than the gradient's rounding.

    That is, over a distance as long as the parameters are.
    """
    largest = max(abs(found.largest.value), abs(found.smallest.value))
    if largest * max(1.0, float(loss.start.norm())) > _ROUNDINGS * products.epsilon * found.gradient_norm:
        return found
    return replace(found, largest=Eigenvalue(0.0, 0.0), smallest=Eigenvalue(0.0, 0.0), converged=True)


def _advice(found: Spectrum, first: FirstStep, momentum: float, flat: bool, quadratic: bool) -> Advice:
    return without_curvature(first, momentum) if flat else advise_from(found, momentum, quadratic=quadratic)


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
    shares = {name: float((part**2).sum()) for name, part in found.leading_direction.items()}
    name = max(shares, key=shares.__getitem__)
    return f"{name} carries {shares[name] / (sum(shares.values()) or 1.0):.0%} of the direction of largest curvature"
