"""Starts the server on a free port of this machine, opens the browser, and stops when Ctrl-C is pressed."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette

from steepest.lab.desk import Desk
from steepest.lab.server import application

HOST = "127.0.0.1"


def listening(port: int) -> socket.socket:
    """A socket of this machine alone that listens; port 0 is a free one.

    Raises:
        OSError: the port is taken, or may not be used.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A port of a server that has just stopped may be taken again.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, port))
        taken.listen()
    except OSError as error:
        taken.close()
        raise OSError(f"port {port} of {HOST} cannot be used: {error.strerror}; give another --port, or none") from None
    return taken


class Server(uvicorn.Server):
    """A server that answers those who wait before it stops, rather than wait for what they wait for."""

    def __init__(self, app: Starlette, tell: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1,
                limit_concurrency=256,
            )
        )  # fmt: skip
        self._desks: tuple[Desk, ...] = app.state.desks
        self._tell = tell

    @property
    def is_busy(self) -> bool:
        """Whether something is still being computed."""
        return any(desk.is_busy for desk in self._desks)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell so: from here on Ctrl-C is the server's, and lost nowhere else."""
        await super().startup(sockets)
        self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the desks, then the connections."""
        for desk in self._desks:
            desk.close()
        await super().shutdown(sockets)


def serve(port: int, browse: bool, tell: Callable[[str], None], query: str = "") -> Server:
    """Serve the page until Ctrl-C, which is swallowed.

    Args:
        port: 0 for a free one.
        browse: whether to open the browser.
        tell: is given the address, once it can be opened.
        query: the state that the page opens with, as :meth:`steepest.lab.state.State.to_query` has it.

    Returns:
        The server, stopped; a computation may be under way that nothing can stop.

    Raises:
        OSError: the port cannot be used.
    """
    taken = listening(port)
    address = f"http://{HOST}:{taken.getsockname()[1]}/{'?' if query else ''}{query}"

    def started() -> None:
        tell(address)
        if browse:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    server = Server(application(), started)
    try:
        with suppress(KeyboardInterrupt):
            server.run(sockets=[taken])
    finally:
        taken.close()
    return server
