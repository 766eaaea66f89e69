"""What a table was found to hold: each column's kind and what is done with it, and what a person should look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from steepest.fit.recognition import KINDS
from steepest.fit.values import counted, listed

_MOST_LISTED = 40
_MOST_NAMED = 5


@dataclass(frozen=True)
class InspectedColumn:
    """One column as it was recognised.

    Attributes:
        name: of the column.
        kind: ``"number"``, ``"switch"``, ``"category"``, ``"date"``, ``"identifier"``, ``"text"``, ``"constant"``,
            ``"empty"`` or ``"other"``; ``"ignored"`` where it was asked to be left out.
        missing: rows without a value; None of an ignored column, which is not read.
        distinct: different values, missing not counted; None of an ignored column.
        use: what is done with it, in words.
    """

    name: str
    kind: str
    missing: int | None
    distinct: int | None
    use: str


@dataclass(frozen=True)
class Remark:
    """Something a person should look at.

    Attributes:
        column: its name.
        kind: ``"leak"``, or the kind of a column that is left out, or may better be.
        what: the finding, in words that follow the column's name.
        remedy: what to do about it.
    """

    column: str
    kind: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """One sentence."""
        return f"column {self.column!r} {self.what}; {self.remedy}"


@dataclass(frozen=True)
class Inspection:
    """Every column of a table but its target.

    Attributes:
        columns: in the order of the table.
        remarks: what to look at; leaks first.

    Example:
        >>> from steepest import datasets
        >>> from steepest.fit import inspect_table
        >>> inspection = inspect_table(datasets.bundled("iris"), "target")
        >>> inspection.counts
        {'number': 4}
        >>> inspection.to_dataframe().loc["petal_width_(cm)", "distinct"]
        np.int64(22)
    """

    columns: tuple[InspectedColumn, ...]
    remarks: tuple[Remark, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Kind → number of columns."""
        counted = Counter(column.kind for column in self.columns)
        return {kind: counted[kind] for kind in (*KINDS, "ignored") if counted[kind]}

    @property
    def leaks(self) -> tuple[Remark, ...]:
        """The columns that give the target away."""
        return tuple(remark for remark in self.remarks if remark.kind == "leak")

    def in_words(self) -> str:
        """The counts in a line.

        >>> columns = InspectedColumn("a", "number", 0, 5, ""), InspectedColumn("b", "date", 0, 5, "")
        >>> Inspection(columns, ()).in_words()
        '1 number, 1 date'
        """
        return ", ".join(f"{count} {kind}" for kind, count in self.counts.items())

    def grouped(self) -> list[tuple[str, str, str]]:
        """The remarks as (columns, finding, remedy): those of many columns that say the same are put together."""
        together: dict[tuple[str, str, str], list[Remark]] = {}
        for remark in self.remarks:
            together.setdefault((remark.kind, remark.what, _unnamed(remark)), []).append(remark)
        lines = []
        for (_, what, remedy), said in together.items():
            names = listed([remark.column for remark in said], _MOST_NAMED)
            one = len(said) == 1
            lines.append(
                (f"column {names}" if one else f"columns {names}: each", what, said[0].remedy if one else remedy)
            )
        return lines

    @property
    def shown(self) -> tuple[InspectedColumn, ...]:
        """The columns that are listed one by one: all of a few; of many, those with missing values or left out."""
        if len(self.columns) <= _MOST_LISTED:
            return self.columns
        notable = [column for column in self.columns if column.missing or column.kind not in ("number", "switch")]
        return tuple(notable[:_MOST_LISTED])

    def to_dataframe(self) -> pd.DataFrame:
        """A row a column, indexed by its name: kind, missing, distinct, use."""
        entries: list[dict[str, Any]] = [vars(column) for column in self.columns]
        return pd.DataFrame(entries, columns=["name", "kind", "missing", "distinct", "use"]).set_index("name")

    def __str__(self) -> str:
        """The counts, the columns and the remarks, for a terminal or a notebook."""
        columns = [
            f"  {column.name}: {column.kind}, {column.missing or 0} missing, {column.distinct} distinct; {column.use}"
            for column in self.shown
        ]
        left = len(self.columns) - len(self.shown)
        rest = [f"  and {left} more columns"] if left else []
        remarks = [f"  {names} {what}; {remedy}" for names, what, remedy in self.grouped()]
        return "\n".join([f"{counted(len(self.columns), 'column')}: {self.in_words()}", *columns, *rest, *remarks])


def _unnamed(remark: Remark) -> str:
    """A remedy of many columns at once names none of them."""
    return remark.remedy.replace(f" {remark.column!r}", " COLUMN").replace(f"[{remark.column!r}]", "[COLUMN]")
