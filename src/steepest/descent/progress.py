"""The progress bar of long work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_PATIENCE = 1.0


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
            bar.append(_bar())
            bar[0].start()
            bar[0].add_task("descending", total=1.0)
        if bar:
            bar[0].update(0, completed=fraction)

    try:
        yield report
    finally:
        if bar:
            bar[0].stop()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
