"""What must hold of descent whatever the problem: limits, closed forms, and independence from how it is computed."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from steepest.descent import Descent, Stop, Verdict, descend
from steepest.descent import blocks as blocks_module
from steepest.objectives import Objective


def _quadratic_loss(matrix, linear, w):
    return 0.5 * w @ matrix @ w - linear @ w


def quadratic(matrix, linear, start):
    return Objective(Partial(_quadratic_loss, matrix, linear), start=start)


def _bowl(w):
    return w[0] ** 2 + 10 * w[1] ** 2


bowl = Objective(_bowl, start=[4.0, 2.5], name="steep bowl")


def _rosenbrock(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


rosenbrock = Objective(_rosenbrock, start=[-1.5, 2.0], name="rosenbrock")

eigenvalues = st.lists(st.floats(0.1, 10.0), min_size=3, max_size=3)
seeds = st.integers(0, 2**16)


def positive_definite(spectrum, seed):
    generator = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    return rotation @ np.diag(spectrum) @ rotation.T, generator.normal(size=3), generator.normal(size=3) + 1.0


@given(eigenvalues, seeds, st.floats(0.3, 0.95), st.floats(1.05, 3.0))
@settings(max_examples=25, deadline=None)
def test_descent_converges_below_two_over_lambda_max_and_diverges_above(spectrum, seed, below, above):
    # Exercise 15.2: w converges if and only if 0 < eta < 2 / lambda_max.
    matrix, linear, start = positive_definite(spectrum, seed)
    limit = 2 / max(spectrum)
    sweep = descend(
        quadratic(matrix, linear, start),
        optax.sgd,
        learning_rate=[below * limit, above * limit],
        steps=20_000,
        every=1000,
    )
    assert sweep.verdict.values.tolist() == ["converged", "diverged"]
    np.testing.assert_allclose(sweep.params[0], np.linalg.solve(matrix, linear), atol=1e-6)


@given(eigenvalues, seeds, st.floats(0.01, 1.0), st.integers(1, 60))
@settings(max_examples=25, deadline=None)
def test_path_is_the_closed_form_on_a_quadratic(spectrum, seed, fraction, steps):
    # w_t - w* = (I - eta A)^t (w_0 - w*)
    matrix, linear, start = positive_definite(spectrum, seed)
    rate = fraction * 2 / max(spectrum)
    run = descend(
        quadratic(matrix, linear, start), optax.sgd, learning_rate=rate, steps=steps, stop=Stop(gradient_norm=None)
    )
    solution = np.linalg.solve(matrix, linear)
    contraction = np.eye(3) - rate * matrix
    expected = [solution + np.linalg.matrix_power(contraction, t) @ (start - solution) for t in range(steps + 1)]
    np.testing.assert_allclose(run.path.values, expected, rtol=1e-9, atol=1e-9)


def test_edge_of_stability_is_neither_convergence_nor_divergence():
    # lambda_max = 20, so 2/lambda_max = 0.1: the second parameter changes sign for ever.
    run = descend(bowl, optax.sgd, learning_rate=0.1, steps=3000)
    assert run.verdict == Verdict.OUT_OF_STEPS
    assert abs(run.path[-1, 1].item()) == pytest.approx(2.5, rel=1e-9)


def test_a_rate_too_small_is_not_called_converged():
    run = descend(bowl, optax.sgd, learning_rate=1e-9, steps=100)
    assert run.verdict == Verdict.OUT_OF_STEPS
    assert run.final_gradient_norm > 10


def test_a_run_just_above_the_limit_is_not_called_out_of_steps():
    run = descend(bowl, optax.sgd, learning_rate=0.105, steps=2000)
    assert run.verdict == Verdict.DIVERGED
    assert run.steps.item() < 2000


sizes = st.integers(1, 40)


@given(
    st.lists(st.floats(1e-4, 0.3), min_size=2, max_size=6, unique=True),
    st.lists(st.floats(0.0, 0.95), min_size=1, max_size=3, unique=True),
)
@settings(max_examples=10, deadline=None)
def test_a_run_inside_a_sweep_equals_the_run_alone(rates, momenta):
    sweep = descend(rosenbrock, optax.sgd, learning_rate=rates, momentum=momenta, steps=200, every=7)
    for i, rate in enumerate(rates):
        for j, momentum in enumerate(momenta):
            alone = descend(rosenbrock, optax.sgd, learning_rate=rate, momentum=momentum, steps=200, every=7)
            within = sweep.isel(learning_rate=i, momentum=j)
            assert within.steps.item() == alone.steps.item()
            assert within.reason.item() == alone.reason.item()
            np.testing.assert_allclose(within.params, alone.params, rtol=1e-12)
            count = alone.loss.sizes["step"] - 1
            np.testing.assert_allclose(within.loss.values[:count], alone.loss.values[:count], rtol=1e-12)


def everything(descent: Descent) -> dict[str, np.ndarray]:
    return {str(name): descent.dataset[name].values for name in descent.dataset.variables}


@pytest.mark.parametrize("lanes", [1, 3, 7, 40])
def test_splitting_into_blocks_changes_nothing(monkeypatch, lanes):
    rates = np.geomspace(1e-3, 0.3, 40)

    def run():
        return descend(bowl, optax.sgd, learning_rate=rates, momentum=[0.0, 0.5], steps=300, every=10)

    whole = everything(run())
    monkeypatch.setattr("steepest.descent.cut._lanes", lambda *arguments: lanes)
    split = everything(run())
    for name, values in whole.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(split[name], values, rtol=1e-12)
        else:
            np.testing.assert_array_equal(split[name], values)


@pytest.mark.parametrize("work", [1, 50, 10**9])
def test_splitting_steps_into_chunks_changes_nothing(monkeypatch, work):
    monkeypatch.setattr(blocks_module, "_FIRST_CHUNK_WORK", work)
    run = descend(rosenbrock, optax.sgd, learning_rate=1e-3, steps=997, every=10)
    monkeypatch.setattr(blocks_module, "_FIRST_CHUNK_WORK", 10**9)
    whole = descend(rosenbrock, optax.sgd, learning_rate=1e-3, steps=997, every=10)
    np.testing.assert_array_equal(run.path.values, whole.path.values)
    np.testing.assert_array_equal(run.dataset.step.values, [*range(0, 997, 10), 997])


@given(st.integers(1, 400))
@settings(max_examples=15, deadline=None)
def test_freezing_never_changes_a_finished_run(extra):
    # A run that has ended keeps its parameters however long its neighbours go on.
    short = descend(bowl, optax.sgd, learning_rate=0.05, momentum=0.5, steps=200)
    assert short.verdict == Verdict.CONVERGED
    longer = descend(bowl, optax.sgd, learning_rate=[0.05, 1e-4, 5.0], momentum=0.5, steps=200 + extra)
    np.testing.assert_allclose(longer.params[0], short.params, rtol=1e-12)
    assert longer.steps[0] == short.steps
    assert math.isfinite(longer.final_loss[2])


def test_the_step_of_an_ending_is_exact_however_seldom_it_is_recorded():
    each = descend(bowl, optax.sgd, learning_rate=[0.05, 0.12], steps=2000, every=1)
    seldom = descend(bowl, optax.sgd, learning_rate=[0.05, 0.12], steps=2000, every=500)
    np.testing.assert_array_equal(each.steps, seldom.steps)
    np.testing.assert_array_equal(each.reason, seldom.reason)
    converged = each.gradient_norm[0].values
    first = int(np.argmax(converged <= 1e-8))
    assert each.steps[0] == first


@given(st.floats(0.01, 0.09), st.floats(0.0, 0.9))
@settings(max_examples=15, deadline=None)
def test_momentum_is_the_recursion_of_exercise_15_1(rate, beta):
    run = descend(
        bowl, optax.sgd, learning_rate=rate, momentum=beta, steps=40, stop=Stop(gradient_norm=None, loss_limit=math.inf)
    )
    w, v, path = np.array([4.0, 2.5]), np.zeros(2), [np.array([4.0, 2.5])]
    for _ in range(40):
        v = beta * v + np.array([2 * w[0], 20 * w[1]])
        w = w - rate * v
        path.append(w)
    np.testing.assert_allclose(run.path.values, path, rtol=1e-10, atol=1e-10)


def test_average_is_the_mean_of_the_iterates():
    run = descend(bowl, optax.sgd, learning_rate=0.03, steps=50, average=True)
    np.testing.assert_allclose(run.average, run.path.values[1:].mean(axis=0), rtol=1e-12)
    late = descend(bowl, optax.sgd, learning_rate=0.03, steps=50, average=20)
    np.testing.assert_allclose(late.average, late.path.values[21:].mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (Stop(gradient_norm=1.0), "the gradient norm fell to its tolerance"),
        (Stop(target_loss=1.0), "the loss fell to its target"),
        (Stop(loss_limit=10.0), "the loss rose above its limit"),
        (Stop(parameter_norm=1.0), "the parameter norm rose above its limit"),
    ],
)
def test_every_limit_is_judged_at_the_step_it_is_crossed(stop, reason):
    run = descend(bowl, optax.sgd, learning_rate=0.02, steps=300, stop=stop)
    step = run.steps.item()
    assert run.reason.item() == reason
    loss, norm = run.loss.values, run.gradient_norm.values
    size = np.linalg.norm(run.path.values, axis=1)
    met = {
        "the gradient norm fell to its tolerance": norm <= 1.0,
        "the loss fell to its target": loss <= 1.0,
        "the loss rose above its limit": loss > 10.0,
        "the parameter norm rose above its limit": size > 1.0,
    }[reason]
    assert met[step]
    assert not met[:step].any()


def test_a_loss_that_is_not_finite_ends_the_run_with_what_it_had():
    log = Objective(lambda w: -jnp.sum(jnp.log(w)) + 5 * jnp.sum(w), start=[1.0, 1.0])
    run = descend(log, optax.sgd, learning_rate=[0.01, 0.5], steps=200)
    assert run.reason[1].item() == "the loss or its gradient was no longer finite"
    assert run.verdict[0] != Verdict.DIVERGED
    assert np.isfinite(run.loss[0].values).all()


def test_float32_on_request_and_global_settings_left_alone():
    import jax

    before = jax.config.jax_enable_x64
    single = descend(bowl, optax.sgd, learning_rate=0.05, steps=200, dtype="float32")
    double = descend(bowl, optax.sgd, learning_rate=0.05, steps=100)
    assert single.loss.dtype == np.float32
    assert single.params.dtype == np.float32
    assert double.loss.dtype == np.float64
    assert jax.config.jax_enable_x64 == before
    assert single.verdict == Verdict.CONVERGED
