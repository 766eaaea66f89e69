"""The folder that a fit leaves: model, metrics, sweep, figures and a page that says what was done and why."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np

from steepest.fit.fitting import Fit
from steepest.fit.scores import of_one_kind
from steepest.fit.values import counted

LIBRARIES = ("steepest", "jax", "optax", "numpy", "scikit-learn", "pandas")
"""Those whose versions are noted with what was found, to repeat it by."""

_UNITS = {"r2": "", "rmse": " (units of the target)", "mae": " (units of the target)", "log_loss": " (nats)"}


def check_folder(folder: str | Path, overwrite: bool = False) -> Path:
    """The folder, made sure of before any work: it can be written, and holds nothing unless ``overwrite``.

    Raises:
        FileExistsError: it holds files.
        OSError: it is a file, or cannot be written.
    """
    place = Path(folder)
    if place.is_file():
        raise FileExistsError(f"{place} is a file; give a folder")
    if place.is_dir() and any(place.iterdir()) and not overwrite:
        raise FileExistsError(f"{place} is not empty; give another folder, or --overwrite (overwrite=True)")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{place} cannot be made: {error.strerror or error}") from error
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(f"{place} cannot be written; check its permissions or give another folder")
    return place


def write_fit(fitted: Fit, folder: str | Path, *, overwrite: bool = False, command: str | None = None) -> Path:
    """Write everything a fit found.

    The folder then holds ``model.npz`` and ``model.json`` (:func:`load_model` reads them), ``metrics.json``,
    ``sweep.zarr`` (``xarray.open_zarr`` reads it), ``figures/`` and ``summary.md``.

    Args:
        fitted: what :func:`fit` returned.
        folder: where to; made if need be.
        overwrite: whether files of an earlier fit may be replaced.
        command: the command that made the fit, for the summary.

    Returns:
        the folder.

    Raises:
        FileExistsError: the folder holds files and ``overwrite`` is not given.
        OSError: the folder cannot be written.
    """
    place = check_folder(folder, overwrite)
    fitted.predictor.save(place)
    (place / "metrics.json").write_text(
        json.dumps(_metrics(fitted), indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    shutil.rmtree(place / "sweep.zarr", ignore_errors=True)
    fitted.sweep.to_zarr(place / "sweep.zarr")
    figures = _write_figures(fitted, place / "figures")
    (place / "summary.md").write_text(summary(fitted, command, figures), encoding="utf-8")
    return place


def _metrics(fitted: Fit) -> dict[str, object]:
    return {
        "test": {
            name: {part: value if np.isfinite(value) else None for part, value in asdict(score).items()}
            for name, score in fitted.scores.items()
        },
        "rows": fitted.rows,
        "recipe": asdict(fitted.recipe),
        "sweep": {
            "learning_rate": fitted.sweep.dataset.learning_rate.values.tolist(),
            "verdict": fitted.sweep.verdict.values.tolist(),
            "final_validation_loss": [
                float(value) if np.isfinite(value) else None
                for value in fitted.sweep.dataset["final_validation_loss"].values
            ],
        },
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _write_figures(fitted: Fit, folder: Path) -> list[str]:
    from steepest import figures

    folder.mkdir(exist_ok=True)
    chosen = fitted.sweep.sel(learning_rate=fitted.recipe.learning_rate)
    drawn = {
        "learning_curves.png": figures.learning_curves(chosen, fitted.training),
        "sweep.png": figures.sweep(
            fitted.sweep, "final_validation_loss", chosen=fitted.recipe.learning_rate, label="validation loss"
        ),
    }
    for name, figure in drawn.items():
        figures.save(figure, folder / name)
    return [f"figures/{name}" for name in drawn]


def summary(fitted: Fit, command: str | None = None, figures: list[str] | None = None) -> str:
    """One page in Markdown: the data, what was decided and why, the scores, and how to repeat it."""
    recipe, task = fitted.recipe, fitted.predictor.task
    columns = fitted.predictor.columns
    verdicts, counts = np.unique(fitted.sweep.verdict.values, return_counts=True)
    together = fitted.rows["train"] + fitted.rows["validation"]
    trained = (
        f"The model was trained on the {together} rows that are not tested on; it ended {fitted.training.explain()}."
    )
    lines = [
        f"# {task.target} from {fitted.source or 'a table'}",
        "",
        f"- Task: {task.why}.",
        "- Rows: {train} to train, {validation} to choose by, {test} to test.".format(**fitted.rows),
        f"- Features: {len(columns.feature_names)} from {counted(len(columns.columns), 'column')}.",
        f"- Model: {fitted.predictor.architecture.model}{_hidden(fitted)}, L2 term {recipe.l2:.3g}.",
        f"- Method: {recipe.method}{_momentum(recipe.momentum)}, {_batches(recipe.batch_size)}.",
        "",
        *_columns(fitted),
        "## The learning rate",
        "",
        f"{fitted.sweep.verdict.size} tried: "
        + ", ".join(f"{n} {name}" for name, n in zip(verdicts, counts, strict=True))
        + ".",
        f"Chosen: **{recipe.learning_rate:.4g}**; {fitted.chosen_because}.",
        "",
        "## Test scores",
        "",
        "| score | model | standard error | baseline |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name}{_UNITS.get(name, '')} | {_figure(score.value)} | {_figure(score.standard_error)} "
            f"| {_figure(score.baseline)} |"
            for name, score in fitted.scores.items()
        ),
        "",
        *([f"{_capital(alike[0])}; {alike[1]}.", ""] if (alike := of_one_kind(fitted.scores)) else []),
        trained,
        "The baseline predicts "
        + ("the training shares of the classes" if task.is_classification else "the training mean")
        + ".",
    ]
    if figures:
        lines += ["", "## Figures", "", *(f"![{Path(name).stem.replace('_', ' ')}]({name})" for name in figures)]
    lines += ["", "## To repeat it", ""]
    if command:
        lines += ["```", command, "```", ""]
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    lines.append(f"Seed {recipe.seed}; {python}; " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES) + ".")
    return "\n".join(lines) + "\n"


def _columns(fitted: Fit) -> list[str]:
    """What to look at first, then what each column was found to be."""
    inspection = fitted.inspection
    shown = inspection.shown
    more = len(inspection.columns) - len(shown)
    return [
        *(f"- {_capital(names)} {what}; {remedy}." for names, what, remedy in inspection.grouped()),
        *([""] if inspection.remarks else []),
        "## Columns",
        "",
        f"{inspection.in_words()}.",
        "",
        "| column | kind | missing | distinct | use |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {_cell(column.name)} | {column.kind} | {_count(column.missing)} | {_count(column.distinct)} "
            f"| {_cell(column.use)} |"
            for column in shown
        ),
        *([f"| and {more} more | | | | |"] if more else []),
        "",
    ]


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _cell(words: str) -> str:
    """Words in a cell of a Markdown table."""
    return " ".join(words.replace("\\", "\\\\").replace("|", "\\|").split())


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _hidden(fitted: Fit) -> str:
    sizes = fitted.predictor.architecture.hidden_layer_sizes
    return f" with hidden layers of {', '.join(map(str, sizes))} units" if sizes else ""


def _momentum(momentum: float | None) -> str:
    return f" with momentum {momentum:g}" if momentum is not None else ""


def _batches(batch_size: int | None) -> str:
    return "the full batch each step" if batch_size is None else f"batches of {batch_size} rows"


def _figure(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "none"
