"""From a table's columns to standardised features, and back from plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steepest.errors import nearest
from steepest.fit.encoders import CategoricalColumn, NumericColumn, learn_categories, learn_numbers
from steepest.fit.inspection import InspectedColumn, Inspection, Remark
from steepest.fit.leakage import Leaks
from steepest.fit.recognition import Recognised, recognised
from steepest.fit.tables import FrameTable, Table
from steepest.fit.values import as_numbers, check_names, is_numeric, listed, named

_TOGETHER = 2**22
_MOST_TOLD = 5


@dataclass(frozen=True)
class Columns:
    """The feature columns of a table, in order.

    Attributes:
        columns: what is done with each column that is used.
        dropped: column → why it is not used.
    """

    columns: tuple[NumericColumn | CategoricalColumn, ...]
    dropped: dict[str, str]

    @property
    def names(self) -> list[str]:
        """Of the columns that are used."""
        return [column.name for column in self.columns]

    @property
    def feature_names(self) -> list[str]:
        """One name a feature; an indicator is ``column=category``."""
        names = []
        for column in self.columns:
            if isinstance(column, NumericColumn):
                names.append(column.name)
            else:
                names.extend(f"{column.name}={category}" for category in column.categories)
        return names

    @property
    def width(self) -> int:
        """How many features there are."""
        return sum(column.width for column in self.columns)

    def encoded(
        self, table: pd.DataFrame, first: int = 0, unknown: dict[str, int] | None = None
    ) -> NDArray[np.float64]:
        """Features of shape (rows, features).

        Args:
            table: with the columns that are used, and any others.
            first: number of the table's first row, where it is a stretch of a longer one.
            unknown: column → rows whose category was never seen in training; counted up.

        Raises:
            TypeError: not a DataFrame.
            ValueError: columns are not there or there twice, or hold what they did not when the model was trained;
                each is named.
        """
        if not isinstance(table, pd.DataFrame):
            raise TypeError(f"the table must be a DataFrame, got {type(table).__name__}")
        names = [str(name) for name in table.columns]
        self.check(names)
        table = table.set_axis(names, axis=1)
        features = np.empty((len(table), self.width))
        wrong = []
        place = 0
        for column in self.columns:
            try:
                strange = column.write(table[column.name], features[:, place : place + column.width], first)
            except ValueError as error:
                wrong.append(str(error))
                continue
            if unknown is not None and strange:
                unknown[column.name] = unknown.get(column.name, 0) + strange
            place += column.width
        if wrong:
            more = f"; and {len(wrong) - _MOST_TOLD} columns more" if len(wrong) > _MOST_TOLD else ""
            raise ValueError("; ".join(wrong[:_MOST_TOLD]) + more)
        return features

    def check(self, names: Sequence[str]) -> None:
        """A table with columns of these names must have those that are used, each once.

        Raises:
            ValueError: some are not there, or there twice; each is named.
        """
        used = set(self.names)
        check_names([name for name in names if name in used])
        there = set(names)
        missing = [name for name in self.names if name not in there]
        if missing:
            near = nearest(missing[0], [name for name in names if name not in used])
            hint = f" (is {near!r} meant for {missing[0]!r}?)" if near else ""
            raise ValueError(f"the table lacks {listed(missing)}; it has {listed(list(names))}{hint}")

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings; :meth:`from_json` takes them back."""
        kinds = {NumericColumn: "numeric", CategoricalColumn: "categorical"}
        return {
            "columns": [{"kind": kinds[type(column)], **asdict(column)} for column in self.columns],
            "dropped": self.dropped,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Columns:
        """The columns that :meth:`to_json` described."""
        found: list[NumericColumn | CategoricalColumn] = []
        for entry in data["columns"]:
            if entry["kind"] == "numeric":
                found.append(NumericColumn(entry["name"], entry["fill"], entry["mean"], entry["scale"]))
            else:
                found.append(CategoricalColumn(entry["name"], tuple(entry["categories"])))
        return Columns(tuple(found), dict(data["dropped"]))


def learn_columns(table: pd.DataFrame, training: NDArray[np.intp]) -> Columns:
    """What to do with every column of a table without its target, learnt from the training rows alone.

    Raises:
        ValueError: infinity or something too large in a column; no column is left.
    """
    frame = named(table)
    return learn(FrameTable(frame), list(frame.columns), training).columns


@dataclass(eq=False)
class Learnt:
    """What was learnt of each column, in the order of the table.

    Attributes:
        used: name → what is done with it.
        dropped: name → why it is not used.
        inspected: name → what it was found to be.
        remarks: what to look at.
    """

    used: dict[str, NumericColumn | CategoricalColumn] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    inspected: dict[str, InspectedColumn] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)

    @property
    def columns(self) -> Columns:
        """Those that are used, and why the others are not."""
        return Columns(tuple(self.used[name] for name in self.inspected if name in self.used), self.dropped)

    @property
    def inspection(self) -> Inspection:
        """Every column, and what to look at, leaks first."""
        ordered = sorted(self.remarks, key=lambda remark: remark.kind != "leak")
        return Inspection(tuple(self.inspected.values()), tuple(ordered))

    def leave_out(self, name: str, found: Recognised) -> None:
        """Remember a column that is of no use."""
        assert found.reason is not None
        self.dropped[name] = found.reason
        self.inspected[name] = InspectedColumn(name, found.kind, found.missing, found.distinct, "left out")
        self.remarks.append(Remark(name, found.kind, f"is left out: it {found.reason}", found.remedy or ""))

    def take(self, column: NumericColumn | CategoricalColumn) -> None:
        """Remember what is done with a column."""
        self.used[column.name] = column


