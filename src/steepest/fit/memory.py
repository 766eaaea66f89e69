"""How much memory there is, what a fit needs, and what is said where that is more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

GIB = 2**30

CONSTANT = 3 * GIB // 4
"""Bytes that a fit takes besides what grows with the table: the libraries, compiled programs, blocks of rows."""

FEATURES_FACTOR = 3.0
"""How many times the bytes of its features a fit in memory takes at most, the features themselves among them."""

COLUMN_FACTOR = 8.0
"""How many times the bytes of one column, at eight bytes a row, learning takes, copies and the split included."""

CSV_FACTOR = 3.0
"""How many times the bytes of a CSV file the table in it takes, with what reading it takes besides."""

GROUP_FACTOR = 3.0
"""How many times the bytes of a row group's columns reading it takes."""

PAIRS_FACTOR = 4.0
"""How many times the bytes of the products of all pairs of features least squares on a stream takes."""

_SMALL = 2**26
_SHARE = 0.75
_UNKNOWN = 4 * GIB


class Group(NamedTuple):
    """Where a container of Linux tells its memory.

    Attributes:
        limit: file of the bytes that it may take.
        used: file of those it takes, pages of files that were read or written among them.
        details: file of what these are.
        inactive: how such pages are called there that are given back first when others ask.
    """

    limit: str
    used: str
    details: str
    inactive: str

    def free(self) -> int:
        """Bytes that are left of the limit, or would be given back.

        Raises:
            OSError, ValueError: there is no such container, or no limit.
        """
        limit, used = (int(Path(file).read_text(encoding="ascii")) for file in (self.limit, self.used))
        return limit - used + min(used, self._inactive())

    def _inactive(self) -> int:
        try:
            lines = Path(self.details).read_text(encoding="ascii").splitlines()
            return sum(int(line.split()[1]) for line in lines if line.split()[:1] == [self.inactive])
        except (OSError, ValueError, IndexError):
            return 0


_V1, _V2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"
_GROUPS = (
    Group(f"{_V2}/memory.max", f"{_V2}/memory.current", f"{_V2}/memory.stat", "inactive_file"),
    Group(f"{_V1}/memory.limit_in_bytes", f"{_V1}/memory.usage_in_bytes", f"{_V1}/memory.stat", "total_inactive_file"),
)


def free_memory() -> int:
    """Bytes that this process could still take: by the system, and by the limit of the container it runs in.

    >>> free_memory() > 0
    True
    """
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass
    for group in _GROUPS:
        try:
            found.append(group.free())
        except (OSError, ValueError):
            continue
    if not found and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        # Not what is free but what there is, of which half is taken to be.
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    return max(1, min(found)) if found else _UNKNOWN


def allowed_memory(memory: float | None) -> int:
    """Bytes that a fit may take: those stated, or three quarters of what is free.

    Args:
        memory: in GiB.

    Raises:
        TypeError: not a number.
        ValueError: not positive.

    >>> allowed_memory(0.5)
    536870912
    >>> allowed_memory(-1)
    Traceback (most recent call last):
    ValueError: memory must be a positive number of GiB, got -1
    """
    if memory is None:
        return int(_SHARE * free_memory())
    if isinstance(memory, bool) or not isinstance(memory, int | float):
        raise TypeError(f"memory must be a number of GiB, got {memory!r}")
    if not memory > 0:
        raise ValueError(f"memory must be a positive number of GiB, got {memory}")
    return int(memory * GIB)


def check_csv(path: Path, allowed: int) -> None:
    """A CSV file is read in one piece, so that a column has one type; it must fit.

    Raises:
        ValueError: by its size it does not.
    """
    need = CSV_FACTOR * path.stat().st_size
    if not _fits(need, allowed):
        raise ValueError(
            f"{path} would take about {in_gib(need + CONSTANT)} of memory, and {in_gib(allowed)} may be used; "
            "write it as Parquet, which is read by column and row group (docs/tables.md says how), "
            "or allow more with memory="
        )


def check_column(rows: int, allowed: int) -> None:
    """One column at a time is learnt from; it must fit.

    Raises:
        ValueError: by the number of rows it does not.
    """
    need = COLUMN_FACTOR * 8 * rows
    if not _fits(need, allowed):
        raise ValueError(
            f"a table of {rows} rows takes about {in_gib(need + CONSTANT)} of memory, column by column, and "
            f"{in_gib(allowed)} may be used; fit a sample of its rows, or allow more with memory="
        )


def check_group(longest: int, allowed: int) -> None:
    """One row group at a time is read; with the blocks that are made of it, it must fit.

    Args:
        longest: bytes of the columns used of the longest row group.
        allowed: bytes.

    Raises:
        ValueError: by the file's metadata it does not.
    """
    need = GROUP_FACTOR * longest
    if not _fits(need, allowed):
        raise ValueError(
            f"the longest row group takes about {in_gib(need + CONSTANT)} of memory, and {in_gib(allowed)} may be "
            "used; write the file with shorter ones, row_group_size=100_000, or allow more with memory="
        )


def check_width(features: int, allowed: int) -> None:
    """The products of all pairs of features are what least squares needs of rows that are not in memory.

    Raises:
        ValueError: they do not fit.
    """
    need = 8 * PAIRS_FACTOR * features**2
    if not _fits(need, allowed):
        raise ValueError(
            f"{features} features take about {in_gib(need + CONSTANT)} of memory where the table is read by "
            f"row group, and {in_gib(allowed)} may be used; ignore columns, fit a sample of the rows, or allow "
            "more with memory="
        )


def fits_in_memory(rows: int, features: int, allowed: int) -> bool:
    """Whether features of so many rows can all be in memory at once, with what a fit takes besides.

    >>> fits_in_memory(1000, 10, 2**30), fits_in_memory(10**9, 100, 2**30)
    (True, False)
    """
    return _fits(FEATURES_FACTOR * 8 * rows * features, allowed)


def _fits(growing: float, allowed: int) -> bool:
    # What is small is tried wherever the libraries themselves have found room.
    return growing <= _SMALL or growing + CONSTANT <= allowed


def in_gib(number: float) -> str:
    """Bytes in words.

    >>> in_gib(3 * 2**29)
    '1.5 GiB'
    """
    return f"{number / GIB:.2g} GiB" if number < 100 * GIB else f"{number / GIB:.0f} GiB"
