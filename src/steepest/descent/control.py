"""What the host does while programs run: show progress, and listen for Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_PATIENCE = 1.0


class Control:
    """Progress and interruption, shared by the threads of one call of ``descend``."""

    def __init__(self, report: Callable[[float], None] | None, total: float) -> None:
        self.interrupted = threading.Event()
        self._report, self._total, self._done = report, total, 0.0
        self._lock = threading.Lock()

    def advanced(self, run_steps: float) -> None:
        """Count run-steps as done (an ended run's remaining steps count as done)."""
        if self._report is not None:
            with self._lock:
                self._done += run_steps
                self._report(self._done / self._total)


@contextmanager
def interruptible(control: Control) -> Iterator[None]:
    """Let the first Ctrl-C end the work after the chunk in progress; a second one is a KeyboardInterrupt at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)
    if previous is not signal.default_int_handler:
        yield
        return

    def handle(number: int, frame: Any) -> None:
        if control.interrupted.is_set():
            raise KeyboardInterrupt
        control.interrupted.set()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def reporting(wanted: bool | None) -> Iterator[Callable[[float], None] | None]:
    """A function that takes the fraction done, or None where no bar is to be shown.

    By default a bar appears on a terminal, after a second, so that quick work prints nothing.
    """
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield None
        return
    began, patience = time.perf_counter(), 0.0 if wanted else _PATIENCE
    bar: list[Any] = []

    def report(fraction: float) -> None:
        if not bar and time.perf_counter() - began >= patience:
            bar.append(_bar(transient=wanted is None))
            bar[0].start()
            bar[0].add_task("descending", total=1.0)
        if bar:
            bar[0].update(0, completed=fraction)

    try:
        yield report
    finally:
        if bar:
            bar[0].stop()


def _bar(transient: bool) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=transient,
    )
