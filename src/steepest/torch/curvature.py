"""The spectrum of a module's loss: Hessian-vector products of PyTorch, Lanczos of the laboratory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import grad, jvp

from steepest.theory.eigenvalues import Spectrum
from steepest.theory.hessian import check_finite
from steepest.theory.lanczos import Krylov, extreme, tridiagonalised
from steepest.torch.functional import FAILURES, ModuleLoss, first_line

Product = Callable[[Tensor], Tensor]

FORWARD = "forward mode over reverse mode"
TWICE_BACKWARD = "double backward"

_MOST_AT_ONCE = 256
_FEWEST_AT_ONCE = 4
_BASIS_BYTES = 2**31


def hessian_product(loss: ModuleLoss) -> tuple[Callable[[Tensor], Product], str]:
    """(point → the Hessian-vector product there, summed over the batches; how it is computed).

    Forward mode over reverse mode where all that the module uses has a rule for it, else two times backward.

    Raises:
        ValueError: neither works.
    """
    vector = torch.ones_like(loss.start)
    try:
        # The first use of forward mode has PyTorch load rules by a function that it calls deprecated itself.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            _forward(loss, loss.start, vector, 0)
    except FAILURES as error:
        without_forward = error
    else:
        return lambda point: _summed(loss, lambda v, number: _forward(loss, point, v, number)), FORWARD
    try:
        _Backward(loss, loss.start)(vector, 0)
    except FAILURES as error:
        raise ValueError(
            "the loss cannot be differentiated twice, so nothing is known of its curvature. Forward mode says: "
            f"{first_line(without_forward)}; double backward says: {first_line(error)}"
        ) from error
    how = f"{TWICE_BACKWARD}, as forward mode fails: {first_line(without_forward)}"
    return lambda point: _summed(loss, _Backward(loss, point)), how


def _summed(loss: ModuleLoss, of_batch: Callable[[Tensor, int], Tensor]) -> Product:
    def product(vector: Tensor) -> Tensor:
        found = torch.zeros_like(vector)
        for number, share, _, _ in loss.batches.weighted():
            found += share * of_batch(vector, number)
        return found

    return product


def _forward(loss: ModuleLoss, point: Tensor, vector: Tensor, number: int) -> Tensor:
    x, y = loss.placed(*loss.batches.parts[number])

    def function(flat: Tensor, targets: Tensor) -> Tensor:
        return loss.at(flat, x, targets, number).reshape(())

    if y.is_floating_point():
        # Zeros of their own for the targets: those that PyTorch puts in their place break its mean squared error.
        found: Tensor = jvp(grad(function), (point, y), (vector, torch.zeros_like(y)))[1]
    else:
        found = jvp(lambda flat: grad(function)(flat, y), (point,), (vector,))[1]
    return found.detach()


class _Backward:
    """Products of one batch at a time by double backward; the graph of a single batch is kept between them."""

    def __init__(self, loss: ModuleLoss, point: Tensor) -> None:
        self._loss = loss
        self._point = point.detach().requires_grad_(True)
        self._kept = self._gradient(0) if len(loss.batches.parts) == 1 else None

    def __call__(self, vector: Tensor, number: int) -> Tensor:
        gradient = self._gradient(number) if self._kept is None else self._kept
        if not gradient.requires_grad:
            return torch.zeros_like(vector)  # a loss that is linear
        (found,) = torch.autograd.grad(
            gradient, self._point, vector, retain_graph=self._kept is not None, materialize_grads=True
        )
        return found

    def _gradient(self, number: int) -> Tensor:
        function, _ = self._loss.of_batch(number)
        (gradient,) = torch.autograd.grad(function(self._point), self._point, create_graph=True)
        return gradient


def spectrum_of(
    loss: ModuleLoss, product: Product, tolerance: float, most_products: int, seed: int, name: str
) -> tuple[Spectrum, Tensor]:
    """(spectrum at the module's parameters, gradient there).

    Raises:
        ValueError: something there is not finite.
    """
    value, gradient = loss.gradient(loss.start)
    given = loss.start
    size = given.numel()

    def space(start: NDArray[np.float64], count: int) -> Krylov:
        basis = given.new_empty((count, size))
        vector = torch.as_tensor(start, dtype=given.dtype, device=given.device)
        made = tridiagonalised(product, vector, basis, loss.epsilon)
        return Krylov(value, as_array(gradient), as_array(basis), *made)

    room = max(_FEWEST_AT_ONCE, min(_MOST_AT_ONCE, _BASIS_BYTES // (size * given.element_size())))
    found = extreme(space, size, tolerance, most_products, seed, at_once=room, epsilon=loss.epsilon)
    check_finite(name, found.loss, found.gradient, found.values)
    largest = found.eigenvalue(-1)
    direction = torch.as_tensor(found.vectors[1], device=given.device)
    return Spectrum(
        name, size, _arrays(loss, given), found.loss, float(np.linalg.norm(found.gradient)), largest,
        found.eigenvalue(0), _arrays(loss, direction), None, found.products,
        largest.residual <= tolerance * abs(largest.value),
    ), gradient  # fmt: skip


def same_elsewhere(loss: ModuleLoss, products: Callable[[Tensor], Product], seed: int) -> bool:
    """Whether the curvature along a random direction is the same at two random other points, as of a quadratic.

    To rounding, over the whole gradient of that direction. That is evidence and no proof.
    """
    random = torch.Generator().manual_seed(seed)

    def drawn() -> Tensor:
        return torch.randn(loss.start.shape, generator=random, dtype=torch.float64).to(loss.start)

    direction = drawn()
    here = products(loss.start)(direction)
    size = max(1.0, float(loss.start.norm()))
    for _ in range(2):
        step = drawn()
        there = products(loss.start + step * (size / step.norm()))(direction)
        # Not the other way round: what is not a number is not the same.
        if not float((there - here).norm()) <= loss.epsilon**0.5 * float(here.norm()):
            return False
    return True


def as_array(tensor: Tensor) -> NDArray[Any]:
    """On the host; the same memory where it is there already."""
    found: NDArray[Any] = tensor.detach().numpy(force=True)
    return found


def _arrays(loss: ModuleLoss, flat: Tensor) -> dict[str, NDArray[Any]]:
    named = zip(loss.names, loss.parts(flat), strict=True)
    return {name: as_array(part).astype(np.float64) for name, part in named}
