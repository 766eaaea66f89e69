"""What a command says and leaves behind once runs have ended: of a descent, and of the stores of runs at a path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from steepest.command.outputs import draw_descent, write_descent
from steepest.command.sentences import INTERRUPTED, say

if TYPE_CHECKING:
    from steepest.descent import Descent


def tell_descent(result: Descent, subject: str, figures: Path | None, out: Path | None, overwrite: bool) -> None:
    """Show, write and draw what a descent came to, also where Ctrl-C ended it."""
    from steepest.command.terminal import console
    from steepest.command.verdict_tables import show_descent
    from steepest.descent import Verdict

    show_descent(result, subject, console())
    if out is not None:
        write_descent(result, out, overwrite)
        typer.echo(f"written: {out}")
    if figures is not None:
        drawn = draw_descent(result, figures)
        typer.echo("drawn: " + (", ".join(map(str, drawn)) or "nothing; no figure shows many runs on several axes"))
    if Verdict.INTERRUPTED in result.verdict.values:
        say("interrupted: the runs under way were stopped where they stood")
        raise typer.Exit(INTERRUPTED)


def tell_stores(path: Path, table: Path | None, overwrite: bool) -> None:
    """Show what is in a store, or in each store of a folder; write the runs of one as a table."""
    from steepest.command.store_tables import show_store, show_stores
    from steepest.command.terminal import console
    from steepest.scale import open_runs
    from steepest.scale.reading import progress, stores_in

    found = stores_in(path)
    if not found:
        open_runs(path)
        raise ValueError(f"{path} holds no store of runs; steepest descend ... --store {path / 'runs.zarr'} begins one")
    if len(found) > 1 or found[0] != path:
        if table is not None:
            raise ValueError(f"--table takes the runs of one store, and {path} holds {len(found)}: name one of them")
        show_stores([progress(one) for one in found], console())
        return
    show_store(progress(path), console())
    if table is not None:
        write_descent(open_runs(path), table, overwrite)
        typer.echo(f"written: {table}")
