"""In PyTorch: the peer, power iteration by double backward, and our Lanczos on products of a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def lanczos(x: Any, y: Any, params: Any, tolerance: float, most_products: int) -> Callable[[], float]:
    """A function that finds the same as ``steepest.torch.diagnose`` does, of a module with these weights."""
    from steepest.torch.batches import collected
    from steepest.torch.curvature import hessian_products, spectrum_of
    from steepest.torch.functional import made

    layers: list[torch.nn.Module] = []
    for layer in params:
        linear = torch.nn.Linear(*np.shape(layer["weight"]), dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(np.asarray(layer["weight"]).T))
            linear.bias.copy_(torch.tensor(np.asarray(layer["bias"])))
        layers += [linear, torch.nn.ReLU()]
    module = torch.nn.Sequential(*layers[:-1])
    data = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.int64)

    def largest() -> float:
        batches = collected(data, len(data[0]), None, 0)
        loss = made(module, torch.nn.functional.cross_entropy, batches, "eval", torch.float64, 0)
        found, _ = spectrum_of(loss, hessian_products(loss), tolerance, most_products, 0, "mlp")
        return found.largest.value

    return largest


def power_iteration(x: Any, y: Any, params: Any, tolerance: float, most_products: int) -> Callable[[], float]:
    """A function that finds the largest eigenvalue of an mlp's mean cross-entropy."""
    features, classes = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.int64)
    layers = [
        {name: torch.tensor(np.asarray(leaf), dtype=torch.float64, requires_grad=True) for name, leaf in layer.items()}
        for layer in params
    ]
    leaves = [leaf for layer in layers for leaf in layer.values()]

    def loss() -> torch.Tensor:
        found = features
        for layer in layers[:-1]:
            found = torch.relu(found @ layer["weight"] + layer["bias"])
        return torch.nn.functional.cross_entropy(found @ layers[-1]["weight"] + layers[-1]["bias"], classes)

    def largest() -> float:
        gradients = torch.autograd.grad(loss(), leaves, create_graph=True)
        generator = torch.Generator().manual_seed(0)
        vector = [torch.randn(leaf.shape, dtype=torch.float64, generator=generator) for leaf in leaves]
        previous = None
        for _ in range(most_products):
            norm = torch.sqrt(sum((part * part).sum() for part in vector))
            vector = [part / norm for part in vector]
            product = torch.autograd.grad(gradients, leaves, grad_outputs=vector, retain_graph=True)
            value = float(sum((one * other).sum() for one, other in zip(product, vector, strict=True)))
            if previous is not None and abs(value - previous) < tolerance * abs(value):
                return value
            previous, vector = value, list(product)
        return value

    return largest
