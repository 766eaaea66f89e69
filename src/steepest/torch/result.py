"""``ModuleDiagnosis``: what is known of a PyTorch module's loss, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from steepest.diagnosis.findings import Finding
from steepest.diagnosis.judgement import Judgement
from steepest.diagnosis.layout import as_text, finite
from steepest.showing import card
from steepest.theory.advice import Advice
from steepest.theory.eigenvalues import Spectrum
from steepest.theory.noise_scale import NoiseScale


@dataclass(frozen=True)
class ModuleTrial:
    """A short run of SGD, predicted and measured.

    Attributes:
        name: what it is a trial of.
        learning_rate, momentum: of ``torch.optim.SGD``.
        prediction: ``"goes down"``, ``"diverges"``, or ``"uncertain"``.
        start_loss, end_loss: of all rows.
        steps: taken; fewer than asked for where the loss blew up.
        batches: the steps go through these in turn.
        first_predicted: the loss after one step on all rows, by gradient and curvature.
        first_measured: the same measured.
        losses: of each step's batch, before the step.
        allowance: how far above the start the loss may end and the rate still has held: what the noise of batches
            leaves of a quadratic at this rate, and rounding.
    """

    name: str
    learning_rate: float
    momentum: float
    prediction: str
    start_loss: float
    end_loss: float
    steps: int
    batches: int
    first_predicted: float
    first_measured: float
    losses: tuple[float, ...]
    allowance: float

    @property
    def went_down(self) -> bool:
        """Whether the loss ended no higher than it started."""
        return all(map(math.isfinite, self.losses)) and self.end_loss <= self.start_loss

    @property
    def held(self) -> bool:
        """Whether it ended no higher than the noise of batches, and rounding, explain."""
        return all(map(math.isfinite, self.losses)) and self.end_loss <= self.start_loss + self.allowance

    @property
    def as_predicted(self) -> bool | None:
        """Whether the run did what was predicted; None where nothing was."""
        return None if self.prediction == "uncertain" else self.held == (self.prediction == "goes down")

    @property
    def because(self) -> str:
        """What speaks for the rate, of a trial that held."""
        if self.went_down:
            return f"{self.steps} steps of it went down"
        what = "the noise of batches" if self.batches > 1 else "rounding"
        return f"{self.steps} steps of it ended no higher than {what} explains"

    @property
    def sentence(self) -> str:
        """Prediction and measurement."""
        each = "all rows a step" if self.batches == 1 else "a batch a step"
        judged = {True: "as predicted", False: "not as predicted", None: "nothing was promised"}[self.as_predicted]
        ended = "went down" if self.went_down else "did not go down"
        if self.held and not self.went_down:
            ended = "stayed " + ("within the noise of its batches" if self.batches > 1 else "where it was, to rounding")
        return (
            f"{ended}, from loss {self.start_loss:.6g} to {self.end_loss:.6g} in {self.steps} steps, {each}: {judged}; "
            f"the first step on all rows was predicted to end at {self.first_predicted:.6g}, measured "
            f"{self.first_measured:.6g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words."""
        names = (
            "name", "learning_rate", "momentum", "prediction", "as_predicted", "went_down", "start_loss", "end_loss",
            "steps", "batches", "first_predicted", "first_measured", "held", "allowance",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"losses": list(self.losses)}


