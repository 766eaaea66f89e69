"""A store: a Zarr group on disk in which finished tasks of a sweep are kept, whatever becomes of the process.

Every variable of the sweep is one array on the labelled axes, cut into chunks as the sweep is cut into tasks, so that
``xarray.open_zarr`` reads a store at any time. A task is finished once its number in the array ``finished`` says so;
that is written, by renaming a file, after everything else of the task has reached the disk. A process that is killed
leaves finished tasks, and chunks of unfinished ones that are written anew. One process at a time writes, which a lock
sees to that the system lets go of when the process ends, however it ends.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from steepest.scale.specification import differences

LAYOUT = 1
_LOCK = ".lock"
_KIND = "steepest runs"
_CHUNK_BYTES = 2**26
_MISSING = {"f": np.nan, "i": 0, "u": 0}


class StoreError(ValueError):
    """A store cannot be used as asked: it is another sweep's, in use, damaged, or no store at all."""


@dataclass(frozen=True)
class Contents:
    """What the attributes of a store say.

    Attributes:
        specification: what the sweep was asked for; see :func:`steepest.scale.specification.specification`.
        attributes: of the labelled dataset.
        layout: axes and their labels, the tiles of blocks and tasks, and what else a reader needs.
    """

    specification: dict[str, Any]
    attributes: dict[str, Any]
    layout: dict[str, Any]


class Store:
    """An open store. Get one with :func:`open_store` or, to write, from within :func:`writing`."""

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path, self._group = path, group
        self._arrays: dict[str, Any] = {}
        try:
            kept: dict[str, Any] = dict(group.attrs)
            self.contents = Contents(*(kept[name] for name in ("specification", "attributes", "layout")))
        except KeyError as missing:
            raise StoreError(f"{path} is not a store of runs that was begun whole: it lacks {missing}") from None
        if self.contents.layout.get("version") != LAYOUT:
            raise StoreError(
                f"{path} was written by another version of steepest, layout {self.contents.layout.get('version')}; "
                f"this one reads layout {LAYOUT}"
            )

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Which tasks are finished, by their number."""
        return np.asarray(self._array("finished")[:], bool)

    def check_same(self, specification: Mapping[str, Any]) -> None:
        """Raise StoreError, naming the differences, where the store was begun with another specification."""
        apart = differences(self.contents.specification, specification)
        if apart:
            raise StoreError(
                f"{self.path} holds another sweep: {'; '.join(apart[:3])}{'; …' if len(apart) > 3 else ''}; "
                "ask for the same, or give another path"
            )

    def dataset(self) -> xr.Dataset:
        """What is in it, on the labelled axes; numbers are read when they are needed."""
        # While a store is being begun, or was killed then, its group does not name its arrays yet.
        named = zarr.open_group(self.path, mode="r").metadata.consolidated_metadata is not None
        with _quiet():
            contents: xr.Dataset = xr.open_zarr(self.path, chunks=None, consolidated=named)
        return contents

    def write(self, number: int, variables: Mapping[str, xr.Variable], region: Mapping[str, slice]) -> None:
        """Keep what a task came to, and then mark it as finished.

        Args:
            number: of the task.
            variables: name → values on its part of the axes.
            region: axis → the task's part of it.

        Raises:
            OSError: it cannot be written; what was there stays readable.
        """
        new = [name for name in variables if name not in self._arrays and name not in self._group]
        for name in new:
            self._create(name, variables[name])
        if new:
            self.consolidate()
        written: set[Path] = set()
        for name, variable in variables.items():
            where = tuple(region.get(str(dim), slice(0, size)) for dim, size in variable.sizes.items())
            array = self._array(name)
            array[where] = variable.values
            written.update(_chunk_paths(self.path / name, array, where))
        _to_disk(self.path, written)
        marks = self._array("finished")
        done = np.asarray(marks[:])
        done[number] = 1
        marks[:] = done
        _to_disk(self.path, _chunk_paths(self.path / "finished", marks, (slice(None),)))

    def consolidate(self) -> None:
        """Have the group name all its arrays, so that a reader need not look for them."""
        with _quiet():
            zarr.consolidate_metadata(self._group.store)

    def _array(self, name: str) -> Any:
        if name not in self._arrays:
            self._arrays[name] = self._group[name]
        return self._arrays[name]

    def _create(self, name: str, like: xr.Variable) -> None:
        sizes, tiles = self.contents.layout["sizes"], self.contents.layout["tiles"]
        shape = tuple(sizes.get(str(dim), size) for dim, size in like.sizes.items())
        chunks = [min(whole, tiles.get(str(dim), whole)) for dim, whole in zip(like.dims, shape, strict=True)]
        for place, dim in enumerate(like.dims):
            if dim == self.contents.layout["record"]:
                others = int(np.prod(chunks)) // chunks[place] * like.dtype.itemsize
                chunks[place] = int(np.clip(_CHUNK_BYTES // max(1, others), 1, chunks[place]))
        self._arrays[name] = self._group.create_array(
            name,
            shape=shape,
            chunks=tuple(max(1, size) for size in chunks),
            dtype=like.dtype,
            fill_value=_MISSING[like.dtype.kind],
            dimension_names=[str(dim) for dim in like.dims],
            attributes={key: _plain(value) for key, value in like.attrs.items()},
        )


def open_store(path: str | Path) -> Store:
    """The store at a path, to be read.

    Raises:
        FileNotFoundError: there is nothing.
        StoreError: a ``ValueError``: what is there is not a store of runs.
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"{place} is not there; descend(..., store={str(place)!r}) begins a store")
    if not is_store(place):
        raise StoreError(f"{place} is not a store of runs; descend(..., store=...) makes one")
    return Store(place, zarr.open_group(place, mode="r"))


