"""``write_report``: a fit or a diagnosis as one HTML file."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from steepest.diagnosis import Diagnosis, diagnose
from steepest.fit.fitting import Fit
from steepest.fit.folder import LIBRARIES
from steepest.report.of_diagnosis import page_of_diagnosis
from steepest.report.of_fit import page_of_fit
from steepest.report.page import Part, Table, check_installed, write, writing

_SUFFIXES = (".html", ".htm")
_BLOCK = 1 << 20


def write_report(
    found: Fit | Diagnosis, path: str | Path, *, command: str | None = None, source: str | Path | None = None
) -> Path:
    """Write what a fit or a diagnosis found as one HTML file that needs nothing else, not even a network.

    Of a fit the risk of its training rows is diagnosed for it.

    Args:
        found: what :func:`steepest.fit.fit` or :func:`steepest.diagnose` returned.
        path: of the file, ``.html``.
        command: the command that found it, to repeat it by.
        source: the table of a diagnosis, whose hash is noted; a fit knows its own.

    Returns:
        the path of the file.

    Raises:
        TypeError: something else to report.
        ValueError: another suffix.
        ModuleNotFoundError: plotly or jinja2 is not installed: ``pip install 'steepest[report]'``.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> import steepest as sd
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = write_report(sd.diagnose(sd.landscapes.bowl), f"{folder}/bowl.html")
        ...     file.read_text()[:15]
        '<!doctype html>'
    """
    if not isinstance(found, Fit | Diagnosis):
        raise TypeError(f"a report is of a Fit or a Diagnosis, got {type(found).__name__}")
    file = check_report(path, overwrite=True)
    if isinstance(found, Fit):
        repeat = _repeat(command, found.source, [("seed", str(found.recipe.seed)), *_rows(found)])
        return write(page_of_fit(found, diagnose(found.sweep.objectives[None]), repeat), file)
    name = None if source is None else str(source)
    return write(page_of_diagnosis(found, name, _repeat(command, name, [])), file)


def check_report(path: str | Path, overwrite: bool = False) -> Path:
    """The path of a report, made sure of before any work: its folder is there or can be made, and can be written.

    Nothing is made yet: the report may be meant for the folder of a fit, which has to be empty until then.

    Raises:
        FileExistsError: there is something already, and ``overwrite`` is false.
        ValueError: another suffix than ``.html``.
        ModuleNotFoundError: plotly or jinja2 is not installed.
        OSError: the file cannot be written.

    >>> check_report("report.pdf")
    Traceback (most recent call last):
    ...
    ValueError: a report is an .html file, got 'report.pdf'; a browser prints it as PDF
    """
    file = Path(path)
    if file.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"a report is an .html file, got {str(path)!r}; a browser prints it as PDF")
    check_installed()
    with writing(file):
        is_folder, is_there = file.is_dir(), file.exists()
    if is_folder:
        raise FileExistsError(f"{file} is a folder; give the path of a file")
    if is_there and not overwrite:
        raise FileExistsError(f"{file} exists already; give another path, or --overwrite to replace it")
    with writing(file):
        _check_room(file)
    return file


def _check_room(file: Path) -> None:
    """The nearest folder that is there must take a file, and a file that is there new words."""
    nearest = next(above for above in file.absolute().parents if above.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"{nearest} is a file, not a folder")
    if file.exists() and not os.access(file, os.W_OK):
        raise PermissionError("its permissions do not allow it")
    with tempfile.TemporaryFile(dir=nearest):
        pass


def _rows(fitted: Fit) -> list[tuple[str, str]]:
    return [(f"rows that {word}", str(fitted.rows[part])) for part, word in _PARTS.items()]


_PARTS = {"train": "train", "validation": "choose", "test": "test"}


def _repeat(command: str | None, source: str | None, facts: Sequence[tuple[str, str]]) -> Part:
    versions = [(name, version(name)) for name in LIBRARIES]
    system = [("Python", platform.python_version()), ("system", f"{platform.system()} {platform.machine()}")]
    table = [] if source is None or not Path(source).is_file() else [(f"SHA-256 of {source}", _hash(Path(source)))]
    rows = [*table, *facts, *versions, *system]
    return Part(
        "To repeat it",
        ["The same command on the same table with the same versions gives the same numbers."] if command else [],
        [Table(("what", "which"), rows)],
        (),
        [command] if command else [],
    )


def _hash(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
