"""``steepest descend``: a landscape or a loss of the user's, for one setting or a grid."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from steepest.command.grammar import parse_points, parse_setting, parse_value
from steepest.command.hyperparameters import read_hyperparameters
from steepest.command.options import (
    DEFAULT_STEPS,
    BatchSize,
    ClusterAt,
    Epochs,
    Every,
    Figures,
    GradientNorm,
    LearningRate,
    LossLimit,
    Method,
    Out,
    Overwrite,
    ParameterNorm,
    Precision,
    Seed,
    Settings,
    Starts,
    Steps,
    StoreAt,
    TargetLoss,
)
from steepest.command.outputs import check_destination, check_writable
from steepest.command.references import blaming, find_methods, find_objective
from steepest.command.telling import tell_descent


def descend(
    objective: Annotated[
        str, typer.Argument(metavar="OBJECTIVE", help="A landscape, landscape:dimensions, or file.py:name.")
    ],
    method: Method = "sgd",
    learning_rate: LearningRate = None,
    settings: Settings = None,
    steps: Steps = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    start: Starts = None,
    seed: Seed = "0",
    every: Every = None,
    gradient_norm: GradientNorm = None,
    target_loss: TargetLoss = None,
    loss_limit: LossLimit = None,
    parameter_norm: ParameterNorm = None,
    dtype: Precision = "float64",
    figures: Figures = None,
    store: StoreAt = None,
    cluster: ClusterAt = None,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Descend a landscape or your own loss, for one setting or a grid."""
    limits: dict[str, Any] = {"target_loss": target_loss, "loss_limit": loss_limit, "parameter_norm": parameter_norm}
    if gradient_norm is not None:
        limits["gradient_norm"] = parse_setting(gradient_norm, "--gradient-norm")
    arguments: dict[str, Any] = {
        "steps": DEFAULT_STEPS if steps is None and epochs is None else steps,
        "epochs": epochs,
        "batch_size": None if batch_size is None else parse_value(batch_size, "--batch-size"),
        "start": parse_points(start or [], "--start"),
        "seed": parse_value(seed, "--seed", words=False),
        "every": every,
        "dtype": dtype,
        "store": store,
        "cluster": cluster,
    }
    own = frozenset(inspect.signature(descend).parameters)
    hyperparameters = read_hyperparameters(learning_rate, settings or [], own)
    if out is not None:
        check_destination(out, overwrite)
    if figures is not None:
        check_writable(figures)
    with blaming(objective), blaming(method):
        from steepest import descent as library

        descended, methods = find_objective(objective), find_methods(method)
        result = library.descend(descended, methods, stop=library.Stop(**limits), **arguments, **hyperparameters)
    tell_descent(result, f"{objective}, {method}", figures, out, overwrite)
