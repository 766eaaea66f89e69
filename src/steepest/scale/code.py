"""The user's own code on its way to a worker.

Functions of the user's own files travel by value, so that a worker needs neither those files nor their folder: what a
script, a notebook or ``file.py:name`` defines, and the modules beside it. Packages that are installed travel by name.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle


@contextmanager
def by_value() -> Iterator[None]:
    """Have cloudpickle take the user's own modules whole."""
    modules = [module for module in list(sys.modules.values()) if _is_users(module)]
    known = cloudpickle.list_registry_pickle_by_value()
    new = [module for module in modules if module.__name__ not in known]
    for module in new:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in new:
            cloudpickle.unregister_pickle_by_value(module)


def _is_users(module: Any) -> bool:
    name, file = getattr(module, "__name__", None), getattr(module, "__file__", None)
    if not isinstance(module, ModuleType) or not isinstance(name, str) or not isinstance(file, str):
        return False
    if name == "__main__" or name.partition(".")[0] == "steepest" or sys.modules.get(name) is not module:
        return False
    return not _is_installed(file)


@lru_cache(maxsize=4096)
def _is_installed(file: str) -> bool:
    places = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib", "stdlib", "platstdlib")}
    above = Path(file).resolve().parents
    # A package that is installed in place of a copy stays importable, and has its metadata beside it or above it.
    return any(place in above for place in places) or "site-packages" in Path(file).parts
