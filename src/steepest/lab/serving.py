"""Starts the server on a free port of this machine, opens the browser, and stops when Ctrl-C is pressed."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

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


def serve(port: int, browse: bool, tell: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C.

    Args:
        port: 0 for a free one.
        browse: whether to open the browser.
        tell: is given the address.

    Raises:
        OSError: the port cannot be used.
    """
    taken = listening(port)
    address = f"http://{HOST}:{taken.getsockname()[1]}/"
    config = uvicorn.Config(
        application(), log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=1,
        limit_concurrency=256,
    )  # fmt: skip
    server = uvicorn.Server(config)
    tell(address)
    if browse:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    try:
        server.run(sockets=[taken])
    finally:
        taken.close()