@dataclass(frozen=True, eq=False)
class Recommendation:
    """A learning rate for SGD with some momentum, why, and how certain it is.

    Attributes:
        advice: what theory says, with the learning rate that stood its trial.
        halvings: how often the first one was halved until the trial held, and half of it did not end lower.
        trial: of the rate that stood.
    """

    advice: Advice
    halvings: int
    trial: ModuleTrial

    @property
    def learning_rate(self) -> float:
        """The learning rate recommended."""
        return self.advice.setting.learning_rate

    @property
    def momentum(self) -> float:
        """The momentum it goes with."""
        return self.advice.setting.momentum

    @property
    def limit(self) -> float:
        """The learning rate at which SGD with this momentum leaves a quadratic of the curvature at the start.

        Infinite where there is no curvature.
        """
        return self.advice.limit

    @property
    def certainty(self) -> str:
        """What the rate rests on, in words."""
        times = "once" if self.halvings == 1 else f"{self.halvings} times"
        kept = f"halved {times} until" if self.halvings else "kept because"
        tried = f"{kept} {self.trial.because}"
        if not self.advice.guarantee:
            noisy = ", as far as the noise of batches lets see" if self.trial.batches > 1 else ""
            return f"Uncertain: {tried}, and lower than at half the rate{noisy}; nothing guarantees what comes after"
        return (
            "As certain as that the loss is a quadratic: the curvature was the same at two other points; "
            f"then {self.advice.guarantee}, with all rows a step; {tried}"
        )

    @property
    def sentence(self) -> str:
        """Rate, limit, reason and certainty."""
        limit = f"limit {self.limit:.6g}" if math.isfinite(self.limit) else "no limit"
        return f"learning rate {self.learning_rate:.6g} ({limit}): {self.advice.why}. {self.certainty}."

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words."""
        names = ("learning_rate", "momentum", "limit", "halvings", "certainty")
        return {name: getattr(self, name) for name in names} | {
            "why": self.advice.why,
            "guarantee": self.advice.guarantee,
            "trial": self.trial.to_dict(),
        }


@dataclass(frozen=True, eq=False)
class ModuleDiagnosis:
    """What :func:`steepest.torch.diagnose` found. Printing it says everything in words.

    Attributes:
        module: its class, loss and number of trainable parameters, in words.
        rows: which rows were used.
        mode: ``"eval"`` or ``"train"``, the mode of all layers.
        precision: dtype of the computation, and why it is that.
        products: how Hessian-vector products were computed.
        spectrum: curvature at the module's parameters, which are a dict of names there.
        quadratic: whether the curvature was the same at two other points.
        plain: the learning rate for SGD without momentum.
        with_momentum: the same with momentum.
        beyond: a trial of 1.1 times the limit without momentum; None where there is no limit.
        noise_scale: the gradient noise scale, in rows; None where it is not known.
        noise_words: how it was found, or why not.
        batch_size: recommended; None where the noise scale is not known.
        steepest: which parameter carries the largest curvature.
        judgement: of the learning rate that was asked about; None where none was.
        findings: what to know besides: ``"negative curvature"``, ``"no mean"``, ``"scales"``.
    """

    module: str
    rows: str
    mode: str
    precision: str
    products: str
    spectrum: Spectrum
    quadratic: bool
    plain: Recommendation
    with_momentum: Recommendation
    beyond: ModuleTrial | None
    noise_scale: NoiseScale | None
    noise_words: str
    batch_size: int | None
    steepest: str
    judgement: Judgement | None
    findings: tuple[Finding, ...] = ()

    @property
    def sharpness(self) -> float:
        """λmax, the largest eigenvalue of the Hessian; ``spectrum.largest.residual`` bounds how far it is off."""
        return self.spectrum.largest.value

    @property
    def learning_rate_limit(self) -> float:
        """2/λmax, at which SGD without momentum leaves a quadratic of this curvature; infinite where there is none."""
        return self.spectrum.learning_rate_limit

    @property
    def learning_rate(self) -> float:
        """The one recommended without momentum."""
        return self.plain.learning_rate

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain numbers and words; a number that is not finite is None."""
        spectrum, noise = self.spectrum, self.noise_scale
        names = (
            "module", "rows", "mode", "precision", "products", "sharpness", "learning_rate_limit", "quadratic",
            "batch_size", "steepest",
        )  # fmt: skip
        found: dict[str, Any] = finite(
            {name: getattr(self, name) for name in names}
            | {
                "start": {"loss": spectrum.loss, "gradient_norm": spectrum.gradient_norm},
                "spectrum": {
                    "largest": {"value": spectrum.largest.value, "residual": spectrum.largest.residual},
                    "smallest": {"value": spectrum.smallest.value, "residual": spectrum.smallest.residual},
                    "size": spectrum.size,
                    "products": spectrum.products,
                    "converged": spectrum.converged,
                },
                "plain": self.plain.to_dict(),
                "with_momentum": self.with_momentum.to_dict(),
                "beyond": None if self.beyond is None else self.beyond.to_dict(),
                "noise_scale": None if noise is None else noise.simple,
                "noise": self.noise_words,
                "judgement": None if self.judgement is None else self.judgement.to_dict(),
                "findings": [{"kind": f.kind, "what": f.what, "remedy": f.remedy} for f in self.findings],
            }
        )
        return found

    def _sections(self) -> Iterator[tuple[str, str]]:
        """Title and text of every part, in order."""
        spectrum = self.spectrum
        yield "Rows", f"{self.rows}; module in {self.mode} mode; {self.precision}"
        yield "Start", f"loss {spectrum.loss:.6g}, gradient norm {spectrum.gradient_norm:.4g}"
        yield "Sharpness", self._sharpness_words()
        scope = "exact for a quadratic, all rows a step" if self.quadratic else "of the curvature at the start"
        limit = f"learning rate {self.learning_rate_limit:.6g} without momentum, 2/λmax ({scope})"
        if math.isinf(self.learning_rate_limit):
            limit = "none follows from the curvature at the start, of which none is positive"
        yield "Limit", limit
        yield "SGD", self.plain.sentence
        yield "Momentum", f"{self.with_momentum.momentum:.4g}, {self.with_momentum.sentence}"
        yield "Batch size", self._batch_words()
        trials = (self.plain.trial, self.with_momentum.trial, self.beyond)
        for trial in (trial for trial in trials if trial is not None):
            yield "Measured", f"{trial.name}, learning rate {trial.learning_rate:.6g}: {trial.sentence}"
        if self.judgement is not None:
            yield "Yours", self.judgement.sentence
        for finding in self.findings:
            yield "Warning", f"{finding.what}. {finding.remedy[:1].upper()}{finding.remedy[1:]}."

    def _sharpness_words(self) -> str:
        spectrum = self.spectrum
        plural = "" if spectrum.products == 1 else "s"
        count = f"{spectrum.products} Hessian-vector product{plural} ({self.products})"
        if not spectrum.largest.value and not spectrum.smallest.value:
            return f"no curvature, from {count}: the loss is a straight line in every direction at the start"
        unsure = "" if spectrum.converged else " (not converged: give more products)"
        same = "the same at two other points, as of a quadratic" if self.quadratic else "another at other points"
        value = f"largest eigenvalue {spectrum.largest.value:.6g} ± {spectrum.largest.residual:.1g}{unsure}"
        return f"{value}, from {count}; {same}; {self.steepest}"

    def _batch_words(self) -> str:
        if self.noise_scale is None:
            return f"gradient noise scale {self.noise_words}"
        if self.batch_size is None:
            return "the gradient is zero here, so that its noise scale is infinite: any batch is noise alone"
        return (
            f"{self.batch_size:,}: the gradient noise scale is {self.noise_scale.simple:.4g} rows, "
            f"{self.noise_words}; smaller batches are noise for the most part, larger ones waste rows (McCandlish et "
            "al. 2018). Uncertain: it grows as the loss goes down"
        )

    def __str__(self) -> str:
        return as_text(self.module, self._sections())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(f"Diagnosis of {self.module}", self._sections())
