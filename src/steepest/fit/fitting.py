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
from sklearn.model_selection import train_test_split

from steepest import losses
from steepest.datasets import read_table
from steepest.descent import Descent, Stop, Verdict, descend
from steepest.errors import unknown_name
from steepest.fit.columns import Columns, learn_columns
from steepest.fit.predictor import Architecture, Predictor
from steepest.fit.scores import Scored, classification_scores, regression_scores
from steepest.fit.task import Task, recognise
from steepest.risk import EmpiricalRisk

_FEWEST_ROWS = 10
_RATES = {"affine": np.geomspace(1e-4, 100.0, 31), "mlp": np.geomspace(1e-4, 0.1, 13)}
_TIE = 0.01
_STOP = Stop(gradient_norm=1e-6)
_SMOOTHED = 5
_EPOCHS = {"affine": 1000, "mlp": 60}
_MOMENTUM = 0.9


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
        recipe: the settings chosen, ``epochs`` those with the least validation loss.
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


@dataclass(frozen=True, eq=False)
class _Rows:
    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


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
            13 from 1e-4 to 0.1.
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
        ValueError: what is wrong with the table, the target or a setting, in words.
        FileNotFoundError: there is no such table.

    Example:
        >>> from steepest import datasets
        >>> fitted = fit(datasets.bundled("diabetes"), "target", epochs=50, learning_rate=[0.01, 0.1])
        >>> fitted.scores["r2"].value > fitted.scores["r2"].baseline
        True
    """
    source = None if isinstance(table, pd.DataFrame) else str(table)
    data = table if isinstance(table, pd.DataFrame) else read_table(table)
    for name, share in (("test_size", test_size), ("validation_size", validation_size)):
        if not 0 < share < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {share}")
    if len(data) < _FEWEST_ROWS:
        raise ValueError(
            f"the table has {len(data)} rows; at least {_FEWEST_ROWS} are needed to train, choose and test"
        )
    task = recognise(data, target, model)
    rows = _split(data[target], task, test_size, validation_size, seed)
    task = recognise(data, target, model, rows.train)
    columns = learn_columns(data.drop(columns=target), rows.train)
    architecture = Architecture("mlp", tuple(hidden_layer_sizes)) if model == "mlp" else Architecture(_affine(task))
    setup = _Setup(data, task, columns, architecture, l2)
    name, constructor, fixed = _method(method, architecture)
    size = batch_size if batch_size is not None or architecture.model != "mlp" else min(32, len(rows.train))
    kind = "mlp" if architecture.model == "mlp" else "affine"
    most = epochs if epochs is not None else _EPOCHS[kind]
    rates = _RATES[kind] if learning_rate is None else learning_rate
    sweep = descend(
        setup.risk(rows.train),
        constructor,
        learning_rate=np.atleast_1d(np.asarray(rates, float)),
        batch_size=size,
        epochs=most,
        every=max(1, most // 200),
        stop=_STOP,
        record={"validation_loss": setup.risk(rows.validation, with_l2=False)},
        seed=seed,
        path=False,
        progress=progress,
        **fixed,
    )
    rate, used, why = _chosen(sweep, architecture.model != "mlp")
    used = used if architecture.model == "mlp" else most
    everything = np.concatenate([rows.train, rows.validation])
    risk = setup.risk(everything)
    training = descend(
        risk, constructor, learning_rate=rate, batch_size=size, epochs=used, seed=seed, path=False, progress=progress, **fixed
    )  # fmt: skip
    if training.verdict == Verdict.DIVERGED.value:
        raise ValueError(
            f"training on all rows diverged at learning rate {rate:.3g}, which converged on fewer; give a smaller learning_rate"
        )
    predictor = Predictor(columns, task, architecture, jax.tree.map(np.asarray, training.params))
    momentum = fixed.get("momentum")
    return Fit(
        predictor,
        Recipe(name, rate, momentum, size, used, risk.l2, seed),
        sweep,
        training,
        _scores(predictor, data, rows, everything, seed),
        {"train": len(rows.train), "validation": len(rows.validation), "test": len(rows.test)},
        source,
        why,
    )


@dataclass(frozen=True, eq=False)
class _Setup:
    """What every risk of one fit shares."""

    data: pd.DataFrame
    task: Task
    columns: Columns
    architecture: Architecture
    l2: float | None

    def risk(self, rows: NDArray[np.intp], with_l2: bool = True) -> EmpiricalRisk:
        part = self.data.iloc[rows]
        strength = self.l2
        if strength is None:
            strength = (1e-4 if self.architecture.model == "mlp" else 1.0) / len(rows)
        return EmpiricalRisk(
            self.architecture.built(self.task),
            losses.softmax_cross_entropy if self.task.is_classification else losses.mean_squared_error,
            self.columns.encoded(part),
            self.task.encoded(part[self.task.target]),
            l2=strength if with_l2 else 0.0,
            # An affine start depends on the number of classes, not on those that happen to be among these rows.
            start=self._start(),
            name=self.architecture.model,
        )

    def _start(self) -> Any:
        if self.architecture.model == "mlp":
            return None
        outputs = (len(self.task.classes),) if self.task.classes is not None else ()
        return {"weight": np.zeros((len(self.columns.feature_names), *outputs)), "bias": np.zeros(outputs)}


def _affine(task: Task) -> str:
    return "softmax" if task.is_classification else "linear"


def _split(column: pd.Series[Any], task: Task, test_size: float, validation_size: float, seed: int) -> _Rows:
    """Row positions of each part; classes keep their shares where each has rows enough."""
    everything = np.arange(len(column))
    labels = task.encoded(column) if task.is_classification else None

    def halves(rows: NDArray[np.intp], share: float) -> list[NDArray[np.intp]]:
        stratify = None
        if labels is not None:
            counts = np.bincount(labels[rows])
            smaller = int(np.floor(min(share, 1 - share) * len(rows)))
            stratify = labels[rows] if counts[counts > 0].min() >= 2 and smaller >= len(counts) else None
        return list(train_test_split(rows, test_size=share, random_state=seed, stratify=stratify))

    rest, test = halves(everything, test_size)
    train, validation = halves(rest, validation_size)
    return _Rows(train, validation, test)


def _method(name: str | None, architecture: Architecture) -> tuple[str, Any, dict[str, float]]:
    """Name, constructor and fixed hyper-parameters of the method."""
    chosen = name or ("adam" if architecture.model == "mlp" else "sgd")
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


def _chosen(sweep: Descent, convex: bool) -> tuple[float, int, str]:
    """The learning rate and number of epochs with the least validation loss, and why.

    A convex risk is trained to the end: its minimiser does not depend on the learning rate, only how soon it is
    reached, so runs that converged go before those that did not. A network is stopped where its validation loss, averaged over a few records so that no lucky epoch of an
    unstable run wins, was least.
    """
    diverged = sweep.verdict == Verdict.DIVERGED.value
    if bool(diverged.all()):
        smallest = float(sweep.dataset.learning_rate.min())
        raise ValueError(
            f"every learning rate diverged, the smallest was {smallest:.3g}; give smaller ones as learning_rate"
        )
    rates = sweep.dataset.learning_rate
    if convex:
        converged = sweep.verdict == Verdict.CONVERGED.value
        final = sweep.dataset["final_validation_loss"].where(converged if bool(converged.any()) else ~diverged)
        close = final <= final.min() + _TIE * abs(final.min())
        place = int(sweep.steps.where(close).fillna(np.inf).argmin())
        epochs = int(sweep.steps[place])
        ended = "converged" if bool(converged.any()) else "none converged; it ended"
        why = f"{ended} at validation loss {float(final[place]):.4g}, the least within {100 * _TIE:.0f} %, and soonest"
    else:
        curves = sweep.dataset["validation_loss"].where(~diverged)
        smooth = curves.rolling(epoch=_SMOOTHED, center=True, min_periods=1).mean().fillna(np.inf)
        best = smooth.argmin(dim=["learning_rate", "epoch"])
        place = int(best["learning_rate"])
        epochs = max(1, round(float(curves.epoch[best["epoch"]])))
        why = f"least validation loss, {float(smooth.isel(best)):.4g}, around epoch {epochs}"  # type: ignore[arg-type]
    if rates.size > 1 and place in (0, rates.size - 1):
        why += "; it lies at the edge of those tried, so a wider sweep may find a better one"
    return float(rates[place]), epochs, why


def _scores(
    predictor: Predictor, data: pd.DataFrame, rows: _Rows, training: NDArray[np.intp], seed: int
) -> dict[str, Scored]:
    test = data.iloc[rows.test]
    target = predictor.task.target
    if not predictor.task.is_classification:
        own = data[target].to_numpy(float)
        baseline = np.full(len(rows.test), own[training].mean())
        return regression_scores(own[rows.test], predictor.predict(test), baseline, seed)
    labels = predictor.task.encoded(data[target])
    assert predictor.task.classes is not None
    shares = np.bincount(labels[training], minlength=len(predictor.task.classes)) / len(training)
    return classification_scores(
        labels[rows.test], predictor.probabilities(test), np.tile(shares, (len(rows.test), 1)), seed
    )
