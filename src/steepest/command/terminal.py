"""What a terminal shows: numbers, tables and lists, readable at 80 columns and plain when they are piped."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

    from steepest.chapter import Report
    from steepest.fit import Fit, Inspection
    from steepest.objectives import Objective

SHOWN_COORDINATES = 3
"""Of a point with more coordinates than these only the first are shown."""

_MOST_CLASSES = 20


def console() -> Console:
    """The standard output: as wide as the terminal, 80 columns and without colours where there is none."""
    return Console(highlight=False)


def number(value: Any, digits: int = 4) -> str:
    """A number in ``digits`` significant digits.

    >>> number(0.000458012305), number(12), number(6.25e-21)
    ('0.000458', '12', '6.25e-21')
    """
    if isinstance(value, int | np.integer):
        return str(value)
    # A zero may carry a sign, which says nothing to a reader.
    return f"{value + 0.0:.{digits}g}"


def point(coordinates: ArrayLike, digits: int = 4) -> str:
    """A point; of one with many coordinates the first few and their number.

    >>> point([0.0214, 2.7e-21]), point([1.0] * 10)
    ('(0.0214, 2.7e-21)', '(1, 1, 1, … 10 numbers)')
    """
    values = np.asarray(coordinates, float).tolist()
    shown = ", ".join(number(value, digits) for value in values[:SHOWN_COORDINATES])
    return f"({shown}, … {len(values)} numbers)" if len(values) > SHOWN_COORDINATES else f"({shown})"


def heading(name: str) -> str:
    """A name as it heads a column, where it may break between words.

    >>> heading("learning_rate")
    'learning rate'
    """
    return name.replace("_", " ")


def plain_table(*headings: str, wrapping: Mapping[str, int] | None = None, gap: int = 2) -> Table:
    """An empty table without frames.

    Args:
        headings: of the columns.
        wrapping: heading → least width, of the columns that may wrap where the terminal is narrow; the others are as
            wide as what is in them.
        gap: spaces between columns.
    """
    least = wrapping or {}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap - 1, 0, 0), show_edge=False)
    for title in headings:
        table.add_column(title, no_wrap=title not in least, min_width=least.get(title), overflow="fold")
    return table


def show_pairs(pairs: Mapping[str, str], console: Console) -> None:
    """Print names and what they stand for, in two columns; long texts continue below themselves."""
    width = max(map(len, pairs)) + 2
    for name, text in pairs.items():
        filled = fill(text, console.width, initial_indent=name.ljust(width), subsequent_indent=" " * width)
        console.print(Text(filled), soft_wrap=True)


def show_landscapes(catalogue: Mapping[str, Objective], console: Console) -> None:
    """Print each landscape: its formula, where its minimum is, and where it comes from."""
    for name, landscape in catalogue.items():
        console.print(Text(name + (" (any dimension)" if landscape.in_dimensions else ""), style="bold"))
        pairs = {"formula": landscape.formula, "minimum": "", "source": landscape.source}
        if landscape.minimisers:
            places = ", ".join(point(minimiser, 6) for minimiser in landscape.minimisers)
            pairs["minimum"] = f"{number(landscape.minimum, 6)} at {places}"
        show_pairs({name: text for name, text in pairs.items() if text}, console)


def show_tables(tables: Mapping[str, pd.DataFrame], console: Console) -> None:
    """Print the size of each table, and what its column ``target`` holds."""
    listing = plain_table("name", "rows", "features", "target")
    for name, table in tables.items():
        target = table["target"]
        values = f"{target.nunique()} classes" if target.nunique() <= _MOST_CLASSES else "a number"
        listing.add_row(name, str(len(table)), str(table.shape[1] - 1), values)
    console.print(listing)


def show_fit(fitted: Fit, console: Console) -> None:
    """Print what a fit came to: what was decided and why, and the test scores beside the baseline."""
    from steepest.fit.scores import of_one_kind
    from steepest.fit.values import counted

    recipe, predictor = fitted.recipe, fitted.predictor
    tries = fitted.sweep.verdict.size
    verdicts, counts = np.unique(fitted.sweep.verdict.values, return_counts=True)
    tried = ", ".join(f"{count} {verdict}" for verdict, count in zip(verdicts, counts, strict=True))
    pairs = {
        "task": predictor.task.why,
        "rows": ", ".join(f"{count} {part}" for part, count in fitted.rows.items()),
        "columns": fitted.inspection.in_words(),
        "model": f"{predictor.architecture.model}, {counted(len(predictor.columns.feature_names), 'feature')}",
        "method": f"{recipe.method}, {recipe.epochs} epochs"
        + (f" in batches of {recipe.batch_size}" if recipe.batch_size else ""),
        "tried": f"{counted(tries, 'learning rate')}: {tried}",
        "chosen": f"{number(recipe.learning_rate)}; {fitted.chosen_because}",
    }
    show_pairs(pairs, console)
    _show_columns(fitted.inspection, console)
    console.print()
    table = plain_table("test score", "model", "standard error", "baseline")
    for name, score in fitted.scores.items():
        error = number(score.standard_error, 2) if np.isfinite(score.standard_error) else "none"
        table.add_row(heading(name), number(score.value), error, number(score.baseline))
    console.print(table)
    alike = of_one_kind(fitted.scores)
    if alike is not None:
        console.print(Text(f"note: {alike[0]}; {alike[1]}"))


def _show_columns(inspection: Inspection, console: Console) -> None:
    """Print what each column was found to be, and what a person should look at."""
    console.print()
    table = plain_table("column", "kind", "missing", "distinct", "use", wrapping={"column": 12, "use": 16})
    for column in inspection.shown:
        counts = ("" if count is None else str(count) for count in (column.missing, column.distinct))
        table.add_row(Text(column.name), column.kind, *counts, Text(column.use))
    more = len(inspection.columns) - len(inspection.shown)
    if inspection.shown:
        console.print(table)
    if more:
        console.print(
            f"{'and ' if inspection.shown else ''}{more} columns of numbers{' more' * bool(inspection.shown)}"
        )
    for names, what, remedy in inspection.grouped():
        console.print(Text(f"note: {names} {what}; {remedy}"))


def show_report(report: Report, console: Console) -> None:
    """Print a chapter's numbers beside the book's, a table a section, and whether all agree."""
    for section, rows in groupby(report.rows, key=lambda row: row.section):
        console.print(Text(section, style="bold"))
        table = plain_table("number", "book", "ours", "difference", wrapping={"number": 12, "book": 11, "ours": 11})
        for row in rows:
            difference = f"{row.difference:.1e}" if row.difference else "0"
            mark = Text(difference) if row.agrees else Text(f"{difference} DIFFERS", style="red")
            # As Text: square brackets in a string would be taken for markup.
            table.add_row(*(Text(words) for words in (row.number, _shown(row.book), _shown(row.ours))), mark)
        console.print(table)
        console.print()
    for note in report.notes:
        console.print(Text(f"note: {note}"))
    wrong = sum(not row.agrees for row in report.rows)
    if wrong:
        console.print(f"{wrong} of {len(report.rows)} rows differ from the book or its theory")
    else:
        console.print(f"all {sum(np.size(row.book) for row in report.rows)} numbers agree with the book or its theory")


def _shown(value: Any) -> str:
    """A value of the book: words, a number, a point, or how many numbers a longer list has."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return value
    if np.ndim(value) == 0:
        return number(value, 8)
    return point(value, 6) if np.size(value) <= SHOWN_COORDINATES else f"{np.size(value)} values"
