"""A sweep before it is run: its grid, its cells as jobs, and how their results will be laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steepest.descent.grid import Grid
from steepest.descent.job import Clock, Job, Request
from steepest.descent.labels import Cell, Layout
from steepest.descent.outcome import Outcome


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a call of ``descend`` asks for, checked and resolved.

    Attributes:
        grid: the axes.
        clock, request: how long to run and what for.
        places: of each cell on the looped axes.
        jobs: of each cell.
        units: steps of a unit of records of each cell.
        attributes: of the labelled dataset.
    """

    grid: Grid
    clock: Clock
    request: Request
    places: Sequence[tuple[int, ...]]
    jobs: Sequence[Job]
    units: Sequence[int]
    attributes: dict[str, Any]

    @property
    def layout(self) -> Layout:
        """How the cells make labelled arrays."""
        record = self.clock.record
        return Layout(self.grid.looped, self.grid.traced, (*self.grid.order, record, "parameter"), record)

    @property
    def run_steps(self) -> float:
        """Steps of all runs together, at most."""
        return sum(float(job.lanes) * len(job.seeds) * job.steps for job in self.jobs)

    def cell(self, number: int, outcome: Outcome) -> Cell:
        """A cell with what it came to."""
        unit = self.units[number]
        return Cell(self.places[number], outcome, self.jobs[number].every // unit, unit)
