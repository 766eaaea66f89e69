"""Which rows train, which choose, and which test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from steepest.fit.task import Task

_FEWEST = 2


@dataclass(frozen=True, eq=False)
class Rows:
    """Row positions of each part of a table."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]

    @property
    def together(self) -> NDArray[np.intp]:
        """All rows but those of the test."""
        return np.concatenate([self.train, self.validation])

    def part(self, name: str) -> NDArray[np.intp]:
        """The positions of a part: ``train``, ``validation``, ``together`` or ``test``."""
        found: NDArray[np.intp] = getattr(self, name)
        return found

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each part."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}


def split(table: pd.DataFrame, task: Task, test_size: float, validation_size: float, seed: int) -> Rows:
    """Row positions of each part; classes keep their shares where each has rows enough.

    Raises:
        ValueError: a share that leaves a part fewer than two rows.
    """
    everything = np.arange(len(table))
    labels = task.encoded(table[task.target]) if task.is_classification else None

    def halves(rows: NDArray[np.intp], name: str, share: float) -> list[NDArray[np.intp]]:
        held = int(np.ceil(share * len(rows)))
        if min(held, len(rows) - held) < _FEWEST:
            raise ValueError(
                f"{name} = {share} splits {len(rows)} rows into {len(rows) - held} and {held}; "
                f"each part needs at least {_FEWEST}"
            )
        stratify = None
        if labels is not None:
            counts = np.bincount(labels[rows])
            smaller = int(np.floor(min(share, 1 - share) * len(rows)))
            stratify = labels[rows] if counts[counts > 0].min() >= 2 and smaller >= len(counts) else None
        return list(train_test_split(rows, test_size=share, random_state=seed, stratify=stratify))

    rest, test = halves(everything, "test_size", test_size)
    train, validation = halves(rest, "validation_size", validation_size)
    return Rows(train, validation, test)
