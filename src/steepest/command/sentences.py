"""How the command line speaks on the standard error: errors, notes and interruptions, a line each."""

from __future__ import annotations

import warnings
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: of success, of a result that fails, of bad input, and of Ctrl-C as a shell counts it."""


class InSentences(TyperGroup):
    """Turns what the library raises for bad input into one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _note
            try:
                return super().invoke(ctx)
            except BrokenPipeError:
                raise
            except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
                say(_one_line(error))
                raise typer.Exit(USAGE) from error
            except KeyboardInterrupt:
                say("interrupted")
                raise typer.Exit(INTERRUPTED) from None


def say(sentence: str) -> None:
    """Print a line on the standard error, with the name of the command in front."""
    typer.echo(f"steepest: {sentence}", err=True)


def _one_line(error: BaseException) -> str:
    """The message of an error without line breaks; what was called, where the operating system says no more."""
    words = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror and error.filename:
        words = f"{error.filename}: {error.strerror}"
    return words or type(error).__name__


def _note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    say(f"note: {' '.join(str(message).split())}")
