"""Every minimiser that a landscape states is one, and there is no other in its window."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import mathtext
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, optimize

from steepest import landscapes
from steepest.objectives import Objective, as_partial
from steepest.precision import double_precision

# What an objective may leave out, the catalogue's all have: typed loosely, so that every use need not say so again.
CATALOGUE: dict[str, Any] = dict(landscapes.CATALOGUE)
STATED = {name: objective for name, objective in CATALOGUE.items() if objective.minimisers}
SMOOTH = {name: objective for name, objective in STATED.items() if objective.smooth}


Evaluated = Callable[[ArrayLike], NDArray[np.float64]]

# The loss is an argument: one compilation serves every quadratic of a size, and every test of a landscape.
COMPILED = tuple(
    jax.jit(lambda loss, w, derivative=derivative: derivative(loss)(w))
    for derivative in (lambda loss: loss, jax.grad, jax.hessian)
)


def functions(objective: Objective) -> tuple[Evaluated, Evaluated, Evaluated]:
    """Loss, gradient and Hessian in float64, NumPy in and out."""
    loss = as_partial(objective.loss)

    def at(compiled: Callable[..., Any]) -> Evaluated:
        def evaluated(w: ArrayLike) -> NDArray[np.float64]:
            with double_precision():
                return np.asarray(compiled(loss, np.asarray(w, float)))

        return evaluated

    value, gradient, hessian = (at(compiled) for compiled in COMPILED)
    return value, gradient, hessian


@pytest.mark.parametrize("name", SMOOTH)
def test_stated_minimisers_have_no_gradient_and_no_negative_curvature(name: str) -> None:
    loss, gradient, hessian = functions(SMOOTH[name])
    for minimiser in SMOOTH[name].minimisers:
        eigenvalues = np.linalg.eigvalsh(hessian(minimiser))
        # A minimiser rounded to float64 leaves a gradient of an ulp of its size times the largest curvature.
        ulp = np.finfo(float).eps * np.abs(minimiser).max()
        assert np.abs(gradient(minimiser)).max() <= 2 * ulp * eigenvalues[-1]
        assert eigenvalues[0] > 0
        assert loss(minimiser) == pytest.approx(SMOOTH[name].minimum, rel=2e-16, abs=2e-15)


def test_ackley_has_no_lower_neighbour_and_a_gradient_without_nan() -> None:
    # Not smooth at its minimiser: a direct search of every direction and scale stands in for the derivatives.
    loss, gradient, _ = functions(landscapes.ackley)
    (minimiser,) = landscapes.ackley.minimisers
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    for scale, angle in itertools.product(10.0 ** np.arange(-7, 1), angles):
        assert loss(minimiser + scale * np.array([np.cos(angle), np.sin(angle)])) > loss(minimiser)
    assert loss(minimiser) == pytest.approx(landscapes.ackley.minimum, abs=1e-14)
    assert np.isfinite(gradient(minimiser)).all()


@pytest.mark.parametrize("name", STATED)
def test_no_lower_point_and_no_further_minimiser_in_the_window(name: str) -> None:
    objective = STATED[name]
    assert objective.window is not None
    # An even number of points: no point of the grid is the middle of the window, where many minimisers are.
    axes = [np.linspace(low, high, 300) for low, high in objective.window]
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


def test_every_landscape_says_what_it_is() -> None:
    for name, objective in CATALOGUE.items():
        assert objective.name == name
        assert objective.formula
        assert objective.source
        assert objective.window is not None
        assert np.shape(objective.start) == (len(objective.window),)
        inside = [low <= w <= high for w, (low, high) in zip(objective.start, objective.window, strict=True)]
        assert all(inside)
        assert getattr(landscapes, name) is objective


# Losses away from the minimisers, evaluated by hand from the published formulas: a wrong coefficient shows here.
VALUES = {
    "bowl": ((2.0, 3.0), 4 + 5 * 9),
    "steep_bowl": ((2.0, 3.0), 4 + 10 * 9),
    "saddle": ((2.0, 3.0), 4 - 9),
    "rippled_bowl": ((np.pi / 6, np.pi / 2), np.pi**2 / 36 + 3 * np.pi**2 / 4 - 1 / 2),
    "plateau": ((1.0, 1.0), 1 - np.exp(-1)),
    "wells": ((np.pi / 2,), np.pi**2 / 40 - 1),
    "rosenbrock": ((-1.5, 2.0), 2.5**2 + 100 * 0.25**2),
    "himmelblau": ((1.0, 1.0), 81 + 25),
    "beale": ((2.0, -1.0), 2.5**2 + 2.25**2 + 1.375**2),
    "booth": ((2.0, -1.0), 7**2 + 2**2),
    "styblinski_tang": ((1.0, 2.0), (1 - 16 + 5 + 16 - 64 + 10) / 2),
    "rastrigin": ((0.5, 1.0), (0.25 + 10 + 10) + 1),
    "ackley": ((3.0, 4.0), 20 - 20 * np.exp(-0.2 * 5 / np.sqrt(2))),
    "griewank": ((np.pi, np.sqrt(2) * np.pi), 3 * np.pi**2 / 4000),
    "matyas": ((2.0, -1.0), 0.26 * 5 + 0.48 * 2),
    "three_hump_camel": ((1.0, 2.0), 2 - 1.05 + 1 / 6 + 2 + 4),
    # The other minima that Goldstein and Price's function is known for are 30, 84 and 840.
    "goldstein_price": ((1.8, 0.2), 84.0),
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_losses_are_the_published_formulas(name: str) -> None:
    point, value = VALUES[name]
    assert CATALOGUE[name](point) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("point", "value"), [((-0.6, -0.4), 30.0), ((1.2, 0.8), 840.0)])
def test_goldstein_price_has_its_other_minima(point: tuple[float, ...], value: float) -> None:
    _, gradient, hessian = functions(landscapes.goldstein_price)
    assert landscapes.goldstein_price(point) == pytest.approx(value, rel=1e-12)
    assert np.abs(gradient(point)).max() < 1e-9
    assert np.linalg.eigvalsh(hessian(point))[0] > 0


@pytest.mark.parametrize("name", CATALOGUE)
def test_formulas_can_be_drawn(name: str) -> None:
    mathtext.MathTextParser("path").parse(f"${CATALOGUE[name].formula}$")


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_losses_and_gradients_keep_the_precision_asked_for(name: str, precision: str) -> None:
    objective, dtype = CATALOGUE[name], np.dtype(precision)
    with double_precision():
        shapes = jax.eval_shape(objective.oracle(dtype).full, objective.initial(0, dtype))
    assert [shape.dtype for shape in shapes] == [dtype, dtype]


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6).map(np.array))
@settings(max_examples=8)
def test_any_dimension_follows_from_fewer(w: NDArray[np.float64]) -> None:
    in_all = {
        name: objective.in_dimensions(len(w))(w) for name, objective in CATALOGUE.items() if objective.in_dimensions
    }
    for name in ("rastrigin", "styblinski_tang"):
        alone = CATALOGUE[name].in_dimensions(1)
        assert in_all.pop(name) == pytest.approx(sum(alone([x]) for x in w), rel=1e-12, abs=1e-12)
    pairs = itertools.pairwise(w)
    assert in_all.pop("rosenbrock") == pytest.approx(sum(landscapes.rosenbrock(pair) for pair in pairs), rel=1e-12)
    # Zeros add nothing to Griewank's sum and a factor of one to its product; Ackley's terms are means.
    padded = CATALOGUE["griewank"].in_dimensions(len(w) + 2)([*w, 0.0, 0.0])
    assert padded == pytest.approx(in_all.pop("griewank"), rel=1e-12, abs=1e-14)
    repeated = CATALOGUE["ackley"].in_dimensions(2 * len(w))([*w, *w])
    assert repeated == pytest.approx(in_all.pop("ackley"), rel=1e-12, abs=1e-13)
    assert not in_all


def test_numpy_counts_dimensions_too() -> None:
    assert CATALOGUE["rastrigin"].in_dimensions(np.int64(3)).name == "rastrigin in 3 dimensions"


def test_the_origin_of_the_rippled_bowl_is_a_saddle() -> None:
    # The chapter's figure marks it as the global minimum.
    _, gradient, hessian = functions(landscapes.rippled_bowl)
    assert gradient([0.0, 0.0]).tolist() == [0.0, 0.0]
    assert np.linalg.det(hessian([0.0, 0.0])) == pytest.approx(2 * 6 - 4.5**2)
    assert landscapes.rippled_bowl([0.0, 0.0]) > CATALOGUE["rippled_bowl"].minimum


@pytest.mark.parametrize("name", [name for name, objective in STATED.items() if objective.in_dimensions])
@pytest.mark.parametrize("dimensions", [2, 3, 10])
def test_minimisers_in_any_dimension(name: str, dimensions: int) -> None:
    objective = CATALOGUE[name].in_dimensions(dimensions)
    loss, gradient, hessian = functions(objective)
    (minimiser,) = objective.minimisers
    assert len(minimiser) == dimensions == len(objective.window) == len(objective.start)
    assert loss(minimiser) == pytest.approx(objective.minimum, abs=1e-12)
    assert np.abs(gradient(minimiser)).max() < 1e-12
    if objective.smooth:
        assert np.linalg.eigvalsh(hessian(minimiser))[0] > 0


@given(st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_quadratic_is_its_formula(size: int, seed: int) -> None:
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


def test_another_quadratic_of_the_size_compiles_nothing() -> None:
    traced: list[Any] = []

    @jax.jit
    def value(loss: Any, w: Any) -> Any:
        traced.append(w)
        return loss(w)

    values = [
        value(landscapes.quadratic(np.diag(diagonal), linear).loss, np.ones(2, np.float32)).item()
        for diagonal, linear in (([1.0, 3.0], [0.0, 0.0]), ([2.0, 8.0], [1.0, 1.0]))
    ]
    assert values == [2.0, 3.0]
    assert len(traced) == 1


def test_an_indefinite_quadratic_states_no_minimiser() -> None:
    assert landscapes.quadratic(np.diag([1.0, -1.0])).minimisers == ()
    assert landscapes.quadratic(np.diag([1.0, 0.0])).minimisers == ()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: landscapes.quadratic([[1.0, 2.0]]), "square matrix, got shape (1, 2)"),
        (lambda: landscapes.quadratic([[1.0, 2.0], [0.0, 1.0]]), "must be symmetric"),
        (lambda: landscapes.quadratic([[np.nan]]), "must be finite"),
        (lambda: landscapes.quadratic(np.eye(2), b=[1.0]), "b must have shape (2,) to fit A, got shape (1,)"),
        (lambda: landscapes.quadratic(np.eye(2), b=[1.0, np.inf]), "b must be finite, got inf"),
        (lambda: landscapes.quadratic(np.eye(2), start=[np.nan, 1.0]), "start must be finite, got nan"),
        (lambda: landscapes.quadratic(np.zeros((0, 0))), "square matrix, got shape (0, 0)"),
        (lambda: CATALOGUE["rosenbrock"].in_dimensions(1), "from 2 up for rosenbrock, got 1"),
        (lambda: CATALOGUE["rastrigin"].in_dimensions(2.0), "from 1 up for rastrigin, got 2.0"),
        (lambda: CATALOGUE["rastrigin"].in_dimensions(True), "from 1 up for rastrigin, got True"),
        (lambda: landscapes.find("rosenbrok"), "did you mean 'rosenbrock'"),
    ],
)
def test_what_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert words in str(caught.value)


@pytest.mark.parametrize("point", [[1.0], [1.0, 2.0, 3.0]])
def test_a_point_of_another_dimension_is_refused(point):
    with pytest.raises(ValueError, match=r"'rosenbrock' must have shape \(2,\).*in_dimensions"):
        landscapes.rosenbrock(point)
