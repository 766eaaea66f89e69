"""The machine and the versions that a measurement was made with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("steepest", "jax", "optax", "numpy", "xarray", "numba", "scikit-learn", "torch", "optimistix")


def description() -> list[str]:
    """Lines that describe processor, memory, system and versions."""
    return [
        f"processor: {_processor()}, {_cores()} cores",
        f"memory: {_memory()}",
        f"system: {platform.system()} {platform.release()}, {platform.machine()}",
        f"devices of JAX: {_devices()}",
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    ]


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if not table.exists():
        return platform.processor() or platform.machine()
    lines = [line.partition(":") for line in table.read_text().splitlines()]
    entries = {name.strip(): value.strip() for name, _, value in lines}
    model = entries.get("model name", platform.machine())
    return f"{model} (family {entries['cpu family']}, model {entries['model']})" if "cpu family" in entries else model


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return "unknown"
    return f"{size / 2**30:.1f} GiB"


def _devices() -> str:
    import jax

    devices = jax.local_devices()
    return f"{len(devices)} {devices[0].device_kind}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
