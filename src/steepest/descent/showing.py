"""A Descent in a notebook: one run in full, a few in a row each, many by how they ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import xarray as xr

from steepest.descent.stops import Verdict
from steepest.showing import Markup, bar, card, dot, listing, number, sparkline, vector

VERDICT_COLOURS = {
    Verdict.CONVERGED.value: "#0072B2",
    Verdict.OUT_OF_STEPS.value: "#F0E442",
    Verdict.DIVERGED.value: "#D55E00",
    Verdict.INTERRUPTED.value: "#999999",
}
"""Verdict → colour, here and in figures: those of Okabe & Ito (2008), which the colour-blind can tell apart."""

_ROWS = 20
_LINE = "#56B4E9"  # seen on white and on black
_MOST_PARAMETERS = 6


def as_html(descent: Any) -> str:
    """The HTML that a notebook shows for a :class:`steepest.Descent`."""
    sizes = " × ".join(f"{name} {descent.dataset.sizes[name]}" for name in descent.axes)
    count = f"{descent.verdict.size:,} runs ({sizes})" if sizes else "1 run"
    attributes = descent.dataset.attrs
    what = ", ".join(str(attributes[name]) for name in ("objective", "method") if name in attributes)
    title = f"Descent of {count}" + (f": {what}" if what else "")
    if not descent.axes:
        return card(title, _one(descent))
    if descent.verdict.size <= _ROWS:
        return card(title, _chosen(descent), _several(descent))
    return card(title, [*_chosen(descent), *_many(descent)])


def _chosen(descent: Any) -> Iterator[tuple[str, Any]]:
    words = descent.dataset.attrs.get("learning_rate_chosen")
    if words:
        yield "chosen", words


def _one(descent: Any) -> Iterator[tuple[str, Any]]:
    yield "verdict", _verdict(descent.verdict.item(), f" at step {descent.steps.item():,}")
    yield "reason", descent.reason.item()
    yield from _chosen(descent)
    yield "loss", number(descent.final_loss.item())
    yield "gradient norm", number(descent.final_gradient_norm.item())
    for path, leaf in jax.tree_util.tree_leaves_with_path(descent.params)[:_MOST_PARAMETERS]:
        name = jax.tree_util.keystr(path, simple=True, separator=".") if path else "parameters"
        yield name, vector(leaf)
    curve = _curve(descent.loss)
    if curve:
        yield f"loss by {descent.record_dimension}", curve


def _several(descent: Any) -> Markup:
    rows = []
    for index in np.ndindex(descent.verdict.shape):
        place = dict(zip(descent.axes, index, strict=True))
        one = {
            name: getattr(descent, name).isel(place) for name in ("verdict", "steps", "final_loss", "reason", "loss")
        }
        rows.append([
            *(number(descent.dataset[name].values[position].item()) for name, position in place.items()),
            _verdict(one["verdict"].item()), f"{one['steps'].item():,}", number(one["final_loss"].item()),
            one["reason"].item(), _curve(one["loss"], 90, 18),
        ])  # fmt: skip
    return listing([*descent.axes, "verdict", "step", "loss", "because", "loss curve"], rows)


def _many(descent: Any) -> Iterator[tuple[str, Any]]:
    verdicts, counts = np.unique(descent.verdict.values.astype(str), return_counts=True)
    found = dict(zip(verdicts.tolist(), counts.tolist(), strict=True))
    yield "verdicts", bar({name: found[name] for name in VERDICT_COLOURS if name in found}, VERDICT_COLOURS)
    for name in descent.axes:
        yield name, _extent(descent.dataset[name])
    if (descent.verdict != Verdict.DIVERGED.value).any():
        best = descent.best()
        where = ", ".join(f"{name} {number(best.dataset[name].item())}" for name in descent.axes)
        yield "lowest loss", f"{number(best.final_loss.item())} at {where}, {best.verdict.item()}"


def _extent(coordinate: xr.DataArray) -> str:
    values = coordinate.values
    if np.issubdtype(values.dtype, np.number):
        return f"{len(values):,} from {number(values.min().item())} to {number(values.max().item())}"
    shown = ", ".join(str(value) for value in values[:8])
    return shown if len(values) <= 8 else f"{shown}, … {len(values):,} in all"


def _verdict(verdict: str, more: str = "") -> Markup:
    return Markup(f"{dot(VERDICT_COLOURS[verdict])} {verdict}{more}")


def _curve(loss: xr.DataArray, width: int = 220, height: int = 40) -> Markup:
    values = loss.values
    finite = values[np.isfinite(values)]
    words = f"loss from {number(finite[0])} to {number(finite[-1])}" if len(finite) else ""
    return sparkline(values, _LINE, width, height, words)
