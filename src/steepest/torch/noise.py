"""The gradient noise scale of a module: from the gradients of single rows, or of batches where rows have none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vmap

from steepest.theory.noise_scale import NoiseScale
from steepest.torch.functional import FAILURES, ModuleLoss

_ROWS_AT_ONCE = 256
_NUMBERS_AT_ONCE = 2**25
_ENOUGH_BATCHES = 8
_APART = 1e-2
_FEWEST_UNITS = 3
_SPREADS = 2


class Units(NamedTuple):
    """Gradients of rows, or of batches of them, by what is needed of each.

    Attributes:
        sizes: rows of each, shape (K,).
        squares: ‖g‖² of each, shape (K,).
        products: g·G of each with the gradient of all of them, shape (K,).
        squared: ‖G‖².
    """

    sizes: Tensor
    squares: Tensor
    products: Tensor
    squared: float


def noise_scale_of(loss: ModuleLoss, gradient: Tensor) -> tuple[NoiseScale | None, str]:
    """(the gradient noise scale at the module's parameters, how it was found or why it is not known).

    From every row's own gradient where their mean is the gradient. Where it is not, as rows meet each other in batch
    norm or each batch has its own dropout mask, from how the gradients of the batches differ (McCandlish, Kaplan,
    Amodei & OpenAI Dota Team 2018, appendix A.1).

    Of rows that were drawn it is an estimate of that of all rows. Where their gradient cannot be told from their
    noise, there is a bound in words and no number.

    Args:
        loss: of the module.
        gradient: of all rows.
    """
    at_once = min(_ROWS_AT_ONCE, _NUMBERS_AT_ONCE // gradient.numel())
    count = len(loss.batches.parts)
    # One row after the other of a large module would take longer than all the rest, and batches tell as well.
    units = None if at_once < 2 and count >= _ENOUGH_BATCHES else _of_rows(loss, gradient, at_once)
    if units is not None:
        return _told(units, loss.batches.available, f"from the gradient of each of {loss.batches.rows:,} rows")
    if count < 2:
        return None, (
            "unknown: rows have no gradients of their own here (batch norm, dropout, or a loss that is no mean over "
            "rows), and there is one batch; give a DataLoader of several batches, or batch_size"
        )
    units = _of_batches(loss, gradient)
    return _told(units, loss.batches.available, f"estimated from the gradients of {count:,} batches")


def noise_of(units: Units, available: int | None) -> tuple[NoiseScale, float, float]:
    """(an estimate of the noise scale of all the rows there are, the spread of its ‖G‖², that of its tr Σ).

    tr Σ from how the K gradients differ, K − 1 in the divisor. The ‖G‖² of n rows drawn of N is on average too large
    by (1 − n/N) tr Σ/n, which is subtracted, so that it may fall below 0; of all rows it is what it is. The spreads
    are the jackknife's standard errors.

    Args:
        units: of n rows in all.
        available: N; None for as many as you like.
    """
    sizes, squares, products, squared = units
    rows, count = float(sizes.sum()), len(sizes)
    unseen = 1.0 if available is None else 1 - rows / available
    total = float((sizes * squares).sum())
    spread_of_rows = max(0.0, total - rows * squared) / max(1, count - 1)
    unbiased = squared - unseen * spread_of_rows / rows
    # A mean over all rows there are divides by N, as Σ is defined.
    trace = spread_of_rows * (1 - 1 / available if available else 1.0)
    scale = NoiseScale(unbiased, trace, trace / unbiased if unbiased > 0 else math.inf, None)
    if not unseen:
        return scale, 0.0, 0.0
    if count < _FEWEST_UNITS:
        return scale, math.inf, math.inf
    fewer = rows - sizes
    without = (rows**2 * squared - 2 * rows * sizes * products + sizes**2 * squares) / fewer**2
    rests = (total - sizes * squares - fewer * without) / (count - 2)
    of_squares, of_traces = (
        math.sqrt(unseen * (count - 1) * float(estimates.var(correction=0)))
        for estimates in (without - unseen * rests / fewer, rests)
    )
    return scale, of_squares, of_traces


def _told(units: Units, available: int | None, source: str) -> tuple[NoiseScale | None, str]:
    """The noise scale with how sure it is, in words."""
    scale, spread, of_trace = noise_of(units, available)
    if not scale.trace or not spread:
        return scale, source
    more = "give more rows (most_rows), whose mean is less noisy"
    if math.isinf(spread):
        return None, f"unknown: {source}, which is too few; {more}"
    low, high = (scale.squared_gradient_norm + sign * _SPREADS * spread for sign in (-1, 1))
    least = max(0.0, scale.trace - _SPREADS * of_trace) / max(high, _SPREADS * spread)
    if low <= 0:
        return None, f"at least {least:,.0f} rows, {source}, of which the mean cannot be told from noise; {more}"
    most = (scale.trace + _SPREADS * of_trace) / low
    return scale, f"{source}; between {least:,.0f} and {most:,.0f} rows within their spread"


def _units(sizes: list[float], squares: list[Tensor], products: list[Tensor], gradient: Tensor) -> Units:
    rows = torch.tensor(sizes, dtype=torch.float64)
    lengths, along = (torch.cat(parts).cpu().double() for parts in (squares, products))
    return Units(rows, lengths, along, float(gradient @ gradient))


def _of_batches(loss: ModuleLoss, gradient: Tensor) -> Units:
    found = [loss.gradient_of_batch(loss.start, number)[1] for number in range(len(loss.batches.parts))]
    sizes = [float(len(x)) for x, _ in loss.batches.parts]
    return _units(sizes, [(one @ one)[None] for one in found], [(one @ gradient)[None] for one in found], gradient)


def _of_rows(loss: ModuleLoss, gradient: Tensor, at_once: int) -> Units | None:
    """Of every row; None where the mean of their gradients is not the gradient."""
    rows = loss.batches.rows
    for gradients in (_mapped, _looped) if at_once > 1 else (_looped,):
        squares: list[Tensor] = []
        products: list[Tensor] = []
        together = torch.zeros_like(gradient)
        try:
            for found in gradients(loss, at_once):
                squares.append((found * found).sum(dim=1))
                products.append(found @ gradient)
                together += found.sum(dim=0)
        except FAILURES:
            continue
        units = _units([1.0] * rows, squares, products, gradient)
        apart = float((together / rows - gradient).norm())
        # Gradients that cancel each other leave rounding of their own size.
        rounding = 1e3 * loss.epsilon * math.sqrt(float(units.squares.mean()))
        return units if apart <= _APART * loss.epsilon**0.25 * float(gradient.norm()) + rounding else None
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
