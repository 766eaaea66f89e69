"""The gradient noise scale of a module: from the gradients of single rows, or of batches where rows have none."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import grad, vmap

from steepest.theory.noise_scale import NoiseScale
from steepest.torch.functional import FAILURES, ModuleLoss

_ROWS_AT_ONCE = 256
_NUMBERS_AT_ONCE = 2**25
_ENOUGH_BATCHES = 8
_APART = 1e-2


def noise_scale_of(loss: ModuleLoss, gradient: Tensor) -> tuple[NoiseScale | None, str]:
    """(the gradient noise scale at the module's parameters, how it was found or why it is not known).

    From every row's own gradient where their mean is the gradient. Where it is not, as rows meet each other in batch
    norm or each batch has its own dropout mask, from how the gradients of the batches differ (McCandlish, Kaplan,
    Amodei & OpenAI Dota Team 2018, appendix A.1).

    Args:
        loss: of the module.
        gradient: of all rows.
    """
    squared = float(gradient @ gradient)
    at_once = min(_ROWS_AT_ONCE, _NUMBERS_AT_ONCE // gradient.numel())
    count = len(loss.batches.parts)
    # One row after the other of a large module would take longer than all the rest, and batches tell as well.
    mean_square = None if at_once < 2 and count >= _ENOUGH_BATCHES else _of_rows(loss, gradient, at_once)
    if mean_square is not None:
        trace = max(0.0, mean_square - squared)
        return _scale(squared, trace), f"from the gradient of each of {loss.batches.rows:,} rows"
    if count < 2:
        return None, (
            "unknown: rows have no gradients of their own here (batch norm, dropout, or a loss that is no mean over "
            "rows), and there is one batch; give a DataLoader of several batches, or batch_size"
        )
    spread = 0.0
    for number, (x, _) in enumerate(loss.batches.parts):
        apart = loss.gradient_of_batch(loss.start, number)[1] - gradient
        spread += len(x) * float(apart @ apart)
    return _scale(squared, spread / (count - 1)), f"estimated from the gradients of {count:,} batches"


def _scale(squared: float, trace: float) -> NoiseScale:
    return NoiseScale(squared, trace, trace / squared if squared else math.inf, None)


def _of_rows(loss: ModuleLoss, gradient: Tensor, at_once: int) -> float | None:
    """Mean of ‖∇fᵢ‖² over the rows; None where the mean of ∇fᵢ is not the gradient."""
    for gradients in (_mapped, _looped) if at_once > 1 else (_looped,):
        squares, together, rows = 0.0, torch.zeros_like(gradient), 0
        try:
            for found in gradients(loss, at_once):
                squares += float((found * found).sum())
                together += found.sum(dim=0)
                rows += len(found)
        except FAILURES:
            continue
        apart = float((together / rows - gradient).norm())
        # Gradients that cancel each other leave rounding of their own size.
        rounding = 1e3 * loss.epsilon * math.sqrt(squares / rows)
        return squares / rows if apart <= _APART * loss.epsilon**0.25 * float(gradient.norm()) + rounding else None
    return None


def _mapped(loss: ModuleLoss, at_once: int) -> Iterator[Tensor]:
    """Gradients of some rows at a time, shape (rows, n)."""

    def of_row(flat: Tensor, x: Tensor, y: Tensor) -> Tensor:
        found: Tensor = loss.at(flat, x[None], y[None]).reshape(())
        return found

    of_rows = vmap(grad(of_row), in_dims=(None, 0, 0), randomness="different")
    for x, y in loss.batches.parts:
        for xs, ys in zip(torch.split(x, at_once), torch.split(y, at_once), strict=True):
            yield of_rows(loss.start, *loss.placed(xs, ys)).detach()


def _looped(loss: ModuleLoss, at_once: int) -> Iterator[Tensor]:
    """The same one by one, for what cannot be mapped over rows."""
    for x, y in loss.batches.parts:
        for xs, ys in zip(torch.split(x, 1), torch.split(y, 1), strict=True):
            point = loss.start.detach().requires_grad_(True)
            value = loss.at(point, *loss.placed(xs, ys)).reshape(())
            yield torch.autograd.grad(value, point)[0][None]
