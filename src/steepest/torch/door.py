"""``steepest.torch.diagnose``: what to know of a PyTorch module before it is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.diagnosis.judgement import checked_rate
from steepest.errors import unknown_name
from steepest.torch.result import ModuleDiagnosis

MODES = ("eval", "train")
DTYPES = ("float64", "float32")
_LARGEST_SEED = 2**32 - 1


def diagnose(
    module: Any,
    loss_fn: Any,
    data: Any,
    *,
    learning_rate: float | None = None,
    momentum: float = 0.9,
    mode: str = "eval",
    batch_size: int | None = None,
    most_rows: int = 4096,
    dtype: Any = None,
    tolerance: float | None = None,
    most_products: int = 200,
    steps: int = 100,
    seed: int = 0,
) -> ModuleDiagnosis:
    """Which learning rate the loss of a PyTorch module allows, why, and whether a short run bears it out.

    The largest Hessian eigenvalue at the module's parameters and the limit 2/λmax that follows; the learning rate for
    ``torch.optim.SGD`` without and with momentum, each tried on a copy, halved until it goes down and, where nothing
    guarantees it, until half of it ends no lower, both but for what the noise of batches explains; the gradient noise
    scale, and the batch size that follows. A loss without curvature at the parameters has no limit, and the rate that
    is tried is that of a straight line.

    The module is left as it is found, bit for bit: parameters, gradients, buffers, modes and flags, and with it every
    random number generator, also where an error or Ctrl-C ends the call; so are the buffers, modes and gradients of
    modules that a loss function holds. Hooks run, on the copy: what they note elsewhere stays noted. The work is done
    on a copy of the module on the same devices, in float64 where it computes in it.

    Args:
        module: a ``torch.nn.Module``; it is called with x. Parameters with ``requires_grad=False`` are constants.
        loss_fn: (outputs, y) → one number, the mean over the rows, as ``torch.nn.CrossEntropyLoss()``. One that uses
            the module's own parameters beside its outputs is refused, as it would not see those of the copy.
        data: a tuple of tensors (x, y), first axis the rows, or a ``DataLoader`` of such pairs. A loader is read once,
            and every product is summed over those batches, each weighted with its rows. An iterator is refused.
        learning_rate: one of your own to be judged.
        momentum: of the second recommendation, from 0 to below 1.
        mode: ``"eval"``, or ``"train"``: dropout with one mask a batch, the same in all of the diagnosis; batch norm
            with the statistics of each batch.
        batch_size: what tensors are cut into; by default they are one batch.
        most_rows: of more rows, tensors are drawn from at random, and a loader is stopped.
        dtype: ``"float64"`` or ``"float32"`` (or PyTorch's); by default float64, or the module's own where that fails.
        tolerance: relative, of the largest eigenvalue; by default 10⁻⁴, more where the precision allows no less.
        most_products: where Lanczos' method stops, converged or not; the result says which.
        steps: of each trial.
        seed: of rows, masks and Lanczos' first vector, from 0 to 2³² − 1.

    Returns:
        A :class:`ModuleDiagnosis`; print it.

    Raises:
        ModuleNotFoundError: PyTorch is not installed.
        TypeError: an argument of the wrong kind.
        ValueError: an argument out of its range, data that do not fit, or a loss without finite second derivatives or
            with neither slope nor curvature.

    Example:
        >>> import torch, steepest as sd
        >>> line = torch.nn.Linear(1, 1, bias=False)
        >>> x = torch.tensor([[1.0], [3.0]])  # mean square 5, so that λmax of the mean squared error is 10
        >>> found = sd.torch.diagnose(line, torch.nn.MSELoss(), (x, 2 * x))
        >>> round(found.sharpness, 9), round(found.learning_rate_limit, 9)
        (10.0, 0.2)
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "steepest.torch needs PyTorch, which is not installed; install it with: pip install 'steepest[torch]'"
        ) from None
    from steepest.torch.diagnosing import diagnosed

    if not isinstance(module, torch.nn.Module):
        remedy = "; give an instance of it, module()" if isinstance(module, type) else ""
        raise TypeError(f"module must be a torch.nn.Module, got {module if remedy else type(module).__name__}{remedy}")
    _check_loss(loss_fn)
    if mode not in MODES:
        raise unknown_name("mode", str(mode), MODES)
    kind = None if dtype is None else str(dtype).removeprefix("torch.")
    if kind is not None and kind not in DTYPES:
        raise unknown_name("dtype", kind, DTYPES)
    counts = {"most_rows": most_rows, "most_products": most_products, "steps": steps, "batch_size": batch_size}
    for name, value in counts.items():
        if name != "batch_size" or value is not None:
            _check_whole(name, value, 1)
    _check_whole("seed", seed, 0, _LARGEST_SEED)
    _check_between("momentum", momentum)
    if tolerance is not None:
        _check_between("tolerance", tolerance)
    if learning_rate is not None:
        checked_rate(learning_rate)
    return diagnosed(
        getattr(module, "_orig_mod", module), loss_fn, data, learning_rate, float(momentum), mode, batch_size,
        int(most_rows), None if kind is None else getattr(torch, kind), tolerance, int(most_products), int(steps),
        int(seed),
    )  # fmt: skip


def _check_loss(loss_fn: Any) -> None:
    if isinstance(loss_fn, type):
        raise TypeError(f"loss_fn must be an instance, got the class {loss_fn.__name__}; write {loss_fn.__name__}()")
    if not callable(loss_fn):
        raise TypeError(
            f"loss_fn must be a function (outputs, y) → mean loss, got {type(loss_fn).__name__}; "
            "torch.nn.MSELoss() and torch.nn.functional.cross_entropy are such"
        )


def _check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        allowed = f"from {least} up" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}")


def _check_between(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < 1:
        raise ValueError(f"{name} must be a number from 0 to below 1, got {value!r}")
