"""What a sweep will cost, from a measurement: how long a block takes a step, and how large tasks should be."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steepest.descent.blocks import Advance
from steepest.descent.cut import Cut
from steepest.descent.job import Job
from steepest.descent.sweep import Sweep

_ENOUGH_SECONDS = 0.02
_MOST_STEPS = 10_000
_TASK_BYTES = 2**27


@dataclass(frozen=True)
class Cost:
    """What was measured on the first block of a sweep.

    Attributes:
        compile_seconds: for one cell's program.
        run_step_seconds: of one core, for a step of one run in a block.
        work: numbers that a step of one of these runs works on, in proportion.
    """

    compile_seconds: float
    run_step_seconds: float
    work: int

    def block_seconds(self, job: Job, cut: Cut) -> float:
        """How long a block of any cell takes if its runs use all their steps, by the numbers it works on."""
        return self.run_step_seconds * math.prod(cut.tile) * job.steps * _work(job) / self.work

    def seconds(self, sweep: Sweep, cuts: Sequence[Cut]) -> float:
        """How long one core takes for the whole sweep, compilations aside, if all runs use all their steps."""
        return sum(cut.count * self.block_seconds(job, cut) for job, cut in zip(sweep.jobs, cuts, strict=True))


def measure(job: Job, cut: Cut) -> Cost:
    """Compile a job's program and take a few steps of its first block, which are then forgotten."""
    block = cut.tasks(cut.tile)[0].blocks[0]

    def seconds(until: int) -> float:
        advance = Advance(job, cut.program, *block)
        began = time.perf_counter()
        np.asarray(advance(0, until, job.steps)[1][0])
        return time.perf_counter() - began

    def made(block_step_seconds: float) -> Cost:
        return Cost(max(0.0, first - one), block_step_seconds / math.prod(cut.tile), _work(job))

    first, one = seconds(1), seconds(1)
    most = min(job.steps, _MOST_STEPS, cut.program.plan_steps or job.steps, cut.program.capacity * job.every)
    if one > _ENOUGH_SECONDS or most < 2:
        return made(one)
    steps = int(np.clip(_ENOUGH_SECONDS / one, 2, most))
    longer = seconds(steps)
    if longer < _ENOUGH_SECONDS and steps < most:
        steps = min(most, int(steps * _ENOUGH_SECONDS / longer))
        longer = seconds(steps)
    return made(max(longer - one, longer / 2) / (steps - 1))


def blocks_of_seconds(seconds: float, job: Job, cut: Cut, block_seconds: float, together: int) -> int:
    """Blocks of a task that takes about so long when ``together`` of them run at a time, within bounds of memory."""
    runs = math.prod(cut.tile)
    block_bytes = 8 * runs * (job.records * (2 + len(job.extra) + job.program.path * job.parameters) + job.parameters)
    fit = max(1, _TASK_BYTES // block_bytes)
    wanted = max(1, int(seconds / max(block_seconds, 1e-9)) * together)
    return min(fit, -(-wanted // together) * together)


def _work(job: Job) -> int:
    """Numbers that one step of one run works on, in proportion."""
    rows = job.plan.width if job.plan is not None else (job.rows or 1)
    return max(1, job.parameters) * rows
