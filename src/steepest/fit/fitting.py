"""The main job: a table and a target in; a learning-rate sweep, a trained model and its test scores out."""

from __future__ import annotations

import inspect
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
from steepest.fit.arguments import check_split, checked_rates, checked_table, is_automatic
from steepest.fit.choice import chosen
from steepest.fit.predictor import Predictor
from steepest.fit.rows import Rows, split
from steepest.fit.scores import Scored, classification_scores, regression_scores
from steepest.fit.setup import Setup, prepared
from steepest.fit.task import recognise
from steepest.risk import EmpiricalRisk

_RATES = {"affine": np.geomspace(1e-4, 100.0, 31), "mlp": np.geomspace(1e-4, 0.1, 13)}
_STOP = Stop(gradient_norm=1e-6)
_EPOCHS = {"affine": 1000, "mlp": 60}
_MOMENTUM = 0.9
_RECORDS = 200


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
    """

    predictor: Predictor
    recipe: Recipe
    sweep: Descent
    training: Descent
    scores: dict[str, Scored]
    rows: dict[str, int]
    source: str | None
    chosen_because: str


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
    data, target = checked_table(table), str(target)
    rows = split(data, recognise(data, target, model), test_size, validation_size, seed)
    setup = prepared(data, target, model, models.mlp(hidden_layer_sizes).hidden_layer_sizes, rows.train, l2)
    name, constructor, fixed = _method("sgd" if automatic else method, setup.kind)
    size = batch_size if batch_size is not None or setup.kind == "affine" else min(32, len(rows.train))
    most = _EPOCHS[setup.kind] if epochs is None else epochs
    settings = {"batch_size": size, "stop": _STOP, "seed": seed, "path": False, "progress": progress, **fixed}
    rates, advice = _advised(setup, rows, settings) if automatic else (given, "")
    sweep = descend(
        setup.risk(rows.train),
        constructor,
        learning_rate=_RATES[setup.kind] if rates is None else rates,
        epochs=most,
        every=max(1, most // _RECORDS),
        record={"validation_loss": setup.risk(rows.validation, with_l2=False)},
        **settings,
    )
    rate, soonest, why = chosen(sweep, convex=setup.kind == "affine")
    used = most if setup.kind == "affine" else soonest
    training = _trained(setup.risk(rows.together), constructor, rate, used, settings)
    predictor = Predictor(setup.columns, setup.task, setup.architecture, jax.tree.map(np.asarray, training.params))
    return Fit(
        predictor,
        Recipe(name, rate, fixed.get("momentum"), size, used, setup.strength(rows.together), seed),
        sweep,
        training,
        _scores(predictor, data, rows, seed),
        rows.counts,
        None if isinstance(table, pd.DataFrame) else str(table),
        advice + why,
    )


def _advised(setup: Setup, rows: Rows, settings: dict[str, Any]) -> tuple[NDArray[np.float64], str]:
    """The one learning rate that suits the training rows, and those with the validation rows, and why."""
    found = [
        descend(setup.risk(part), optax.sgd, learning_rate="auto", steps=1, **settings).dataset.attrs
        for part in (rows.train, rows.together)
    ]
    smaller = min(found, key=lambda attributes: attributes["learning_rate"])
    return np.array([smaller["learning_rate"]]), smaller["learning_rate_chosen"] + "; "


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


def _scores(predictor: Predictor, data: pd.DataFrame, rows: Rows, seed: int) -> dict[str, Scored]:
    test = data.iloc[rows.test]
    target = predictor.task.target
    if not predictor.task.is_classification:
        own = data[target].to_numpy(float)
        baseline = np.full(len(rows.test), own[rows.together].mean())
        return regression_scores(own[rows.test], predictor.predict(test), baseline, seed)
    labels = predictor.task.encoded(data[target])
    assert predictor.task.classes is not None
    shares = np.bincount(labels[rows.together], minlength=len(predictor.task.classes)) / len(rows.together)
    return classification_scores(
        labels[rows.test], predictor.probabilities(test), np.tile(shares, (len(rows.test), 1)), seed
    )
