"""The command line, a file a command: what it takes, what it calls, and what it says. No logic of its own.

Nothing heavy is imported before a command needs it, so that ``steepest --help`` answers at once. Every mistake of the
caller ends as one line on the standard error and exit code 2; a result that fails, such as a number of the chapter
that differs, as exit code 1; Ctrl-C as 130.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from steepest.cli import chapter, datasets, descend, diagnose, fit, lab, landscapes, predict, runs
from steepest.command.cache import keep_compiled_programs
from steepest.command.options import GRAMMAR
from steepest.command.sentences import DONE, InSentences

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
        raise typer.Exit(DONE)


@app.callback()
def _steepest(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


# In the order of the help page.
app.command(epilog=GRAMMAR)(descend.descend)
app.command()(diagnose.diagnose)
app.command(epilog=GRAMMAR)(fit.fit)
app.command()(predict.predict)
app.command()(chapter.chapter)
app.command()(runs.runs)
app.command()(lab.lab)
app.command()(landscapes.landscapes)
app.command()(datasets.datasets)
