"""What is on the screen as files: the dataset of its runs, and the rows of a problem with data."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from steepest.descent import Descent
from steepest.lab.answers import descended
from steepest.lab.state import State


class File(NamedTuple):
    """Something to keep.

    Attributes:
        name: what it is called on the way.
        kind: its media type.
        content: its bytes.
    """

    name: str
    kind: str
    content: bytes


def runs_as_netcdf(state: State) -> File:
    """The labelled dataset of the runs, as ``xarray.open_dataset`` reads it; its attribute ``lab`` is the state.

    >>> import io, xarray
    >>> file = runs_as_netcdf(State("bowl", starts=((4.0, 2.5), (1.0, 1.0)), steps=20))
    >>> xarray.open_dataset(io.BytesIO(file.content))["path"].sizes
    Frozen({'start': 2, 'step': 21, 'parameter': 2})
    """
    dataset = _runs(state).dataset.assign_attrs(
        method=state.method, schedule=state.schedule, batch_size=state.batch_size, seed=state.seed, lab=state.to_query()
    )
    return File(f"{state.problem}-runs.nc", "application/x-netcdf", bytes(dataset.to_netcdf(engine="scipy")))


def runs_as_csv(state: State) -> File:
    """The same as a table: a row a start and record, the path in a column a parameter."""
    return File(f"{state.problem}-runs.csv", "text/csv", _runs(state).to_dataframe().to_csv(index=False).encode())


def rows_as_csv(state: State) -> File:
    """The rows that a model is trained on.

    Raises:
        ValueError: a problem without rows.
    """
    table = state.found.table
    if table is None:
        raise ValueError(f"{state.problem} has no data; choose regression, spirals or digits")
    return File(f"{state.problem}-data.csv", "text/csv", table.to_csv(index=False).encode())


def _runs(state: State) -> Descent:
    """The runs of the starts that were asked for, without those that only fill up a compiled program."""
    return descended(state).isel(start=slice(0, len(state.starts)))


EXPORTS: dict[str, Callable[[State], File]] = {
    "runs.nc": runs_as_netcdf,
    "runs.csv": runs_as_csv,
    "data.csv": rows_as_csv,
}
"""Address → what is sent."""
