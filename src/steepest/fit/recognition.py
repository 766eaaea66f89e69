"""What kind of column each column of a table is, by what is in it and, for identifiers, by what it is called."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steepest.fit.values import MISSING, as_codes, as_numbers, foreign_kinds, is_numeric, numbers_in_text

KINDS = ("number", "switch", "category", "date", "identifier", "text", "constant", "empty", "other")
"""Every kind of column; ``number``, ``switch`` and ``category`` are learnt from."""

MOST_CATEGORIES = 200
_FEWEST_COMPACT_DATES = 10
_EXACT_INTEGERS = 2**53
_PROSE = 3.0
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_CENTURY = (946_684_800, 4_102_444_800)  # seconds since 1970 at the beginning of 2000 and of 2100
_FIRST = (0, 1)

# "id", "user_id", "userId", "user id", and what pandas calls an index that was written without a name.
_IDENTIFIER = re.compile(r"(^|[_\W])(id|uuid|guid|identifier|key|row_?(id|number))$|^Unnamed: 0$", re.IGNORECASE)
_CAMEL_CASE = re.compile(r"[a-z](Id|ID|Key)$")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_CLOCK = r"([T ]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*([ap]m)?\s*(z|utc|[+-]\d{2}:?\d{2})?)?"
_DATES = re.compile(
    rf"\s*(\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](\d{{4}}|\d{{2}})|"
    rf"\d{{1,2}}\.?[ -]{_MONTH},?[ -]\d{{2,4}}|{_MONTH} \d{{1,2}}(st|nd|rd|th)?,? \d{{4}}){_CLOCK}\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Recognised:
    """What a column was found to be.

    Attributes:
        kind: one of ``KINDS``.
        missing: rows without a value.
        distinct: different values, missing not counted.
        reason: why it is of no use, in words that follow "it"; None where it is learnt from.
        remedy: what to do about that, a sentence without its point; None where there is nothing to do.
        doubt: why it may be of no use, in words that follow "it", where it is learnt from all the same; the remedy is
            then what to do if so.
        suspected: the kind that it may be instead, where there is a doubt.
    """

    kind: str
    missing: int
    distinct: int
    reason: str | None = None
    remedy: str | None = None
    doubt: str | None = None
    suspected: str = "identifier"


def recognised(column: pd.Series[Any], training: NDArray[np.intp], keep: bool = False) -> Recognised:
    """What a column is. What is learnt from it is left to its training rows; identifiers show in all rows.

    Args:
        column: every row.
        training: positions of the rows to learn from.
        keep: take it for what its values are, though it looks like an identifier, a date or text.

    Raises:
        ValueError: a column of numbers holds infinity.

    >>> recognised(pd.Series(["2024-01-31", "2024-02-01", None]), np.arange(3)).kind
    'date'
    """
    missing = int(column.isna().sum())
    if bool(column.iloc[training].isna().all()):
        distinct = 0 if missing == len(column) else int(column.nunique())
        return Recognised("empty", missing, distinct, "is empty in the training rows", "fill it in, or delete it")
    if is_numeric(column):
        return _of_numbers(column, training, missing, keep)
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return Recognised("date", missing, int(column.nunique()), "holds dates", _DERIVE)
    if isinstance(column.dtype, pd.PeriodDtype):
        return Recognised("date", missing, int(column.nunique()), "holds periods of time", _DERIVE)
    foreign = foreign_kinds(column)
    if foreign:
        return _foreign(column, foreign, missing)
    return _of_text(column, training, missing, keep)


_DERIVE = "derive numbers from it, such as year, weekday or days since the first"


def _foreign(column: pd.Series[Any], kinds: list[str], missing: int) -> Recognised:
    """Neither numbers nor text."""
    words = f"values of kind {', '.join(kinds)}"
    distinct = len({repr(value) for value in column.dropna()})
    if set(kinds) <= {"date", "datetime", "Timestamp"}:
        return Recognised("date", missing, distinct, f"holds dates, {words}", _DERIVE)
    return Recognised("other", missing, distinct, f"holds {words}", "convert them to numbers or text to use it")


def _of_numbers(column: pd.Series[Any], training: NDArray[np.intp], missing: int, keep: bool) -> Recognised:
    values = as_numbers(column)
    own = values[training]
    levels = _levels(values)
    distinct = len(levels)
    if column.dtype.kind in "iu" and max(abs(levels[0]), abs(levels[-1])) > _EXACT_INTEGERS:
        distinct = int(column.nunique())
    if np.nanmin(own) == np.nanmax(own):
        where = " where it is not missing" if np.isnan(own).any() else ""
        return Recognised(
            "constant",
            missing,
            distinct,
            f"is constant in the training rows{where}",
            "delete it, or check how it was filled in",
        )
    if pd.api.types.is_bool_dtype(column) or np.array_equal(levels, [0.0, 1.0]):
        return Recognised("switch", missing, distinct)
    name = str(column.name)
    clock = None if keep else _clock(levels)
    if keep or not (_are_whole(levels) or clock):
        return Recognised("number", missing, distinct)
    consecutive = distinct == len(values) and levels[-1] - levels[0] + 1 == distinct
    if distinct == len(values) and ((consecutive and levels[0] in _FIRST) or is_called_identifier(name)):
        counts = f"counts the rows, {levels[0]:.0f} to {levels[-1]:.0f}, as an identifier does"
        why = counts if consecutive else f"is different in every row and called {name!r}, as an identifier is"
        return Recognised("identifier", missing, distinct, why, _keep(name))
    if distinct >= _FEWEST_COMPACT_DATES and levels[0] >= 19000101 and levels[-1] <= 21001231 and _compact(levels):
        return Recognised("date", missing, distinct, "holds dates written as numbers, year month day", _DERIVE)
    if clock is not None:
        remedy = f"if so, {_DERIVE}, and leave it out: --ignore {name!r} (ignore=[{name!r}])"
        return Recognised("number", missing, distinct, None, remedy, f"may be a date: it lies where {clock}", "date")
    if consecutive:
        # Years of a yearly table, or degrees of a scale, as well as numbers that somebody gave the rows.
        doubt = f"holds every whole number from {levels[0]:.0f} to {levels[-1]:.0f} once, as identifiers may"
        return Recognised("number", missing, distinct, None, _leave(name), doubt)
    return Recognised("number", missing, distinct)


def _clock(levels: NDArray[np.float64]) -> str | None:
    """How numbers would be times: counted since 1970, and all of them in this century."""
    if len(levels) < _FEWEST_COMPACT_DATES:
        return None
    for unit, size in _UNITS.items():
        if _CENTURY[0] * size <= levels[0] and levels[-1] <= _CENTURY[1] * size:
            first, last = (str(pd.Timestamp(level / size, unit="s").date()) for level in (levels[0], levels[-1]))
            return f"{unit} since 1970 do, {first} to {last}"
    return None


def _are_whole(levels: NDArray[np.float64]) -> bool:
    # Of measurements the first few tell already.
    return all(np.array_equal(some, np.rint(some)) for some in (levels[:100], levels))


def _levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The different numbers in order; sorted in place of one copy, for a column may be long."""
    ordered = values[~np.isnan(values)]
    ordered.sort()
    first = np.empty(len(ordered), bool)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered if first.all() else ordered[first]


