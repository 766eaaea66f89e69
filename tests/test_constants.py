"""Global constants, sampling and the noise scale: against Hessians everywhere, enumerated batches, and runs."""

from __future__ import annotations

import itertools
import math

import jax
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

import steepest as sd
from steepest import theory

LOSSES = {
    "squared": (sd.models.linear, sd.losses.mean_squared_error),
    "huber": (sd.models.linear, sd.losses.huber),
    "logistic": (sd.models.linear, sd.losses.binary_cross_entropy),
    "softmax": (sd.models.softmax, sd.losses.softmax_cross_entropy),
    "sigmoid": (sd.models.linear, sd.losses.sigmoid_squared_error),
}


def risk_of(kind: str, random: np.random.Generator, l2: float = 0.0, weights: bool = False) -> sd.EmpiricalRisk:
    model, loss = LOSSES[kind]
    rows = 12
    x = random.normal(size=(rows, 2)) * np.exp(random.normal(size=2))
    y = random.normal(size=rows)
    if kind == "softmax":
        y = np.arange(rows) % 3
    elif kind in ("logistic", "sigmoid"):
        y = (y > 0).astype(float)
    return sd.EmpiricalRisk(model, loss, x, y, l2=l2, weights=random.uniform(size=rows) if weights else None)


def anywhere(risk: sd.EmpiricalRisk, random: np.random.Generator) -> dict[str, np.ndarray]:
    return jax.tree.map(lambda leaf: random.normal(size=leaf.shape) * 3, risk.initial(0, np.dtype(float)))


@given(st.sampled_from(list(LOSSES)), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5]), st.booleans())
@settings(max_examples=60)
def test_no_curvature_anywhere_lies_outside_the_constants(kind, seed, l2, weights):
    random = np.random.default_rng(seed)
    risk = risk_of(kind, random, l2, weights)
    known = theory.constants(risk)
    found = theory.spectrum(risk, anywhere(risk, random))
    slack = 1e-12 * known.smoothness
    assert found.largest.value <= known.smoothness + slack
    if known.convex:
        assert found.smallest.value >= known.strong_convexity - slack
    else:
        assert found.smallest.value >= -known.smoothness - slack
    if known.quadratic:
        assert found.largest.value == pytest.approx(known.smoothness, rel=1e-10)
        assert found.smallest.value == pytest.approx(known.strong_convexity, abs=1e-10 * known.smoothness)


@given(st.sampled_from(["squared", "logistic", "softmax"]), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=20)
def test_no_row_curves_more_than_the_largest_row(kind, seed, weights):
    random = np.random.default_rng(seed)
    risk = risk_of(kind, random, 0.3, weights)
    most, at = theory.constants(risk).largest_row_smoothness, anywhere(risk, random)
    single = [theory.spectrum(risk, at, rows=[row]).largest.value for row in range(risk.rows)]
    assert max(single) <= most * (1 + 1e-12)
    if kind == "squared":
        assert max(single) == pytest.approx(most, rel=1e-10)


def test_two_classes_at_even_odds_curve_as_much_as_they_may():
    # p = ½, ½ makes diag(p) − ppᵀ = ½ [[½, −½], [−½, ½]] with the eigenvalue ½ of Böhning's bound.
    x = np.random.default_rng(0).normal(size=(40, 3))
    risk = sd.EmpiricalRisk(sd.models.softmax, sd.losses.softmax_cross_entropy, x, np.arange(40) % 2)
    assert theory.spectrum(risk).largest.value == pytest.approx(theory.constants(risk).smoothness, rel=1e-12)
    logistic = sd.EmpiricalRisk(sd.models.linear, sd.losses.binary_cross_entropy, x, np.arange(40) % 2.0)
    assert theory.spectrum(logistic).largest.value == pytest.approx(theory.constants(logistic).smoothness, rel=1e-12)


def test_the_bound_on_the_squared_error_of_a_sigmoid_is_its_largest_curvature():
    single = sd.EmpiricalRisk(sd.models.linear, sd.losses.sigmoid_squared_error, np.zeros((1, 1)), [0.0])
    curvature = [theory.spectrum(single, {"weight": [0.0], "bias": z}).largest.value for z in np.linspace(-6, 6, 241)]
    assert max(curvature) == pytest.approx(theory.constants(single).smoothness, rel=1e-3)
    assert not theory.constants(single).convex


def test_constants_of_badly_scaled_rows_keep_their_digits():
    # Singular values 1e6 and 1: μ = 1e-12 of L would drown in XᵀX formed at double precision for 1e8.
    x = np.array([[1e8, 0.0], [-1e8, 0.0], [0.0, 1.0], [0.0, -1.0]])
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, np.zeros(4))
    known = theory.constants(risk)
    assert known.smoothness == pytest.approx(5e15)
    assert known.strong_convexity == pytest.approx(0.5, rel=1e-6)


def test_many_features_are_estimated_from_above():
    random = np.random.default_rng(0)
    x = random.normal(size=(50, 2500))
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, random.normal(size=50), l2=0.1)
    exact = np.linalg.svd(np.column_stack([x, np.ones(50)]) / np.sqrt(50), compute_uv=False)[0] ** 2
    found = theory.constants(risk)
    assert exact + 0.09 < found.smoothness < exact * 1.001 + 0.1
    assert found.strong_convexity == 0.0


@pytest.mark.parametrize("name", ["bowl", "steep_bowl", "saddle", "rippled_bowl", "plateau", "wells"])
def test_stated_constants_hold_and_are_met(name):
    landscape = sd.landscapes.find(name)
    grid = np.stack(
        np.meshgrid(*(np.linspace(low, high, 2001 if name == "wells" else 81) for low, high in landscape.window)), -1
    ).reshape(-1, len(landscape.window))
    with jax.enable_x64(True):
        curvatures = np.asarray(jax.vmap(jax.hessian(landscape.loss))(grid))
    eigenvalues = np.linalg.eigvalsh(curvatures)
    assert np.abs(eigenvalues).max() <= landscape.smoothness * (1 + 1e-12)
    assert np.abs(eigenvalues).max() > 0.99 * landscape.smoothness
    if landscape.strong_convexity is None:
        assert eigenvalues.min() < 0
    else:
        assert eigenvalues.min() == pytest.approx(landscape.strong_convexity)


def test_what_has_no_constants_says_why():
    x = np.zeros((3, 2))
    cases = {
        "mlp": sd.EmpiricalRisk(sd.models.mlp((3,)), sd.losses.mean_squared_error, x, np.zeros(3)),
        "the loss '_own'": sd.EmpiricalRisk(sd.models.linear, _own, x, np.zeros(3)),
        "states no smoothness": sd.landscapes.rosenbrock,
    }
    for words, objective in cases.items():
        with pytest.raises(theory.UnknownConstants, match=words):
            theory.constants(objective)


def _own(predictions, targets):
    return (predictions - targets) ** 4


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"smoothness": -1.0}, "smoothness must be"),
        ({"smoothness": 1.0, "strong_convexity": 2.0}, "at most the smoothness 1.0, got 2.0"),
        ({"strong_convexity": math.nan}, "strong_convexity must be"),
    ],
)
def test_constants_that_cannot_be_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        sd.Objective(lambda w: w @ w, start=[1.0], **fields)


# Sampling


@pytest.fixture(scope="module")
def regression() -> sd.EmpiricalRisk:
    random = np.random.default_rng(3)
    x = random.normal(size=(6, 2)) * [1.0, 2.0]
    return sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, random.normal(size=6), l2=0.1)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 6])
def test_gradient_noise_is_the_mean_over_every_batch(regression, batch_size):
    found = theory.sampling(regression)
    squares = [
        _squared_gradient(regression, found.optimum, rows) for rows in itertools.combinations(range(6), batch_size)
    ]
    assert found.gradient_noise(batch_size) == pytest.approx(np.mean(squares), rel=1e-9, abs=1e-20)


def _squared_gradient(risk, at, rows):
    part = sd.EmpiricalRisk(risk.model, risk.loss, risk.x[list(rows)], risk.y[list(rows)], l2=risk.l2)
    _, gradient, _ = theory.hessian(part, at)
    return gradient @ gradient


@pytest.mark.parametrize("batch_size", [1, 2, 4, 6])
def test_expected_smoothness_bounds_what_it_is_defined_by(regression, batch_size):
    # E‖∇f_v(w) − ∇f_v(w*)‖² ≤ 2E (f(w) − f*), Gower et al. 2019, assumption 2.1.
    found = theory.sampling(regression)
    lowest = regression(found.optimum)
    random = np.random.default_rng(0)
    ratios = []
    for _ in range(20):
        at = jax.tree.map(lambda leaf: leaf + random.normal(size=leaf.shape), found.optimum)
        squares = []
        for rows in itertools.combinations(range(6), batch_size):
            part = sd.EmpiricalRisk(
                regression.model, regression.loss, regression.x[list(rows)], regression.y[list(rows)], l2=0.1
            )
            difference = theory.hessian(part, at)[1] - theory.hessian(part, found.optimum)[1]
            squares.append(difference @ difference)
        ratios.append(np.mean(squares) / (2 * (regression(at) - lowest)))
    assert max(ratios) <= found.expected_smoothness(batch_size) * (1 + 1e-9)
    assert max(ratios) > 0.4 * found.expected_smoothness(batch_size)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_sgd_stays_below_the_bound_of_its_theorem(batch_size):
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 3))
    risk = sd.EmpiricalRisk(
        sd.models.linear, sd.losses.mean_squared_error, x, x @ [1.0, -2.0, 0.5] + random.normal(size=64)
    )
    found = theory.sampling(risk)
    rate = found.step_size(batch_size)
    order = [  # every batch drawn without replacement from all rows, anew each step, one sequence a run
        sd.batches.explicit(_batches(seed, 64, batch_size, 300)) for seed in range(60)
    ]
    target = np.append(found.optimum["bias"], found.optimum["weight"])
    squares = []
    for plan in order:
        run = sd.descend(
            risk, optax.sgd, learning_rate=rate, batch_size=plan, steps=300, every=10, path=True,
            stop=sd.Stop(gradient_norm=None), progress=False,
        )  # fmt: skip
        squares.append(((run.path.values - target) ** 2).sum(axis=-1))
    mean, steps = np.mean(squares, axis=0), run.dataset.step.values
    bound = found.bound(steps, rate, batch_size, float(np.sqrt(mean[0])))
    assert (mean <= bound * 1.02).all()
    # The floor is within an order of what is measured, so the bound is not met by chance.
    assert mean[-10:].mean() > 0.05 * found.noise_floor(rate, batch_size)
    # The contraction promised is that of the slowest direction; halving it would be refuted.
    assert (mean > (1 - 6 * rate * found.strong_convexity) ** steps * mean[0] * 0.5).any()


def _batches(seed, rows, batch_size, steps):
    random = np.random.default_rng(seed)
    chosen = np.stack([random.choice(rows, batch_size, replace=False) for _ in range(steps)])
    return chosen[:, 0] if batch_size == 1 else chosen


def test_the_best_batch_size_is_the_one_that_trying_all_finds():
    for seed, accuracy in itertools.product(range(5), [1e-1, 1e-2, 1e-3, 1e-5]):
        random = np.random.default_rng(seed)
        x = random.normal(size=(40, 3))
        risk = sd.EmpiricalRisk(
            sd.models.linear, sd.losses.mean_squared_error, x, x[:, 0] + 0.1 * random.normal(size=40)
        )
        found = theory.sampling(risk)
        work = [size / found.step_size(size, accuracy) for size in range(1, 41)]
        best = found.best_batch_size(accuracy)
        assert work[best - 1] == pytest.approx(min(work), rel=1e-9)


def test_steps_of_the_theorem_reach_the_accuracy():
    data = sd.datasets.chapter_regression()
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, data.x, data.y)
    found = theory.sampling(risk)
    steps = found.steps(32, accuracy=0.01, distance=3.0)
    rate = found.step_size(32, 0.01)
    assert found.bound(steps, rate, 32, 3.0) <= 0.01 * (1 + 1e-9)
    root = brentq(lambda t: found.bound(t, rate, 32, 3.0) - 0.01, 0, steps)
    assert steps < 3 * root


def test_sampling_needs_strong_convexity(regression):
    softmax = risk_of("softmax", np.random.default_rng(0))
    with pytest.raises(ValueError, match="gradient_noise_scale works for any risk"):
        theory.sampling(softmax)
    with pytest.raises(TypeError, match="takes an EmpiricalRisk"):
        theory.sampling(sd.landscapes.bowl)
    found = theory.sampling(regression)
    with pytest.raises(ValueError, match="batch_size must be a whole number from 1 to the 6 rows, got 7"):
        found.step_size(7)
    with pytest.raises(ValueError, match="at most 1/"):
        found.bound(1, 1e9, 1, 1.0)


# The gradient noise scale


@pytest.mark.parametrize("kind", ["squared", "softmax"])
def test_the_trace_is_the_variance_of_batches(kind):
    # Over all batches of B of n rows: tr Σ/B times the finite population's (n − B)/(n − 1).
    risk = risk_of(kind, np.random.default_rng(1), 0.2)
    at = anywhere(risk, np.random.default_rng(2))
    found = theory.gradient_noise_scale(risk, at)
    _, whole, _ = theory.hessian(risk, at)
    assert found.squared_gradient_norm == pytest.approx(whole @ whole)
    differences = [
        theory.hessian(risk, at, rows=list(rows))[1] - whole for rows in itertools.combinations(range(risk.rows), 2)
    ]
    variance = np.mean([difference @ difference for difference in differences])
    assert variance == pytest.approx(found.trace / 2 * (risk.rows - 2) / (risk.rows - 1), rel=1e-9)
    assert found.simple == pytest.approx(found.trace / found.squared_gradient_norm)


def test_the_noise_scale_with_curvature_is_its_definition():
    risk = risk_of("squared", np.random.default_rng(1), 0.2)
    at = anywhere(risk, np.random.default_rng(2))
    _, whole, curvature = theory.hessian(risk, at)
    rows = np.array([theory.hessian(risk, at, rows=[row])[1] for row in range(risk.rows)])
    covariance = np.cov(rows.T, bias=True)
    expected = np.trace(curvature @ covariance) / (whole @ curvature @ whole)
    assert theory.gradient_noise_scale(risk, at, curvature=True).noise == pytest.approx(expected)


def test_rows_that_agree_have_no_noise():
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, np.ones((5, 1)), np.ones(5))
    assert theory.gradient_noise_scale(risk).simple == pytest.approx(0.0, abs=1e-15)
    assert theory.gradient_noise_scale(risk, {"weight": [1.0], "bias": 0.0}).simple == np.inf
