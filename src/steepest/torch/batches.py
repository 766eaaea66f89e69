"""The rows that a module is diagnosed on: the same batches for every product, collected once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset

from steepest.diagnosis.findings import Finding
from steepest.torch.surroundings import seeded

_SCALES_APART = 100.0
_REMEDY = "give a tuple of two tensors (x, y), or a DataLoader whose batches are (x, y)"


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches of rows, where the user keeps them; each is moved to the module's device when it is used.

    Attributes:
        parts: (x, y) of each batch, the first axis the rows.
        rows: in all of them.
        available: how many rows there would have been; None where that is not known.
        words: which rows these are.
    """

    parts: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    rows: int
    available: int | None
    words: str

    def weighted(self) -> Iterator[tuple[int, float, torch.Tensor, torch.Tensor]]:
        """(number, share of all rows, x, y) of each batch."""
        for number, (x, y) in enumerate(self.parts):
            yield number, len(x) / self.rows, x, y


def collected(data: Any, most_rows: int, batch_size: int | None, seed: int) -> Batches:
    """The rows to diagnose on; call it where generators are restored afterwards.

    Args:
        data: a tuple of tensors (x, y), or an iterable of such pairs.
        most_rows: of more rows than these, tensors are drawn from at random and a loader is stopped.
        batch_size: what tensors are cut into; None for one batch.
        seed: of the draw, and of the loader's order.

    Raises:
        TypeError, ValueError: what is wrong with the data.
    """
    if isinstance(data, tuple | list) and data and all(isinstance(part, torch.Tensor) for part in data):
        return _of_tensors(data, most_rows, batch_size, seed)
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        raise TypeError(
            f"data is a dataset of single rows ({type(data).__name__}); give torch.utils.data.DataLoader(dataset, "
            "batch_size=...)"
        )
    if isinstance(data, str | dict | torch.Tensor) or not isinstance(data, Iterable):
        raise TypeError(f"data must hold features and targets, got {type(data).__name__}; {_REMEDY}")
    if isinstance(data, Iterator):
        raise TypeError(
            f"data is an iterator ({type(data).__name__}), which a diagnosis would use up; give the DataLoader itself, "
            "or list(data) where that fits into memory"
        )
    if batch_size is not None:
        raise ValueError("batch_size is for tensors; a DataLoader has its own, so leave batch_size out")
    return _of_loader(data, most_rows, seed)


def _of_tensors(data: Any, most_rows: int, batch_size: int | None, seed: int) -> Batches:
    x, y = _pair(data, "data")
    rows = len(x)
    words = f"all {rows:,} rows"
    if rows > most_rows:
        drawn = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))[:most_rows].sort().values
        x, y = x[drawn.to(x.device)], y[drawn.to(y.device)]
        words = f"{most_rows:,} of {rows:,} rows, drawn with seed {seed}"
    size = len(x) if batch_size is None else batch_size
    parts = tuple(zip(torch.split(x, size), torch.split(y, size), strict=True))
    return Batches(parts, len(x), rows, words + (f", in batches of {size:,}" if len(parts) > 1 else ""))


def _of_loader(data: Any, most_rows: int, seed: int) -> Batches:
    parts: list[tuple[torch.Tensor, torch.Tensor]] = []
    rows, stopped = 0, False
    seeded(seed)
    for number, batch in enumerate(data):
        if rows >= most_rows:
            stopped = True
            break
        x, y = _pair(batch, f"batch {number} of data")
        parts.append((x[: most_rows - rows], y[: most_rows - rows]))
        stopped = len(x) > most_rows - rows
        rows += len(parts[-1][0])
    if not parts:
        raise ValueError("data is empty: the loader gave no batch; check its dataset, and drop_last")
    first, many = ("the first " if stopped else "all "), len(parts) > 1
    words = f"{first}{len(parts):,} batches of the loader, {rows:,} rows" if many else f"one batch of {rows:,} rows"
    return Batches(tuple(parts), rows, _available(data) if stopped else rows, words)


def _available(data: Any) -> int | None:
    try:
        return len(data.dataset)
    except (AttributeError, TypeError):
        return None


def _pair(batch: Any, what: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and targets, without their history.

    Raises:
        TypeError: not two tensors.
        ValueError: they are not of the same rows, or there are none.
    """
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        size = f" of {len(batch)}" if isinstance(batch, tuple | list | dict) else ""
        raise TypeError(f"{what} must be (x, y), got a {type(batch).__name__}{size}; {_REMEDY}")
    for name, part in zip("xy", batch, strict=True):
        if not isinstance(part, torch.Tensor):
            raise TypeError(
                f"{what} must be two tensors (x, y), got {type(part).__name__} for {name}; for anything else let the "
                "module take one tensor and the loader's collate_fn make it"
            )
        if part.device.type == "meta":
            raise ValueError(f"{name} of {what} is on the device 'meta', where tensors hold no numbers")
    x, y = batch
    if not x.ndim or not y.ndim or len(x) != len(y):
        raise ValueError(
            f"x and y of {what} must have the same number of rows, got shapes {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if not len(x):
        raise ValueError(f"{what} is empty: it has no rows")
    # What was made in inference mode cannot be differentiated through, its copy can.
    x, y = (part.clone() if part.is_inference() else part.detach() for part in (x, y))
    return x, y


def data_findings(batches: Batches) -> list[Finding]:
    """That features are on different scales, where x is a table of them and they are.

    By the largest size of each column that is not zero throughout: of rare ones the mean square would be small.
    """
    tables = [x for x, _ in batches.parts if x.ndim == 2 and x.is_floating_point() and x.shape[1] > 1]
    if len(tables) < len(batches.parts) or len({x.shape[1] for x in tables}) > 1:
        return []
    sizes = torch.stack([x.abs().amax(dim=0).double().cpu() for x in tables]).amax(dim=0)
    used = torch.nonzero(sizes).ravel()
    if not len(used):
        return []
    least, most = (int(used[place(sizes[used])]) for place in (torch.argmin, torch.argmax))
    if sizes[most] < _SCALES_APART * sizes[least]:
        return []
    return [
        Finding(
            "scales",
            f"features are on different scales: the largest sizes of columns go from {float(sizes[least]):.3g} "
            f"(x[:, {least}]) to {float(sizes[most]):.3g} (x[:, {most}]), and the curvature along their weights with "
            "the squares of these",
            "standardise the features, (x − mean)/deviation of each column that varies, before they reach a layer "
            "that no normalisation precedes; the learning rate that the largest allows is far too small for the others",
        )
    ]
