"""How a job travels to a worker: its code and data as bytes, and back into a job there.

Functions of the user's own files travel by value, so that a worker needs neither those files nor their folder: what a
script, a notebook or ``file.py:name`` defines, and the modules beside it. Packages that are installed travel by name.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import jax
import jax.numpy as jnp
import numpy as np

from steepest.descent.blocks import run_task
from steepest.descent.control import Control
from steepest.descent.cut import Task
from steepest.descent.job import Job
from steepest.descent.outcome import Outcome
from steepest.descent.state import Program
from steepest.precision import double_precision

_KEPT = 16


def packed(job: Job, program: Program) -> tuple[str, bytes]:
    """A job and its compiled form as bytes, and a name for them: equal jobs have equal names.

    Raises:
        ValueError: something in it cannot travel, a lock or an open file, say.
    """
    # A JAX array would be unpacked in the precision the worker happens to have.
    oracle, extra = jax.tree.map(np.asarray, (job.oracle, job.extra))
    try:
        with _by_value():
            bytes_ = cloudpickle.dumps((replace(job, oracle=oracle, extra=extra), program))
    except Exception as error:
        raise ValueError(
            f"the objective or the method cannot be sent to a worker: {error}; define them with functions and arrays"
        ) from error
    return hashlib.blake2b(bytes_, digest_size=16).hexdigest(), bytes_


def carried(data: bytes) -> bytes:
    """The bytes themselves: a task of its own, so that workers hold them and any can be given them again."""
    return data


def performed(data: bytes, task: Task) -> Outcome:
    """Run a task on a worker, in the thread that it was given."""
    job, program = _unpacked(data)
    with double_precision():
        return run_task(job, program, task, Control(None, 1.0), threads=1)


@lru_cache(maxsize=_KEPT)
def _unpacked(data: bytes) -> tuple[Job, Program]:
    """One job a worker and sweep, so that its programs are compiled once."""
    with double_precision():
        job, program = cloudpickle.loads(data)
        oracle, extra = jax.tree.map(jnp.asarray, (job.oracle, job.extra))
    return replace(job, oracle=oracle, extra=extra), program


@contextmanager
def _by_value() -> Iterator[None]:
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
