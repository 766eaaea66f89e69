"""The main job: a table and a target in; a learning-rate sweep, a trained model and its test scores out."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pandas as pd
from numpy.typing import NDArray

from steepest import models
from steepest.descent import Descent, Stop, Verdict, descend
from steepest.errors import unknown_name
from steepest.fit.arguments import check_split, checked_choice, checked_rates, checked_table, is_automatic
from steepest.fit.choice import chosen
from steepest.fit.inspection import Inspection
from steepest.fit.memory import allowed_memory
from steepest.fit.predictor import Predictor
from steepest.fit.rows import Rows, split
from steepest.fit.scores import Scored, classification_scores, regression_scores
from steepest.fit.setup import Setup, prepared, recognised_target
from steepest.fit.task import recognise
from steepest.risk import EmpiricalRisk

_RATES = {"affine": np.geomspace(1e-4, 100.0, 31), "mlp": np.geomspace(1e-4, 0.1, 13)}
_STOP = Stop(gradient_norm=1e-6)
_EPOCHS = {"affine": 1000, "mlp": 60}
_MOMENTUM = 0.9
_RECORDS = 200
_LONG_BATCH = 1024
_LONG_STEPS = 20_000
_FEWEST_EPOCHS = 3


@dataclass(frozen=True)
class Recipe:
    """How the model was trained; what repeats it."""

    method: str
    learning_rate: float
    momentum: float | None
    batch_size: int | None
    epochs: int
    l2: float
    seed: int


@dataclass(frozen=True, eq=False)
class Fit:
    """What :func:`fit` found.

    Attributes:
        predictor: the trained model.
        recipe: the settings chosen; ``epochs`` is where an mlp was stopped, and the most allowed for a convex model.
        sweep: every learning rate tried: a Descent with the axis ``learning_rate``, validation loss recorded.
        training: the last descent, on training and validation rows.
        scores: name → score on the test rows.
        rows: part → number of rows: train, validation, test.
        source: the table's path, where it came from one.
        chosen_because: why this learning rate, in words.
        inspection: what every column was found to be and what was done with it, and what to look at.
    """

    predictor: Predictor
    recipe: Recipe
    sweep: Descent
    training: Descent
    scores: dict[str, Scored]
    rows: dict[str, int]
    source: str | None
    chosen_because: str
    inspection: Inspection


def fit(
    table: pd.DataFrame | str | Path,
    target: str,
    *,
    model: str | None = None,
    method: str | None = None,
    learning_rate: Any = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    hidden_layer_sizes: tuple[int, ...] = (64,),
    l2: float | None = None,
    test_size: float = 0.2,
    validation_size: float = 0.2,
    seed: int = 0,
    ignore: Sequence[str] = (),
    keep: Sequence[str] = (),
    memory: float | None = None,
    progress: bool | None = None,
) -> Fit:
    """Fit a model to a table: sweep learning rates, pick by validation loss, train, and score on rows held out.

    Args:
        table: a DataFrame, or the path of a CSV or Parquet file.
        target: the column to predict.
        model: ``"linear"``, ``"softmax"`` or ``"mlp"``; by default linear for numbers and softmax for classes.
        method: name of an optax constructor that takes ``learning_rate``. By default ``"sgd"`` with momentum 0.9 on
            the full batch for linear and softmax, ``"adam"`` on batches for mlp.
        learning_rate: a number, or the list of those to try; by default 31 from 1e-4 to 100, for mlp
            13 from 1e-4 to 0.1. ``"auto"`` is the one that theory advises for ``sgd``.
        epochs: at most; an mlp is stopped earlier where its validation loss was least. By default 1000 for linear and
            softmax, 60 for mlp.
        batch_size: rows a step; by default all of them for linear and softmax, 32 for mlp.
        hidden_layer_sizes: of the mlp.
        l2: strength of the L2 term; by default 1/rows for linear and softmax, which is scikit-learn's alpha = 1 and
            C = 1, and 1e-4/rows for mlp.
        test_size: share of the rows held out for the scores.
        validation_size: share of the others held out to choose by.
        seed: of the splits, the start and the batches.
        ignore: columns that are left out.
        keep: columns that are used though they look like identifiers, dates or text.
        memory: GiB that the fit may take; by default three quarters of what is free. What a Parquet file holds is read
            by row group where its features do not fit.
        progress: as in ``descend``.

    Raises:
        ValueError, TypeError: what is wrong with the table, the target or a setting, in words.
        FileNotFoundError: there is no such table.

    Example:
        >>> from steepest import datasets
        >>> fitted = fit(datasets.bundled("diabetes"), "target", epochs=50, learning_rate=[0.01, 0.1])
        >>> fitted.scores["r2"].value > fitted.scores["r2"].baseline
        True
    """
    check_split(test_size, validation_size, seed)
    automatic = is_automatic(learning_rate, method)
    given = None if learning_rate is None or automatic else checked_rates(learning_rate)
    allowed = allowed_memory(memory)
    data = checked_table(table, allowed)
    checked_choice(data, str(target), ignore, keep)
    task, frame = recognised_target(data, str(target), model)
    rows = split(frame, task, test_size, validation_size, seed)
    widths = models.mlp(hidden_layer_sizes).hidden_layer_sizes
    task = recognise(frame, task.target, model, rows.train)
    choice: dict[str, Any] = {"ignore": ignore, "keep": keep, "allowed": allowed}
    setup = prepared(data, task, task.encoded(frame[task.target]), rows, model=model, hidden=widths, l2=l2, **choice)
    named = _method("sgd" if automatic else method, setup.kind)
    size, usual = _pace(setup, len(rows.train), batch_size)
    settings = {"batch_size": size, "stop": _STOP, "seed": seed, "path": False, "progress": progress, **named[2]}
    rates, advice = _advised(setup, settings) if automatic else (given, "")
    most = usual if epochs is None else epochs
    predictor, recipe, sweep, training, why = _sought(setup, named, most, rates, settings)
    scores = _scores(predictor, setup, rows, frame[task.target], seed)
    return Fit(predictor, recipe, sweep, training, scores, rows.counts, data.source, advice + why, setup.inspection)


def _sought(
    setup: Setup,
    named: tuple[str, Any, dict[str, Any]],
    most: int,
    rates: NDArray[np.float64] | None,
    settings: dict[str, Any],
) -> tuple[Predictor, Recipe, Descent, Descent, str]:
    """The model, its recipe, the sweep, the last descent, and why that learning rate, of at most so many epochs."""
    name, constructor, fixed = named
    sweep = descend(
        setup.risk("train"),
        constructor,
        learning_rate=_RATES[setup.kind] if rates is None else rates,
        epochs=most,
        every=max(1, most // _RECORDS),
        record={"validation_loss": setup.validation()},
        **settings,
    )
    rate, soonest, why = chosen(sweep, convex=setup.kind == "affine")
    used = most if setup.kind == "affine" else soonest
    training = _trained(setup.risk("together"), constructor, rate, used, settings)
    predictor = Predictor(setup.columns, setup.task, setup.architecture, jax.tree.map(np.asarray, training.params))
    recipe = Recipe(
        name, rate, fixed.get("momentum"), settings["batch_size"], used, setup.strength("together"), settings["seed"]
    )
    return predictor, recipe, sweep, training, why


def _pace(setup: Setup, rows: int, batch_size: int | None) -> tuple[int | None, int]:
    """Rows of a step and most epochs, where they are not stated.

    The full batch where it is in memory or known by its moments; else batches, longer and fewer the more rows there
    are, for an epoch of many rows takes as many steps as many epochs of few.
    """
    full = setup.kind == "affine" and (setup.by_moments or not setup.is_streamed)
    if full:
        return batch_size, _EPOCHS["affine"]
    if not setup.is_streamed:
        return min(32, rows) if batch_size is None else batch_size, _EPOCHS[setup.kind]
    size = min(_LONG_BATCH, rows) if batch_size is None else batch_size
    return size, max(_FEWEST_EPOCHS, min(_EPOCHS[setup.kind], round(_LONG_STEPS * size / rows)))


def _advised(setup: Setup, settings: dict[str, Any]) -> tuple[NDArray[np.float64], str]:
    """The one learning rate that suits the training rows, and those with the validation rows, and why."""
    found = [
        descend(setup.risk(part), optax.sgd, learning_rate="auto", steps=1, **settings).dataset.attrs
        for part in ("train", "together")
    ]
    smaller = min(found, key=lambda attributes: attributes["learning_rate"])
    return np.array(
        [smaller["learning_rate"]]
    ), f"advised by theory, {smaller['learning_rate_chosen'].partition(' chosen: ')[2]}; "


def _method(name: str | None, kind: str) -> tuple[str, Any, dict[str, Any]]:
    """Name, constructor and fixed hyper-parameters of the method."""
    chosen = name or ("adam" if kind == "mlp" else "sgd")
    known = {
        other: constructor
        for other in dir(optax)
        if callable(constructor := getattr(optax, other))
        and not other.startswith("_")
        and inspect.isfunction(constructor)
        and "learning_rate" in inspect.signature(constructor).parameters
    }
    if chosen not in known:
        raise unknown_name("method", chosen, known)
    return chosen, known[chosen], {"momentum": _MOMENTUM} if chosen == "sgd" else {}


def _trained(risk: EmpiricalRisk, constructor: Any, rate: float, epochs: int, settings: dict[str, Any]) -> Descent:
    """The last descent, at the learning rate chosen."""
    every = max(1, epochs // _RECORDS)
    training = descend(risk, constructor, learning_rate=rate, epochs=epochs, every=every, **settings)
    if training.verdict == Verdict.DIVERGED.value:
        raise ValueError(f"training diverged at {rate:.3g}, which did not on fewer rows; give a smaller learning_rate")
    return training


def _scores(predictor: Predictor, setup: Setup, rows: Rows, target: pd.Series[Any], seed: int) -> dict[str, Scored]:
    """On the test rows; the target is as it stands in the table."""
    blocks = [predictor.outputs_of(block) for block in setup.features.blocks("test")]
    outputs, task = np.concatenate(blocks), setup.task
    positions = setup.features.positions("test")
    if task.classes is None:
        own = target.to_numpy(float)
        baseline = np.full(len(positions), own[rows.together].mean())
        return regression_scores(own[positions], task.decoded(outputs), baseline, seed)
    labels = setup.targets
    shares = np.bincount(labels[rows.together], minlength=len(task.classes)) / len(rows.together)
    return classification_scores(
        labels[positions], predictor.probabilities_of(outputs), np.tile(shares, (len(positions), 1)), seed
    )
