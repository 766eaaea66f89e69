"""Values as they are written on the command line: settings, lists, ranges, points and assignments.

The grammar, where ``|`` separates alternatives and brackets enclose what may be left out::

    value   = item | item "," item ...          one item is a setting, several are an axis
    item    = number | word | range
    word    = "true" | "false" | "none"
    range   = number ".." number ":" count [":" spacing]      both ends included
    spacing = "log" | "linear"                  "log" unless stated
    point   = number | number "," number ...

A number written without point and exponent is an integer and stays one; so do the values of a linear range between
integers whose steps are whole. A comma at the end (``0.1,``) makes an axis of one value.
"""

from __future__ import annotations

import math
from contextlib import suppress

from steepest.errors import unknown_name

Item = int | float | bool | None
Value = Item | list[Item]

_WORDS: dict[str, Item] = {"true": True, "false": False, "none": None}
_SPACINGS = ("log", "linear")
_MOST_VALUES = 10_000_000


def parse_value(text: str, argument: str, *, words: bool = True) -> Value:
    """A setting, or the list of values of an axis.

    Args:
        text: the value as written.
        argument: the option it was given to, for the messages.
        words: whether true, false and none are values, or numbers alone.

    Raises:
        ValueError: the text is not a value of the grammar above, or a value occurs twice.

    >>> parse_value("0.1", "--learning-rate"), parse_value("0,1,2", "--seed")
    (0.1, [0, 1, 2])
    >>> parse_value("1e-3..1:4", "--learning-rate")
    [0.001, 0.01, 0.1, 1.0]
    >>> parse_value("0..0.8:3:linear", "--set momentum")
    [0.0, 0.4, 0.8]
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    if len(parts) == 1 and "," not in text and ".." not in text:
        return _item(parts[0], argument, words)
    values: list[Item] = []
    for part in parts:
        values.extend(_range(part, argument) if ".." in part else [_item(part, argument, words)])
    _check_distinct(values, text, argument)
    return values


def parse_learning_rate(text: str, argument: str) -> Value | str:
    """Learning rates as :func:`parse_value` reads them, or the word that leaves the choice to theory.

    >>> parse_learning_rate("auto", "--learning-rate"), parse_learning_rate("0.1,0.2", "--learning-rate")
    ('auto', [0.1, 0.2])
    """
    return "auto" if text.strip() == "auto" else parse_value(text, argument, words=False)


def parse_number(text: str, argument: str) -> float:
    """One number.

    Raises:
        ValueError: the text is not a finite number.

    >>> parse_number("0.1", "--learning-rate")
    0.1
    """
    return float(_number(text.strip(), argument, "a number; write a single one such as 0.1"))


def parse_setting(text: str, argument: str) -> Item:
    """One value, where an axis is not possible.

    Raises:
        ValueError: the text is not a number or a word, or is more than one.

    >>> parse_setting("none", "--gradient-norm") is None
    True
    """
    value = parse_value(text, argument)
    if isinstance(value, list):
        raise ValueError(f"{argument} takes one value, got {text!r}; give a single number such as 0.1")
    return value


def parse_point(text: str, argument: str) -> list[float]:
    """The coordinates of a point.

    Raises:
        ValueError: a coordinate is missing or is not a finite number.

    >>> parse_point("4, 2.5", "--start")
    [4.0, 2.5]
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError(f"{argument} {text!r} lacks a coordinate; write numbers with commas between them, e.g. 4,2.5")
    return [
        float(_number(part, argument, "a number; write a point as numbers with commas, e.g. 4,2.5")) for part in parts
    ]


def parse_points(texts: list[str], argument: str) -> list[float] | dict[str, list[float]] | None:
    """Where descent starts: nothing, one point, or an axis of points labelled as they were written.

    Raises:
        ValueError: a text is not a point, occurs twice, or has another number of coordinates than the first.

    >>> parse_points(["4,2.5", "-1,2"], "--start")
    {'4,2.5': [4.0, 2.5], '-1,2': [-1.0, 2.0]}
    """
    points: dict[str, list[float]] = {}
    for text in texts:
        if text in points:
            raise ValueError(f"{argument} {text} is given twice; an axis has each start once")
        points[text] = parse_point(text, argument)
        if len(points[text]) != len(points[texts[0]]):
            raise ValueError(
                f"{argument}: all points must have as many coordinates as the first, "
                f"got {texts[0]!r} ({len(points[texts[0]])}) and {text!r} ({len(points[text])})"
            )
    if len(points) < 2:
        return points[texts[0]] if points else None
    return points


