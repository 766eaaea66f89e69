"""Sentences for bad input: which argument, which value, what is allowed, what to do.

Every mistake of a caller is raised as a :class:`ValueError` or :class:`TypeError`; the command line turns
either into one line and exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown_name(what: str, given: str, allowed: Iterable[str]) -> ValueError:
    """The error for a name that is not one of ``allowed``, with the nearest match first.

    >>> str(unknown_name("landscape", "rosenbrok", ["bowl", "rosenbrock"]))
    "unknown landscape 'rosenbrok': did you mean 'rosenbrock'? Allowed: bowl, rosenbrock"
    """
    names = sorted(allowed)
    near = nearest(given, names)
    hint = f"did you mean {near!r}? " if near is not None else ""
    return ValueError(f"unknown {what} {given!r}: {hint}Allowed: {', '.join(names)}")


def nearest(given: str, names: Iterable[str]) -> str | None:
    """The name that is most like the one given; None where none is.

    >>> nearest("Size", ["size", "town"])
    'size'
    """
    near = difflib.get_close_matches(given, list(names), n=1, cutoff=0.5)
    return near[0] if near else None
