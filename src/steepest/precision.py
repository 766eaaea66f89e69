"""Double precision for the laboratory, without touching the user's global JAX settings.

JAX computes in float32 unless ``jax_enable_x64`` is set. A learning rate just above its limit and one just
below it differ by less than float32 can hold over a few thousand steps, so everything here runs in
float64 unless float32 is asked for, inside a context that leaves the global flag as it was found.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal

import jax
import numpy as np

from steepest.errors import unknown_name

Precision = Literal["float64", "float32"]

_PRECISIONS: tuple[str, ...] = ("float64", "float32")


def double_precision() -> AbstractContextManager[None]:
    """A context in which JAX keeps float64; thread-local, restored on leaving."""
    context: AbstractContextManager[None] = jax.enable_x64(True)
    return context


def check_precision(name: str) -> np.dtype[Any]:
    """The NumPy dtype of a precision name.

    Raises:
        ValueError: the name is neither ``"float64"`` nor ``"float32"``.

    >>> check_precision("float32")
    dtype('float32')
    """
    if name not in _PRECISIONS:
        raise unknown_name("precision", str(name), _PRECISIONS)
    return np.dtype(name)


def abstract(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """An array's shape and dtype without its numbers, to trace with."""
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]


def cast(tree: Any, dtype: np.dtype[Any]) -> Any:
    """The pytree with its floating leaves as NumPy or JAX arrays of ``dtype``; other leaves keep their type."""

    def leaf(value: Any) -> Any:
        if isinstance(value, jax.Array):
            return value.astype(dtype) if np.issubdtype(value.dtype, np.floating) else value
        array = np.asarray(value)
        return array.astype(dtype, copy=False) if np.issubdtype(array.dtype, np.floating) else array

    return jax.tree.map(leaf, tree)