def parse_widths(text: str, argument: str) -> tuple[int, ...]:
    """The widths of layers, whole numbers that may repeat.

    Raises:
        ValueError: one is not a whole number of at least 1.

    >>> parse_widths("64,64", "--hidden")
    (64, 64)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise ValueError(f"{argument} must be whole numbers of at least 1 with commas, e.g. 64,64; got {text!r}")
    return tuple(int(part) for part in parts)


def parse_assignments(texts: list[str], argument: str) -> dict[str, Value]:
    """Hyper-parameters given as ``NAME=VALUE``.

    Raises:
        ValueError: there is no ``=``, the name is not one, a name occurs twice, or the value is not of the grammar.

    >>> parse_assignments(["momentum=0,0.9", "nesterov=true"], "--set")
    {'momentum': [0, 0.9], 'nesterov': True}
    """
    values: dict[str, Value] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name.isidentifier():
            raise ValueError(f"{argument} must be NAME=VALUE, got {text!r}; write e.g. {argument} momentum=0.9")
        if name in values:
            raise ValueError(f"{argument} gives {name} twice; for an axis write {argument} {name}=FIRST,SECOND")
        values[name] = parse_value(value, f"{argument} {name}")
    return values


def _item(text: str, argument: str, words: bool) -> Item:
    if words and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return _number(text, argument, "a value; write a number (0.1), a list (0.1,0.2) or a range (1e-4..1:50)")


def _number(text: str, argument: str, allowed: str) -> int | float:
    """An integer where the text is one that an array can hold, else a finite float."""
    with suppress(ValueError):
        whole = int(text)
        if abs(whole) < 2**63:
            return whole
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{argument}: {text!r} is not {allowed}") from None
    if not math.isfinite(number):
        raise ValueError(f"{argument}: {text!r} is not finite; give a finite number")
    return number


def _range(text: str, argument: str) -> list[Item]:
    ends, *rest = text.split(":")
    low_text, _, high_text = ends.partition("..")
    example = "write FIRST..LAST:COUNT, e.g. 1e-4..1:50, or FIRST..LAST:COUNT:linear"
    if not 1 <= len(rest) <= 2:
        problem = "has no count" if not rest else "has too many parts"
        raise ValueError(f"{argument}: the range {text!r} {problem}; {example}")
    low, high = (_number(end.strip(), argument, f"the end of a range; {example}") for end in (low_text, high_text))
    spacing = rest[1].strip() if len(rest) == 2 else "log"
    if spacing not in _SPACINGS:
        raise unknown_name(f"spacing in {argument} {text}:", spacing, _SPACINGS)
    count = _count(rest[0].strip(), text, argument)
    if low == high:
        raise ValueError(f"{argument}: both ends of the range {text!r} are the same; write {low} alone")
    return _linear(low, high, count) if spacing == "linear" else _log(low, high, count, text, argument)


def _count(text: str, whole: str, argument: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 2 <= count <= _MOST_VALUES:
        raise ValueError(
            f"{argument}: the count of the range {whole!r} must be a whole number from 2 to {_MOST_VALUES:,}, "
            f"got {text!r}"
        )
    return count


def _linear(low: int | float, high: int | float, count: int) -> list[Item]:
    if isinstance(low, int) and isinstance(high, int) and (high - low) % (count - 1) == 0:
        step = (high - low) // (count - 1)
        return list(range(low, high + (1 if step > 0 else -1), step))
    import numpy as np

    return list(np.linspace(low, high, count).tolist())


def _log(low: int | float, high: int | float, count: int, text: str, argument: str) -> list[Item]:
    if low <= 0 or high <= 0:
        raise ValueError(
            f"{argument}: the log-spaced range {text!r} needs both ends above 0; "
            f"for equal steps write {low}..{high}:{count}:linear"
        )
    import numpy as np

    return list(np.geomspace(low, high, count).tolist())


def _check_distinct(values: list[Item], text: str, argument: str) -> None:
    seen: set[tuple[bool, Item]] = set()
    for value in values:
        key = (isinstance(value, bool), value)
        if key in seen:
            raise ValueError(f"{argument}: {value} occurs twice in {text!r}; an axis has each value once")
        seen.add(key)
