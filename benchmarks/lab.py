"""How long the lab's server takes for an answer: its first, which compiles, and those after it, problem by problem."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from statistics import median
from urllib.parse import urlencode

import numpy as np

from benchmarks.report import seconds
from steepest.lab.server import application
from steepest.lab.serving import Server, listening

_RATES = {"rosenbrock": 1e-3, "himmelblau": 0.01, "formula": 0.01, "regression": 0.05, "spirals": 0.02, "digits": 0.006}
_FORMULA = "w1^2 + 3*w2^2 + sin(3*w1)*sin(3*w2)/2"
_STARTS = "0.1,0.2;0.3,0.1;0.5,-0.2;-0.3,0.4;0.7,0.3;0.2,-0.5;-0.1,-0.2;0.4,0.6"
_TASK = """\
Asked over HTTP on the same machine, {steps:,} steps of gradient descent. *First*: the landscape and the runs of a \
problem that this server has not shown before, which makes the problem and compiles. *One start*, *eight starts*: the \
median of {rounds} answers, each with another learning rate, from the request to the last byte. *Map*, *basins*: the \
second of each."""


def measured(quick: bool = False, problems: tuple[str, ...] = tuple(_RATES)) -> str:
    """A table with a row a problem."""
    steps, rounds = (100, 3) if quick else (1_000, 20)
    lines = [
        "## Answers of the lab",
        "",
        _TASK.format(steps=steps, rounds=rounds),
        "",
        "| problem | first | one start | eight starts | map | basins |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    with _served() as port:
        for name in problems:
            found = [seconds(each) for each in _times(port, name, steps, rounds)]
            lines.append(f"| {name} | {' | '.join(found)} |")
    return "\n".join([*lines, ""])


def _times(port: int, name: str, steps: int, rounds: int) -> Iterator[float]:
    fields = {"problem": name, "steps": str(steps)} | ({"formula": _FORMULA} if name == "formula" else {})
    rates = iter(_RATES[name] * np.geomspace(0.5, 1.0, 2 * rounds + 8))

    def taken(kind: str, **changed: str) -> float:
        begun = time.perf_counter()
        _ask(port, f"/{kind}?{urlencode(fields | {'learning_rate': repr(float(next(rates)))} | changed)}")
        return time.perf_counter() - begun

    yield taken("landscape") + taken("runs", starts="0.1,0.2")
    yield median(taken("runs", starts="0.1,0.2") for _ in range(rounds))
    taken("runs", starts=_STARTS)
    yield median(taken("runs", starts=_STARTS) for _ in range(rounds - 1))
    for kind in ("sweep", "basins"):
        taken(kind, starts="0.1,0.2")
        yield taken(kind, starts="0.1,0.2")


def _ask(port: int, path: str) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != 200 or body.startswith(b'{"error"'):
        raise RuntimeError(f"{path} was answered with {answer.status}: {body[:200]!r}")


@contextmanager
def _served() -> Iterator[int]:
    taken, ready = listening(0), threading.Event()
    server = Server(application(), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    ready.wait(60)
    try:
        yield taken.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        taken.close()
