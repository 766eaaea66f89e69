"""What a terminal shows of a descent: one run in full, a few in a row each, many by their verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from steepest.command.terminal import SHOWN_COORDINATES, heading, number, plain_table, point, show_pairs
from steepest.descent import Descent, Reason, Verdict
from steepest.descent.labels import parameter_names

if TYPE_CHECKING:
    import xarray as xr

FEW_RUNS = 20
"""Up to so many runs are shown one by one."""

_MOST_ROWS = 24
_STYLES = {Verdict.CONVERGED: "cyan", Verdict.DIVERGED: "red", Verdict.OUT_OF_STEPS: "", Verdict.INTERRUPTED: "magenta"}
_NOT_SETTINGS = ("steepest", "dtype", "objective", "method")


def show_descent(descent: Descent, subject: str, console: Console) -> None:
    """Print what a descent came to: one run in full, a few in a row each, many by their verdicts.

    Args:
        descent: any number of runs.
        subject: the objective and the method, as the user named them.
        console: where to print.
    """
    console.print(_title(descent, subject), style="bold")
    if descent.verdict.size == 1:
        _show_one(descent, console)
    elif descent.verdict.size <= FEW_RUNS:
        console.print(_each_run(descent))
    else:
        console.print(_verdict_counts(descent))
        console.print()
        show_pairs(_highlights(descent), console)
        axis = _axis_of_changes(descent)
        if axis is not None:
            console.print()
            console.print(_verdict_changes(descent, axis))


def _title(descent: Descent, subject: str) -> Text:
    """The subject, the settings that all runs share, and the axes."""
    attributes = descent.dataset.attrs
    settings = [f"{name} {_label(value)}" for name, value in attributes.items() if name not in _NOT_SETTINGS]
    sizes = " × ".join(f"{name} {descent.dataset.sizes[name]}" for name in descent.axes)
    runs = f"{descent.verdict.size} run{'' if descent.verdict.size == 1 else 's'}" + (f" ({sizes})" if sizes else "")
    return Text(", ".join([subject, *settings, runs]))


def _label(value: Any) -> str:
    return number(value, 6) if not isinstance(value, str | bool) else str(value)


def _verdict(value: str) -> Text:
    return Text(value, style=_STYLES[Verdict(value)])


def _measure(reason: str) -> str:
    """The measure that a reason names, short enough for a column."""
    return Reason(reason).name.lower().replace("_", " ")


def _setting(run: xr.Dataset, axes: Sequence[str]) -> list[str]:
    return [_label(run[axis].item()) for axis in axes]


def _show_one(descent: Descent, console: Console) -> None:
    run = descent.dataset.squeeze()
    pairs = {
        "verdict": f"{run.verdict.item()} at step {run.steps.item()}",
        "reason": run.reason.item(),
        "loss": number(run.final_loss.item(), 10),
        "gradient norm": number(run.final_gradient_norm.item(), 10),
    }
    names, values = _parameters(descent)
    if len(values) <= 2 * SHOWN_COORDINATES:
        pairs |= {name: number(value, 10) for name, value in zip(names, values, strict=True)}
    else:
        pairs["parameters"] = point(values)
    show_pairs(pairs, console)


def _parameters(descent: Descent) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Names and values of all parameters of the only run."""
    one = jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[len(descent.axes) :]), descent.params)
    return parameter_names(one), np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(one)])


