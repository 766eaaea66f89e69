"""Test scores with their uncertainty, beside the baseline that ignores the features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

_RESAMPLES = 200
_MOST_DRAWN = 100_000

Score = Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True)
class Scored:
    """One score on the test rows.

    Attributes:
        value: of the model.
        standard_error: standard deviation over resamples of the test rows (Efron 1979); of more than 100,000 rows over
            resamples of so many, times √(100,000 / rows) (Bickel, Götze & van Zwet 1997).
        baseline: of predicting the training mean, or the training shares of the classes.
    """

    value: float
    standard_error: float
    baseline: float


def regression_scores(y: NDArray[Any], predicted: NDArray[Any], baseline: NDArray[Any], seed: int) -> dict[str, Scored]:
    """R², root mean squared and mean absolute error, the last two in units of the target."""
    scores: dict[str, Score] = {
        "r2": lambda a, b: float(metrics.r2_score(a, b)),
        "rmse": lambda a, b: float(np.sqrt(np.mean((a - b) ** 2))),
        "mae": lambda a, b: float(np.mean(np.abs(a - b))),
    }
    return {name: _scored(score, y, predicted, baseline, seed) for name, score in scores.items()}


def classification_scores(
    y: NDArray[Any], probabilities: NDArray[Any], baseline: NDArray[Any], seed: int
) -> dict[str, Scored]:
    """Accuracy, balanced accuracy and log loss (nats), from class numbers (n,) and probabilities (n, classes)."""
    floor = np.finfo(float).tiny
    scores: dict[str, Score] = {
        "accuracy": lambda a, p: float(np.mean(p.argmax(axis=1) == a)),
        "balanced_accuracy": lambda a, p: _balanced(a, p.argmax(axis=1)),
        "log_loss": lambda a, p: float(abs(np.mean(np.log(np.maximum(p[np.arange(len(a)), a], floor))))),
    }
    return {name: _scored(score, y, probabilities, baseline, seed) for name, score in scores.items()}


def of_one_kind(scores: dict[str, Scored]) -> tuple[str, str] | None:
    """What is told where every test row has the same target, so that the scores say little, and the remedy."""
    if all(np.isfinite(score.standard_error) for score in scores.values()):
        return None
    return (
        "every test row has the same target, so that the scores say nothing of the others and have no standard error",
        "add rows of the rare classes, or hold more rows out: --test-size 0.4 (test_size=0.4)",
    )


def _balanced(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Mean recall of the classes that occur."""
    return float(np.mean([np.mean(predicted[y == label] == label) for label in np.unique(y)]))


def _scored(score: Score, y: NDArray[Any], predicted: NDArray[Any], baseline: NDArray[Any], seed: int) -> Scored:
    generator = np.random.default_rng(seed)
    resampled = []
    drawn = min(len(y), _MOST_DRAWN)
    for _ in range(_RESAMPLES):
        rows = generator.integers(len(y), size=drawn)
        if (y[rows] != y[rows[0]]).any():
            resampled.append(score(y[rows], predicted[rows]))
    # A score of fewer rows spreads more, by the square root of how many fewer.
    spread = float(np.std(resampled)) * np.sqrt(drawn / len(y)) if resampled else float("nan")
    return Scored(score(y, predicted), float(spread), score(y, baseline))
