"""``steepest datasets``: the tables that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.command.options import Overwrite, option
from steepest.command.outputs import check_destination


def datasets(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The table to write; all are listed without.")
    ] = None,
    out: Annotated[Path | None, option("FILE", "Where to write it: a .csv or .parquet table.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """List the tables that come with scikit-learn, or write one."""
    from steepest import datasets as library

    if name is None:
        from steepest.command.terminal import console, show_tables

        show_tables({known: library.bundled(known) for known in library.BUNDLED}, console())
        return
    if out is None:
        raise ValueError(f"--out is missing: say where to write {name}, e.g. --out {name}.csv")
    check_destination(out, overwrite, library.SUFFIXES)
    library.write_table(library.bundled(name), out)
    typer.echo(f"written: {out}")
