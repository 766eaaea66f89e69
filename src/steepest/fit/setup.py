"""From a table to the risks of a fit: the task, the columns and the model, learnt from the training rows alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steepest import losses
from steepest.errors import unknown_name
from steepest.fit.arguments import checked_choice, checked_table
from steepest.fit.columns import Columns, learn
from steepest.fit.encoders import NumericColumn
from steepest.fit.features import Features, Streamed, in_order
from steepest.fit.inspection import Inspection
from steepest.fit.leakage import Leaks
from steepest.fit.memory import (
    CONSTANT,
    FEATURES_FACTOR,
    allowed_memory,
    check_group,
    check_width,
    fits_in_memory,
    in_gib,
)
from steepest.fit.predictor import Architecture
from steepest.fit.rows import Rows
from steepest.fit.tables import ParquetTable, Table
from steepest.fit.task import Task, recognise
from steepest.fit.values import listed
from steepest.risk import EmpiricalRisk

LONG = 2**22
"""Numbers in the features from which rows are read block by block, also where they are in memory."""

_SAMPLE = 50_000


@dataclass(frozen=True, eq=False)
class Setup:
    """What every risk of one fit shares.

    Attributes:
        task: what the target asks for.
        columns: what is done with the others.
        inspection: what they were found to be.
        architecture: the model.
        l2: strength of the L2 term; None for the usual one of the model.
        features: of every row, in memory or in the file.
        targets: of every row, as the loss wants them.
    """

    task: Task
    columns: Columns
    inspection: Inspection
    architecture: Architecture
    l2: float | None
    features: Features
    targets: NDArray[Any]

    @property
    def kind(self) -> str:
        """``"mlp"``, or ``"affine"`` for the two convex models."""
        return "mlp" if self.architecture.model == "mlp" else "affine"

    @property
    def is_streamed(self) -> bool:
        """Whether rows are read block by block, from memory or from the file."""
        return not isinstance(self.features.x("train"), np.ndarray)

    @property
    def by_moments(self) -> bool:
        """Whether means and covariances of the features are all that the risk needs of the rows."""
        return self.is_streamed and self.architecture.model == "linear"

    def risk(self, part: str, with_l2: bool = True) -> EmpiricalRisk:
        """The risk on a part of the rows, with its L2 term or without."""
        x = self.features.x(part)
        return EmpiricalRisk(
            self.architecture.built(self.task),
            losses.softmax_cross_entropy if self.task.is_classification else losses.mean_squared_error,
            pd.DataFrame(x, columns=self.columns.feature_names, copy=False) if isinstance(x, np.ndarray) else x,
            self.targets[self.features.positions(part)],
            l2=self.strength(part) if with_l2 else 0.0,
            # An affine start depends on the number of classes, not on those that happen to be among these rows.
            start=self._start(),
            name=self.architecture.model,
        )

    def validation(self) -> EmpiricalRisk:
        """The loss to choose by: on the validation rows, of many of them on some 50,000 drawn at random."""
        risk = self.risk("validation", with_l2=False)
        return risk.sample(_SAMPLE) if risk.stream is not None and not risk.by_moments else risk

    def strength(self, part: str) -> float:
        """Of the L2 term on a part of the rows."""
        usual = 1e-4 if self.kind == "mlp" else 1.0
        return usual / len(self.features.positions(part)) if self.l2 is None else self.l2

    def _start(self) -> Any:
        if self.kind == "mlp":
            return None
        outputs = (len(self.task.classes),) if self.task.classes is not None else ()
        return {"weight": np.zeros((self.columns.width, *outputs)), "bias": np.zeros(outputs)}


def prepared(
    table: Table,
    task: Task,
    targets: NDArray[Any],
    rows: Rows,
    *,
    model: str | None = None,
    hidden: tuple[int, ...] = (64,),
    l2: float | None = None,
    ignore: Sequence[str] = (),
    keep: Sequence[str] = (),
    allowed: int | None = None,
    standardise: bool = True,
) -> Setup:
    """Learn from the training rows what every risk of a fit shares, and make the features, or decide not to.

    Args:
        table: the whole table.
        task: what its target asks for.
        targets: of every row, as :meth:`Task.encoded` makes them.
        rows: its parts; what is learnt is learnt from ``train``.
        model: as in :func:`steepest.fit.fit`.
        hidden: widths of the hidden layers of an mlp.
        l2: strength of the L2 term; None for the usual one of the model.
        ignore: columns that are left out.
        keep: columns that are used though they look like identifiers, dates or text.
        allowed: bytes of memory that may be taken; None for three quarters of what is free.
        standardise: whether numbers are; otherwise they are taken as they stand.

    Raises:
        ValueError: what is wrong with the columns, in words; features that fit into memory nowhere.
    """
    checked_choice(table, task.target, ignore, keep)
    names = [name for name in table.names if name != task.target]
    leaks = Leaks(task, targets[rows.train], rows.train)
    learnt = learn(table, names, rows.train, leaks, ignore, keep)
    _warn(learnt.inspection)
    columns = learnt.columns if standardise else _raw(learnt.columns)
    affine = "softmax" if task.is_classification else "linear"
    architecture = Architecture("mlp", hidden) if model == "mlp" else Architecture(affine)
    features = _features(table, columns, rows, allowed_memory(None) if allowed is None else allowed)
    return Setup(task, columns, learnt.inspection, architecture, l2, features, targets)


def _features(table: Table, columns: Columns, rows: Rows, allowed: int) -> Features:
    """In memory where they fit; else from the Parquet file."""
    count = len(table)
    long = count * columns.width >= LONG and count >= 4 * columns.width
    if not isinstance(table, ParquetTable) or fits_in_memory(count, columns.width, allowed):
        if not fits_in_memory(count, columns.width, allowed):
            need = in_gib(FEATURES_FACTOR * 8 * count * columns.width + CONSTANT)
            raise ValueError(
                f"{columns.width} features of {count} rows take about {need} of memory, and {in_gib(allowed)} may be "
                "used; give the path of a Parquet file, which is read block by block, ignore columns, or allow more "
                "with memory="
            )
        return in_order(table, columns, rows, long)
    check_group(table.group_bytes(columns.names), allowed)
    check_width(columns.width, allowed)
    return Streamed(table, columns, rows)


def _warn(inspection: Inspection) -> None:
    """Loudly of columns that give the target away, for scores mean nothing with them."""
    if inspection.leaks:
        first = inspection.leaks[0]
        others = [remark.column for remark in inspection.leaks[1:]]
        more = f"; so may {listed(others)}" if others else ""
        warnings.warn(f"{first}{more}", UserWarning, stacklevel=4)


def _raw(columns: Columns) -> Columns:
    """Numbers as they stand in the table."""
    plain = (
        replace(column, mean=0.0, scale=1.0) if isinstance(column, NumericColumn) else column
        for column in columns.columns
    )
    return replace(columns, columns=tuple(plain))


def recognised_target(table: Table, target: str, model: str | None) -> tuple[Task, pd.DataFrame]:
    """What a target asks for, and its column as a table; its mean and scale are those of all rows.

    Raises:
        ValueError: as :func:`steepest.fit.task.recognise`.
    """
    if target not in table.names:
        raise unknown_name("target column", target, table.names)
    frame = pd.DataFrame({target: next(table.columns([target]))})
    return recognise(frame, target, model), frame


def table_risk(
    table: pd.DataFrame | str | Path,
    target: str,
    *,
    model: str | None = None,
    hidden_layer_sizes: tuple[int, ...] = (64,),
    l2: float | None = None,
    standardise: bool = True,
    ignore: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> EmpiricalRisk:
    """The risk that :func:`steepest.fit.fit` trains, on every row of a table: what to diagnose before fitting.

    Args:
        table: a DataFrame, or the path of a CSV or Parquet file.
        target: the column to predict.
        model: ``"linear"``, ``"softmax"`` or ``"mlp"``; by default by the target.
        hidden_layer_sizes: of the mlp.
        l2: strength of the L2 term; by default that of ``fit``.
        standardise: whether features and numeric targets are standardised, as ``fit`` does; otherwise numbers are taken
            as they stand in the table.
        ignore: columns that are left out.
        keep: columns that are used though they look like identifiers, dates or text.

    Raises:
        ValueError, TypeError, FileNotFoundError: as :func:`steepest.fit.fit`.

    Example:
        >>> from steepest import datasets
        >>> table_risk(datasets.bundled("diabetes"), "target").rows
        442
    """
    allowed = allowed_memory(None)
    data = checked_table(table, allowed)
    task, frame = recognised_target(data, str(target), model)
    if not (standardise or task.is_classification):
        task = replace(task, mean=0.0, scale=1.0)
    every, none = np.arange(len(data)), np.empty(0, np.intp)
    setup = prepared(
        data,
        task,
        task.encoded(frame[task.target]),
        Rows(every, none, none),
        model=model,
        hidden=hidden_layer_sizes,
        l2=l2,
        ignore=ignore,
        keep=keep,
        allowed=allowed,
        standardise=standardise,
    )
    return setup.risk("train")


def inspect_table(
    table: pd.DataFrame | str | Path, target: str, *, ignore: Sequence[str] = (), keep: Sequence[str] = ()
) -> Inspection:
    """What :func:`steepest.fit.fit` would find in the columns of a table, without training anything.

    Args:
        table: a DataFrame, or the path of a CSV or Parquet file.
        target: the column to predict.
        ignore: columns that are not read.
        keep: columns that are used though they look like identifiers, dates or text.

    Raises:
        ValueError, TypeError, FileNotFoundError: as :func:`steepest.fit.fit`.

    Example:
        >>> table = pd.DataFrame({"day": ["2024-01-01", "2024-01-02"] * 10, "x": np.sin(range(20)), "y": range(20)})
        >>> print(inspect_table(table, "y"))  # doctest: +ELLIPSIS
        2 columns: 1 number, 1 date
          day: date, 0 missing, 2 distinct; left out
          x: number, 0 missing, 20 distinct; standardised
          column 'day' is left out: it holds dates written as text; derive numbers from it, ...
    """
    data = checked_table(table, allowed_memory(None))
    task, frame = recognised_target(data, str(target), None)
    checked_choice(data, task.target, ignore, keep)
    every = np.arange(len(data))
    leaks = Leaks(task, task.encoded(frame[task.target]), every)
    return learn(data, [name for name in data.names if name != task.target], every, leaks, ignore, keep).inspection
