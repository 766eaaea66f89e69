"""The plots of a report, as plain dicts of plotly: sweep, curves, spectrum, trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.descent import Descent, Verdict
from steepest.descent.showing import VERDICT_COLOURS
from steepest.diagnosis.trial import Trial
from steepest.figures.style import PALETTE
from steepest.report.page import Plot, Table, label
from steepest.theory.eigenvalues import Spectrum

_SYMBOLS = {
    Verdict.CONVERGED.value: "circle",
    Verdict.OUT_OF_STEPS.value: "square",
    Verdict.DIVERGED.value: "triangle-up",
    Verdict.INTERRUPTED.value: "diamond",
}
_ABOVE = 3.0
_MOST_POINTS = 400
_MOST_ROWS = 60


def sweep_plot(sweep: Descent, measure: str, words: str, marks: Mapping[str, float]) -> Plot:
    """A measure of the end of each run over the learning rate; diverged runs stand above the others.

    Args:
        sweep: a Descent with the axis ``learning_rate`` alone.
        measure: a variable with one number a run.
        words: what the measure is called.
        marks: what is marked on the axis → learning rate.
    """
    rates = sweep.dataset["learning_rate"].values
    values = np.asarray(sweep.dataset[measure].values, float)
    verdicts = sweep.verdict.values
    diverged = verdicts == Verdict.DIVERGED.value
    kept = values[~diverged & np.isfinite(values)]
    top = _ABOVE * kept.max() if len(kept) else 1.0
    shown = np.where(diverged | ~np.isfinite(values) | (values > top), top, values)
    logarithmic = bool(len(kept) and kept.min() > 0)
    traces = []
    for verdict, colour in VERDICT_COLOURS.items():
        there = verdicts == verdict
        if there.any():
            said = [f"learning rate {r:.4g}<br>{label(words)} {v:.4g}" for r, v in zip(rates, values, strict=True)]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": verdict,
                    "x": rates[there],
                    "y": shown[there],
                    "text": [one for one, kept_ in zip(said, there, strict=True) if kept_],
                    "hovertemplate": "%{text}<extra>" + verdict + "</extra>",
                    "marker": {
                        "size": 10,
                        "color": colour,
                        "symbol": _SYMBOLS[verdict],
                        "line": {"width": 1, "color": "#555"},
                    },
                }
            )
    layout = {
        "xaxis": {"type": "log", "title": {"text": "learning rate"}},
        "yaxis": {"type": "log" if logarithmic else "linear", "title": {"text": label(words)}},
        "shapes": [_line(rate) for rate in marks.values()],
        "annotations": [_mark(name, rate, place) for place, (name, rate) in enumerate(marks.items())],
        "margin": {"l": 72, "r": 24, "t": 48 + 20 * len(marks), "b": 96},
        # At the bottom of the picture, whatever its height: beneath the title of the axis.
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    }
    table = Table(
        ("learning rate", words, "verdict"),
        [
            (f"{r:.4g}", f"{v:.4g}" if np.isfinite(v) else "not finite", str(w))
            for r, v, w in zip(rates, values, verdicts, strict=True)
        ],
        frozenset({0, 1}),
    )
    return Plot("sweep", f"{words.capitalize()} of each learning rate tried, by how it ended", traces, layout, table)


def _line(rate: float) -> dict[str, Any]:
    return {
        "type": "line", "xref": "x", "yref": "paper", "x0": rate, "x1": rate, "y0": 0, "y1": 1,
        "line": {"color": "ink", "width": 1.5, "dash": "dot"},
    }  # fmt: skip


def _mark(name: str, rate: float, place: int) -> dict[str, Any]:
    return {
        "xref": "x", "yref": "paper", "x": float(np.log10(rate)), "y": 1, "yshift": 10 + 20 * place,
        "text": label(name), "showarrow": False, "yanchor": "bottom",
    }  # fmt: skip


def curves_plot(name: str, title: str, curves: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], axis: str) -> Plot:
    """Curves over steps or epochs: name → (places, values); what is not finite is left out."""
    traces, rows = [], []
    least = np.inf
    for place, (called, (steps, losses)) in enumerate(curves.items()):
        there = np.isfinite(losses)
        at, values = _thinned(steps[there], losses[there])
        least = min(least, values.min(initial=np.inf))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": label(called),
                "x": at,
                "y": values,
                "line": {
                    "color": PALETTE[place % len(PALETTE)],
                    "dash": ("solid", "dash", "dot")[place % 3],
                    "width": 2.5,
                },
                "hovertemplate": f"{axis} %{{x}}: %{{y:.5g}}<extra>{label(called)}</extra>",
            }
        )
        some = np.unique(np.linspace(0, len(at) - 1, min(len(at), 12)).astype(int))
        rows += [(called, f"{at[one]:g}", f"{values[one]:.5g}") for one in some]
    layout = {
        "xaxis": {"title": {"text": axis}},
        "yaxis": {"type": "log" if least > 0 else "linear", "title": {"text": "loss"}},
    }
    return Plot(name, title, traces, layout, Table(("curve", axis, "loss"), rows, frozenset({1, 2})))


def _thinned(at: NDArray[Any], values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """As many points as the eye can tell apart, evenly over the steps, the last among them."""
    if len(at) <= _MOST_POINTS:
        return at, values
    some = np.unique(np.linspace(0, len(at) - 1, _MOST_POINTS).astype(int))
    return at[some], values[some]


def spectrum_plot(found: Spectrum) -> Plot:
    """All eigenvalues that are known, largest first."""
    values = found.eigenvalues
    if values is None:
        values = np.array([found.smallest.value, found.largest.value])
    values = values[::-1]
    places = np.arange(1, len(values) + 1)
    positive = bool((values > found.rounding).all())
    trace = {
        "type": "scatter",
        "mode": "markers+lines" if len(values) > 2 else "markers",
        "x": places,
        "y": values,
        "marker": {"size": 8, "color": PALETTE[0]},
        "line": {"width": 1, "color": PALETTE[0]},
        "hovertemplate": "eigenvalue %{x}: %{y:.5g}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "eigenvalue, largest first"}, "dtick": 1 if len(values) <= 12 else None},
        "yaxis": {"type": "log" if positive else "linear", "title": {"text": "curvature"}},
        "showlegend": False,
    }
    rows = [(str(place), f"{value:.6g}") for place, value in zip(places, values, strict=True)][:_MOST_ROWS]
    title = "Eigenvalues of the Hessian at the start" + ("" if found.dense else ": the two outermost, from Lanczos")
    return Plot("spectrum", title, [trace], layout, Table(("place", "curvature"), rows, frozenset({0, 1})))


def trial_plot(trial: Trial) -> Plot | None:
    """The loss of a trial above the minimum beside the bound of theory; its loss alone where the minimum is unknown."""
    if trial.comparison is None:
        steps = trial.run.dataset["step"].values
        curves = {"measured": (steps, trial.run.loss.values)}
    else:
        data = trial.comparison.dataset
        steps = data["step"].values
        curves = {"measured": (steps, data["excess"].values)}
        if np.isfinite(data["bound"].values).any():
            curves["allowed by theory"] = (steps, data["bound"].values)
    kept = {name: (at, np.where(values > 0, values, np.nan)) for name, (at, values) in curves.items()}
    if not any(np.isfinite(values).any() for _, values in kept.values()):
        return None
    above = "above the minimum " if trial.comparison is not None else ""
    name = "trial-" + "".join(sign if sign.isalnum() else "-" for sign in trial.name)
    title = f"Loss {above}in the trial of {trial.name}, learning rate {trial.setting.learning_rate:.4g}"
    return curves_plot(name, title, kept, "step")
