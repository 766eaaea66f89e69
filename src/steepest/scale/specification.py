"""What a call of ``descend`` asks for, in words that a store keeps, and in what two calls differ."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from steepest.descent.axes import Axis
from steepest.descent.grid import Grid
from steepest.descent.job import Clock, Job, Request
from steepest.scale.fingerprints import described

_PACKAGES = ("steepest", "jax", "jaxlib", "optax", "numpy")
_LONGEST = 200


def specification(grid: Grid, clock: Clock, request: Request, jobs: Sequence[Job]) -> dict[str, Any]:
    """Everything that the numbers of a descent follow from, as ``json`` can hold it.

    Args:
        grid: axes and settings of the call.
        clock: how long to run, and how often to record, as asked.
        request: what each run is asked for.
        jobs: the cells of the grid, with what was decided for the caller.
    """
    outer = {name: _value(value) for name, value in grid.outer.items()}
    return {
        **outer,
        **{name: _value(value) for name, value in grid.settings.items()},
        "start": _value(grid.start),
        "seed": _value(grid.seed),
        "epochs" if clock.epochs is not None else "steps": clock.epochs if clock.epochs is not None else clock.steps,
        "every": [job.every for job in jobs],
        "path": jobs[0].program.path,
        "stop": {name: described(value) for name, value in vars(request.stop).items()},
        "record": described(request.record),
        "average": request.average_from,
        "dtype": request.precision.name,
        "axes": list(grid.order),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }


def _value(value: Any) -> Any:
    if not isinstance(value, Axis):
        return described(value)
    labels = described(value.labels)
    return {"axis": labels} if value.traced and value.values is value.labels else {
        "axis": labels, "values": described(value.values)
    }  # fmt: skip


def differences(kept: Any, asked: Any, name: str = "") -> list[str]:
    """In what two specifications differ, a phrase each: the name, what a store has, what is asked for.

    >>> differences({"steps": 10, "stop": {"target_loss": None}}, {"steps": 20, "stop": {"target_loss": None}})
    ['steps is 10 in the store and 20 in this call']
    """
    if isinstance(kept, Mapping) and isinstance(asked, Mapping):
        names = [*kept, *(key for key in asked if key not in kept)]
        inner = ((key, kept.get(key), asked.get(key)) for key in names)
        return [phrase for key, one, other in inner for phrase in differences(one, other, f"{name}.{key}".strip("."))]
    return [] if kept == asked else [f"{name} is {_short(kept)} in the store and {_short(asked)} in this call"]


def _short(value: Any) -> str:
    words = str(value)
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …"
