"""The command line: ``descend``, ``runs``, ``diagnose``, ``fit``, ``chapter``, ``landscapes`` and ``datasets``.

Nothing heavy is imported before a command needs it, so that ``steepest --help`` answers at once. Every mistake of the
caller ends as one line on the standard error and exit code 2; a result that fails, such as a number of the chapter
that differs, as exit code 1; Ctrl-C as 130.
"""

from __future__ import annotations

import inspect
import shlex
import sys
from io import TextIOWrapper
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from steepest.command.cache import keep_compiled_programs
from steepest.command.grammar import (
    parse_learning_rate,
    parse_point,
    parse_points,
    parse_setting,
    parse_value,
    parse_widths,
)
from steepest.command.hyperparameters import read_hyperparameters
from steepest.command.options import (
    DEFAULT_STEPS,
    GRAMMAR,
    BatchSize,
    ClusterAt,
    Epochs,
    Every,
    Figures,
    GradientNorm,
    LearningRate,
    LossLimit,
    Method,
    Out,
    Overwrite,
    ParameterNorm,
    Precision,
    Seed,
    Settings,
    Starts,
    Steps,
    StoreAt,
    TargetLoss,
    option,
)
from steepest.command.outputs import TABLES, check_destination, check_writable
from steepest.command.references import blaming, find_methods, find_objective
from steepest.command.sentences import INTERRUPTED, InSentences, say
from steepest.command.telling import tell_descent, tell_stores

_DONE, _FAILED = 0, 1

app = typer.Typer(
    name="steepest",
    cls=InSentences,
    help="A laboratory for gradient descent: which learning rate works, why, and what happens when you use it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point of the command ``steepest``."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 shows a question mark where a table has a line, rather than nothing at all.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    keep_compiled_programs()
    app(prog_name="steepest")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"steepest {version('steepest')}")
        raise typer.Exit(_DONE)


@app.callback()
def _steepest(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command(epilog=GRAMMAR)
def descend(
    objective: Annotated[
        str, typer.Argument(metavar="OBJECTIVE", help="A landscape, landscape:dimensions, or file.py:name.")
    ],
    method: Method = "sgd",
    learning_rate: LearningRate = None,
    settings: Settings = None,
    steps: Steps = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    start: Starts = None,
    seed: Seed = "0",
    every: Every = None,
    gradient_norm: GradientNorm = None,
    target_loss: TargetLoss = None,
    loss_limit: LossLimit = None,
    parameter_norm: ParameterNorm = None,
    dtype: Precision = "float64",
    figures: Figures = None,
    store: StoreAt = None,
    cluster: ClusterAt = None,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Descend a landscape or your own loss, for one setting or a grid."""
    limits: dict[str, Any] = {"target_loss": target_loss, "loss_limit": loss_limit, "parameter_norm": parameter_norm}
    if gradient_norm is not None:
        limits["gradient_norm"] = parse_setting(gradient_norm, "--gradient-norm")
    arguments: dict[str, Any] = {
        "steps": DEFAULT_STEPS if steps is None and epochs is None else steps,
        "epochs": epochs,
        "batch_size": None if batch_size is None else parse_value(batch_size, "--batch-size"),
        "start": parse_points(start or [], "--start"),
        "seed": parse_value(seed, "--seed", words=False),
        "every": every,
        "dtype": dtype,
        "store": store,
        "cluster": cluster,
    }
    own = frozenset(inspect.signature(descend).parameters)
    hyperparameters = read_hyperparameters(learning_rate, settings or [], own)
    if out is not None:
        check_destination(out, overwrite)
    if figures is not None:
        check_writable(figures)
    with blaming(objective), blaming(method):
        from steepest import descent as library

        descended, methods = find_objective(objective), find_methods(method)
        result = library.descend(descended, methods, stop=library.Stop(**limits), **arguments, **hyperparameters)
    tell_descent(result, f"{objective}, {method}", figures, out, overwrite)


@app.command()
def diagnose(
    subject: Annotated[
        str, typer.Argument(metavar="OBJECTIVE|TABLE", help="A landscape, file.py:name, or a .csv or .parquet file.")
    ],
    target: Annotated[str | None, option("COLUMN", "The column to predict, for a table.")] = None,
    model: Annotated[str | None, option("NAME", "linear, softmax or mlp, for a table.")] = None,
    hidden: Annotated[str | None, option("N,N,...", "Widths of the hidden layers of mlp (64).")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Take the table's numbers as they are, not standardised.")] = False,
    learning_rate: Annotated[float | None, option("X", "A learning rate of your own to be judged.")] = None,
    start: Annotated[str | None, option("X,Y,...", "Where to start.")] = None,
    seed: Annotated[int, option("N", "Seed of the model's start.")] = 0,
    cluster: ClusterAt = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")] = False,
) -> None:
    """Say which learning rate works, why, and try it."""
    point = None if start is None else parse_point(start, "--start")
    widths = None if hidden is None else parse_widths(hidden, "--hidden")
    with blaming(subject):
        from steepest.command.subjects import find_subject
        from steepest.diagnosis import diagnose as library_diagnose

        found = find_subject(subject, target, model, widths, raw)
        diagnosis = library_diagnose(found, start=point, learning_rate=learning_rate, seed=seed, cluster=cluster)
    if json:
        typer.echo(dumps(diagnosis.to_dict(), indent=1))
    else:
        typer.echo(str(diagnosis))


@app.command(epilog=GRAMMAR)
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
    out: Annotated[Path | None, option("DIR", "Folder for the model, its evidence and a summary.")] = None,
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
    }
    from steepest import fit as library
    from steepest.command.terminal import console, show_fit
    from steepest.descent import Verdict

    if out is not None:
        library.check_folder(out, overwrite)
    arguments: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    fitted = library.fit(table, target, **arguments)
    show_fit(fitted, console())
    if Verdict.INTERRUPTED in {*fitted.sweep.verdict.values.flat, *fitted.training.verdict.values.flat}:
        say("interrupted: the scores are those of unfinished runs, and nothing was written")
        raise typer.Exit(INTERRUPTED)
    if out is None:
        typer.echo("nothing was written; give --out DIR to keep the model and its evidence")
    else:
        library.write_fit(fitted, out, overwrite=overwrite, command=shlex.join(["steepest", *sys.argv[1:]]))
        typer.echo(f"written: {out}, read {out / 'summary.md'} first")


@app.command()
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
        raise typer.Exit(_FAILED)


@app.command()
def runs(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A store of runs, or a folder of stores.")],
    table: Annotated[Path | None, option("FILE", "Write the runs as a .csv or .parquet table.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at --table.")] = False,
) -> None:
    """List what is in a store of runs: what was asked, how far it is."""
    if table is not None:
        check_destination(table, overwrite, TABLES)
    tell_stores(path, table, overwrite)


@app.command()
def landscapes() -> None:
    """List the test functions that can be descended by name."""
    from steepest.command.terminal import console, show_landscapes
    from steepest.landscapes import CATALOGUE

    show_landscapes(CATALOGUE, console())


@app.command()
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
