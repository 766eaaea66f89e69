"""One epoch of stochastic gradient descent on linear regression, row by row, at one learning rate and at 64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import optax
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.linear_model import SGDRegressor

import steepest as sd
from benchmarks.contest import Contest, Program, Results

LEARNING_RATE = 1e-3
# Single rows of 100 standard normal features diverge beyond about 2 / 102.
LEARNING_RATES = np.geomspace(1e-5, 1e-2, 64)


def data(rows: int, features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A linear target with noise of standard deviation 0.1."""
    random = np.random.default_rng(15)
    x = random.standard_normal((rows, features))
    y = x @ random.standard_normal(features) + 1.0 + 0.1 * random.standard_normal(rows)
    return x, y


def contests(quick: bool = False, rows: int = 100_000, features: int = 100) -> list[Contest]:
    """One learning rate, and 64 of them in one call against 64 fits."""
    rows = rows // 10 if quick else rows
    x, y = data(rows, features)
    epoch = (
        f"One epoch of single-row descent on linear regression, {rows:,} rows × {features} features, rows in the order "
        "of the table, constant learning rate, no penalty."
    )
    evaluation = (
        "steepest also evaluates the full risk and its gradient before and after; scikit-learn validates the table at "
        "each fit, steepest when the risk is made."
    )
    one = _contest("Single-row descent, one learning rate", f"{epoch} {evaluation}", x, y, LEARNING_RATE, (1.0, None))
    many = _contest(
        f"Single-row descent, {len(LEARNING_RATES)} learning rates",
        f"{epoch} {len(LEARNING_RATES)} learning rates from 1e-5 to 1e-2 in one call, against as many fits.",
        x,
        y,
        LEARNING_RATES,
        (20.0, None),
    )
    return [one, many]


def _contest(
    title: str, task: str, x: Any, y: Any, rates: float | NDArray[np.float64], aims: Sequence[float | None]
) -> Contest:
    order = sd.batches.explicit(np.arange(len(x)), steps_per_epoch=len(x))

    def risk() -> sd.EmpiricalRisk:
        return sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, y)

    def descended(risk: sd.EmpiricalRisk) -> sd.Descent:
        run = sd.descend(risk, optax.sgd, learning_rate=rates, batch_size=order, epochs=1)
        run.dataset  # noqa: B018  the labelled arrays are built here
        return run

    made = risk()
    programs = [
        Program("steepest", lambda: descended(made), _of_descent, jax.clear_caches),
        Program("steepest, from the arrays", lambda: descended(risk()), _of_descent, jax.clear_caches),
    ]
    if isinstance(rates, float):
        programs.append(Program("scikit-learn", lambda: [fit(x, y, rates)], _of_regressors, aim=aims[0]))
    else:
        programs.append(
            Program("scikit-learn", lambda: [fit(x, y, rate) for rate in rates], _of_regressors, aim=aims[0])
        )
        threads = Parallel(n_jobs=-1, prefer="threads")
        programs.append(
            Program(
                "scikit-learn, a thread a core",
                lambda: threads(delayed(fit)(x, y, rate) for rate in rates),
                _of_regressors,
                aim=aims[1],
            )
        )
    return Contest(title, task, tuple(programs), tolerance=1e-9)


def fit(x: Any, y: Any, rate: float) -> SGDRegressor:
    """One epoch with scikit-learn."""
    regressor = SGDRegressor(penalty=None, learning_rate="constant", eta0=rate, shuffle=False, max_iter=1, tol=None)
    return regressor.fit(x, y)


def _of_descent(run: sd.Descent) -> Results:
    params = run.params
    return {"weight": np.atleast_2d(params["weight"]), "bias": np.atleast_1d(params["bias"])}


def _of_regressors(regressors: Sequence[Any]) -> Results:
    return {
        "weight": np.stack([regressor.coef_ for regressor in regressors]),
        "bias": np.concatenate([regressor.intercept_ for regressor in regressors]),
    }
