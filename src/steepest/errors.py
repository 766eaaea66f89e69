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
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ValueError(f"unknown {what} {given!r}: {hint}Allowed: {', '.join(names)}")
