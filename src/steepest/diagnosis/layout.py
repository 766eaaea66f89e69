"""How a diagnosis looks: titles and texts as lines of a terminal, and as plain values."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import Any

_WIDTH = 96
_INDENT = 14


def as_text(head: str, sections: Iterable[tuple[str, str]]) -> str:
    """A line for the head, then a title and its wrapped text for each section.

    >>> print(as_text("bowl", [("Start", "loss 3")]))
    bowl
    Start         loss 3
    """
    lines = [head]
    for title, text in sections:
        body = textwrap.wrap(text, _WIDTH - _INDENT)
        lines += [f"{title:<{_INDENT}}{body[0]}", *(" " * _INDENT + line for line in body[1:])]
    return "\n".join(lines)


def finite(value: Any) -> Any:
    """Dicts and lists all the way down, with None for every number that is not finite.

    >>> finite({"limit": math.inf, "steps": [1, 2.0]})
    {'limit': None, 'steps': [1, 2.0]}
    """
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
