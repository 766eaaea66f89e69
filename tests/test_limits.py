"""Limits, best settings, bounds and the closed form: theory against theory, and against runs."""

from __future__ import annotations

import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import steepest as sd
from steepest import theory

curvatures = st.tuples(st.floats(1e-3, 1e3), st.floats(1.0, 1e4)).map(lambda pair: (pair[0] * pair[1], pair[0]))
momenta = st.floats(0.0, 0.99)


def companion(product: float, momentum: float, nesterov: bool) -> np.ndarray:
    """One step of optax.sgd on (w, v) along an eigenvector, with ηλ = product; η in the velocity's place."""
    velocity = np.array([product, momentum])
    update = np.array([product, 0.0]) + momentum * velocity if nesterov else velocity
    return np.array([[1 - update[0], -update[1]], velocity])


@given(curvatures, momenta, st.booleans(), st.floats(1e-3, 3.0))
def test_the_contraction_factor_is_the_spectral_radius_of_a_step(pair, momentum, nesterov, times):
    smoothness, strong_convexity = pair
    rate = times / smoothness
    between = np.geomspace(strong_convexity, smoothness, 50)
    radii = [np.abs(np.linalg.eigvals(companion(rate * each, momentum, nesterov))).max() for each in between]
    factor = theory.contraction_factor(rate, smoothness, strong_convexity, momentum, nesterov)
    # A double root is only found to the square root of the rounding.
    assert factor == pytest.approx(max(radii), abs=1e-6)


@given(st.floats(1e-3, 1e3), momenta, st.booleans())
def test_the_limit_is_where_the_contraction_factor_passes_one(smoothness, momentum, nesterov):
    limit = theory.learning_rate_limit(smoothness, momentum, nesterov)
    below, above = (
        theory.contraction_factor(limit * factor, smoothness, smoothness, momentum, nesterov)
        for factor in (1 - 1e-6, 1 + 1e-6)
    )
    assert below < 1 < above


@given(curvatures, st.floats(0.2, 1.9))
def test_no_learning_rate_beats_the_best_one(pair, times):
    best = theory.best_learning_rate(*pair)
    factor = theory.contraction_factor(best, *pair)
    condition_number = pair[0] / pair[1]
    assert factor == pytest.approx((condition_number - 1) / (condition_number + 1), abs=1e-12)
    assert theory.contraction_factor(times * best, *pair) >= factor * (1 - 1e-12)


@given(curvatures, st.floats(0.2, 1.9), st.floats(-0.3, 0.3))
def test_no_pair_beats_the_best_heavy_ball(pair, times, shift):
    best = theory.best_heavy_ball(*pair)
    found = theory.contraction_factor(best.learning_rate, *pair, best.momentum)
    assert found == pytest.approx(best.contraction_factor, abs=1e-6)
    other = theory.contraction_factor(
        times * best.learning_rate, *pair, float(np.clip(best.momentum + shift, 0.0, 0.999))
    )
    assert other >= best.contraction_factor - 1e-6


@given(curvatures)
def test_nesterovs_setting_keeps_its_promise_on_quadratics(pair):
    setting = theory.best_nesterov(*pair)
    found = theory.contraction_factor(setting.learning_rate, *pair, setting.momentum, nesterov=True)
    assert found <= setting.contraction_factor + 1e-6


@given(st.floats(1e-12, 0.99), st.floats(0.0, 0.999))
def test_steps_to_an_accuracy_are_the_fewest_that_reach_it(accuracy, factor):
    steps = theory.steps_to(accuracy, factor)
    assert factor**steps <= accuracy * (1 + 1e-6)
    assert steps == 1 or factor ** (steps - 1) > accuracy * (1 - 1e-6)


symmetric = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.8, False), (0.8, True)])
def test_the_closed_form_is_where_descent_goes(momentum, nesterov):
    random = np.random.default_rng(1)
    root = random.normal(size=(4, 4))
    matrix, linear, start = root @ root.T, random.normal(size=4), random.normal(size=4)
    quadratic = sd.landscapes.quadratic(matrix, linear, start)
    rates = np.array([0.01, 0.1, 0.9, 1.05]) * theory.learning_rate_limit(
        np.linalg.eigvalsh(matrix)[-1], momentum, nesterov
    )
    runs = sd.descend(
        quadratic, optax.sgd, learning_rate=rates, momentum=momentum, nesterov=nesterov, steps=200, path=True
    )
    for place, rate in enumerate(rates):
        expected = theory.quadratic_descent(
            matrix, linear, start=start, learning_rate=rate, steps=np.arange(201), momentum=momentum, nesterov=nesterov
        )
        path = runs.path.isel(learning_rate=place).values
        there = np.isfinite(path).all(axis=1)
        assert there.sum() > 15
        scale = np.abs(expected[there]).max(axis=1, keepdims=True)
        np.testing.assert_allclose(path[there] / scale, expected[there] / scale, atol=1e-10)


