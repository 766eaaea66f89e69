"""A path that unfolds, as a GIF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.artist import Artist

from steepest.descent import Descent
from steepest.errors import unknown_name
from steepest.figures.drawing import Window, objective_and_paths, window_of
from steepest.figures.landscapes import contour
from steepest.figures.style import MOST_IN_LEGEND, canvas, colour, labels_of, legend, style


def animate(
    runs: Descent | Sequence[Descent],
    path: str | Path,
    *,
    frames: int = 60,
    seconds: float = 6.0,
    window: Window | None = None,
) -> Path:
    """Write the paths of runs on their contour as a GIF that unfolds them step by step.

    Args:
        runs: what ``descend`` returned, or a list of such, on one objective of two parameters.
        path: a file ending in ``.gif``; its folder is made if need be.
        frames: pictures at most, at least 2.
        seconds: that the animation lasts.
        window: as in :func:`steepest.figures.contour`.

    Raises:
        ValueError: another suffix, too few frames, or as in ``contour``.
        OSError: the file cannot be written.
    """
    file = Path(path)
    if file.suffix.lower() != ".gif":
        raise unknown_name("animation format", file.suffix, [".gif"])
    if frames < 2 or not seconds > 0:
        raise ValueError(f"frames must be at least 2 and seconds above 0, got {frames} and {seconds}")
    objective, paths = objective_and_paths(runs)
    extent = window_of(objective, paths, window)
    with style():
        figure, axes = canvas(None, (7.0, 6.2))
        contour(objective, window=extent, ax=axes)
        words = labels_of(runs)
        several = len(paths) > 1
        lines = [
            axes.plot([], [], "o-", color=colour(place, len(paths)), markersize=4, zorder=3,
                      label=words[place] if several and len(paths) <= MOST_IN_LEGEND else None)[0]
            for place in range(len(paths))
        ]  # fmt: skip
        legend(axes)
        longest = max(len(points) for points, _ in paths)
        counts = np.unique(np.linspace(1, longest, min(frames, longest)).round().astype(int))
        axes.set_title(axes.get_title(), fontsize=12)

        def draw(count: int) -> Sequence[Artist]:
            for line, (points, _) in zip(lines, paths, strict=True):
                line.set_data(*points[:count].T)
            return lines

        moving = FuncAnimation(figure, draw, frames=counts, blit=False)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            moving.save(file, writer=PillowWriter(fps=max(1, round(len(counts) / seconds))), dpi=80)
        except OSError as error:
            raise OSError(f"the animation {file} cannot be written: {error.strerror or error}") from error
    return file
