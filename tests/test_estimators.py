"""The estimators against scikit-learn's own checks, against the closed forms of their peers, and against themselves."""

from __future__ import annotations

import json
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

from steepest.estimators import DescentClassifier, DescentRegressor, load_estimator, save_estimator

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
    assert np.isfinite(above.predict(x)).all()
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


# Going on


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
    again = load_estimator(file)
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
        ({"batch_size": 2.5}, TypeError, "batch_size must be a whole number from 1 up, got 2.5"),
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
