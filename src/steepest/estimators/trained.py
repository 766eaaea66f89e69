"""What training came to, whatever the model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from steepest.descent import Descent, Verdict
from steepest.diagnosis import Diagnosis
from steepest.objectives import Params


@dataclass(frozen=True, eq=False)
class Trained:
    """The end of a training.

    Attributes:
        params: where it ended, on the scale of the descent.
        losses: before the first epoch and after each, on the scale of the descent.
        verdict: how it ended.
        learning_rate: the last one used.
        diagnosis: what was known before it began; None where nothing was asked.
    """

    params: Params
    losses: list[float]
    verdict: str
    learning_rate: float
    diagnosis: Diagnosis | None

    @property
    def epochs(self) -> int:
        """Passes over the rows."""
        return len(self.losses) - 1

    def warn(self, name: str, most: int, tolerance: float) -> None:
        """Warn where training did not converge, saying what to do."""
        if self.verdict == Verdict.OUT_OF_STEPS.value:
            words = (
                f"{name} did not converge to tol={tolerance:g} in max_iter={most} epochs; its loss is "
                f"{self.losses[-1]:.6g}. Give a larger max_iter or tol"
            )
        elif self.verdict == Verdict.DIVERGED.value:
            limit = "" if self.diagnosis is None else f", above the limit {self.diagnosis.advice.limit:.4g}"
            words = (
                f"{name} diverged in epoch {self.epochs} with learning_rate={self.learning_rate:g}{limit}, and keeps "
                'what it had before; learning_rate="auto" chooses one that does not'
            )
        elif self.verdict == Verdict.INTERRUPTED.value:
            words = f"{name} was interrupted in epoch {self.epochs} and keeps what it had reached"
        else:
            return
        warnings.warn(words, ConvergenceWarning, stacklevel=4)


def curve_of(run: Descent) -> list[float]:
    """The losses of one run, from the start to the record it ended at."""
    losses = run.loss.values
    return [float(loss) for loss in losses[np.isfinite(losses)]]


def ended(run: Descent) -> tuple[Any, str]:
    """Parameters and verdict of one run."""
    return run.params, str(run.verdict.item())
