"""Which learning rate of a sweep, and how many epochs."""

from __future__ import annotations

import numpy as np
import xarray as xr

from steepest.descent import Descent, Verdict

_TIE = 0.01
_SMOOTHED = 5


def chosen(sweep: Descent, convex: bool) -> tuple[float, int, str]:
    """The learning rate and number of epochs with the least validation loss, and why.

    A convex risk is trained to the end: its minimiser does not depend on the learning rate, only how soon it is
    reached, so runs that converged go before those that did not; of those that did not, the one whose loss over
    its later half is nowhere high, because one that oscillates may end low by chance. A network is stopped where its
    validation loss, averaged over a few records so that no lucky epoch of an unstable run wins, was least.
    """
    diverged = sweep.verdict == Verdict.DIVERGED.value
    if bool(diverged.all()):
        smallest = float(sweep.dataset.learning_rate.min())
        raise ValueError(
            f"every learning rate diverged, the smallest was {smallest:.3g}; give smaller ones as learning_rate"
        )
    rates = sweep.dataset.learning_rate
    if convex:
        converged = sweep.verdict == Verdict.CONVERGED.value
        if bool(converged.any()):
            reached = sweep.dataset["final_validation_loss"].where(converged)
            ended, tie = "converged at validation loss", ", and soonest"
        else:
            reached = _settled(sweep).where(~diverged)
            ended, tie = "none converged, so more epochs may help; it ended within a validation loss of", ""
        close = reached <= reached.min() + _TIE * abs(reached.min())
        place = int(np.argmin(sweep.steps.where(close).fillna(np.inf).values))
        epochs = int(sweep.steps[place])
        why = f"{ended} {float(reached[place]):.4g}, the least within {100 * _TIE:.0f} %{tie}"
    else:
        curves = sweep.dataset["validation_loss"].where(~diverged)
        smooth = curves.rolling(epoch=_SMOOTHED, center=True, min_periods=1).mean().fillna(np.inf)
        best = smooth.argmin(dim=["learning_rate", "epoch"])
        place = int(best["learning_rate"])
        epochs = max(1, round(float(curves.epoch[best["epoch"]])))
        why = f"least validation loss, {float(smooth.isel(best)):.4g}, around epoch {epochs}"
    if rates.size > 1 and place in (0, rates.size - 1):
        why += "; it lies at the edge of those tried, so a wider sweep may find a better one"
    return float(rates[place]), epochs, why


def _settled(sweep: Descent) -> xr.DataArray:
    """The largest validation loss in the later half of each run."""
    curves = sweep.dataset["validation_loss"]
    late = curves.isel(epoch=slice(curves.sizes["epoch"] // 2, None)).max("epoch")
    return late.fillna(sweep.dataset["final_validation_loss"])