@given(symmetric, st.integers(0, 10**12))
def test_the_closed_form_without_momentum_is_a_power_of_one_minus_eta_times_the_matrix(random, steps):
    basis, _ = np.linalg.qr(random.normal(size=(3, 3)))
    eigenvalues = random.uniform(0.1, 2.0, 3)
    matrix, start = basis @ np.diag(eigenvalues) @ basis.T, random.normal(size=3)
    found = theory.quadratic_descent((matrix + matrix.T) / 2, start=start, learning_rate=1e-9, steps=steps)
    expected = basis @ (np.exp(steps * np.log1p(-1e-9 * eigenvalues)) * (basis.T @ start))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-12)


def test_a_direction_without_curvature_drifts_by_the_learning_rate_a_step():
    found = theory.quadratic_descent([[0.0]], [2.0], start=[1.0], learning_rate=0.1, steps=[0, 1, 10])
    np.testing.assert_allclose(found[:, 0], [1.0, 1.2, 3.0])


def test_a_run_past_the_limit_overflows_to_infinity_and_not_to_nan():
    assert theory.quadratic_descent([[2.0]], start=[1.0], learning_rate=2.0, steps=10**6)[0] == np.inf


@given(curvatures, st.floats(0.01, 1.99), momenta, st.booleans(), symmetric)
def test_the_momentum_bound_is_above_every_quadratic(pair, times, momentum, nesterov, random):
    smoothness, strong_convexity = pair
    rate = times * theory.learning_rate_limit(smoothness, momentum, nesterov) / 2
    eigenvalues = np.sort(np.exp(random.uniform(np.log(strong_convexity), np.log(smoothness), 6)))
    start, steps = random.normal(size=6), np.arange(0, 60)
    path = theory.quadratic_descent(
        np.diag(eigenvalues), start=start, learning_rate=rate, steps=steps, momentum=momentum, nesterov=nesterov
    )
    bound = theory.momentum_bound(
        steps,
        learning_rate=rate,
        momentum=momentum,
        smoothness=smoothness,
        strong_convexity=strong_convexity,
        distance=float(np.linalg.norm(start)),
        nesterov=nesterov,
    )
    assert (np.linalg.norm(path, axis=1) <= bound * (1 + 1e-9) + 1e-12).all()


def test_the_momentum_bound_is_nearly_met_at_the_double_root():
    # At λ = L the best pair has the double root −r, and the error is exactly (1 + (1 + r) t) rᵗ.
    best = theory.best_heavy_ball(100.0, 1.0)
    steps = np.arange(50)
    path = theory.quadratic_descent(
        [[100.0]], start=[1.0], learning_rate=best.learning_rate, steps=steps, momentum=best.momentum
    )
    radius = best.contraction_factor
    np.testing.assert_allclose(np.abs(path[:, 0]), (1 + (1 + radius) * steps) * radius**steps, rtol=1e-6)
    bound = theory.momentum_bound(
        steps,
        learning_rate=best.learning_rate,
        momentum=best.momentum,
        smoothness=100.0,
        strong_convexity=1.0,
        distance=1.0,
    )
    assert (np.abs(path[:, 0]) > 0.99 * bound).all()


@given(st.floats(0.05, 1.95), symmetric)
def test_the_convex_bound_is_above_quadratics_however_flat(times, random):
    eigenvalues = np.append(np.exp(random.uniform(-20, 0, 5)), 1.0)
    start, steps = random.normal(size=6), np.arange(100)
    path = theory.quadratic_descent(np.diag(eigenvalues), start=start, learning_rate=times, steps=steps)
    excess = 0.5 * (eigenvalues * path**2).sum(axis=1)
    bound = theory.convex_bound(
        steps, learning_rate=times, smoothness=1.0, distance=float(np.linalg.norm(start)), excess=excess[0]
    )
    assert (excess <= bound * (1 + 1e-12)).all()


