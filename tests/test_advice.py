"""What theory advises, and ``learning_rate="auto"``: never diverging where a theorem says so."""

from __future__ import annotations

import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest as sd
from steepest import theory


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 0.0, 0.5, 0.9]), st.booleans())
@settings(max_examples=25)
def test_the_advice_for_a_quadratic_converges_in_the_steps_predicted(seed, momentum, nesterov):
    random = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(random.normal(size=(4, 4)))
    eigenvalues = np.sort(np.exp(random.uniform(np.log(0.1), np.log(100), 4)))
    matrix = basis @ np.diag(eigenvalues) @ basis.T
    matrix, start = (matrix + matrix.T) / 2, random.normal(size=4)
    quadratic = sd.landscapes.quadratic(matrix, start=start)
    advice = theory.advise(quadratic, momentum=momentum, nesterov=nesterov)
    setting, steps = advice.setting, int(advice.steps(1e-6))
    assert advice.guarantee
    assert setting.learning_rate < advice.limit
    end = theory.quadratic_descent(
        matrix, start=start, learning_rate=setting.learning_rate, steps=steps, momentum=setting.momentum,
        nesterov=setting.nesterov,
    )  # fmt: skip
    # Momentum may first grow by 1 + 2t.
    assert np.linalg.norm(end) <= 1e-6 * np.linalg.norm(start) * (1 + 2 * steps if setting.momentum else 1 + 1e-6)


def test_without_momentum_given_the_best_pair_is_advised():
    advice = theory.advise(sd.landscapes.steep_bowl)
    assert advice.method == "heavy ball"
    assert advice.setting == theory.best_heavy_ball(20.0, 2.0)


def test_a_convex_loss_without_strong_convexity_gets_one_over_smoothness():
    x = np.random.default_rng(0).normal(size=(50, 3))
    risk = sd.EmpiricalRisk(sd.models.softmax, sd.losses.softmax_cross_entropy, x, (x[:, 0] > 0).astype(int))
    smoothness = theory.constants(risk).smoothness
    plain = theory.advise(risk, momentum=0.0)
    assert plain.setting.learning_rate == pytest.approx(1 / smoothness)
    assert "Beck & Teboulle" in plain.guarantee
    heavy = theory.advise(risk, momentum=0.9)
    assert heavy.setting.learning_rate == pytest.approx(0.1 / smoothness)
    free = theory.advise(risk)
    assert free.method == "Nesterov's method"
    assert free.setting.learning_rate == pytest.approx(1 / smoothness)


def test_the_energy_of_the_advice_for_convex_losses_never_rises():
    # loss + ‖step‖²/(2η) of the points before the look-ahead: x_{t+1} = w_t − η∇f(w_t), as the guarantee says.
    x = np.random.default_rng(0).normal(size=(50, 2)) * [1.0, 30.0]
    risk = sd.EmpiricalRisk(sd.models.softmax, sd.losses.softmax_cross_entropy, x, (x[:, 0] > 0).astype(int))
    setting = theory.advise(risk).setting
    run = sd.descend(
        risk,
        optax.sgd,
        learning_rate=setting.learning_rate,
        momentum=setting.momentum,
        nesterov=True,
        steps=300,
        path=True,
    )
    ahead = run.path.values
    points = np.empty_like(ahead)
    points[0] = ahead[0]
    # w_t = x_t + β (x_t − x_{t−1}) turned around.
    for step in range(1, len(ahead)):
        points[step] = (ahead[step] + setting.momentum * points[step - 1]) / (1 + setting.momentum)
    shapes = {"bias": (2,), "weight": (2, 2)}
    loss = [risk({"bias": p[:2], "weight": p[2:].reshape(shapes["weight"])}) for p in points]
    energy = np.array(loss[1:]) + (np.diff(points, axis=0) ** 2).sum(axis=1) / (2 * setting.learning_rate)
    assert (np.diff(energy) <= 1e-12).all()


def test_batches_get_the_rate_of_expected_smoothness():
    x = np.random.default_rng(0).normal(size=(60, 3))
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, x[:, 0])
    known = theory.constants(risk)
    single = theory.advise(risk, momentum=0.0, batch_size=1)
    assert single.setting.learning_rate == pytest.approx(1 / (2 * known.largest_row_smoothness))
    whole = theory.advise(risk, momentum=0.0, batch_size=60)
    assert whole.setting.learning_rate == pytest.approx(1 / (2 * known.smoothness))


def test_auto_is_the_advice_and_says_so():
    run = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate="auto", steps=200)
    assert run.verdict == "converged"
    assert run.dataset.attrs["learning_rate"] == pytest.approx(1 / 6)
    first, second = run.explain().split("\n")
    assert first.startswith("learning rate 0.166667 chosen: 2/(L + μ)")
    assert "Nesterov 2004" in first
    assert second.startswith("converged")
    other = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate="auto", momentum=0.5, steps=200)
    assert other.dataset.attrs["learning_rate"] == pytest.approx(3 / 12)


@pytest.mark.parametrize("name", ["rosenbrock", "himmelblau", "rippled_bowl", "wells", "booth"])
def test_auto_goes_down_on_landscapes_that_are_not_convex(name):
    landscape = sd.landscapes.find(name)
    run = sd.descend(landscape, optax.sgd, learning_rate="auto", steps=2000)
    assert run.verdict != "diverged"
    assert run.final_loss < run.loss[0]


def test_auto_halves_a_rate_that_the_start_misjudges():
    # A gentle slope where it starts, and a wall of the eighth power a little further down.
    wall = sd.Objective(lambda w: 0.001 * w[0] ** 2 + w[0] + (w[0] + 3) ** 8 / 100, start=[-2.9])
    run = sd.descend(wall, optax.sgd, learning_rate="auto", steps=100)
    assert run.verdict != "diverged"
    assert run.final_loss <= run.loss[0]
    assert "halved" in run.explain()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"learning_rate": "fast"}, "or \"auto\", got 'fast'"),
        ({"method": optax.adam}, "knows optax.sgd"),
        ({"method": {"a": optax.sgd, "b": optax.adam}}, "several methods"),
        ({"momentum": [0.0, 0.9]}, "momentum is an axis along which it would differ"),
        ({"momentum": 1.5}, "momentum must be from 0 to below 1"),
        ({"objective": {"a": sd.landscapes.bowl, "b": sd.landscapes.saddle}}, "objective is an axis"),
        ({"objective": sd.landscapes.rosenbrock, "start": [[0.0, 0.0], [1.0, 2.0]]}, "start is an axis"),
    ],
)
def test_what_auto_cannot_choose_is_said_in_words(arguments, words):
    given = {"objective": sd.landscapes.bowl, "method": optax.sgd, "learning_rate": "auto", "steps": 5} | arguments
    with pytest.raises(ValueError, match=words):
        sd.descend(given.pop("objective"), given.pop("method"), **given)


def test_several_starts_share_a_rate_that_holds_everywhere():
    runs = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate="auto", start=[[4.0, 2.5], [-1.0, 3.0]], steps=200)
    assert (runs.verdict == "converged").all()


def test_a_loss_without_curvature_has_no_advice():
    with pytest.raises(ValueError, match="no curvature where it starts"):
        sd.descend(lambda w: 3 * w[0], optax.sgd, start=[1.0], learning_rate="auto", steps=5)
