"""The steps of a diagnosis of a module, once its arguments are known to be right."""

from __future__ import annotations

import math
from typing import Any

import torch

from steepest.diagnosis.judgement import judged
from steepest.theory.advice import advise_from
from steepest.theory.eigenvalues import Spectrum
from steepest.torch.batches import Batches, collected
from steepest.torch.curvature import hessian_products, same_elsewhere, spectrum_of
from steepest.torch.noise import noise_scale_of
from steepest.torch.precision import loss_of
from steepest.torch.result import ModuleDiagnosis
from steepest.torch.surroundings import as_found
from steepest.torch.trial import FirstStep, recommended, tried

_BEYOND = 1.1
_TOLERANCE = 1e-4
_COARSEST = 0.05


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
    with as_found(data, module):
        batches = collected(data, most_rows, batch_size, seed)
        loss, precision = loss_of(module, loss_fn, batches, mode, dtype, seed)
        products = hessian_products(loss)
        # Products of float32 are not exact enough for the tolerance of float64.
        fit = min(_COARSEST, max(_TOLERANCE, 1e4 * products.epsilon)) if tolerance is None else tolerance
        name = type(module).__name__
        found, gradient = spectrum_of(loss, products, fit, most_products, seed, name)
        quadratic = same_elsewhere(loss, products, seed)
        first = FirstStep(loss, found.loss, gradient, products.at(loss.start))
        advice = [advise_from(found, value, quadratic=quadratic) for value in (0.0, momentum)]
        plain = recommended("SGD", loss, first, advice[0], steps)
        with_momentum = recommended(f"momentum {momentum:g}", loss, first, advice[1], steps)
        beyond = tried("1.1 × the limit", loss, first, _BEYOND * advice[0].limit, advice[0], steps)
        noise, noise_words = noise_scale_of(loss, gradient)
        steepest = _steepest(found)
        return ModuleDiagnosis(
            f"{name} with {getattr(loss_fn, '__name__', type(loss_fn).__name__)}, {found.size:,} trainable parameters",
            batches.words,
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


def _batch_size(noise_scale: float, batches: Batches) -> int:
    """The noise scale as a whole number of rows that there are."""
    return max(1, min(round(noise_scale), batches.available or batches.rows))


def _steepest(found: Spectrum) -> str:
    shares = {name: float((part**2).sum()) for name, part in found.leading_direction.items()}
    name = max(shares, key=shares.__getitem__)
    return f"{name} carries {shares[name] / (sum(shares.values()) or 1.0):.0%} of the direction of largest curvature"
