"""Docstrings are written for a terminal; for a page, roles become links and examples become blocks of code."""

from __future__ import annotations

import re
from typing import Any

import griffe

from documentation.reference import public_names

_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):`~?\.?([\w.]+)`")
_EXAMPLE = re.compile(r"^( *)>>> ")


class Docstrings(griffe.Extension):
    """Rewrites every docstring once, when its object has been read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """See :class:`griffe.Extension`."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(linked(obj.docstring.value))


def linked(text: str) -> str:
    """``:func:`steepest.descend``` as a link to its entry, where it has one.

    >>> linked("see :func:`steepest.descend` and :mod:`jax`")
    'see [`descend`][steepest.descend] and `jax`'
    """
    return _ROLE.sub(_link, text)


def _link(found: re.Match[str]) -> str:
    word = found[1]
    for name in public_names():
        if word in (name.public, name.home, name.public.rpartition(".")[2]):
            # Where a module has the name of a function in it, the public path is the module's.
            target = name.home if name.home.startswith(f"{name.public}.") else name.public
            return f"[`{name.public.rpartition('.')[2]}`][{target}]"
    return f"`{word}`"


def fenced(text: str) -> str:
    r"""Examples with prompts between fences, at their own indentation.

    >>> print(fenced("It adds.\n\n>>> 1 + 1\n2\n\nNo more."))
    It adds.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    No more.
    """
    written: list[str] = []
    indent: str | None = None
    for line in text.splitlines():
        opening = _EXAMPLE.match(line)
        if indent is None and opening:
            indent = opening[1]
            written.append(f"{indent}```pycon")
        elif indent is not None and not line.strip():
            written.append(f"{indent}```")
            indent = None
        written.append(line)
    if indent is not None:
        written.append(f"{indent}```")
    return "\n".join(written)
