"""What descent returns: every run as labelled arrays, the parameters it ended with, and how to read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import xarray as xr

from steepest.descent.parts import Parts
from steepest.descent.showing import as_html
from steepest.descent.stops import Verdict

if TYPE_CHECKING:
    import pandas as pd


class Descent:
    """One run, or a sweep of them, as labelled arrays.

    A run is a sweep with no axes: ``run.loss`` has the dimension ``step`` alone. The labelled arrays are built when
    they are first asked for, each by itself.

    Attributes:
        objectives: label → objective; ``{None: objective}`` without that axis.
        record_dimension: ``"step"``, or ``"epoch"`` for a descent of epochs.

    Example:
        >>> import optax, steepest as sd
        >>> run = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=0.08, steps=30)
        >>> run.loss.dims, run.path.shape
        (('step',), (31, 2))
        >>> print(run.explain())
        out of steps at step 30: the steps were used up (loss 0.000458012, gradient norm 0.0428024)
    """

    def __init__(self, build: Callable[[], Parts], objectives: Mapping[Any, Any], record_dimension: str) -> None:
        self._build = build
        self.objectives = dict(objectives)
        self.record_dimension = record_dimension

    @cached_property
    def _parts(self) -> Parts:
        return self._build()

    @property
    def dataset(self) -> xr.Dataset:
        """Everything recorded: an ``xarray.Dataset`` whose dimensions are the axes, the record and the parameter."""
        return self._parts.dataset

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, in the order of the dimensions."""
        return tuple(str(name) for name in self._parts.variables["steps"].dims)

    @property
    def loss(self) -> xr.DataArray:
        """Loss at every record, (*axes, step); NaN after a run's end, and see ``steps`` for where that is."""
        return self._parts.variable("loss")

    @property
    def gradient_norm(self) -> xr.DataArray:
        """Euclidean norm of the full gradient at every record, (*axes, step)."""
        return self._parts.variable("gradient_norm")

    @property
    def path(self) -> xr.DataArray:
        """Parameters at every record, (*axes, step, parameter).

        Raises:
            ValueError: the path was not recorded.
        """
        if "path" not in self._parts.variables:
            raise ValueError("the path was not recorded: there are many parameters or runs; pass path=True to descend")
        return self._parts.variable("path")

    @property
    def verdict(self) -> xr.DataArray:
        """How each run ended, (*axes), as the strings of :class:`Verdict`."""
        return self._parts.variable("verdict")

    @property
    def reason(self) -> xr.DataArray:
        """By which measure each run ended, (*axes), as the strings of :class:`Reason`."""
        return self._parts.variable("reason")

    @property
    def steps(self) -> xr.DataArray:
        """The step each run ended at, (*axes), int32."""
        return self._parts.variable("steps")

    @property
    def final_loss(self) -> xr.DataArray:
        """Loss of the parameters each run ended with, (*axes)."""
        return self._parts.variable("final_loss")

    @property
    def final_gradient_norm(self) -> xr.DataArray:
        """Gradient norm at the parameters each run ended with, (*axes)."""
        return self._parts.variable("final_gradient_norm")

    @property
    def params(self) -> Any:
        """The parameters each run ended with: a pytree of NumPy arrays, the axes in front of every leaf.

        Raises:
            ValueError: the runs' parameters differ in structure (several objectives); select one first.
        """
        return self._tree(self._parts.leaves)

    @property
    def average(self) -> Any:
        """The Polyak–Ruppert average of each run's iterates, a pytree like ``params``.

        Raises:
            ValueError: no average was asked for.
        """
        if not self._parts.averages:
            raise ValueError("the iterates were not averaged; pass average=True to descend")
        return self._tree(self._parts.averages)

    def _tree(self, leaves: Mapping[str, xr.Variable]) -> Any:
        structures = list(self._parts.structures.values.flat)
        if any(other[0] != structures[0][0] or other[1] != structures[0][1] for other in structures[1:]):
            raise ValueError(
                "the runs' parameters differ in structure; select one objective first, e.g. sel(objective=...)"
            )
        structure, names = structures[0]
        return jax.tree.unflatten(structure, [leaves[name].values for name in names])

    def sel(self, **labels: Any) -> Descent:
        """The runs with these labels, as ``xarray.Dataset.sel``; numbers that are not on an axis raise KeyError."""
        return self._subset(self._parts.select("sel", self._known(labels)))

    def isel(self, **positions: Any) -> Descent:
        """The runs at these positions, as ``xarray.Dataset.isel``."""
        return self._subset(self._parts.select("isel", self._known(positions)))

    def _known(self, indexers: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in indexers:
            if name not in self.axes:
                raise ValueError(
                    f"{name!r} is not an axis of this descent; its axes are {', '.join(self.axes) or 'none'}"
                )
        return indexers

    def _subset(self, parts: Parts) -> Descent:
        objectives = self.objectives
        if "objective" in parts.frame.coords:
            kept = {str(label) for label in np.atleast_1d(parts.frame["objective"].values)}
            chosen = {label: value for label, value in objectives.items() if label in kept}
            objectives = chosen if "objective" in parts.variables["steps"].dims else {None: next(iter(chosen.values()))}
        return Descent(lambda: parts, objectives, self.record_dimension)

    def best(
        self, by: str = "final_loss", over: str | Sequence[str] | None = None, *, largest: bool = False
    ) -> Descent:
        """The best runs: over all axes one run, over some axes the best setting of those for each of the others.

        Args:
            by: a variable of the dataset with one value a run; of a curve (``"loss"``, or anything recorded) its final
                value is meant.
            over: the axes to choose from; None for all of them.
            largest: whether the largest value is best.

        Raises:
            ValueError: no such variable or axis; every run diverged.

        >>> import optax, steepest as sd
        >>> sweep = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=[0.01, 0.1, 1.0], steps=50)
        >>> float(sweep.best().dataset.learning_rate)
        0.1
        """
        name = by if self.record_dimension not in self.dataset.get(by, xr.DataArray()).dims else f"final_{by}"
        single = sorted(
            str(key)
            for key, values in self.dataset.data_vars.items()
            if values.dims == self.dataset["steps"].dims and np.issubdtype(values.dtype, np.number)
        )
        if name not in single:
            raise ValueError(f"by must be a variable with one number a run, got {by!r}; these are {', '.join(single)}")
        dims = self.axes if over is None else (over,) if isinstance(over, str) else tuple(over)
        self._known(dict.fromkeys(dims))
        if not dims:
            return self
        score = -self.dataset[name] if largest else self.dataset[name]
        diverged = self.verdict == Verdict.DIVERGED.value
        if bool(diverged.all()):
            raise ValueError("every run diverged, so none is best; try smaller learning rates")
        score = score.where(~diverged, np.inf).fillna(np.inf)
        return self._subset(self._parts.select("isel", score.argmin(dim=list(dims))))  # type: ignore[arg-type]

    def to_dataframe(self) -> pd.DataFrame:
        """One row a run and record, one column a variable; the path in a column a parameter.

        A parameter that is called like a variable stands in the column ``path NAME``.
        """
        curves = self.dataset.drop_vars("path", errors="ignore").drop_dims("parameter", errors="ignore")
        if "path" in self.dataset:
            for parameter in self.dataset["parameter"].values:
                name = str(parameter)
                column = f"path {name}" if name in curves.variables else name
                curves[column] = self.dataset["path"].sel(parameter=parameter, drop=True)
        return curves.to_dataframe().reset_index()

    def to_zarr(self, path: str | Path) -> None:
        """Write the dataset as a Zarr store; ``xarray.open_zarr`` reads it.

        Raises:
            FileExistsError: there is something at the path already.
            OSError: the path cannot be written.
        """
        target = Path(path)
        if target.exists():
            raise FileExistsError(f"{target} exists already; give another path or remove it first")
        self.dataset.to_zarr(target, mode="w-", zarr_format=2, consolidated=True)

    def explain(self) -> str:
        """A sentence a run, up to twenty runs; counts of the verdicts beyond.

        A learning rate that was chosen, and why, comes first.
        """
        chosen = self.dataset.attrs.get("learning_rate_chosen")
        return f"{chosen}\n{self._endings()}" if chosen else self._endings()

    def _endings(self) -> str:
        verdicts = self.verdict
        if verdicts.size > 20:
            names, counts = np.unique(verdicts.values, return_counts=True)
            return f"{verdicts.size} runs: " + ", ".join(f"{n} {name}" for name, n in zip(names, counts, strict=True))
        return "\n".join(self._sentence(index) for index in np.ndindex(verdicts.shape))

    def _sentence(self, index: tuple[int, ...]) -> str:
        one = self.dataset.isel(dict(zip(self.axes, index, strict=True)))
        place = [one[name].item() for name in self.axes]
        words = [f"{value:.6g}" if isinstance(value, int | float) else str(value) for value in place]
        where = ", ".join(f"{name} {word}" for name, word in zip(self.axes, words, strict=True))
        return (
            (f"{where}: " if where else "")
            + f"{one.verdict.item()} at step {one.steps.item()}: {one.reason.item()} "
            + f"(loss {one.final_loss.item():.6g}, gradient norm {one.final_gradient_norm.item():.6g})"
        )

    def __repr__(self) -> str:
        sizes = " × ".join(f"{name} {self.dataset.sizes[name]}" for name in self.axes)
        count = f"{self.verdict.size} runs ({sizes})" if sizes else "1 run"
        return f"<Descent of {count}>\n{self.explain()}"

    def _repr_html_(self) -> str:
        return as_html(self)
