"""What training came to, whatever the model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from steepest.descent import Descent, Verdict
from steepest.diagnosis import Diagnosis
from steepest.objectives import Params

_FAR_ABOVE = 100.0


@dataclass(frozen=True, eq=False)
class Trained:
    """The end of a training.

    Attributes:
        params: what is kept, on the scale of the descent: where it ended, or where it began if it diverged.
        losses: before the first epoch and after each, on the scale of the descent.
        loss: of what is kept.
        verdict: how it ended.
        learning_rate: the last one used.
        diagnosis: what was known before it began; None where nothing was asked.
    """

    params: Params
    losses: list[float]
    loss: float
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
                f"{name} did not converge to tol={tolerance:g} in max_iter={most} epochs; its loss is {self.loss:.6g}. "
                f"Give a larger max_iter or tol{self._or_a_smaller_rate}"
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

    @property
    def _or_a_smaller_rate(self) -> str:
        rose = sum(after > before for before, after in zip(self.losses, self.losses[1:], strict=False))
        return ", or a smaller learning_rate: the loss goes up and down" if 3 * rose > self.epochs else ""


def of_nothing(objective: Any, params: Params) -> float:
    """What predicting zero for every row costs, on the scale of the descent."""
    return float(objective(jax.tree.map(np.zeros_like, params)))


def blew_up(losses: list[float], nothing: float) -> bool:
    """Whether an epoch ended above where it began, and far above what predicting nothing would cost.

    A descent that diverges over many short calls stays within the limits of each.
    """
    return not losses[-1] <= max(losses[0], _FAR_ABOVE * nothing)


def curve_of(run: Descent) -> list[float]:
    """The losses of one run, from the start to the record it ended at."""
    losses = run.loss.values
    return [float(loss) for loss in losses[np.isfinite(losses)]]


def ended(run: Descent) -> tuple[Any, str]:
    """Parameters and verdict of one run."""
    return run.params, str(run.verdict.item())
