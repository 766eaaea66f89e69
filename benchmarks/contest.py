"""A contest: several programs that do one task, and how far their results lie apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Results = Mapping[str, NDArray[Any]]


def nothing_to_forget() -> None:
    """For a program that compiles nothing."""


@dataclass(frozen=True)
class Program:
    """One way of doing a task.

    Attributes:
        name: what the table calls it.
        run: does the task from its inputs to its results; this is what is timed.
        results: what ``run`` returned, as arrays named alike and of like shape for all programs of a contest.
        forget: throws away what was compiled, so that the next run is a first one.
        aim: how many times longer than ours it should take; None where nothing is aimed at.
    """

    name: str
    run: Callable[[], Any]
    results: Callable[[Any], Results]
    forget: Callable[[], None] = nothing_to_forget
    aim: float | None = None


@dataclass(frozen=True)
class Contest:
    """One task and the programs that do it.

    Attributes:
        title: of its table.
        task: what is done, in a sentence or two.
        programs: the first is ours, to which the others are compared.
        tolerance: how far results may differ, relative to the largest number of an array.
    """

    title: str
    task: str
    programs: tuple[Program, ...]
    tolerance: float


def difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The largest difference of two arrays, relative to the largest number in them; NaN equals NaN, infinity itself.

    Arrays of anything but floating numbers differ by the fraction of their entries that are not equal.

    >>> difference(np.array([1.0, np.nan]), np.array([1.5, np.nan]))
    0.3333333333333333
    >>> difference(np.array(["converged", "diverged"]), np.array(["converged", "converged"]))
    0.5
    """
    if one.shape != other.shape:
        raise ValueError(f"results must have one shape to be compared, got {one.shape} and {other.shape}")
    if not np.issubdtype(one.dtype, np.floating):
        return float(np.mean(one != other))
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    if same.all():
        return 0.0
    largest = max(np.abs(values[np.isfinite(values)]).max(initial=0.0) for values in (one, other))
    apart = np.abs(one - other)[~same]
    return float(apart.max() / largest) if np.isfinite(apart).all() else float("inf")


def disagreement(contest: Contest) -> dict[str, dict[str, float]]:
    """Every program's results against those of the first: program → name → difference.

    Raises:
        ArithmeticError: one lies further apart than the contest tolerates.
    """
    ours, *others = (program.results(program.run()) for program in contest.programs)
    found: dict[str, dict[str, float]] = {}
    for program, theirs in zip(contest.programs[1:], others, strict=True):
        if theirs.keys() != ours.keys():
            raise ArithmeticError(f"{program.name} returned {sorted(theirs)}, not {sorted(ours)}")
        found[program.name] = {name: difference(ours[name], theirs[name]) for name in ours}
        worst = max(found[program.name], key=found[program.name].__getitem__)
        if not found[program.name][worst] <= contest.tolerance:
            raise ArithmeticError(
                f"{program.name} and {contest.programs[0].name} do not compute the same: {worst} differs by "
                f"{found[program.name][worst]:.3g}, at most {contest.tolerance:.3g} is allowed"
            )
    return found
