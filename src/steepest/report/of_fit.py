"""The parts of a report that a fit fills."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from steepest.descent import Verdict
from steepest.diagnosis import Diagnosis
from steepest.fit.fitting import Fit
from steepest.fit.scores import Scored, of_one_kind
from steepest.fit.values import counted, listed
from steepest.report.of_diagnosis import parts_of, warnings_of
from steepest.report.page import Page, Part, Table, Warned
from steepest.report.plots import curves_plot, sweep_plot
from steepest.theory.limits import learning_rate_limit

_MOST_COLUMNS = 200
_NAMES = {"r2": "R²", "rmse": "root mean squared error", "mae": "mean absolute error", "log_loss": "log loss (nats)"}
_LEADING = ("r2", "accuracy")
_MOST_DIGITS = 8
_DONE_ALREADY = ("scales", "constant feature")
_REMEDIES = {
    "duplicate features": "Leave one of each out with --ignore where you want to read the weights; predictions "
    "hardly change",
    "saddle": "Try another --seed, which starts elsewhere, or batches: --batch-size 32",
    "negative curvature": "Expect the end to depend on the start; try several values of --seed",
    "plateau": "Try another --seed, which starts elsewhere, or more --epochs",
    "growing curvature": "Give smaller rates as --learning-rate if the loss jumps while training",
}
_HIGHER_IS_BETTER = ("r2", "accuracy", "balanced_accuracy")


def page_of_fit(fitted: Fit, found: Diagnosis, repeat: Part) -> Page:
    """The report of a fit and of the diagnosis of what it trained on.

    Args:
        fitted: what is reported.
        found: of the risk of its training rows.
        repeat: how to repeat it.
    """
    recipe, task = fitted.recipe, fitted.predictor.task
    leading = next(name for name in fitted.scores if name in _LEADING)
    score = fitted.scores[leading]
    better = _distance(fitted, leading)
    beside = f"{_baseline(fitted)} has {score.baseline:.3f}, so that the model is {better}"
    tried = fitted.sweep.verdict.size
    chosen = "is the only one tried" if tried == 1 else f"was chosen of {tried}"
    seen = f"On {counted(fitted.rows['test'], 'row')} that it had not seen its {_score_name(leading)} is "
    leaks = [remark.column for remark in fitted.inspection.leaks]
    summary = [
        f"A {_model(fitted)} was trained to predict {task.target} from {fitted.source or 'a table'}: {task.why}.",
        *([f"Settle this before believing any score: {listed(leaks, 3)} may give the target away."] if leaks else []),
        seen + f"{_with_error(score)} ({_error_words(score)}); {beside}.",
        f"The learning rate {recipe.learning_rate:.4g} {chosen}: {fitted.chosen_because}.",
    ]
    facts = [
        *([("may give the target away", listed(leaks, 3))] if leaks else []),
        (_score_name(leading), _with_error(score)),
        ("baseline", f"{score.baseline:.3f}"),
        ("learning rate", f"{recipe.learning_rate:.4g}"),
        ("training", str(fitted.training.verdict.item())),
    ]
    warnings = [*_warnings(fitted, better), *_of_what_was_trained(found)]
    curvature, advice, trials = parts_of(found)
    parts = [
        _scores(fitted),
        _sweep(fitted, found),
        _training(fitted),
        trials,
        curvature,
        advice,
        _columns(fitted),
        repeat,
    ]
    return Page(f"{task.target} from {fitted.source or 'a table'}", summary, facts, warnings, parts)


def _with_error(score: Scored) -> str:
    """A score and its standard error, to two digits of the error at least."""
    if not np.isfinite(score.standard_error):
        return f"{score.value:.3f}"
    digits = _digits(score, 3)
    return f"{score.value:.{digits}f} ± {score.standard_error:.{digits}f}"


def _error_words(score: Scored) -> str:
    return "standard error" if np.isfinite(score.standard_error) else "its standard error cannot be told"


def _digits(score: Scored, least: int) -> int:
    error = score.standard_error
    if not (np.isfinite(error) and error > 0):
        return least + 1
    return int(np.clip(1 - np.floor(np.log10(error)), least, _MOST_DIGITS))


def _of_what_was_trained(found: Diagnosis) -> list[Warned]:
    """The findings that whoever fits a table can act on: a fit has scaled its features and left constants out."""
    return warnings_of(
        replace(
            found,
            findings=tuple(
                replace(finding, remedy=_REMEDIES.get(finding.kind, finding.remedy))
                for finding in found.findings
                if finding.kind not in _DONE_ALREADY
            ),
        )
    )


def _model(fitted: Fit) -> str:
    sizes = fitted.predictor.architecture.hidden_layer_sizes
    named = {"linear": "linear regression", "softmax": "softmax regression", "mlp": "network"}
    return named[fitted.predictor.architecture.model] + (
        f" with hidden layers of {', '.join(map(str, sizes))} units" if sizes else ""
    )


def _baseline(fitted: Fit) -> str:
    shares = fitted.predictor.task.is_classification
    return "the most frequent class" if shares else "the mean of the target"


def _score_name(name: str) -> str:
    return _NAMES.get(name, name.replace("_", " "))


def _distance(fitted: Fit, name: str) -> str:
    score = fitted.scores[name]
    gain = (score.value - score.baseline) * (1 if name in _HIGHER_IS_BETTER else -1)
    if not np.isfinite(score.standard_error) or abs(gain) <= 2 * score.standard_error:
        return "not better than that beyond the noise of so few rows"
    return "better by more than two standard errors" if gain > 0 else "worse than that"


def _warnings(fitted: Fit, better: str) -> list[Warned]:
    told = [(f"{names} {what}", remedy) for names, what, remedy in fitted.inspection.grouped()]
    alike = of_one_kind(fitted.scores)
    found = [Warned(_capital(what), _capital(remedy)) for what, remedy in [*([alike] if alike else []), *told]]
    if not better.startswith("better"):
        found.append(
            Warned(
                f"the model is {better}",
                "Add rows or features that bear on the target, or try --model mlp, before using it",
            )
        )
    verdict = str(fitted.training.verdict.item())
    if verdict == Verdict.OUT_OF_STEPS.value and fitted.predictor.architecture.model != "mlp":
        found.append(
            Warned(
                f"training did not converge within {fitted.recipe.epochs} epochs",
                "Give more --epochs; the scores may still rise",
            )
        )
    if "edge" in fitted.chosen_because:
        found.append(
            Warned(
                "the learning rate chosen lies at the edge of those tried",
                "Try a wider range, for instance --learning-rate 1e-5..1e3:41",
            )
        )
    return found


def _scores(fitted: Fit) -> Part:
    rows = [
        (_score_name(name), *(_figure(value, _digits(score, 4)) for value in _figures(score)))
        for name, score in fitted.scores.items()
    ]
    words = (
        f"{counted(fitted.rows['train'], 'row')} trained, {fitted.rows['validation']} chose the learning rate, "
        f"{fitted.rows['test']} tested. The standard error is the deviation over resamples of the test rows "
        "(Efron 1979)."
    )
    table = Table(("score on the test rows", "model", "standard error", "baseline"), rows, frozenset({1, 2, 3}))
    return Part("Test scores", [words], [table])


def _figure(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "none"


def _figures(score: Scored) -> tuple[float, float, float]:
    return score.value, score.standard_error, score.baseline


def _sweep(fitted: Fit, found: Diagnosis) -> Part:
    recipe = fitted.recipe
    rates = fitted.sweep.dataset["learning_rate"].values
    diverged = fitted.sweep.verdict.values == Verdict.DIVERGED.value
    marks = {"chosen": recipe.learning_rate}
    sentences = []
    if recipe.method == "sgd" and found.constants is not None and recipe.batch_size is None:
        momentum = recipe.momentum or 0.0
        limit = learning_rate_limit(found.constants.smoothness, momentum)
        marks["limit 2(1 + β)/L" if momentum else "limit 2/L"] = limit
        sentences.append(_limit_words(limit, rates, diverged, found.constants.quadratic))
    elif diverged.any() and not diverged.all():
        sentences.append(
            f"The largest rate that did not diverge is {rates[~diverged].max():.4g}, the smallest that did "
            f"{rates[diverged].min():.4g}; no theorem places this boundary for {recipe.method} on this model."
        )
    plot = sweep_plot(fitted.sweep, "final_validation_loss", "validation loss", marks)
    return Part("The learning rate", sentences, (), [plot] if len(rates) > 1 else ())


def _limit_words(limit: float, rates: NDArray[np.float64], diverged: NDArray[np.bool_], quadratic: bool) -> str:
    words = f"The limit that follows from the curvature is {limit:.4g}. "
    if not quadratic:
        words = f"Below {limit:.4g} no run can diverge, by the curvature of the loss anywhere; above it one may. "
    if not diverged.any() or diverged.all():
        return words + f"Measured: {'every' if diverged.all() else 'no'} rate tried diverged."
    low, high = rates[~diverged].max(), rates[diverged].min()
    words += f"Measured: the largest rate that did not diverge is {low:.4g}, the smallest that did {high:.4g}"
    if quadratic:
        # A rate within a hair of the limit needs more steps than there are to diverge.
        return words + (", as predicted." if low <= 1.05 * limit and high >= limit else ", not as predicted.")
    return words + (", as predicted: none below it did." if high > limit else ", not as predicted.")


def _training(fitted: Fit) -> Part:
    chosen = fitted.sweep.sel(learning_rate=fitted.recipe.learning_rate)
    epochs = chosen.dataset[chosen.record_dimension].values
    curves = {
        "training rows": (epochs, chosen.loss.values),
        "validation rows": (epochs, chosen.dataset["validation_loss"].values),
        "both together, the last training": (
            fitted.training.dataset[fitted.training.record_dimension].values,
            fitted.training.loss.values,
        ),
    }
    plot = curves_plot("training", "Loss over the epochs at the learning rate chosen", curves, "epoch")
    return Part("Training", [f"The last training: {_ended(fitted)}."], (), [plot])


def _ended(fitted: Fit) -> str:
    """How, as the sentences of a descent have it: "out of steps at step 30: ..."."""
    return fitted.training.explain().splitlines()[-1]


def _columns(fitted: Fit) -> Part:
    columns, inspection = fitted.predictor.columns, fitted.inspection
    shown = inspection.shown[:_MOST_COLUMNS]
    rows = [(column.name, column.kind, _count(column.missing), _count(column.distinct), column.use) for column in shown]
    sentences = [_features(len(columns.feature_names), len(columns.columns)) + f": {inspection.in_words()}."]
    more = len(inspection.columns) - len(shown)
    if more > 0:
        sentences.append(f"{more} columns more, complete and used as numbers for the most part, are not listed.")
    return Part(
        "Columns", sentences, [Table(("column", "kind", "missing", "distinct", "use"), rows, frozenset({2, 3}))]
    )


def _features(features: int, columns: int) -> str:
    return f"{counted(features, 'feature')} from {counted(columns, 'column')}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
