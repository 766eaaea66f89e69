"""Eigenvalues by Lanczos and from the whole Hessian, their bounds, densities, and sharpness along paths."""

from __future__ import annotations

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest as sd
from steepest import theory
from steepest.theory.lanczos import Krylov, extreme, tridiagonalised


def symmetric(eigenvalues: np.ndarray, random: np.random.Generator) -> np.ndarray:
    basis, _ = np.linalg.qr(random.normal(size=(len(eigenvalues), len(eigenvalues))))
    matrix = basis @ np.diag(eigenvalues) @ basis.T
    return (matrix + matrix.T) / 2


spectra = st.sampled_from(["spread", "clustered", "negative", "repeated", "null", "one", "identity", "zero"])


def eigenvalues_of(kind: str, size: int, random: np.random.Generator) -> np.ndarray:
    values = {
        "spread": np.exp(random.uniform(-6, 3, size)),
        "clustered": 1 + 1e-3 * random.uniform(size=size),
        "negative": random.normal(size=size),
        "repeated": np.repeat([1.0, 5.0], [size - size // 2, size // 2]),
        "null": np.where(np.arange(size) % 3, 0.0, random.uniform(1, 2, size)),
        "one": np.where(np.arange(size), 0.0, 3.0),
        "identity": np.ones(size),
        "zero": np.zeros(size),
    }[kind]
    return np.sort(values)


@given(spectra, st.integers(2, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_lanczos_finds_the_largest_eigenvalue_and_bounds_what_it_says(kind, size, seed):
    random = np.random.default_rng(seed)
    exact = eigenvalues_of(kind, size, random)
    quadratic = sd.landscapes.quadratic(symmetric(exact, random))
    found = theory.spectrum(quadratic, dense_limit=0, tolerance=1e-6)
    scale = max(1e-300, np.abs(exact).max())
    assert found.converged or not exact.any()  # a residual cannot be a share of nothing
    assert found.largest.value == pytest.approx(exact[-1], abs=2e-6 * abs(exact[-1]) + 1e-12 * scale)
    for end in (found.largest, found.smallest):
        nearest = np.abs(exact - end.value).min()
        assert nearest <= end.residual + 1e-12 * scale
    # Ritz values lie within the spectrum (Parlett 1998, section 10.1).
    assert exact[0] - 1e-12 * scale <= found.smallest.value <= found.largest.value <= exact[-1] + 1e-12 * scale


@given(spectra, st.integers(1, 60), st.integers(0, 2**32 - 1), st.integers(1, 60))
@settings(max_examples=60)
def test_products_that_jax_cannot_trace_are_tridiagonalised_alike(kind, size, seed, count):
    random = np.random.default_rng(seed)
    exact = eigenvalues_of(kind, size, random)
    matrix, basis = symmetric(exact, random), np.full((min(count, size), size), np.nan)
    diagonal, beside, remainder = tridiagonalised(lambda vector: matrix @ vector, random.normal(size=size), basis)
    found = basis[: len(diagonal)]
    scale = max(1e-300, np.abs(exact).max())
    np.testing.assert_allclose(found @ found.T, np.eye(len(found)), atol=1e-12)
    small = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    np.testing.assert_allclose(found @ matrix @ found.T, small, atol=1e-12 * scale)
    # What is left over of the last product is as long as it says.
    left = matrix @ found[-1] - found.T @ small[-1]
    assert np.linalg.norm(left) == pytest.approx(remainder, abs=1e-12 * scale)


def test_products_outside_of_jax_take_the_same_restarts():
    random = np.random.default_rng(0)
    matrix = symmetric(np.append(1 + 1e-3 * np.linspace(0, 1, 200), 1.002), random)

    def space(start, count):
        basis = np.empty((count, len(start)))
        return Krylov(0.0, start, basis, *tridiagonalised(lambda vector: matrix @ vector, start, basis))

    found = extreme(space, 201, 1e-8, 400, 0, at_once=40)
    assert found.eigenvalue(-1).value == pytest.approx(1.002, rel=1e-12)
    assert found.eigenvalue(-1).residual <= 1.1e-8
    assert found.products == 30  # ten, not enough, and twenty from what they found


@given(spectra, st.integers(2, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_the_whole_hessian_gives_all_eigenvalues(kind, size, seed):
    random = np.random.default_rng(seed)
    exact = eigenvalues_of(kind, size, random)
    found = theory.spectrum(sd.landscapes.quadratic(symmetric(exact, random)))
    np.testing.assert_allclose(found.eigenvalues, exact, atol=1e-12 * max(1.0, np.abs(exact).max()))
    direction = np.asarray(found.leading_direction)
    assert np.linalg.norm(direction) == pytest.approx(1.0)


def test_the_quantities_of_the_chapter_follow_from_the_two_ends():
    found = theory.spectrum(sd.landscapes.steep_bowl)  # curvatures 2 and 20, section 15.5
    assert found.condition_number == (10.0, 10.0)
    assert found.learning_rate_limit == pytest.approx(0.1)
    assert found.best_learning_rate == pytest.approx(1 / 11)
    assert found.contraction_factor == pytest.approx(9 / 11)
    assert found.momentum_limit(0.9) == pytest.approx(0.19)
    assert found.heavy_ball == theory.best_heavy_ball(20.0, 2.0)
    run = sd.descend(
        sd.landscapes.steep_bowl, optax.sgd, learning_rate=found.best_learning_rate,
        steps=int(found.steps_to(1e-6)), stop=sd.Stop(gradient_norm=None),
    )  # fmt: skip
    start, end = np.linalg.norm(run.path.values[[0, -1]], axis=1)
    assert end <= 1e-6 * start


def test_where_curvature_is_negative_nothing_is_made_up():
    found = theory.spectrum(sd.landscapes.saddle)
    assert found.condition_number is None
    assert found.best_learning_rate is None
    assert found.heavy_ball is None
    assert found.steps_to(0.1) is None
    assert "some curvature is negative" in str(found)


def test_a_smallest_eigenvalue_that_has_not_converged_leaves_the_condition_number_open():
    random = np.random.default_rng(0)
    exact = np.geomspace(1e-8, 1.0, 400)
    found = theory.spectrum(sd.landscapes.quadratic(symmetric(exact, random)), dense_limit=0, most_products=30)
    assert np.isinf(found.condition_number.high)
    assert found.condition_number.low <= 1e8
    assert found.best_learning_rate is None
    assert "at least" in str(found)
    known = theory.spectrum(sd.landscapes.quadratic(symmetric(np.linspace(1.0, 2.0, 400), random)), dense_limit=0)
    assert known.condition_number.low <= 2.0 * (1 + 1e-9)
    assert known.condition_number.high >= 2.0 * (1 - 1e-9)


def test_a_budget_that_is_too_small_says_so():
    exact = 1 + 1e-6 * np.linspace(0, 1, 300)
    found = theory.spectrum(
        sd.landscapes.quadratic(symmetric(exact, np.random.default_rng(0))),
        dense_limit=0, most_products=5, tolerance=1e-12,
    )  # fmt: skip
    assert not found.converged
    assert found.products == 5
    assert "not converged" in str(found)


def test_the_hessian_of_linear_regression_is_the_second_moments_of_its_rows():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)), random.normal(size=30)
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, y, l2=0.3)
    design = np.column_stack([np.ones(30), x])  # flat parameters: bias, then weight
    expected = design.T @ design / 30 + np.diag([0.0] + [0.3] * 4)
    np.testing.assert_allclose(theory.hessian(risk)[2], expected, atol=1e-12)
    some = theory.spectrum(risk, rows=[3, 7, 11, 13, 17])
    part = sd.EmpiricalRisk(
        sd.models.linear, sd.losses.mean_squared_error, x[[3, 7, 11, 13, 17]], y[[3, 7, 11, 13, 17]], l2=0.3
    )
    np.testing.assert_allclose(some.eigenvalues, theory.spectrum(part).eigenvalues, atol=1e-12)
    assert theory.spectrum(risk, rows=5, seed=1).largest.value != some.largest.value


@pytest.fixture(scope="module")
def network() -> sd.EmpiricalRisk:
    x, y = sd.datasets.spirals(rows=60, arms=3, noise=0.2, seed=1)
    return sd.EmpiricalRisk(sd.models.mlp((12, 8), "tanh"), sd.losses.softmax_cross_entropy, x, y)


def test_layers_are_a_pytree_like_any_other(network):
    dense, lanczos = theory.spectrum(network), theory.spectrum(network, dense_limit=0, tolerance=1e-10)
    assert dense.eigenvalues is not None
    assert lanczos.largest.value == pytest.approx(dense.largest.value, rel=1e-9)
    shapes = jax.tree.map(np.shape, network.initial(0, np.dtype(float)))
    assert jax.tree.map(np.shape, lanczos.leading_direction) == shapes
    overlap = sum(
        float(np.sum(one * other))
        for one, other in zip(
            jax.tree.leaves(dense.leading_direction), jax.tree.leaves(lanczos.leading_direction), strict=True
        )
    )
    assert abs(overlap) == pytest.approx(1.0, abs=1e-6)


def test_the_same_seed_gives_the_same_bytes(network):
    one, other = (theory.spectrum(network, dense_limit=0, seed=4) for _ in range(2))
    assert (one.largest, one.smallest, one.products) == (other.largest, other.smallest, other.products)


def test_beyond_the_dense_limit_no_matrix_is_formed():
    size = 60_000  # a matrix would take 29 GB
    loss = sd.Objective(lambda w: 0.5 * jnp.sum(jnp.linspace(1.0, 2.0, w.size) ** 8 * w**2), start=np.zeros(size))
    tracemalloc.start()
    found = theory.spectrum(loss, tolerance=1e-4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.largest.value == pytest.approx(256.0, rel=1e-4)
    assert peak < 600 * 8 * size


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: theory.spectrum(3), TypeError, "objective must be"),
        (lambda: theory.spectrum(lambda w: w @ w), ValueError, "at is missing"),
        (lambda: theory.spectrum(sd.landscapes.bowl, [1.0]), ValueError, "at must have shapes"),
        (lambda: theory.spectrum(sd.landscapes.bowl, rows=3), ValueError, "rows must be None for 'bowl'"),
        (lambda: theory.spectrum(sd.landscapes.bowl, tolerance=0), ValueError, "tolerance must be"),
        (lambda: theory.spectrum(sd.landscapes.bowl, most_products=0), ValueError, "most_products must be"),
        (lambda: theory.spectrum(lambda w: jnp.sqrt(w[0]), [0.0]), ValueError, "is not finite at this point"),
        (lambda: theory.spectrum(lambda w: jnp.sum(w**1.5), np.zeros(2), dense_limit=0), ValueError, "Hessian of"),
        (
            lambda: theory.spectrum(sd.Objective(lambda w: abs(w[0]), start=[1.0], smooth=False)),
            ValueError,
            "points without a derivative",
        ),
    ],
)
def test_bad_input_is_said_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_density_has_the_moments_of_the_spectrum(network):
    exact = theory.spectral_density(network)
    assert exact.exact
    assert exact.weights.sum() == pytest.approx(1.0)
    found = theory.spectral_density(network, dense_limit=0, samples=200, order=30)
    assert found.moment(0) == pytest.approx(1.0)
    # A sample's moment has the variance 2‖Hᵖ‖²/n² of a Gaussian quadratic form (over |v|², near enough).
    for power in (1, 2):
        eigenvalues = exact.nodes**power
        deviation = np.sqrt(2 * (eigenvalues**2).sum() / 200) / exact.size
        assert found.moment(power) == pytest.approx(exact.moment(power), abs=4 * deviation)
    assert found.nodes.max() == pytest.approx(exact.nodes.max(), rel=1e-6)


def test_the_density_of_two_bumps_is_split_as_they_are():
    values = np.concatenate([np.linspace(0.9, 1.1, 300), np.linspace(4.9, 5.1, 100)])
    quadratic = sd.Objective(lambda w: 0.5 * jnp.sum(values * w**2), start=np.zeros(400))
    found = theory.spectral_density(quadratic, dense_limit=0, samples=40, order=20)
    assert found.share_between(0.5, 1.5) == pytest.approx(0.75, abs=0.03)
    grid = np.linspace(-1, 7, 2001)
    assert np.trapezoid(found.density(grid, width=0.1), grid) == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(ValueError, match="width must be above 0"):
        found.density(grid, width=0.0)


def test_sharpness_along_a_path_is_the_spectrum_at_each_point():
    runs = sd.descend(sd.landscapes.rosenbrock, optax.sgd, learning_rate=[1e-3, 5e-4], momentum=0.5, steps=40)
    found = theory.sharpness(runs, every=10)
    assert found.sharpness.dims == ("learning_rate", "step")
    np.testing.assert_allclose(found.limit, 2 * 1.5 / np.array([1e-3, 5e-4]))
    for place in np.ndindex(found.sharpness.shape):
        at = runs.path.values[place[0], 10 * place[1]]
        expected = theory.spectrum(sd.landscapes.rosenbrock, at)
        assert found.sharpness.values[place] == pytest.approx(expected.largest.value)
        assert found.smallest.values[place] == pytest.approx(expected.smallest.value)


def test_sharpness_of_a_network_by_products(network):
    run = sd.descend(network, optax.sgd, learning_rate=0.5, steps=20, every=10, path=True)
    found = theory.sharpness(run)
    last = theory.spectrum(network, run.params)
    assert found.sharpness.values[-1] == pytest.approx(last.largest.value, rel=1e-6)
    assert (np.abs(found.sharpness.values[-1] - last.eigenvalues).min()) <= found.residual.values[-1] + 1e-10


@pytest.mark.slow
def test_training_with_a_constant_rate_drives_the_sharpness_to_its_limit(network):
    # Cohen et al. 2021: it rises to about 2/η and hovers there.
    run = sd.descend(network, optax.sgd, learning_rate=0.4, steps=4000, every=100, path=True)
    found = theory.sharpness(run)
    assert found.sharpness.values[0] < 0.5 * found.limit.item()
    assert found.sharpness.max() == pytest.approx(found.limit.item(), rel=0.25)


def test_sharpness_needs_a_path(network):
    run = sd.descend(network, optax.sgd, learning_rate=0.1, steps=3)
    with pytest.raises(ValueError, match="path=True"):
        theory.sharpness(run)
