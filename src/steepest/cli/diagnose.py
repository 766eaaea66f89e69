"""``steepest diagnose``: which learning rate works, why, and a trial of it."""

from __future__ import annotations

import shlex
import sys
from json import dumps
from typing import Annotated

import typer

from steepest.command.grammar import parse_number, parse_point, parse_widths
from steepest.command.options import ClusterAt, Ignore, Keep, Overwrite, Report, option
from steepest.command.references import blaming
from steepest.command.sentences import say


def diagnose(
    subject: Annotated[
        str, typer.Argument(metavar="OBJECTIVE|TABLE", help="A landscape, file.py:name, or a .csv or .parquet file.")
    ],
    target: Annotated[str | None, option("COLUMN", "The column to predict, for a table.")] = None,
    model: Annotated[str | None, option("NAME", "linear, softmax or mlp, for a table.")] = None,
    hidden: Annotated[str | None, option("N,N,...", "Widths of the hidden layers of mlp (64).")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Take the table's numbers as they are, not standardised.")] = False,
    ignore: Ignore = None,
    keep: Keep = None,
    learning_rate: Annotated[str | None, option("X", "A learning rate of your own to be judged.")] = None,
    start: Annotated[str | None, option("X,Y,...", "Where to start.")] = None,
    seed: Annotated[int, option("N", "Seed of the model's start.")] = 0,
    cluster: ClusterAt = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")] = False,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Say which learning rate works, why, and try it."""
    point = None if start is None else parse_point(start, "--start")
    rate = None if learning_rate is None else parse_number(learning_rate, "--learning-rate")
    widths = None if hidden is None else parse_widths(hidden, "--hidden")
    if report is not None:
        from steepest.report import check_report, write_report

        check_report(report, overwrite)
    with blaming(subject):
        from steepest.command.subjects import find_subject
        from steepest.diagnosis import diagnose as library_diagnose

        found = find_subject(subject, target, model, widths, raw, ignore or (), keep or ())
        diagnosis = library_diagnose(found, start=point, learning_rate=rate, seed=seed, cluster=cluster)
    if json:
        typer.echo(dumps(diagnosis.to_dict(), indent=1))
    else:
        typer.echo(str(diagnosis))
    if report is not None:
        command = shlex.join(["steepest", *sys.argv[1:]])
        written = write_report(diagnosis, report, command=command, source=subject if target is not None else None)
        say(f"written: {written}")
