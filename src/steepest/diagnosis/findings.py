"""What is wrong with a loss or its data, in plain words, each with a remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from steepest.descent import Descent
from steepest.objectives import Params
from steepest.risk import EmpiricalRisk
from steepest.theory.eigenvalues import Spectrum

_SCALES_APART = 10.0
_NAMED = 3
_GROWTH = 1.5
_FLAT = 1e-3
_NEGATIVE = 1e-3


@dataclass(frozen=True)
class Finding:
    """Something a person should know before descending.

    Attributes:
        kind: one of ``"scales"``, ``"constant feature"``, ``"duplicate features"``, ``"constant labels"``,
            ``"plateau"``, ``"saddle"``, ``"negative curvature"``, ``"growing curvature"``; of a PyTorch loss also
            ``"no mean"``.
        what: the finding, with its figures.
        remedy: what to do about it.
    """

    kind: str
    what: str
    remedy: str


def data_findings(risk: EmpiricalRisk, names: Sequence[str]) -> list[Finding]:
    """What the rows of a risk show: labels and features of shape (rows, features)."""
    found = []
    if (risk.y == risk.y[:1]).all():
        found.append(
            Finding(
                "constant labels",
                f"every row has the label {risk.y[0]!r}",
                "check that the target column is the right one; a constant is learnt by the bias alone",
            )
        )
    if risk.x.ndim != 2 or not np.issubdtype(risk.x.dtype, np.number):
        return found
    x = np.asarray(risk.x, float)
    spread = x.std(axis=0)
    still = np.flatnonzero(spread <= 1e-12 * np.maximum(1.0, np.abs(x).max(axis=0)))
    if len(still):
        found.append(
            Finding(
                "constant feature",
                f"{_listed(names, still)} {'is' if len(still) == 1 else 'are'} the same in every row",
                "leave such columns out: the bias already does what they could",
            )
        )
    moving = np.setdiff1d(np.arange(x.shape[1]), still)
    found += _duplicates(x[:, moving], [names[place] for place in moving], risk.l2 > 0)
    # An indicator of a category has no unit that could be another.
    measured = [place for place in moving if not ("=" in str(names[place]) and np.isin(x[:, place], (0.0, 1.0)).all())]
    return found + _scales(x, spread, np.asarray(measured, np.intp), names)


def _duplicates(x: NDArray[Any], names: Sequence[str], regularised: bool) -> list[Finding]:
    """Columns that are multiples of one another, up to a shift."""
    if x.shape[1] < 2 or len(x) < 3:
        return []
    unit = (x - x.mean(axis=0)) / np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=0))
    alike = np.abs(unit.T @ unit) > 1 - 1e-10
    # Two categories of one column are each what the other is not, by design.
    pairs = [
        (one, other)
        for one, other in np.argwhere(np.triu(alike, 1))
        if not _are_of_one_column(str(names[one]), str(names[other]))
    ]
    if not pairs:
        return []
    words = ", ".join(f"{names[one]} and {names[other]}" for one, other in pairs[:_NAMED])
    more = f" and {len(pairs) - _NAMED} pairs more" if len(pairs) > _NAMED else ""
    return [
        Finding(
            "duplicate features",
            f"{words}{more} are the same up to scale and shift, so "
            + ("that only the L2 term tells them apart" if regularised else "the loss is flat in some direction"),
            "leave one of each out" + ("" if regularised else ", or add an L2 term, which decides between them"),
        )
    ]


def _are_of_one_column(one: str, other: str) -> bool:
    """Whether two features are indicators ``column=category`` of the same column."""
    return "=" in one and "=" in other and one.partition("=")[0] == other.partition("=")[0]


def _scales(x: NDArray[Any], spread: NDArray[Any], moving: NDArray[Any], names: Sequence[str]) -> list[Finding]:
    # The bias is a feature of ones.
    sizes = np.append(np.sqrt((x**2).mean(axis=0))[moving], 1.0)
    called = [*(names[place] for place in moving), "the bias"]
    if sizes.max() < _SCALES_APART * sizes.min():
        return []
    before, after = (
        condition_of_features(x),
        condition_of_features((x - x.mean(axis=0)) / np.where(spread, spread, 1.0)),
    )
    largest, smallest = called[sizes.argmax()], called[sizes.argmin()]
    return [
        Finding(
            "scales",
            f"features are on different scales, from {sizes.min():.3g} ({smallest}) to {sizes.max():.3g} "
            f"({largest}); the condition number of the design with its bias is {_number(before)}, standardised "
            f"{_number(after)}",
            "standardise the features, (x − mean)/deviation of each column; steps go down with the condition number",
        )
    ]


def condition_of_features(x: NDArray[Any]) -> float:
    """Condition number of the second moments of features and bias; infinite where some direction is flat.

    >>> round(condition_of_features(np.array([[1.0], [-1.0], [3.0], [-3.0]])), 12)
    5.0
    """
    design = np.column_stack([x, np.ones(len(x))])
    values = np.linalg.svd(design, compute_uv=False)
    if len(values) < design.shape[1] or values[-1] <= len(design) * np.finfo(float).eps * values[0]:
        return float("inf")
    return float((values[0] / values[-1]) ** 2)


def landscape_findings(before: Spectrum, after: Spectrum | None, trial: Descent) -> list[Finding]:
    """What the curvature at both ends of the trial, and the trial itself, show."""
    found = []
    end = before if after is None else after
    scale = max(abs(before.largest.value), abs(end.largest.value))
    negative = end.smallest.value < -_NEGATIVE * scale - end.smallest.residual
    quiet = end.gradient_norm <= 1e-3 * max(before.gradient_norm, abs(end.smallest.value))
    loss = trial.loss.values[np.isfinite(trial.loss.values)]
    fell = abs(loss[0] - loss[-1]) > _FLAT * max(abs(loss[0]), abs(loss[-1]))
    if negative and quiet:
        found.append(
            Finding(
                "saddle",
                f"the trial stands near a saddle: gradient norm {end.gradient_norm:.3g}, smallest curvature "
                f"{end.smallest.value:.3g}",
                "start elsewhere, or add a little noise (batches do): off the saddle it goes down by itself",
            )
        )
    elif negative:
        found.append(
            Finding(
                "negative curvature",
                f"the loss is not convex: smallest curvature {end.smallest.value:.3g} where the trial ended",
                "expect the end to depend on the start; run several seeds",
            )
        )
    if not fell and trial.verdict != "converged":
        found.append(
            Finding(
                "plateau",
                f"the loss changed by less than {_FLAT:.1%} in {trial.steps.item()} steps, and the gradient norm is "
                f"{end.gradient_norm:.3g}",
                "start elsewhere or scale the inputs; a larger learning rate helps only until the plateau is left",
            )
        )
    if after is not None and after.largest.value > _GROWTH * max(before.largest.value, 0.0) > 0:
        found.append(
            Finding(
                "growing curvature",
                f"the largest curvature grew from {before.largest.value:.4g} to {after.largest.value:.4g} along the "
                f"trial, so the limit fell to {after.learning_rate_limit:.4g}",
                "keep the learning rate below that limit, or warm it up and decay it",
            )
        )
    return found


def steepest_part(direction: Params, names: Sequence[str] | None) -> str:
    """Where the direction of largest curvature points: the feature or the array with the largest share of it."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(direction)
    shares = {jax.tree_util.keystr(path): float(np.sum(np.asarray(leaf) ** 2)) for path, leaf in leaves}
    total = sum(shares.values()) or 1.0
    if names is not None and isinstance(direction, dict) and np.shape(direction.get("weight", ()))[:1] == (len(names),):
        weight = np.asarray(direction["weight"]).reshape(len(names), -1)
        parts = {f"feature {name}": share for name, share in zip(names, (weight**2).sum(axis=1), strict=True)}
        parts["the bias"] = shares["['bias']"]
        name, share = max(parts.items(), key=lambda part: part[1])
        return f"{name} carries {share / total:.0%} of the direction of largest curvature"
    if len(leaves) == 1:
        flat = np.ravel(np.asarray(leaves[0][1])) ** 2
        return f"w[{int(flat.argmax())}] carries {flat.max() / total:.0%} of the direction of largest curvature"
    name, share = max(shares.items(), key=lambda part: part[1])
    return f"params{name} carries {share / total:.0%} of the direction of largest curvature"


def _listed(names: Sequence[str], places: NDArray[Any]) -> str:
    words = ", ".join(str(names[place]) for place in places[:_NAMED])
    return words + (f" and {len(places) - _NAMED} more" if len(places) > _NAMED else "")


def _number(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "infinite (some direction is flat)"
