"""What a cluster and a store cost: a task, a byte, a write; and one worker against two."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import optax

import steepest as sd

_RUNS = 200_000
_STEPS = 4_000


def measured(quick: bool = False) -> str:
    """Tables of constants and of workers; a sentence where Dask is not installed."""
    lines = ["## Store and cluster", ""]
    write_seconds, run_bytes = stored(20_000 if quick else 100_000)
    rows = [
        ("writing a task to a store, flushed to the disk", f"{1e3 * write_seconds:.0f} ms"),
        ("a run in a store, without curves", f"{run_bytes:.0f} bytes"),
    ]
    seconds: dict[int, float] = {}
    if importlib.util.find_spec("distributed") is not None:
        from steepest.scale.cluster import Cluster, connected

        runs = _RUNS // 10 if quick else _RUNS
        for workers in (1, 2):
            begun = time.perf_counter()
            with connected(Cluster("local", workers=workers)) as connection:
                started = time.perf_counter() - begun
                there = Cluster(connection.client, always=True)
                # The first sweep compiles on every worker.
                sweep(runs, cluster=there)
                seconds[workers] = min(_seconds(runs, there) for _ in range(1 if quick else 3))
                rows += [
                    (f"starting a scheduler and {workers} workers, and measuring them", f"{started:.1f} s"),
                    (f"a task on {workers} workers", f"{1e3 * connection.task_seconds:.1f} ms"),
                    (f"a megabyte of results from {workers} workers", f"{1e9 * connection.byte_seconds:.1f} ms"),
                ]
        here = min(_seconds(runs, None) for _ in range(1 if quick else 3))
        rows += [
            (f"{runs:,} runs × {_STEPS:,} steps on one worker", f"{seconds[1]:.2f} s"),
            ("the same on two", f"{seconds[2]:.2f} s, {seconds[1] / seconds[2]:.2f} times as fast"),
            ("the same here, two threads of one process", f"{here:.2f} s"),
        ]
    else:
        rows.append(("a cluster", "Dask is not installed: pip install 'steepest[cluster]'"))
    return "\n".join([*lines, "| what | measured |", "| --- | ---: |", *(f"| {a} | {b} |" for a, b in rows), ""])


def sweep(runs: int, **more: Any) -> sd.Descent:
    """Runs that use all their steps and leave one number each."""
    return sd.descend(
        sd.landscapes.steep_bowl,
        optax.sgd,
        learning_rate=np.geomspace(1e-4, 0.09, runs),
        steps=_STEPS,
        every=_STEPS,
        path=False,
        stop=sd.Stop(gradient_norm=None),
        **more,
    )


def _seconds(runs: int, cluster: Any) -> float:
    begun = time.perf_counter()
    sweep(runs, cluster=cluster)
    return time.perf_counter() - begun


def stored(runs: int) -> tuple[float, float]:
    """Seconds to write a task, and bytes a run."""
    from steepest.scale import execution
    from steepest.scale.store import Store

    spent: list[float] = []
    write, seconds = Store.write, execution._STORED_SECONDS

    def timed(self: Store, *arguments: Any) -> None:
        begun = time.perf_counter()
        write(self, *arguments)
        spent.append(time.perf_counter() - begun)

    with tempfile.TemporaryDirectory() as folder:
        try:
            Store.write, execution._STORED_SECONDS = timed, 0.01  # type: ignore[method-assign]
            sweep(runs, store=f"{folder}/runs.zarr")
        finally:
            Store.write, execution._STORED_SECONDS = write, seconds  # type: ignore[method-assign]
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return float(np.median(spent)), size / runs
