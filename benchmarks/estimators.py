"""The estimators beside scikit-learn's on fifteen tables, raw and standardised: test scores and divergences."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from steepest.estimators import DescentClassifier, DescentRegressor

_EPOCHS, _NETWORK_EPOCHS, _HIDDEN = 1000, 200, (100,)
_SPLITS, _FIRST_SPLIT = 8, 100
_DIVERGED_R2, _DIVERGED_LOSS = -1.0, 10.0
_ERRORS, _MATTERS = 2.0, 0.005

TASK = """\
Each table is split {splits} times into three quarters to train and one to test. All estimators are as they come, with \
the same most epochs: {epochs} for linear models, {network} for networks of {hidden} hidden units. Scores are means \
over the splits of R² or accuracy on the test rows, times are medians of a fit. *Worse* and *better*: than ours by \
more than 0.005 and two standard errors of the differences within splits. *Diverged*, counted over splits: an \
overflow, predictions that are not finite, R² below −1, or a log loss above ten times that of the shares of the classes.
The one default that had to be chosen, `alpha`, was chosen on other splits than these.
"""


def tables() -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Name → features and targets: the tables that come with scikit-learn, and those that it makes."""

    def made(name: str, **settings: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return getattr(datasets, f"make_{name}")(random_state=0, **settings)

    x, y = made("regression", n_samples=500, n_features=20, n_informative=10, noise=20.0)
    scales = np.geomspace(1e-3, 1e4, 20)
    return {
        "diabetes": datasets.load_diabetes(return_X_y=True),
        "breast_cancer": datasets.load_breast_cancer(return_X_y=True),
        "wine": datasets.load_wine(return_X_y=True),
        "iris": datasets.load_iris(return_X_y=True),
        "digits": datasets.load_digits(return_X_y=True),
        "regression": (x, y),
        "regression, scales 1e-3 to 1e4": (x * scales, y),
        "friedman1": made("friedman1", n_samples=500, noise=1.0),
        "friedman2": made("friedman2", n_samples=500, noise=100.0),
        "friedman3": made("friedman3", n_samples=500, noise=0.1),
        "classification": made("classification", n_samples=600, n_features=20, n_informative=8, n_classes=3),
        "moons": made("moons", n_samples=400, noise=0.25),
        "circles": made("circles", n_samples=400, noise=0.15, factor=0.5),
        "blobs": made("blobs", n_samples=400, centers=5, cluster_std=3.0),
        "gaussian_quantiles": made("gaussian_quantiles", n_samples=500, n_features=6, n_classes=3),
    }


def rivals(classes: bool, network: bool) -> dict[str, Callable[[int], Any]]:
    """Name → seed → an estimator; ours is the first."""
    if network:
        ours, theirs = (DescentClassifier, MLPClassifier) if classes else (DescentRegressor, MLPRegressor)
        settings: dict[str, Any] = {"hidden_layer_sizes": _HIDDEN, "max_iter": _NETWORK_EPOCHS}
        return {kind.__name__: lambda seed, kind=kind: kind(random_state=seed, **settings) for kind in (ours, theirs)}
    if classes:
        return {
            "DescentClassifier": lambda seed: DescentClassifier(max_iter=_EPOCHS),
            "SGDClassifier": lambda seed: SGDClassifier(loss="log_loss", max_iter=_EPOCHS, random_state=seed),
            "LogisticRegression": lambda seed: LogisticRegression(max_iter=_EPOCHS),
        }
    return {
        "DescentRegressor": lambda seed: DescentRegressor(max_iter=_EPOCHS),
        "SGDRegressor": lambda seed: SGDRegressor(max_iter=_EPOCHS, random_state=seed),
        "Ridge": lambda seed: Ridge(),
    }


@dataclass
class Outcome:
    """One estimator on one table: a score a split, NaN where it diverged, and the seconds that fitting took."""

    scores: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def diverged(self) -> int:
        return int(np.isnan(self.scores).sum())


def outcome(make: Callable[[int], Any], x: NDArray[Any], y: NDArray[Any], standardised: bool, splits: int) -> Outcome:
    found = Outcome()
    for seed in range(_FIRST_SPLIT, _FIRST_SPLIT + splits):
        model = make(seed)
        labels = y if is_classifier(model) else None
        train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=labels)
        if standardised:
            scaler = StandardScaler().fit(train_x)
            train_x, test_x = scaler.transform(train_x), scaler.transform(test_x)
        began = time.perf_counter()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                model.fit(train_x, train_y)
                found.seconds.append(time.perf_counter() - began)
                found.scores.append(_score(model, test_x, test_y, train_y))
            except ValueError:
                found.scores.append(np.nan)
    return found


