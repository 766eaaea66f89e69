"""From a table to the risks of a fit: the task, the columns and the model, learnt from the training rows alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steepest import losses
from steepest.fit.arguments import checked_table
from steepest.fit.columns import Columns, NumericColumn, learn_columns
from steepest.fit.predictor import Architecture
from steepest.fit.task import Task, recognise
from steepest.risk import EmpiricalRisk


@dataclass(frozen=True, eq=False)
class Setup:
    """What every risk of one fit shares.

    Attributes:
        data: the whole table.
        task: what the target asks for.
        columns: what is done with the others.
        architecture: the model.
        l2: strength of the L2 term; None for the usual one of the model.
    """

    data: pd.DataFrame
    task: Task
    columns: Columns
    architecture: Architecture
    l2: float | None

    @property
    def kind(self) -> str:
        """``"mlp"``, or ``"affine"`` for the two convex models."""
        return "mlp" if self.architecture.model == "mlp" else "affine"

    def risk(self, rows: NDArray[np.intp], with_l2: bool = True) -> EmpiricalRisk:
        """The risk on these rows, positions in the table, with its L2 term or without."""
        part = self.data.iloc[rows]
        return EmpiricalRisk(
            self.architecture.built(self.task),
            losses.softmax_cross_entropy if self.task.is_classification else losses.mean_squared_error,
            pd.DataFrame(self.columns.encoded(part), columns=self.columns.feature_names),
            self.task.encoded(part[self.task.target]),
            l2=self.strength(rows) if with_l2 else 0.0,
            # An affine start depends on the number of classes, not on those that happen to be among these rows.
            start=self._start(),
            name=self.architecture.model,
        )

    def strength(self, rows: NDArray[np.intp]) -> float:
        """Of the L2 term on these rows."""
        return (1e-4 if self.kind == "mlp" else 1.0) / len(rows) if self.l2 is None else self.l2

    def _start(self) -> Any:
        if self.kind == "mlp":
            return None
        outputs = (len(self.task.classes),) if self.task.classes is not None else ()
        return {"weight": np.zeros((len(self.columns.feature_names), *outputs)), "bias": np.zeros(outputs)}


def prepared(
    data: pd.DataFrame,
    target: str,
    model: str | None,
    hidden: tuple[int, ...],
    training: NDArray[np.intp],
    l2: float | None,
) -> Setup:
    """Learn from the training rows what every risk of a fit shares.

    Args:
        data: the whole table.
        target: the column to predict.
        model: as in :func:`steepest.fit.fit`.
        hidden: widths of the hidden layers of an mlp.
        training: rows to learn from, positions in the table.
        l2: strength of the L2 term; None for the usual one of the model.

    Raises:
        ValueError: what is wrong with the target or the columns, in words.
    """
    task = recognise(data, target, model, training)
    columns = learn_columns(data.drop(columns=target), training)
    affine = "softmax" if task.is_classification else "linear"
    architecture = Architecture("mlp", hidden) if model == "mlp" else Architecture(affine)
    return Setup(data, task, columns, architecture, l2)


def table_risk(
    table: pd.DataFrame | str | Path,
    target: str,
    *,
    model: str | None = None,
    hidden_layer_sizes: tuple[int, ...] = (64,),
    l2: float | None = None,
    standardise: bool = True,
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

    Raises:
        ValueError, TypeError, FileNotFoundError: as :func:`steepest.fit.fit`.

    Example:
        >>> from steepest import datasets
        >>> table_risk(datasets.bundled("diabetes"), "target").rows
        442
    """
    data = checked_table(table)
    every = np.arange(len(data))
    setup = prepared(data, str(target), model, hidden_layer_sizes, every, l2)
    if not standardise:
        columns = tuple(
            replace(column, mean=0.0, scale=1.0) if isinstance(column, NumericColumn) else column
            for column in setup.columns.columns
        )
        task = setup.task if setup.task.is_classification else replace(setup.task, mean=0.0, scale=1.0)
        setup = replace(setup, columns=replace(setup.columns, columns=columns), task=task)
    return setup.risk(every)
