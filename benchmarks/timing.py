"""Timing programs side by side: in turns, so that whatever else the machine does meets them all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest import Contest, Program

_CALLS_SECONDS = 0.15


@dataclass(frozen=True)
class Effort:
    """How often everything is measured.

    Attributes:
        rounds: repetitions of every program once it is warm, each of calls that fill about 0.15 s.
        first_rounds: repetitions of the first call.
    """

    rounds: int
    first_rounds: int


THOROUGH = Effort(rounds=15, first_rounds=3)
QUICK = Effort(rounds=3, first_rounds=1)


@dataclass(frozen=True)
class Times:
    """Seconds a call of one program.

    Attributes:
        first: with all that it compiles, one number a repetition.
        warm: when compiled, one number a round.
    """

    first: NDArray[np.float64]
    warm: NDArray[np.float64]


def timed(contest: Contest, effort: Effort) -> dict[str, Times]:
    """The times of every program of a contest."""
    first: dict[str, list[float]] = {program.name: [] for program in contest.programs}
    warm: dict[str, list[float]] = {program.name: [] for program in contest.programs}
    for number in range(effort.first_rounds):
        for program in _turn(contest.programs, number):
            program.forget()
            first[program.name].append(_seconds(program.run, 1))
    calls = {program.name: max(1, math.ceil(_CALLS_SECONDS / _seconds(program.run, 1))) for program in contest.programs}
    for number in range(effort.rounds):
        for program in _turn(contest.programs, number):
            program.run()
            warm[program.name].append(_seconds(program.run, calls[program.name]))
    return {
        program.name: Times(np.array(first[program.name]), np.array(warm[program.name])) for program in contest.programs
    }


def _turn(programs: Sequence[Program], number: int) -> list[Program]:
    """The programs in an order that differs from round to round, so that none always follows the same other."""
    shift = number % len(programs)
    turned = [*programs[shift:], *programs[:shift]]
    return turned[::-1] if (number // len(programs)) % 2 else turned


def _seconds(run: Callable[[], Any], calls: int) -> float:
    begun = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - begun) / calls
