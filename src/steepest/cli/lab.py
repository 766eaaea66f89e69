"""``steepest lab``: a page on this machine where descent is run by hand."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from steepest.command.options import option
from steepest.command.sentences import say


def lab(
    state: Annotated[
        str | None,
        typer.Argument(
            metavar="STATE",
            help="What the page opens with: an address that was copied from it, of whatever port, or the part behind "
            "its '?', in quotes.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, option("N", "The port to listen on; 0 for a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address and open nothing.")] = False,
) -> None:
    """Open a page where descent is run by hand: drag starts, turn learning rates, see limits."""
    if not 0 <= port < 2**16:
        raise ValueError(f"--port must be from 0 to 65535, got {port}")
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise ModuleNotFoundError(
            "the lab needs starlette and uvicorn, which are not installed; install them with: "
            "pip install 'steepest[lab]'"
        )
    from steepest.lab.serving import serve
    from steepest.lab.state import from_address

    query = "" if state is None else from_address(state).to_query()
    server = serve(port, not no_browser, lambda at: typer.echo(f"the lab is at {at} (Ctrl-C stops it)"), query)
    say("the lab has stopped")
    if server.is_busy:
        # The interpreter would wait for threads of a map that nobody waits for any more.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