def _score(model: Any, x: NDArray[Any], y: NDArray[Any], train_y: NDArray[Any]) -> float:
    """R² or accuracy; NaN where the model diverged."""
    if not is_classifier(model):
        predicted = model.predict(x)
        score = float(model.score(x, y)) if np.isfinite(predicted).all() else np.nan
        return score if score >= _DIVERGED_R2 else np.nan
    probabilities = model.predict_proba(x)
    if not np.isfinite(probabilities).all():
        return float("nan")
    shares = np.bincount(np.searchsorted(model.classes_, train_y)) / len(train_y)
    plain = log_loss(y, np.tile(shares, (len(y), 1)), labels=model.classes_)
    worst = log_loss(y, probabilities, labels=model.classes_)
    return float(model.score(x, y)) if worst <= _DIVERGED_LOSS * plain else float("nan")


def compared(ours: Outcome, theirs: Outcome) -> str:
    """Whether ours is better, worse or neither, beyond the noise of the splits."""
    differences = np.subtract(np.nan_to_num(ours.scores, nan=-1.0), np.nan_to_num(theirs.scores, nan=-1.0))
    error = float(differences.std(ddof=1) / np.sqrt(len(differences)))
    mean = float(differences.mean())
    return "alike" if abs(mean) <= max(_ERRORS * error, _MATTERS) else "better" if mean > 0 else "worse"


def contests(splits: int) -> Iterator[tuple[str, bool, bool, dict[str, Outcome]]]:
    """Table, standardised or not, network or not, and the outcome of each rival."""
    for name, (x, y) in tables().items():
        classes = not np.issubdtype(np.asarray(y).dtype, np.floating)
        for standardised in (False, True):
            for network in (False, True):
                named = rivals(classes, network)
                yield (
                    name,
                    standardised,
                    network,
                    {rival: outcome(make, x, y, standardised, splits) for rival, make in named.items()},
                )


def measured(*, quick: bool) -> str:
    """Two tables of scores, for linear models and networks, and what they come to."""
    splits = 3 if quick else _SPLITS
    rows: dict[bool, list[str]] = {False: [], True: []}
    verdicts: dict[str, dict[str, int]] = {}
    diverged: dict[str, int] = {}
    for name, standardised, network, found in contests(splits):
        (_, ours), *others = found.items()
        cells = []
        for rival, theirs in others:
            word = compared(ours, theirs)
            verdicts.setdefault(rival, {"better": 0, "alike": 0, "worse": 0})[word] += 1
            cells.append(f"{_shown(theirs)} | {word}")
        for rival, each in found.items():
            diverged[rival] = diverged.get(rival, 0) + each.diverged
        table = f"{name}{', standardised' if standardised else ''}"
        rows[network].append(f"| {table} | {_shown(ours)} | {' | '.join(cells)} |")
        print(rows[network][-1], flush=True)
    task = TASK.format(splits=splits, epochs=_EPOCHS, network=_NETWORK_EPOCHS, hidden=_HIDDEN[0])
    lines = ["## Estimators", "", task, "### Linear models", ""]
    lines += [
        "| table | ours | SGD | ours is | Ridge, LogisticRegression | ours is |",
        "| --- | ---: | ---: | --- | ---: | --- |",
    ]
    lines += [*rows[False], "", "### Networks", "", "| table | ours | MLP | ours is |", "| --- | ---: | ---: | --- |"]
    lines += [
        *rows[True],
        "",
        "| estimator | diverged | ours better | alike | ours worse |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for rival, times in diverged.items():
        counts = verdicts.get(rival)
        ends = "| | | |" if counts is None else f"| {counts['better']} | {counts['alike']} | {counts['worse']} |"
        lines.append(f"| {rival} | {times} {ends}")
    return "\n".join([*lines, ""])


def _shown(found: Outcome) -> str:
    kept = [score for score in found.scores if not np.isnan(score)]
    words = f"{np.mean(kept):.3f}" if kept else "none"
    return (
        words
        + (f", {found.diverged} diverged" if found.diverged else "")
        + f" ({np.median(found.seconds or [0]):.2g} s)"
    )
