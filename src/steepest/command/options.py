"""The options of the command line: what each is called, takes and means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

DEFAULT_STEPS = 1000
"""Steps of a run where neither steps nor epochs are given."""

GRAMMAR = """\b
A value V is a setting or an axis; each axis multiplies the runs:
  0.1                one setting
  0.1,0.2            an axis of these values
  1e-4..1:50         50 values in equal ratios, both ends included
  0..0.9:10:linear   10 values in equal steps, both ends included
Parts can be joined with commas; --set also takes true, false and none."""
"""How values are written, for the end of a help page."""


def option(metavar: str, text: str, *names: str) -> Any:
    """An option with a value: how the value is shown, what it means, and the names where the parameter's is not it."""
    return typer.Option(*names, metavar=metavar, help=text)


Method = Annotated[str, option("NAME", "Method of optax, or file.py:name; several with commas are an axis.")]
LearningRate = Annotated[str | None, option("V", "Learning rate, or auto for sgd.")]
Settings = Annotated[list[str] | None, option("NAME=V", "Another hyper-parameter of the method; repeatable.", "--set")]
Steps = Annotated[int | None, option("N", f"Updates a run may take ({DEFAULT_STEPS} unless --epochs is given).")]
Epochs = Annotated[int | None, option("N", "Passes over the rows of the data, in place of --steps.")]
BatchSize = Annotated[str | None, option("V", "Rows of each step; none for all of them.")]
Starts = Annotated[list[str] | None, option("X,Y,...", "Where to start; repeatable: several are an axis.")]
Seed = Annotated[str, option("V", "Seed of start, data order and noise.")]
Every = Annotated[int | None, option("N", "Steps (epochs) between records.")]
GradientNorm = Annotated[str | None, option("X", "Converged at this gradient norm (1e-8); none for never.")]
TargetLoss = Annotated[float | None, option("X", "Converged at this loss.")]
LossLimit = Annotated[float | None, option("X", "Diverged above this loss (1e6 times the first); inf for never.")]
ParameterNorm = Annotated[float | None, option("X", "Diverged above this norm of the parameters.")]
Precision = Annotated[str, option("NAME", "float64 or float32.")]
Figures = Annotated[Path | None, option("DIR", "Draw figures into this folder.")]
StoreAt = Annotated[Path | None, option("PATH", "Keep finished runs here; take up where it ended.", "--store")]
ClusterAt = Annotated[str | None, option("ADDRESS", "Run on a Dask cluster: a scheduler, or local.", "--cluster")]
Out = Annotated[Path | None, option("PATH", "Write every record to a .zarr folder, or a .csv or .parquet table.")]
Report = Annotated[Path | None, option("FILE", "Write a report to read, print and pass on: an .html file.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is at --out, --report.")]
Ignore = Annotated[list[str] | None, option("COLUMN", "Leave a column of the table out; repeatable.")]
Keep = Annotated[
    list[str] | None, option("COLUMN", "Use a column that looks like an identifier or a date; repeatable.")
]
