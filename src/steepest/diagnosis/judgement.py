"""The verdict on a learning rate of the user's own, before it is used."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.theory.advice import Advice
from steepest.theory.eigenvalues import Spectrum

_EDGE = 0.05
_AS_GOOD_AS_EQUAL = 0.005


@dataclass(frozen=True)
class Judgement:
    """What plain descent would do with a learning rate.

    Attributes:
        learning_rate: η.
        product: η·λmax at the start; stable below 2.
        verdict: ``"stable"``, ``"at the edge"`` (within 5 % of the limit) or ``"diverges"``; ``"no limit"`` where no
            curvature at the start is positive.
        growth: what the loss along the steepest direction is multiplied by a step, (1 − η·λmax)².
        everywhere: whether the verdict holds for the whole run: the loss is a quadratic, or L is known and η below 2/L.
        advised: the learning rate advised for plain descent.
        steepest: what carries the largest curvature.
    """

    learning_rate: float
    product: float
    verdict: str
    growth: float
    everywhere: bool
    advised: float
    steepest: str

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        what = {
            "stable": f"stable: along the steepest direction the loss is multiplied by {self.growth:.4g} a step",
            "at the edge": f"at the edge of the limit: along the steepest direction the loss is multiplied by "
            f"{self.growth:.4g} a step and swings from side to side",
            "diverges": f"diverges: along the steepest direction the loss grows by the factor {self.growth:.4g} a step",
            "no limit": "no curvature is positive at the start, so that none limits it and only a trial can tell more",
        }[self.verdict]
        ratio = self.learning_rate / self.advised
        times = f"{max(ratio, 1 / ratio):.3g} times {'smaller' if ratio < 1 else 'larger'} than"
        pace = times if abs(math.log(ratio)) > _AS_GOOD_AS_EQUAL else "as large as"
        scope = "for the whole run" if self.everywhere else "near the start; the curvature may change on the way"
        if self.verdict == "no limit":
            return (
                f"learning rate {self.learning_rate:.6g}: {what}. It is {pace} the rate advised for plain descent, "
                f"{self.advised:.6g}; {self.steepest}"
            )
        return (
            f"learning rate {self.learning_rate:.6g} makes η·λmax = {self.product:.4g} (limit 2), {what}, {scope}. "
            f"It is {pace} the rate advised for plain descent, {self.advised:.6g}; {self.steepest}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words."""
        return {
            "learning_rate": self.learning_rate,
            "eta_lambda_max": self.product,
            "verdict": self.verdict,
            "growth_per_step": self.growth,
            "everywhere": self.everywhere,
            "sentence": self.sentence,
        }


def checked_rate(learning_rate: Any) -> float:
    """A learning rate that can be judged.

    Raises:
        TypeError: it is no number.
        ValueError: it is not a finite number above 0.
    """
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, int | float | np.number):
        raise TypeError(f"learning_rate must be a number to be judged, got {learning_rate!r}")
    rate = float(learning_rate)
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"learning_rate must be a finite number above 0, got {learning_rate!r}")
    return rate


def judged(learning_rate: Any, spectrum: Spectrum, plain: Advice, steepest: str) -> Judgement:
    """The verdict on a learning rate for plain descent.

    Raises:
        ValueError: it is not a finite number above 0.
    """
    rate = checked_rate(learning_rate)
    product = rate * max(spectrum.largest.value, 0.0)
    if not product:
        verdict = "no limit"
    elif product > 2 * (1 + _EDGE):
        verdict = "diverges"
    elif product >= 2 * (1 - _EDGE):
        verdict = "at the edge"
    else:
        verdict = "stable"
    safe = plain.basis == "global" and rate * plain.smoothness < 2
    everywhere = plain.quadratic or (safe and verdict == "stable")
    return Judgement(rate, product, verdict, (1 - product) ** 2, everywhere, plain.setting.learning_rate, steepest)
