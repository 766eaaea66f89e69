"""Every minimiser that a landscape states is one, and there is no other in its window."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, optimize

from steepest import landscapes
from steepest.precision import double_precision

STATED = {name: objective for name, objective in landscapes.CATALOGUE.items() if objective.minimisers}
SMOOTH = {name: objective for name, objective in STATED.items() if objective.smooth}


def functions(objective):
    """Loss, gradient and Hessian in float64, NumPy in and out."""

    def at(function):
        compiled = jax.jit(function)

        def evaluated(w):
            with double_precision():
                return np.asarray(compiled(np.asarray(w, float)))

        return evaluated

    loss = objective.loss
    return at(loss), at(jax.grad(loss)), at(jax.hessian(loss))


@pytest.mark.parametrize("name", SMOOTH)
def test_stated_minimisers_have_no_gradient_and_no_negative_curvature(name):
    loss, gradient, hessian = functions(SMOOTH[name])
    for minimiser in SMOOTH[name].minimisers:
        eigenvalues = np.linalg.eigvalsh(hessian(minimiser))
        # A minimiser rounded to float64 leaves a gradient of an ulp of its size times the largest curvature.
        ulp = np.finfo(float).eps * np.abs(minimiser).max()
        assert np.abs(gradient(minimiser)).max() <= 2 * ulp * eigenvalues[-1]
        assert eigenvalues[0] > 0
        assert loss(minimiser) == pytest.approx(SMOOTH[name].minimum, rel=2e-16, abs=2e-15)


def test_ackley_has_no_lower_neighbour_and_a_gradient_without_nan():
    # Not smooth at its minimiser: a direct search of every direction and scale stands in for the derivatives.
    loss, gradient, _ = functions(landscapes.ackley)
    (minimiser,) = landscapes.ackley.minimisers
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    for scale, angle in itertools.product(10.0 ** np.arange(-7, 1), angles):
        assert loss(minimiser + scale * np.array([np.cos(angle), np.sin(angle)])) > loss(minimiser)
    assert loss(minimiser) == pytest.approx(landscapes.ackley.minimum, abs=1e-14)
    assert np.isfinite(gradient(minimiser)).all()


@pytest.mark.parametrize("name", STATED)
def test_no_lower_point_and_no_further_minimiser_in_the_window(name):
    objective = STATED[name]
    assert objective.window is not None
    # An even number of points: no point of the grid is the middle of the window, where many minimisers are.
    axes = [np.linspace(*span, 300) for span in objective.window]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    with double_precision():
        values = np.asarray(jax.jit(jnp.vectorize(objective.loss, signature="(n)->()"))(grid))
    # Room for the rounding of sums of a few terms of the size of the loss near its minimum.
    assert values.min() >= objective.minimum - 1e-14
    # Every hollow that the grid can show is searched, however shallow: descent from each grid point that has no lower
    # neighbour ends in stated minimisers or above them, and in all of them.
    loss, gradient, _ = functions(objective)
    hollows = grid[values == ndimage.minimum_filter(values, size=3, mode="nearest")]
    ends = [
        optimize.minimize(
            loss,
            point,
            jac=gradient,
            method="L-BFGS-B",
            bounds=objective.window,
            options={"ftol": 1e-15, "gtol": 1e-12},
        )
        for point in hollows
    ]
    best = [end.x for end in ends if end.fun <= objective.minimum + 1e-9]
    reached = set()
    for point in best:
        distances = np.linalg.norm(np.asarray(objective.minimisers) - point, axis=1)
        assert distances.min() < 1e-3
        reached.add(int(distances.argmin()))
    assert reached == set(range(len(objective.minimisers)))


def test_every_landscape_says_what_it_is():
    for name, objective in landscapes.CATALOGUE.items():
        assert objective.name == name
        assert objective.formula
        assert objective.source
        assert objective.window is not None
        assert np.shape(objective.start) == (len(objective.window),)
        inside = [low <= w <= high for w, (low, high) in zip(objective.start, objective.window, strict=True)]
        assert all(inside)
        assert getattr(landscapes, name) is objective


def test_the_origin_of_the_rippled_bowl_is_a_saddle():
    # The chapter's figure marks it as the global minimum.
    _, gradient, hessian = functions(landscapes.rippled_bowl)
    assert gradient([0.0, 0.0]).tolist() == [0.0, 0.0]
    assert np.linalg.det(hessian([0.0, 0.0])) == pytest.approx(2 * 6 - 4.5**2)
    assert landscapes.rippled_bowl([0.0, 0.0]) > landscapes.rippled_bowl.minimum


@pytest.mark.parametrize("name", [name for name, objective in STATED.items() if objective.in_dimensions])
@pytest.mark.parametrize("dimensions", [2, 3, 10])
def test_minimisers_in_any_dimension(name, dimensions):
    objective = landscapes.CATALOGUE[name].in_dimensions(dimensions)
    loss, gradient, hessian = functions(objective)
    (minimiser,) = objective.minimisers
    assert len(minimiser) == dimensions == len(objective.window) == len(objective.start)
    assert loss(minimiser) == pytest.approx(objective.minimum, abs=1e-12)
    assert np.abs(gradient(minimiser)).max() < 1e-12
    if objective.smooth:
        assert np.linalg.eigvalsh(hessian(minimiser))[0] > 0


@given(st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_quadratic_is_its_formula(size, seed):
    generator = np.random.default_rng(seed)
    factor, b, w = generator.normal(size=(size, size)), generator.normal(size=size), generator.normal(size=size)
    matrix = factor @ factor.T + np.eye(size)
    objective = landscapes.quadratic(matrix, b)
    _, gradient, hessian = functions(objective)
    np.testing.assert_allclose(objective(w), 0.5 * w @ matrix @ w - b @ w, rtol=1e-12)
    np.testing.assert_allclose(gradient(w), matrix @ w - b, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(hessian(w), matrix, rtol=1e-12)
    np.testing.assert_allclose(objective.minimisers[0], np.linalg.solve(matrix, b), rtol=1e-10)
    assert objective(objective.minimisers[0]) == pytest.approx(objective.minimum)


def test_an_indefinite_quadratic_states_no_minimiser():
    assert landscapes.quadratic(np.diag([1.0, -1.0])).minimisers == ()
    assert landscapes.quadratic(np.diag([1.0, 0.0])).minimisers == ()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: landscapes.quadratic([[1.0, 2.0]]), "square matrix, got shape (1, 2)"),
        (lambda: landscapes.quadratic([[1.0, 2.0], [0.0, 1.0]]), "must be symmetric"),
        (lambda: landscapes.quadratic([[np.nan]]), "must be finite"),
        (lambda: landscapes.quadratic(np.eye(2), b=[1.0]), "b must be finite and of shape (2,)"),
        (lambda: landscapes.rosenbrock.in_dimensions(1), "from 2 up for rosenbrock, got 1"),
        (lambda: landscapes.find("rosenbrok"), "did you mean 'rosenbrock'"),
    ],
)
def test_what_is_refused(make, words):
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert words in str(caught.value)
