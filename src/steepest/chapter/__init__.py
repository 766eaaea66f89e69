"""The chapter *Gradient Descent Foundations*, run: one module a section, on the public API alone.

Each section gives its figures under the chapter's file names, and its numbers, which :func:`run` compares with the
book's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from steepest.chapter import (
    exercise_15_1,
    exercise_15_2,
    exercise_15_3,
    exercise_15_4,
    exercise_15_5,
    section_15_2,
    section_15_3,
    section_15_4,
    section_15_5,
    section_15_6,
    section_15_7,
    section_15_8,
)
from steepest.chapter.report import Program, Report, Row, book_numbers, compare
from steepest.errors import unknown_name

SECTIONS: dict[str, Callable[[], list[Program]]] = {
    "15.2": section_15_2.programs,
    "15.3": section_15_3.programs,
    "15.4": section_15_4.programs,
    "15.5": section_15_5.programs,
    "15.6": section_15_6.programs,
    "15.7": section_15_7.programs,
    "15.8": section_15_8.programs,
    "exercise-15.1": exercise_15_1.programs,
    "exercise-15.2": exercise_15_2.programs,
    "exercise-15.3": exercise_15_3.programs,
    "exercise-15.4": exercise_15_4.programs,
    "exercise-15.5": exercise_15_5.programs,
}
"""Section or exercise → what runs it."""

__all__ = ["SECTIONS", "Program", "Report", "Row", "book_numbers", "compare", "run"]


def run(sections: Sequence[str] | None = None, out: str | Path | None = None) -> Report:
    """Run sections of the chapter and compare every number with the book's.

    Args:
        sections: such as ``"15.3"`` or ``"exercise-15.1"``; all by default.
        out: a folder for the figures and ``numbers.json``; nothing is written without one.

    Returns:
        a :class:`Report`, a row for every number or list of numbers.

    Raises:
        ValueError: an unknown section, with the nearest match.
        OSError: the folder cannot be written.

    >>> run(["15.3"]).agrees
    True
    """
    chosen = list(SECTIONS) if not sections else list(dict.fromkeys(sections))
    for section in chosen:
        if section not in SECTIONS:
            raise unknown_name("section", section, SECTIONS)
    folder = None if out is None else _folder(Path(out))
    programs = [program for section in chosen for program in SECTIONS[section]()]
    book = book_numbers()
    report = Report(
        tuple(row for program in programs for row in compare(program, program.book or book[program.name])),
        tuple(note for program in programs for note in program.notes),
    )
    if folder is not None:
        from steepest import figures

        for program in programs:
            for name, figure in program.figures.items():
                figures.save(figure, folder / name)
        report.write(folder / "numbers.json")
    return report


def _folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / "numbers.json"
        probe.touch()
    except OSError as error:
        raise OSError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder
