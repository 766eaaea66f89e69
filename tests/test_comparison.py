"""``theory.compare``: bounds over measured curves, and rates read off them."""

from __future__ import annotations

import numpy as np
import optax
import pytest

import steepest as sd
from steepest import theory

QUIET = sd.Stop(gradient_norm=None)


@pytest.fixture(scope="module")
def regression() -> sd.EmpiricalRisk:
    table = sd.datasets.bundled("diabetes")
    x, y = table.drop(columns="target").to_numpy(), table["target"].to_numpy()
    x, y = (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean()) / y.std()
    return sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, y, l2=0.01)


def test_the_measured_factor_of_a_quadratic_is_the_square_of_the_contraction_factor():
    # Bowl: curvatures 2 and 10; below 1/6 the slow direction rules, above it the fast one (chapter 15.5).
    rates = [0.02, 0.1, 1 / 6, 0.19]
    runs = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=rates, steps=100, stop=QUIET)
    found = theory.compare(runs)
    expected = [max(abs(1 - 2 * rate), abs(1 - 10 * rate)) ** 2 for rate in rates]
    np.testing.assert_allclose(found.dataset.predicted_factor, expected, rtol=1e-12)
    np.testing.assert_allclose(found.dataset.measured_factor, expected, rtol=1e-3)
    assert found.holds
    assert (found.dataset.excess <= found.dataset.bound * (1 + 1e-9)).all()


def test_above_the_limit_divergence_is_what_is_predicted():
    run = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=0.21, steps=100)
    found = theory.compare(run)
    assert found.dataset.outcome == "diverges as predicted"
    assert found.dataset.predicted_factor.item() == pytest.approx(1.1**2)
    assert found.dataset.measured_factor.item() == pytest.approx(1.1**2, rel=1e-3)
    assert found.holds


def test_a_real_regression_keeps_below_its_bound_at_every_step(regression):
    known = theory.constants(regression)
    rates = np.array([0.3, 1.0, 1.7]) / known.smoothness
    runs = sd.descend(regression, optax.sgd, learning_rate=rates, steps=3000, every=10, stop=QUIET)
    found = theory.compare(runs)
    assert found.dataset.outcome.values.tolist() == ["holds"] * 3
    np.testing.assert_allclose(found.dataset.measured_factor, found.dataset.predicted_factor, rtol=1e-3)


def test_logistic_regression_keeps_below_the_sublinear_bound():
    table = sd.datasets.bundled("breast_cancer")
    x = table.drop(columns="target").to_numpy()
    y = np.unique(table["target"], return_inverse=True)[1]
    risk = sd.EmpiricalRisk(
        sd.models.softmax, sd.losses.softmax_cross_entropy, (x - x.mean(axis=0)) / x.std(axis=0), y, l2=0.01
    )
    rate = 1 / theory.constants(risk).smoothness
    found = theory.compare(sd.descend(risk, optax.sgd, learning_rate=rate, steps=1000, every=10, stop=QUIET))
    assert found.dataset.theorem == "convex, O(1/t)"
    assert found.holds
    assert (found.dataset.bound.diff("step") < 0).all()


def test_momentum_keeps_below_its_bound(regression):
    known = theory.constants(regression)
    best = theory.best_heavy_ball(known.smoothness, known.strong_convexity)
    run = sd.descend(
        regression, optax.sgd, learning_rate=best.learning_rate, momentum=best.momentum, steps=200, stop=QUIET
    )
    found = theory.compare(run)
    assert found.dataset.theorem == "momentum on a quadratic"
    assert found.holds
    nesterov = theory.best_nesterov(known.smoothness, known.strong_convexity)
    run = sd.descend(
        regression, optax.sgd, learning_rate=nesterov.learning_rate, momentum=nesterov.momentum, nesterov=True,
        steps=200, stop=QUIET,
    )  # fmt: skip
    found = theory.compare(run)
    assert found.holds
    assert found.dataset.measured_factor.item() < nesterov.contraction_factor**2 + 0.02


def test_a_run_that_is_slower_than_its_bound_is_called_out():
    # The stated minimum is a lie by 1e-3: the curve levels off above the bound, which goes on falling.
    liar = sd.Objective(
        lambda w: 0.5 * w[0] ** 2 + 1e-3,
        start=[1.0],
        minimisers=((0.0,),),
        minimum=0.0,
        smoothness=1.0,
        strong_convexity=1.0,
        quadratic=True,
    )
    found = theory.compare(sd.descend(liar, optax.sgd, learning_rate=0.5, steps=50, stop=QUIET))
    assert found.dataset.outcome == "violated"
    assert not found.holds
    assert "violated" in str(found)


def test_where_constants_are_unknown_the_end_of_the_run_predicts_its_rate():
    run = sd.descend(sd.landscapes.rosenbrock, optax.sgd, learning_rate=1e-3, steps=60_000, every=100, stop=QUIET)
    found = theory.compare(run)
    assert found.constants is None
    assert not found.holds  # nothing is promised, so nothing can hold
    assert found.dataset.outcome == "no bound"
    assert found.dataset.measured_factor.item() == pytest.approx(found.dataset.predicted_factor.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (
            lambda: sd.descend(sd.landscapes.bowl, optax.adam, learning_rate=0.1, steps=5),
            "knows the bounds of optax.sgd",
        ),
        (
            lambda: sd.descend(
                sd.landscapes.bowl, optax.sgd, learning_rate=optax.exponential_decay(0.1, 10, 0.9), steps=5
            ),
            "a schedule has no one rate",
        ),
        (
            lambda: sd.descend(
                {"a": sd.landscapes.bowl, "b": sd.landscapes.steep_bowl}, optax.sgd, learning_rate=0.1, steps=5
            ),
            "several objectives",
        ),
        (lambda: sd.descend(lambda w: w @ w, optax.sgd, start=[1.0], learning_rate=0.1, steps=5), "pass optimum="),
        (
            lambda: sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=np.linspace(0.01, 0.1, 501), steps=5),
            "501 runs are more than 500",
        ),
    ],
)
def test_what_cannot_be_compared_is_said_in_words(run, words):
    with pytest.raises(ValueError, match=words):
        theory.compare(run())


def test_batches_are_refused(regression):
    run = sd.descend(regression, optax.sgd, learning_rate=0.01, batch_size=32, epochs=1)
    with pytest.raises(ValueError, match="for batches see"):
        theory.compare(run)


def test_the_optimum_of_a_regression_is_least_squares(regression):
    found = theory.optimum_of(regression)
    design = np.column_stack([regression.x, np.ones(len(regression.x))])
    penalty = 0.01 * len(design) * np.diag([1.0] * 10 + [0.0])
    exact = np.linalg.solve(design.T @ design + penalty, design.T @ regression.y)
    np.testing.assert_allclose(np.append(found.params[0]["weight"], found.params[0]["bias"]), exact, atol=1e-10)