def is_store(path: Path) -> bool:
    """Whether a store of runs was begun at a path."""
    try:
        return bool(zarr.open_group(path, mode="r").attrs.get("kind") == _KIND)
    except (OSError, ValueError, KeyError):
        return False


def was_begun(path: Path) -> bool:
    """Whether a store at a path says what it is for; one that was killed before that is begun again."""
    return is_store(path) and "layout" in zarr.open_group(path, mode="r").attrs


@contextmanager
def writing(
    path: str | Path, contents: Contents, coordinates: Mapping[str, NDArray[Any]], tasks: int
) -> Iterator[Store]:
    """The store at a path, to be written by this process alone; begun if there is none yet.

    Args:
        path: of the store.
        contents: what a new store is begun with; an old one must have the same specification.
        coordinates: labels of the axes.
        tasks: how many tasks there are.

    Raises:
        OSError: it cannot be made or written.
        StoreError: a ``ValueError``: it belongs to another sweep (the differences are named), another process writes
            it, or something else is at the path.
    """
    place = Path(path)
    with _locked(place):
        if not was_begun(place):
            _begin(place, contents, coordinates, tasks)
        store = Store(place, zarr.open_group(place, mode="r+"))
        store.check_same(contents.specification)
        store.consolidate()
        yield store


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    if place.exists() and not place.is_dir():
        raise StoreError(f"{place} is a file and not a store of runs; give another path")
    if place.exists() and not (place / "zarr.json").exists() and any(one.name != _LOCK for one in place.iterdir()):
        raise StoreError(f"{place} is a folder of something else; give another path")
    if (place / "zarr.json").exists() and not is_store(place):
        raise StoreError(f"{place} is a Zarr store, but not one of runs; give another path")
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place / _LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise StoreError(
            f"{place} is being written by another process; wait for it to end, or give another path"
        ) from None
    except OSError as error:
        raise type(error)(error.errno, f"the store cannot be written: {error.strerror}", str(place)) from None
    try:
        yield
    finally:
        lock.release()


def _begin(place: Path, contents: Contents, coordinates: Mapping[str, NDArray[Any]], tasks: int) -> None:
    """An empty store. The layout comes last: without it the store was not begun whole, and is begun again."""
    group = zarr.open_group(place, mode="a", zarr_format=3, attributes={"kind": _KIND})
    for name, labels in {**coordinates, "finished": np.zeros(tasks, np.uint8)}.items():
        text = labels.dtype.kind in "UO"
        array = group.create_array(
            name,
            shape=labels.shape,
            chunks=(max(1, len(labels)),),
            dtype=str if text else labels.dtype,
            dimension_names=["task" if name == "finished" else name],
            overwrite=True,
        )
        array[:] = labels.astype(object) if text else labels
    group.attrs.update({
        "specification": contents.specification,
        "attributes": contents.attributes,
        "layout": {"version": LAYOUT, **contents.layout},
    })  # fmt: skip
    with _quiet():
        zarr.consolidate_metadata(group.store)


def _chunk_paths(folder: Path, array: Any, where: Sequence[slice]) -> set[Path]:
    """Files of the chunks that a region touches."""
    spans = []
    for part, whole, chunk in zip(where, array.shape, array.chunks, strict=True):
        first, last, _ = part.indices(whole)
        spans.append(range(first // chunk, max(first + 1, last - 1) // chunk + 1 if last > first else first // chunk))
    return {folder.joinpath("c", *map(str, place)) for place in itertools.product(*spans)}


def _to_disk(store: Path, files: set[Path]) -> None:
    """Wait until files of a store and the folders that name them are on the disk, which outlasts a loss of power."""
    there = {file for file in files if file.exists()}
    folders = {folder for file in there for folder in file.parents if store in folder.parents}
    for path in (*there, *folders):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of Zarr that consolidated metadata are young, and that the lock is no array."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
        yield


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
