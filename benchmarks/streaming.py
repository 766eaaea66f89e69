"""Data larger than memory: 20 GB of synthetic rows trained under 2 GB, beside the bandwidth of the disk they lie on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FEATURES = 100
ROWS = 25_000_000
_WRITTEN = 250_000
_READ = 2**25

_JOBS = {
    "least squares: 8 learning rates, 10,000 steps": """
        risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, y)
        run = sd.descend(risk, optax.sgd, learning_rate=np.geomspace(1e-3, 1e-1, 8), steps=10_000, every=1000)
        passes = 1
    """,
    "Huber's loss: 8 learning rates, 2 steps with the full gradient": """
        risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.huber, x, y)
        run = sd.descend(risk, optax.sgd, learning_rate=np.geomspace(1e-3, 1e-1, 8), steps=2)
        passes = 3
    """,
    "Huber's loss: an epoch of batches of 1,000 rows": """
        risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.huber, x, y)
        run = sd.descend(risk, optax.sgd, learning_rate=1e-2, batch_size=1000, epochs=1)
        passes = 3
    """,
}

_PROGRAM = """
import json, sys, time
import numpy as np, optax
import steepest as sd
folder = sys.argv[1]
x, y = (np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in "xy")
begun = time.perf_counter()
__JOB__
losses = np.ravel(run.final_loss.values)
seconds = time.perf_counter() - begun
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 2**10
print(json.dumps({"seconds": seconds, "peak": peak, "passes": passes, "loss": float(losses.min())}))
"""


def measured(quick: bool = False) -> str:
    """A table of what was trained, how long it took and in how much memory."""
    rows = ROWS // 100 if quick else ROWS
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as folder:
        write(Path(folder), rows)
        size = (Path(folder) / "x.npy").stat().st_size
        bandwidth = size / read_through(Path(folder) / "x.npy")
        lines = [
            "## Data larger than memory",
            "",
            (
                f"{rows:,} rows × {FEATURES} features in float64, {size / 1e9:.3g} GB, memory-mapped, each in "
                f"a process of its own. The disk gives {bandwidth / 1e9:.2f} GB/s to a program that reads the file and "
                "does nothing else (the system's cache of the file is dropped before each)."
            ),
            "",
            "| what | seconds | passes over the rows | GB/s | of the disk's | peak resident memory |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name, job in _JOBS.items():
            found = _run(job, folder)
            speed = found["passes"] * size / found["seconds"]
            lines.append(
                f"| {name} | {found['seconds']:.1f} | {found['passes']:.0f} | {speed / 1e9:.2f} | "
                f"{speed / bandwidth:.0%} | {found['peak']:.0f} MB |"
            )
    return "\n".join([*lines, ""])


def write(folder: Path, rows: int) -> None:
    """Write features and targets of a linear model with noise, a piece at a time."""
    generator = np.random.default_rng(0)
    weight = generator.normal(size=FEATURES)
    x = np.lib.format.open_memmap(str(folder / "x.npy"), mode="w+", shape=(rows, FEATURES), dtype=np.float64)
    y = np.empty(rows)
    piece = generator.normal(size=(min(_WRITTEN, rows), FEATURES))
    for first in range(0, rows, len(piece)):
        last = min(first + len(piece), rows)
        # New random numbers for 20 GB would take longer than everything that is measured.
        x[first:last] = np.roll(piece, first // len(piece), axis=1)[: last - first]
        y[first:last] = x[first:last] @ weight + generator.normal(size=last - first)
    x.flush()
    del x
    np.save(folder / "y.npy", y)


def read_through(path: Path) -> float:
    """Seconds to read a file that is not in the system's cache."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        begun = time.perf_counter()
        buffer = bytearray(_READ)
        while os.readv(handle, [buffer]):
            pass
        return time.perf_counter() - begun
    finally:
        os.close(handle)


def _run(job: str, folder: str) -> dict[str, float]:
    for name in ("x.npy", "y.npy"):
        handle = os.open(f"{folder}/{name}", os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
    lines = [line.strip() for line in job.strip().splitlines()]
    program = _PROGRAM.replace("__JOB__", "\n".join(lines))
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
