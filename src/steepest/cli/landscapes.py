"""``steepest landscapes``: the test functions that have a name."""

from __future__ import annotations


def landscapes() -> None:
    """List the test functions that can be descended by name."""
    from steepest.command.terminal import console, show_landscapes
    from steepest.landscapes import CATALOGUE

    show_landscapes(CATALOGUE, console())
