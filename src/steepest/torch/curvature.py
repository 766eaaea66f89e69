"""The spectrum of a module's loss: Hessian-vector products of PyTorch, Lanczos of the laboratory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

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
DIFFERENCES = "differences of gradients"

_MOST_AT_ONCE = 256
_FEWEST_AT_ONCE = 4
_BASIS_BYTES = 2**31


class Products(NamedTuple):
    """Hessian-vector products of a loss, summed over its batches.

    Attributes:
        at: point → the product there.
        how: by what they are computed, and why not by something better.
        epsilon: their relative rounding.
    """

    at: Callable[[Tensor], Product]
    how: str
    epsilon: float


def hessian_products(loss: ModuleLoss) -> Products:
    """By forward mode over reverse mode, else by double backward, else by differences of gradients.

    Each is tried on the first batch. A product that is not symmetric is refused: PyTorch has operations whose second
    derivative is wrong without a word (its weight normalisation on the CPU in 2.13).

    Raises:
        ValueError: none of them works.
    """
    random = torch.Generator().manual_seed(loss.seed)
    pair = [torch.randn(loss.start.shape, generator=random).to(loss.start) for _ in range(2)]
    failed: list[str] = []
    ways = ((FORWARD, _Forward, loss.epsilon), (TWICE_BACKWARD, _Backward, loss.epsilon))
    for how, way, epsilon in (*ways, (DIFFERENCES, _Differences, loss.epsilon ** (2 / 3))):
        try:
            # The first use of forward mode has PyTorch load rules by a function that it calls deprecated itself.
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
                of_batch = way(loss, loss.start)
                one, other = (of_batch(vector, 0) for vector in pair)
        except FAILURES as error:
            failed.append(f"{how} fails: {first_line(error)}")
            continue
        apart = abs(float(pair[0] @ other) - float(pair[1] @ one))
        # What is not finite is found, and said, by what uses the product.
        if how != DIFFERENCES and apart > epsilon**0.5 * float(pair[0].norm()) * float(other.norm()):
            failed.append(f"{how} gives a Hessian that is not symmetric")
            continue
        return Products(partial(_summed, loss, way), "; ".join([how, *failed]), epsilon)
    raise ValueError(f"nothing is known of the curvature, as the loss cannot be differentiated: {'; '.join(failed)}")


def _summed(loss: ModuleLoss, way: Any, point: Tensor) -> Product:
    of_batch = way(loss, point)

    def product(vector: Tensor) -> Tensor:
        found = torch.zeros_like(vector)
        for number, share, _, _ in loss.batches.weighted():
            found += share * of_batch(vector, number)
        return found

    return product


class _Forward:
    """Products of one batch at a time, the derivative of the gradient along a vector."""

    def __init__(self, loss: ModuleLoss, point: Tensor) -> None:
        self._loss, self._point = loss, point

    def __call__(self, vector: Tensor, number: int) -> Tensor:
        x, y = self._loss.placed(*self._loss.batches.parts[number])

        def function(flat: Tensor, targets: Tensor) -> Tensor:
            value: Tensor = self._loss.at(flat, x, targets, number).reshape(())
            return value

        if y.is_floating_point():
            # Zeros of their own for the targets: those that PyTorch puts in their place break its mean squared error.
            found: Tensor = jvp(grad(function), (self._point, y), (vector, torch.zeros_like(y)))[1]
        else:
            found = jvp(lambda flat: grad(function)(flat, y), (self._point,), (vector,))[1]
        return found.detach()


class _Differences:
    """The same from gradients a little to either side; across a kink (as of relu) they see a curvature."""

    def __init__(self, loss: ModuleLoss, point: Tensor) -> None:
        self._loss, self._point = loss, point
        self._length = loss.epsilon ** (1 / 3) * max(1.0, float(point.norm()))

    def __call__(self, vector: Tensor, number: int) -> Tensor:
        step = self._length / (float(vector.norm()) or 1.0)
        above, below = (self._loss.gradient_of_batch(self._point + sign * step * vector, number)[1] for sign in (1, -1))
        found: Tensor = (above - below) / (2 * step)
        return found


class _Backward:
    """The same by two times backward; the graph of a single batch is kept between products."""

    def __init__(self, loss: ModuleLoss, point: Tensor) -> None:
        self._loss = loss
        self._point = point.detach().requires_grad_(True)
        self._kept = self._gradient(0) if len(loss.batches.parts) == 1 else None

    def __call__(self, vector: Tensor, number: int) -> Tensor:
        gradient = self._gradient(number) if self._kept is None else self._kept
        if not gradient.requires_grad:
            return torch.zeros_like(vector)  # a loss that is linear
        # Not with materialize_grads: it makes zeros of what an operation says cannot be differentiated twice.
        (found,) = torch.autograd.grad(gradient, self._point, vector, retain_graph=self._kept is not None)
        return found

    def _gradient(self, number: int) -> Tensor:
        function, _ = self._loss.of_batch(number)
        (gradient,) = torch.autograd.grad(function(self._point), self._point, create_graph=True)
        return gradient


def spectrum_of(
    loss: ModuleLoss, products: Products, tolerance: float, most_products: int, seed: int, name: str
) -> tuple[Spectrum, Tensor]:
    """(spectrum at the module's parameters, gradient there).

    Raises:
        ValueError: something there is not finite.
    """
    value, gradient = loss.gradient(loss.start)
    given, product = loss.start, products.at(loss.start)
    size = given.numel()

    def space(start: NDArray[np.float64], count: int) -> Krylov:
        basis = given.new_empty((count, size))
        vector = torch.as_tensor(start, dtype=given.dtype, device=given.device)
        made = tridiagonalised(product, vector, basis, products.epsilon)
        return Krylov(value, as_array(gradient), as_array(basis), *made)

    room = max(_FEWEST_AT_ONCE, min(_MOST_AT_ONCE, _BASIS_BYTES // (size * given.element_size())))
    found = extreme(space, size, tolerance, most_products, seed, at_once=room, epsilon=products.epsilon)
    check_finite(name, found.loss, found.gradient, found.values)
    largest = found.eigenvalue(-1)
    direction = torch.as_tensor(found.vectors[1], device=given.device)
    return Spectrum(
        name, size, _arrays(loss, given), found.loss, float(np.linalg.norm(found.gradient)), largest,
        found.eigenvalue(0), _arrays(loss, direction), None, found.products,
        largest.residual <= tolerance * abs(largest.value),
    ), gradient  # fmt: skip


def same_elsewhere(loss: ModuleLoss, products: Products, seed: int) -> bool:
    """Whether the curvature along a random direction is the same at two random other points, as of a quadratic.

    To rounding, over the whole gradient of that direction. That is evidence and no proof.
    """
    random = torch.Generator().manual_seed(seed)

    def drawn() -> Tensor:
        return torch.randn(loss.start.shape, generator=random, dtype=torch.float64).to(loss.start)

    direction = drawn()
    here = products.at(loss.start)(direction)
    size = max(1.0, float(loss.start.norm()))
    for _ in range(2):
        step = drawn()
        there = products.at(loss.start + step * (size / step.norm()))(direction)
        # Not the other way round: what is not a number is not the same.
        if not float((there - here).norm()) <= products.epsilon**0.5 * float(here.norm()):
            return False
    return True


def as_array(tensor: Tensor) -> NDArray[Any]:
    """On the host; the same memory where it is there already."""
    found: NDArray[Any] = tensor.detach().numpy(force=True)
    return found


def _arrays(loss: ModuleLoss, flat: Tensor) -> dict[str, NDArray[Any]]:
    named = zip(loss.names, loss.parts(flat), strict=True)
    return {name: as_array(part).astype(np.float64) for name, part in named}
