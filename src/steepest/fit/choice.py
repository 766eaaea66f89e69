"""Which learning rate of a sweep, and how many epochs."""

from __future__ import annotations

import numpy as np
import xarray as xr

from steepest.descent import Descent, Verdict

_TIE = 0.01
_SMOOTHED = 5


def chosen(sweep: Descent, convex: bool) -> tuple[float, int, str]:
    """The learning rate and number of epochs that promise the least validation loss, and why.

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
        place, why = _of_convex(sweep, diverged)
        epochs = int(sweep.steps[place])
    else:
        curves = sweep.dataset["validation_loss"].where(~diverged)
        smooth = curves.rolling(epoch=_SMOOTHED, center=True, min_periods=1).mean().fillna(np.inf)
        best = smooth.argmin(dim=["learning_rate", "epoch"])
        place = int(best["learning_rate"])
        epochs = max(1, round(float(curves.epoch[best["epoch"]])))
        why = (
            f"its validation loss, averaged over {_SMOOTHED} records, was least around epoch {epochs}: "
            f"{float(smooth.isel(best)):.4g}"
        )
    if rates.size > 1 and place in (0, rates.size - 1):
        why += "; it lies at the edge of those tried, so a wider sweep may find a better one"
    return float(rates[place]), epochs, why


def _of_convex(sweep: Descent, diverged: xr.DataArray) -> tuple[int, str]:
    """The place of the run chosen of those of a convex risk, and why."""
    final = sweep.dataset["final_validation_loss"]
    converged = sweep.verdict == Verdict.CONVERGED.value
    some = bool(converged.any())
    reached = final.where(converged) if some else _settled(sweep).where(~diverged)
    close = reached <= reached.min() + _TIE * abs(reached.min())
    place = int(np.argmin(sweep.steps.where(close).fillna(np.inf).values))
    own = float(reached[place])
    alone = sweep.verdict.size == 1
    if some:
        why = f"it converged at validation loss {own:.4g}"
        why += "" if alone else f", of those that converged the least within {100 * _TIE:.0f} %, and soonest"
    elif alone:
        return place, f"it did not converge, so more epochs may help; it ended at validation loss {float(final[0]):.4g}"
    else:
        why = (
            "none converged, so more epochs may help; the runs are compared by the highest validation loss of their "
            f"later half, so that none wins by a lucky last epoch, and its {own:.4g} is the least within "
            f"{100 * _TIE:.0f} %"
        )
    lower = final.where(~diverged).fillna(np.inf).values
    best = int(np.argmin(lower))
    if lower[best] < float(final[place]) - _TIE * abs(float(final[place])):
        why += f"; learning rate {float(sweep.dataset.learning_rate[best]):.4g} ended lower, at {lower[best]:.4g}, but "
        why += "did not converge" if some else f"was as high as {float(_settled(sweep)[best]):.4g} in its later half"
    return place, why


def _settled(sweep: Descent) -> xr.DataArray:
    """The largest validation loss in the later half of each run."""
    curves = sweep.dataset["validation_loss"]
    late = curves.isel(epoch=slice(curves.sizes["epoch"] // 2, None)).max("epoch")
    return late.fillna(sweep.dataset["final_validation_loss"])
