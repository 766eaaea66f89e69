"""The chapter's exercises as programs. 15.1, 15.2 and 15.5 are also laws in test_descent_laws and test_losses."""

from __future__ import annotations

import sys

import numpy as np
import optax
import pytest

import steepest as sd
from steepest.chapter import exercise_15_1, exercise_15_2, exercise_15_3, exercise_15_5


def test_15_1_momentum_needs_fewer_steps_in_a_narrow_valley():
    # Heavy ball against plain descent at condition number 100, each at its best known setting (Polyak 1964):
    # plain 2/(1+100) contracts by 99/101 a step, heavy ball with beta = (9/11)^2 by 9/11.
    valley = sd.landscapes.quadratic(np.diag([1.0, 100.0]))
    stop = sd.Stop(gradient_norm=1e-6)
    plain = sd.descend(valley, optax.sgd, learning_rate=2 / 101, steps=5000, stop=stop)
    heavy = sd.descend(valley, optax.sgd, learning_rate=4 / 121, momentum=(9 / 11) ** 2, steps=5000, stop=stop)
    assert plain.verdict == heavy.verdict == "converged"
    assert heavy.steps * 5 < plain.steps
    with_and_without = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=0.08, momentum=[0.0, 0.9], steps=200)
    lengths = np.linalg.norm(with_and_without.path.diff("step"), axis=-1)
    assert np.nansum(lengths[1]) > 2 * np.nansum(lengths[0])  # at 0.9 it overshoots and swings


def test_15_3_a_rate_that_decays_by_ten_at_epochs_50_and_80_ends_quieter():
    x, y = sd.datasets.spirals(rows=150, arms=3, noise=0.2, seed=1)
    risk = sd.EmpiricalRisk(sd.models.mlp((16,), "tanh"), sd.losses.softmax_cross_entropy, x, y)
    per_epoch = sd.batches.as_plan(10).steps_per_epoch(150)
    decaying = optax.piecewise_constant_schedule(0.5, {50 * per_epoch: 0.1, 80 * per_epoch: 0.1})
    rates = {"constant": 0.5, "decaying": decaying}
    runs = sd.descend(risk, optax.sgd, learning_rate=rates, batch_size=10, seed=[0, 1, 2], epochs=100)
    assert runs.loss.dims == ("learning_rate", "seed", "epoch")
    first, last = runs.loss.sel(epoch=slice(0, 50)), runs.loss.sel(epoch=slice(85, 100))
    np.testing.assert_allclose(first.sel(learning_rate="constant"), first.sel(learning_rate="decaying"), rtol=1e-12)
    roughness = np.abs(last.diff("epoch")).mean(["epoch", "seed"])
    assert roughness.sel(learning_rate="decaying") < 0.2 * roughness.sel(learning_rate="constant")


def test_15_4_the_share_of_starts_that_reaches_the_global_minimum():
    wells = sd.landscapes.wells
    starts = np.linspace(-5.7, 5.7, 20)[:, None]
    runs = sd.descend(wells, optax.sgd, learning_rate=0.02, start=starts, steps=2000)
    assert (runs.verdict == "converged").all()
    ends = runs.params[:, 0]
    slope = 0.2 * ends + 3 * np.cos(3 * ends)
    assert np.abs(slope).max() < 1e-7  # each end is a critical point
    reached = np.abs(ends - wells.minimisers[0][0]) < 1e-6
    # The global basin lies between the maxima next to it; with a rate below 1/max|f''| no run leaves its basin.
    # The maxima of x²/10 + sin 3x left and right of the global minimum, by bisection of the slope:
    left, right = (_root(low, high) for low, high in ((-1.8, -1.2), (0.3, 0.9)))
    expected = (starts[:, 0] > left) & (starts[:, 0] < right)
    np.testing.assert_array_equal(reached, expected)
    assert reached.mean() == pytest.approx(0.2)


def _root(low: float, high: float) -> float:
    def slope(x: float) -> float:
        return 0.2 * x + 3 * np.cos(3 * x)

    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(low) * slope(middle) > 0 else (low, middle)
    return low


def test_15_1_momentum_of_a_fixed_size_pays_from_the_condition_number_on_that_theory_says():
    # (1 + √β)/(1 − √β) = 37.97 at β = 0.9: plain descent is ahead at 30 and behind at 45.
    note = exercise_15_1.where_it_pays()
    assert "pay above 38" in note
    for number in (30, 45):
        plain, momentum = note.split(f" {number}: ")[1].split(";")[0].split(" against ")
        assert (int(plain) < int(momentum)) == (number == 30)


def test_15_2_the_limit_lies_between_runs_that_converge_and_runs_that_diverge():
    matrix = np.array([[3.0, 1.0], [1.0, 2.0]])
    low, high = exercise_15_2.threshold(matrix, np.array([1.0, -1.0]))
    limit = 2 / np.linalg.eigvalsh(matrix)[-1]
    assert low < limit < high < 1.001 * low
    note = exercise_15_2.not_definite()
    assert "diag(−1, 2) diverged" in note
    assert "is out of steps after 2,000, at w₁ = 1001" in note  # 1 + 2000 · 0.5 · b₁


def test_15_3_the_fall_from_a_tenth_comes_too_early_and_from_a_half_in_time():
    first, second = exercise_15_3.programs()[0].notes
    assert first.startswith("from 0.1 the falling rate ends lower than the constant one in 0 of 8 seeds")
    assert second.startswith("from 0.5 the falling rate ends lower than the constant one in 8 of 8 seeds")


def test_15_5_without_sympy_the_rest_is_still_done(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"pip install 'steepest\[symbolic\]'"):
        exercise_15_5.derived()
    (program,) = exercise_15_5.programs()
    assert "derived" not in program.book
    assert "left out" in program.notes[-1]
    np.testing.assert_allclose(program.numbers["huge logits"], [1, -1, 0])
