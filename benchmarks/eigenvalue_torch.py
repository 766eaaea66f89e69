"""The peer in PyTorch: power iteration on Hessian-vector products by double backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


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
