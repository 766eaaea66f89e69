"""A short run of a setting, beside what theory says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optax

from steepest.descent import Descent, Verdict, descend
from steepest.objectives import Descendable
from steepest.theory import Comparison, compare, contraction_factor
from steepest.theory.advice import Advice
from steepest.theory.limits import Setting, learning_rate_limit


@dataclass(frozen=True, eq=False)
class Trial:
    """One setting, predicted and measured.

    Attributes:
        name: what it is a trial of.
        setting: learning rate and momentum.
        prediction: ``"converges"``, ``"diverges"``, or ``"uncertain"``.
        predicted_factor: what the loss above the minimum is multiplied by a step in the long run.
        run: what was measured.
        comparison: the bound laid over it; None where the minimum is unknown.
    """

    name: str
    setting: Setting
    prediction: str
    predicted_factor: float
    run: Descent
    comparison: Comparison | None

    @property
    def verdict(self) -> str:
        """How the run ended."""
        return str(self.run.verdict.item())

    @property
    def measured_factor(self) -> float:
        """What the loss above the minimum was multiplied by a step over the second half; the loss itself if it grew."""
        if self.comparison is not None and self.verdict != Verdict.DIVERGED.value:
            return float(self.comparison.dataset["measured_factor"].item())
        loss = self.run.loss.values
        loss = loss[np.isfinite(loss)]
        half = loss[len(loss) // 2 :]
        if len(half) < 2 or min(half[0], half[-1]) <= 0:
            return float("nan")
        return float((half[-1] / half[0]) ** (1 / (len(half) - 1)))

    @property
    def as_predicted(self) -> bool | None:
        """Whether the run did what theory said; None where theory said nothing."""
        if self.prediction == "uncertain":
            return None
        if self.prediction == "diverges":
            return self.verdict == Verdict.DIVERGED.value
        kept = self.comparison is None or "violated" not in self.comparison.dataset["outcome"].values
        start, end = self.run.loss.values[0], self.run.final_loss.item()
        return bool(self.verdict != Verdict.DIVERGED.value and end <= start and kept)

    @property
    def sentence(self) -> str:
        """Prediction and measurement."""
        ending = f"{self.verdict} at step {self.run.steps.item()}, loss {self.run.final_loss.item():.6g}"
        judged = {True: "as predicted", False: "not as predicted", None: "nothing was promised"}[self.as_predicted]
        factor = f"; factor a step {self.measured_factor:.6g}" if np.isfinite(self.measured_factor) else ""
        predicted = factor and self.prediction != "uncertain"
        expected = f" (predicted {self.predicted_factor:.6g} in the long run)" if predicted else ""
        return f"{self.prediction}; {ending}, {judged}{factor}{expected}"


def tried(
    name: str, objective: Descendable, setting: Setting, advice: Advice, steps: int, place: Mapping[str, Any]
) -> Trial:
    """Run a setting on all rows and judge it by the curvature that the advice rests on.

    Args:
        name: what the trial is called.
        objective: of one parameter setting.
        setting: what is tried.
        advice: whose curvature the prediction rests on.
        steps: at most.
        place: ``start``, ``seed`` and ``cluster`` of the run.
    """
    run = descend(objective, optax.sgd, steps=steps, progress=False, every=1, **place, **as_settings(setting))
    limit = learning_rate_limit(advice.smoothness, setting.momentum, setting.nesterov)
    ratio = setting.learning_rate / limit
    factor = contraction_factor(
        setting.learning_rate, advice.smoothness, advice.strong_convexity, setting.momentum, setting.nesterov
    )
    if ratio > 1 and advice.quadratic:
        prediction = "diverges"
    elif ratio <= 1 and advice.convex:
        prediction = "converges"
    else:
        prediction = "uncertain"
    try:
        comparison = compare(run)
    except ValueError:
        comparison = None
    return Trial(name, setting, prediction, factor**2, run, comparison)


def as_settings(setting: Setting) -> dict[str, Any]:
    """The setting as arguments of ``optax.sgd``."""
    if not setting.momentum:
        return {"learning_rate": setting.learning_rate}
    settings: dict[str, Any] = {"learning_rate": setting.learning_rate, "momentum": setting.momentum}
    return settings | ({"nesterov": True} if setting.nesterov else {})
