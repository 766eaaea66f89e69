"""Any value of a call in words that change when the value does: numbers as they are, code and data by their hash.

A store keeps these words of what it was begun with, so that another process can tell whether it is asked for the same.
Code counts, not where it stands: a function moved to another line is the same function, one with another constant in
it, or one that calls another helper of the user's, is not. Code of installed packages goes by its name; their versions
are kept beside it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import sys
import sysconfig
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_SHORT = 8
_DIGITS = 16
_DEEPEST = 12


def described(value: Any) -> Any:
    """Words for a value: what ``json`` can hold, equal for equal values in any process.

    Numbers, strings and short arrays stand as they are; long arrays by shape, range and hash; functions by name and the
    hash of their code, what they close over and the functions of the user's that they call.

    >>> described({"learning_rate": 0.1, "momentum": None})
    {'learning_rate': 0.1, 'momentum': None}
    >>> described(np.arange(100)) == described(np.arange(100.0))
    False
    """
    return _Description().of(value, 0)


def digest(array: Any) -> str:
    """The hash of an array's bytes, 16 hexadecimal digits; its dtype and shape are part of it."""
    contiguous = np.ascontiguousarray(array)
    found = hashlib.blake2b(f"{contiguous.dtype.str} {contiguous.shape}".encode(), digest_size=_DIGITS // 2)
    found.update(contiguous.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _is_keys(array: Any) -> bool:
    """Whether it holds keys of JAX's random generators, which are no numbers."""
    return bool(jnp.issubdtype(array.dtype, jax.dtypes.prng_key))


class _Description:
    """One description; it remembers the functions it is within, so that those that call each other end."""

    def __init__(self) -> None:
        self._within: list[Any] = []

    def of(self, value: Any, depth: int) -> Any:
        """The words for a value at a depth."""
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float | np.floating | np.integer | np.bool_):
            return value.item() if hasattr(value, "item") else value
        if depth > _DEEPEST:
            return type(value).__name__
        deeper = functools.partial(self.of, depth=depth + 1)
        if isinstance(value, np.ndarray | jax.Array) and not _is_keys(value):
            return _array(np.asarray(value))
        if hasattr(value, "fingerprint"):
            return deeper(value.fingerprint())
        if isinstance(value, types.FunctionType | types.MethodType | types.BuiltinFunctionType | type):
            return self._function(value, deeper)
        if isinstance(value, functools.partial):
            return {"partial": [deeper(part) for part in (value.func, value.args, value.keywords)]}
        if isinstance(value, Mapping):
            return {str(key): deeper(item) for key, item in value.items()}
        if isinstance(value, list | tuple | range):
            words = [deeper(item) for item in value]
            return {type(value).__name__: words} if hasattr(value, "_fields") else words
        if isinstance(value, set | frozenset):
            return sorted(map(str, (deeper(item) for item in value)))
        return self._object(value, deeper)

    def _object(self, value: Any, deeper: Any) -> Any:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if dataclasses.is_dataclass(value):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        else:
            fields = dict(getattr(value, "__dict__", {}))
        public = {name: deeper(item) for name, item in fields.items() if not name.startswith("_")}
        if not public and not fields:
            # The address of an object differs from process to process.
            words = repr(value)
            return kind if " at 0x" in words else words
        return {kind: public}

    def _function(self, value: Any, deeper: Any) -> Any:
        if isinstance(value, types.MethodType):
            return {"method": [deeper(value.__func__), deeper(value.__self__)]}
        name = f"{value.__module__}.{getattr(value, '__qualname__', value)}"
        closure = [deeper(cell.cell_contents) for cell in getattr(value, "__closure__", None) or ()]
        if not isinstance(value, types.FunctionType) or _installed(value.__module__):
            return {name: closure} if closure else name
        if value in self._within:
            return name
        self._within.append(value)
        called = {other: deeper(value.__globals__[other]) for other in _names(value.__code__, value.__globals__)}
        self._within.pop()
        parts = [_code(value.__code__), deeper(value.__defaults__), deeper(value.__kwdefaults__), closure, called]
        hashed = hashlib.blake2b(repr(parts).encode(), digest_size=_DIGITS // 2).hexdigest()
        return f"{value.__qualname__} {hashed}"


def _array(array: Any) -> Any:
    if array.ndim <= 1 and array.size <= _SHORT and array.dtype.kind in "fiub":
        return array.tolist()
    if array.dtype == object:
        return [described(item) for item in array.ravel().tolist()]
    span = f" from {array.min():.6g} to {array.max():.6g}" if array.size and array.dtype.kind in "fiu" else ""
    return f"{array.dtype} array of shape {array.shape}{span}, hash {digest(array)}"


def _code(code: types.CodeType) -> Any:
    constants = [_code(item) if isinstance(item, types.CodeType) else repr(item) for item in code.co_consts]
    return [code.co_code.hex(), constants, code.co_names, code.co_varnames]


def _names(code: types.CodeType, known: Mapping[str, Any]) -> list[str]:
    """Global names that code uses, also within functions it defines; modules stand by their name."""
    names = {name for name in code.co_names if name in known and not isinstance(known[name], types.ModuleType)}
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            names.update(_names(item, known))
    return sorted(names)


@functools.cache
def _installed(module: str | None) -> bool:
    """Whether a module belongs to an installed package, to Python or to steepest itself."""
    if module is None or module.partition(".")[0] in ("steepest", "builtins"):
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return module != "__main__"
    folders = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")]
    return any(folder in Path(file).resolve().parents for folder in folders)
