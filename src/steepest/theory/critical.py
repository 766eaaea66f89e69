"""What a point is where the gradient vanishes: a minimum, a maximum or a saddle (chapter 15.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from steepest.objectives import Params
from steepest.theory.hessian import hessian, subject_of

_FLAT = 1e-7
_BESIDE = 0.01


class Kind(StrEnum):
    """What a point is by its gradient and the signs of its curvatures."""

    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    SADDLE = "saddle"
    DEGENERATE = "degenerate"
    NOT_CRITICAL = "not critical"


@dataclass(frozen=True, eq=False)
class Critical:
    """A point and what it is.

    Attributes:
        kind: see :class:`Kind`; ``degenerate`` where a curvature of zero leaves the second-order test silent.
        at: the point, a pytree.
        loss, gradient_norm: there.
        eigenvalues: of the Hessian, ascending, shape (n,).
        deciding_eigenvalue: the smallest of a minimum, the largest of a maximum, the most negative of a saddle, the one
            nearest zero of a degenerate point; None of a point that is not critical.
    """

    kind: Kind
    at: Params
    loss: float
    gradient_norm: float
    eigenvalues: NDArray[np.float64]
    deciding_eigenvalue: float | None

    def __str__(self) -> str:
        if self.deciding_eigenvalue is None:
            return f"not critical: gradient norm {self.gradient_norm:.4g}"
        return f"{self.kind}, loss {self.loss:.6g}, decided by the curvature {self.deciding_eigenvalue:.4g}"


def classify(objective: Any, at: Params | None = None, *, tolerance: float = 1e-6) -> Critical:
    """What a point is: minimum, maximum, saddle, degenerate, or not critical.

    It is critical where the gradient norm is at most ``tolerance`` × the largest |curvature| × max(1, ‖w‖): where
    moving by that share of its size would account for it. A curvature counts as zero below 1e-7 of the largest, here or
    a hundredth of max(1, ‖w‖) away.

    Args:
        objective: a Descendable with few parameters, or a function of the parameters.
        at: the point; the objective's own start by default.
        tolerance: above 0.

    Raises:
        TypeError, ValueError: as :func:`steepest.theory.hessian`; a tolerance that is not above 0.

    Example:
        >>> import steepest as sd
        >>> print(sd.theory.classify(sd.landscapes.rippled_bowl, [0.0, 0.0]))
        saddle, loss 0, decided by the curvature -0.9244
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance!r}")
    _, point = subject_of(objective, at)
    loss, gradient, matrix = hessian(objective, at)
    eigenvalues = np.linalg.eigvalsh(matrix)
    norm, steepest = float(np.linalg.norm(gradient)), float(np.abs(eigenvalues).max())
    size = max(1.0, float(np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(point)))))
    if norm > tolerance * steepest * size + tolerance**2:
        return Critical(Kind.NOT_CRITICAL, point, loss, norm, eigenvalues, None)
    kind, place = _kind(eigenvalues, max(steepest, _curvature_beside(objective, point, _BESIDE * size)))
    return Critical(kind, point, loss, norm, eigenvalues, float(eigenvalues[place]))


def _curvature_beside(objective: Any, point: Params, distance: float) -> float:
    """The largest |curvature| that far away in a direction across all parameters; 0 where it is not finite."""
    count = sum(np.size(leaf) for leaf in jax.tree.leaves(point))
    beside = jax.tree.map(lambda leaf: np.asarray(leaf) + distance / np.sqrt(count), point)
    try:
        return float(np.abs(np.linalg.eigvalsh(hessian(objective, beside)[2])).max())
    except ValueError:
        return 0.0


def _kind(eigenvalues: NDArray[np.float64], scale: float) -> tuple[Kind, int]:
    """The kind, and the place of the eigenvalue that decides."""
    zero = _FLAT * max(scale, 1e-290)
    if eigenvalues[0] < -zero and eigenvalues[-1] > zero:
        return Kind.SADDLE, 0
    if (np.abs(eigenvalues) <= zero).any():
        return Kind.DEGENERATE, int(np.abs(eigenvalues).argmin())
    return (Kind.MINIMUM, 0) if eigenvalues[0] > 0 else (Kind.MAXIMUM, -1)
