"""What a diagnosis must not leave a trace in: random number generators, and how PyTorch is set."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

_CUDA: Any = torch.cuda  # whose functions have no types


@contextmanager
def as_found(data: Any, module: torch.nn.Module) -> Iterator[None]:
    """Within it every generator may be used and second derivatives are possible; after it all is as it was.

    Generators are those of PyTorch on all devices, of NumPy, of Python, and the data loader's own. Gradients are
    computed even within ``torch.no_grad`` or ``torch.inference_mode``, and without autocast. Attention is computed
    by its plain formula, because the fused kernels have no second derivative; so are recurrent layers on CUDA.

    Args:
        data: the loader, or anything else.
        module: whose layers decide what has to be done without.
    """
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
