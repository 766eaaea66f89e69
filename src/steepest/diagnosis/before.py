"""What can be said of a loss before a step is taken: what it is called, its features, its global constants."""

from __future__ import annotations

from steepest.objectives import Descendable
from steepest.risk import EmpiricalRisk
from steepest.theory.global_constants import Constants, UnknownConstants, constants


def known_constants(objective: Descendable) -> tuple[Constants | None, str]:
    """The global constants, or None and why they are not known."""
    try:
        return constants(objective), ""
    except UnknownConstants as error:
        return None, str(error)


def feature_names(objective: Descendable) -> tuple[str, ...] | None:
    """Names of the features of a table; None of anything else.

    >>> import numpy as np, steepest as sd
    >>> feature_names(sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, np.ones((3, 2)), np.ones(3)))
    ('x[0]', 'x[1]')
    """
    if not isinstance(objective, EmpiricalRisk) or len(objective.x.shape) != 2:
        return None
    return objective.feature_names or tuple(f"x[{place}]" for place in range(objective.x.shape[1]))


def in_words(objective: Descendable, size: int) -> str:
    """The objective in a line: model, loss, rows and number of parameters."""
    if not isinstance(objective, EmpiricalRisk):
        return f"{objective.name}, {size} parameters"
    model = getattr(objective.model, "name", getattr(objective.model, "__name__", "model"))
    loss = getattr(objective.loss, "__name__", "loss")
    return f"{model} with {loss.replace('_', ' ')}, {objective.rows} rows, {size} parameters"