def _compact(levels: NDArray[np.float64]) -> bool:
    dates = pd.to_datetime(pd.Series(levels.astype(np.int64).astype(str)), format="%Y%m%d", errors="coerce")
    return bool(dates.notna().all())


def _of_text(column: pd.Series[Any], training: NDArray[np.intp], missing: int, keep: bool) -> Recognised:
    codes, names = as_codes(column)
    present = set(np.unique(codes).tolist())
    distinct = len(present) - (missing > 0)
    own = len(np.unique(codes[training]))
    words = [name for number, name in enumerate(names) if number in present and not (missing and name == MISSING)]
    name = str(column.name)
    if own == 1:
        return Recognised(
            "constant",
            missing,
            distinct,
            "is constant in the training rows",
            "delete it, or check how it was filled in",
        )
    if keep:
        return Recognised("category", missing, distinct)
    if are_dates(words):
        return Recognised("date", missing, distinct, "holds dates written as text", _DERIVE)
    dirty = _numbers_of(codes, names, words)
    if dirty is not None:
        what, remedy = dirty
        if own == len(training) or own > MOST_CATEGORIES:
            return Recognised("text", missing, distinct, what, f"{remedy}, to use it as numbers")
        remedy = f"if they measure something, {remedy}; if they are names, {_keep_words(name)}"
        doubt = f"{what}, and each different value is a category"
        return Recognised("category", missing, distinct, None, remedy, doubt, "number")
    if own == len(training):
        if np.mean([word.count(" ") + 1 for word in words[:1000]]) >= _PROSE:
            return Recognised("text", missing, distinct, "is text, different in every row", _ENCODE)
        return Recognised(
            "identifier", missing, distinct, "is different in every row, as an identifier is", _keep(name)
        )
    if own > MOST_CATEGORIES:
        return Recognised("text", missing, distinct, f"has {own} categories, more than {MOST_CATEGORIES}", _ENCODE)
    return Recognised("category", missing, distinct)


_ENCODE = "group rare values into one, or derive numbers from it, to use it"


def _leave(name: str) -> str:
    return f"if it measures nothing, leave it out: --ignore {name!r} (ignore=[{name!r}])"


def _numbers_of(codes: NDArray[np.intp], names: list[str], words: list[str]) -> tuple[str, str] | None:
    """What is told of text that holds numbers for the most part."""
    counts = dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))
    return numbers_in_text(words, [counts[word] for word in words])


def _keep_words(name: str) -> str:
    return f"say so: --keep {name!r} (keep=[{name!r}])"


def _keep(name: str) -> str:
    return f"if it measures something, keep it: --keep {name!r} (keep=[{name!r}])"


def is_called_identifier(name: str) -> bool:
    """Whether a name says that the column names its row.

    >>> [is_called_identifier(name) for name in ("id", "PassengerId", "user_id", "acid", "width")]
    [True, True, True, False, False]
    """
    return bool(_IDENTIFIER.search(name) or _CAMEL_CASE.search(name))


def are_dates(words: list[str]) -> bool:
    """Whether each of some words is a date, with or without a time, in one of the common ways to write it.

    >>> are_dates(["3.12.2023", "14.1.2024"]), are_dates(["Mar 4, 2021"]), are_dates(["1.5.3", "2024-13-45"])
    (True, True, False)
    """
    if not words or not all(_DATES.fullmatch(word) for word in words):
        return False
    some = words if len(words) <= 1000 else words[:: len(words) // 1000]
    cleaned = pd.Series(some, dtype=object).str.replace(r"(?<=\d)(st|nd|rd|th)\b", "", regex=True)
    with warnings.catch_warnings():
        # pandas says of 31/1/2024 that the day seems to come first, which is what is being tried.
        warnings.simplefilter("ignore", UserWarning)
        return any(
            bool(pd.to_datetime(cleaned, errors="coerce", format="mixed", dayfirst=day_first, utc=True).notna().all())
            for day_first in (False, True)
        )
