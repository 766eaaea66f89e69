"""The parts of a report that a diagnosis fills."""

from __future__ import annotations

import math

from steepest.diagnosis import Diagnosis
from steepest.report.page import Page, Part, Plot, Table, Warned
from steepest.report.plots import spectrum_plot, trial_plot
from steepest.theory.advice import Advice, finite_steps


def page_of_diagnosis(found: Diagnosis, subject: str | None, repeat: Part) -> Page:
    """The report of a diagnosis.

    Args:
        found: what is reported.
        subject: what was diagnosed, where the diagnosis does not say so itself.
        repeat: how to repeat it.
    """
    advice = found.advice
    certain = (
        "guaranteed by a theorem" if found.certain else "uncertain: nothing guarantees it, and a short run bore it out"
    )
    summary = [
        f"{found.objective[:1].upper()}{found.objective[1:]}.",
        f"Use {advice.method} with learning rate {found.learning_rate:.4g}"
        + (f" and momentum {advice.setting.momentum:.4g}" if advice.setting.momentum else "")
        + f": {advice.why}. This is {certain}.",
    ]
    if found.judgement is not None:
        summary.append(f"Your {found.judgement.sentence}.")
    facts = [
        ("advised learning rate", f"{found.learning_rate:.4g}"),
        ("limit with this momentum", f"{advice.limit:.4g}"),
        ("largest curvature", f"{found.spectrum.largest.value:.4g}"),
        ("condition number", _condition(found)),
    ]
    if found.judgement is not None:
        facts.insert(0, (f"learning rate {found.judgement.learning_rate:.4g}", found.judgement.verdict))
    title = f"Diagnosis of {subject or found.objective.split(',')[0]}"
    return Page(title, summary, facts, warnings_of(found), [*parts_of(found), repeat])


def warnings_of(found: Diagnosis) -> list[Warned]:
    """The findings, each with its remedy."""
    return [Warned(finding.what, f"{finding.remedy[:1].upper()}{finding.remedy[1:]}") for finding in found.findings]


def parts_of(found: Diagnosis) -> list[Part]:
    """Curvature and limits; predictions beside what was measured."""
    return [_curvature(found), _advice(found), _trials(found)]


def _curvature(found: Diagnosis) -> Part:
    spectrum, constants = found.spectrum, found.constants
    rows = [
        ("loss at the start", f"{spectrum.loss:.6g}"),
        ("gradient norm at the start", f"{spectrum.gradient_norm:.4g}"),
        ("parameters", f"{spectrum.size:,}"),
        ("largest curvature", f"{spectrum.largest.value:.6g} ± {spectrum.largest.residual:.1g}"),
        ("smallest curvature", f"{spectrum.smallest.value:.6g} ± {spectrum.smallest.residual:.1g}"),
        ("condition number", _condition(found)),
        ("limit of plain descent there, 2/λmax", f"{spectrum.learning_rate_limit:.6g}"),
    ]
    if constants is not None:
        rows += [
            ("smoothness L, everywhere", f"{constants.smoothness:.6g}"),
            ("strong convexity μ, everywhere", f"{constants.strong_convexity:.6g}"),
        ]
    sentences = [f"{found.steepest[:1].upper()}{found.steepest[1:]}."]
    sentences.append(f"{constants.why}." if constants is not None else f"{found.why_no_constants}.")
    if found.end_spectrum is not None:
        sentences.append(
            f"Where the trial ended the largest curvature is {found.end_spectrum.largest.value:.4g}, and the limit of "
            f"plain descent {found.end_spectrum.learning_rate_limit:.4g}."
        )
    capitals = [sentence[:1].upper() + sentence[1:] for sentence in sentences]
    table = Table(("quantity", "value"), rows, frozenset({1}))
    return Part("Curvature", capitals, [table], [spectrum_plot(found.spectrum)])


def _condition(found: Diagnosis) -> str:
    known = found.constants
    if known is not None and known.strong_convexity > 0:
        return f"{known.condition_number:.4g}"
    interval = found.spectrum.condition_number
    if interval is None:
        return "none: not convex here"
    if math.isinf(interval.low):
        return "infinite: a direction is flat"
    return f"{interval.low:.4g}" if interval.low == interval.high else f"at least {interval.low:.4g}"


def _advice(found: Diagnosis) -> Part:
    def row(name: str, given: Advice) -> tuple[str, ...]:
        return (
            name,
            given.method,
            f"{given.setting.learning_rate:.4g}",
            f"{given.setting.momentum:.4g}",
            "all" if given.batch_size is None else str(given.batch_size),
            finite_steps(given.steps()),
            given.schedule,
        )

    rows = [row("all rows", found.advice)]
    sentences = [f"{found.settled.words[:1].upper()}{found.settled.words[1:]}."]
    if found.batch_advice is not None:
        rows.append(row("with batches", found.batch_advice))
        sentences.append(f"With batches: {found.batch_advice.why}.")
    headings = ("", "method", "learning rate", "momentum", "batch", "steps to 1e-6", "schedule")
    return Part("Advice", sentences, [Table(headings, rows, frozenset({2, 3, 4, 5}))])


def _trials(found: Diagnosis) -> Part:
    rows = [
        (
            trial.name,
            f"{trial.setting.learning_rate:.4g}",
            trial.prediction,
            trial.verdict,
            {True: "yes", False: "no", None: "nothing was promised"}[trial.as_predicted],
            _factor(trial.predicted_factor) if trial.prediction != "uncertain" else "–",
            _factor(trial.measured_factor),
            f"{int(trial.run.steps.item()):,}",
        )
        for trial in found.trials
    ]
    headings = (
        "trial",
        "learning rate",
        "predicted",
        "measured",
        "as predicted",
        "factor predicted",
        "factor measured",
        "steps",
    )
    plots: list[Plot] = [plot for plot in map(trial_plot, found.trials[:1]) if plot is not None]
    words = (
        "What theory said before, and what a run then did. The factor is what the loss above the minimum is multiplied "
        "by a step, in the long run."
    )
    return Part("Prediction and measurement", [words], [Table(headings, rows, frozenset({1, 5, 6, 7}))], plots)


def _factor(value: float) -> str:
    return f"{value:.5g}" if math.isfinite(value) else "–"
