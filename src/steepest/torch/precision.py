"""In which precision a module can be computed, found out on its first batch, and what its loss must be like."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor

from steepest.torch.batches import Batches
from steepest.torch.functional import FAILURES, ModuleLoss, first_line, made


def loss_of(
    module: torch.nn.Module, loss_fn: Any, batches: Batches, mode: str, dtype: torch.dtype | None, seed: int
) -> tuple[ModuleLoss, str]:
    """(the loss as a function of a flat vector, its precision in words).

    Float64 where module and loss compute in it, else what they are in; a ``dtype`` that is given is taken.

    Raises:
        TypeError, ValueError: what is wrong with module or loss.
    """
    if dtype is not None:
        return _tried(module, loss_fn, batches, mode, dtype, seed), f"{_name(dtype)}, as asked for"
    try:
        found = _tried(module, loss_fn, batches, mode, torch.float64, seed)
    except FAILURES as error:
        refused = error
    else:
        return found, "float64, on a copy of the module"
    found = _tried(module, loss_fn, batches, mode, None, seed)
    own = ", ".join(sorted({_name(kind) for _, kind in found.places}))
    return found, f"{own}, its own, as in float64 it fails: {first_line(refused)}"


def _tried(
    module: torch.nn.Module, loss_fn: Any, batches: Batches, mode: str, dtype: torch.dtype | None, seed: int
) -> ModuleLoss:
    """The loss, once it has been computed and differentiated on the first batch."""
    found = made(module, loss_fn, batches, mode, dtype, seed)
    point = found.start.detach().requires_grad_(True)
    try:
        x, y = found.placed(*batches.parts[0])
        outputs = found.outputs(point, x)
    except FAILURES as error:
        raise ValueError(
            f"{type(module).__name__} fails on the first batch, x of shape {tuple(batches.parts[0][0].shape)}: "
            f"{first_line(error)}"
        ) from error
    try:
        value = found.loss_fn(outputs, y)
    except FAILURES as error:
        raise ValueError(
            f"loss_fn(outputs, y) fails on the first batch, outputs {_shape(outputs)}, y {_shape(y)}: "
            f"{first_line(error)}"
        ) from error
    _check_value(value)
    _check_mean(found, outputs, y, float(value.detach()))
    try:
        torch.autograd.grad(value.reshape(()), point)
    except FAILURES as error:
        raise ValueError(f"the loss of {type(module).__name__} has no gradient: {first_line(error)}") from error
    return found


def _check_value(value: Any) -> None:
    """One finite number that depends on the parameters."""
    if not isinstance(value, Tensor):
        raise TypeError(f"loss_fn must return a tensor of one number, got {type(value).__name__}")
    if value.numel() != 1:
        raise ValueError(
            f"loss_fn must return one number, the mean over the rows, got shape {tuple(value.shape)}; use "
            "reduction='mean', or lambda outputs, y: loss_fn(outputs, y).mean()"
        )
    if not value.requires_grad:
        raise ValueError(
            "the loss does not depend on the parameters to train; look for detach, no_grad or argmax between them"
        )
    if not math.isfinite(float(value.detach())):
        raise ValueError(
            f"the loss on the first batch is {float(value.detach())}; look for NaN or infinity in x, y and the "
            "parameters, or start elsewhere"
        )


def _check_mean(found: ModuleLoss, outputs: Any, y: Tensor, value: float) -> None:
    """Refuse a sum: it doubles where the same rows come twice, a mean stays."""
    if not isinstance(outputs, Tensor) or not value:
        return
    try:
        twice = float(found.loss_fn(torch.cat([outputs, outputs]).detach(), torch.cat([y, y])).detach())
    except FAILURES:
        return
    if abs(twice - 2 * value) <= 1e-3 * abs(value):
        raise ValueError(
            "loss_fn adds over rows where it should take their mean, so that curvature and learning rate depend on the "
            "batch size; use reduction='mean', or divide by len(y)"
        )


def mean_over_rows(loss: ModuleLoss) -> bool:
    """Whether the loss of every batch is the mean of what its rows alone would give, to rounding.

    It is not where rows weigh differently, as with class weights or targets to be ignored: what such losses are
    divided by depends on which rows come together. Each batch is tried in two halves, and as its first row and the
    others; where that cannot be tried, it is taken to be a mean.
    """
    for number, (x, y) in enumerate(loss.batches.parts):
        try:
            with torch.no_grad():
                features, targets = loss.placed(x, y)
                outputs = loss.outputs(loss.start, features, number)
                if isinstance(outputs, Tensor) and len(outputs) == len(y) and not _adds_up(loss, outputs, targets):
                    return False
        except FAILURES:
            continue
    return True


def _adds_up(loss: ModuleLoss, outputs: Tensor, y: Tensor) -> bool:
    """Whether the loss of some rows is that of their parts, each weighted with its rows."""
    rows = len(y)
    # Functions of PyTorch warn of shapes that can be taken for others, as those of a single row.
    with warnings.catch_warnings(action="ignore"):
        whole = float(loss.loss_fn(outputs, y))
        for cut in sorted({1, rows // 2} - {0, rows}):
            parts = [(cut / rows, slice(None, cut)), (1 - cut / rows, slice(cut, None))]
            values = [share * float(loss.loss_fn(outputs[part], y[part])) for share, part in parts]
            size = max(abs(whole), *map(abs, values))
            # Not the other way round: a part without a row that counts gives what is not a number.
            if not abs(sum(values) - whole) <= loss.epsilon**0.5 * size:
                return False
    return True


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _shape(value: Any) -> str:
    return f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
