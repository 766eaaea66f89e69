"""A module's loss as a function of one flat vector, on a copy: the module itself is never touched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.parameter import is_lazy

from steepest.torch.batches import Batches
from steepest.torch.surroundings import seeded

M = TypeVar("M", bound=torch.nn.Module)

FAILURES = (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError)
"""What a module or a loss of the user's may raise; NotImplementedError is a RuntimeError."""


@dataclass(frozen=True, eq=False)
class ModuleLoss:
    """The mean loss of a copied module over batches, as a function of its trainable parameters, one flat vector.

    Attributes:
        module, loss_fn: copies.
        batches: the rows.
        start: the parameters as found, shape (n,).
        names, shapes: of the parameters, in the order of the vector.
        places: (device, dtype) of each.
        dtype: what floating x and y are cast to; None to take them as they are.
        seed: of what the module draws; every batch has its own masks, the same in each call.
    """

    module: torch.nn.Module
    loss_fn: Callable[[Any, Any], Any]
    batches: Batches
    start: Tensor
    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    places: tuple[tuple[torch.device, torch.dtype], ...]
    dtype: torch.dtype | None
    seed: int

    @property
    def epsilon(self) -> float:
        """Relative rounding of the least exact of the parameters."""
        return max(torch.finfo(dtype).eps for _, dtype in self.places)

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """A vector as tensors of the parameters' names, shapes, devices and dtypes."""
        named = zip(self.names, self.parts(flat), self.places, strict=True)
        return {name: part.to(device=device, dtype=dtype) for name, part, (device, dtype) in named}

    def parts(self, flat: Tensor) -> list[Tensor]:
        """A vector cut into tensors of the parameters' shapes."""
        parts = torch.split(flat, [shape.numel() for shape in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def outputs(self, flat: Tensor, x: Tensor, draw: int = 0) -> Any:
        """What the module makes of some rows."""
        seeded(self.seed + draw)
        # Layers that write into their buffers write into these.
        buffers = {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        return functional_call(self.module, {**self.named(flat), **buffers}, (x,))

    def at(self, flat: Tensor, x: Tensor, y: Tensor, draw: int = 0) -> Any:
        """The loss on some rows, as ``loss_fn`` returns it."""
        return self.loss_fn(self.outputs(flat, x, draw), y)

    def placed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Rows on the module's device, in the dtype of the computation."""
        device = self.places[0][0]
        moved = [part.to(device) for part in (x, y)]
        if self.dtype is not None:
            moved = [part.to(self.dtype) if part.is_floating_point() else part for part in moved]
        return moved[0], moved[1]

    def of_batch(self, number: int) -> tuple[Callable[[Tensor], Tensor], float]:
        """(loss of a batch as a function of the vector, the batch's share of all rows)."""
        x, y = self.placed(*self.batches.parts[number])
        return lambda flat: self.at(flat, x, y, number).reshape(()), len(x) / self.batches.rows

    def gradient_of_batch(self, flat: Tensor, number: int) -> tuple[float, Tensor]:
        """(loss, gradient) of one batch."""
        function, _ = self.of_batch(number)
        point = flat.detach().requires_grad_(True)
        loss = function(point)
        (gradient,) = torch.autograd.grad(loss, point)
        return float(loss.detach()), gradient

    def gradient(self, flat: Tensor) -> tuple[float, Tensor]:
        """(loss, gradient) of all rows, batch by batch."""
        total, together = 0.0, torch.zeros_like(flat)
        for number, share, _, _ in self.batches.weighted():
            loss, gradient = self.gradient_of_batch(flat, number)
            total += share * loss
            together += share * gradient
        return total, together

    def loss(self, flat: Tensor) -> float:
        """The loss of all rows."""
        with torch.no_grad():
            parts = (self.of_batch(number) for number in range(len(self.batches.parts)))
            return sum(share * float(function(flat)) for function, share in parts)


def made(
    module: torch.nn.Module, loss_fn: Any, batches: Batches, mode: str, dtype: torch.dtype | None, seed: int
) -> ModuleLoss:
    """The loss on a copy of the module, its floating parameters and buffers in ``dtype`` (None: in their own).

    Raises:
        TypeError: a module that cannot be copied.
        ValueError: nothing trainable, or parameters that hold no numbers.
    """
    _check(module)
    trained = [name for name, leaf in module.named_parameters() if leaf.requires_grad]
    twin = copied(module, dtype)
    twin.train(mode == "train")
    for part in twin.modules():
        if isinstance(part, _BatchNorm | _InstanceNorm) and part.training:
            # The statistics of the batch are used; without the running ones there is nothing to write them into.
            part.track_running_stats = False
            part.running_mean = part.running_var = part.num_batches_tracked = None
    leaves = dict(twin.named_parameters())
    found = [leaves[name].detach() for name in trained]
    widest = torch.float32
    for leaf in found:
        widest = torch.promote_types(widest, leaf.dtype)
    first = found[0].device
    # A copy of the loss keeps these as they are, so that a term on them is seen and not taken for a constant.
    own = [leaf for leaf in module.parameters() if leaf.requires_grad]
    return ModuleLoss(
        twin,
        copied(loss_fn, dtype, own) if isinstance(loss_fn, torch.nn.Module) else loss_fn,
        batches,
        torch.cat([leaf.reshape(-1).to(device=first, dtype=widest) for leaf in found]),
        tuple(trained),
        tuple(leaf.shape for leaf in found),
        tuple((leaf.device, leaf.dtype) for leaf in found),
        dtype,
        seed,
    )


def _check(module: torch.nn.Module) -> None:
    for name, leaf in module.named_parameters():
        if is_lazy(leaf):
            raise ValueError(f"parameter {name!r} has no shape yet; run the module once on a batch before")
        if leaf.device.type == "meta":
            raise ValueError(
                f"parameter {name!r} is on the device 'meta', where tensors hold no numbers; use module.to_empty and "
                "load its weights first"
            )
        if leaf.requires_grad and leaf.is_complex():
            raise ValueError(f"parameter {name!r} is complex; only real parameters can be diagnosed")
    if not any(leaf.requires_grad for leaf in module.parameters()):
        raise ValueError(
            "module has no parameters to train: give one that has, or set requires_grad=True on those that you train"
        )


def copied(module: M, dtype: torch.dtype | None, shared: Iterable[Tensor] = ()) -> M:
    """A copy whose tensors are its own, floating ones in ``dtype``; gradients and histories are left behind.

    Args:
        module: to be copied.
        dtype: of the copy; None to keep what it has.
        shared: tensors that the copy has in common with the original.

    Raises:
        TypeError: it cannot be copied.
    """
    memo: dict[int, Any] = {}

    def twin(leaf: Tensor) -> Tensor:
        kept = leaf.detach()
        return kept.to(dtype, copy=True) if dtype is not None and kept.is_floating_point() else kept.clone()

    # What deepcopy finds here it takes for copied already, so that parameters that are tied stay tied.
    for leaf in module.parameters():
        memo[id(leaf)] = torch.nn.Parameter(twin(leaf), requires_grad=False)
    for part in module.modules():
        for value in (*part._buffers.values(), *part.__dict__.values()):
            if isinstance(value, Tensor):
                memo.setdefault(id(value), twin(value))
    memo.update({id(leaf): leaf for leaf in shared})
    try:
        return copy.deepcopy(module, memo)
    except FAILURES as error:
        raise TypeError(
            f"{type(module).__name__} cannot be copied ({first_line(error)}), and a diagnosis works on a copy so that "
            "yours stays as it is; keep what cannot be copied outside of the module"
        ) from error


def first_line(error: BaseException) -> str:
    """What an error says, in short."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
