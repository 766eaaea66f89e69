"""What a run and step cost as the runs grow in number, on one core and on two, and what starting the command costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report import seconds

ROOT = Path(__file__).parents[1]
COMMAND = ("-m", "steepest", "descend", "bowl", "--learning-rate", "0.1")
# A measurement is repeated until it has filled so many seconds, but not more often than that.
_LEAST_SECONDS, _MOST_CALLS = 1.0, 7


class Cost(NamedTuple):
    """What one process measured.

    Attributes:
        cores: that it could use.
        first: seconds of the first call, compilation included.
        warm: median of the seconds of the later ones.
        loaded, descended, labelled: peak resident memory in MB, of 10⁶ bytes: with everything imported, after the
            calls, and after all labelled arrays were built.
    """

    cores: int
    first: float
    warm: float
    loaded: float
    descended: float
    labelled: float


def measured(quick: bool = False, counts: Sequence[int] | None = None, steps: int = 1_000) -> str:
    """The three tables, as Markdown."""
    if counts is None:
        counts = (100, 1_000, 10_000) if quick else (100, 1_000, 10_000, 100_000, 1_000_000)
    cores = available_cores()
    costs = {runs: in_fresh_process(runs, steps, cores) for runs in counts}
    middle = counts[-2] if len(counts) > 1 else counts[-1]
    by_cores = {number: in_fresh_process(middle, steps, number) for number in (1, 2) if number <= cores}
    with tempfile.TemporaryDirectory() as folder:
        command = [command_seconds(Path(folder)) for _ in range(2 if quick else 4)]
    return "\n".join([*_growth(costs, steps), *_cores(by_cores, middle, steps), *_command(command)])


def _growth(costs: Mapping[int, Cost], steps: int) -> list[str]:
    loaded = min(cost.loaded for cost in costs.values())
    task = (
        f"Learning rates from 1e-4 to 0.099 × {steps:,} steps of gradient descent on w₁² + 10 w₂², float64; no run "
        "ends early, each is judged at each step, losses are kept at the start and the end. Every row is a process of "
        "its own. *Warm*: median of the calls after the first. *Peak memory*: the largest resident set of the process; "
        f"{loaded:.0f} MB of it are there once the libraries are loaded. *Labelled*: the peak once `.dataset` was read "
        "too, with a verdict and its reason in words for every run."
    )
    lines = [
        "## Cost of a run and step as the runs grow in number",
        "",
        task,
        "",
        "| runs | cores | first | warm | ns per run, step and core | peak memory | labelled |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for runs, cost in costs.items():
        lines.append(
            f"| {runs:,} | {cost.cores} | {seconds(cost.first)} | {seconds(cost.warm)} "
            f"| {_nanoseconds(cost, runs, steps)} | {cost.descended:.0f} MB | {cost.labelled:.0f} MB |"
        )
    return [*lines, ""]


def _cores(costs: Mapping[int, Cost], runs: int, steps: int) -> list[str]:
    if len(costs) < 2:
        return ["## One core and two", "", "This machine lends only one core to a process.", ""]
    lines = [
        "## One core and two",
        "",
        f"The same task with {runs:,} runs, in processes that may use one core or two.",
        "",
        "| cores | first | warm | times faster than on one | ns per run, step and core |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for cores, cost in costs.items():
        lines.append(
            f"| {cores} | {seconds(cost.first)} | {seconds(cost.warm)} | {costs[1].warm / cost.warm:.2f} "
            f"| {_nanoseconds(cost, runs, steps)} |"
        )
    return [*lines, ""]


def _command(times: Sequence[float]) -> list[str]:
    later = sorted(times[1:])
    task = (
        f"`python {' '.join(COMMAND)}`, in processes of their own, from start to end. Cold: the first, with empty "
        "folders for what programs keep between runs (the system may still hold files in memory). Warm: the median of "
        f"{len(later)} after it."
    )
    return [
        "## Starting the command",
        "",
        task,
        "",
        "| cold | warm |",
        "| ---: | ---: |",
        f"| {seconds(times[0])} | {seconds(later[len(later) // 2])} |",
        "",
    ]


def _nanoseconds(cost: Cost, runs: int, steps: int) -> str:
    return f"{1e9 * cost.warm * cost.cores / (runs * steps):#.3g}".rstrip(".")


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def in_fresh_process(runs: int, steps: int, cores: int) -> Cost:
    """The cost as measured by a process that does nothing else."""
    arguments = [sys.executable, "-m", "benchmarks.scaling", *map(str, (runs, steps, cores))]
    done = subprocess.run(arguments, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(done.stdout))


def command_seconds(caches: Path) -> float:
    """How long the command takes, which keeps what it wants to keep in the folder."""
    environment = os.environ | {"XDG_CACHE_HOME": str(caches), "MPLCONFIGDIR": str(caches)}
    begun = time.perf_counter()
    subprocess.run([sys.executable, *COMMAND], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def cost_here(runs: int, steps: int) -> Cost:
    """The cost as measured by this process, on the cores that it may use."""
    import numpy as np
    import optax

    import steepest as sd

    rates = np.geomspace(1e-4, 0.099, runs)

    def descended() -> sd.Descent:
        return sd.descend(
            sd.landscapes.steep_bowl,
            optax.sgd,
            learning_rate=rates,
            steps=steps,
            every=steps,
            path=False,
            stop=sd.Stop(gradient_norm=None),
        )

    loaded = peak_memory()
    first = _elapsed(descended)
    warm = [_elapsed(descended)]
    while sum(warm) < _LEAST_SECONDS and len(warm) < _MOST_CALLS:
        warm.append(_elapsed(descended))
    after = peak_memory()
    assert set(descended().dataset["verdict"].values) == {"out of steps"}
    return Cost(available_cores(), first, float(np.median(warm)), loaded, after, peak_memory())


def _elapsed(function: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def peak_memory() -> float:
    """The largest resident set of this process so far, in MB.

    What ``resource.getrusage`` says on Linux begins with the peak of the process that started this one, which may have
    been larger; the status of the process does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> None:
    runs, steps, cores = map(int, sys.argv[1:])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    print(json.dumps(cost_here(runs, steps)._asdict()))


if __name__ == "__main__":
    main()