def learn(
    table: Table,
    names: Sequence[str],
    training: NDArray[np.intp],
    leaks: Leaks | None = None,
    ignore: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> Learnt:
    """What to do with some columns of a table, learnt from the training rows; a few columns at a time are in memory.

    Args:
        table: where they are read from.
        names: of the columns, without the target.
        training: positions of the rows to learn from.
        leaks: what looks for the target in each of them; None looks for nothing.
        ignore: columns that are not read.
        keep: columns that are learnt from though they look like identifiers, dates or text.

    Raises:
        ValueError: infinity or something too large in a column; no column is left.
    """
    learnt = Learnt()
    for name in names:
        # In the order of the table, whatever happens to each.
        learnt.inspected[name] = InspectedColumn(name, "ignored", None, None, "left out, as asked")
    waiting: list[tuple[str, NDArray[np.float64]]] = []
    together = max(1, _TOGETHER // max(1, len(training)))
    counted: list[tuple[str, Recognised]] = []
    for column in table.columns([name for name in names if name not in set(ignore)]):
        name = str(column.name)
        found = recognised(column, training, name in keep)
        _warn_of_leak(learnt, leaks, column, found)
        if found.reason is not None:
            learnt.leave_out(name, found)
            if found.kind == "identifier" and is_numeric(column):
                counted.append((name, found))
            continue
        _use(learnt, column, found, training, waiting)
        if found.doubt is not None:
            learnt.remarks.append(Remark(name, found.suspected, f"is used, but it {found.doubt}", found.remedy or ""))
        if len(waiting) >= together:
            _standardise(learnt, waiting)
    _standardise(learnt, waiting)
    if not learnt.used and counted:
        _take_all_the_same(learnt, table, counted, training)
    if not learnt.used:
        reasons = "; ".join(f"{name} {why}" for name, why in learnt.dropped.items())
        raise ValueError(f"no column is left to learn from: {reasons or 'the table has only its target'}")
    learnt.dropped |= {name: "was to be ignored" for name in names if learnt.inspected[name].kind == "ignored"}
    return learnt


def _use(
    learnt: Learnt,
    column: pd.Series[Any],
    found: Recognised,
    training: NDArray[np.intp],
    waiting: list[tuple[str, NDArray[np.float64]]],
) -> None:
    """Learn a column; numbers wait until there are some of them."""
    name = str(column.name)
    if is_numeric(column):
        waiting.append((name, as_numbers(column)[training]))
        use = "as 0 and 1, standardised" if found.kind == "switch" else "standardised"
        if found.missing:
            use += ", filled with its median where missing"
    else:
        learnt.take(learn_categories(column.iloc[training]))
        use = f"{learnt.used[name].width} indicators"
    learnt.inspected[name] = InspectedColumn(name, found.kind, found.missing, found.distinct, use)


def _standardise(learnt: Learnt, waiting: list[tuple[str, NDArray[np.float64]]]) -> None:
    if waiting:
        names = [name for name, _ in waiting]
        values = np.stack([own for _, own in waiting], axis=1)
        waiting.clear()
        for column in learn_numbers(names, values):
            learnt.take(column)


def _warn_of_leak(learnt: Learnt, leaks: Leaks | None, column: pd.Series[Any], found: Recognised) -> None:
    words = None if leaks is None else leaks.found(column, found)
    if words is None:
        return
    name = str(column.name)
    if found.reason is None:
        what = f"may give the target away: it {words}"
        remedy = f"if it is not known when a prediction is wanted, leave it out: --ignore {name!r} (ignore=[{name!r}])"
        learnt.remarks.append(Remark(name, "leak", what, remedy))
    else:
        learnt.remarks.append(Remark(name, found.kind, f"gives the target away: it {words}", "it is left out already"))


def _take_all_the_same(
    learnt: Learnt, table: Table, counted: list[tuple[str, Recognised]], training: NDArray[np.intp]
) -> None:
    """A table whose only numbers count its rows is a table of a function of them: they are what there is to learn."""
    waiting: list[tuple[str, NDArray[np.float64]]] = []
    known = dict(counted)
    for column in table.columns(list(known)):
        name = str(column.name)
        found = known[name]
        del learnt.dropped[name]
        learnt.remarks = [remark for remark in learnt.remarks if remark.column != name]
        _use(learnt, column, Recognised("number", found.missing, found.distinct), training, waiting)
        what = f"looks like an identifier, for it {found.reason}; it is used because nothing else is there"
        learnt.remarks.append(Remark(name, "identifier", what, "check that it measures something"))
    _standardise(learnt, waiting)
