"""Tables and data sets: read from files, bundled, or made."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steepest.errors import unknown_name

BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""Tables that come with scikit-learn, by name."""

SUFFIXES = (".csv", ".parquet")
"""File types of tables."""

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


class Regression(NamedTuple):
    """The chapter's regression data and the order in which its programs draw rows.

    Attributes:
        x: features, shape (200, 1).
        y: targets, shape (200,): 3 x + 2 + noise of standard deviation 0.5.
        single: rows of 100 epochs of single-sample descent, shape (20000, 1), int32.
        mini_batch: rows of 100 epochs of batches of 32, shape (700, 32), int32; -1 fills the last batch of an epoch.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    single: NDArray[np.int32]
    mini_batch: NDArray[np.int32]


def chapter_regression() -> Regression:
    """The data of chapter 15.7, drawn from NumPy's legacy generator seeded with 42.

    The chapter's programs share one stream: first the data, then a row number for every step of stochastic descent,
    then a permutation for every epoch of mini-batch descent.

    >>> data = chapter_regression()
    >>> data.x.shape, data.single.shape, data.mini_batch.shape
    ((200, 1), (20000, 1), (700, 32))
    """
    rows, epochs, width = 200, 100, 32
    stream = np.random.RandomState(42)
    x = stream.randn(rows, 1)
    y = 3 * x + 2 + stream.randn(rows, 1) * 0.5
    single = np.array([stream.randint(rows) for _ in range(epochs * rows)], np.int32)[:, None]
    batches = -(-rows // width)
    mini_batch = np.full((epochs, batches * width), -1, np.int32)
    for epoch in range(epochs):
        mini_batch[epoch, :rows] = stream.permutation(rows)
    return Regression(x, y[:, 0], single, mini_batch.reshape(-1, width))


def spirals(
    rows: int = 300, arms: int = 3, noise: float = 0.1, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Interleaved spirals in the plane, a class an arm: the data of exercise 15.3.

    Args:
        rows: of all arms together, at least one an arm; the arms differ by at most one row.
        arms: number of classes, at least 1.
        noise: standard deviation of the angle in radians.
        seed: of the generator.

    Returns:
        x of shape (rows, 2) within the unit disc, and class numbers of shape (rows,).

    Raises:
        ValueError: an argument out of its range.

    >>> x, y = spirals(rows=30, arms=3)
    >>> x.shape, np.bincount(y).tolist()
    ((30, 2), [10, 10, 10])
    """
    if arms < 1 or rows < arms:
        raise ValueError(f"rows must be at least the number of arms, and that at least 1; got {rows} rows, {arms} arms")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a finite number at least 0, got {noise}")
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % arms
    radius = (np.arange(rows) // arms + 1) / (-(-rows // arms))
    angle = 2 * np.pi * labels / arms + 4 * radius + noise * generator.normal(size=rows)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), labels


def bundled(name: str) -> pd.DataFrame:
    """A table that comes with scikit-learn, its target in the column ``target``.

    Classes are given by name where they have one, as in a table from somebody's desk.

    Raises:
        ValueError: no such table, with the nearest match.

    >>> bundled("iris")["target"].unique().tolist()
    ['setosa', 'versicolor', 'virginica']
    """
    if name not in BUNDLED:
        raise unknown_name("table", name, BUNDLED)
    from sklearn import datasets as sklearn_datasets

    data = getattr(sklearn_datasets, f"load_{name}")(as_frame=True)
    table: pd.DataFrame = data.data.copy()
    table.columns = [str(column).replace(" ", "_") for column in table.columns]
    names = None if name in ("diabetes", "digits") else data.target_names
    target: Any = data.target if names is None else np.asarray(names)[data.target]
    table["target"] = target
    return table


def read_table(path: str | Path) -> pd.DataFrame:
    """A table from a CSV or Parquet file, chosen by its suffix.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: unknown suffix; the file cannot be read as what it claims to be; no rows; two columns of one name.
        PermissionError: the file may not be read.
    """
    file = check_file(path)
    with reading(file):
        table = pd.read_parquet(file) if file.suffix.lower() == ".parquet" else _csv(file)
    if table.empty:
        raise ValueError(f"{file} holds no rows; a table needs a header and at least one row")
    return table


def check_file(path: str | Path) -> Path:
    """The path of a table, made sure of: its suffix is known, and there is a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: unknown suffix, or a folder.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"{file} must be a table ending in {' or '.join(SUFFIXES)}, got {file.suffix or 'no suffix'!r}"
        )
    if not file.exists():
        raise FileNotFoundError(f"there is no table at {file}")
    if file.is_dir():
        raise ValueError(f"{file} is a folder; give the path of a table")
    return file


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """What goes wrong while a file is read, as a sentence that names it.

    Raises:
        ValueError: it cannot be read as what its suffix claims.
        PermissionError: it may not be read.
    """
    try:
        yield
    except PermissionError:
        raise PermissionError(f"{file} may not be read; check its permissions") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file} cannot be read as {file.suffix[1:].upper()}: byte {error.start} is not UTF-8 (it is "
            f"{error.object[error.start]:#04x}); save the file as UTF-8, for instance by "
            f"iconv -f latin1 -t utf-8 {file.name}"
        ) from None
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{file} cannot be read as {file.suffix[1:].upper()}: {first}") from error


def csv_names(file: Path) -> list[str]:
    """The names in a CSV file's header.

    Raises:
        ValueError: two columns of one name.
    """
    separator = csv_separator(file)
    # pandas renames a second column of the same name; whoever wrote the table should know of it.
    header = pd.read_csv(file, header=None, nrows=1, dtype=str, sep=separator).iloc[0]
    twice = header[header.duplicated() & header.notna()]
    if len(twice):
        raise ValueError(f"two columns are called {twice.iloc[0]!r}")
    return [str(name) for name in pd.read_csv(file, nrows=0, sep=separator).columns]


def csv_separator(file: Path) -> str:
    """What separates the columns of a CSV file: a comma, or a semicolon or a tab where its header has those alone."""
    names = pd.read_csv(file, nrows=0, dtype=str).columns
    header = str(names[0]) if len(names) == 1 else ""
    return next((separator for separator in _OTHER_SEPARATORS if separator in header), ",")


def _csv(file: Path) -> pd.DataFrame:
    csv_names(file)
    separator = csv_separator(file)
    if separator != ",":
        warnings.warn(
            f"{file} is read with {_OTHER_SEPARATORS[separator]} between its columns, as its header has no commas; "
            "save it with commas if that is wrong",
            UserWarning,
            stacklevel=5,
        )
    # In one piece, so that a column has one type and not one a chunk.
    return pd.read_csv(file, low_memory=False, sep=separator)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV or Parquet, chosen by the suffix.

    Raises:
        ValueError: unknown suffix.
        OSError: the file cannot be written.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{file} must end in {' or '.join(SUFFIXES)}, got {file.suffix or 'no suffix'!r}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix.lower() == ".parquet":
            table.to_parquet(file, index=False)
        else:
            table.to_csv(file, index=False)
    except OSError as error:
        raise OSError(f"{file} cannot be written: {error.strerror or error}") from error
