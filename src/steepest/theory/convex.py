"""Convexity tried: a witness against it, or an honest count of tries (chapter 15.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial
from numpy.typing import NDArray

from steepest.objectives import Params
from steepest.precision import double_precision
from steepest.theory.hessian import subject_of

_ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class Convexity:
    """What a search for a violated chord came to.

    Attributes:
        violated: whether a violation was found, which proves that the loss is not convex. That none was found proves
            nothing.
        tries: chords tried.
        witness: (w₁, w₂), whose midpoint lies above the chord; None where none was found.
        excess: by how much, L((w₁ + w₂)/2) − (L(w₁) + L(w₂))/2; None where none was found.
    """

    violated: bool
    tries: int
    witness: tuple[Params, Params] | None
    excess: float | None

    def __str__(self) -> str:
        if not self.violated:
            return f"no violation of convexity in {self.tries} tries, which proves nothing"
        return f"not convex: the loss in the middle of two points lies {self.excess:.4g} above their chord"


def convexity(
    objective: Any,
    window: Sequence[tuple[float, float]] | None = None,
    *,
    tries: int = 2000,
    radius: float = 3.0,
    seed: int = 0,
) -> Convexity:
    """Look for two points whose midpoint lies above their chord.

    Pairs are as far apart as the window and, in equal parts of the logarithm, down to a ten-thousandth of it, so that
    ripples of any size are met. Differences within 1e-10 of the values are rounding and no violation.

    Args:
        objective: a Descendable, or a function of a vector (then ``window`` is needed).
        window: (low, high) of each parameter of a vector; the objective's own by default. Other parameters are drawn
            around the objective's start.
        tries: chords, at least 1.
        radius: standard deviation of that drawing.
        seed: of the drawing.

    Raises:
        ValueError: a window that is empty or of another size, or tries below 1.

    Example:
        >>> import steepest as sd
        >>> print(sd.theory.convexity(sd.landscapes.bowl))
        no violation of convexity in 2000 tries, which proves nothing
        >>> sd.theory.convexity(sd.landscapes.rippled_bowl).violated
        True
    """
    if isinstance(tries, bool) or not isinstance(tries, int | np.integer) or tries < 1:
        raise ValueError(f"tries must be a whole number from 1 up, got {tries!r}")
    spans = getattr(objective, "window", None) if window is None else window
    middle = None if spans is None else _checked(spans)
    subject, point = subject_of(objective, None if middle is None else middle.mean(axis=1))
    random = np.random.default_rng(seed)
    with double_precision():
        flat, unravel = ravel_pytree(point)
        size, own = int(flat.size), np.asarray(flat)
        if middle is None:
            one, other = (own + radius * random.normal(size=(tries, size)) for _ in range(2))
        else:
            one, other = (random.uniform(middle[:, 0], middle[:, 1], size=(tries, size)) for _ in range(2))
        other = one + (other - one) * 10 ** random.uniform(-4, 0, size=(tries, 1))
        ends = np.stack([one, other, (one + other) / 2])
        values = _losses(subject, unravel, ends.reshape(-1, size)).reshape(3, tries)
        excess = values[2] - (values[0] + values[1]) / 2
        excess = np.where(excess > _ROUNDING * np.abs(values).max(axis=0), excess, -np.inf)
        place = int(np.argmax(np.where(np.isfinite(values).all(axis=0), excess, -np.inf)))
        if not excess[place] > 0:
            return Convexity(False, int(tries), None, None)
        witness = tuple(jax.tree.map(np.asarray, unravel(ends[end, place])) for end in (0, 1))
    return Convexity(True, int(tries), (witness[0], witness[1]), float(excess[place]))


def _checked(window: Any) -> NDArray[np.float64]:
    spans = np.asarray(window, float)
    if spans.ndim != 2 or spans.shape[1] != 2 or not (np.isfinite(spans).all() and (spans[:, 0] < spans[:, 1]).all()):
        raise ValueError(f"window must be a pair (low, high) for each parameter with low below high, got {window!r}")
    return spans


def _losses(subject: Any, unravel: Any, points: NDArray[Any]) -> NDArray[np.float64]:
    each = jax.vmap(unravel)(points)
    return np.asarray(_values(subject.oracle(np.dtype("float64")).loss, each))


@jax.jit
def _values(loss: Partial, points: Params) -> Any:
    return jax.lax.map(loss, points, batch_size=64)
