"""``steepest predict``: a saved model on a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from steepest.command.options import option
from steepest.command.outputs import TABLES, check_destination
from steepest.command.sentences import say


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder that steepest fit --out wrote.")],
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A .csv or .parquet file with the same columns.")],
    out: Annotated[Path | None, option("FILE", "Write a .csv or .parquet table, not the standard output.")] = None,
    carry: Annotated[
        list[str] | None, option("COLUMN", "Put a column of the table in front; repeatable.", "--with")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at --out.")] = False,
) -> None:
    """Predict the rows of a table with a saved model."""
    if out is not None:
        check_destination(out, overwrite, TABLES)
    from steepest import fit as library

    unknown: dict[str, int] = {}
    empty: dict[str, int] = {}
    beyond: dict[str, int] = {}
    counted = {"unknown": unknown, "empty": empty, "beyond": beyond}
    blocks = library.predictions(library.load_model(model), table, carry=carry or (), **counted)
    count = library.write_predictions(blocks, sys.stdout if out is None else out)
    for name, rows in unknown.items():
        say(f"note: column {name!r} has categories in {rows} of {count} rows that the model has never seen")
    for name, rows in beyond.items():
        say(f"note: column {name!r} is neither 0 nor 1 in {rows} of {count} rows, which training had alone; check it")
    for name in (name for name, rows in empty.items() if rows == count):
        say(f"note: column {name!r} is empty in every row, so that predictions do not depend on it; fill it in")
    if out is not None:
        typer.echo(f"written: {out}, {count} row{'s' * (count != 1)}")
