"""The look shared by all figures, and how one is saved.

Colours of runs are those of Okabe & Ito (2008), told apart by every common form of colour-blindness; surfaces use
``cividis`` (Nuñez, Anderton & Renslow 2018). Nothing here touches pyplot or the user's rcParams.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from steepest.descent import Descent, Verdict
from steepest.errors import unknown_name

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
VERDICT_MARKERS = {
    Verdict.CONVERGED.value: "o",
    Verdict.OUT_OF_STEPS.value: "s",
    Verdict.DIVERGED.value: "^",
    Verdict.INTERRUPTED.value: "D",
}
SYMBOLS = {"learning_rate": r"$\eta$", "momentum": r"$\beta$", "batch_size": r"$B$"}
NAMES = {"learning_rate": r"learning rate $\eta$", "momentum": r"momentum $\beta$", "batch_size": "batch size"}
FORMATS = (".gif", ".pdf", ".png", ".svg")
MOST_IN_LEGEND = 8
_MOST_RUNS = 500

_STYLE: dict[str, Any] = {
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.labelsize": 13,
    "legend.fontsize": 12,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "mathtext.fontset": "dejavusans",
    "text.usetex": False,
}


class Picture(Figure):
    """A figure that a notebook shows, though pyplot does not know of it."""

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        with style():
            self.savefig(written, format="png", dpi=72)
        return written.getvalue()


def style() -> AbstractContextManager[None]:
    """A context in which matplotlib draws in our look; the user's settings come back on leaving."""
    context: AbstractContextManager[None] = mpl.rc_context(_STYLE)  # type: ignore[arg-type]
    return context


def canvas(ax: Axes | None, size: tuple[float, float] = (8.0, 6.0), **options: Any) -> tuple[Figure, Axes]:
    """The axes given and their figure, or new ones of this size in inches."""
    if ax is not None:
        figure = ax.figure
        while isinstance(figure, SubFigure):
            figure = figure.figure
        return figure, ax
    figure = Picture(figsize=size, layout="constrained")
    return figure, figure.add_subplot(**options)


def sheet(
    projections: Sequence[str | None] = (None, None), size: tuple[float, float] = (16.0, 7.5)
) -> tuple[Figure, list[Axes]]:
    """An empty figure in our look with axes side by side, to hand to the ``ax`` of other figures.

    Args:
        projections: of each of the axes: None for flat, ``"3d"`` for a surface.
        size: width and height in inches.

    >>> figure, (left, right) = sheet()
    """
    with style():
        figure = Picture(figsize=size, layout="constrained")
        count = len(projections)
        return figure, [
            figure.add_subplot(1, count, place + 1, projection=kind) for place, kind in enumerate(projections)
        ]


def save(figure: Figure, path: str | Path, dpi: int = 150) -> Path:
    """Write a figure as PNG, PDF or SVG, by the suffix; its folder is made if need be.

    Raises:
        ValueError: another suffix.
        OSError: the file cannot be written.

    >>> save(Figure(), "figure.jpg")
    Traceback (most recent call last):
    ...
    ValueError: unknown figure format '.jpg': did you mean '.png'? Allowed: .pdf, .png, .svg
    """
    file = Path(path)
    still = [suffix for suffix in FORMATS if suffix != ".gif"]
    if file.suffix.lower() not in still:
        raise unknown_name("figure format", file.suffix, still)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with style():
            figure.savefig(file, dpi=dpi)
    except OSError as error:
        raise OSError(f"the figure {file} cannot be written: {error.strerror or error}") from error
    return file


def each_run(descent: Descent | Sequence[Descent]) -> list[Descent]:
    """Every run on its own, in the order of the axes.

    Raises:
        TypeError: something else than descents.
        ValueError: there are too many to draw.
    """
    several = [descent] if isinstance(descent, Descent) else list(descent)
    if not several or not all(isinstance(one, Descent) for one in several):
        raise TypeError(f"a figure of runs takes what descend returned, or a list of such, got {descent!r}")
    count = sum(one.verdict.size for one in several)
    if count > _MOST_RUNS:
        raise ValueError(
            f"{count} runs are too many to draw one by one; select some with sel or isel, or draw a verdict map"
        )
    return [run for one in several for run in _split(one)]


def _split(descent: Descent) -> Iterator[Descent]:
    sizes = [descent.dataset.sizes[name] for name in descent.axes]
    for index in itertools.product(*(range(size) for size in sizes)):
        yield descent.isel(**dict(zip(descent.axes, index, strict=True))) if index else descent


def labels_of(descent: Any, labels: Sequence[str] | None = None) -> list[str]:
    """A label for every run: those given, or the coordinates of the axes; a diverged run says so."""
    runs = each_run(descent)
    if labels is not None:
        if len(labels) != len(runs):
            raise ValueError(f"labels must be one for each of {len(runs)} runs, got {len(labels)}")
        return list(labels)
    several = [descent] if isinstance(descent, Descent) else list(descent)
    axes = [name for one in several for _ in range(one.verdict.size) for name in [one.axes]]
    found = []
    for run, names in zip(runs, axes, strict=True):
        words = ", ".join(label(str(name), run.dataset[name].item()) for name in names)
        ending = " (diverges)" if run.verdict == Verdict.DIVERGED.value else ""
        found.append((words or run_name(run)) + ending)
    return found


def run_name(run: Descent) -> str:
    """What a single run is called in a legend: its learning rate, else its method."""
    rate = run.dataset.attrs.get("learning_rate")
    return (
        label("learning_rate", rate)
        if isinstance(rate, float | int)
        else str(run.dataset.attrs.get("method", "descent"))
    )


def label(name: str, value: Any) -> str:
    r"""``η = 0.1`` for a number on an axis of that name.

    >>> label("learning_rate", 0.1), label("method", "adam")
    ('$\\eta$ = 0.1', 'adam')
    """
    if isinstance(value, str):
        return value
    shown = f"{value:.3g}" if isinstance(value, float) else str(value)
    return f"{SYMBOLS.get(name, name)} = {shown}"


def colour(place: int, count: int) -> Any:
    """The colour of a run: from the palette up to eight, along a map beyond."""
    if count <= len(PALETTE):
        return PALETTE[place]
    return mpl.colormaps["plasma"](0.9 * place / max(1, count - 1))


def is_logarithmic(values: Any) -> bool:
    """Whether numbers are positive and spaced by ratios rather than by differences.

    >>> is_logarithmic([0.01, 0.1, 1.0]), is_logarithmic([0.0, 0.5, 0.9])
    (True, False)
    """
    array = np.asarray(values)
    if array.size < 3 or not np.issubdtype(array.dtype, np.number) or array.min() <= 0:
        return False
    ordered = np.sort(array.astype(float))
    return bool(
        ordered[-1] / ordered[0] >= 8 and np.std(np.diff(np.log(ordered))) < np.std(np.diff(ordered)) / np.mean(ordered)
    )


def legend(ax: Axes, *, below: bool = True, columns: int = 3) -> None:
    """The legend beneath the axes, never over the data."""
    handles, words = ax.get_legend_handles_labels()
    if handles and below:
        ax.legend(handles, words, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=min(columns, len(handles)))
