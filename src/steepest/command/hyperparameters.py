"""The hyper-parameters that ``steepest descend`` is given, by name."""

from __future__ import annotations

import inspect
from typing import Any

from steepest.command.grammar import parse_assignments, parse_learning_rate


def read_hyperparameters(learning_rate: str | None, settings: list[str], options: frozenset[str]) -> dict[str, Any]:
    """What ``--learning-rate`` and ``--set`` say, by name.

    Args:
        learning_rate: the text of the one.
        settings: the assignments of the other.
        options: names that the command has options of its own for.

    Raises:
        ValueError: a text that is no value, a name twice, or one that is not a method's.

    >>> read_hyperparameters("0.1,0.2", ["momentum=0.9"], frozenset())
    {'learning_rate': [0.1, 0.2], 'momentum': 0.9}
    """
    given: dict[str, Any] = dict(parse_assignments(settings, "--set"))
    if learning_rate is not None:
        if "learning_rate" in given:
            raise ValueError("--learning-rate and --set learning_rate=... say the same; give one of the two")
        given = {"learning_rate": parse_learning_rate(learning_rate, "--learning-rate")} | given
    if settings:
        from steepest.descent import descend

        # A name that descend() itself takes would reach it in place of the method.
        taken = given.keys() & inspect.signature(descend).parameters.keys()
        for name in sorted(taken):
            option = f"--{name.replace('_', '-')}" if name in options else "Python"
            raise ValueError(f"--set {name}: {name} is not a hyper-parameter of a method; use {option}")
    return given