def test_the_convex_bound_is_within_a_small_factor_of_the_worst_loss():
    # Drori & Teboulle 2014: a Huber loss of one parameter reaches L D²/(4T + 2) at η = 1/L.
    steps = 40
    width = 1 / (2 * steps + 1)
    worst = sd.Objective(lambda w: sd.losses.huber(w, 0 * w, delta=width)[0], start=[1.0])
    run = sd.descend(worst, optax.sgd, learning_rate=1.0, steps=steps, stop=sd.Stop(gradient_norm=None))
    assert run.final_loss.item() == pytest.approx(1 / (4 * steps + 2))
    bound = theory.convex_bound(steps, learning_rate=1.0, smoothness=1.0, distance=1.0)
    assert run.final_loss.item() < bound < 2.1 * run.final_loss.item()


def test_the_strongly_convex_bound_is_met_at_both_ends_of_the_spectrum():
    for curvature in (1.0, 10.0):
        path = theory.quadratic_descent([[curvature]], start=[3.0], learning_rate=2 / 11, steps=np.arange(30))
        excess = 0.5 * curvature * path[:, 0] ** 2
        bound = theory.strongly_convex_bound(
            np.arange(30), learning_rate=2 / 11, smoothness=10.0, strong_convexity=1.0, excess=excess[0]
        )
        np.testing.assert_allclose(excess, bound, rtol=1e-9)


def test_averaged_sgd_stays_below_its_bound_and_within_an_order_of_it():
    # |w| with gradients sign(w) + noise: not smooth, so the 1/√T is the best there is (Nemirovski & Yudin 1983).
    kink = sd.Objective(lambda w: abs(w[0]), start=[1.0], smooth=False)
    steps, rate, noise = 2000, 1.0, 1.0

    def method(seed):
        return optax.chain(sd.add_gradient_noise(noise, seed), optax.sgd(lambda count: rate / (count + 1.0) ** 0.5))

    runs = sd.descend(kink, method, seed=range(100), steps=steps, average=True, stop=sd.Stop(gradient_norm=None))
    excess = np.abs(runs.average[:, 0]).mean()
    distance = np.nanmax(np.abs(runs.path.values))
    bound = theory.averaged_sgd_bound(
        steps, learning_rate=rate, distance=distance, gradient_bound=np.sqrt(1 + noise**2)
    )
    assert bound / 100 < excess < bound


def test_sgd_with_one_over_mu_t_stays_below_its_bound():
    bowl = sd.Objective(lambda w: 0.5 * w[0] ** 2, start=[1.0])

    def method(seed):
        return optax.chain(sd.add_gradient_noise(1.0, seed), optax.sgd(lambda count: 1.0 / (count + 1.0)))

    runs = sd.descend(bowl, method, seed=range(200), steps=1000, stop=sd.Stop(gradient_norm=None))
    squares = (runs.path.values[..., 0] ** 2).mean(axis=0)[1:]
    # E‖g‖² = w² + σ², at most the square of the farthest iterate plus one.
    bound = theory.strongly_convex_sgd_bound(
        np.arange(1, 1001), strong_convexity=1.0, gradient_bound=float(np.sqrt(1 + np.max(runs.path.values**2)))
    )
    assert (squares < bound).all()
    # Here wₜ is the mean of t noises: σ²/t exactly.
    assert squares[-1] == pytest.approx(1 / 1000, rel=0.3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.learning_rate_limit(0.0), "smoothness must be a finite number above 0, got 0.0"),
        (lambda: theory.learning_rate_limit(1.0, momentum=1.0), "momentum must be from 0 to below 1"),
        (lambda: theory.best_learning_rate(1.0, 0.0), "strong_convexity must be above 0"),
        (lambda: theory.best_learning_rate(1.0, 2.0), "up to the smoothness 1, got 2.0"),
        (lambda: theory.steps_to(1.0, 0.5), "accuracy must be above 0 and below 1"),
        (lambda: theory.contraction_factor(np.nan, 1.0, 1.0), "learning_rate must be a finite number above 0"),
        (lambda: theory.convex_bound(1, learning_rate=1.5, smoothness=1.0, distance=1.0), "unless excess is given"),
        (
            lambda: theory.convex_bound(1, learning_rate=2.0, smoothness=1.0, distance=1.0, excess=1.0),
            "below 2/L",
        ),
        (lambda: theory.quadratic_descent([[1.0, 2.0]], start=[1.0], learning_rate=1.0, steps=1), "square"),
        (lambda: theory.quadratic_descent([[1.0]], start=[1.0], learning_rate=1.0, steps=-1), "from 0 up"),
    ],
)
def test_numbers_out_of_their_range_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
