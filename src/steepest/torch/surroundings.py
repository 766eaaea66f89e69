"""What a diagnosis must not leave a trace in: generators, how PyTorch is set, and modules that the loss holds."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import is_lazy

_CUDA: Any = torch.cuda  # whose functions have no types
_EMPTY = CellType()  # of a name that has no value yet


@contextmanager
def as_found(data: Any, module: torch.nn.Module, loss_fn: Any) -> Iterator[None]:
    """Within it every generator may be used and second derivatives are possible; after it all is as it was.

    Generators are those of PyTorch on all devices, of NumPy, of Python, and the data loader's own. Gradients are
    computed even within ``torch.no_grad`` or ``torch.inference_mode``, and without autocast. Attention is computed
    by its plain formula, because the fused kernels have no second derivative; so are recurrent layers on CUDA.

    Args:
        data: the loader, or anything else.
        module: whose layers decide what has to be done without.
        loss_fn: which is called as it is where it is a function: the modules that it holds are put back, their
            buffers, modes and gradients.
    """
    held = [_Held(part) for other in modules_of(loss_fn) for part in other.modules()]
    generators = _generators(data)
    before = [generator.get_state() for generator in generators]
    of_torch, of_python, of_numpy = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    # Asking for the states of devices that were never used would set them up.
    of_cuda = torch.cuda.get_rng_state_all() if _CUDA.is_initialized() else None
    of_mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    recurrent = any(isinstance(part, torch.nn.RNNBase) for part in module.modules())
    try:
        with ExitStack() as settings:
            settings.enter_context(torch.inference_mode(False))
            settings.enter_context(torch.enable_grad())
            settings.enter_context(sdpa_kernel(SDPBackend.MATH))
            for kind in sorted({"cpu", *(part.device.type for part in module.parameters())} - {"meta"}):
                settings.enter_context(torch.autocast(kind, enabled=False))
            if recurrent:
                settings.enter_context(torch.backends.cudnn.flags(enabled=False))
            yield
    finally:
        for part in held:
            part.put_back()
        torch.set_rng_state(of_torch)
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002
        if of_cuda is not None:
            torch.cuda.set_rng_state_all(of_cuda)
        if of_mps is not None:
            torch.mps.set_rng_state(of_mps)
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def seeded(seed: int) -> None:
    """Set every generator but the loader's own.

    Not by ``torch.manual_seed``: where CUDA has not been used yet it notes the seed for when it will be.
    """
    torch.default_generator.manual_seed(seed)
    if _CUDA.is_initialized():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002


def _generators(data: Any) -> list[torch.Generator]:
    """The loader's own, and those of the samplers it draws from."""
    batch_sampler = getattr(data, "batch_sampler", None)
    owners = [data, getattr(data, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None)]
    found = [getattr(owner, "generator", None) for owner in owners]
    unique = {id(generator): generator for generator in found if isinstance(generator, torch.Generator)}
    return list(unique.values())


def modules_of(held: Any) -> list[torch.nn.Module]:
    """The modules that a function can reach: what it closes over, its defaults, a bound object, arguments of a partial.

    Also the globals that it names, and what lists, tuples and dicts among all of these hold.
    """
    found: dict[int, torch.nn.Module] = {}
    seen: dict[int, Any] = {}
    waiting = [held]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, torch.nn.Module):
            found[id(value)] = value
        else:
            waiting += _held_by(value)
    return list(found.values())


def _held_by(value: Any) -> list[Any]:
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__, *getattr(value.__self__, "__dict__", {}).values()]
    if isinstance(value, FunctionType):
        closed = [cell.cell_contents for cell in value.__closure__ or () if cell != _EMPTY]
        return [*closed, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values(), *_named_by(value)]
    if isinstance(value, list | tuple | set):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, type) or not callable(value):
        return []
    # An object that is called like a function.
    return list(getattr(value, "__dict__", {}).values())


def _named_by(function: FunctionType) -> list[Any]:
    """The globals that a function names; those of PyTorch's own are no user's modules."""
    if str(function.__module__).startswith("torch."):
        return []
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    return [value for value in named if not isinstance(value, ModuleType)]


class _Held:
    """One module without its children, as it was."""

    def __init__(self, part: torch.nn.Module) -> None:
        self._part = part
        self._training = part.training
        self._buffers = [(name, kept, _kept(kept)) for name, kept in part._buffers.items()]
        leaves = [leaf for leaf in part._parameters.values() if leaf is not None]
        self._gradients = [(leaf, leaf.grad, _kept(leaf.grad)) for leaf in leaves]

    def put_back(self) -> None:
        self._part.training = self._training
        for name, buffer, value in self._buffers:
            self._part._buffers[name] = buffer
            _restore(buffer, value)
        for leaf, gradient, value in self._gradients:
            leaf.grad = gradient
            _restore(gradient, value)


def _kept(tensor: torch.Tensor | None) -> torch.Tensor | None:
    """What a tensor holds; None where it holds nothing that could change."""
    if tensor is None or tensor.device.type == "meta" or is_lazy(tensor):
        return None
    return tensor.detach().clone()


def _restore(tensor: torch.Tensor | None, value: torch.Tensor | None) -> None:
    """The same numbers in the same tensor; one that still has them is not written to."""
    if tensor is None or value is None or torch.equal(tensor, value):
        return
    with torch.inference_mode(tensor.is_inference()), torch.no_grad():
        tensor.copy_(value)
