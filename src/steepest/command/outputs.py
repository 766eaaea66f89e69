"""What the command line writes: the records and figures of a descent, at places checked before the work began."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steepest.errors import unknown_name

if TYPE_CHECKING:
    from steepest.descent import Descent

TABLES = (".csv", ".parquet")
"""Suffixes of tables."""

SUFFIXES = (".zarr", *TABLES)
"""What tells the format of a file or folder."""

_MOST_CURVES = 50
_MOST_PATHS = 12
_MOST_BARS = 12


def check_destination(path: Path, overwrite: bool, suffixes: Sequence[str] = SUFFIXES) -> None:
    """See to it that a file or folder can be written at ``path``, so that no work is lost for it.

    Raises:
        FileExistsError: there is something already, and ``overwrite`` is false.
        PermissionError: the folder it is to be in cannot be written.
        ValueError: the suffix tells no format.

    >>> check_destination(Path("sweep.cvs"), overwrite=False)
    Traceback (most recent call last):
        ...
    ValueError: unknown suffix of 'sweep.cvs': '.cvs': did you mean '.csv'? Allowed: .csv, .parquet, .zarr
    """
    if path.suffix not in suffixes:
        raise unknown_name(f"suffix of {str(path)!r}:", path.suffix, suffixes)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; give another path, or --overwrite to replace it")
    check_writable(path.parent)


def check_writable(folder: Path) -> None:
    """See to it that ``folder`` is there, or can be made, and can be written to.

    Raises:
        NotADirectoryError: something else is at its path, or at that of a folder above it.
        PermissionError: it cannot be written.
    """
    there = next(above for above in (folder, *folder.absolute().parents) if above.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"{folder} cannot be a folder: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} cannot be written: no permission to write in {there}")


def write_descent(descent: Descent, path: Path, overwrite: bool) -> None:
    """Write every record of a descent: a Zarr store, or a table with a row a run and record.

    Args:
        descent: any number of runs.
        path: where; its suffix is one of ``SUFFIXES``.
        overwrite: whether to replace what is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite and path.exists():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if path.suffix == ".zarr":
        descent.to_zarr(path)
    elif path.suffix == ".csv":
        descent.to_dataframe().to_csv(path, index=False)
    else:
        descent.to_dataframe().to_parquet(path, index=False)


def draw_descent(descent: Descent, folder: Path) -> list[Path]:
    """Draw whatever shows a descent: paths and loss curves of some runs, the verdicts of one or two axes.

    Args:
        descent: any number of runs.
        folder: where to; made if need be.

    Returns:
        the files; none where there are many runs on more than two axes.
    """
    import numpy as np

    from steepest import figures

    drawn = {}
    dimensions = descent.dataset.sizes.get("parameter", 0) if isinstance(descent.params, np.ndarray) else 0
    if descent.verdict.size <= _MOST_CURVES:
        drawn["losses.png"] = figures.loss_curves(descent)
        if dimensions == 1:
            drawn["curve.png"] = figures.curve(descent)
    if descent.verdict.size <= _MOST_PATHS and dimensions == 2:
        drawn["paths.png"] = figures.contour(descent)
    if len(descent.axes) == 1 and descent.verdict.size <= _MOST_BARS:
        drawn["verdicts.png"] = figures.verdict_bars(descent)
    elif len(descent.axes) == 1 and np.issubdtype(descent.dataset[descent.axes[0]].dtype, np.number):
        drawn["sweep.png"] = figures.sweep(descent)
    elif len(descent.axes) == 2:
        drawn["verdicts.png"] = figures.verdict_map(descent)
    return [figures.save(figure, folder / name) for name, figure in drawn.items()]
