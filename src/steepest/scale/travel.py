"""How a job travels to a worker: its code and data as bytes, and back into a job there."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache

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
from steepest.scale.code import by_value

_KEPT = 16


def packed(job: Job, program: Program) -> tuple[str, bytes]:
    """A job and its compiled form as bytes, and a name for them: equal jobs have equal names.

    Raises:
        ValueError: something in it cannot travel, a lock or an open file, say.
    """
    # A JAX array would be unpacked in the precision the worker happens to have.
    oracle, extra = jax.tree.map(np.asarray, (job.oracle, job.extra))
    try:
        with by_value():
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