def _each_run(descent: Descent) -> Table:
    points = descent.params if isinstance(descent.params, np.ndarray) else None
    # Three axes side by side leave no room for the rest at 80 columns; they stand below each other instead.
    stacked = len(descent.axes) > 2
    headings = ["setting"] if stacked else [heading(axis) for axis in descent.axes]
    # The longest words that stand in these columns: of a heading, "parameter" (norm), a coordinate like (-1.23e-45.
    wrapping = {"by": 9, "point": 11} | ({} if stacked else dict.fromkeys(headings, 8))
    last = [] if points is None else ["point"]
    table = plain_table(*headings, "verdict", "step", "by", "loss", "gradient", *last, wrapping=wrapping, gap=1)
    for index in np.ndindex(descent.verdict.shape):
        run = descent.dataset.isel(dict(zip(descent.axes, index, strict=True)))
        labels = _setting(run, descent.axes)
        pairs = "\n".join(f"{axis} {label}" for axis, label in zip(descent.axes, labels, strict=True))
        table.add_row(
            *([pairs] if stacked else labels),
            _verdict(run.verdict.item()),
            str(run.steps.item()),
            _measure(run.reason.item()),
            number(run.final_loss.item(), 3),
            number(run.final_gradient_norm.item(), 3),
            *([] if points is None else [point(points[index], 3)]),
        )
    return table


def _verdict_counts(descent: Descent) -> Table:
    counted = Counter(zip(descent.verdict.values.flat, descent.reason.values.flat, strict=True))
    table = plain_table("runs", "verdict", "because")
    for (verdict, reason), count in counted.most_common():
        table.add_row(str(count), _verdict(verdict), reason)
    return table


def _highlights(descent: Descent) -> dict[str, str]:
    """The run of the lowest loss, and the first to converge."""
    if bool((descent.verdict == Verdict.DIVERGED.value).all()):
        return {"none": "every run diverged; try smaller learning rates"}
    found = {"lowest loss": _in_a_line(descent.best())}
    steps = descent.steps.where(descent.verdict == Verdict.CONVERGED.value, np.inf)
    if bool(np.isfinite(steps).any()):
        first = descent.isel(**steps.argmin(dim=list(descent.axes)))  # type: ignore[arg-type]
        found["first to converge"] = _in_a_line(first)
    return found


def _in_a_line(best: Descent) -> str:
    run = best.dataset
    coordinates = {str(name): run[name].item() for name in run.coords if run[name].ndim == 0}
    setting = ", ".join(f"{name} {_label(value)}" for name, value in coordinates.items())
    return f"{setting}: {run.verdict.item()} at step {run.steps.item()}, loss {number(run.final_loss.item())}"


def _axis_of_changes(descent: Descent) -> str | None:
    """The learning rate, or else the longest axis of numbers that is not the seed."""
    numeric = [name for name in descent.axes if np.issubdtype(descent.dataset[name].dtype, np.number)]
    candidates = [name for name in numeric if name not in ("seed", "start") and descent.dataset.sizes[name] > 2]
    if "learning_rate" in candidates:
        return "learning_rate"
    return max(candidates, key=lambda name: descent.dataset.sizes[name], default=None)


def _verdict_changes(descent: Descent, axis: str) -> Table:
    """Stretches of the axis with one verdict, for each setting of the others."""
    others = [name for name in descent.axes if name != axis]
    headings = [heading(name) for name in others]
    columns = (*headings, f"{heading(axis)} from", "to", "runs", "verdict")
    table = plain_table(*columns, wrapping=dict.fromkeys(headings, 8))
    verdicts = descent.verdict.sortby(axis).transpose(*others, axis)
    values = verdicts.values
    rows = (
        [*_setting(verdicts.isel(place).to_dataset(name="verdict"), others), *stretch]
        for index in np.ndindex(values.shape[:-1])
        for place in [dict(zip(others, index, strict=True))]
        for stretch in _stretches(verdicts[axis].values, values[index])
    )
    for row in islice(rows, _MOST_ROWS):
        table.add_row(*row)
    count = values[..., 0].size + int((values[..., 1:] != values[..., :-1]).sum())
    if count > _MOST_ROWS:
        table.add_row(*[""] * len(others), f"… {count - _MOST_ROWS} more")
    return table


def _stretches(labels: np.ndarray[Any, Any], verdicts: np.ndarray[Any, Any]) -> list[list[str | Text]]:
    found: list[list[str | Text]] = []
    first = 0
    for verdict, group in groupby(verdicts):
        count = len(list(group))
        ends = labels[first], labels[first + count - 1]
        found.append([_label(ends[0]), _label(ends[1]), str(count), _verdict(str(verdict))])
        first += count
    return found
