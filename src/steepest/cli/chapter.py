"""``steepest chapter``: the chapter's programs, and its numbers beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.command.options import option
from steepest.command.outputs import check_writable
from steepest.command.sentences import FAILED


def chapter(
    out: Annotated[Path, option("DIR", "Folder for the figures and numbers.json.")],
    sections: Annotated[
        list[str] | None, typer.Argument(metavar="[SECTION]...", help="E.g. 15.3 or exercise-15.1; all without.")
    ] = None,
) -> None:
    """Run the chapter's programs and compare their numbers."""
    check_writable(out)
    from steepest import chapter as book
    from steepest.command.terminal import console, show_report

    report = book.run(sections or None, out)
    show_report(report, console())
    typer.echo(f"written: {out}")
    if not report.agrees:
        raise typer.Exit(FAILED)
