"""``Diagnosis``: what is known of a loss before it is descended, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from steepest.descent.automatic import Settled
from steepest.diagnosis.findings import Finding
from steepest.diagnosis.judgement import Judgement
from steepest.diagnosis.layout import as_text, finite
from steepest.diagnosis.trial import Trial, as_settings
from steepest.showing import card
from steepest.theory.advice import Advice, finite_steps
from steepest.theory.eigenvalues import Spectrum
from steepest.theory.global_constants import Constants


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What :func:`steepest.diagnose` found. Printing it says everything in words.

    Attributes:
        objective: what was diagnosed, in words.
        spectrum: curvature at the start.
        end_spectrum: curvature where the trial of the advice ended.
        constants: global constants; None where they are not known.
        why_no_constants: why not, in a sentence; empty where they are known.
        advice: method, learning rate, momentum and schedule on all rows.
        settled: how the learning rate of the advice was settled.
        batch_advice: the same with batches; None where there are no rows or nothing is known.
        trials: the advice and 1.1 × its limit, each measured beside its prediction.
        judgement: of the learning rate that was asked about; None where none was.
        findings: warnings, each with a remedy.
        steepest: which feature, parameter or layer carries the largest curvature.
    """

    objective: str
    spectrum: Spectrum
    end_spectrum: Spectrum | None
    constants: Constants | None
    why_no_constants: str
    advice: Advice
    settled: Settled
    batch_advice: Advice | None
    trials: tuple[Trial, ...]
    judgement: Judgement | None
    findings: tuple[Finding, ...]
    steepest: str

    @property
    def learning_rate(self) -> float:
        """The learning rate advised."""
        return self.advice.setting.learning_rate

    @property
    def settings(self) -> dict[str, Any]:
        """The advice as arguments: ``descend(objective, optax.sgd, steps=..., **diagnosis.settings)``."""
        return as_settings(self.advice.setting)

    @property
    def certain(self) -> bool:
        """Whether a theorem guarantees the advice; if not, it rests on the curvature at the start and a short trial."""
        return bool(self.advice.guarantee)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain numbers and words; a number that is not finite is None."""
        advice, spectrum = self.advice, self.spectrum
        found = {
            "objective": self.objective,
            "start": {"loss": spectrum.loss, "gradient_norm": spectrum.gradient_norm},
            "spectrum": {
                "largest": {"value": spectrum.largest.value, "residual": spectrum.largest.residual},
                "smallest": {"value": spectrum.smallest.value, "residual": spectrum.smallest.residual},
                "size": spectrum.size,
                "converged": spectrum.converged,
                "steepest": self.steepest,
            },
            "constants": None
            if self.constants is None
            else {
                "smoothness": self.constants.smoothness,
                "strong_convexity": self.constants.strong_convexity,
                "convex": self.constants.convex,
                "quadratic": self.constants.quadratic,
                "why": self.constants.why,
            },
            "limit": {"learning_rate": advice.limit, "basis": advice.basis, "exact": advice.quadratic},
            "advice": _advice_dict(advice) | {"certain": self.certain, "chosen": self.settled.words},
            "batch_advice": None if self.batch_advice is None else _advice_dict(self.batch_advice),
            "trials": [
                {
                    "name": trial.name,
                    "learning_rate": trial.setting.learning_rate,
                    "prediction": trial.prediction,
                    "verdict": trial.verdict,
                    "as_predicted": trial.as_predicted,
                    "predicted_factor": trial.predicted_factor,
                    "measured_factor": trial.measured_factor,
                    "steps": int(trial.run.steps.item()),
                    "final_loss": trial.run.final_loss.item(),
                }
                for trial in self.trials
            ],
            "judgement": None if self.judgement is None else self.judgement.to_dict(),
            "findings": [{"kind": f.kind, "what": f.what, "remedy": f.remedy} for f in self.findings],
        }
        plain: dict[str, Any] = finite(found)
        return plain

    def _sections(self) -> Iterator[tuple[str, str]]:
        """Title and text of every part, in order."""
        spectrum, advice = self.spectrum, self.advice
        yield "Start", f"loss {spectrum.loss:.6g}, gradient norm {spectrum.gradient_norm:.4g}"
        unsure = "" if spectrum.converged else " (not converged: more products would tell)"
        yield (
            "Curvature",
            f"from {_eigenvalue(spectrum.smallest)} to {_eigenvalue(spectrum.largest)} at the start{unsure}; "
            + self.steepest,
        )
        if self.constants is None:
            yield "Everywhere", self.why_no_constants
        else:
            known = self.constants
            yield (
                "Everywhere",
                f"smoothness L = {known.smoothness:.6g}, strong convexity μ = {known.strong_convexity:.6g}: "
                + known.why,
            )
        exact = "exact, the loss is a quadratic" if advice.quadratic else (
            "safe, and descent may converge above it" if advice.basis == "global" else "of the curvature at the start"
        )  # fmt: skip
        yield "Limit", f"learning rate {advice.limit:.6g} with momentum {advice.setting.momentum:.4g} ({exact})"
        yield "Advice", self._advice_words()
        if self.batch_advice is not None:
            other, setting = self.batch_advice, self.batch_advice.setting
            rates = f"learning rate {setting.learning_rate:.6g}, momentum {setting.momentum:.3g}"
            yield "With batches", f"{other.batch_size} rows a step, {rates}: {other.why}; schedule: {other.schedule}"
        for trial in self.trials:
            yield "Measured", f"{trial.name}, learning rate {trial.setting.learning_rate:.6g}: {trial.sentence}"
        if self.judgement is not None:
            yield "Yours", self.judgement.sentence
        for finding in self.findings:
            yield "Warning", f"{finding.what}. {finding.remedy[:1].upper()}{finding.remedy[1:]}."

    def _advice_words(self) -> str:
        advice = self.advice
        steps = advice.steps()
        proviso = "" if advice.basis == "global" else ", if the curvature stayed what it is at the start"
        predicted = (
            f"about {finite_steps(steps)} steps to a millionth of the distance{proviso}"
            if math.isfinite(steps)
            else "how many steps it takes is unknown, as no smallest curvature is"
        )
        certain = f"Guaranteed: {advice.guarantee}" if advice.guarantee else f"Uncertain: {self.settled.tried}"
        return (
            f"{advice.method}, learning rate {self.learning_rate:.6g}, momentum {advice.setting.momentum:.6g}, "
            f"all rows, {advice.schedule}: {advice.why}; {predicted}. {certain}"
        )

    def __str__(self) -> str:
        return as_text(self.objective, self._sections())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(f"Diagnosis of {self.objective}", self._sections())


def _advice_dict(advice: Advice) -> dict[str, Any]:
    return {
        "method": advice.method,
        "learning_rate": advice.setting.learning_rate,
        "momentum": advice.setting.momentum,
        "nesterov": advice.setting.nesterov,
        "batch_size": advice.batch_size,
        "schedule": advice.schedule,
        "contraction_factor": advice.setting.contraction_factor,
        "steps_to_a_millionth": advice.steps(),
        "basis": advice.basis,
        "guarantee": advice.guarantee,
        "why": advice.why,
    }


def _eigenvalue(found: Any) -> str:
    return f"{found.value:.6g} ± {found.residual:.1g}"
