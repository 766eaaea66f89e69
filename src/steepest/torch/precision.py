"""In which precision a module can be computed, found out on its first batch, and what its loss must be like."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from steepest.diagnosis.findings import Finding
from steepest.torch.batches import Batches
from steepest.torch.functional import FAILURES, ModuleLoss, first_line, made

_OTHER = 0.05


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
    """The loss, once it has been computed on every batch and differentiated on the first."""
    found = made(module, loss_fn, batches, mode, dtype, seed)
    point = found.start.detach().requires_grad_(True)
    outputs, y, value = _computed(found, point, 0)
    if not value.requires_grad:
        raise ValueError(
            "the loss does not depend on the parameters to train; look for detach, no_grad or argmax between them"
        )
    _check_own(module, value)
    _check_shapes(found, outputs, y)
    _check_mean(found)
    try:
        torch.autograd.grad(value.reshape(()), point)
    except FAILURES as error:
        raise ValueError(f"the loss of {type(module).__name__} has no gradient: {first_line(error)}") from error
    with torch.no_grad():
        for number in range(1, len(batches.parts)):
            _computed(found, found.start, number)
    return found


def _computed(found: ModuleLoss, point: Tensor, number: int) -> tuple[Any, Tensor, Tensor]:
    """(outputs, y, loss) of a batch, the loss one finite number."""
    name, where = type(found.module).__name__, f"batch {number} of data" if number else "the first batch"
    rows, targets = found.batches.parts[number]
    try:
        x, y = found.placed(rows, targets)
        outputs = found.outputs(point, x, number)
    except FAILURES as error:
        remedy = (
            "; batch norm in train mode needs more than one row in every batch: choose a batch_size that leaves no "
            "single row over, drop_last=True in the DataLoader, or mode='eval'"
        )
        normed = any(isinstance(part, _BatchNorm) and part.training for part in found.module.modules())
        raise ValueError(
            f"{name} fails on {where}, x of shape {tuple(rows.shape)}: {first_line(error)}"
            f"{remedy if normed and len(rows) == 1 else ''}"
        ) from error
    try:
        value = found.loss_fn(outputs, y)
    except FAILURES as error:
        raise ValueError(
            f"loss_fn(outputs, y) fails on {where}, outputs {_shape(outputs)}, y {_shape(targets)}: {first_line(error)}"
        ) from error
    if not isinstance(value, Tensor):
        raise TypeError(f"loss_fn must return a tensor of one number, got {type(value).__name__}")
    if value.numel() != 1:
        raise ValueError(
            f"loss_fn must return one number, the mean over the rows, got shape {tuple(value.shape)}; use "
            "reduction='mean', or lambda outputs, y: loss_fn(outputs, y).mean()"
        )
    if not math.isfinite(float(value.detach())):
        raise ValueError(f"the loss on {where} is {float(value.detach())}: {_not_finite(found, number)}")
    return outputs, y, value


def _not_finite(found: ModuleLoss, number: int) -> str:
    """Which row of a batch makes its loss what it is, and what to do."""
    before = sum(len(x) for x, _ in found.batches.parts[:number])
    for name, part in zip("xy", found.batches.parts[number], strict=True):
        bad = torch.nonzero(~torch.isfinite(part).reshape(len(part), -1).all(dim=1)).ravel().tolist()
        if bad:
            more = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
            return (
                f"{name} is not finite in row {bad[0]:,} of it{more} (row {before + bad[0]:,} of all used); leave such "
                "rows out, or fill them in"
            )
    return "x and y are finite there, so look for NaN or infinity in the parameters and the outputs, or start elsewhere"


def _check_own(module: torch.nn.Module, value: Tensor) -> None:
    """Refuse a loss that uses the parameters beside the outputs: it sees the original's, and they do not move."""
    own = {name: leaf for name, leaf in module.named_parameters() if leaf.requires_grad}
    found = torch.autograd.grad(value.reshape(()), list(own.values()), retain_graph=True, allow_unused=True)
    used = [name for name, gradient in zip(own, found, strict=True) if gradient is not None]
    if used:
        more = f" (and {len(used) - 1} more)" if len(used) > 1 else ""
        raise ValueError(
            f"loss_fn uses the module's own parameter {used[0]!r}{more} beside outputs and y; a diagnosis moves the "
            "parameters of a copy, for which such a term would be a constant without slope or curvature. Let the "
            "module return (outputs, penalty) and loss_fn add the penalty; or leave it out: weight_decay=c of "
            "torch.optim.SGD adds c to the sharpness"
        )


def _check_shapes(found: ModuleLoss, outputs: Any, y: Tensor) -> None:
    """Refuse (n, 1) against (n,) where the loss compares every output with every target."""
    if not isinstance(outputs, Tensor) or not y.is_floating_point() or len(y) < 2:
        return
    if {outputs.ndim, y.ndim} != {1, 2} or outputs.numel() != len(y) or y.numel() != len(y):
        return
    # Outputs that are all the same would hide which target each of them meets.
    spread = torch.linspace(0, 0.1, len(y)).to(outputs).reshape(outputs.shape)
    moved = outputs.detach() + spread * outputs.detach().abs().max().clamp(min=1)
    try:
        with torch.no_grad():
            meets = _adds_up(found, moved, y) or not _adds_up(found, moved, y.reshape(outputs.shape))
    except FAILURES:
        return
    if not meets:
        remedy = "y[:, None]" if y.ndim == 1 else "y[:, 0]"
        raise ValueError(
            f"loss_fn compares every output with every target, as outputs have shape {tuple(outputs.shape)}, y "
            f"{tuple(y.shape)}, and PyTorch broadcasts them; give {remedy} in the place of y"
        )


def repeated(loss: ModuleLoss) -> tuple[float, float, float] | None:
    """The loss of the first batch, of its rows twice, and three times; None where that cannot be computed.

    Of a mean over rows all three are the same.
    """
    x, y = loss.placed(*loss.batches.parts[0])
    try:
        with torch.no_grad():
            outputs = loss.outputs(loss.start, x)
            if not isinstance(outputs, Tensor):
                return None
            once, twice, thrice = (
                float(loss.loss_fn(torch.cat([outputs] * times), torch.cat([y] * times))) for times in (1, 2, 3)
            )
    except FAILURES:
        return None
    return once, twice, thrice


def _check_mean(loss: ModuleLoss) -> None:
    """Refuse a sum, whatever is added to it: the same rows again add the same again, where a mean stays."""
    values = repeated(loss)
    if values is None:
        return
    once, twice, thrice = values
    size, growth = max(map(abs, values)), twice - once
    rounding = min(1e3 * loss.epsilon, 0.05) * size
    if abs(growth) > rounding and abs(thrice - twice - growth) <= 1e-3 * abs(growth) + 0.1 * rounding:
        raise ValueError(
            "loss_fn adds over rows where it should take their mean, so that curvature and learning rate depend on the "
            "batch size; use reduction='mean', or divide by len(y)"
        )


def mean_findings(loss: ModuleLoss) -> list[Finding]:
    """That the same rows again make another loss, where they do."""
    values = repeated(loss)
    if values is None or not values[0] or abs(values[1] - values[0]) <= _OTHER * max(map(abs, values)):
        return []
    return [
        Finding(
            "no mean",
            f"the loss is no mean over rows: that of the same rows twice is {values[1] / values[0]:.3g} times that of "
            "the rows once, so that curvature and learning rates depend on the batch size",
            "diagnose with the batch size that you train with, or divide the loss by what it grows with",
        )
    ]


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
