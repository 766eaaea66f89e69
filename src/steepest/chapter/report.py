"""The book's numbers beside ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

TOLERANCE = 1e-10
"""The largest relative difference of two numbers that agree."""


@dataclass(frozen=True, eq=False)
class Program:
    """What one program of the chapter gives.

    Attributes:
        name: under which the book's numbers stand.
        figures: file name → figure.
        numbers: nested like the book's: numbers, lists of numbers, or words.
        book: what to compare with where it is not the book's file: closed forms.
        tolerance: the largest relative difference of two numbers that agree; more than :data:`TOLERANCE` where a
            measurement stands beside a theorem.
        notes: where measurement shows that the chapter's text or figure is wrong, with the evidence.
    """

    name: str
    figures: Mapping[str, Figure]
    numbers: Mapping[str, Any]
    book: Mapping[str, Any] | None = None
    tolerance: float = TOLERANCE
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One number, or one list of them.

    Attributes:
        section: the program's name.
        number: what it is.
        book: the book's value, or a closed form's.
        ours: the value computed now.
        difference: largest relative difference; 0 or inf for words.
        agrees: whether that is at most the program's tolerance.
    """

    section: str
    number: str
    book: Any
    ours: Any
    difference: float
    agrees: bool


@dataclass(frozen=True)
class Report:
    """Every comparison of a run of the chapter.

    Attributes:
        rows: one for every number or list of numbers.
        notes: where the chapter's text or figure is wrong, with the evidence.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every number agrees."""
        return all(row.agrees for row in self.rows)

    def write(self, path: Path) -> None:
        """Write ``numbers.json``: the tolerance, every row and every note."""
        content: dict[str, Any] = {
            "tolerance": TOLERANCE,
            "agrees": self.agrees,
            "rows": [asdict(row) for row in self.rows],
        }
        content["notes"] = list(self.notes)
        path.write_text(json.dumps(content, indent=1, default=float) + "\n", encoding="utf-8")


def book_numbers() -> dict[str, Any]:
    """The numbers that the chapter's programs compute, at full precision."""
    text = resources.files("steepest.chapter").joinpath("data/numbers.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def compare(program: Program, book: Mapping[str, Any]) -> list[Row]:
    """A row for every number the book has of a program; one that we do not compute differs.

    >>> program = Program("15.0", {}, {"final": [1.0, 2.0]})
    >>> [(row.number, row.agrees) for row in compare(program, {"final": [1.0, 2.1]})]
    [('final', False)]
    """
    ours = dict(_leaves(program.numbers))
    rows = []
    for name, value in _leaves(book):
        if name == "note":
            continue
        mine = ours.get(name)
        difference = _difference(value, mine)
        rows.append(Row(program.name, name, value, mine, difference, difference <= program.tolerance))
    return rows


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        path = f"{prefix} {name}".strip()
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        else:
            yield path, value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _difference(book: Any, ours: Any) -> float:
    """Largest |ours − book| / |book|, also of numbers near 1e-35; absolute where the book has zero."""
    if ours is None:
        return float("inf")
    if isinstance(book, str) or isinstance(ours, str):
        return 0.0 if book == ours else float("inf")
    one, other = np.asarray(book, float), np.asarray(ours, float)
    if one.shape != other.shape:
        return float("inf")
    scale = np.where(one == 0, 1.0, np.abs(one))
    gap = np.abs(one - other) / scale
    return float("inf") if not np.all(np.isfinite(gap)) else float(gap.max(initial=0.0))
