"""Empirical risk, batches and noise: unbiased gradients, closed forms, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest import batches, models
from steepest.descent import Stop, descend
from steepest.descent import blocks as blocks_module
from steepest.gradients import check_gradient
from steepest.noise import add_gradient_noise, add_noise_sequence
from steepest.objectives import Objective
from steepest.precision import double_precision
from steepest.risk import EmpiricalRisk

FREE = Stop(gradient_norm=None)


def linear(params, x):
    return x @ params["weight"] + params["bias"]


def half_squares(predictions, targets):
    return 0.5 * (predictions - targets) ** 2


def data(rows=30, columns=3, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, columns))
    return x, x @ np.arange(1.0, columns + 1) + generator.normal(size=rows)


def start(columns=3):
    return {"weight": np.zeros(columns), "bias": 0.0}


def risk(**changes):
    x, y = data()
    return EmpiricalRisk(linear, half_squares, x, y, **({"start": start()} | changes))


def batch_gradient(objective, params, rows):
    with double_precision():
        oracle = objective.oracle(np.dtype("float64"))
        assert oracle.batch is not None
        return jax.tree.map(np.asarray, oracle.batch(params, jnp.asarray(rows, jnp.int32))[1])


def full_gradient(objective, params):
    with double_precision():
        return jax.tree.map(np.asarray, objective.oracle(np.dtype("float64")).full(params)[1])


@given(st.integers(0, 1000), st.booleans(), st.floats(0.0, 1.0))
@settings(max_examples=20, deadline=None)
def test_mean_of_per_sample_gradients_is_the_batch_gradient(seed, weighted, l2):
    # E[g_t] = grad L (chapter 15.7), also with weights and an L2 term.
    generator = np.random.default_rng(seed)
    objective = risk(weights=generator.uniform(0.1, 2.0, 30) if weighted else None, l2=l2)
    params = {"weight": generator.normal(size=3), "bias": generator.normal()}
    each = [batch_gradient(objective, params, [row]) for row in range(30)]
    mean = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *each)
    for one, other in zip(jax.tree.leaves(mean), jax.tree.leaves(full_gradient(objective, params)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@given(st.lists(st.integers(0, 29), min_size=1, max_size=8), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_empty_places_of_a_ragged_batch_do_not_count(rows, empty):
    objective, params = risk(), {"weight": np.ones(3), "bias": 0.5}
    ragged = batch_gradient(objective, params, rows + [-1] * empty + [-1])
    mean = jax.tree.map(
        lambda *leaves: np.mean(leaves, axis=0), *[batch_gradient(objective, params, [row]) for row in rows]
    )
    for one, other in zip(jax.tree.leaves(ragged), jax.tree.leaves(mean), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_weights_of_zero_and_two_are_rows_left_out_and_rows_given_twice():
    x, y = data()
    weights = np.ones(30)
    weights[:5], weights[5:10] = 0.0, 2.0
    repeated = np.r_[5:30, 5:10]
    weighted = EmpiricalRisk(linear, half_squares, x, y, weights=weights)
    plain = EmpiricalRisk(linear, half_squares, x[repeated], y[repeated])
    params = {"weight": np.array([0.3, -0.2, 1.0]), "bias": 0.1}
    assert weighted(params) == pytest.approx(plain(params), rel=1e-12)


def test_descent_on_ridge_reaches_the_normal_equations():
    # (X'X/n + l2 I) w = X'y/n without a bias; the bias is not penalised.
    x, y = data()
    run = descend(risk(l2=0.3), optax.sgd, learning_rate=0.3, steps=5000)
    centred, target = x - x.mean(axis=0), y - y.mean()
    weight = np.linalg.solve(centred.T @ centred / 30 + 0.3 * np.eye(3), centred.T @ target / 30)
    assert run.verdict == "converged"
    np.testing.assert_allclose(run.params["weight"], weight, rtol=1e-6)
    np.testing.assert_allclose(run.params["bias"], y.mean() - x.mean(axis=0) @ weight, rtol=1e-6)


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 100), st.integers(0, 200), st.integers(1, 100))
@settings(max_examples=50, deadline=None)
def test_a_plan_is_a_function_of_seed_and_step_alone(width, rows, seed, first, count):
    for plan in (batches.shuffled(width), batches.with_replacement(width)):
        whole = plan.rows(seed, 0, first + count, rows)
        np.testing.assert_array_equal(plan.rows(seed, first, count, rows), whole[first:])


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_an_epoch_of_shuffled_batches_sees_every_row_once(width, rows, seed):
    plan = batches.shuffled(width)
    per_epoch = plan.steps_per_epoch(rows)
    for epoch in range(2):
        seen = plan.rows(seed, epoch * per_epoch, per_epoch, rows)
        assert sorted(seen[seen >= 0].tolist()) == list(range(rows))
        assert (seen >= 0).any(axis=1).all()


def test_single_rows_are_drawn_uniformly():
    counts = np.bincount(batches.single().rows(0, 0, 100_000, 10).ravel(), minlength=10)
    # Chi-squared with 9 degrees of freedom: the 99.99 % point is 33.7.
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 33.7


@pytest.mark.parametrize("batch_size", [1, 7, 30, batches.explicit(np.arange(30))])
def test_stochastic_descent_is_the_loop_one_would_write(batch_size):
    x, y = data()
    plan = batches.as_plan(batch_size)
    assert plan is not None
    steps = 2 * plan.steps_per_epoch(30) if not isinstance(plan, batches.Explicit) else 30
    run = descend(risk(), optax.sgd, learning_rate=0.05, steps=steps, every=1, batch_size=batch_size, seed=3, stop=FREE)
    weight, bias = np.zeros(3), 0.0
    for places in plan.rows(3, 0, steps, 30):
        rows = places[places >= 0]
        residual = x[rows] @ weight + bias - y[rows]
        weight, bias = weight - 0.05 * x[rows].T @ residual / len(rows), bias - 0.05 * residual.mean()
    np.testing.assert_allclose(run.params["weight"], weight, rtol=1e-9)
    np.testing.assert_allclose(run.params["bias"], bias, rtol=1e-9)


def test_a_stochastic_run_inside_a_sweep_equals_the_run_alone():
    sweep = descend(risk(), optax.sgd, learning_rate=[0.01, 0.05], batch_size=[1, 8, None], seed=range(3), epochs=4)
    assert sweep.loss.dims == ("learning_rate", "batch_size", "seed", "epoch")
    assert sweep.dataset.batch_size.values.tolist() == [1, 8, 30]
    for rate in (0.01, 0.05):
        for place, size in enumerate([1, 8, None]):
            for seed in range(3):
                alone = descend(risk(), optax.sgd, learning_rate=rate, batch_size=size, seed=seed, epochs=4)
                within = sweep.sel(learning_rate=rate, seed=seed).isel(batch_size=place)
                np.testing.assert_allclose(within.loss.values, alone.loss.values, rtol=1e-12)


@pytest.mark.parametrize("every", [1, 7, 64, 100])
@pytest.mark.parametrize("work", [1, 100, 5000])
def test_splitting_steps_on_batches_into_chunks_changes_nothing(monkeypatch, every, work):
    def run():
        return descend(risk(), optax.sgd, learning_rate=[0.01, 0.02], batch_size=1, seed=[0, 1], steps=500, every=every)

    monkeypatch.setattr(blocks_module, "_FIRST_CHUNK_WORK", work)
    monkeypatch.setattr(blocks_module, "_SECONDS_PER_CHUNK", 1e-9)
    split = run()
    monkeypatch.setattr(blocks_module, "_FIRST_CHUNK_WORK", 10**9)
    whole = run()
    np.testing.assert_array_equal(split.dataset.step, whole.dataset.step)
    np.testing.assert_allclose(split.loss.values, whole.loss.values, rtol=1e-12)
    np.testing.assert_allclose(split.path.values, whole.path.values, rtol=1e-12)


def test_the_order_of_rows_does_not_depend_on_the_sweep_it_is_in():
    a = descend(risk(), optax.sgd, learning_rate=0.02, batch_size=4, seed=7, epochs=3)
    b = descend(risk(), optax.sgd, learning_rate=[0.01, 0.02], batch_size=4, seed=[1, 7], epochs=3)
    np.testing.assert_allclose(b.sel(learning_rate=0.02, seed=7).loss, a.loss, rtol=1e-12)


def test_noise_sequence_is_added_to_the_gradient():
    noise = np.random.default_rng(0).normal(size=(20, 2))
    bowl = Objective(lambda w: w[0] ** 2 + 5 * w[1] ** 2, start=[4.0, 2.0])
    run = descend(
        bowl,
        lambda learning_rate: optax.chain(add_noise_sequence(noise), optax.sgd(learning_rate)),
        learning_rate=0.04,
        steps=25,
        stop=FREE,
    )
    w = np.array([4.0, 2.0])
    for step in range(25):
        w = w - 0.04 * (np.array([2 * w[0], 10 * w[1]]) + (noise[step] if step < 20 else 0))
    np.testing.assert_allclose(run.params, w, rtol=1e-10)


def test_simulated_noise_has_its_standard_deviation_and_follows_the_seed():
    flat = Objective(lambda w: 0.0 * jnp.sum(w), start=np.zeros(2000))

    def noisy(learning_rate, standard_deviation, seed):
        return optax.chain(add_gradient_noise(standard_deviation, seed), optax.sgd(learning_rate))

    sweep = descend(flat, noisy, learning_rate=1.0, standard_deviation=[0.5, 2.0], seed=[0, 1], steps=1, stop=FREE)
    # The standard error of a standard deviation of 2,000 draws is 1/sqrt(4000) of it; five of these are 8 %.
    np.testing.assert_allclose(sweep.params.std(axis=-1), [[0.5, 0.5], [2.0, 2.0]], rtol=0.08)
    np.testing.assert_allclose(sweep.params[1], 4 * sweep.params[0], rtol=1e-12)
    assert abs(np.corrcoef(sweep.params[0])[0, 1]) < 0.12
    alone = descend(flat, noisy, learning_rate=1.0, standard_deviation=2.0, seed=1, steps=1, stop=FREE)
    np.testing.assert_allclose(alone.params, sweep.params[1, 1], rtol=1e-12)


def test_a_hand_written_gradient_is_used_and_checked():
    def gradient(params, x, y, weights):
        residual = weights * (linear(params, x) - y)
        return {"weight": x.T @ residual, "bias": jnp.sum(residual)}

    x, y = data()
    right = EmpiricalRisk(linear, half_squares, x, y, start=start(), gradient=gradient, l2=0.1)
    assert check_gradient(right)
    for size in (None, 1, 7):
        by_hand = descend(right, optax.sgd, learning_rate=0.05, epochs=3, batch_size=size)
        automatic = descend(risk(l2=0.1), optax.sgd, learning_rate=0.05, epochs=3, batch_size=size)
        np.testing.assert_allclose(by_hand.loss, automatic.loss, rtol=1e-10)
    halved = Objective(lambda w: w[0] ** 2, start=[1.0], gradient=lambda w: w)
    check = check_gradient(halved, at=[3.0])
    assert not check
    assert (check.worst, check.given, check.autodiff) == ("w[0]", 3.0, 6.0)
    assert descend(halved, optax.sgd, learning_rate=0.25, steps=1).params[0] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EmpiricalRisk(linear, half_squares, np.empty((0, 2)), []), "at least one row"),
        (lambda: EmpiricalRisk(linear, half_squares, np.ones((3, 2)), np.ones(4)), "same number of rows, got 3 and 4"),
        (
            lambda: EmpiricalRisk(linear, half_squares, pd.DataFrame({"age": [1.0, np.nan]}), [1.0, 2.0]),
            "column 'age', row 1",
        ),
        (lambda: EmpiricalRisk(linear, half_squares, np.ones((2, 1)), [1.0, np.inf]), "inf in row 1"),
        (
            lambda: EmpiricalRisk(linear, half_squares, pd.DataFrame({"city": ["a", "b"]}), [1.0, 2.0]),
            "x must be numeric",
        ),
        (lambda: risk(weights=np.ones(3)), "shape (30,)"),
        (lambda: risk(weights=-np.ones(30)), "at least 0"),
        (lambda: risk(l2=-1.0), "l2 must be a finite number at least 0"),
        (lambda: batches.shuffled(0), "at least 1, got 0"),
        (lambda: batches.explicit([[0, 1], [-1, -1]]), "no row at step 1"),
        (lambda: batches.explicit([]), "plan must"),
        (lambda: add_gradient_noise(-1.0), "at least 0"),
        (lambda: add_noise_sequence(np.array([[np.nan]])), "step 0"),
        (
            lambda: descend(risk(), optax.sgd, learning_rate=0.1, epochs=1, batch_size=31),
            "batch_size=31 is larger than the data",
        ),
        (
            lambda: descend(risk(), optax.sgd, learning_rate=0.1, steps=5, batch_size=batches.explicit([0, 30])),
            "row 30 at step 1",
        ),
        (
            lambda: descend(risk(), optax.sgd, learning_rate=0.1, steps=5, batch_size=batches.explicit([0, 1])),
            "has 2 steps",
        ),
        (lambda: descend(risk(start=None), optax.sgd, learning_rate=0.1, steps=5), "start is missing"),
        (
            lambda: descend(
                EmpiricalRisk(linear, lambda p, y: jnp.mean((p - y) ** 2), *data(), start=start()),
                optax.sgd,
                learning_rate=0.1,
                steps=5,
            ),
            "one value a row, shape (30,), got shape ()",
        ),
    ],
)
def test_what_is_refused(make, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert words in str(caught.value)


@pytest.mark.parametrize("sizes", [[None, 5], [1, 5], [5, None, 1]])
def test_records_of_several_batch_sizes_stand_at_their_own_steps(sizes):
    # Without ``every`` each size would choose its own interval; one axis of steps holds them all.
    both = descend(risk(), optax.sgd, learning_rate=0.01, steps=100, batch_size=sizes)
    every = int(both.dataset.step[1])
    for place, size in enumerate(sizes):
        alone = descend(risk(), optax.sgd, learning_rate=0.01, steps=100, batch_size=size, every=every)
        np.testing.assert_array_equal(both.dataset.step, alone.dataset.step)
        np.testing.assert_allclose(both.loss.isel(batch_size=place), alone.loss, rtol=1e-12)


def test_only_parameters_called_bias_are_spared_the_l2_term():
    x, y = data()

    def model(params, rows):
        return rows @ params["unbiased"] + params["bias"]

    penalised = EmpiricalRisk(model, half_squares, x, y, l2=2.0)
    plain = EmpiricalRisk(model, half_squares, x, y)
    params = {"unbiased": [1.0, 2.0, 3.0], "bias": 5.0}
    assert penalised(params) - plain(params) == pytest.approx(14.0)


def test_single_precision_stays_single_with_an_l2_term():
    for size in (None, 1, 4):
        run = descend(risk(l2=0.1), optax.sgd, learning_rate=0.01, epochs=1, batch_size=size, dtype="float32")
        assert run.loss.dtype == np.float32


def test_starts_of_a_model_may_be_an_axis():
    x, y = data()
    own = EmpiricalRisk(models.linear, half_squares, x, y)
    points = [{"weight": np.full(3, float(k)), "bias": 0.0} for k in range(2)]
    listed = descend(own, optax.sgd, learning_rate=0.01, epochs=2, start=points)
    labelled = descend(own, optax.sgd, learning_rate=0.01, epochs=2, start=dict(zip("ab", points, strict=True)))
    assert listed.axes == labelled.axes == ("start",)
    np.testing.assert_allclose(listed.loss.values, labelled.loss.values, rtol=1e-12)


def test_a_stretch_of_no_steps_has_no_rows():
    for plan in (batches.shuffled(5), batches.with_replacement(5)):
        for first in (0, 4, 4096):
            assert plan.rows(0, first, 0, 20).shape == (0, 5)
