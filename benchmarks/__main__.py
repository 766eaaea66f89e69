"""``python -m benchmarks [NAME...] [--quick] [--markdown FILE]``."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from benchmarks.contest import disagreement
from benchmarks.machine import description
from benchmarks.report import heading, table
from benchmarks.timing import QUICK, THOROUGH, timed

NAMES = (
    "rosenbrock",
    "sweep",
    "sgd",
    "eigenvalue",
    "basins",
    "peers",
    "scaling",
    "cluster",
    "streaming",
    "estimators",
    "lab",
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="steepest and its peers, side by side")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to run: {', '.join(NAMES)}; by default all")
    parser.add_argument("--quick", action="store_true", help="smaller tasks and few repetitions")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables to this file")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; choose from {', '.join(NAMES)}")
    return given


def main() -> None:
    given = arguments()
    effort = QUICK if given.quick else THOROUGH
    parts = [heading(description(), effort)]
    print(parts[0], flush=True)
    for name in given.names or NAMES:
        module = import_module(f"benchmarks.{name}")
        if hasattr(module, "measured"):
            parts.append(module.measured(quick=given.quick))
            print(parts[-1], flush=True)
            continue
        for contest in module.contests(quick=given.quick):
            differences = disagreement(contest)
            parts.append(table(contest, timed(contest, effort), differences))
            print(parts[-1], flush=True)
    if given.markdown is not None:
        title = "# Benchmarks\n\nMade by `python -m benchmarks --markdown docs/benchmarks.md`.\n"
        given.markdown.write_text("\n".join([title, *parts]), encoding="utf-8")


if __name__ == "__main__":
    main()
