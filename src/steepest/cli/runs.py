"""``steepest runs``: what is in a store of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.command.options import option
from steepest.command.outputs import TABLES, check_destination
from steepest.command.telling import tell_stores


def runs(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A store of runs, or a folder of stores.")],
    table: Annotated[Path | None, option("FILE", "Write the runs as a .csv or .parquet table.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at --table.")] = False,
) -> None:
    """List what is in a store of runs: what was asked, how far it is."""
    if table is not None:
        check_destination(table, overwrite, TABLES)
    tell_stores(path, table, overwrite)
