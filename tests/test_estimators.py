"""The estimators against scikit-learn's own checks, against the closed forms of their peers, and against themselves."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge, SGDRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import steepest as sd
from compiling import compilations
from steepest import losses
from steepest.estimators import DescentClassifier, DescentRegressor, affine, load_estimator, save_estimator
from steepest.estimators.rows import Rows, Scaling
from steepest.estimators.sparse import sparse_risk

EXACT: dict[str, Any] = {"tol": 1e-10, "max_iter": 20_000}
"""Trained until nothing but rounding is left."""

EACH = [
    pytest.param(DescentRegressor(), id="linear regression"),
    pytest.param(DescentClassifier(), id="linear classification"),
    pytest.param(DescentRegressor((8,)), id="network regression"),
    pytest.param(DescentClassifier((8,)), id="network classification"),
]


def regression(rows: int = 60, features: int = 4, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = datasets.make_regression(rows, features, noise=5.0, random_state=seed)
    return x, y


def classification(classes: int, rows: int = 90, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = datasets.make_classification(
        rows, 5, n_informative=4, n_redundant=0, n_classes=classes, random_state=seed, flip_y=0.1
    )
    return x, y


def both(name: str) -> tuple[Any, NDArray[Any], NDArray[Any]]:
    """An estimator of each kind with rows for it."""
    hidden = (6,) if "network" in name else ()
    if "regression" in name:
        return DescentRegressor(hidden, max_iter=50, random_state=0), *regression()
    return DescentClassifier(hidden, max_iter=50, random_state=0), *classification(3)


# The contract


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # scikit-learn's checks provoke warnings, and look for them
@pytest.mark.parametrize("estimator", EACH)
def test_scikit_learns_own_checks_pass(estimator: Any) -> None:
    results = check_estimator(estimator, on_skip=None)
    assert len(results) > 50
    # The array API is checked where an environment variable asks for it, of estimators that say they know it.
    assert {result["check_name"] for result in results if result["status"] != "passed"} <= {"check_array_api_input"}


@pytest.mark.parametrize("name", ["regression", "classification", "regression network", "classification network"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_is_learnt_is_there_and_agrees(name: str) -> None:
    estimator, x, y = both(name)
    table = pd.DataFrame(x, columns=[f"column {place}" for place in range(x.shape[1])])
    estimator.fit(table, y)
    assert estimator.feature_names_in_.tolist() == list(table.columns)
    assert estimator.n_iter_ == len(estimator.loss_curve_) <= estimator.max_iter
    assert estimator.loss_ == estimator.loss_curve_[-1]
    assert estimator.verdict_ in ("converged", "out of steps")
    assert estimator.diagnosis_.spectrum.largest.value > 0
    assert str(estimator.diagnosis_).startswith(("linear", "softmax", "mlp"))
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(table.rename(columns={"column 0": "another"}))
    assert not hasattr(clone(estimator), "n_iter_")


def test_pipelines_and_grids_take_them() -> None:
    x, y = regression(features=2)
    pipeline = make_pipeline(PolynomialFeatures(2), DescentRegressor())
    assert cross_val_score(pipeline, x, y, cv=3).min() > 0.9
    grid = GridSearchCV(DescentRegressor(), {"alpha": [0.1, 1e4]}, cv=2).fit(x, y)
    assert grid.best_params_ == {"alpha": 0.1}


# The minimisers of their peers


@pytest.mark.parametrize("alpha", [0.1, 1.0, 30.0])
def test_a_linear_regression_is_that_of_ridge(alpha: float) -> None:
    x, y = regression()
    scales = np.array([1e-3, 1.0, 50.0, 3.0])
    ours = DescentRegressor(alpha=alpha, **EXACT).fit(x * scales + 5.0, y)
    scaler = StandardScaler().fit(x)
    theirs = Ridge(alpha=alpha).fit(scaler.transform(x), y)
    assert ours.verdict_ == "converged"
    np.testing.assert_allclose(ours.predict(x * scales + 5.0), theirs.predict(scaler.transform(x)), rtol=1e-7)
    np.testing.assert_allclose(ours.coef_, theirs.coef_ / scaler.scale_ / scales, rtol=1e-6)
    raw = DescentRegressor(alpha=alpha, standardise=False, **EXACT).fit(x, y)
    np.testing.assert_allclose(raw.coef_, Ridge(alpha=alpha).fit(x, y).coef_, rtol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_linear_classification_is_that_of_logistic_regression(classes: int) -> None:
    x, y = classification(classes)
    ours = DescentClassifier(alpha=2.0, standardise=False, **EXACT).fit(x, y)
    theirs = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000).fit(x, y)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=2e-6)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-5)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    np.testing.assert_allclose(np.exp(ours.predict_log_proba(x)), ours.predict_proba(x))
    np.testing.assert_allclose(ours.predict_proba(x).sum(axis=1), 1.0)


def test_the_last_loss_is_the_risk_on_the_scale_of_the_table() -> None:
    x, y = regression()
    model = DescentRegressor(alpha=3.0, **EXACT).fit(x, y)
    inside = StandardScaler().fit(x)
    # ½ mean squared error, and the L2 term of the weights of standardised features and target, in units of the target.
    weights = model.coef_ * inside.scale_ / y.std()
    by_hand = ((y - model.predict(x)) ** 2).mean() / 2 + 3.0 / len(y) * (weights**2).sum() / 2 * y.var()
    assert model.loss_ == pytest.approx(by_hand, rel=1e-9)


def test_the_loss_of_several_targets_is_the_sum_of_theirs_each_in_units_of_its_variance() -> None:
    x, y = regression()
    targets = np.stack([y, 1e-3 * x[:, 0] ** 2], axis=1)
    model = DescentRegressor(alpha=0.0, **EXACT).fit(x, targets)
    by_hand = (((targets - model.predict(x)) / targets.std(axis=0)) ** 2).mean(axis=0).sum() / 2
    assert model.loss_ == pytest.approx(by_hand, rel=1e-9)


def test_several_targets_are_several_regressions() -> None:
    x, y = regression()
    targets = np.stack([y, x[:, 0] * 3 + 1], axis=1)
    together = DescentRegressor(**EXACT).fit(x, targets)
    for place in (0, 1):
        alone = DescentRegressor(**EXACT).fit(x, targets[:, place])
        np.testing.assert_allclose(together.predict(x)[:, place], alone.predict(x), rtol=1e-6)
        np.testing.assert_allclose(together.coef_[place], alone.coef_, rtol=1e-6)


# Laws


@settings(max_examples=8)
@given(powers=st.lists(st.floats(-4, 4), min_size=4, max_size=4), shift=st.floats(-100, 100), of_y=st.floats(0.01, 100))
def test_the_scale_of_a_table_changes_nothing(powers: list[float], shift: float, of_y: float) -> None:
    x, y = regression()
    scales = 10.0 ** np.array(powers)
    plain = DescentRegressor().fit(x, y)
    scaled = DescentRegressor().fit((x + shift) * scales, of_y * y)
    assert scaled.n_iter_ == plain.n_iter_
    np.testing.assert_allclose(scaled.predict((x + shift) * scales), of_y * plain.predict(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3, None])
def test_sparse_rows_are_descended_like_dense_ones(classes: int | None) -> None:
    x, y = regression() if classes is None else classification(classes)
    x = np.where(np.abs(x) > 0.7, x, 0.0) * 10.0 + (x > 1)
    model = DescentRegressor() if classes is None else DescentClassifier()
    weights = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    dense = clone(model).fit(x, y, sample_weight=weights)
    filled = clone(model).fit(sparse.csr_array(x), y, sample_weight=weights)
    assert filled.verdict_ == "converged"
    # The same steps on the same function: only rounding, and the millionth by which L is kept on the safe side.
    assert abs(filled.n_iter_ - dense.n_iter_) <= 1
    np.testing.assert_allclose(filled.coef_, dense.coef_, rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_weights_count_rows(hidden: tuple[int, ...]) -> None:
    x, y = classification(3, rows=30)
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    settings_ = {"hidden_layer_sizes": hidden, "max_iter": 40, "random_state": 0}
    weighted = DescentClassifier(**settings_).fit(x, y, sample_weight=weights)
    repeated = DescentClassifier(**settings_).fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.predict_proba(x), repeated.predict_proba(x), atol=1e-6)


def test_balanced_classes_are_weights() -> None:
    x, y = classification(3)
    kept = np.flatnonzero((y != 0) | (np.arange(len(y)) % 3 == 0))
    x, y = x[kept], y[kept]
    weights = len(y) / (3 * np.bincount(y))
    balanced = DescentClassifier(class_weight="balanced").fit(x, y)
    weighted = DescentClassifier().fit(x, y, sample_weight=weights[y])
    np.testing.assert_allclose(balanced.coef_, weighted.coef_)


# Learning rates


def test_it_converges_on_units_as_they_come_where_others_diverge() -> None:
    raw, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    assert SGDRegressor(random_state=0).fit(raw, y).score(raw, y) < -1e20
    model = DescentRegressor().fit(raw, y)
    assert model.verdict_ == "converged"
    # Ordinary least squares explains 0.5177 of these rows (scikit-learn's LinearRegression).
    assert model.score(raw, y) == pytest.approx(0.5177, abs=2e-4)


def test_the_limit_that_it_names_is_where_plain_descent_ceases_to_converge() -> None:
    x, y = regression()
    limit = DescentRegressor(momentum=0.0).fit(x, y).diagnosis_.advice.limit
    below = DescentRegressor(learning_rate=0.99 * limit, momentum=0.0, max_iter=20_000).fit(x, y)
    assert below.verdict_ == "converged"
    with pytest.warns(ConvergenceWarning, match="diverged in epoch .* above the limit"):
        above = DescentRegressor(learning_rate=1.1 * limit, momentum=0.0, max_iter=20_000).fit(x, y)
    # It keeps what it had: nothing but the mean of the targets.
    np.testing.assert_allclose(above.predict(x), y.mean())
    assert above.loss_ == pytest.approx(y.var() / 2)
    assert above.loss_curve_[-1] > 1e3 * above.loss_
    assert above.diagnosis_.judgement is not None
    assert above.diagnosis_.judgement.verdict == "diverges"


def test_a_network_goes_down_at_any_scale_and_says_when_it_is_not_done() -> None:
    x, y = datasets.make_friedman1(150, noise=0.1, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter=30"):
        model = DescentRegressor((16,), max_iter=30, random_state=0).fit(x * 1e6, 1e3 * y)
    assert model.n_iter_ == 30
    assert model.loss_ < 0.1 * (1e3 * y).var() / 2
    assert (np.diff(model.loss_curve_)[9::10] <= 0).all()


def test_a_network_that_was_given_too_large_a_rate_says_so() -> None:
    x, y = datasets.make_friedman1(150, random_state=0)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model = DescentRegressor((16,), learning_rate=50.0, random_state=0, max_iter=40).fit(x, y)
    assert np.isfinite(model.predict(x)).all()


def test_a_network_that_hovers_at_a_rate_of_its_users_keeps_its_least_loss_and_does_not_call_that_converged() -> None:
    x, y = datasets.make_friedman1(150, noise=1.0, random_state=0)
    with pytest.warns(ConvergenceWarning, match="or a smaller learning_rate: the loss goes up and down"):
        model = DescentRegressor((16,), learning_rate=0.15, random_state=0, max_iter=200).fit(x, y)
    assert model.n_iter_ == 200
    assert model.loss_ == min(model.loss_curve_[19::20]) < model.loss_curve_[-1]  # twenty epochs make a hundred steps


# Going on


def test_a_warm_start_that_diverges_keeps_the_model_there_was() -> None:
    x, y = regression()
    model = DescentRegressor(warm_start=True).fit(x, y)
    before = model.predict(x)
    model.set_params(learning_rate=3.0, momentum=0.0)
    with pytest.warns(ConvergenceWarning, match="keeps what it had before"):
        model.fit(x, y + 1.0)
    np.testing.assert_allclose(model.predict(x), before)


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_parts_that_blow_up_are_undone_and_said_to(hidden: tuple[int, ...]) -> None:
    x, y = regression(rows=200)
    model = DescentRegressor(hidden, learning_rate=5.0, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(30):
            model.partial_fit(x, y)
    assert "diverged" in str(caught[-1].message)
    assert caught[-1].category is ConvergenceWarning
    assert model.verdict_ == "diverged"
    assert np.abs(model.predict(x)).max() < 1e4 * np.abs(y).max()


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_a_warm_start_on_other_units_learns_them(hidden: tuple[int, ...]) -> None:
    x, y = regression(rows=200)
    model = DescentRegressor(hidden, warm_start=True, random_state=0).fit(x, y)
    units = np.array([1e-3, 1.0, 1e3, 30.0])
    model.fit(x * units + 5e4 * units, 100 * y + 7)
    assert model.verdict_ == "converged"
    assert model.score(x * units + 5e4 * units, 100 * y + 7) > 0.98


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_a_first_part_of_one_row_does_not_fix_the_scales(hidden: tuple[int, ...]) -> None:
    x, y = regression(rows=200)
    x, y = x * np.array([1e-3, 1.0, 1e3, 30.0]) + 70.0, 100 * y + 7
    model = DescentRegressor(hidden, random_state=0).partial_fit(x[:1], y[:1])
    for _ in range(60):
        model.partial_fit(x, y)
    assert model.score(x, y) > 0.98


@pytest.mark.parametrize("classes", [2, None])
def test_a_warm_start_on_sparse_rows_with_another_mean_converges_like_a_dense_one(classes: int | None) -> None:
    x, y = regression() if classes is None else classification(classes)
    model = (DescentRegressor if classes is None else DescentClassifier)(warm_start=True)
    dense = clone(model).fit(x, y).fit(0.05 * x + 0.5, y)
    filled = clone(model).fit(sparse.csr_array(x), y).fit(sparse.csr_array(0.05 * x + 0.5), y)
    assert filled.verdict_ == dense.verdict_ == "converged"
    np.testing.assert_allclose(filled.coef_, dense.coef_, rtol=1e-2, atol=1e-2)


def test_the_curvature_of_sparse_rows_is_that_of_dense_ones_about_any_mean() -> None:
    """Also where the mean is of other rows than these, so that the bias is no direction of its own."""
    x, y = regression()
    scaling = Scaling(np.array([1.0, -2.0, 0.5, 0.0]), np.array([1.0, 2.0, 0.5, 3.0]))
    rows = Rows(sparse.csr_array(x), y, None, scaling, None, float(len(y)))
    start = {"weight": np.zeros(4), "bias": np.zeros(())}
    found = sparse_risk(rows, losses.mean_squared_error, 0.3, start, (1.0, True))
    design = np.column_stack([scaling.applied(x), np.ones(len(y))])
    hessian = design.T @ design / len(y) + 0.3 * np.diag([1.0, 1, 1, 1, 0])
    least, *_, most = np.linalg.eigvalsh(hessian)
    assert found.smoothness == pytest.approx(most, rel=2e-6)
    assert found.strong_convexity == pytest.approx(least)
    params = {"weight": np.array([1.0, 2.0, -1.0, 0.5]), "bias": np.asarray(0.25)}
    dense = sd.EmpiricalRisk(sd.models.linear, losses.mean_squared_error, scaling.applied(x), y, l2=0.3)
    assert found(params) == pytest.approx(dense(params))


@pytest.mark.parametrize("size", [10, 50, 200])
def test_alpha_holds_against_all_rows_seen_whatever_the_parts(size: int) -> None:
    x, _ = regression(rows=200)
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    model = DescentRegressor(random_state=0)
    for _ in range(10):
        for begin in range(0, len(x), size):
            model.partial_fit(x[begin : begin + size], x @ truth if size == len(x) else x[begin : begin + size] @ truth)
    np.testing.assert_allclose(model.coef_, truth, rtol=5e-3)


def test_epochs_on_parts_have_orders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []
    original = affine.descend
    monkeypatch.setattr(affine, "descend", lambda *a, **k: (seeds.append(k["seed"]), original(*a, **k))[1])
    x, y = regression()
    model = DescentRegressor(random_state=0)
    for _ in range(4):
        model.partial_fit(x, y)
    assert len(set(seeds)) == 4


def test_parts_of_sparse_rows_are_compiled_once() -> None:
    x, y = regression(rows=400)
    x = np.where(np.abs(x) > 0.5, x, 0.0)
    model = DescentRegressor(random_state=0).partial_fit(sparse.csr_array(x[:100]), y[:100])
    model.partial_fit(sparse.csr_array(x[100:200]), y[100:200])
    with compilations() as compiled:
        model.partial_fit(sparse.csr_array(x[200:300]), y[200:300])
    assert compiled == []


def test_another_model_than_there_is_is_refused_and_a_fitted_one_stays_what_it_is() -> None:
    x, y = regression()
    model = DescentRegressor(warm_start=True).fit(x, y)
    before = model.predict(x)
    model.set_params(hidden_layer_sizes=(5,), standardise=False)
    np.testing.assert_array_equal(model.predict(x), before)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes was \(\) in the last fit and is \(5,\) now"):
        model.fit(x, y)
    with pytest.raises(ValueError, match="hidden_layer_sizes was"):
        model.partial_fit(x, y)
    model.set_params(warm_start=False, max_iter=500).fit(x, y)
    assert hasattr(model, "coefs_")
    assert not hasattr(model, "coef_")


def test_every_weight_twice_is_alpha_by_half_in_batches_too() -> None:
    x, y = classification(3, rows=200)
    twice = DescentClassifier((6,), alpha=2.0, random_state=0).fit(x, y, sample_weight=np.full(len(y), 2.0))
    once = DescentClassifier((6,), alpha=1.0, random_state=0).fit(x, y)
    np.testing.assert_allclose(twice.predict_proba(x), once.predict_proba(x), atol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # its bias is at minus infinity
def test_a_class_whose_rows_do_not_count_is_a_class_all_the_same() -> None:
    x, y = classification(3)
    model = DescentClassifier().fit(x, y, sample_weight=(y != 2).astype(float))
    theirs = LogisticRegression().fit(x, y, sample_weight=(y != 2).astype(float))
    np.testing.assert_array_equal(model.classes_, theirs.classes_)
    assert model.predict_proba(x)[:, 2].max() < 0.5


def test_a_warm_start_begins_where_the_last_fit_ended() -> None:
    x, y = classification(3)
    model = DescentClassifier(warm_start=True).fit(x, y)
    first = model.n_iter_
    assert model.fit(x, y).n_iter_ <= 1 < first


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_epochs_on_parts_come_to_what_a_fit_on_all_comes_to(hidden: tuple[int, ...]) -> None:
    x, y = classification(3, rows=600)
    x = x * np.geomspace(1e-3, 1e3, 5)
    model = DescentClassifier(hidden, random_state=0)
    for part in range(40):
        rows = slice(150 * (part % 4), 150 * (part % 4) + 150)
        model.partial_fit(x[rows], y[rows], classes=[0, 1, 2])
    assert model.n_iter_ == 40 == len(model.loss_curve_)
    whole = DescentClassifier(hidden, random_state=0, max_iter=100)
    whole.fit(x, y)
    assert model.score(x, y) > whole.score(x, y) - 0.06


def test_parts_of_sparse_rows_and_of_regressions() -> None:
    x, y = regression(rows=200)
    model, of_sparse = DescentRegressor(random_state=0), DescentRegressor(random_state=0)
    for part in range(60):
        rows = slice(50 * (part % 4), 50 * (part % 4) + 50)
        model.partial_fit(x[rows], y[rows])
        of_sparse.partial_fit(sparse.csr_array(x[rows]), y[rows])
    assert model.score(x, y) > 0.98
    assert of_sparse.score(x, y) > 0.98


# On disk


@pytest.mark.parametrize("name", ["regression", "classification", "regression network", "classification network"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_was_saved_predicts_the_same(name: str, tmp_path: Path) -> None:
    estimator, x, y = both(name)
    y = np.array(["one", "two", "three"], object)[y] if "classification" in name else y
    estimator.fit(pd.DataFrame(x, columns=list("abcdefgh")[: x.shape[1]]), y)
    file = save_estimator(estimator, tmp_path / "model")
    assert file.name == "model.npz"
    again = load_estimator(file.with_suffix(""))  # as it was called when it was saved
    table = pd.DataFrame(x, columns=list("abcdefgh")[: x.shape[1]])
    np.testing.assert_array_equal(again.predict(table), estimator.predict(table))
    assert again.get_params() == estimator.get_params()
    assert again.diagnosis_words_ == str(estimator.diagnosis_)
    assert again.loss_curve_ == estimator.loss_curve_
    with zipfile.ZipFile(file) as opened:
        assert not any("pickle" in name for name in opened.namelist())
    # What was loaded can be saved again, and learn on.
    assert load_estimator(save_estimator(again, tmp_path / "again")).diagnosis_words_ == again.diagnosis_words_
    again.partial_fit(table, y)


@pytest.mark.parametrize(
    "parameters",
    [
        {"class_weight": {0: 1.0, 1: 5.0, 2: 1.0}},
        {"class_weight": "balanced", "hidden_layer_sizes": np.array([4]), "max_iter": 20},
        {"hidden_layer_sizes": [4, 3], "activation": "tanh", "alpha": np.float64(0.5), "max_iter": 20},
        {"learning_rate": 0.1, "momentum": 0.5, "batch_size": 8, "standardise": False, "random_state": 3, "tol": 1e-2},
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_parameter_comes_back(parameters: dict[str, Any], tmp_path: Path) -> None:
    x, y = classification(3)
    model = DescentClassifier(**parameters).fit(x, y)
    file = save_estimator(model, tmp_path / "model_v1.2")
    assert file.name == "model_v1.2.npz"
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    again = load_estimator(file)
    for name, value in model.get_params().items():
        found = again.get_params()[name]
        assert tuple(found) == tuple(value) if name == "hidden_layer_sizes" else found == value
    if again.class_weight != "balanced":
        again.partial_fit(x, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_skops_takes_them_too() -> None:
    skops_io = pytest.importorskip("skops.io")
    estimator, x, y = both("classification network")
    dumped = skops_io.dumps(estimator.fit(x, y))
    again = skops_io.loads(dumped, trusted=skops_io.get_untrusted_types(data=dumped))
    np.testing.assert_array_equal(again.predict_proba(x), estimator.predict_proba(x))
    assert str(again.diagnosis_) == str(estimator.diagnosis_)


def test_files_that_are_no_estimators_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no estimator at"):
        load_estimator(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(ValueError, match="cannot be read as an estimator"):
        load_estimator(tmp_path / "text.npz")
    with pytest.raises(IsADirectoryError, match=r"is a folder; give the path of a file"):
        load_estimator(tmp_path)
    np.savez(tmp_path / "foreign.npz", weights=np.zeros(3))
    with pytest.raises(ValueError, match="no file of save_estimator"):
        load_estimator(tmp_path / "foreign.npz")
    (tmp_path / "pickled.npz").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ValueError, match="no file of save_estimator") as raised:
        load_estimator(tmp_path / "pickled.npz")
    assert "allow_pickle" not in str(raised.value)
    with pytest.raises(FileNotFoundError, match=r"cannot be written: .*make the folder .*nowhere first"):
        save_estimator(DescentRegressor().fit([[0.0], [1.0]], [0.0, 1.0]), tmp_path / "nowhere" / "model")
    np.savez(tmp_path / "other.npz", **{"steepest.json": np.array(json.dumps({"format": 99}))})
    with pytest.raises(ValueError, match="format 99"):
        load_estimator(tmp_path / "other.npz")
    with pytest.raises(NotFittedError):
        save_estimator(DescentRegressor(), tmp_path / "unfitted")
    with pytest.raises(TypeError, match="DescentRegressor or a DescentClassifier, got Ridge"):
        save_estimator(Ridge(), tmp_path / "other")  # type: ignore[arg-type]


# Words


@pytest.mark.parametrize(
    ("settings_", "error", "words"),
    [
        ({"learning_rate": 0.0}, ValueError, 'learning_rate must be a number above 0, or "auto", got 0.0'),
        ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number above 0"),
        ({"momentum": 1.0}, ValueError, 'momentum must be a number from 0 up and below 1, or "auto", got 1.0'),
        ({"alpha": -1}, ValueError, "alpha must be a number from 0 up, got -1"),
        ({"tol": None}, TypeError, "tol must be a number from 0 up, got None"),
        ({"max_iter": 0}, ValueError, "max_iter must be a whole number from 1 up, got 0"),
        (
            {"batch_size": 2.5},
            TypeError,
            'batch_size must be a whole number from 1 up, None for all, or "auto", got 2.5',
        ),
        ({"standardise": "no"}, TypeError, "standardise must be True or False, got 'no'"),
        ({"random_state": "a"}, ValueError, "random_state must be None, a whole number from 0 to 2**32 - 1"),
        ({"random_state": -1}, ValueError, "random_state must be None, a whole number from 0 to 2**32 - 1"),
        ({"hidden_layer_sizes": (0,)}, ValueError, "hidden_layer_sizes must be at least 1, got 0"),
        ({"hidden_layer_sizes": 10}, TypeError, "hidden_layer_sizes must be a sequence"),
        ({"activation": "rely"}, ValueError, "did you mean 'relu'"),
    ],
)
def test_parameters_are_refused_in_words(settings_: dict[str, Any], error: type[Exception], words: str) -> None:
    x, y = regression()
    with pytest.raises(error) as raised:
        DescentRegressor(**settings_).fit(x, y)
    assert words in str(raised.value)


def test_batches_of_sparse_rows_are_refused_in_words() -> None:
    x, y = regression()
    with pytest.raises(ValueError, match=r'batch_size must be None or "auto" for sparse rows.* got 32'):
        DescentRegressor(batch_size=32).fit(sparse.csr_array(x), y)
    DescentRegressor(batch_size=60).fit(sparse.csr_array(x), y)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("foo", "class_weight must be None, \"balanced\" or a dict class → weight, got 'foo'"),
        (3, 'class_weight must be None, "balanced" or a dict class → weight, got 3'),
        ({0: -1, 1: 1}, "class_weight of class 0 must be a number from 0 up, got -1"),
        ({0: "much"}, "class_weight of class 0 must be a number from 0 up, got 'much'"),
        ({0: 0, 1: 1}, "must leave at least two classes"),
    ],
)
def test_weights_of_classes_are_refused_in_words(weights: Any, words: str) -> None:
    x, y = classification(2)
    with pytest.raises((TypeError, ValueError)) as raised:
        DescentClassifier(class_weight=weights).fit(x, y)
    assert words in str(raised.value)


@pytest.mark.parametrize("factor", [1e160, 1e290])
def test_columns_and_targets_too_large_to_square_are_named(factor: float) -> None:
    x, y = regression()
    with pytest.raises(ValueError, match=r"column 2 of X is too large to standardise, up to .*; divide it by"):
        DescentRegressor().fit(x * [1, 1, factor, 1], y)
    with pytest.raises(ValueError, match=r"y is too large to standardise, up to .*; divide it by"):
        DescentRegressor().fit(x, factor * y)


def test_classes_are_refused_in_words() -> None:
    x, y = classification(2)
    with pytest.raises(ValueError, match="at least two classes, got one class"):
        DescentClassifier().fit(x, np.zeros(len(y), int))
    model = DescentClassifier().partial_fit(x, y, classes=[0, 1])
    with pytest.raises(ValueError, match="holds the class 7, which is not among"):
        model.partial_fit(x, y + 7)
    with pytest.raises(ValueError, match="classes must be those of the first call"):
        model.partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="balanced"):
        DescentClassifier(class_weight="balanced").partial_fit(x, y)
    with pytest.raises(TypeError, match="parse data"):
        DescentClassifier((4,)).fit(sparse.csr_array(x), y)
