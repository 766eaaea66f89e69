"""The parts of a finished sweep: coordinates, and variables that are each made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import xarray as xr

_Value = TypeVar("_Value")


class Made(Mapping[str, _Value]):
    """Values by name, each made when it is first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], _Value]]) -> None:
        self._makers, self._made = makers, dict[str, _Value]()

    def __getitem__(self, name: str) -> _Value:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True, eq=False)
class Parts:
    """A finished sweep, ready to be labelled.

    Attributes:
        frame: the coordinates and attributes of :attr:`Descent.dataset`, without its variables.
        variables: what it holds, by name.
        leaves: leaf name → its values at the end of every run.
        averages: the same of the averaged iterates.
        structures: over the looped axes, (pytree structure, leaf names) of the parameters.
    """

    frame: xr.Dataset
    variables: Mapping[str, xr.Variable]
    leaves: Mapping[str, xr.Variable]
    averages: Mapping[str, xr.Variable]
    structures: xr.Variable

    @cached_property
    def dataset(self) -> xr.Dataset:
        """What :attr:`Descent.dataset` returns."""
        return self.frame.assign(dict(self.variables))

    def variable(self, name: str) -> xr.DataArray:
        """One variable of the dataset, which alone is made."""
        return self.frame.assign({name: self.variables[name]})[name]

    def select(self, method: str, indexers: Mapping[str, Any]) -> Parts:
        """The same selection of everything; ``method`` is ``sel`` or ``isel``."""

        def of(variables: Mapping[str, xr.Variable]) -> dict[str, xr.Variable]:
            selected = getattr(self.frame.assign(dict(variables)), method)(indexers)
            return {str(name): array.variable for name, array in selected.data_vars.items()}

        return Parts(
            getattr(self.frame, method)(indexers),
            of(self.variables),
            of(self.leaves),
            of(self.averages),
            of({"structures": self.structures})["structures"],
        )
