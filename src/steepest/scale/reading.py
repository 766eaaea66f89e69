"""Reading a store without the call that made it: its runs as a ``Descent``, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steepest import landscapes
from steepest.descent.result import Descent
from steepest.objectives import Objective
from steepest.scale.fingerprints import described
from steepest.scale.records import ENDINGS, parts_in
from steepest.scale.store import Store, is_store, open_store


@dataclass(frozen=True)
class Progress:
    """How far a store has come.

    Attributes:
        path: of the store.
        specification: what the sweep was asked for.
        sizes: axis → its length.
        tasks, finished: how many there are, and how many are done.
        runs: of the whole sweep.
        verdicts: verdict → number of finished runs.
    """

    path: Path
    specification: dict[str, Any]
    sizes: dict[str, int]
    tasks: int
    finished: int
    runs: int
    verdicts: dict[str, int]


def open_runs(path: str | Path) -> Descent:
    """The runs in a store that ``descend(..., store=path)`` wrote, finished or not, also while it is written.

    Runs that are not finished yet have the verdict ``interrupted`` and NaN for their losses. Curves and parameters are
    read from the disk when they are needed. The objective itself is not in a store; a landscape of the catalogue is
    recognised, of another one figures that draw its surface say what is missing.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: what is there is no store of runs, or no run in it is finished.

    Example:
        >>> import tempfile, optax, steepest as sd
        >>> folder = tempfile.mkdtemp() + "/runs.zarr"
        >>> sweep = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=[0.01, 0.1, 1.0], steps=50, store=folder)
        >>> sd.open_runs(folder).verdict.values.tolist()
        ['out of steps', 'out of steps', 'diverged']
    """
    store = open_store(path)
    parts = parts_in(store)
    return Descent(lambda: parts, _objectives(store), str(store.contents.layout["record"]))


def progress(path: str | Path) -> Progress:
    """How far the store at a path has come; see :func:`open_runs` for what is raised."""
    store = open_store(path)
    contents = store.dataset()
    finished = store.finished
    sizes = {name: int(size) for name, size in store.contents.layout["sizes"].items()}
    verdicts: dict[str, int] = {}
    if "code" in contents:
        codes, counts = np.unique(contents["code"].values, return_counts=True)
        verdicts = {ENDINGS[code]: int(count) for code, count in zip(codes, counts, strict=True)}
    return Progress(
        Path(path),
        store.contents.specification,
        sizes,
        len(finished),
        int(finished.sum()),
        int(np.prod(list(sizes.values()), dtype=np.int64)),
        verdicts,
    )


def stores_in(folder: str | Path) -> list[Path]:
    """The stores at a path: itself, or those directly in it."""
    place = Path(folder)
    if is_store(place):
        return [place]
    return (
        sorted(inside for inside in place.iterdir() if inside.is_dir() and is_store(inside)) if place.is_dir() else []
    )


def _objectives(store: Store) -> dict[Any, Any]:
    kept = store.contents.specification["objective"]
    if isinstance(kept, dict) and "axis" in kept:
        labels = [str(label) for label in store.dataset()["objective"].values]
        return {label: _known(words, label, store) for label, words in zip(labels, kept["values"], strict=True)}
    return {None: _known(kept, str(store.contents.attributes.get("objective", "objective")), store)}


def _known(words: Any, name: str, store: Store) -> Any:
    """The landscape of that name, where it is the same still; else a loss that says that it is missing."""
    found = landscapes.CATALOGUE.get(name)
    if found is not None and described(found) == words:
        return found

    def missing(params: Any) -> Any:
        raise ValueError(
            f"the loss {name!r} is not in the store {store.path}; call descend with it and store={str(store.path)!r}, "
            "which computes nothing anew"
        )

    return Objective(missing, name=name)
