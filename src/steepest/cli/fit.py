"""``steepest fit``: the main job on a table."""

from __future__ import annotations

import shlex
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from steepest.command.grammar import parse_learning_rate, parse_widths
from steepest.command.options import Ignore, Keep, Overwrite, Report, option
from steepest.command.sentences import INTERRUPTED, say


def fit(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A .csv or .parquet file.")],
    target: Annotated[str, option("COLUMN", "The column to predict.")],
    model: Annotated[str | None, option("NAME", "linear, softmax or mlp; by the target unless stated.")] = None,
    method: Annotated[str | None, option("NAME", "Method of optax; sgd with momentum, or adam for mlp.")] = None,
    learning_rate: Annotated[str | None, option("V", "Learning rates to try, or auto.")] = None,
    epochs: Annotated[int | None, option("N", "Most passes over the training rows.")] = None,
    batch_size: Annotated[int | None, option("N", "Rows of each step; all of them, or 32 for mlp.")] = None,
    hidden: Annotated[str | None, option("N,N,...", "Widths of the hidden layers of mlp (64).")] = None,
    test_size: Annotated[float | None, option("X", "Share of the rows held out for the scores (0.2).")] = None,
    seed: Annotated[int | None, option("N", "Seed of splits, start and data order (0).")] = None,
    ignore: Ignore = None,
    keep: Keep = None,
    memory: Annotated[float | None, option("GIB", "Memory that may be taken (3/4 of what is free).")] = None,
    out: Annotated[Path | None, option("DIR", "Folder for the model, its evidence and a summary.")] = None,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Train a model on a table: choose the learning rate, test, report."""
    given = {
        "model": model,
        "method": method,
        "learning_rate": None if learning_rate is None else parse_learning_rate(learning_rate, "--learning-rate"),
        "epochs": epochs,
        "batch_size": batch_size,
        "hidden_layer_sizes": None if hidden is None else parse_widths(hidden, "--hidden"),
        "test_size": test_size,
        "seed": seed,
        "ignore": ignore,
        "keep": keep,
        "memory": memory,
    }
    from steepest import fit as library
    from steepest.command.terminal import console, show_fit
    from steepest.descent import Verdict

    _check(out, report, overwrite)
    arguments: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with warnings.catch_warnings():
        # What gives the target away is told with the other columns.
        warnings.filterwarnings("ignore", message="column .* the target away")
        fitted = library.fit(table, target, **arguments)
    show_fit(fitted, console())
    if Verdict.INTERRUPTED in {*fitted.sweep.verdict.values.flat, *fitted.training.verdict.values.flat}:
        say("interrupted: the scores are those of unfinished runs, and nothing was written")
        raise typer.Exit(INTERRUPTED)
    _write(fitted, out, report, overwrite)


def _check(out: Path | None, report: Path | None, overwrite: bool) -> None:
    """What is to be written must find room, before any work."""
    if out is not None:
        from steepest.fit import check_folder

        check_folder(out, overwrite)
    if report is not None:
        from steepest.report import check_report

        check_report(report, overwrite)


def _write(fitted: Any, out: Path | None, report: Path | None, overwrite: bool) -> None:
    command = shlex.join(["steepest", *sys.argv[1:]])
    if out is not None:
        from steepest.fit import write_fit

        # Before the report, so that whatever goes wrong there does not lose the fit.
        write_fit(fitted, out, overwrite=overwrite, command=command)
        typer.echo(f"written: {out}, read {out / 'summary.md'} first")
    if report is not None:
        from steepest.report import write_report

        typer.echo(f"written: {write_report(fitted, report, command=command)}")
    if out is None and report is None:
        typer.echo("nothing was written; give --out DIR to keep the model and its evidence, --report FILE for a page")
