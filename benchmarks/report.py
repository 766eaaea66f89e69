"""What was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest import Contest
from benchmarks.timing import Effort, Times

INTRODUCTION = """\
All programs of a table ran in one process, in turns. *Warm*: median (least to greatest) of {rounds} rounds. *First*: \
median of {first_rounds} first calls, compilation included. *Ratio*: how many times longer than the first program of \
the table, the median of the ratios within each round; above 1 the first program is faster. *Aim*: the least ratio \
hoped for. Loading the libraries is not part of any time.
"""


def heading(machine: Sequence[str], effort: Effort) -> str:
    """What stands above the tables."""
    lines = "\n".join(f"* {line}" for line in machine)
    return f"{lines}\n\n{INTRODUCTION.format(rounds=effort.rounds, first_rounds=effort.first_rounds)}"


def table(contest: Contest, times: Mapping[str, Times], differences: Mapping[str, Mapping[str, float]]) -> str:
    """One contest: the task, the times, and how far the results of the programs lie apart."""
    lines = [
        f"## {contest.title}",
        "",
        contest.task,
        "",
        "| program | warm | ratio | first | ratio | aim |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    ours = times[contest.programs[0].name]
    for program in contest.programs:
        theirs = times[program.name]
        aim = "" if program.aim is None else f"{program.aim:g}"
        lines.append(
            f"| {program.name} | {spread(theirs.warm)} | {ratio(theirs.warm, ours.warm)} "
            f"| {seconds(float(np.median(theirs.first)))} | {ratio(theirs.first, ours.first)} | {aim} |"
        )
    lines += ["", f"Largest differences from the results of “{contest.programs[0].name}”:", ""]
    for name, apart in differences.items():
        lines.append(f"* {name}: " + ", ".join(f"{what} {value:.1e}" for what, value in apart.items()))
    return "\n".join([*lines, ""])


def spread(values: NDArray[np.float64]) -> str:
    """The median, with the least and the greatest in parentheses."""
    return f"{seconds(float(np.median(values)))} ({seconds(float(values.min()))} to {seconds(float(values.max()))})"


def ratio(theirs: NDArray[np.float64], ours: NDArray[np.float64]) -> str:
    """The median of the ratios of two programs measured in the same rounds.

    >>> ratio(np.array([2.0, 2.2, 9.0]), np.array([1.0, 1.0, 1.0]))
    '2.20'
    """
    return f"{float(np.median(theirs / ours)):#.3g}".rstrip(".")


def seconds(value: float) -> str:
    """A time with three digits in a fitting unit.

    >>> seconds(0.0123456), seconds(3.0), seconds(0.000042)
    ('12.3 ms', '3.00 s', '42.0 µs')
    """
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= scale:
            return f"{value / scale:#.3g} {unit}".replace(". ", " ")
    return f"{value / 1e-9:#.3g} ns".replace(". ", " ")
