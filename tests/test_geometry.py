"""Critical points, convexity, basins of attraction and many starts, against what is published or provable."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

import steepest as sd
from steepest import theory


@given(st.lists(st.floats(-5, 5).filter(lambda value: abs(value) > 0.01), min_size=1, max_size=5))
@settings(max_examples=30)
def test_a_quadratic_is_what_the_signs_of_its_eigenvalues_say(eigenvalues):
    found = theory.classify(sd.landscapes.quadratic(np.diag(eigenvalues)), np.zeros(len(eigenvalues)))
    expected = "minimum" if min(eigenvalues) > 0 else "maximum" if max(eigenvalues) < 0 else "saddle"
    assert found.kind == expected
    deciding = max(eigenvalues) if expected == "maximum" else min(eigenvalues)
    assert found.deciding_eigenvalue == pytest.approx(deciding)


@pytest.mark.parametrize(
    ("loss", "at", "kind"),
    [
        (lambda w: w[0] ** 4, [0.0], "degenerate"),
        (lambda w: w[0] ** 3 - 3 * w[0] * w[1] ** 2, [0.0, 0.0], "degenerate"),  # the monkey saddle
        (lambda w: w[0] ** 2 + w[1] ** 4, [0.0, 0.0], "degenerate"),
        (lambda w: w[0] ** 2, [1e-3], "not critical"),
        (lambda w: w[0] ** 2, [1e-9], "minimum"),
        (lambda w: 1e-9 * w[0] ** 2, [1e-3], "not critical"),
        (lambda w: 1e9 * (w[0] - 1e6) ** 2, [1e6], "minimum"),
    ],
)
def test_kinds_of_points(loss, at, kind):
    found = theory.classify(loss, at)
    assert found.kind == kind
    assert kind in str(found)


def test_points_of_pytrees_are_classified_too():
    found = theory.classify(lambda p: p["a"] ** 2 - jnp.sum(p["b"] ** 2), {"a": 0.0, "b": np.zeros(2)})
    assert found.kind == "saddle"
    assert found.eigenvalues.tolist() == [-2.0, -2.0, 2.0]


def test_the_chapters_marked_minimum_is_a_saddle():
    # The figure of 15.7 marks the origin as global minimum. Its Hessian is [[2, 4.5], [4.5, 6]], determinant −8.25.
    found = theory.critical_points(sd.landscapes.rippled_bowl)
    assert found.complete
    assert [point.kind for point in found] == ["minimum", "minimum", "saddle"]
    np.testing.assert_allclose(found.saddles[0].at, 0.0, atol=1e-12)
    assert np.prod(found.saddles[0].eigenvalues) == pytest.approx(-8.25)
    for point, stated in zip(
        sorted(found.minima, key=lambda p: -p.at[0]), sd.landscapes.rippled_bowl.minimisers, strict=True
    ):
        np.testing.assert_allclose(point.at, stated, atol=1e-9)


def test_himmelblaus_nine_points():
    # Himmelblau 1972: four minima of zero; one maximum of 181.617 at (−0.270845, −0.923039).
    found = theory.critical_points(sd.landscapes.himmelblau)
    assert found.complete
    assert (len(found.minima), len(found.saddles), len(found.maxima)) == (4, 4, 1)
    np.testing.assert_allclose(found.maxima[0].at, [-0.270845, -0.923039], atol=1e-6)
    assert found.maxima[0].loss == pytest.approx(181.617, abs=1e-3)
    assert found.table()["kind"].tolist() == ["minimum"] * 4 + ["saddle"] * 4 + ["maximum"]


def test_every_root_of_the_slope_in_one_dimension_is_found():
    found = theory.critical_points(sd.landscapes.wells)
    grid = np.linspace(-6, 6, 100_001)
    slope = 0.2 * grid + 3 * np.cos(3 * grid)
    roots = [
        brentq(lambda x: 0.2 * x + 3 * np.cos(3 * x), grid[k], grid[k + 1])
        for k in np.flatnonzero(slope[:-1] * slope[1:] < 0)
    ]
    np.testing.assert_allclose(sorted(float(point.at[0]) for point in found), roots, atol=1e-9)
    assert found.complete


@pytest.mark.parametrize("name", ["rosenbrock", "booth", "matyas", "plateau", "three_hump_camel", "beale"])
def test_stated_minimisers_are_among_the_critical_points(name):
    landscape = sd.landscapes.find(name)
    found = theory.critical_points(landscape)
    for minimiser in landscape.minimisers:
        distance = min(np.linalg.norm(np.ravel(point.at) - minimiser) for point in found.minima)
        assert distance < 1e-6
    # Morse theory in a window whose edge points outwards everywhere: minima − saddles + maxima = 1.
    if found.complete and "turns 1 times" in found.why and not found.of("degenerate"):
        assert len(found.minima) - len(found.saddles) + len(found.maxima) == 1


def test_a_missing_point_is_noticed(monkeypatch):
    from steepest.theory import vanishing_gradient

    distinct = vanishing_gradient._distinct
    monkeypatch.setattr(vanishing_gradient, "_distinct", lambda *given: distinct(*given)[1:])
    assert not theory.critical_points(sd.landscapes.himmelblau).complete
    assert not theory.critical_points(sd.landscapes.wells).complete


def test_where_the_gradient_vanishes_everywhere_that_is_said():
    found = theory.critical_points(lambda w: 0.0 * w[0] * w[1], [(-1, 1), (-1, 1)])
    assert not found.complete
    assert "on a curve or everywhere" in found.why


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.critical_points(sd.landscapes.bowl, [(1, 1), (0, 1)]), "low below high"),
        (lambda: theory.critical_points(sd.landscapes.bowl, [(0, np.nan), (0, 1)]), "low below high"),
        (lambda: theory.critical_points(sd.landscapes.bowl, [(0, 1)] * 3), "one or two pairs"),
        (lambda: theory.critical_points(lambda w: w[0]), "window is missing"),
        (
            lambda: theory.critical_points(sd.Objective(lambda w: abs(w[0]), start=[1.0], smooth=False), [(-1, 1)]),
            "without a derivative",
        ),
        (lambda: theory.convexity(sd.landscapes.bowl, [(1, 0), (0, 1)]), "low below high"),
        (lambda: theory.convexity(sd.landscapes.bowl, tries=0), "tries must be"),
        (lambda: theory.classify(sd.landscapes.bowl, tolerance=0.0), "tolerance must be above 0"),
        (lambda: sd.experiments.basins(sd.landscapes.bowl, learning_rate=0.1, resolution=1), "resolution must be"),
        (lambda: sd.experiments.basins(sd.landscapes.bowl, learning_rate=[0.1, 0.2]), "give numbers"),
        (lambda: sd.experiments.multistart(sd.landscapes.wells, learning_rate=0.1, starts=0), "starts must be"),
        (lambda: sd.experiments.multistart(sd.landscapes.wells, learning_rate=0.1, starts=[1.0]), "shape"),
        (
            lambda: sd.experiments.multistart(sd.Objective(lambda w: w @ w, start=[1.0]), learning_rate=0.1),
            "window is missing",
        ),
    ],
)
def test_bad_input_is_said_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@given(st.integers(0, 2**32 - 1), st.floats(-6, 6))
@settings(max_examples=20)
def test_a_convex_loss_is_never_accused(seed, scale):
    random = np.random.default_rng(seed)
    root = random.normal(size=(3, 3)) * 10**scale
    quadratic = sd.landscapes.quadratic(root @ root.T, random.normal(size=3))
    assert not theory.convexity(quadratic, [(-1.0, 2.0)] * 3, seed=seed).violated
    x = random.normal(size=(10, 2))
    logistic = sd.EmpiricalRisk(sd.models.softmax, sd.losses.softmax_cross_entropy, x, (x[:, 0] > 0).astype(int))
    assert not theory.convexity(logistic, tries=200, seed=seed).violated


@pytest.mark.parametrize(
    "name", ["rosenbrock", "rippled_bowl", "plateau", "saddle", "wells", "himmelblau", "rastrigin", "griewank"]
)
def test_a_witness_against_convexity_is_one(name):
    landscape = sd.landscapes.find(name)
    found = theory.convexity(landscape)
    assert found.violated
    one, other = found.witness
    chord = (landscape(one) + landscape(other)) / 2
    assert landscape((one + other) / 2) - chord == pytest.approx(found.excess, rel=1e-6)
    assert found.excess > 0


def test_networks_are_not_convex_in_their_weights():
    x, y = sd.datasets.spirals(rows=30, arms=2, noise=0.1, seed=0)
    network = sd.EmpiricalRisk(sd.models.mlp((4,), "tanh"), sd.losses.softmax_cross_entropy, x, y)
    assert theory.convexity(network, tries=500).violated


# Basins


def test_basins_of_a_line_end_at_its_maxima():
    # With a learning rate below 1/L every run stays in its valley, so the basins are the intervals between maxima.
    found = sd.experiments.basins(sd.landscapes.wells, learning_rate=0.05, resolution=999, steps=3000)
    maxima = sorted(float(point.at[0]) for point in theory.critical_points(sd.landscapes.wells).maxima)
    starts = found.basin["w[0]"].values
    for number, point in enumerate(found.minimisers):
        at = float(np.ravel(point.at)[0])
        low = max((edge for edge in maxima if edge < at), default=-np.inf)
        high = min((edge for edge in maxima if edge > at), default=np.inf)
        np.testing.assert_array_equal(found.basin.values == number, (starts > low) & (starts < high))


def test_basins_of_a_symmetric_surface_are_symmetric():
    # rippled_bowl(−w) = rippled_bowl(w), which exchanges its two minimisers.
    found = sd.experiments.basins(sd.landscapes.rippled_bowl, learning_rate=0.05, resolution=60, steps=2000)
    assert found.basin.dims == ("w[1]", "w[0]")
    assert [str(point.kind) for point in found.minimisers] == ["minimum", "minimum"]
    np.testing.assert_array_equal(found.basin.values, 1 - found.basin.values[::-1, ::-1])
    assert found.fractions == {0: 0.5, 1: 0.5}


def test_starts_that_diverge_or_do_not_settle_have_numbers_of_their_own():
    far = sd.experiments.basins(
        sd.landscapes.himmelblau, learning_rate=0.02, window=[(-30, 30), (-30, 30)], resolution=30
    )
    assert far.fractions[-2] > 0.3
    assert "diverged" in str(far)
    slow = sd.experiments.basins(sd.landscapes.bowl, learning_rate=1e-6, resolution=5, steps=3)
    assert slow.fractions == {-1: 0.96, 0: 0.04}  # of 25 starts the one in the middle is there already


def test_a_basin_map_is_the_end_of_single_runs():
    import optax

    found = sd.experiments.basins(sd.landscapes.himmelblau, learning_rate=0.01, resolution=(7, 5))
    assert found.basin.shape == (5, 7)
    for y, x in [(0, 0), (4, 6), (2, 3), (1, 5)]:
        start = [float(found.basin["w[0]"][x]), float(found.basin["w[1]"][y])]
        run = sd.descend(sd.landscapes.himmelblau, optax.sgd, learning_rate=0.01, start=start, steps=500)
        ends = [np.linalg.norm(run.params - np.ravel(point.at)) for point in found.minimisers]
        assert found.basin.values[y, x] == np.argmin(ends)


def test_many_starts_count_those_in_the_global_basin():
    found = sd.experiments.multistart(sd.landscapes.wells, learning_rate=0.05, starts=400, seed=2)
    maxima = sorted(float(point.at[0]) for point in theory.critical_points(sd.landscapes.wells).maxima)
    at = sd.landscapes.wells.minimisers[0][0]
    low, high = max(edge for edge in maxima if edge < at), min(edge for edge in maxima if edge > at)
    expected = (found.starts[:, 0] > low) & (found.starts[:, 0] < high)
    np.testing.assert_array_equal(found.reached, expected)
    left, right = found.interval
    assert left < (high - low) / 12 < right  # the share of the window that its basin is
    assert found.stated
    unknown = sd.Objective(sd.landscapes.wells.loss, start=[0.0], window=((-6.0, 6.0),), name="unknown")
    again = sd.experiments.multistart(unknown, learning_rate=0.05, starts=400, seed=2)
    assert not again.stated
    np.testing.assert_array_equal(again.reached, expected)
    assert "lowest minimum found" in str(again)
